#include "event/edit.h"

#include "base/decimal.h"
#include <churn/time.h>
#include <stdlib.h>

#define MAX_ALERT_NAME 64

void edit_free(struct edit *edit)
{
    free(edit->changes);
    free(edit->alerts);
    text_free(&edit->data);
    text_free(&edit->payload);
    *edit = (struct edit){0};
}

static int32_t out_of_memory(churn_error *err)
{
    return churn_fail(err, CHURN_FATAL, "out of memory");
}

/* A copy in the arena, with a NUL behind it. */
static bool keep(struct edit *edit, const char *bytes, size_t len, churn_str *ret)
{
    char *copy = arena_copy(edit->arena, bytes, len);
    *ret = (churn_str){.ptr = copy, .len = (uint32_t)len};
    return copy != NULL;
}

/* ---- changes ---- */

static struct edit_change *find_change(const struct edit *edit, churn_str name)
{
    for (uint32_t i = 0; i < edit->change_count; i++) {
        if (churn_equal(edit->changes[i].name, name)) {
            return &edit->changes[i];
        }
    }
    return NULL;
}

/* The change of `name`, made at the first call; NULL when memory ran out. */
static struct edit_change *change_of(struct edit *edit, const char *name)
{
    churn_str key = churn_text(name);
    struct edit_change *change = find_change(edit, key);
    if (change != NULL) {
        return change;
    }
    if (edit->change_count == edit->change_room) {
        uint32_t room = edit->change_room + 16;
        struct edit_change *grown = realloc(edit->changes, room * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        edit->changes = grown;
        edit->change_room = room;
    }
    if (!keep(edit, name, key.len, &key)) {
        return NULL;
    }
    change = &edit->changes[edit->change_count++];
    *change = (struct edit_change){.name = key};
    return change;
}

/* The row of a declared field, or NULL. */
static const churn_field *row_of(const struct edit *edit, const char *name)
{
    for (uint32_t i = 0; name != NULL && i < edit->type->table.field_count; i++) {
        if (strcmp(event_type_field(edit->type, i)->name, name) == 0) {
            return event_type_field(edit->type, i);
        }
    }
    return NULL;
}

/* Notes that `name` becomes what `token` says, if its row allows that. */
static int32_t set(struct edit *edit, const char *name, uint32_t kind, churn_str text, churn_error *err)
{
    const churn_field *row = row_of(edit, name);
    struct json_token token = {.text = text, .kind = kind};
    struct edit_change *change;
    struct reject reject;
    struct text json = {0};
    bool ok = true;
    if (name == NULL || (text.ptr == NULL && text.len > 0)) {
        return churn_fail(err, CHURN_REJECT, "the name or text of a change is NULL");
    }
    if (row != NULL && !event_accepts(row, &token, &reject)) {
        return churn_fail(err, CHURN_REJECT, "%s", reject.detail);
    }
    change = change_of(edit, name);
    if (change == NULL) {
        return out_of_memory(err);
    }
    change->json = (churn_str){0};
    if (kind == JSON_STRING) {
        text_append_json(&json, text.ptr, text.len);
        text = (churn_str){.ptr = json.bytes, .len = (uint32_t)json.len};
    }
    if (kind != JSON_ABSENT) {
        ok = !json.failed && keep(edit, text.ptr, text.len, &change->json);
    }
    text_free(&json);
    return ok ? CHURN_OK : out_of_memory(err);
}

static int32_t set_text(churn_edit *call, const char *field, churn_str text, churn_error *err)
{
    text.ptr = text.len > 0 ? text.ptr : "";
    return set(call->ctx, field, JSON_STRING, text, err);
}

static int32_t remove_member(churn_edit *call, const char *field, churn_error *err)
{
    return set(call->ctx, field, JSON_ABSENT, (churn_str){0}, err);
}

static int32_t set_time(struct edit *edit, const char *field, int64_t ms, churn_error *err)
{
    char text[CHURN_TIME_SIZE];
    if (ms < CHURN_TIME_MIN || ms > CHURN_TIME_MAX) {
        return churn_fail(err, CHURN_REJECT, "data.%s must be a time of the years 0 to 9999", field);
    }
    churn_time_format(ms, text);
    return set(edit, field, JSON_STRING, (churn_str){.ptr = text, .len = CHURN_TIME_SIZE - 1}, err);
}

static int32_t set_number(churn_edit *call, const char *field, int64_t number, churn_error *err)
{
    struct edit *edit = call->ctx;
    const churn_field *row = row_of(edit, field);
    uint32_t type = row != NULL ? row->type : CHURN_FIELD_INT, kind = JSON_NUMBER;
    char text[DECIMAL_SIZE];
    churn_str value = {.ptr = text};
    if (type == CHURN_FIELD_TIME) {
        return set_time(edit, field, number, err);
    }
    if (type == CHURN_FIELD_BOOL && (number == 0 || number == 1)) {
        kind = JSON_BOOL;
        value = churn_text(number == 1 ? "true" : "false");
    } else if (type == CHURN_FIELD_MONEY) {
        value.len = (uint32_t)decimal_format_money(number, text);
    } else { /* of a text or another number of a BOOL too, so that its row says what it wants */
        value.len = (uint32_t)decimal_format_int128(number, text);
    }
    return set(edit, field, kind, value, err);
}

/* ---- alerts ---- */

static bool is_alert_name(const char *name)
{
    size_t len = strlen(name);
    return len >= 1 && len <= MAX_ALERT_NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == len;
}

static bool is_raised(const struct edit *edit, const char *name)
{
    for (uint32_t i = 0; i < edit->alert_count; i++) {
        if (strcmp(edit->alerts[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool add_alert(struct edit *edit, uint32_t severity, const char *name, churn_str message)
{
    churn_str kept_name, kept_message;
    if (edit->alert_count == edit->alert_room) {
        uint32_t room = edit->alert_room + 4;
        struct edit_alert *grown = realloc(edit->alerts, room * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        edit->alerts = grown;
        edit->alert_room = room;
    }
    if (!keep(edit, name, strlen(name), &kept_name) ||
        !keep(edit, message.len > 0 ? message.ptr : "", message.len, &kept_message)) {
        return false;
    }
    edit->alerts[edit->alert_count++] =
        (struct edit_alert){.name = kept_name.ptr, .message = kept_message, .severity = severity};
    return true;
}

static int32_t raise_alert(churn_edit *call, uint32_t severity, const char *name, churn_str message, churn_error *err)
{
    struct edit *edit = call->ctx;
    if (severity < CHURN_SEVERITY_INFO || severity > CHURN_SEVERITY_CRITICAL) {
        return churn_fail(err, CHURN_REJECT, "an alert's severity is 1 to 3, not %u", severity);
    }
    if (message.ptr == NULL && message.len > 0) {
        return churn_fail(err, CHURN_REJECT, "an alert's message is NULL");
    }
    if (name == NULL || !is_alert_name(name)) {
        return churn_fail(err, CHURN_REJECT, "an alert's name has 1 to %d letters, digits, '_', '-' and '.'",
                          MAX_ALERT_NAME);
    }
    if (is_raised(edit, name)) {
        return churn_fail(err, CHURN_REJECT, "an alert of the name '%s' was raised for this event before", name);
    }
    return add_alert(edit, severity, name, message) ? CHURN_OK : out_of_memory(err);
}

/* ---- one event ---- */

void edit_begin(struct edit *edit, struct event_decoder *decoder, struct arena *arena, const struct event_type *type)
{
    edit->decoder = decoder;
    edit->arena = arena;
    edit->type = type;
    edit->alert_count = 0;
}

churn_edit *edit_open(struct edit *edit)
{
    edit->change_count = 0;
    edit->call = (churn_edit){.size = sizeof edit->call,
                              .ctx = edit,
                              .set_text = set_text,
                              .set_number = set_number,
                              .remove = remove_member,
                              .alert = raise_alert};
    return &edit->call;
}

/* Adds a member to an object that was begun. */
static void add_member(struct text *object, churn_str name, churn_str json)
{
    if (object->len > 0 && object->bytes[object->len - 1] != '{') {
        text_append(object, ",", 1);
    }
    text_append_json(object, name.ptr, name.len);
    text_append(object, ":", 1);
    text_append(object, json.ptr, json.len);
}

/* Of a name that is changed only one member is left: an earlier one of the same name would still be read by people. */
static void copy_data_member(void *ctx, churn_str name, churn_str value)
{
    struct edit *edit = ctx;
    struct edit_change *change = find_change(edit, name);
    if (change == NULL) {
        add_member(&edit->data, name, value);
    } else if (change->json.ptr != NULL && !change->done) {
        add_member(&edit->data, name, change->json);
        change->done = true;
    }
}

static enum json_result write_data(struct edit *edit, churn_str data)
{
    enum json_result result;
    edit->data.len = 0;
    text_append(&edit->data, "{", 1);
    result = event_members(edit->decoder, data, copy_data_member, edit);
    for (uint32_t i = 0; i < edit->change_count; i++) {
        if (edit->changes[i].json.ptr != NULL && !edit->changes[i].done) {
            add_member(&edit->data, edit->changes[i].name, edit->changes[i].json);
        }
    }
    text_append(&edit->data, "}", 1);
    return result;
}

struct top {
    struct edit *edit;
    const char *data; /* where the `data` begins that counts: the last one */
};

static void copy_member(void *ctx, churn_str name, churn_str value)
{
    struct top *top = ctx;
    struct edit *edit = top->edit;
    if (!str_equals(name, "data")) {
        add_member(&edit->payload, name, value);
    } else if (value.ptr == top->data) {
        add_member(&edit->payload, name, (churn_str){.ptr = edit->data.bytes, .len = (uint32_t)edit->data.len});
    }
}

static enum json_result write_payload(struct edit *edit, const churn_event *event)
{
    struct top top = {.edit = edit, .data = event->data.ptr};
    enum json_result result;
    edit->payload.len = 0;
    text_append(&edit->payload, "{", 1);
    result = event_members(edit->decoder, event->payload, copy_member, &top);
    text_append(&edit->payload, "}", 1);
    return result;
}

int32_t edit_apply(struct edit *edit, churn_event *event, struct reject *reject)
{
    churn_str payload;
    if (edit->change_count == 0) {
        return CHURN_OK;
    }
    if (write_data(edit, event->data) != JSON_OK || write_payload(edit, event) != JSON_OK || edit->data.failed ||
        edit->payload.failed || !keep(edit, edit->payload.bytes, edit->payload.len, &payload)) {
        return CHURN_FATAL; /* what was read before can be read again unless memory runs out */
    }
    if (event_decode(edit->decoder, payload.ptr, payload.len, event, reject) == NULL) {
        return reject->out_of_memory ? CHURN_FATAL : CHURN_REJECT;
    }
    return CHURN_OK;
}
