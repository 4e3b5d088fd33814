/* What `churnd describe` and `churnd schema` know, each way to write it in a file of its own. */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "base/json_build.h"
#include "config/option.h"
#include "event/catalog.h"
#include "pipeline/pipeline.h"

/* A plugin; `type` is set where it is an event type. */
struct described {
    const struct loaded *loaded;
    const struct event_type *type;
};

static inline const churn_option *plugin_option(const churn_plugin *plugin, uint32_t i)
{
    struct option_target target = {
        .rows = plugin->options, .count = plugin->option_count, .stride = plugin->option_stride};
    return option_row(&target, i);
}

static inline bool has_default(const churn_option *row)
{
    return row->default_text != NULL && *row->default_text != '\0';
}

/* "1ms to 1h", "at least 1MiB"; false where any value is taken. */
bool describe_range(const churn_option *row, char *out, size_t size);
const char *describe_field_type(const churn_field *field);
/* What an effect takes its operand from, for people; `room` for a number. NULL: it only declares the field. */
const char *describe_operand(const churn_effect *effect, char *room, size_t size);
const char *describe_divisor(const churn_derived *derived);

void describe_text_table(const struct option_table *table);
void describe_text_plugin(const struct described *described);

void describe_markdown_begin(void);
void describe_markdown_table(const struct option_table *table);
void describe_markdown_plugin(const struct described *described);

/* The caller puts the results. */
struct json_object *describe_json_table(const struct option_table *table);
struct json_object *describe_json_plugin(const struct described *described);

struct json_object *schema_of_event(const struct event_type *type, const char *summary);
struct json_object *schema_of_plugin(const churn_plugin *plugin);
struct json_object *schema_of_pipeline(const struct loader *loader);

/* Prints and puts. */
void describe_print_json(struct json_object *object);

#endif
