/* The sandbox of a run (`sandbox:`, `user:`): what the process may do once its pipeline was read, whatever a plugin or
 * an attacker in it tries. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "pipeline/needs.h"

struct sandbox {
    bool of_command;     /* not a run's: of a command whose user is there, and reads what it prints */
    const char *written; /* a file that such a command makes besides; NULL: none */
    bool entered;
    struct needs needs; /* what was allowed */
};

/* Leaves root for the pipeline's user and binds the process, as the pipeline says, before there are threads. There is
 * no way back. False, logged, when the run must not begin. */
bool sandbox_enter(struct sandbox *sandbox, struct pipeline *pipeline, struct pipeline_files files);
/* Whether a pipeline that is to take over needs no more; false with an error of its file. */
bool sandbox_allows(const struct sandbox *sandbox, struct pipeline *next, struct pipeline_files files);
void sandbox_free(struct sandbox *sandbox);

#endif
