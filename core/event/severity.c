#include "event/severity.h"

static const char *const severity_names[] = {"none", "info", "warning", "critical"};

const char *severity_name(uint32_t severity)
{
    return severity_names[severity <= CHURN_SEVERITY_CRITICAL ? severity : 0];
}

uint32_t severity_of_event(const struct event_type *type, const churn_event *event, uint32_t severity)
{
    for (uint32_t i = 0; severity != CHURN_SEVERITY_NONE && i < type->table.severity_rule_count; i++) {
        const churn_severity_rule *rule = event_type_rule(type, i);
        const churn_value *value = churn_event_value(event, rule->field);
        if (value != NULL && churn_equal(value->text, churn_text(rule->equals))) {
            severity = rule->severity;
        }
    }
    return severity;
}
