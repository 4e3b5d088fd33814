/* The harness for plugins' tests through its header alone: what it says of plugins that are right and of those that are
 * not. */
#include "cunit_main.h"

#include <churn/test.h>
#include <stdlib.h>
#include <unistd.h>

static churn_test *t;

static const char *path_of(const char *dir, const char *name)
{
    static char path[4096];
    const char *root = getenv(dir);
    (void)snprintf(path, sizeof path, "%s/%s.so",
                   root != NULL                       ? root
                   : strcmp(dir, "TEST_KIT_DIR") == 0 ? "tests/testkit/.libs"
                                                      : "plugins",
                   name);
    return path;
}

static const char *plugin(const char *name)
{
    return path_of("TEST_PLUGIN_DIR", name);
}

static const char *fixture(const char *name)
{
    return path_of("TEST_KIT_DIR", name);
}

static void begin(void)
{
    t = churn_test_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
}

static void end(void)
{
    churn_test_free(t);
}

static void says(const char *part)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(churn_test_message(t), part));
    if (strstr(churn_test_message(t), part) == NULL) {
        (void)fprintf(stderr, "\n  '%s' is not in '%s'\n", part, churn_test_message(t));
    }
}

/* --- Loading --- */

static void refuses_what_the_loader_refuses(void)
{
    CU_ASSERT_EQUAL(churn_test_load(t, "/nowhere/x.so"), CHURN_FATAL);
    says("/nowhere/x.so: cannot be read: No such file or directory");
    CU_ASSERT_EQUAL(churn_test_load(t, "x.txt"), CHURN_FATAL);
    says("x.txt: a plugin's file is named NAME.so");
    CU_ASSERT_EQUAL(churn_test_load(t, "not_here.so"), CHURN_FATAL); /* of this folder, not of the system's */
    says("./not_here.so");
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("store/.libs/lmdb")), CHURN_FATAL);
    says("stores cannot be tested");
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("sink/.libs/file")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("source/.libs/file")), CHURN_FATAL);
    says("one plugin beside its event types");
}

static void a_type_that_disagrees_is_refused_alone(void)
{
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("event/.libs/order_placed")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_load(t, fixture("../../abi/accepted/.libs/disagrees")), CHURN_FATAL);
    says("profile field 'total_spent'");
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "order_placed",
                                     "{'order_id': 'A', 'order_value': 2, 'items_count': 1, 'payment_method': 'x'}"),
                    CHURN_OK);
}

static void calls_out_of_turn_are_told(void)
{
    CU_ASSERT_EQUAL(churn_test_start(t, "{}"), CHURN_FATAL);
    says("load a source, a processor or a sink first");
    CU_ASSERT_EQUAL(churn_test_write(t, CHURN_RECORD_ALERT, "anna", "{}"), CHURN_FATAL);
    says("needs a sink");
    CU_ASSERT_EQUAL(churn_test_settle(t, 10), CHURN_FATAL);
    CU_ASSERT_EQUAL(churn_test_read(t, 1, 10), CHURN_FATAL);
    says("needs a source");
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("processor/.libs/filter")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "login", "{}"), CHURN_FATAL);
    says("churn_test_start comes before the first event");
    CU_ASSERT_EQUAL(churn_test_start(t, "{}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_start(t, "{}"), CHURN_FATAL);
    says("churn_test_stop first");
    CU_ASSERT_EQUAL(churn_test_load(t, fixture("impure")), CHURN_FATAL);
    says("before churn_test_start");
}

/* --- Events --- */

static void an_event_counts_in_the_profile(void)
{
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("event/.libs/order_placed")), CHURN_OK);
    CU_ASSERT_PTR_NULL(churn_test_profile(t, "anna"));
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(
            churn_test_event(t, "anna", "order_placed",
                             "{'order_id': 'A', 'order_value': 33.3333, 'items_count': 2, 'payment_method': 'x'}"),
            CHURN_OK);
    }
    CU_ASSERT_STRING_EQUAL(churn_test_field(t, "anna", "total_spent"), "99.9999");
    CU_ASSERT_STRING_EQUAL(churn_test_field(t, "anna", "average_order_value"), "33.33");
    CU_ASSERT_PTR_NULL(churn_test_field(t, "anna", "login_count"));
    CU_ASSERT_PTR_NULL(churn_test_field(t, "bob", "total_spent"));
    CU_ASSERT_PTR_NOT_NULL(strstr(churn_test_profile(t, "anna"), "\"total_spent\":99.9999"));
    CU_ASSERT_STRING_EQUAL(churn_test_stored(t, "profile:anna", "order_count"), "3");
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "login", "{}"), CHURN_REJECT); /* only what was loaded is there */
    says("unknown_event_type: ");
}

