/* `churnd plugins` and `churnd describe`: manuals and JSON Schema from the plugins' own tables. */
#include "commands.h"

#include "catalog.h"
#include "option.h"
#include "output.h"
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

static void print_json(struct json_object *object)
{
    (void)puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(object);
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
    (void)json_object_object_add(object, key, json_object_new_string(text != NULL ? text : ""));
}

static bool load_everything(struct loader *loader)
{
    char message[2048];
    if (!loader_load_all(loader, 0, message, sizeof message)) {
        (void)fprintf(stderr, "churnd: %s\n", message);
        return false;
    }
    return true;
}

static struct json_object *plugin_to_json(const struct loaded *loaded)
{
    struct json_object *object = json_object_new_object();
    add_text(object, "role", loader_role(loaded->plugin.kind));
    add_text(object, "name", loaded->plugin.name);
    add_text(object, "version", loaded->plugin.version);
    add_text(object, "summary", loaded->plugin.summary);
    add_text(object, "path", loaded->path);
    return object;
}

int command_plugins(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct json_object *list = arguments->json ? json_object_new_array() : NULL;
    (void)log;
    if (!load_everything(loader)) {
        (void)json_object_put(list);
        return 1;
    }
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        const struct loaded *loaded = loader->plugins[i];
        if (list != NULL) {
            (void)json_object_array_add(list, plugin_to_json(loaded));
        } else {
            (void)printf("%-10s %-24s %-8s %s\n", loader_role(loaded->plugin.kind), loaded->plugin.name,
                         loaded->plugin.version, loaded->plugin.summary);
        }
    }
    if (list != NULL) {
        print_json(list);
    }
    return 0;
}

/* ---- options ---- */

static const churn_option *row_at(const churn_plugin *plugin, uint32_t i)
{
    struct option_target target = {
        .rows = plugin->options, .count = plugin->option_count, .stride = plugin->option_stride};
    return option_row(&target, i);
}

static void print_option(const churn_option *row)
{
    (void)printf("\n  %s (%s", row->name, option_type_name(row->type));
    if ((row->flags & CHURN_OPTION_REQUIRED) != 0) {
        (void)printf(", required");
    }
    if ((row->flags & CHURN_OPTION_SECRET) != 0) {
        (void)printf(", secret");
    }
    if (row->default_text != NULL && *row->default_text != '\0') {
        (void)printf(", default %s", row->default_text);
    }
    (void)printf(")\n      %s\n", row->help);
    for (uint32_t i = 0; row->choices != NULL && row->choices[i] != NULL; i++) {
        (void)printf("%s%s", i == 0 ? "      one of: " : ", ", row->choices[i]);
    }
    if (row->choices != NULL) {
        (void)putchar('\n');
    }
    if (row->min != row->max && row->max != INT64_MAX) {
        (void)printf("      %" PRId64 " to %" PRId64 "\n", row->min, row->max);
    }
}

static struct json_object *option_to_json(const churn_option *row)
{
    struct json_object *object = json_object_new_object(), *choices;
    add_text(object, "name", row->name);
    add_text(object, "type", option_type_name(row->type));
    add_text(object, "help", row->help);
    if (row->default_text != NULL) {
        add_text(object, "default", row->default_text);
    }
    (void)json_object_object_add(object, "required",
                                 json_object_new_boolean((row->flags & CHURN_OPTION_REQUIRED) != 0));
    (void)json_object_object_add(object, "secret", json_object_new_boolean((row->flags & CHURN_OPTION_SECRET) != 0));
    if (row->choices != NULL) {
        choices = json_object_new_array();
        for (uint32_t i = 0; row->choices[i] != NULL; i++) {
            (void)json_object_array_add(choices, json_object_new_string(row->choices[i]));
        }
        (void)json_object_object_add(object, "choices", choices);
    }
    return object;
}

/* ---- event types ---- */

static const char *const field_types[] = {"?", "text", "int", "money", "bool", "time"};

static void print_field(const churn_field *field)
{
    (void)printf("  %-18s %-6s %-9s %s", field->name, field_types[field->type],
                 (field->flags & CHURN_FIELD_REQUIRED) != 0 ? "required" : "", field->help != NULL ? field->help : "");
    if (field->type == CHURN_FIELD_INT && field->min != INT64_MIN) {
        (void)printf(field->max == INT64_MAX ? "; at least %" PRId64 : "; %" PRId64 " to %" PRId64, field->min,
                     field->max);
    }
    for (uint32_t i = 0; field->choices != NULL && field->choices[i] != NULL; i++) {
        (void)printf("%s%s", i == 0 ? "; one of: " : ", ", field->choices[i]);
    }
    (void)printf("%s\n", (field->flags & CHURN_FIELD_PII) != 0 ? " (personal data)" : "");
}

