#include "request_row.h"

#include "json_read.h"

static void write_missing(const struct feature *f, struct text_buffer *row)
{
    if (f->missing == NULL) {
        text_puts(row, "null");
    } else if (feature_is_text(f)) {
        text_json_string(row, churn_text(f->missing));
    } else {
        text_puts(row, f->missing);
    }
}

static void write_number(const struct feature *f, const churn_str *value, struct text_buffer *row)
{
    char text[MODEL_FEATURES_NUMBER_SIZE];
    if (model_features_number(value, text)) {
        text_puts(row, text);
    } else {
        write_missing(f, row);
    }
}

/* What is encrypted in the store is open in the profile's JSON alone. */
static void write_text(const struct feature *f, json_object *profile, struct text_buffer *row)
{
    churn_str text;
    if (profile != NULL && json_read_string(profile, f->field, &text)) {
        text_json_string(row, text);
    } else {
        write_missing(f, row);
    }
}

static int has_texts(const struct model *model)
{
    for (uint32_t i = 0; i < model->features.count; i++) {
        if (feature_is_text(&model->features.items[i])) {
            return 1;
        }
    }
    return 0;
}

void request_row_write(const struct model *model, const churn_host *host, const churn_storage *storage,
                       churn_str customer_id, const churn_pair *fields, uint32_t count, struct text_buffer *row)
{
    int whole = model->format == FORMAT_CHURND || model->needs_profile, texts = has_texts(model);
    char *json = whole || texts ? storage->customer_json(host, customer_id, fields, count) : NULL;
    json_object *profile = texts && json != NULL ? json_read_object(churn_text(json)) : NULL;
    row->failed = row->failed || ((whole || texts) && json == NULL) || (texts && profile == NULL);
    for (uint32_t i = 0; i < model->features.count; i++) {
        const struct feature *f = &model->features.items[i];
        if (feature_is_text(f)) {
            write_text(f, profile, row);
        } else {
            write_number(f, model_features_find(churn_text(f->field), fields, count), row);
        }
        text_puts(row, "\n");
    }
    if (whole && json != NULL) {
        text_puts(row, json);
    }
    (void)json_object_put(profile);
    if (json != NULL) {
        storage->free_text(json);
    }
}

churn_str request_row_split(const struct model *model, churn_str row, churn_str *ret_values)
{
    const char *at = row.ptr, *end = row.ptr + row.len;
    for (uint32_t i = 0; i < model->features.count; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        ret_values[i] = (churn_str){.ptr = at, .len = (uint32_t)(newline - at)};
        at = newline + 1;
    }
    return (churn_str){.ptr = at, .len = (uint32_t)(end - at)};
}

/* The profile without what events wrote into it: it may be encrypted in the store. */
static void write_without_texts(churn_str profile, struct text_buffer *text)
{
    json_object *object = json_read_object(profile);
    const char *between = "";
    text_puts(text, "{");
    if (object != NULL) {
        json_object_object_foreach(object, name, value)
        {
            if (json_object_is_type(value, json_type_string)) {
                continue;
            }
            text_puts(text, between);
            text_json_string(text, churn_text(name));
            text_puts(text, ":");
            text_puts(text, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
            between = ",";
        }
    }
    text_puts(text, "}");
    (void)json_object_put(object);
}

int request_row_is_features(const struct model *model)
{
    return model->format == FORMAT_CHURND && !model->hides_texts;
}

void request_row_features(const struct model *model, churn_str row, struct text_buffer *text)
{
    const char *at = row.ptr;
    if (model->hides_texts) {
        write_without_texts(row, text);
        return;
    }
    text_puts(text, "{");
    for (uint32_t i = 0; i < model->features.count; i++) {
        const char *newline = memchr(at, '\n', (size_t)(row.ptr + row.len - at));
        text_puts(text, i > 0 ? "," : "");
        text_json_string(text, churn_text(model->features.items[i].name));
        text_puts(text, ":");
        text_add(text, at, (size_t)(newline - at));
        at = newline + 1;
    }
    text_puts(text, "}");
}
