/* FINDS error sample_invalid | breaks its own rules (invalid_utf8 | check its samples */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const names[] = {"caf\xe9", NULL}; /* Latin-1, where UTF-8 is needed */

static const churn_field fields[] = {
    {"shop", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = names, .help = "where it was"},
};

static const churn_event_type type = {.size = sizeof(churn_event_type), CHURN_FIELDS(fields)};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "invalid_samples", .version = "1.0.0",
             .summary = "An event type whose samples are no UTF-8", .ops = &type);
