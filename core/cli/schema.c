/*
 * The JSON Schema of pipeline files, for editors: draft 7, which their YAML servers know. A value may hold a reference
 * `${NAME}` instead of what its option wants, and `key:` without a value keeps the default.
 */
#include "cli/describe.h"

#include "base/words.h"
#include <stdlib.h>

#define REFERENCE "\\$\\{"
#define DRAFT "http://json-schema.org/draft-07/schema#"

/* ---- one option ---- */

static struct json_object *types(const char *const *names, bool required)
{
    struct json_object *list = json_names(names);
    if (!required) {
        (void)json_object_array_add(list, json_object_new_string("null"));
    }
    return list;
}

static const char *const *json_types(uint32_t type)
{
    static const char *const text[] = {"string", "number", "boolean", NULL};
    static const char *const whole[] = {"integer", "string", NULL};
    static const char *const number[] = {"number", "string", NULL};
    static const char *const yes_no[] = {"boolean", "string", NULL};
    static const char *const string[] = {"string", NULL};
    static const char *const list[] = {"array", "string", "number", "boolean", NULL};
    static const char *const map[] = {"object", NULL};
    static const char *const tree[] = {"array", "object", NULL};
    switch (type) {
    case CHURN_OPTION_INT:
    case CHURN_OPTION_SIZE:
        return whole;
    case CHURN_OPTION_DOUBLE:
        return number;
    case CHURN_OPTION_BOOL:
        return yes_no;
    case CHURN_OPTION_DURATION:
        return string;
    case CHURN_OPTION_LIST:
        return list;
    case CHURN_OPTION_MAP:
        return map;
    case CHURN_OPTION_TREE:
        return tree;
    default:
        return text;
    }
}

/* What a text must look like where the option wants something else. */
static const char *pattern_of(uint32_t type)
{
    switch (type) {
    case CHURN_OPTION_INT:
        return "^[-+]?[0-9]+$|" REFERENCE;
    case CHURN_OPTION_DOUBLE:
        return "^[-+]?[0-9.]+([eE][-+]?[0-9]+)?$|" REFERENCE;
    case CHURN_OPTION_BOOL:
        return "^(true|false|yes|no|on|off)$|" REFERENCE;
    case CHURN_OPTION_DURATION:
        return "^[0-9]+(ms|s|m|h|d)$|" REFERENCE;
    case CHURN_OPTION_SIZE:
        return "^[0-9]+(B|KiB|MiB|GiB|TiB|kB|MB|GB)?$|" REFERENCE;
    default:
        return NULL;
    }
}

static struct json_object *reference(void)
{
    struct json_object *object = json_object_new_object();
    json_add_text(object, "type", "string");
    json_add_text(object, "pattern", REFERENCE);
    return object;
}

/* One of `names` (taken), or a reference. */
static struct json_object *choice(struct json_object *names)
{
    struct json_object *object = json_object_new_object(), *any = json_object_new_array(),
                       *listed = json_object_new_object();
    json_add(listed, "enum", names);
    (void)json_object_array_add(any, listed);
    (void)json_object_array_add(any, reference());
    json_add(object, "anyOf", any);
    return object;
}

static struct json_object *scalar(void)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "type", types(json_types(CHURN_OPTION_STRING), false));
    return object;
}

static struct json_object *default_list(const char *text)
{
    struct json_object *list = json_object_new_array();
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        (void)json_object_array_add(list, json_object_new_string_len(text, (int)len));
        text += len + (text[len] == ',');
    }
    return list;
}

/* As an editor would insert it. */
static struct json_object *default_value(const churn_option *row)
{
    const char *text = row->default_text;
    bool yes;
    switch (row->type) {
    case CHURN_OPTION_INT:
        return json_object_new_int64(strtoll(text, NULL, 10));
    case CHURN_OPTION_DOUBLE:
        return json_object_new_double_s(strtod(text, NULL), text);
    case CHURN_OPTION_BOOL:
        (void)option_parse_bool(text, &yes);
        return json_object_new_boolean(yes);
    case CHURN_OPTION_LIST:
        return default_list(text);
    default:
        return json_object_new_string(text);
    }
}

