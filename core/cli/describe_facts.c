#include "cli/describe_facts.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    int64_t factor;
    const char *name;
};

/* In the largest unit that divides it. */
static void format_value(uint32_t type, int64_t value, char *out, size_t size)
{
    static const struct unit times[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    static const struct unit sizes[] = {
        {INT64_C(1) << 40, "TiB"}, {INT64_C(1) << 30, "GiB"}, {INT64_C(1) << 20, "MiB"}, {INT64_C(1) << 10, "KiB"}};
    const struct unit *units = type == CHURN_OPTION_DURATION ? times : sizes;
    size_t count = type == CHURN_OPTION_DURATION ? 5 : type == CHURN_OPTION_SIZE ? 4 : 0;
    for (size_t i = 0; i < count && value != 0; i++) {
        if (value % units[i].factor == 0) {
            (void)snprintf(out, size, "%" PRId64 "%s", value / units[i].factor, units[i].name);
            return;
        }
    }
    (void)snprintf(out, size, "%" PRId64 "%s", value, type == CHURN_OPTION_DURATION ? "s" : "");
}

bool describe_range(const churn_option *row, char *out, size_t size)
{
    char least[32], most[32];
    format_value(row->type, row->min, least, sizeof least);
    format_value(row->type, row->max, most, sizeof most);
    if (row->min == row->max) {
        return false;
    }
    if (row->max == INT64_MAX) {
        (void)snprintf(out, size, "at least %s", least);
        return row->min != 0;
    }
    (void)snprintf(out, size, "%s to %s", least, most);
    return true;
}

const char *describe_field_type(const churn_field *field)
{
    static const char *const names[] = {"?", "text", "int", "money", "bool", "time"};
    return names[field->type <= CHURN_FIELD_TIME ? field->type : 0];
}

const char *describe_operand(const churn_effect *effect, char *room, size_t size)
{
    switch (effect->from) {
    case CHURN_FROM_FIELD:
        return effect->operand;
    case CHURN_FROM_EVENT_TIME:
        return "the event's time";
    case CHURN_FROM_EVENT_TYPE:
        return "the event's type";
    case CHURN_FROM_NOTHING:
        return NULL;
    default:
        if (effect->type == CHURN_PROFILE_STATE) {
            return effect->states[effect->constant];
        }
        (void)snprintf(room, size, "%" PRId64, effect->constant);
        return room;
    }
}

const char *describe_divisor(const churn_derived *derived)
{
    return derived->kind == CHURN_DERIVE_RATIO ? derived->denominator
                                               : "(1 + whole days from first_event_at to last_event_at)";
}
