/*
 * An event type: two tables and an entry. From them churnd takes validation, generated samples, the JSON Schema and the
 * manual. Edit the rows; the entry's name is the event_type, and the file's.
 */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const item_ids[] = {"ITM-########", NULL}; /* `#`: a random digit */

/* What an event carries in its `data`. */
static const churn_field fields[] = {
    {"item_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = item_ids,
     .help = "number of the item"},
    /* Money is exact, in units of 1/10,000: samples from 10.00 to 100.00. */
    {"amount", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .sample_min = 10 * 10000,
     .sample_max = 100 * 10000, .help = "its value"},
};

/* What it does to the customer's profile. */
static const churn_effect effects[] = {
    {"my_event_count", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1,
     .help = "how many there were"},
    {"my_event_amount", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD,
     .operand = "amount", .help = "exact sum of their values"},
    {"last_my_event_at", .type = CHURN_PROFILE_TIME, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_EVENT_TIME,
     .help = "time of the newest one"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    .predicts = 1,
    .sample_weight = 20,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "my_event", .version = "1.0.0",
             .summary = "One sentence for `churnd plugins`", .ops = &type);