static void differences_are_shown(void)
{
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "order_placed",
                                     "{'order_id': 'A', 'order_value': 5, 'items_count': 2, 'payment_method': 'x'}"),
                    CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_expect_profile(t, "anna",
                                              "{'total_spent': 5, 'order_count': 1, 'login_count': null,"
                                              " 'last_event_type': 'order_placed'}"),
                    CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_expect_profile(t, "anna", "{\"total_spent\": 5.000, \"items_purchased\": 2}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_expect_profile(
                        t, "anna", "{'total_spent': 50, 'order_count': null, 'login_count': 1, 'items_purchased': 2}"),
                    CHURN_REJECT);
    CU_ASSERT_STRING_EQUAL(churn_test_message(t), "profile of anna\n"
                                                  "  total_spent: expected 50, is 5.00\n"
                                                  "  order_count: expected absent, is 1\n"
                                                  "  login_count: expected 1, is absent");
    CU_ASSERT_EQUAL(churn_test_expect_profile(t, "bob", "{'order_count': 1}"), CHURN_REJECT);
    says("profile of bob, which does not exist");
    CU_ASSERT_EQUAL(churn_test_expect_profile(t, "anna", "['order_count']"), CHURN_FATAL);
    says("no JSON object");
}

static void broken_records_are_refused_as_by_the_engine(void)
{
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "order_placed", "{'order_id': 'A'}"), CHURN_REJECT);
    CU_ASSERT_STRING_EQUAL(churn_test_message(t), "missing_field: data.order_value is required");
    CU_ASSERT_EQUAL(churn_test_event_json(t, ""), CHURN_REJECT);
    says("empty: ");
    CU_ASSERT_EQUAL(churn_test_event_json(t, "{'event_type': 'login'"), CHURN_REJECT);
    says("invalid_json: ");
    CU_ASSERT_EQUAL(churn_test_event_json(t, "{'event_id': 'e', 'event_type': 'login', 'customer_id': 'a',"
                                             " 'timestamp': '2026-02-30T00:00:00Z', 'data': {}}"),
                    CHURN_REJECT);
    says("invalid_timestamp: ");
    CU_ASSERT_PTR_NULL(churn_test_profile(t, "anna"));
}

static void alerts_and_triggers_are_those_of_the_newest_event(void)
{
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "payment_failed", "{'amount': 12.5}"), CHURN_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(churn_test_alert(t));
    CU_ASSERT_PTR_NOT_NULL(strstr(churn_test_alert(t), "\"severity\":\"critical\""));
    CU_ASSERT_PTR_NOT_NULL_FATAL(churn_test_trigger(t));
    CU_ASSERT_PTR_NOT_NULL(strstr(churn_test_trigger(t), "\"customer_id\":\"anna\""));
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "support_ticket_created", "{'ticket_id': 'T', 'priority': 'low'}"),
                    CHURN_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(churn_test_alert(t));
    CU_ASSERT_PTR_NOT_NULL(strstr(churn_test_alert(t), "\"severity\":\"warning\""));
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "login", "{}"), CHURN_OK);
    CU_ASSERT_PTR_NULL(churn_test_alert(t));
    CU_ASSERT_PTR_NULL(churn_test_trigger(t));
}

static void the_clock_is_the_tests(void)
{
    CU_ASSERT_EQUAL(churn_test_set_time(t, "yesterday"), CHURN_REJECT);
    CU_ASSERT_EQUAL(churn_test_set_time(t, "2027-03-04T05:06:07Z"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "login", "{}"), CHURN_OK);
    churn_test_advance(t, 86400000);
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "login", "{}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_expect_profile(t, "anna",
                                              "{'first_event_at': '2027-03-04T05:06:07.000Z',"
                                              " 'last_login_at': '2027-03-05T05:06:07.000Z', 'logins_per_day': 1}"),
                    CHURN_OK);
}