static void print_effect(const churn_effect *effect)
{
    const char *from = "";
    switch (effect->from) {
    case CHURN_FROM_FIELD:
        from = effect->operand;
        break;
    case CHURN_FROM_EVENT_TIME:
        from = "the event's time";
        break;
    case CHURN_FROM_EVENT_TYPE:
        from = "the event's type";
        break;
    case CHURN_FROM_NOTHING:
        return;
    default:
        if (effect->type == CHURN_PROFILE_STATE) {
            from = effect->states[effect->constant];
        }
    }
    (void)printf("  %-26s %-6s ", effect->field, registry_merge_name(effect->merge));
    if (*from != '\0') {
        (void)puts(from);
    } else {
        (void)printf("%" PRId64 "\n", effect->constant);
    }
}

static void print_derived(const churn_derived *derived)
{
    (void)printf("  %-26s = %s / %s, %u decimals\n", derived->field, derived->numerator,
                 derived->kind == CHURN_DERIVE_RATIO ? derived->denominator
                                                     : "(1 + whole days from first_event_at to last_event_at)",
                 derived->decimals);
}

static void print_event_type(const struct event_type *type)
{
    (void)printf("\ndata\n");
    for (uint32_t i = 0; i < type->table.field_count; i++) {
        print_field(event_type_field(type, i));
    }
    (void)printf("\nprofile\n");
    for (uint32_t i = 0; i < type->table.effect_count; i++) {
        print_effect(event_type_effect(type, i));
    }
    for (uint32_t i = 0; i < type->table.derived_count; i++) {
        print_derived(event_type_derived(type, i));
    }
    (void)printf("\npredicts: %s\nalert: %s", type->predicts ? "yes" : "no", output_severity_name(type->severity));
    for (uint32_t i = 0; i < type->table.severity_rule_count; i++) {
        const churn_severity_rule *rule = event_type_rule(type, i);
        (void)printf("; %s when %s is %s", output_severity_name(rule->severity), rule->field, rule->equals);
    }
    (void)putchar('\n');
}

static struct json_object *field_to_schema(const churn_field *field)
{
    struct json_object *object = json_object_new_object(), *choices;
    static const char *const types[] = {"?", "string", "integer", "number", "boolean", "string"};
    add_text(object, "type", types[field->type]);
    if (field->help != NULL) {
        add_text(object, "description", field->help);
    }
    if (field->type == CHURN_FIELD_INT) {
        (void)json_object_object_add(object, "minimum", json_object_new_int64(field->min));
        (void)json_object_object_add(object, "maximum", json_object_new_int64(field->max));
    } else if (field->type == CHURN_FIELD_MONEY) {
        (void)json_object_object_add(object, "minimum", json_object_new_int(0));
        (void)json_object_object_add(object, "maximum",
                                     json_object_new_double_s(999999999999.9999, "999999999999.9999"));
    } else if (field->type == CHURN_FIELD_TIME) {
        add_text(object, "format", "date-time");
    }
    if (field->choices != NULL) {
        choices = json_object_new_array();
        for (uint32_t i = 0; field->choices[i] != NULL; i++) {
            (void)json_object_array_add(choices, json_object_new_string(field->choices[i]));
        }
        (void)json_object_object_add(object, "enum", choices);
    }
    return object;
}

static struct json_object *id_schema(const char *description)
{
    struct json_object *object = json_object_new_object();
    add_text(object, "type", "string");
    add_text(object, "description", description);
    (void)json_object_object_add(object, "minLength", json_object_new_int(1));
    (void)json_object_object_add(object, "maxLength", json_object_new_int(128));
    return object;
}

static struct json_object *data_schema(const struct event_type *type)
{
    struct json_object *data = json_object_new_object(), *properties = json_object_new_object(),
                       *required = json_object_new_array();
    add_text(data, "type", "object");
    for (uint32_t i = 0; i < type->table.field_count; i++) {
        const churn_field *field = event_type_field(type, i);
        (void)json_object_object_add(properties, field->name, field_to_schema(field));
        if ((field->flags & CHURN_FIELD_REQUIRED) != 0) {
            (void)json_object_array_add(required, json_object_new_string(field->name));
        }
    }
    (void)json_object_object_add(data, "properties", properties);
    (void)json_object_object_add(data, "required", required);
    return data;
}

