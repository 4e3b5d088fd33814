/* An alert's message, by its event type's template. */
#ifndef ALERT_MESSAGE_H
#define ALERT_MESSAGE_H

#include "base/json_text.h"
#include "event/catalog.h"

/* Appends what the type's field number `row` shows; false: the event does not have it. */
typedef bool (*alert_value_fn)(const void *ctx, const struct event_type *type, uint32_t row, struct text *out);
void alert_message_append(struct text *out, const struct event_type *type, churn_str customer, alert_value_fn show,
                          const void *ctx);
/* A number, time or truth value as messages show it. */
void alert_message_append_number(struct text *out, uint32_t field_type, int64_t number);

#endif
