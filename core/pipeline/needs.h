/* What a pipeline needs of the system: the paths that its file names, the ports of what it connects to, and what its
 * plugins declare (<churn/needs.h>). It is all that a sandbox leaves. */
#ifndef NEEDS_H
#define NEEDS_H

#include "base/json_text.h"
#include "base/landlock.h"
#include "pipeline/load.h"

/* A file or folder that the next start believes: what is in it decides what churnd does. */
struct believed {
    char *shown; /* as it was named */
    char *path;  /* where it is or would be made, as `paths` has it */
};

struct needs {
    struct landlock_path *paths; /* absolute, without links; folders for what may be made or put in place of a file */
    unsigned path_count;
    struct believed *believed;
    unsigned believed_count;
    uint16_t *ports;
    unsigned port_count;
    uint16_t listened;
    bool connects;
    bool resolves;                   /* names of hosts are looked up */
    bool local;                      /* Unix sockets are made */
    const struct section *discovers; /* it learns addresses when it runs, so that no rule can name them; NULL: none */
    const char **syscalls;           /* beside those of any pipeline; NULL-terminated, NULL: none */
    unsigned syscall_count;
    const struct section *undeclared; /* whose plugin does not say what it needs; NULL: none */
    bool failed;                      /* memory ran out */
};

/* Of a pipeline that was loaded, whose texts it borrows. Free in either case. */
void needs_find(const struct pipeline *pipeline, struct pipeline_files files, struct needs *ret);
void needs_free(struct needs *needs);
/* Adds a file that somebody else than the pipeline makes or writes; NULL: none. */
void needs_written(struct needs *needs, const char *path);
/* Whether the pipeline's file says `sandbox:`; if not, it has one all the same, of which less is said. */
bool needs_sandbox_said(const struct pipeline *pipeline);
/* Whether a plugin declares that system call. */
bool needs_call(const struct needs *needs, const char *name);
/* Whether `more` needs nothing that `needs` does not have; false with what it is. */
bool needs_cover(const struct needs *needs, const struct needs *more, char *message, size_t size);
/* Calls `fn` with a text for each thing that is believed and lies where the run may write. */
typedef void (*needs_risk_fn)(void *ctx, const char *text);
void needs_tell_risks(const struct needs *needs, needs_risk_fn fn, void *ctx);
/* What it is of the network and of system calls, for people. */
void needs_describe(const struct needs *needs, struct text *text);
/* Reports what plugins declare that cannot be: a system call that nobody knows. False with errors. */
bool needs_check(struct pipeline *pipeline);

#endif