static void add_range(struct json_object *object, const churn_option *row)
{
    bool whole = row->type == CHURN_OPTION_INT || row->type == CHURN_OPTION_SIZE;
    if (row->min == row->max || !(whole || row->type == CHURN_OPTION_DOUBLE)) {
        return;
    }
    json_add(object, "minimum", json_object_new_int64(row->min));
    if (row->max != INT64_MAX) {
        json_add(object, "maximum", json_object_new_int64(row->max));
    }
}

static struct json_object *option_schema(const churn_option *row)
{
    bool required = (row->flags & CHURN_OPTION_REQUIRED) != 0;
    struct json_object *object;
    if (row->type == CHURN_OPTION_ENUM) {
        struct json_object *names = json_names(row->choices);
        if (!required) {
            (void)json_object_array_add(names, NULL);
        }
        object = choice(names);
    } else {
        object = json_object_new_object();
        json_add(object, "type", types(json_types(row->type), required));
    }
    if (pattern_of(row->type) != NULL) {
        json_add_text(object, "pattern", pattern_of(row->type));
    }
    add_range(object, row);
    if (required) {
        json_add(object, "minLength", json_object_new_int(1));
        json_add(object, "minItems", json_object_new_int(1));
    }
    if (row->type == CHURN_OPTION_LIST) {
        json_add(object, "items", row->choices != NULL ? choice(json_names(row->choices)) : scalar());
    } else if (row->type == CHURN_OPTION_MAP) {
        json_add(object, "additionalProperties", scalar());
    }
    json_add_text(object, "description", row->help);
    if (has_default(row)) {
        json_add(object, "default", default_value(row));
    }
    if ((row->flags & CHURN_OPTION_DEPRECATED) != 0) {
        json_add(object, "deprecated", json_object_new_boolean(1));
        json_add_text(object, "deprecationMessage", row->help);
    }
    return object;
}

/* ---- maps of options ---- */

/* A map that takes nothing but its properties. */
static struct json_object *closed_map(const char *description, bool may_be_empty)
{
    static const char *const object_type[] = {"object", NULL};
    struct json_object *object = json_object_new_object();
    json_add(object, "type", types(object_type, !may_be_empty));
    json_add_text(object, "description", description);
    json_add(object, "properties", json_object_new_object());
    json_add(object, "required", json_object_new_array());
    json_add(object, "additionalProperties", json_object_new_boolean(0));
    return object;
}

static struct json_object *member(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    (void)json_object_object_get_ex(object, key, &value);
    return value;
}

static void add_property(struct json_object *map, const char *name, struct json_object *schema, bool required)
{
    json_add(member(map, "properties"), name, schema);
    if (required) {
        (void)json_object_array_add(member(map, "required"), json_object_new_string(name));
    }
}

/* `NAME.PART` is an entry of the map NAME. */
static void add_option(struct json_object *map, const churn_option *row)
{
    const char *dot = strchr(row->name, '.'), *name = dot != NULL ? dot + 1 : row->name;
    char *group = dot != NULL ? strndup(row->name, (size_t)(dot - row->name)) : NULL;
    if (group != NULL) {
        if (member(member(map, "properties"), group) == NULL) {
            add_property(map, group, closed_map("A map of values.", true), false);
        }
        map = member(member(map, "properties"), group);
        free(group);
    }
    add_property(map, name, option_schema(row), (row->flags & CHURN_OPTION_REQUIRED) != 0);
}

/* The host's own options of a section. */
static void add_host_options(struct json_object *map, const char *section)
{
    size_t count;
    const struct option_table *tables = settings_tables(&count);
    for (size_t t = 0; t < count; t++) {
        for (uint32_t i = 0; strcmp(tables[t].section, section) == 0 && i < tables[t].count; i++) {
            add_option(map, &tables[t].rows[i]);
        }
    }
}

