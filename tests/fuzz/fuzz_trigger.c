/* A trigger of a prediction, as it comes back from a queue that others may write to. */
#include "fuzz.h"

#include "tests/support/strict_json.h"
#include "trigger.h"

static void check_same(const struct trigger *trigger, const struct trigger *other, const char *how)
{
    promise(fuzz_same(trigger->request_id, other->request_id) && fuzz_same(trigger->customer_id, other->customer_id) &&
                fuzz_same(trigger->event_id, other->event_id) && fuzz_same(trigger->event_type, other->event_type) &&
                fuzz_same(trigger->timestamp, other->timestamp) && trigger->timestamp_ms == other->timestamp_ms,
            "a trigger that is %s is the same", how);
}

static void check_written(const struct trigger *trigger)
{
    churn_error err = {.size = sizeof err};
    struct text_buffer text = {0};
    struct trigger *again;
    trigger_write_open(&text, trigger);
    text_puts(&text, "}");
    again = trigger_parse((churn_str){.ptr = text.ptr, .len = (uint32_t)text.len}, &err);
    promise(again != NULL, "%s is read again: %s", text.ptr, err.message);
    check_same(trigger, again, "written and read again");
    free(again);
    text_free(&text);
}

static void check_copied(const struct trigger *trigger)
{
    struct trigger *copy = trigger_new(trigger);
    promise(copy != NULL, "a trigger can be copied");
    check_same(trigger, copy, "copied");
    free(copy);
}

static bool is_digits(churn_str text)
{
    bool is = text.len > 0;
    for (uint32_t i = 0; i < text.len; i++) {
        is = is && text.ptr[i] >= '0' && text.ptr[i] <= '9';
    }
    return is;
}

/* TOPIC/PARTITION/OFFSET is the whole of the request_id. */
static void check_position(const struct trigger *trigger)
{
    churn_str id = trigger->request_id, topic, partition, offset;
    if (trigger_position(trigger, &topic, &partition, &offset)) {
        promise(is_digits(partition) && is_digits(offset), "partition and offset are digits");
        promise(topic.len > 0 && topic.ptr == id.ptr && topic.len + partition.len + offset.len + 2 == id.len &&
                    id.ptr[topic.len] == '/' && partition.ptr == id.ptr + topic.len + 1 &&
                    offset.ptr == partition.ptr + partition.len + 1,
                "a position is the whole of %.*s", (int)id.len, id.ptr);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(data, size);
    churn_error err = {.size = sizeof err};
    struct trigger *trigger = trigger_parse((churn_str){.ptr = copy, .len = (uint32_t)size}, &err);
    if (trigger != NULL) {
        json_object *judged = strict_json_parse(copy, size, 32);
        promise(judged != NULL, "what is taken is JSON");
        (void)json_object_put(judged);
        promise(trigger->customer_id.len >= 1 && trigger->customer_id.len <= 128, "customer_id has 1 to 128 bytes");
        check_written(trigger);
        check_copied(trigger);
        check_position(trigger);
        free(trigger);
    } else {
        promise(err.code == CHURN_REJECT && err.message[0] != '\0', "a refusal has a reason");
    }
    free(copy);
    return 0;
}
