/* Manuals as JSON. */
#include "cli/describe.h"

static struct json_object *option_to_json(const churn_option *row)
{
    struct json_object *object = json_object_new_object();
    char range[96];
    json_add_text(object, "name", row->name);
    json_add_text(object, "type", option_type_name(row->type));
    json_add_text(object, "help", row->help);
    if (row->default_text != NULL) {
        json_add_text(object, "default", row->default_text);
    }
    json_add(object, "required", json_object_new_boolean((row->flags & CHURN_OPTION_REQUIRED) != 0));
    json_add(object, "secret", json_object_new_boolean((row->flags & CHURN_OPTION_SECRET) != 0));
    json_add(object, "deprecated", json_object_new_boolean((row->flags & CHURN_OPTION_DEPRECATED) != 0));
    if (row->choices != NULL) {
        json_add(object, "choices", json_names(row->choices));
    }
    if (describe_range(row, range, sizeof range)) {
        json_add_text(object, "range", range);
    }
    return object;
}

struct json_object *describe_json_table(const struct option_table *table)
{
    struct json_object *object = json_object_new_object(), *options = json_object_new_array();
    json_add_text(object, "section", table->section);
    json_add_text(object, "summary", table->help);
    for (uint32_t i = 0; i < table->count; i++) {
        (void)json_object_array_add(options, option_to_json(&table->rows[i]));
    }
    json_add(object, "options", options);
    return object;
}

struct json_object *describe_json_plugin(const struct described *described)
{
    const churn_plugin *plugin = &described->loaded->plugin;
    struct json_object *object = json_object_new_object(), *options = json_object_new_array();
    json_add_text(object, "role", role_name(plugin->kind));
    json_add_text(object, "name", plugin->name);
    json_add_text(object, "version", plugin->version);
    json_add_text(object, "summary", plugin->summary);
    json_add_text(object, "path", described->loaded->path);
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        (void)json_object_array_add(options, option_to_json(plugin_option(plugin, i)));
    }
    json_add(object, "options", options);
    if (described->type != NULL) {
        json_add(object, "schema", schema_of_event(described->type, plugin->summary));
    }
    return object;
}
