/* The run of a pipeline: its workers, its signals and, at SIGHUP, the pipeline that takes its place. */
#ifndef RUN_H
#define RUN_H

#include "pipeline/load.h"

/* The exit status of work that a signal ended before its end, as shells tell of one that ended the process. */
#define STATUS_INTERRUPTED(signal_number) (128 + (signal_number))

struct run_options {
    struct pipeline_files files; /* what the pipeline was loaded from, and is loaded from again */
    const char *log_level;       /* NULL: as the pipeline says */
    const char *log_format;      /* NULL: as the pipeline says */
    bool quiet;                  /* how far it is is not shown */
};

/* What `run` does with a pipeline once it is loaded. Returns the exit status. [main] */
int run_pipeline(const struct run_options *options, struct pipeline *pipeline, struct log *log);

#endif
