/* What every way to write a manual says of options, fields and effects. */
#ifndef DESCRIBE_FACTS_H
#define DESCRIBE_FACTS_H

#include "config/option.h"
#include <churn/event.h>
#include <churn/plugin.h>

static inline bool has_default(const churn_option *row)
{
    return row->default_text != NULL && *row->default_text != '\0';
}

/* "1ms to 1h", "at least 1MiB"; false where any value is taken. */
bool describe_range(const churn_option *row, char *out, size_t size);
const char *describe_field_type(const churn_field *field);
/* What an effect takes its operand from, for people; `room` for a number. NULL: it only declares the field. */
const char *describe_operand(const churn_effect *effect, char *room, size_t size);
const char *describe_divisor(const churn_derived *derived);

#endif