static void pure_types_commute(void)
{
    CU_ASSERT_EQUAL(churn_test_commutes(t), CHURN_OK); /* nothing was counted */
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(churn_test_event(t, i % 2 ? "anna" : "bob", "login", "{}"), CHURN_OK);
        CU_ASSERT_EQUAL(churn_test_event(t, "anna", "subscription_cancelled", "{'plan': 'gold'}"), CHURN_OK);
        churn_test_advance(t, i == 3 ? -99000 : 1000);
    }
    CU_ASSERT_EQUAL(churn_test_commutes(t), CHURN_OK);
}

static void an_impure_type_is_caught(void)
{
    CU_ASSERT_EQUAL(churn_test_load(t, fixture("impure")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "impure", "{'n': -1}"), CHURN_REJECT);
    CU_ASSERT_STRING_EQUAL(churn_test_message(t), "rejected_by_plugin: impure: n is negative");
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "impure", "{'n': 5}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "impure", "{'n': 7}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_commutes(t), CHURN_REJECT);
    says("profile of anna: impure_sum is ");
}

/* --- Processors --- */

static void options_are_refused_as_in_a_pipeline(void)
{
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("processor/.libs/filter")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_start(t, "{event_type: login}"), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(churn_test_message(t),
                           "options:1:2: filter: unknown option 'event_type' (did you mean 'event_types'?)");
    CU_ASSERT_EQUAL(churn_test_start(t, "{event_types: [login], drop_event_types: [login]}"), CHURN_FATAL);
    says("filter: drop_event_types: ");
    CU_ASSERT_EQUAL(churn_test_start(t, "{a: [}"), CHURN_FATAL);
    says("options:1:");
    CU_ASSERT_PTR_NULL(churn_test_instance(t));
    CU_ASSERT_EQUAL(churn_test_start(t, "event_types: [%s, logout]", "login"), CHURN_FATAL);
    says("`logout`");
}

static void a_processor_gives_its_verdict_before_anything_counts(void)
{
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("processor/.libs/filter")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_start(t, "{customers: [%s, bob]}", "anna"), CHURN_OK);
    CU_ASSERT_PTR_NOT_NULL(churn_test_instance(t));
    CU_ASSERT_PTR_NOT_NULL(churn_test_ops(t));
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "login", "{}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_event(t, "carl", "login", "{}"), CHURN_DROP);
    CU_ASSERT_PTR_NULL(churn_test_profile(t, "carl"));
    CU_ASSERT_EQUAL(churn_test_expect_profile(t, "anna", "{'events_total': 1}"), CHURN_OK);
}

#define FAILURE "{'amount': 1}"

static void a_processor_changes_the_event(void)
{
    char path[] = "/tmp/test-testkit-XXXXXX";
    int file = mkstemp(path);
    static const char table[] = "customer_id,tier\nanna,gold\n";
    CU_ASSERT_FATAL(file >= 0 && write(file, table, sizeof table - 1) == (ssize_t)sizeof table - 1);
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("../examples/processors/enrich/.libs/enrich")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_start(t, "{file: %s}", path), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "payment_failed", FAILURE), CHURN_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(churn_test_alert(t));
    CU_ASSERT_PTR_NOT_NULL(strstr(churn_test_alert(t), "\"data\":{\"amount\":1,\"tier\":\"gold\"}"));
    CU_ASSERT_EQUAL(churn_test_event(t, "bob", "payment_failed", FAILURE), CHURN_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(churn_test_alert(t), "\"data\":{\"amount\":1}"));
    CU_ASSERT_EQUAL(churn_test_expect_profile(t, "anna", "{'payment_failures': 1, 'failed_amount': 1}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_commutes(t), CHURN_OK);
    CU_ASSERT_EQUAL(close(file), 0);
    CU_ASSERT_EQUAL(unlink(path), 0);
}

static void a_processor_raises_alerts(void)
{
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("../examples/processors/burst/.libs/burst")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_start(t, "{count: 2}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "payment_failed", FAILURE), CHURN_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(churn_test_alert(t), "{\"alert_id\":\"test/0/0\","));
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "payment_failed", FAILURE), CHURN_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(churn_test_alert(t), "{\"alert_id\":\"test/0/1/burst\","));
}