static struct json_object *event_schema(const struct event_type *type, const char *summary)
{
    static const char *const required[] = {"event_id", "event_type", "customer_id", "timestamp", "data"};
    struct json_object *schema = json_object_new_object(), *properties = json_object_new_object(),
                       *names = json_object_new_array(), *event_type = json_object_new_object(),
                       *timestamp = json_object_new_object(),
                       *customer = id_schema("whose event; also the record's key");
    add_text(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
    add_text(schema, "title", type->name.ptr);
    add_text(schema, "description", summary);
    add_text(schema, "type", "object");
    add_text(event_type, "const", type->name.ptr);
    add_text(timestamp, "type", "string");
    add_text(timestamp, "format", "date-time");
    add_text(customer, "pattern", "^[^\\u0000-\\u001f\\u007f-\\u009f]*$");
    (void)json_object_object_add(properties, "event_id", id_schema("unique; by convention <customer_id>_<unix ms>"));
    (void)json_object_object_add(properties, "event_type", event_type);
    (void)json_object_object_add(properties, "customer_id", customer);
    (void)json_object_object_add(properties, "timestamp", timestamp);
    (void)json_object_object_add(properties, "data", data_schema(type));
    (void)json_object_object_add(schema, "properties", properties);
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        (void)json_object_array_add(names, json_object_new_string(required[i]));
    }
    (void)json_object_object_add(schema, "required", names);
    return schema;
}

/* ---- the command ---- */

/* Every plugin of that name: a source and a sink may share one. */
static unsigned describe_all(const struct arguments *arguments, const struct loader *loader,
                             const struct catalog *catalog, struct json_object *list)
{
    unsigned found = 0;
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        const churn_plugin *plugin = &loader->plugins[i]->plugin;
        int32_t type = plugin->kind == CHURN_KIND_EVENT
                           ? name_index_find(&catalog->type_names, plugin->name, strlen(plugin->name))
                           : -1;
        if (strcmp(plugin->name, arguments->operands[0]) != 0 || (arguments->json_schema && type < 0)) {
            continue;
        }
        found++;
        if (arguments->json_schema) {
            print_json(event_schema(&catalog->types[type], plugin->summary));
            continue;
        }
        if (list != NULL) {
            struct json_object *object = plugin_to_json(loader->plugins[i]), *options = json_object_new_array();
            for (uint32_t row = 0; row < plugin->option_count; row++) {
                (void)json_object_array_add(options, option_to_json(row_at(plugin, row)));
            }
            (void)json_object_object_add(object, "options", options);
            if (type >= 0) {
                (void)json_object_object_add(object, "schema", event_schema(&catalog->types[type], plugin->summary));
            }
            (void)json_object_array_add(list, object);
            continue;
        }
        (void)printf("%s%s %s %s\n%s\n", found > 1 ? "\n" : "", loader_role(plugin->kind), plugin->name,
                     plugin->version, plugin->summary);
        for (uint32_t row = 0; row < plugin->option_count; row++) {
            print_option(row_at(plugin, row));
        }
        if (type >= 0) {
            print_event_type(&catalog->types[type]);
        }
    }
    return found;
}

int command_describe(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct catalog catalog;
    char message[2048];
    unsigned found = 0;
    (void)log;
    bool ok = load_everything(loader);
    if (!ok) {
        return 1;
    }
    ok = catalog_build(&catalog, loader, NULL, message, sizeof message);
    if (ok) {
        struct json_object *list = arguments->json && !arguments->json_schema ? json_object_new_array() : NULL;
        found = describe_all(arguments, loader, &catalog, list);
        if (list != NULL && found > 0) {
            print_json(list);
        } else {
            (void)json_object_put(list);
        }
        if (found == 0) {
            (void)fprintf(stderr, "churnd: there is no %s '%s'; `churnd plugins` lists what there is\n",
                          arguments->json_schema ? "event type" : "plugin", arguments->operands[0]);
        }
    } else {
        (void)fprintf(stderr, "churnd: %s\n", message);
    }
    catalog_free(&catalog);
    return found > 0 ? 0 : 1;
}
