/* FINDS error event_table | profile field 'mood': constant 2 is none of its states, 0 to 1 */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_field fields[] = {
    {"tip", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .help = "what was given"},
};

static const churn_effect effects[] = {
    {"mood", .type = CHURN_PROFILE_STATE, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_CONSTANT, .constant = 2,
     .states = (const char *const[]){"good", "bad", NULL}},
};

static const churn_event_type type = {.size = sizeof(churn_event_type), CHURN_FIELDS(fields), CHURN_EFFECTS(effects)};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "no_such_state", .version = "1.0.0",
             .summary = "An effect of a state that is not there", .ops = &type);