static void the_store_outlives_the_instance(void)
{
    static const char twice[] = "{'event_id': 'same', 'event_type': 'login', 'customer_id': 'anna',"
                                " 'timestamp': '2026-01-01T00:00:00Z', 'data': {}}";
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("processor/.libs/dedup")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_start(t, "{}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_event_json(t, twice), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_event_json(t, twice), CHURN_DROP);
    CU_ASSERT_EQUAL(churn_test_counter(t, "events_duplicate"), 1);
    churn_test_stop(t);
    CU_ASSERT_EQUAL(churn_test_start(t, "{}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_event_json(t, twice), CHURN_DROP);
    churn_test_store_outage(t, 1);
    CU_ASSERT_PTR_NULL(churn_test_stalled(t, "store"));
    CU_ASSERT_EQUAL(churn_test_event(t, "bob", "login", "{}"), CHURN_RETRY);
    CU_ASSERT_PTR_NOT_NULL_FATAL(churn_test_stalled(t, "store"));
    CU_ASSERT_PTR_NOT_NULL(strstr(churn_test_stalled(t, "store"), "events wait for it"));
    CU_ASSERT_PTR_NULL(churn_test_stalled(t, "breaker"));
    churn_test_store_outage(t, 0);
    churn_test_advance(t, 60000);
    CU_ASSERT_EQUAL(churn_test_event(t, "bob", "login", "{}"), CHURN_OK);
    CU_ASSERT_PTR_NULL(churn_test_stalled(t, "store"));
}

/* --- Sinks --- */

static void a_sink_answers_what_it_took(void)
{
    char path[] = "/tmp/test_testkit-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0 && close(fd) == 0);
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("sink/.libs/file")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_start(t, "{path: %s}", path), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_settle(t, 0), CHURN_OK); /* nothing was given */
    CU_ASSERT_EQUAL(churn_test_write(t, CHURN_RECORD_EVENT, "anna", "{'n': 1}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_settle(t, 1000), CHURN_OK);
    (void)unlink(path);
}

static void broken_rules_of_a_sink_are_told(void)
{
    static const struct {
        const char *rule;
        int32_t result;
        const char *message;
    } cases[] = {{"none", CHURN_OK, ""},
                 {"twice", CHURN_FATAL, "rude_sink answers record 1 twice"},
                 {"stranger", CHURN_FATAL, "answers record 101, which it was not given"},
                 {"undecided", CHURN_FATAL, "answers record 1 with -1"},
                 {"silent", CHURN_PENDING, "2 of 2 records are unanswered after 20 ms"},
                 {"refuses", CHURN_REJECT, "too ugly"}};
    CU_ASSERT_EQUAL(churn_test_load(t, fixture("rude_sink")), CHURN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(churn_test_start(t, "{breaks: %s}", cases[i].rule), CHURN_OK);
        CU_ASSERT_EQUAL(churn_test_write(t, CHURN_RECORD_ALERT, "anna", "{}"), CHURN_OK);
        CU_ASSERT_EQUAL(churn_test_write(t, CHURN_RECORD_ALERT, "anna", "{}"), CHURN_OK);
        CU_ASSERT_EQUAL(churn_test_settle(t, 20), cases[i].result);
        says(cases[i].message);
        CU_ASSERT_EQUAL(churn_test_observed(t, "rude_value_bytes"), 2 * (int64_t)(i + 1));
        churn_test_stop(t);
    }
    CU_ASSERT_EQUAL(churn_test_observed(t, "value_bytes"), 0);
    CU_ASSERT_EQUAL(churn_test_start(t, "{breaks: too_many}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_write(t, CHURN_RECORD_EVENT, "anna", "{}"), CHURN_FATAL);
    says("does not accept records of kind 1");
    CU_ASSERT_EQUAL(churn_test_write(t, CHURN_RECORD_ALERT, "anna", "{}"), CHURN_FATAL);
    says("takes 2 records of 1");
}

/* --- Sources --- */

static void a_source_hands_out_records(void)
{
    char path[] = "/tmp/test_testkit-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0 && write(fd, "{}\n{\"a\":1}\n", 11) == 11 && close(fd) == 0);
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("source/.libs/file")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_start(t, "{path: /nowhere}"), CHURN_FATAL);
    says("path: cannot open /nowhere");
    CU_ASSERT_EQUAL(churn_test_start(t, "{path: %s, topic: lines}", path), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_assigned(t, "lines", 0), -2);
    CU_ASSERT_EQUAL(churn_test_read(t, 8, 1000), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_assigned(t, "lines", 0), 0);
    CU_ASSERT_EQUAL_FATAL(churn_test_record_count(t), 2);
    CU_ASSERT_STRING_EQUAL(churn_test_value(t, 1), "{\"a\":1}");
    CU_ASSERT_EQUAL(churn_test_record(t, 1)->offset, 3);
    CU_ASSERT_PTR_NULL(churn_test_record(t, 2));
    CU_ASSERT_PTR_NULL(churn_test_value(t, 2));
    CU_ASSERT_EQUAL(churn_test_commit(t, "lines", 0, 3), CHURN_OK); /* it has no such call */
    CU_ASSERT_EQUAL(churn_test_seek(t, "lines", 0, 3), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_read(t, 8, 1000), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_record_count(t), 1);
    CU_ASSERT_EQUAL(churn_test_read(t, 8, 1000), CHURN_END);
    CU_ASSERT_EQUAL(churn_test_seek(t, "lines", 0, 99), CHURN_FATAL);
    says("lies beyond the end");
    (void)unlink(path);
}

static void broken_rules_of_a_source_are_told(void)
{
    static const struct {
        const char *rule;
        int32_t result;
        const char *message;
    } cases[] = {{"none", CHURN_OK, ""},
                 {"unannounced", CHURN_FATAL, "hands out a record of rude/0 before it announced that partition"},
                 {"backwards", CHURN_FATAL, "hands out offset 4 of rude/0 after 5; offsets only grow"},
                 {"nothing", CHURN_FATAL, "answers 0 with 0 records"},
                 {"no_topic", CHURN_FATAL, "hands out a record of (no topic)/0"}};
    CU_ASSERT_EQUAL(churn_test_load(t, fixture("rude_source")), CHURN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(churn_test_start(t, "{breaks: %s}", cases[i].rule), CHURN_OK);
        CU_ASSERT_EQUAL(churn_test_read(t, 2, 20), cases[i].result);
        says(cases[i].message);
        churn_test_stop(t);
    }
}

/* --- The host --- */

static void logs_and_stored_fields_are_seen(void)
{
    CU_ASSERT_STRING_EQUAL(churn_test_log(t), "");
    CU_ASSERT_EQUAL(churn_test_store(t, "profile:anna", "total_spent", "12.50"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_store(t, "profile:anna", "order_count", "1"), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(churn_test_stored(t, "profile:anna", "total_spent"), "12.50");
    CU_ASSERT_PTR_NULL(churn_test_stored(t, "profile:bob", "total_spent"));
    CU_ASSERT_EQUAL(churn_test_event(t, "anna", "order_placed",
                                     "{'order_id': 'A', 'order_value': 2, 'items_count': 1, 'payment_method': 'x'}"),
                    CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_expect_profile(t, "anna", "{'total_spent': 14.5, 'order_count': 2}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_load(t, plugin("sink/.libs/alert")), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_start(t, "{to: [log]}"), CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_write(t, CHURN_RECORD_ALERT, "anna", "{'severity': 'critical', 'message': 'gone'}"),
                    CHURN_OK);
    CU_ASSERT_EQUAL(churn_test_settle(t, 1000), CHURN_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(churn_test_log(t), "gone"));
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(refuses_what_the_loader_refuses),
                           TEST(a_type_that_disagrees_is_refused_alone),
                           TEST(calls_out_of_turn_are_told),
                           TEST(an_event_counts_in_the_profile),
                           TEST(differences_are_shown),
                           TEST(broken_records_are_refused_as_by_the_engine),
                           TEST(alerts_and_triggers_are_those_of_the_newest_event),
                           TEST(the_clock_is_the_tests),
                           TEST(pure_types_commute),
                           TEST(an_impure_type_is_caught),
                           TEST(options_are_refused_as_in_a_pipeline),
                           TEST(a_processor_gives_its_verdict_before_anything_counts),
                           TEST(a_processor_changes_the_event),
                           TEST(a_processor_raises_alerts),
                           TEST(the_store_outlives_the_instance),
                           TEST(a_sink_answers_what_it_took),
                           TEST(broken_rules_of_a_sink_are_told),
                           TEST(a_source_hands_out_records),
                           TEST(broken_rules_of_a_source_are_told),
                           TEST(logs_and_stored_fields_are_seen),
                           CU_TEST_INFO_NULL};
    const char *plugins = getenv("TEST_PLUGIN_DIR");
    (void)setenv("CHURN_PLUGIN_PATH", plugins != NULL ? plugins : "plugins", 1);
    return run_tests_with("testkit", begin, end, tests);
}
