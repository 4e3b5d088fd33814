/** @file
 * The typed option table of a plugin. The host parses YAML, replaces `${NAME}`, validates, reports errors with
 * file, line and column, prints `churnd describe`, and writes each value at its offset in the zeroed instance
 * before it calls `create`. Strings, lists and maps are the host's and stay valid until after `destroy`.
 */
#ifndef CHURN_OPTION_H
#define CHURN_OPTION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The type of an option; beside each, the C type at its offset. */
enum {
    CHURN_OPTION_STRING = 1,   /**< `const char *`, NUL-terminated; NULL when absent and without default */
    CHURN_OPTION_INT = 2,      /**< `int64_t` */
    CHURN_OPTION_DOUBLE = 3,   /**< `double`, finite */
    CHURN_OPTION_BOOL = 4,     /**< `int32_t`, 0 or 1 */
    CHURN_OPTION_ENUM = 5,     /**< `int32_t`, index into `choices` */
    CHURN_OPTION_DURATION = 6, /**< `int64_t`, milliseconds; YAML writes 250ms, 5s, 10m, 2h, 7d */
    CHURN_OPTION_SIZE = 7,     /**< `int64_t`, bytes; YAML writes 512, 64KiB, 1MiB, 2GiB (kB, MB, GB: powers of 1000) */
    CHURN_OPTION_LIST = 8,     /**< `churn_list`, of strings; each one of `choices` where the row has any */
    CHURN_OPTION_MAP = 9,      /**< `churn_map`, of strings */
    CHURN_OPTION_TREE = 10     /**< `const churn_node *`: lists and maps as they stand, for the plugin to check; NULL
                                    when absent (ABI 1.3) */
};

enum {
    CHURN_OPTION_REQUIRED = 1,   /**< an absent or empty value is an error */
    CHURN_OPTION_SECRET = 2,     /**< never printed, neither in errors nor in `describe` output of a pipeline */
    CHURN_OPTION_DEPRECATED = 4, /**< still works, with a warning that shows the help text */
    CHURN_OPTION_OWN_DEFAULT = 8 /**< the default is told and left to the plugin, which can tell that nobody gave a
                                      value: the member is zeroed then (ABI 1.3) */
};

/** An owned-by-host array of NUL-terminated strings. */
typedef struct churn_list {
    const char *const *items;
    uint32_t count;
    uint32_t reserved;
} churn_list;

/** Owned-by-host pairs of NUL-terminated strings, in the order of the file. */
typedef struct churn_map {
    const char *const *keys;
    const char *const *values;
    uint32_t count;
    uint32_t reserved;
} churn_map;

enum { CHURN_NODE_SCALAR = 1, CHURN_NODE_LIST = 2, CHURN_NODE_MAP = 3 };
enum {
    CHURN_NODE_QUOTED = 1, /**< SCALAR: in quotes, or a block of text: a text, whatever it looks like */
    CHURN_NODE_NULL = 2    /**< SCALAR: without a value, or `~` or `null` */
};

/** An owned-by-host value of the file. A mistake in it is told by churn_fail_option() with its path, such as
 *  `features.2.field`: the host points at its line. (since ABI 1.3) */
typedef struct churn_node {
    uint32_t kind;  /**< CHURN_NODE_SCALAR … */
    uint32_t flags; /**< CHURN_NODE_QUOTED | … */
    uint32_t count; /**< LIST, MAP: of items */
    uint32_t reserved;
    const char *text;               /**< SCALAR: NUL-terminated, variables replaced; else NULL */
    const char *const *keys;        /**< MAP: the names of the items, in the order of the file; else NULL */
    const struct churn_node *items; /**< LIST, MAP */
} churn_node;

/** One row of an option table. */
typedef struct churn_option {
    const char *name;           /**< as written in YAML: lower case, words joined by `_`; `NAME.PART` is the entry PART
                                     of the map NAME (since ABI 1.3) */
    const char *default_text;   /**< the default as YAML would write it (`a,b` for lists), or NULL for none */
    const char *help;           /**< one sentence for `churnd describe` */
    const char *const *choices; /**< NULL-terminated; ENUM requires it, LIST may have it, others NULL */
    int64_t min;                /**< smallest value of INT, DURATION, SIZE, DOUBLE; ignored when min == max */
    int64_t max;                /**< largest value, likewise */
    uint32_t type;              /**< CHURN_OPTION_STRING … */
    uint32_t flags;             /**< CHURN_OPTION_REQUIRED | … */
    uint32_t offset;            /**< offsetof(instance, member) */
    uint32_t reserved;
} churn_option;

#ifdef __cplusplus
}
#endif
#endif
