/* A request for help. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const ticket_ids[] = {"TCK-######", NULL};
static const char *const categories[] = {"billing", "delivery", "product", "account", "technical", NULL};
static const char *const priorities[] = {"low", "medium", "high", "urgent", NULL};

static const churn_field fields[] = {
    {"ticket_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = ticket_ids,
     .help = "number of the ticket"},
    {"category", .type = CHURN_FIELD_STRING, .samples = categories, .help = "what it is about"},
    {"priority", .type = CHURN_FIELD_STRING, .choices = priorities, .samples = priorities, .help = "how urgent it is"},
};

static const churn_effect effects[] = {
    {"support_tickets", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1,
     .help = "support tickets opened"},
};

static const churn_severity_rule severity_rules[] = {
    {.field = "priority", .equals = "urgent", .severity = CHURN_SEVERITY_CRITICAL},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    CHURN_SEVERITY_RULES(severity_rules),
    .predicts = 1,
    .severity = CHURN_SEVERITY_WARNING,
    .alert_message = "{customer_id} opened support ticket {ticket_id}",
    .sample_weight = 10,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "support_ticket_created", .version = "1.0.0",
             .summary = "A customer asked support for help", .ops = &type);
