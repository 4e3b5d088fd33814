/* An event type with all that ABI 1.0 has: fields, effects, a derived field, severity rules and a callback. */
#include "poison.h"
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const priorities[] = {"low", "high", NULL};

static const churn_field fields[] = {
    {"amount", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .help = "what was paid"},
    {"items", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = 1, .max = 100, .help = "how many things"},
    {"priority", .type = CHURN_FIELD_STRING, .choices = priorities, .help = "how urgent"},
};

static const churn_effect effects[] = {
    {"first_total", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD,
     .operand = "amount"},
    {"first_count", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1},
    {"first_most_items", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_NOTHING},
    {"first_priority", .type = CHURN_PROFILE_STRING, .merge = CHURN_MERGE_LATEST, .from = CHURN_FROM_NOTHING},
};

static const churn_derived derived[] = {
    {"first_average", .kind = CHURN_DERIVE_RATIO, .numerator = "first_total", .denominator = "first_count",
     .decimals = 2},
};

static const churn_severity_rule rules[] = {{"priority", "high", CHURN_SEVERITY_CRITICAL, 0}};

static int32_t apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    const churn_value *items = churn_event_value(event, "items"), *priority = churn_event_value(event, "priority");
    int32_t result = delta->merge(delta, "first_most_items", items->number);
    if (items->number == 13) {
        return churn_fail(err, CHURN_REJECT, "nobody buys 13");
    }
    return result == CHURN_OK && priority != NULL ? delta->merge_text(delta, "first_priority", priority->text) : result;
}

static const POISONED(churn_event_type) type = {.ops = {.size = sizeof type.ops,
                                                        CHURN_FIELDS(fields),
                                                        CHURN_EFFECTS(effects),
                                                        CHURN_DERIVED(derived),
                                                        CHURN_SEVERITY_RULES(rules),
                                                        .alert_message = "{customer_id} bought {items}",
                                                        .apply = apply},
                                                .behind = POISON};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "first_event", .version = "1.0.0",
             .summary = "An event type of the first minor version", .ops = &type.ops);
