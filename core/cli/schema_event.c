/* The JSON Schema of an event type's events. */
#include "cli/describe.h"

static struct json_object *field_schema(const churn_field *field)
{
    static const char *const types[] = {"?", "string", "integer", "number", "boolean", "string"};
    struct json_object *object = json_object_new_object();
    json_add_text(object, "type", types[field->type]);
    if (field->help != NULL) {
        json_add_text(object, "description", field->help);
    }
    if (field->type == CHURN_FIELD_INT) {
        json_add(object, "minimum", json_object_new_int64(field->min));
        json_add(object, "maximum", json_object_new_int64(field->max));
    } else if (field->type == CHURN_FIELD_MONEY) {
        json_add(object, "minimum", json_object_new_int(0));
        json_add(object, "maximum", json_object_new_double_s(999999999999.9999, "999999999999.9999"));
    } else if (field->type == CHURN_FIELD_TIME) {
        json_add_text(object, "format", "date-time");
    }
    if (field->choices != NULL) {
        json_add(object, "enum", json_names(field->choices));
    }
    return object;
}

static struct json_object *id_schema(const char *description)
{
    struct json_object *object = json_object_new_object();
    json_add_text(object, "type", "string");
    json_add_text(object, "description", description);
    json_add(object, "minLength", json_object_new_int(1));
    json_add(object, "maxLength", json_object_new_int(128));
    return object;
}

static struct json_object *data_schema(const struct event_type *type)
{
    struct json_object *data = json_object_new_object(), *properties = json_object_new_object(),
                       *required = json_object_new_array();
    json_add_text(data, "type", "object");
    for (uint32_t i = 0; i < type->table.field_count; i++) {
        const churn_field *field = event_type_field(type, i);
        json_add(properties, field->name, field_schema(field));
        if ((field->flags & CHURN_FIELD_REQUIRED) != 0) {
            (void)json_object_array_add(required, json_object_new_string(field->name));
        }
    }
    json_add(data, "properties", properties);
    json_add(data, "required", required);
    return data;
}

struct json_object *schema_of_event(const struct event_type *type, const char *summary)
{
    static const char *const required[] = {"event_id", "event_type", "customer_id", "timestamp", "data", NULL};
    struct json_object *schema = json_object_new_object(), *properties = json_object_new_object(),
                       *event_type = json_object_new_object(), *timestamp = json_object_new_object(),
                       *customer = id_schema("whose event; also the record's key");
    json_add_text(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_add_text(schema, "title", type->name.ptr);
    json_add_text(schema, "description", summary);
    json_add_text(schema, "type", "object");
    json_add_text(event_type, "const", type->name.ptr);
    json_add_text(timestamp, "type", "string");
    json_add_text(timestamp, "format", "date-time");
    json_add_text(customer, "pattern", "^[^\\u0000-\\u001f\\u007f-\\u009f]*$");
    json_add(properties, "event_id", id_schema("unique; by convention <customer_id>_<unix ms>"));
    json_add(properties, "event_type", event_type);
    json_add(properties, "customer_id", customer);
    json_add(properties, "timestamp", timestamp);
    json_add(properties, "data", data_schema(type));
    json_add(schema, "properties", properties);
    json_add(schema, "required", json_names(required));
    return schema;
}
