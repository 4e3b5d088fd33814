/* `churnd where`: every place of the pipeline's store and of its sinks' files that holds anything of customers, and
 * what it holds; and the places elsewhere that may. */
#include "cli/commands.h"

#include "base/json_build.h"
#include "base/json_parse.h"
#include "base/printable.h"
#include "cli/audited.h"
#include "cli/clear_json.h"
#include "cli/forget_customers.h"
#include "cli/forget_kept.h"
#include "cli/forget_places.h"
#include "cli/forget_receipt.h"
#include "cli/sandboxed.h"
#include "engine/salts.h"
#include "pipeline/load.h"
#include "pipeline/protect_section.h"
#include <inttypes.h>
#include <stdlib.h>

#define MAX_DEPTH 512

struct where {
    const struct arguments *arguments;
    struct pipeline *pipeline;
    struct customer_ids ids;
    struct held_places places;
    const struct held_place *place; /* that is looked at */
    struct forget_kept kept;
    struct salts *salts;        /* NULL: customers have none */
    struct json_object **found; /* of each customer, an array of places */
};

static void add_found(struct where *w, unsigned customer, struct json_object *place)
{
    (void)json_object_array_add(w->found[customer], place);
}

/* ---- the store ---- */

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
            bool secret = strcmp(w->place->section, SALTS_SECTION) == 0 && str_equals(fields[i].name, SALTS_FIELD);
            const churn_str value = secret ? churn_text("(secret)") : fields[i].value;
            char name[256];
            (void)snprintf(name, sizeof name, "%.*s", (int)fields[i].name.len, fields[i].name.ptr);
            json_add(values, name, json_object_new_string_len(value.ptr, (int)value.len));
        }
        json_add(object, "fields", clear_json(values, protect_section_ring(w->pipeline), NULL));
    }
    add_found(w, w->place->customer, object);
    return CHURN_OK;
}

static int32_t look_in_store(struct where *w, void *session, churn_error *err)
{
    int32_t result;
    if (!forget_places_profiles(&w->places, w->pipeline, &w->ids.known)) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    result = forget_places_find(&w->places, w->pipeline, session, &w->ids.known, err);
    for (size_t i = 0; i < w->places.count && result == CHURN_OK; i++) {
        const churn_str key = {.ptr = w->places.items[i].key, .len = w->places.items[i].len};
        w->place = &w->places.items[i];
        result = store_ops(&w->pipeline->store)->get(session, key, take_fields, w, err);
    }
    return result;
}

/* ---- files ---- */

static struct json_object *find_file(const struct where *w, const struct kept_record *record)
{
    struct json_object *list = w->found[record->customer], *last, *file;
    size_t count = json_object_array_length(list);
    last = count > 0 ? json_object_array_get_idx(list, count - 1) : NULL;
    return json_object_object_get_ex(last, "file", &file) && strcmp(json_object_get_string(file), record->place) == 0
               ? last
               : NULL;
}

/* The record in clear, in the place of what stands for it in the line. */
static struct json_object *shown(const struct where *w, const struct kept_record *record)
{
    struct json_object *line = json_object_get(record->line), *value;
    const churn_str customer = churn_text(w->ids.items[record->customer]);
    unsigned char salt[SEAL_SALT_SIZE];
    churn_error err = {.size = sizeof err};
    bool ok, salted = w->salts != NULL && salts_find(w->salts, customer, false, salt, &err) == CHURN_OK;
    if (record->value.ptr != NULL) {
        value = json_parse(record->value.ptr, record->value.len, MAX_DEPTH, &ok);
        json_add(line, "value", ok ? value : json_object_new_string_len(record->value.ptr, (int)record->value.len));
    }
    return clear_json(line, protect_section_ring(w->pipeline), salted ? salt : NULL);
}

static void take_record(void *ctx, const struct kept_record *record)
{
    struct where *w = ctx;
    struct json_object *object = w->arguments->export_all ? NULL : find_file(w, record), *records;
    if (object != NULL) {
        records = json_object_object_get(object, "records");
        (void)json_object_set_int64(records, json_object_get_int64(records) + 1);
        return;
    }
    object = json_object_new_object();
    json_add_text(object, "section", record->section->label);
    json_add_text(object, "file", record->place);
    if (w->arguments->export_all) {
        json_add(object, "at", json_object_new_int64(record->at));
        json_add(object, "record", shown(w, record));
    } else {
        json_add(object, "records", json_object_new_int64(1));
    }
    add_found(w, record->customer, object);
}

static int32_t look_in_files(struct where *w, churn_error *err)
{
    w->kept = (struct forget_kept){.pipeline = w->pipeline,
                                   .customers = (const char *const *)w->ids.items,
                                   .count = w->ids.count,
                                   .until_ms = INT64_MIN,
                                   .found = take_record,
                                   .ctx = w};
    return forget_kept_search(&w->kept, err);
}

/* ---- elsewhere ---- */

/* How to look through what cannot be searched by a customer. */
static const char *advice(const struct where *w, struct json_object *place)
{
    struct json_object *member;
    const char *section = json_object_get_string(json_object_object_get(place, "section"));
    if (w->pipeline->source.loaded != NULL && strcmp(section, w->pipeline->source.label) == 0) {
        return "churnd explain CUSTOMER shows what it has of a customer";
    }
    return json_object_object_get_ex(place, CHURN_TARGET_TOPIC, &member)
               ? "read it whole: a record is a customer's whose key, or whose customer_id, is the customer"
               : "look for the customer's id in it";
}

