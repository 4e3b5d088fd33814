/* A YAML file as a tree whose every node knows its line and column, with `${NAME}` replaced in its scalars. */
#ifndef CONFIG_H
#define CONFIG_H

#include "base/env_file.h"
#include <churn/result.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Of a variable's name. */
#define VARIABLE_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    unsigned line; /* from 1 */
    unsigned column;
    const char *text;    /* SCALAR: after replacement, NUL-terminated */
    const char *written; /* SCALAR: as the file has it, for messages, so that no replaced secret is ever shown */
    bool null;           /* SCALAR: empty and unquoted, or `~` or `null` */
    bool quoted;         /* SCALAR: in quotes, or a block of text: never a number, true, false or null */
    bool bad;            /* SCALAR: a variable in it is missing, which was reported */
    struct node *keys;   /* MAP: `count` scalars beside `items` */
    struct node *items;  /* LIST, MAP */
    unsigned count;
};

/* A variable that is called like a secret, and what was put in place of a reference to it. */
struct secret {
    char *name, *value;
};

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
    struct env_file env;    /* what references are looked up in, after the environment */
    struct secret *secrets; /* of the references so far: a finding shows the name in place of the value */
    unsigned secret_count;
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
/* The same for what `in` holds, with the environment alone; `file` is its name in messages. */
bool config_read(struct config *config, const char *file, FILE *in, FILE *errors);
void config_free(struct config *config);

/* Whether what the file has refers to a variable that is called like a secret, such as DB_PASSWORD. */
bool config_names_a_secret(const char *written);

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

/* The value of `key` in a map, or NULL. */
const struct node *config_get(const struct node *map, const char *key);
/* The key itself, for messages about it. */
const struct node *config_get_key(const struct node *map, const char *key);
/* Not given, or given without a value. */
bool config_is_absent(const struct node *node);

/* Nodes that a program makes itself, placed where `at` is for messages. One without text means that memory ran out,
 * which config_put tells. */
struct node config_scalar(const struct node *at, const char *text);
struct node config_copy(const struct node *scalar);
struct node config_map(const struct node *at);
/* Sets `key` in a map in place of what it had. Takes `value`, also when it fails: false when memory ran out. Moves the
 * map's other values. */
bool config_put(struct node *map, const char *key, struct node value);
/* Moves a key's value out of a map, where an empty one stays in its place; false when there is none. The caller frees.
 */
bool config_take(struct node *map, const char *key, struct node *ret);
void config_remove(struct node *map, const char *key);
void config_free_node(struct node *node);
/* Sets an option of a section as if the file said so, at the section's place. What is no map stays as it is, for
 * whoever reads it to report. False when memory ran out. */
bool config_set(struct config *config, const char *section, const char *key, const char *text);

#endif