static const char *host_section(uint32_t kind)
{
    static const char *const sections[] = {[CHURN_KIND_SOURCE] = "source",
                                           [CHURN_KIND_PROCESSOR] = "processors",
                                           [CHURN_KIND_STORE] = "store",
                                           [CHURN_KIND_SINK] = "sinks"};
    return sections[kind];
}

/* The whole section of a plugin. */
static struct json_object *section_schema(const churn_plugin *plugin)
{
    struct json_object *map = closed_map(plugin->summary, false), *name = json_object_new_object();
    json_add_text(name, "const", plugin->name);
    add_property(map, "plugin", name, true);
    add_host_options(map, host_section(plugin->kind));
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        add_option(map, plugin_option(plugin, i));
    }
    return map;
}

struct json_object *schema_of_plugin(const churn_plugin *plugin)
{
    struct json_object *schema = section_schema(plugin);
    json_add_text(schema, "$schema", DRAFT);
    json_add_text(schema, "title", plugin->name);
    return schema;
}

/* ---- the file ---- */

static struct json_object *plugin_names(const struct loader *loader, uint32_t kind)
{
    struct json_object *names = json_object_new_array();
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        if (loader->plugins[i]->plugin.kind == kind) {
            (void)json_object_array_add(names, json_object_new_string(loader->plugins[i]->plugin.name));
        }
    }
    return names;
}

/* {"if": it is a map with that plugin, "then": {"$ref": …}} */
static struct json_object *condition(const char *plugin, const char *definition)
{
    static const char *const required[] = {"plugin", NULL};
    struct json_object *rule = json_object_new_object(), *test = json_object_new_object(),
                       *properties = json_object_new_object(), *name = json_object_new_object(),
                       *then = json_object_new_object();
    char ref[256];
    json_add_text(name, "const", plugin);
    json_add(properties, "plugin", name);
    json_add_text(test, "type", "object");
    json_add(test, "properties", properties);
    json_add(test, "required", json_names(required));
    (void)snprintf(ref, sizeof ref, "#/definitions/%s", definition);
    json_add_text(then, "$ref", ref);
    json_add(rule, "if", test);
    json_add(rule, "then", then);
    return rule;
}

/* A section that names one of the plugins of a kind; their own schemas go to `definitions`. */
static struct json_object *kind_schema(const struct loader *loader, uint32_t kind, const char *description,
                                       bool may_be_empty, struct json_object *definitions)
{
    static const char *const object_type[] = {"object", NULL}, *const required[] = {"plugin", NULL};
    struct json_object *schema = json_object_new_object(), *properties = json_object_new_object(),
                       *rules = json_object_new_array();
    json_add(schema, "type", types(object_type, !may_be_empty));
    json_add_text(schema, "description", description);
    json_add(properties, "plugin", choice(plugin_names(loader, kind)));
    json_add(schema, "properties", properties);
    json_add(schema, "required", json_names(required));
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        const churn_plugin *plugin = &loader->plugins[i]->plugin;
        char definition[192];
        if (plugin->kind == kind) {
            (void)snprintf(definition, sizeof definition, "%s.%s", role_name(kind), plugin->name);
            json_add(definitions, definition, section_schema(plugin));
            (void)json_object_array_add(rules, condition(plugin->name, definition));
        }
    }
    json_add(schema, "allOf", rules);
    return schema;
}

static struct json_object *list_of(struct json_object *items, const char *description)
{
    static const char *const array_type[] = {"array", NULL};
    struct json_object *schema = json_object_new_object();
    json_add(schema, "type", types(array_type, false));
    json_add_text(schema, "description", description);
    json_add(schema, "items", items);
    return schema;
}

