/* A campaign's e-mail that was opened. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const campaign_ids[] = {"CMP-spring-sale", "CMP-newsletter-##", "CMP-win-back", "CMP-new-arrivals",
                                           NULL};
static const char *const email_ids[] = {"EML-########", NULL};

static const churn_field fields[] = {
    {"campaign_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = campaign_ids,
     .help = "the campaign that sent the e-mail"},
    {"email_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_PII, .samples = email_ids,
     .help = "the e-mail as sent to this customer"},
};

/* emails_clicked as email_clicked declares it: either plugin works, and has the rate, without the other. */
static const churn_effect effects[] = {
    {"emails_opened", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1,
     .help = "e-mails opened"},
    {"emails_clicked", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_NOTHING,
     .help = "links in e-mails clicked"},
};

static const churn_derived derived[] = {
    {"email_click_rate", .kind = CHURN_DERIVE_RATIO, .numerator = "emails_clicked", .denominator = "emails_opened",
     .decimals = 4, .help = "emails_clicked / emails_opened"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    CHURN_DERIVED(derived),
    .sample_weight = 120,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "email_opened", .version = "1.0.0",
             .summary = "A customer opened an e-mail of a campaign", .ops = &type);
