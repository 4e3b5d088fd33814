/* The subcommands of churnd. Each returns the exit status. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "loader.h"
#include "log.h"
#include "pipeline.h"
#include <stdbool.h>

struct arguments {
    const char *command;
    const char *config;    /* -c */
    const char *operand;   /* what stands behind the options: a plugin, a customer */
    const char *log_level; /* NULL: as the pipeline says */
    const char *log_format;
    const char *env_file;
    const char **plugin_path;
    unsigned plugin_path_count;
    bool until_end;
    struct replay replay;
    bool json;
    bool json_schema;
};

int command_run(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_check(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_plugins(const struct arguments *arguments, struct loader *loader);
int command_describe(const struct arguments *arguments, struct loader *loader);
int command_profile(const struct arguments *arguments, struct loader *loader, struct log *log);

#endif
