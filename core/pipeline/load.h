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
/* Only the section `health:`, whatever else is wrong with the file. False with messages. Free in either case. */
bool pipeline_load_health(struct pipeline *pipeline, struct pipeline_files files, FILE *errors);
/* Only the section `audit:`, likewise. */
bool pipeline_load_audit(struct pipeline *pipeline, struct pipeline_files files, FILE *errors);
/* Checks the file as it stands, for a command that goes on to load it with a change, which hides what it replaces. What
 * is wrong is reported to `errors`, and warnings only with it. `into` NULL, or the key prefix with which it is checked.
 */
bool pipeline_check(struct pipeline_files files, struct loader *loader, struct log *log, FILE *errors,
                    const char *into);

/* Changes what the file said before it is checked: `config` by config_set, `profiles_only`, `rebuilt`. False, with a
 * message to the config's `errors`, ends the loading. */
typedef bool (*pipeline_edit_fn)(struct pipeline *pipeline, void *ctx);
bool pipeline_load_edited(struct pipeline *pipeline, struct pipeline_files files, struct loader *loader,
                          struct log *log, FILE *errors, pipeline_edit_fn edit, void *ctx);
/* For such a change: the plugin that a section names, from the folders that the file and others name. NULL: with a
 * message, or "" where the section names none. */
const struct loaded *pipeline_find_plugin(struct pipeline *pipeline, const struct node *section, uint32_t kind,
                                          char *message, size_t size);
/* A change for commands that look at what the store has, and make nothing there. */
bool pipeline_only_look(struct pipeline *pipeline, void *ctx);

#endif
