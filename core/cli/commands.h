/* The subcommands of churnd. Each returns the exit status. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "base/log.h"
#include "engine/run.h"
#include "pipeline/load.h"
#include "pipeline/pipeline.h"
#include "plugin/loader.h"
#include <stdbool.h>
#include <stddef.h>

struct arguments;

struct command {
    const char *name;
    const char *operands; /* what stands behind the name, for people; NULL: nothing */
    unsigned least_operands, most_operands;
    bool needs_config;
    const char *formats; /* what --format may be, parted by spaces, the default first; NULL: --format is not for it */
    const char *help;    /* lines that `\n` parts */
    int (*run)(const struct arguments *arguments, struct loader *loader, struct log *log);
};

struct command_option {
    const char *name;
    const char *value;    /* what it takes, for people; NULL: nothing */
    const char *choices;  /* what that may be, parted by spaces; NULL: anything */
    const char *commands; /* those that it belongs to, parted by spaces; NULL: all */
    const char *help;     /* lines that `\n` parts */
    bool (*take)(struct arguments *arguments, const char *value); /* false, with a message, when the value is wrong */
    char letter;                                                  /* 0: it has only its name */
    bool required;                                                /* by each of its commands */
};

struct command_table {
    const struct command *commands;
    size_t command_count;
    const struct command_option *options;
    size_t option_count;
};

struct arguments {
    const struct command_table *table; /* that they were read by */
    const char *config;                /* -c */
    const char **operands;             /* what stands behind the command: a plugin, a customer */
    unsigned operand_count;
    const char *log_level; /* NULL: as the pipeline says */
    const char *log_format;
    const char *env_file;
    const char **plugin_path;
    unsigned plugin_path_count;
    const char **plugin_options; /* plugin-check: NAME=VALUE */
    unsigned plugin_option_count;
    const char *into;    /* rebuild: a key prefix */
    const char *against; /* verify: a key prefix */
    bool until_end;
    bool quiet;
    bool all, unverified;
    struct replay replay;
    bool has_at; /* explain: --at */
    int64_t at_ms;
    bool has_since, has_until; /* redrive */
    int64_t since_ms, until_ms;
    const char *format; /* --format; NULL: the command's default */
    bool json;          /* it is json */
    bool json_schema;
    const char *dir;                      /* new-plugin: where its folder goes; NULL: here */
    const char *filter;                   /* test: run those whose name contains it */
    const char *junit;                    /* test: a file */
    const char *at;                       /* tap: a point of the pipeline; NULL: events */
    const char *when, *customer, *socket; /* tap */
    int64_t limit;                        /* tap: records; verify: customers; 0: not given */
    const char *head, *from;              /* audit */
    const char *ids_file, *receipt;       /* forget */
    bool export_all;                      /* where */
    const char *url, *cacert;             /* top, health */
    bool once;
    bool connect;
    bool acl;
    bool ready;       /* health: whether events flow, not only whether it lives */
    bool has_max_lag; /* health: and whether none waits for longer */
    int64_t max_lag_ms;
    bool deny_warnings;
    const char *rates, *step, *customers, *types, *topic, *plot; /* load; NULL: not given */
    bool among_others, clean;
    bool show_help, show_version;
};

static inline struct pipeline_files arguments_files(const struct arguments *arguments)
{
    return (struct pipeline_files){.pipeline = arguments->config, .env = arguments->env_file};
}

static inline struct run_options arguments_run(const struct arguments *arguments)
{
    return (struct run_options){.files = arguments_files(arguments),
                                .log_level = arguments->log_level,
                                .log_format = arguments->log_format,
                                .quiet = arguments->quiet};
}

int command_run(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_check(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_new_plugin(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_plugins(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_plugin_check(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_describe(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_graph(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_completion(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_schema(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_profile(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_decrypt(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_forget(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_where(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_health(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_explain(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_redrive(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_rebuild(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_verify(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_load(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_audit(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_test(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_top(const struct arguments *arguments, struct loader *loader, struct log *log);
int command_tap(const struct arguments *arguments, struct loader *loader, struct log *log);

/* Whether profiles under `prefix`, which the option named `option` gives, can lie beside those under the pipeline's own
 * prefix, in such a way that no key of one could be one of the other; a message to standard error says why not. */
bool check_other_prefix(const char *option, const char *prefix, const char *own);

struct pipeline;
/* Makes a pipeline, while it is read, one that rebuilds profiles under the prefix `into`, a text. False when a mistake
 * was reported. */
bool rebuild_edit(struct pipeline *pipeline, void *into);

#endif
