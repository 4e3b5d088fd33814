/* Where the partitions of a pipeline's source end now. */
#ifndef FORGET_ENDS_H
#define FORGET_ENDS_H

#include "pipeline/pipeline.h"
#include "profile/parts.h"

struct source_end {
    char name[512]; /* of the partition, as in marks */
    int64_t offset;
};

struct source_ends {
    struct pipeline *pipeline;
    struct instance *source;
    struct parts parts;
    struct source_end *items;
    size_t count, room;
    bool failed; /* memory ran out */
};

/* Asks an instance of the source that reads apart (cli/read_apart.h), of a pipeline that runs until the end. False,
 * with a message to standard error. To be freed either way. */
bool forget_ends_ask(struct source_ends *ends, struct pipeline *pipeline);
void forget_ends_free(struct source_ends *ends);

#endif
