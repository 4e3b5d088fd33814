/* The filter through the ABI: each condition, all together, and the options that contradict each other. */
#include "cunit_main.h"
#include "fake_host.h"

#include <churn/processor.h>

static const churn_plugin *plugin;
static const churn_processor_ops *ops;
static struct fake_host fake;
static void *filter;
static churn_error err;

/* Makes a filter of up to two options; what create says. */
static int32_t make(const char *key, const char *value, const char *key2, const char *value2)
{
    static const churn_event_type type = {.size = sizeof type};
    static const char *const names[] = {"login", "order_placed", "product_viewed"};
    int32_t result;
    fake_host_init(&fake);
    for (fake.type_count = 0; fake.type_count < 3; fake.type_count++) {
        fake.types[fake.type_count] = &type;
        fake.type_names[fake.type_count] = names[fake.type_count];
    }
    err = (churn_error){.size = sizeof err};
    filter = fake_instance_new(plugin, key, value, key2, value2, NULL);
    result = ops->create(filter, &fake.host, &err);
    if (result != CHURN_OK) {
        fake_instance_free(plugin, filter);
    }
    return result;
}

static void end(void)
{
    ops->destroy(filter);
    fake_instance_free(plugin, filter);
}

static int32_t verdict(const char *type, const char *customer, int64_t timestamp_ms)
{
    churn_event event = {.size = sizeof event,
                         .topic = str("t"),
                         .event_id = str("e"),
                         .event_type = str(type),
                         .customer_id = str(customer),
                         .timestamp_ms = timestamp_ms};
    return ops->process(filter, &event, &err);
}

static void without_options_all_pass(void)
{
    CU_ASSERT_EQUAL_FATAL(make(NULL, NULL, NULL, NULL), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "c", INT64_MIN), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "", 0), CHURN_OK);
    end();
}

static void keeps_types(void)
{
    CU_ASSERT_EQUAL_FATAL(make("event_types", "product_viewed,login", NULL, NULL), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "c", 0), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("product_viewed", "c", 0), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("order_placed", "c", 0), CHURN_DROP);
    end();
}

static void drops_types(void)
{
    CU_ASSERT_EQUAL_FATAL(make("drop_event_types", "product_viewed,login", NULL, NULL), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "c", 0), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict("product_viewed", "c", 0), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict("order_placed", "c", 0), CHURN_OK);
    end();
}

static void keeps_customers(void)
{
    CU_ASSERT_EQUAL_FATAL(make("customers", "anna,bob,cy,anna", "customer_prefix", "a"), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "anna", 0), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "bob", 0), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict("login", "ann", 0), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict("login", "annab", 0), CHURN_DROP);
    end();
}

static void keeps_prefixes(void)
{
    CU_ASSERT_EQUAL_FATAL(make("customer_prefix", "eu_", NULL, NULL), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "eu_1", 0), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "eu_", 0), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "eu", 0), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict("login", "us_1", 0), CHURN_DROP);
    end();
}

static void keeps_a_span_of_time(void)
{
    const int64_t from = 1767225600000; /* 2026-01-01T00:00:00Z */
    CU_ASSERT_EQUAL_FATAL(make("from", "2026-01-01T00:00:00Z", "until", "2026-01-01T02:00:00.5+01:00"), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "c", from - 1), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict("login", "c", from), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "c", from + 3600499), CHURN_OK);
    CU_ASSERT_EQUAL(verdict("login", "c", from + 3600500), CHURN_DROP);
    end();
}

static void refused(const char *key, const char *value, const char *key2, const char *value2, const char *option)
{
    CU_ASSERT_EQUAL(make(key, value, key2, value2), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, option);
    CU_ASSERT(err.message[0] != '\0');
}

static void bad_options_are_refused(void)
{
    static const char *const no_times[] = {
        "yesterday",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00Zz",
        "2026-13-01T00:00:00Z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00+1:00",
        "2026-01-01T00:00:00+24:00",
        "26-01-01T00:00:00Z",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01T00:00:00.123",
    };
    refused("event_types", "login", "drop_event_types", "order_placed", "drop_event_types");
    refused("event_types", "login,logim", NULL, NULL, "event_types");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "`logim`"));
    refused("drop_event_types", "x", NULL, NULL, "drop_event_types");
    refused("from", "2026-01-01T00:00:00Z", "until", "2026-01-01T01:00:00+01:00", "until");
    for (size_t i = 0; i < sizeof no_times / sizeof no_times[0]; i++) {
        refused("from", no_times[i], NULL, NULL, "from");
    }
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(without_options_all_pass), TEST(keeps_types),    TEST(drops_types),
                           TEST(keeps_customers),          TEST(keeps_prefixes), TEST(keeps_a_span_of_time),
                           TEST(bad_options_are_refused),  CU_TEST_INFO_NULL};
    plugin = fake_plugin_load("processor", "filter");
    ops = plugin->ops;
    return run_tests("processor/filter", tests);
}
