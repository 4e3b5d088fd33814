#include "trigger.h"

#include "json_read.h"
#include <churn/time.h>
#include <stdlib.h>

static churn_str place(char **at, churn_str text)
{
    churn_str copy = {.ptr = *at, .len = text.len};
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
    }
    *at += text.len;
    return copy;
}

struct trigger *trigger_new(const struct trigger *from)
{
    struct trigger *trigger;
    int64_t timestamp_ms;
    char *at;
    if (!churn_time_parse(from->timestamp.ptr, from->timestamp.len, &timestamp_ms)) {
        return NULL;
    }
    trigger = malloc(sizeof *trigger + from->request_id.len + (size_t)from->customer_id.len + from->event_id.len +
                     from->event_type.len + from->timestamp.len);
    if (trigger == NULL) {
        return NULL;
    }
    at = trigger->texts;
    trigger->request_id = place(&at, from->request_id);
    trigger->customer_id = place(&at, from->customer_id);
    trigger->event_id = place(&at, from->event_id);
    trigger->event_type = place(&at, from->event_type);
    trigger->timestamp = place(&at, from->timestamp);
    trigger->timestamp_ms = timestamp_ms;
    trigger->next = NULL;
    trigger->forgotten = 0;
    return trigger;
}

/* What is left of a text that is read. */
static int take_literal(churn_str *left, const char *literal)
{
    uint32_t len = (uint32_t)strlen(literal);
    if (left->len < len || memcmp(left->ptr, literal, len) != 0) {
        return 0;
    }
    *left = (churn_str){.ptr = left->ptr + len, .len = left->len - len};
    return 1;
}

/* Takes what stands before the closing quote, and that; 0 where any of it is escaped, or would have to be. */
static int take_plain(churn_str *left, churn_str *ret)
{
    uint32_t len = 0;
    while (len < left->len && left->ptr[len] != '"') {
        if (left->ptr[len] == '\\' || (unsigned char)left->ptr[len] < 0x20) {
            return 0;
        }
        len++;
    }
    *ret = (churn_str){.ptr = left->ptr, .len = len};
    *left = (churn_str){.ptr = left->ptr + len, .len = left->len - len};
    return take_literal(left, "\"");
}

/* The form in which the engine writes triggers, where no text is escaped: it needs no tree of JSON, which would cost
 * more than all else that is done with a trigger. 0: it is another form. */
static int read_plain(churn_str value, struct trigger *texts)
{
    churn_str left = value;
    return take_literal(&left, "{\"request_id\":\"") && take_plain(&left, &texts->request_id) &&
           take_literal(&left, ",\"customer_id\":\"") && take_plain(&left, &texts->customer_id) &&
           take_literal(&left, ",\"trigger\":{\"event_id\":\"") && take_plain(&left, &texts->event_id) &&
           take_literal(&left, ",\"event_type\":\"") && take_plain(&left, &texts->event_type) &&
           take_literal(&left, ",\"timestamp\":\"") && take_plain(&left, &texts->timestamp) &&
           take_literal(&left, "}}") && left.len == 0 && text_is_utf8(value);
}

static int read_tree(json_object *object, struct trigger *texts)
{
    json_object *inner;
    return json_read_string(object, "request_id", &texts->request_id) &&
           json_read_string(object, "customer_id", &texts->customer_id) &&
           json_object_object_get_ex(object, "trigger", &inner) && json_object_is_type(inner, json_type_object) &&
           json_read_string(inner, "event_id", &texts->event_id) &&
           json_read_string(inner, "event_type", &texts->event_type) &&
           json_read_string(inner, "timestamp", &texts->timestamp);
}

struct trigger *trigger_parse(churn_str value, churn_error *err)
{
    struct trigger texts, *trigger = NULL;
    int plain = value.ptr != NULL && read_plain(value, &texts);
    json_object *object = value.ptr != NULL && !plain ? json_read_object(value) : NULL;
    int64_t ms;
    if (object == NULL && !plain) {
        (void)churn_fail(err, CHURN_REJECT, "a trigger must be a JSON object");
        return NULL;
    }
    if ((!plain && !read_tree(object, &texts)) || texts.customer_id.len == 0 || texts.customer_id.len > 128) {
        (void)churn_fail(err, CHURN_REJECT,
                         "a trigger needs the strings request_id, customer_id (1 to 128 bytes) and an object trigger "
                         "with the strings event_id, event_type, timestamp");
    } else if (!churn_time_parse(texts.timestamp.ptr, texts.timestamp.len, &ms)) {
        (void)churn_fail(err, CHURN_REJECT, "a trigger's timestamp must be written YYYY-MM-DDTHH:MM:SS.mmmZ");
    } else if ((trigger = trigger_new(&texts)) == NULL) {
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
    }
    json_object_put(object);
    return trigger;
}

/* Cuts `/NUMBER` off the end of `text`. */
static int cut_number(churn_str *text, churn_str *ret_number)
{
    uint32_t at = text->len;
    while (at > 0 && text->ptr[at - 1] >= '0' && text->ptr[at - 1] <= '9') {
        at--;
    }
    if (at == text->len || at < 2 || text->ptr[at - 1] != '/') {
        return 0;
    }
    *ret_number = (churn_str){.ptr = text->ptr + at, .len = text->len - at};
    text->len = at - 1;
    return 1;
}

int trigger_position(const struct trigger *trigger, churn_str *ret_topic, churn_str *ret_partition,
                     churn_str *ret_offset)
{
    *ret_topic = trigger->request_id;
    return cut_number(ret_topic, ret_offset) && cut_number(ret_topic, ret_partition);
}

void trigger_write_open(struct text_buffer *text, const struct trigger *trigger)
{
    text_puts(text, "{\"request_id\":");
    text_json_string(text, trigger->request_id);
    text_puts(text, ",\"customer_id\":");
    text_json_string(text, trigger->customer_id);
    text_puts(text, ",\"trigger\":{\"event_id\":");
    text_json_string(text, trigger->event_id);
    text_puts(text, ",\"event_type\":");
    text_json_string(text, trigger->event_type);
    text_puts(text, ",\"timestamp\":");
    text_json_string(text, trigger->timestamp);
    text_puts(text, "}");
}