static struct json_object *elsewhere(const struct where *w)
{
    struct json_object *list = forget_receipt_elsewhere(w->pipeline);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *place = json_object_array_get_idx(list, i);
        json_add_text(place, "how", advice(w, place));
    }
    return list;
}

/* ---- printing ---- */

static const char *text_of(struct json_object *object, const char *name)
{
    return json_object_get_string(json_object_object_get(object, name));
}

static void print_place(struct json_object *place)
{
    struct json_object *file;
    if (json_object_object_get_ex(place, "file", &file)) {
        printable_line(stdout, "%s: %s (%s records)", text_of(place, "section"), text_of(place, "file"),
                       text_of(place, "records"));
    } else {
        printable_line(stdout, "%s: %s (%s fields)", text_of(place, "section"), text_of(place, "key"),
                       text_of(place, "fields"));
    }
}

static void print_list(struct json_object *list)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        printable_line(
            stdout, "  %s",
            json_object_to_json_string_ext(json_object_array_get_idx(list, i), JSON_C_TO_STRING_NOSLASHESCAPE));
    }
}

static void print_text(const struct where *w, struct json_object *others)
{
    for (unsigned i = 0; i < w->ids.count; i++) {
        if (w->ids.count > 1) {
            printable_line(stdout, "%s:", w->ids.items[i]);
        }
        for (size_t j = 0; j < json_object_array_length(w->found[i]); j++) {
            print_place(json_object_array_get_idx(w->found[i], j));
        }
    }
    if (json_object_array_length(w->kept.untold) > 0) {
        (void)puts("whose it is cannot be told:");
        print_list(w->kept.untold);
    }
    (void)puts(json_object_array_length(others) > 0 ? "to be looked through elsewhere:" : "nowhere else");
    print_list(others);
}

static struct json_object *answer_of(const struct where *w, unsigned customer, struct json_object *others)
{
    struct json_object *object = json_object_new_object();
    json_add_text(object, "customer", w->ids.items[customer]);
    json_add(object, "places", json_object_get(w->found[customer]));
    json_add(object, "cannot_be_told", json_object_get(w->kept.untold));
    json_add(object, "elsewhere", json_object_get(others));
    return object;
}

/* An object for one customer; of several an array of such. */
static void print_json(const struct where *w, struct json_object *others)
{
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < w->ids.count; i++) {
        (void)json_object_array_add(list, answer_of(w, i, others));
    }
    (void)puts(json_object_to_json_string_ext(w->ids.count > 1 ? list : json_object_array_get_idx(list, 0),
                                              JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(list);
}

static void print(const struct where *w)
{
    struct json_object *others = elsewhere(w);
    if (w->arguments->json || w->arguments->export_all) {
        print_json(w, others);
    } else {
        print_text(w, others);
    }
    (void)json_object_put(others);
}

/* ---- the command ---- */

static bool look(struct where *w)
{
    const churn_store_ops *ops = store_ops(&w->pipeline->store);
    churn_error err = {.size = sizeof err};
    void *session;
    int32_t result = ops->open(w->pipeline->store_instance->self, &session, &err);
    if (result == CHURN_OK) {
        result = look_in_store(w, session, &err);
        ops->close(session);
    }
    if (result == CHURN_OK) {
        result = look_in_files(w, &err);
    }
    if (result != CHURN_OK) {
        printable_line(stderr, "churnd: %s: %s",
                       w->kept.section != NULL ? w->kept.section->label : w->pipeline->store.label, err.message);
    }
    return result == CHURN_OK;
}

static bool audit_all(const struct where *w)
{
    for (unsigned i = 0; i < w->ids.count; i++) {
        if (!audited(w->pipeline, "where", w->arguments->export_all ? "export" : "read", w->ids.items[i], NULL)) {
            return false;
        }
    }
    return true;
}

static bool make_room(struct where *w)
{
    w->found = calloc(w->ids.count, sizeof(struct json_object *));
    for (unsigned i = 0; w->found != NULL && i < w->ids.count; i++) {
        w->found[i] = json_object_new_array();
    }
    if (w->found == NULL) {
        (void)fputs("churnd: out of memory\n", stderr);
    }
    return w->found != NULL;
}

static int where(struct where *w)
{
    if (w->pipeline->store.loaded == NULL) {
        printable_line(stderr, "churnd: %s has no store", w->arguments->config);
        return 1;
    }
    if (!audit_all(w) || !make_room(w) || !salts_start(w->pipeline, &w->salts) || !look(w)) {
        return 1;
    }
    print(w);
    return 0;
}

static void release(struct where *w)
{
    for (unsigned i = 0; w->found != NULL && i < w->ids.count; i++) {
        (void)json_object_put(w->found[i]);
    }
    free((void *)w->found);
    salts_stop(w->salts);
    forget_places_free(&w->places);
    forget_kept_free(&w->kept);
    customer_ids_free(&w->ids);
}

int command_where(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    struct where w = {.arguments = arguments, .pipeline = &pipeline};
    int status = 1;
    if (!customer_ids_read(&w.ids, arguments, "where")) {
        customer_ids_free(&w.ids);
        return 1;
    }
    if (pipeline_load_edited(&pipeline, arguments_files(arguments), loader, log, stderr, pipeline_only_look, NULL)) {
        status = sandboxed(&pipeline, arguments_files(arguments), NULL) ? where(&w) : 1;
    }
    release(&w);
    pipeline_free(&pipeline);
    return status;
}
