/* The event types' tables against the contract, written out here a second time, as text. */
#include "cunit_main.h"
#include "fake_host.h"

#define ROWS(type, rows, i, row) ((const row *)(const void *)((const char *)(type)->rows + (i) * sizeof(row)))

/* What the contract says of a type: `!` a required field; a profile field <- its operand. */
static const struct contract {
    const char *name;
    const char *fields;
    const char *profile;
    const char *derived;
    const char *follows;
} contract[] = {
    {"order_placed", "order_id string!, order_value money!, items_count int! 1.., payment_method string!",
     "order_count int add <- 1, items_purchased int add <- items_count, total_spent money add <- order_value, "
     "last_order_at time max <- event time",
     "average_order_value = total_spent / order_count, 2 decimals", "predicts"},
    {"order_cancelled", "order_id string!, reason string", "orders_cancelled int add <- 1", "", ""},
    {"payment_failed", "amount money!, order_id string, payment_method string, failure_reason string",
     "payment_failures int add <- 1, failed_amount money add <- amount, last_payment_failure_at time max <- event time",
     "", "predicts, critical"},
    {"support_ticket_created", "ticket_id string!, category string, priority string (low medium high urgent)",
     "support_tickets int add <- 1", "", "predicts, warning, critical when priority=urgent"},
    {"email_opened", "campaign_id string!, email_id string",
     "emails_opened int add <- 1, emails_clicked int add <- nothing",
     "email_click_rate = emails_clicked / emails_opened, 4 decimals", ""},
    {"email_clicked", "campaign_id string!, email_id string, url string",
     "emails_clicked int add <- 1, emails_opened int add <- nothing",
     "email_click_rate = emails_clicked / emails_opened, 4 decimals", ""},
    {"login", "device string, session_id string", "login_count int add <- 1, last_login_at time max <- event time",
     "logins_per_day = login_count / day, 4 decimals", ""},
    {"product_viewed", "product_id string!, category string, seconds int 0..", "products_viewed int add <- 1", "", ""},
    {"cart_abandoned", "cart_id string!, cart_value money!, items_count int 1..",
     "carts_abandoned int add <- 1, abandoned_value money add <- cart_value", "", "predicts"},
    {"review_submitted", "product_id string!, rating int! 1..5",
     "reviews_submitted int add <- 1, rating_sum int add <- rating", "", ""},
    {"refund_requested", "order_id string!, amount money!, reason string",
     "refunds_requested int add <- 1, refund_amount money add <- amount", "", "warning"},
    {"subscription_cancelled", "plan string, reason string",
     "subscription_status (active cancelled) max <- cancelled, subscription_cancelled_at time max <- event time", "",
     "predicts, critical"},
};

#define TYPE_COUNT (sizeof contract / sizeof contract[0])

/* A growing text; parts are joined by a separator that is written before all but the first. */
struct text {
    char buf[1024];
    size_t len;
};

CHURN_PRINTF(2, 3) static void add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->len += (size_t)vsnprintf(t->buf + t->len, sizeof t->buf - t->len, format, args);
    va_end(args);
    if (t->len >= sizeof t->buf) {
        CU_FAIL_FATAL("a table is longer than this test expects");
    }
}

static void add_separator(struct text *t)
{
    if (t->len > 0) {
        add(t, ", ");
    }
}

static void add_names(struct text *t, const char *const *names)
{
    const char *separator = " (";
    for (; *names != NULL; names++, separator = " ") {
        add(t, "%s%s", separator, *names);
    }
    add(t, ")");
}

static const churn_plugin *load(size_t i)
{
    return fake_plugin_load("event", contract[i].name);
}

static const churn_event_type *load_type(size_t i)
{
    return load(i)->ops;
}

static int has_name(const char *const *names, const char *name)
{
    while (*names != NULL && strcmp(*names, name) != 0) {
        names++;
    }
    return *names != NULL;
}

