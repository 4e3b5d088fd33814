/* A node of a YAML file: a scalar, a list or a map, with its place. */
#ifndef NODE_H
#define NODE_H

#include <stdbool.h>

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
    bool secret;         /* SCALAR: refers to a variable that is called like a secret, or is a credential */
    struct node *keys;   /* MAP: `count` scalars beside `items` */
    struct node *items;  /* LIST, MAP */
    unsigned count;
};

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
/* Takes the item whose number `path` begins with out of a list that has others. False: it does not. */
bool config_remove_item(struct node *list, const char *path);
void config_free_node(struct node *node);

#endif
