/* What `churnd describe` and `churnd schema` know, each way to write it in a file of its own. */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "base/json_build.h"
#include "cli/describe_facts.h"
#include "config/option.h"
#include "event/catalog.h"
#include "pipeline/pipeline.h"

/* A plugin; `type` is set where it is an event type. */
struct described {
    const struct loaded *loaded;
    const struct event_type *type;
};

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

#endif