static const churn_field *find_field(const churn_event_type *type, const char *name)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (strcmp(ROWS(type, fields, i, churn_field)->name, name) == 0) {
            return ROWS(type, fields, i, churn_field);
        }
    }
    return NULL;
}

static const churn_effect *find_effect(const churn_event_type *type, const char *name)
{
    for (uint32_t i = 0; i < type->effect_count; i++) {
        if (strcmp(ROWS(type, effects, i, churn_effect)->field, name) == 0) {
            return ROWS(type, effects, i, churn_effect);
        }
    }
    return NULL;
}

static void describe_fields(const churn_event_type *type, struct text *t)
{
    static const char *const types[] = {"?", "string", "int", "money", "bool", "time"};
    for (uint32_t i = 0; i < type->field_count; i++) {
        const churn_field *field = ROWS(type, fields, i, churn_field);
        add_separator(t);
        add(t, "%s %s%s", field->name, types[field->type], (field->flags & CHURN_FIELD_REQUIRED) != 0 ? "!" : "");
        if (field->type == CHURN_FIELD_INT && field->min != INT64_MIN) {
            add(t, " %lld..", (long long)field->min);
        }
        if (field->type == CHURN_FIELD_INT && field->max != INT64_MAX) {
            add(t, "%lld", (long long)field->max);
        }
        if (field->choices != NULL) {
            add_names(t, field->choices);
        }
    }
}

static void describe_operand(const churn_effect *effect, struct text *t)
{
    switch (effect->from) {
    case CHURN_FROM_CONSTANT:
        if (effect->type == CHURN_PROFILE_STATE) {
            add(t, "%s", effect->states[effect->constant]);
        } else {
            add(t, "%lld", (long long)effect->constant);
        }
        break;
    case CHURN_FROM_FIELD:
        add(t, "%s", effect->operand);
        break;
    case CHURN_FROM_EVENT_TIME:
        add(t, "event time");
        break;
    case CHURN_FROM_NOTHING:
        add(t, "nothing");
        break;
    default:
        add(t, "?");
    }
}

static void describe_effects(const churn_event_type *type, struct text *t)
{
    static const char *const types[] = {"?", " int", " money", " time", " string", ""};
    static const char *const merges[] = {"?", "add", "min", "max", "latest"};
    for (uint32_t i = 0; i < type->effect_count; i++) {
        const churn_effect *effect = ROWS(type, effects, i, churn_effect);
        add_separator(t);
        add(t, "%s%s", effect->field, types[effect->type]);
        if (effect->states != NULL) {
            add_names(t, effect->states);
        }
        add(t, " %s <- ", merges[effect->merge]);
        describe_operand(effect, t);
    }
}

static void describe_derived(const churn_event_type *type, struct text *t)
{
    for (uint32_t i = 0; i < type->derived_count; i++) {
        const churn_derived *derived = ROWS(type, derived, i, churn_derived);
        CU_ASSERT_EQUAL(derived->kind == CHURN_DERIVE_PER_DAY, derived->denominator == NULL);
        add_separator(t);
        add(t, "%s = %s / %s, %u decimals", derived->field, derived->numerator,
            derived->kind == CHURN_DERIVE_RATIO ? derived->denominator : "day", (unsigned)derived->decimals);
    }
}

static void describe_follows(const churn_event_type *type, struct text *t)
{
    static const char *const severities[] = {"none", "info", "warning", "critical"};
    add(t, "%s", type->predicts ? "predicts" : "");
    if (type->severity != CHURN_SEVERITY_NONE) {
        add_separator(t);
        add(t, "%s", severities[type->severity]);
    }
    for (uint32_t i = 0; i < type->severity_rule_count; i++) {
        const churn_severity_rule *rule = ROWS(type, severity_rules, i, churn_severity_rule);
        add_separator(t);
        add(t, "%s when %s=%s", severities[rule->severity], rule->field, rule->equals);
    }
}

