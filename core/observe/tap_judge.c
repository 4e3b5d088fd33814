#include "observe/tap_judge.h"

#include "base/json_build.h"
#include "base/json_parse.h"
#include "base/refuse.h"
#include <churn/time.h>
#include <stdlib.h>

#define MAX_DEPTH 64

struct tap_judge {
    const struct catalog *catalog;
    struct event_decoder *decoder;
    /* of the record at hand, each found out when it is first asked for */
    const struct tapped *tapped;
    bool decoded, parsed;
    const struct event_type *type; /* NULL: it is no event of a loaded type */
    struct reject reject;          /* why */
    churn_event event;
    struct json_object *object; /* of what is no event; NULL: nor is it an object */
};

/* ---- wishes ---- */

static bool read_text(struct json_object *object, const char *name, struct json_object **ret, char *message,
                      size_t size)
{
    struct json_object *value;
    if (!json_object_object_get_ex(object, name, &value)) {
        *ret = NULL;
        return true;
    }
    *ret = value;
    return json_object_is_type(value, json_type_string) || refuse(message, size, "%s: a text belongs here", name);
}

static bool read_wish(struct tap_wish *wish, struct json_object *object, char *message, size_t size)
{
    struct json_object *at, *customer, *when, *format;
    if (!read_text(object, "at", &at, message, size) || !read_text(object, "customer", &customer, message, size) ||
        !read_text(object, "when", &when, message, size) || !read_text(object, "format", &format, message, size)) {
        return false;
    }
    if (at == NULL || !taps_point_find(json_object_get_string(at), &wish->point)) {
        return refuse(message, size, "at: must be source, events, alerts, dead_letters or predictions");
    }
    if (customer != NULL) {
        size_t len = (size_t)json_object_get_string_len(customer);
        if (len == 0 || len > EVENT_MAX_ID || strlen(json_object_get_string(customer)) != len) {
            return refuse(message, size, "customer: an id has 1 to %d bytes", EVENT_MAX_ID);
        }
        memcpy(wish->customer, json_object_get_string(customer), len + 1);
    }
    wish->text = format != NULL && strcmp(json_object_get_string(format), "text") == 0;
    if (when != NULL) {
        if (json_object_get_string_len(when) > TAP_MAX_CONDITION) {
            return refuse(message, size, "when: at most %d bytes are possible", TAP_MAX_CONDITION);
        }
        wish->when = strdup(json_object_get_string(when));
        return wish->when != NULL || refuse(message, size, "out of memory");
    }
    return true;
}

bool tap_wish_read(struct tap_wish *wish, const char *json, size_t len, char *message, size_t size)
{
    bool parsed, ok;
    struct json_object *object = json_parse(json, len, MAX_DEPTH, &parsed);
    *wish = (struct tap_wish){0};
    ok = parsed && json_object_is_type(object, json_type_object)
             ? read_wish(wish, object, message, size)
             : refuse(message, size, "a JSON object in one line belongs here");
    (void)json_object_put(object);
    return ok;
}

bool tap_wish_compile(struct tap_wish *wish, const struct catalog *catalog, char *message, size_t size)
{
    const struct condition_scope scope = {.catalog = catalog,
                                          .has_severity = wish->point == TAP_ALERTS,
                                          .dataless = wish->point == TAP_PREDICTIONS ? "a prediction" : NULL};
    char why[512];
    condition_free(wish->condition);
    wish->condition = wish->when != NULL ? condition_compile(wish->when, &scope, why, sizeof why) : NULL;
    return wish->when == NULL || wish->condition != NULL || refuse(message, size, "when: %s", why);
}

void tap_wish_free(struct tap_wish *wish)
{
    condition_free(wish->condition);
    free(wish->when);
    *wish = (struct tap_wish){0};
}

/* ---- records ---- */

struct tap_judge *tap_judge_new(const struct catalog *catalog)
{
    struct tap_judge *judge = calloc(1, sizeof *judge);
    if (judge != NULL) {
        judge->catalog = catalog;
        judge->decoder = event_decoder_new(catalog);
    }
    if (judge != NULL && judge->decoder == NULL) {
        free(judge);
        judge = NULL;
    }
    return judge;
}

static void forget(struct tap_judge *judge)
{
    (void)json_object_put(judge->object);
    judge->object = NULL;
    judge->type = NULL;
    judge->decoded = judge->parsed = false;
}

