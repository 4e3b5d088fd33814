/* A YAML file as a tree whose every node knows its line and column, with `${NAME}` replaced in its scalars. */
#ifndef CONFIG_H
#define CONFIG_H

#include "base/env_file.h"
#include "config/node.h"
#include "config/secrets.h"
#include <churn/result.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Of a variable's name. */
#define VARIABLE_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

enum finding_kind { FINDING_ERROR, FINDING_WARNING, FINDING_OK };

/* What was said about a place of the file. */
struct finding {
    enum finding_kind kind;
    unsigned line; /* 0: of the file as a whole */
    unsigned column;
    char *message;
};

struct config {
    const char *file;       /* as the user named it */
    struct env_file env;    /* what references are looked up in, after the environment and credentials */
    struct secrets secrets; /* of references and secret options so far: no finding shows their values */
    bool has_secrets;       /* there are some, however short */
    struct node root;
    unsigned nodes; /* made so far */
    bool usable;    /* the tree is whole, though there may be errors in it */
    bool muted;     /* findings are dropped: they were made before, under another name of their section */
    FILE *errors;   /* where findings are written at once; NULL: they are only kept */
    struct finding *findings;
    unsigned finding_count;
    unsigned error_count; /* of the findings */
};

/* Reads `env_file` (as env_file_read), and reads and checks the syntax of `file`; messages go to `errors`, which stays
 * the caller's. False, with error_count > 0, when it cannot be read, is no YAML, repeats a key, or names a variable
 * that is not set; the rest of a `usable` one can be checked all the same. Free in either case. */
bool config_load(struct config *config, const char *file, const char *env_file, FILE *errors);
/* The same for what `in` holds, with the environment and credentials alone; `file` is its name in messages. */
bool config_read(struct config *config, const char *file, FILE *in, FILE *errors);
void config_free(struct config *config);

/* "file:line:col: message", counted; said once, however often it is found. `node` NULL: "file: message". */
CHURN_PRINTF(3, 4) void config_error(struct config *config, const struct node *node, const char *format, ...);
/* "file:line:col: warning: message": what works, though hardly as it is meant. */
CHURN_PRINTF(3, 4) void config_warning(struct config *config, const struct node *node, const char *format, ...);
/* "file:line:col: ok: message": what was tried and works. */
CHURN_PRINTF(3, 4) void config_ok(struct config *config, const struct node *node, const char *format, ...);
/* An error for each line of `lines`. */
void config_error_lines(struct config *config, const struct node *node, const char *lines);
/* Whether an error was reported at the place of `node` or of one of its items. */
bool config_has_error(const struct config *config, const struct node *node);
/* One finding as a line. */
void config_print_finding(const struct config *config, const struct finding *finding, FILE *out);

/* Sets an option of a section as if the file said so, at the section's place. What is no map stays as it is, for
 * whoever reads it to report. False when memory ran out. */
bool config_set(struct config *config, const char *section, const char *key, const char *text);

#endif
