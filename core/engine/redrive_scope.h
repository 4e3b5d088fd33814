/* Which dead letters a redrive reads, and which of them are this pipeline's. */
#ifndef REDRIVE_SCOPE_H
#define REDRIVE_SCOPE_H

#include "config/config.h"
#include <churn/result.h>
#include <stdbool.h>
#include <stdint.h>

struct redrive {
    bool all;        /* read every dead letter, also those that an earlier redrive has read */
    bool unverified; /* put back also what cannot be compared with the record that it was */
    bool envelope;   /* the dead letters are lines of JSON, not records with headers */
    bool stay;   /* the next redrive reads them too: no position is committed, and what is still bad is left there */
    int64_t end; /* of a file, as it stood at the start */
    int64_t since_ms, until_ms; /* letters written from … on and before …; INT64_MIN, INT64_MAX: whenever */

    /* the pipeline's own source: the dead letters of others are left alone */
    char **topics;
    unsigned topic_count;
    bool any_topic; /* it cannot be told which it reads */
    bool failed;    /* memory ran out as they were named */

    struct node origin; /* its section; `has_origin` */
    bool has_origin;

    char description[512]; /* what is read, for the log */
};

/* When a letter was written, as seen from what is asked for. */
enum written { WRITTEN_WITHIN, WRITTEN_BEFORE, WRITTEN_AFTER, WRITTEN_UNKNOWN };

/* `ms` is 0 where the letter does not say. */
enum written redrive_written(const struct redrive *redrive, int64_t ms);
/* Whether the pipeline's own source reads `topic`. */
bool redrive_knows(const struct redrive *redrive, churn_str topic);

#endif