static void compare(const char *expected, const churn_event_type *type,
                    void (*describe)(const churn_event_type *, struct text *))
{
    struct text t = {.buf = "", .len = 0};
    describe(type, &t);
    CU_ASSERT_STRING_EQUAL(t.buf, expected);
    if (strcmp(t.buf, expected) != 0) {
        (void)fputs("\n  table:    ", stderr);
        (void)fputs(t.buf, stderr);
        (void)fputs("\n  contract: ", stderr);
        (void)fputs(expected, stderr);
    }
}

static void test_tables_match_the_contract(void)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        const churn_event_type *type = load_type(i);
        compare(contract[i].fields, type, describe_fields);
        compare(contract[i].profile, type, describe_effects);
        compare(contract[i].derived, type, describe_derived);
        compare(contract[i].follows, type, describe_follows);
    }
}

static void test_entries_are_well_formed(void)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        const churn_plugin *plugin = load(i);
        const churn_event_type *type = plugin->ops;
        CU_ASSERT_EQUAL(plugin->magic, CHURN_PLUGIN_MAGIC);
        CU_ASSERT_EQUAL(plugin->size, sizeof(churn_plugin));
        CU_ASSERT_EQUAL(plugin->abi_major, CHURN_ABI_MAJOR);
        CU_ASSERT_EQUAL(plugin->kind, CHURN_KIND_EVENT);
        CU_ASSERT_STRING_EQUAL(plugin->name, contract[i].name);
        CU_ASSERT_PTR_NOT_NULL(plugin->version);
        CU_ASSERT_PTR_NOT_NULL(plugin->summary);
        CU_ASSERT_EQUAL(plugin->option_count, 0);
        CU_ASSERT_EQUAL(type->size, sizeof(churn_event_type));
        CU_ASSERT_EQUAL(type->field_stride, sizeof(churn_field));
        CU_ASSERT_EQUAL(type->effect_stride, sizeof(churn_effect));
        CU_ASSERT(type->derived_count == 0 || type->derived_stride == sizeof(churn_derived));
        CU_ASSERT(type->severity_rule_count == 0 || type->severity_rule_stride == sizeof(churn_severity_rule));
        CU_ASSERT_PTR_NULL(type->apply);
    }
}

static void test_every_row_has_help(void)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        const churn_event_type *type = load_type(i);
        for (uint32_t k = 0; k < type->field_count; k++) {
            CU_ASSERT_PTR_NOT_NULL(ROWS(type, fields, k, churn_field)->help);
        }
        for (uint32_t k = 0; k < type->effect_count; k++) {
            CU_ASSERT_PTR_NOT_NULL(ROWS(type, effects, k, churn_effect)->help);
        }
        for (uint32_t k = 0; k < type->derived_count; k++) {
            CU_ASSERT_PTR_NOT_NULL(ROWS(type, derived, k, churn_derived)->help);
        }
    }
}

static void check_samples(const churn_field *field)
{
    if (field->type == CHURN_FIELD_INT) {
        CU_ASSERT(field->min <= field->sample_min && field->sample_max <= field->max);
    }
    if (field->type == CHURN_FIELD_INT || field->type == CHURN_FIELD_MONEY) {
        CU_ASSERT(0 <= field->sample_min && field->sample_min < field->sample_max);
        return;
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(field->samples);
    CU_ASSERT_PTR_NOT_NULL(field->samples[0]);
    for (const char *const *sample = field->samples; field->choices != NULL && *sample != NULL; sample++) {
        CU_ASSERT(has_name(field->choices, *sample));
    }
}

static void test_samples_are_valid_values(void)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        const churn_event_type *type = load_type(i);
        for (uint32_t k = 0; k < type->field_count; k++) {
            check_samples(ROWS(type, fields, k, churn_field));
        }
    }
}

