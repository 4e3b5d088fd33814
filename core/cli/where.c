/* `churnd where`: every place of the pipeline's store that holds anything of a customer, and what it holds; and the
 * places elsewhere that may. */
#include "cli/commands.h"

#include "base/json_build.h"
#include "base/printable.h"
#include "cli/audited.h"
#include "cli/forget_customers.h"
#include "cli/forget_places.h"
#include "cli/forget_receipt.h"
#include "pipeline/load.h"
#include <inttypes.h>

struct where {
    const struct arguments *arguments;
    struct pipeline *pipeline;
    struct held_places places;
    const struct held_place *place; /* that is looked at */
    struct json_object *found;
};

static int32_t take_fields(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct where *w = ctx;
    struct json_object *object;
    if (count == 0) {
        return CHURN_OK;
    }
    object = json_object_new_object();
    json_add_text(object, "section", w->place->section);
    json_add(object, "key", json_object_new_string_len(key.ptr, (int)key.len));
    if (!w->arguments->export_all) {
        json_add(object, "fields", json_object_new_int64(count));
    } else {
        struct json_object *values = json_object_new_object();
        for (uint32_t i = 0; i < count; i++) {
            char name[256];
            (void)snprintf(name, sizeof name, "%.*s", (int)fields[i].name.len, fields[i].name.ptr);
            json_add(values, name, json_object_new_string_len(fields[i].value.ptr, (int)fields[i].value.len));
        }
        json_add(object, "fields", values);
    }
    (void)json_object_array_add(w->found, object);
    return CHURN_OK;
}

static int32_t look(struct where *w, void *session, churn_error *err)
{
    const char *const *customer = w->arguments->operands;
    int32_t result = CHURN_OK;
    if (!forget_places_profiles(&w->places, w->pipeline, customer, 1)) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    result = forget_places_find(&w->places, w->pipeline, session, customer, 1, err);
    for (size_t i = 0; i < w->places.count && result == CHURN_OK; i++) {
        const churn_str key = {.ptr = w->places.items[i].key, .len = w->places.items[i].len};
        w->place = &w->places.items[i];
        result = store_ops(&w->pipeline->store)->get(session, key, take_fields, w, err);
    }
    return result;
}

static const char *text_of(struct json_object *object, const char *name)
{
    return json_object_get_string(json_object_object_get(object, name));
}

static void print_text(const struct where *w, struct json_object *elsewhere)
{
    for (size_t i = 0; i < json_object_array_length(w->found); i++) {
        struct json_object *place = json_object_array_get_idx(w->found, i);
        printable_line(stdout, "%s: %s (%s fields)", text_of(place, "section"), text_of(place, "key"),
                       text_of(place, "fields"));
    }
    (void)puts(json_object_array_length(elsewhere) > 0 ? "to be looked through elsewhere:" : "nowhere else");
    for (size_t i = 0; i < json_object_array_length(elsewhere); i++) {
        printable_line(
            stdout, "  %s",
            json_object_to_json_string_ext(json_object_array_get_idx(elsewhere, i), JSON_C_TO_STRING_NOSLASHESCAPE));
    }
}

static void print(const struct where *w)
{
    struct json_object *elsewhere = forget_receipt_elsewhere(w->pipeline);
    if (w->arguments->json || w->arguments->export_all) {
        struct json_object *object = json_object_new_object();
        json_add_text(object, "customer", w->arguments->operands[0]);
        json_add(object, "places", json_object_get(w->found));
        json_add(object, "elsewhere", json_object_get(elsewhere));
        (void)puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
        (void)json_object_put(object);
    } else {
        print_text(w, elsewhere);
    }
    (void)json_object_put(elsewhere);
}

static int where(struct where *w)
{
    const churn_store_ops *ops = store_ops(&w->pipeline->store);
    churn_error err = {.size = sizeof err};
    void *session;
    int32_t result = ops->open(w->pipeline->store_instance->self, &session, &err);
    if (result == CHURN_OK) {
        result = look(w, session, &err);
        ops->close(session);
    }
    if (result != CHURN_OK) {
        printable_line(stderr, "churnd: %s: %s", w->pipeline->store.label, err.message);
        return 1;
    }
    print(w);
    return 0;
}

int command_where(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    struct where w = {.arguments = arguments, .pipeline = &pipeline, .found = json_object_new_array()};
    struct customer_ids ids = {0};
    bool named = customer_ids_read(&ids, arguments);
    int status = 1;
    if (named &&
        pipeline_load_edited(&pipeline, arguments_files(arguments), loader, log, stderr, pipeline_only_look, NULL)) {
        if (pipeline.store.loaded == NULL) {
            printable_line(stderr, "churnd: %s has no store", arguments->config);
        } else if (audited(&pipeline, "where", arguments->export_all ? "export" : "read", arguments->operands[0],
                           NULL)) {
            status = where(&w);
        }
        forget_places_free(&w.places);
    }
    if (named) {
        pipeline_free(&pipeline);
    }
    customer_ids_free(&ids);
    (void)json_object_put(w.found);
    return status;
}
