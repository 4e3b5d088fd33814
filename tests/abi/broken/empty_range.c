/* FINDS error field_range | field 'stars': its min 1 is above its max 0 | INT64_MAX */
/* FINDS warning field_range | field 'helpful': only 0 is allowed */
#include <churn/event.h>
#include <churn/plugin.h>

/* "At least 1" needs a max too. */
static const churn_field fields[] = {
    {"stars", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = 1, .help = "how it was liked"},
    {"helpful", .type = CHURN_FIELD_INT, .help = "how many found it helpful"},
};

static const churn_event_type type = {.size = sizeof(churn_event_type), CHURN_FIELDS(fields)};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "empty_range", .version = "1.0.0",
             .summary = "An event type with a field that no value fits", .ops = &type);