static void test_operands_exist_and_fit(void)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        const churn_event_type *type = load_type(i);
        for (uint32_t k = 0; k < type->effect_count; k++) {
            const churn_effect *effect = ROWS(type, effects, k, churn_effect);
            CU_ASSERT_EQUAL(effect->from == CHURN_FROM_FIELD, effect->operand != NULL);
            if (effect->operand != NULL) {
                const churn_field *field = find_field(type, effect->operand);
                CU_ASSERT_PTR_NOT_NULL_FATAL(field);
                CU_ASSERT((field->type == CHURN_FIELD_INT && effect->type == CHURN_PROFILE_INT) ||
                          (field->type == CHURN_FIELD_MONEY && effect->type == CHURN_PROFILE_MONEY));
            }
        }
        for (uint32_t k = 0; k < type->derived_count; k++) {
            const churn_derived *derived = ROWS(type, derived, k, churn_derived);
            CU_ASSERT_PTR_NOT_NULL(find_effect(type, derived->numerator));
            CU_ASSERT(derived->denominator == NULL || find_effect(type, derived->denominator) != NULL);
        }
        for (uint32_t k = 0; k < type->severity_rule_count; k++) {
            const churn_severity_rule *rule = ROWS(type, severity_rules, k, churn_severity_rule);
            const churn_field *field = find_field(type, rule->field);
            CU_ASSERT(field != NULL && field->choices != NULL && has_name(field->choices, rule->equals));
        }
    }
}

/* Two types that write one profile field must declare it alike, and the core's own fields belong to no plugin. */
static void test_profile_fields_agree_between_types(void)
{
    static const char *const core[] = {"events_total", "first_event_at", "last_event_at", "last_event_type", NULL};
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        const churn_event_type *type = load_type(i);
        for (uint32_t k = 0; k < type->effect_count; k++) {
            const churn_effect *mine = ROWS(type, effects, k, churn_effect);
            CU_ASSERT(mine->field[0] != '_' && !has_name(core, mine->field));
            for (size_t other = 0; other < TYPE_COUNT; other++) {
                const churn_effect *theirs = find_effect(load_type(other), mine->field);
                CU_ASSERT(theirs == NULL || (theirs->type == mine->type && theirs->merge == mine->merge));
                CU_ASSERT(theirs == NULL || strcmp(theirs->help, mine->help) == 0);
            }
        }
    }
}

/* A placeholder names a required field without personal data, so that each alert reads whole and can be logged. */
static void test_alert_messages_name_known_fields(void)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        const churn_event_type *type = load_type(i);
        const char *at = type->alert_message;
        CU_ASSERT_EQUAL(type->severity != CHURN_SEVERITY_NONE, at != NULL);
        while (at != NULL && (at = strchr(at, '{')) != NULL) {
            char name[64];
            const churn_field *field;
            CU_ASSERT_EQUAL_FATAL(sscanf(at, "{%63[a-z_]}", name), 1);
            field = find_field(type, name);
            CU_ASSERT(strcmp(name, "customer_id") == 0 || (field != NULL && field->flags == CHURN_FIELD_REQUIRED));
            at++;
        }
    }
}

/* Of generated events about a quarter asks for a prediction and a few of a hundred alert. */
static void test_sample_weights_give_a_believable_mix(void)
{
    uint32_t all = 0, predict = 0, alert = 0;
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        const churn_event_type *type = load_type(i);
        CU_ASSERT(type->sample_weight > 0);
        all += type->sample_weight;
        predict += type->predicts ? type->sample_weight : 0;
        alert += type->severity != CHURN_SEVERITY_NONE ? type->sample_weight : 0;
    }
    CU_ASSERT(predict * 100 >= all * 23 && predict * 100 <= all * 27);
    CU_ASSERT(alert * 100 >= all * 2 && alert * 100 <= all * 4);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_tables_match_the_contract),
        TEST(test_entries_are_well_formed),
        TEST(test_every_row_has_help),
        TEST(test_samples_are_valid_values),
        TEST(test_operands_exist_and_fit),
        TEST(test_profile_fields_agree_between_types),
        TEST(test_alert_messages_name_known_fields),
        TEST(test_sample_weights_give_a_believable_mix),
        CU_TEST_INFO_NULL,
    };
    return run_tests("event types", tests);
}
