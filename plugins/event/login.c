/* A visit of a customer who signed in. */
#include <churn/event.h>
#include <churn/plugin.h>

static const char *const devices[] = {"desktop", "mobile", "tablet", "app_ios", "app_android", NULL};
static const char *const session_ids[] = {"SES-##########", NULL};

static const churn_field fields[] = {
    {"device", .type = CHURN_FIELD_STRING, .samples = devices, .help = "kind of device"},
    {"session_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_PII, .samples = session_ids,
     .help = "the session that began"},
};

static const churn_effect effects[] = {
    {"login_count", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1,
     .help = "logins"},
    {"last_login_at", .type = CHURN_PROFILE_TIME, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_EVENT_TIME,
     .help = "time of the newest login"},
};

static const churn_derived derived[] = {
    {"logins_per_day", .kind = CHURN_DERIVE_PER_DAY, .numerator = "login_count", .decimals = 4,
     .help = "logins a day from the first event to the last"},
};

static const churn_event_type type = {
    .size = sizeof(churn_event_type),
    CHURN_FIELDS(fields),
    CHURN_EFFECTS(effects),
    CHURN_DERIVED(derived),
    .sample_weight = 190,
};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "login", .version = "1.0.0", .summary = "A customer logged in",
             .ops = &type);
