/* FINDS error event_table | operand for profile field 'total_tips' is no field of its data: 'tpi'
 */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_field fields[] = {
    {"tip", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .help = "what was given"},
};

static const churn_effect effects[] = {
    {"total_tips", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD, .operand = "tpi"},
};

static const churn_event_type type = {.size = sizeof(churn_event_type), CHURN_FIELDS(fields), CHURN_EFFECTS(effects)};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "operand_mistyped", .version = "1.0.0",
             .summary = "An effect of a field that is not there", .ops = &type);
