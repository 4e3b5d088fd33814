/* A trigger of a prediction: {"request_id","customer_id","trigger":{"event_id","event_type","timestamp"}}. */
#ifndef TRIGGER_H
#define TRIGGER_H

#include "text_buffer.h"
#include <churn/result.h>

/* One allocation, with its texts behind it; free it with free(). */
struct trigger {
    churn_str request_id;
    churn_str customer_id;
    churn_str event_id;
    churn_str event_type;
    churn_str timestamp; /* YYYY-MM-DDTHH:MM:SS.mmmZ */
    int64_t timestamp_ms;
    struct trigger *next; /* for who keeps several; NULL: none */
    int forgotten;        /* … and asks which of them are given up */
    char texts[];
};

/* A copy of the five texts of `from`, whose timestamp is read. NULL: the timestamp is malformed, or memory ran out. */
struct trigger *trigger_new(const struct trigger *from);

/* Reads a trigger record's value; NULL with a message in `err` (CHURN_REJECT; CHURN_FATAL when memory ran out). */
struct trigger *trigger_parse(churn_str value, churn_error *err);

/* Where the record was read that caused the trigger, as request_id says it (TOPIC/PARTITION/OFFSET). The three are
 * parts of it. 0: it says no position. */
int trigger_position(const struct trigger *trigger, churn_str *ret_topic, churn_str *ret_partition,
                     churn_str *ret_offset);

/* Writes the trigger's JSON object without its closing brace, so that members can follow. */
void trigger_write_open(struct text_buffer *text, const struct trigger *trigger);

#endif