void tap_judge_free(struct tap_judge *judge)
{
    if (judge != NULL) {
        forget(judge);
        event_decoder_free(judge->decoder);
        free(judge);
    }
}

void tap_judge_begin(struct tap_judge *judge, const struct tapped *tapped)
{
    forget(judge);
    judge->tapped = tapped;
}

static struct json_object *object_of(struct tap_judge *judge)
{
    churn_str value = judge->tapped->record.value;
    bool ok;
    if (!judge->parsed && value.ptr != NULL) {
        judge->object = json_parse(value.ptr, value.len, MAX_DEPTH, &ok);
        if (!json_object_is_type(judge->object, json_type_object)) {
            (void)json_object_put(judge->object);
            judge->object = NULL;
        }
    }
    judge->parsed = true;
    return judge->object;
}

/* A member's text; ptr NULL where there is none. */
static churn_str text_of(struct json_object *object, const char *name)
{
    struct json_object *value;
    if (object == NULL || !json_object_object_get_ex(object, name, &value) ||
        !json_object_is_type(value, json_type_string)) {
        return (churn_str){0};
    }
    return (churn_str){.ptr = json_object_get_string(value), .len = (uint32_t)json_object_get_string_len(value)};
}

/* A prediction says which event it follows from, without that event's data. */
static void read_prediction(struct tap_judge *judge)
{
    struct json_object *object = object_of(judge);
    churn_str type = text_of(object, "event_type"), time = text_of(object, "timestamp");
    int32_t id = type.ptr != NULL ? name_index_find(&judge->catalog->type_names, type.ptr, type.len) : -1;
    if (id < 0) {
        return;
    }
    judge->event = (churn_event){.size = sizeof judge->event,
                                 .event_id = text_of(object, "event_id"),
                                 .event_type = type,
                                 .customer_id = text_of(object, "customer_id")};
    if (time.ptr != NULL && churn_time_parse(time.ptr, time.len, &judge->event.timestamp_ms)) {
        judge->type = &judge->catalog->types[id];
    }
}

/* An alert is an event that says more, so it is read as one. */
static const struct event_type *type_of(struct tap_judge *judge)
{
    churn_str value = judge->tapped->record.value;
    if (!judge->decoded && judge->tapped->point == TAP_PREDICTIONS) {
        read_prediction(judge);
    } else if (!judge->decoded && value.ptr != NULL) {
        judge->type = event_decode(judge->decoder, value.ptr, value.len, &judge->event, &judge->reject);
    }
    judge->decoded = true;
    return judge->type;
}

static churn_str customer_of(struct tap_judge *judge)
{
    if (judge->tapped->customer.ptr != NULL) {
        return judge->tapped->customer;
    }
    return type_of(judge) != NULL ? judge->event.customer_id : text_of(object_of(judge), "customer_id");
}

bool tap_judge_matches(struct tap_judge *judge, const struct tap_wish *wish)
{
    if (judge->tapped->point != wish->point ||
        (wish->customer[0] != '\0' && !churn_equal(customer_of(judge), churn_text(wish->customer)))) {
        return false;
    }
    return wish->condition == NULL ||
           (type_of(judge) != NULL &&
            condition_matches(wish->condition, type_of(judge), &judge->event, judge->tapped->record.severity));
}

/* Whether what is no event is good JSON all the same. */
static bool is_json(const struct reject *reject)
{
    switch (reject->reason) {
    case REJECT_MISSING_FIELD:
    case REJECT_WRONG_TYPE:
    case REJECT_INVALID_VALUE:
    case REJECT_INVALID_TIMESTAMP:
    case REJECT_UNKNOWN_EVENT_TYPE:
        return !reject->out_of_memory;
    default:
        return false;
    }
}

bool tap_judge_is_json(struct tap_judge *judge)
{
    churn_str value = judge->tapped->record.value;
    struct reject reject;
    churn_event event;
    if (value.ptr == NULL) {
        return false;
    }
    if (judge->tapped->point == TAP_PREDICTIONS) {
        return event_decode(judge->decoder, value.ptr, value.len, &event, &reject) != NULL || is_json(&reject);
    }
    return type_of(judge) != NULL || is_json(&judge->reject);
}