static struct json_object *events_schema(const struct loader *loader)
{
    struct json_object *events = closed_map("Which events are taken.", true),
                       *overrides = closed_map("What this pipeline decides otherwise than an event type itself.", true);
    add_host_options(events, "events");
    json_add(member(member(events, "properties"), "types"), "items", choice(plugin_names(loader, CHURN_KIND_EVENT)));
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        const churn_plugin *plugin = &loader->plugins[i]->plugin;
        if (plugin->kind == CHURN_KIND_EVENT) {
            struct json_object *override = closed_map(plugin->summary, true);
            add_host_options(override, "override");
            add_property(overrides, plugin->name, override, false);
        }
    }
    add_property(events, "override", overrides, false);
    return events;
}

/* Of single fields: what becomes of one everywhere, or at each place. */
static struct json_object *protected_fields(void)
{
    static const char *const object_type[] = {"object", NULL};
    static const char *const places[] = {"events", "alerts", "predictions", "store", "tap", "page", NULL};
    struct json_object *fields = json_object_new_object(), *ways = json_object_new_array(),
                       *each = json_object_new_object(), *action = json_object_new_object();
    struct json_object *by_place = closed_map("What becomes of the field at each place.", true);
    json_add(action, "enum", json_names(settings_protect_actions));
    for (size_t i = 0; places[i] != NULL; i++) {
        struct json_object *at = json_object_new_object();
        json_add(at, "enum", json_names(settings_protect_actions));
        add_property(by_place, places[i], at, false);
    }
    (void)json_object_array_add(ways, action);
    (void)json_object_array_add(ways, by_place);
    json_add(each, "anyOf", ways);
    json_add_text(fields, "description", "What becomes of single fields otherwise than the rest says.");
    json_add(fields, "type", types(object_type, true));
    json_add(fields, "additionalProperties", each);
    return fields;
}

/* Sections of the host's own options alone, such as `log`. */
static void add_plain_sections(struct json_object *schema)
{
    static const char others[] = "pipeline source events override processors store sinks";
    size_t count;
    const struct option_table *tables = settings_tables(&count);
    for (size_t i = 0; i < count; i++) {
        if (!words_have(others, tables[i].section)) {
            struct json_object *section = closed_map(tables[i].help, true);
            add_host_options(section, tables[i].section);
            if (strcmp(tables[i].section, "protect") == 0) {
                add_property(section, "fields", protected_fields(), false);
            }
            add_property(schema, tables[i].section, section, false);
        }
    }
}

/* What only `churnd test` reads, and checks itself. */
static struct json_object *tests_schema(void)
{
    struct json_object *schema = json_object_new_object();
    json_add_text(schema, "description", "Tests of this pipeline, for churnd test.");
    return schema;
}

struct json_object *schema_of_pipeline(const struct loader *loader)
{
    struct json_object *schema = closed_map("What a churnd reads, keeps and writes.", false),
                       *definitions = json_object_new_object();
    json_add_text(schema, "$schema", DRAFT);
    json_add_text(schema, "title", "churnd pipeline");
    add_host_options(schema, "pipeline");
    add_plain_sections(schema);
    add_property(schema, "source",
                 kind_schema(loader, CHURN_KIND_SOURCE, "Where events come from.", false, definitions), true);
    add_property(schema, "events", events_schema(loader), false);
    add_property(schema, "processors",
                 list_of(kind_schema(loader, CHURN_KIND_PROCESSOR, "Looks at each valid event.", false, definitions),
                         "What looks at each valid event before it reaches the profile, in this order."),
                 false);
    add_property(schema, "store", kind_schema(loader, CHURN_KIND_STORE, "Where profiles live.", true, definitions),
                 false);
    add_property(
        schema, "sinks",
        list_of(kind_schema(loader, CHURN_KIND_SINK, "Takes results.", false, definitions), "What takes results."),
        false);
    add_property(schema, "dead_letters",
                 kind_schema(loader, CHURN_KIND_SINK, "Where events go that break a rule.", true, definitions), false);
    add_property(schema, "tests", tests_schema(), false);
    json_add(schema, "definitions", definitions);
    return schema;
}
