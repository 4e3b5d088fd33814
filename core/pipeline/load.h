/* From a pipeline's YAML file to the pipeline: sections checked against the tables of their plugins. */
#ifndef LOAD_H
#define LOAD_H

#include "pipeline/pipeline.h"

/* What a pipeline is read from. */
struct pipeline_files {
    const char *pipeline;
    const char *env; /* as env_file_read */
};

/* Reads and checks the whole file: every mistake is reported to `errors`. False when there was one. Free in either
 * case. */
bool pipeline_load(struct pipeline *pipeline, struct pipeline_files files, struct loader *loader, struct log *log,
                   FILE *errors);
void pipeline_free(struct pipeline *pipeline);

/* Changes what the file said before it is checked: `config` by config_set, `profiles_only`, `rebuilt`. False, with a
 * message to the config's `errors`, ends the loading. */
typedef bool (*pipeline_edit_fn)(struct pipeline *pipeline, void *ctx);
bool pipeline_load_edited(struct pipeline *pipeline, struct pipeline_files files, struct loader *loader,
                          struct log *log, FILE *errors, pipeline_edit_fn edit, void *ctx);
/* A change for commands that look at what the store has, and make nothing there. */
bool pipeline_only_look(struct pipeline *pipeline, void *ctx);

#endif
