/* A link that was followed from a campaign's e-mail. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const campaign_ids[] = {"CMP-spring-sale", "CMP-newsletter-##", "CMP-win-back", "CMP-new-arrivals",
                                           NULL};
static const char *const email_ids[] = {"EML-########", NULL};
static const char *const urls[] = {"https://shop.example/sale", "https://shop.example/new",
                                   "https://shop.example/products/SKU-#####", "https://shop.example/account", NULL};

static const churn_field fields[] = {
    {"campaign_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = campaign_ids,
     .help = "the campaign that sent the e-mail"},
    {"email_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_PII, .samples = email_ids,
     .help = "the e-mail as sent to this customer"},
    /* Links in e-mails often carry a token that stands for the recipient. */
    {"url", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_PII, .samples = urls, .help = "where the link leads"},
};

/* emails_opened as email_opened declares it: either plugin works, and has the rate, without the other. */
static const churn_effect effects[] = {
    {"emails_clicked", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1,
     .help = "links in e-mails clicked"},
    {"emails_opened", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_NOTHING,
     .help = "e-mails opened"},
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
    .sample_weight = 50,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "email_clicked", .version = "1.0.0",
             .summary = "A customer followed a link in an e-mail", .ops = &type);
