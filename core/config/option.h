/* Fills a struct from a YAML map by a table of typed options (<churn/option.h>). */
#ifndef OPTION_H
#define OPTION_H

#include "config/config.h"
#include <churn/option.h>
#include <churn/plugin.h>

/* A table and the struct that it fills. */
struct option_target {
    const churn_option *rows;
    uint32_t count;
    uint32_t stride;
    void *base;
};

#define OPTION_TARGET(rows_, base_)                                                                                    \
    (struct option_target)                                                                                             \
    {                                                                                                                  \
        .rows = (rows_), .count = sizeof(rows_) / sizeof((rows_)[0]), .stride = sizeof(churn_option), .base = (base_)  \
    }

static inline const churn_option *option_row(const struct option_target *target, uint32_t i)
{
    return (const churn_option *)(const void *)((const char *)target->rows + (size_t)i * target->stride);
}

/* Sets every option of the targets: its default, then what `map` says (NULL: nothing). Each mistake is reported at its
 * place with `section` in front: unknown keys with the nearest known one, wrong types, out of range, missing. `ignored`
 * names keys that others read (NULL-terminated, may be NULL). The values are freed by options_free. False when there
 * was a mistake. */
bool options_read(struct config *config, const struct node *map, const struct node *where, const char *section,
                  const struct option_target *targets, unsigned target_count, const char *const *ignored);
/* After a mistake: whether all that is required was given all the same. What was refused has its default then. */
bool options_complete(const struct option_target *target);
void options_free(const struct option_target *targets, unsigned target_count);

/* One of a plugin's options. */
static inline const churn_option *plugin_option(const churn_plugin *plugin, uint32_t i)
{
    struct option_target target = {
        .rows = plugin->options, .count = plugin->option_count, .stride = plugin->option_stride};
    return option_row(&target, i);
}

/* true, yes, on and their opposites, also capitalised or in capitals. False when it is none of them. */
bool option_parse_bool(const char *text, bool *ret);

/* A number with ms, s, m, h or d. */
bool option_parse_duration(const char *text, int64_t *ret_ms);

/* "duration", "size", … */
const char *option_type_name(uint32_t type);

#endif
