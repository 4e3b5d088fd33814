#include "event/alert_message.h"

#include "base/decimal.h"
#include <churn/time.h>

void alert_message_append_number(struct text *out, uint32_t field_type, int64_t number)
{
    char buffer[DECIMAL_SIZE];
    switch (field_type) {
    case CHURN_FIELD_MONEY:
        text_append(out, buffer, decimal_format_money(number, buffer));
        break;
    case CHURN_FIELD_TIME:
        churn_time_format(number, buffer);
        text_append_string(out, buffer);
        break;
    case CHURN_FIELD_BOOL:
        text_append_string(out, number != 0 ? "true" : "false");
        break;
    default:
        text_append(out, buffer, decimal_format_int128(number, buffer));
    }
}

/* One {name} of the template; a field that the event lacks shows as "unknown". */
static void append_placeholder(struct text *out, const struct event_type *type, churn_str customer, churn_str name,
                               alert_value_fn show, const void *ctx)
{
    if (str_equals(name, "customer_id")) {
        text_append(out, customer.ptr, customer.len);
        return;
    }
    for (uint32_t row = 0; row < type->table.field_count; row++) {
        if (str_equals(name, event_type_field(type, row)->name) && show(ctx, type, row, out)) {
            return;
        }
    }
    text_append_string(out, "unknown");
}

void alert_message_append(struct text *out, const struct event_type *type, churn_str customer, alert_value_fn show,
                          const void *ctx)
{
    const char *at = type->table.alert_message;
    if (at == NULL) {
        text_printf(out, "%s of ", type->name.ptr);
        text_append(out, customer.ptr, customer.len);
        return;
    }
    while (*at != '\0') {
        const char *close = *at == '{' ? strchr(at, '}') : NULL;
        if (close != NULL) {
            churn_str name = {.ptr = at + 1, .len = (uint32_t)(close - at - 1)};
            append_placeholder(out, type, customer, name, show, ctx);
            at = close + 1;
        } else {
            text_append(out, at++, 1);
        }
    }
}
