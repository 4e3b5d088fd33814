/*
 * An event type of your own: two tables and an entry. From them churnd takes validation, generated samples, the JSON
 * Schema and the manual. Rename the file, the tables' rows and the entry's name, which is the event_type.
 */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const card_ids[] = {"GFT-########", NULL}; /* `#`: a random digit */

/* What an event carries in its `data`. */
static const churn_field fields[] = {
    {"card_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = card_ids,
     .help = "number of the gift card"},
    /* Money is exact, in units of 1/10,000: samples from 10.00 to 100.00. */
    {"amount", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .sample_min = 10 * 10000,
     .sample_max = 100 * 10000, .help = "what was taken from the card"},
};

/* What it does to the customer's profile. */
static const churn_effect effects[] = {
    {"gift_cards_redeemed", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT,
     .constant = 1, .help = "gift cards redeemed"},
    {"gift_card_amount", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD,
     .operand = "amount", .help = "exact sum taken from gift cards"},
    {"last_gift_card_at", .type = CHURN_PROFILE_TIME, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_EVENT_TIME,
     .help = "time of the newest redemption"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    .predicts = 1,
    .sample_weight = 20,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "gift_card_redeemed", .version = "1.0.0",
             .summary = "A customer redeemed a gift card", .ops = &type);
