/* FINDS error alert_message | names {amuont} */
/* FINDS error alert_message | names {} */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_field fields[] = {
    {"amount", .type = CHURN_FIELD_MONEY, .help = "what was given"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    .severity = CHURN_SEVERITY_INFO,
    .alert_message = "{customer_id} gave {amount}, that is {amuont} {} and { no end",
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "alert_placeholder", .version = "1.0.0",
             .summary = "An event type that mistypes a field in its alert", .ops = &type);
