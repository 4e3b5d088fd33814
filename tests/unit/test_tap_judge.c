/* What somebody wishes to see of a run, whether a record is that, and the line that is shown. */
#include "core/observe/tap_judge.h"
#include "core/observe/tap_line.h"

#include "types_fixture.h"

static struct types_fixture types;
static struct tap_judge *judge;

#define EVENT                                                                                                           \
    "{\"event_id\":\"e1\", \"event_type\":\"order_placed\", \"customer_id\":\"ada\",\"timestamp\":"                     \
    "\"2026-03-01T12:00:00Z\",\"data\":{\"order_id\":\"o\",\"order_value\":150.5,\"items_count\":1,\"payment_method\":" \
    "\"card\"}}"
#define ALERT                                                                                                          \
    "{\"alert_id\":\"t/0/1\",\"severity\":\"critical\",\"event_id\":\"e2\",\"event_type\":\"payment_failed\","         \
    "\"timestamp\":\"2026-03-01T12:00:00.000Z\",\"customer_id\":\"ada\",\"message\":\"failed\",\"data\":{\"amount\":9}}"
#define PREDICTION                                                                                                     \
    "{\"request_id\":\"t/0/1\",\"customer_id\":\"ada\",\"churn_probability\":0.9,\"event_id\":\"e1\","                 \
    "\"event_type\":\"order_placed\",\"timestamp\":\"2026-03-01T12:00:00.000Z\"}"

/* A record whose value has the decoder's padding; valid until the next call. */
static const struct tapped *tapped_of(enum tap_point point, const char *customer, const char *value)
{
    static char bytes[4096 + JSON_SCAN_PADDING];
    static struct tapped tapped;
    memset(bytes, 0, sizeof bytes);
    tapped = (struct tapped){.point = point, .record = {.size = sizeof tapped.record, .topic = "t", .severity = 3}};
    if (customer != NULL) {
        tapped.customer = churn_text(customer);
    }
    if (value != NULL) {
        tapped.record.value = (churn_str){.ptr = bytes, .len = (uint32_t)strlen(value)};
        memcpy(bytes, value, strlen(value));
    }
    return &tapped;
}

static bool read_wish(const char *json, struct tap_wish *wish, char *message, size_t size)
{
    return tap_wish_read(wish, json, strlen(json), message, size) &&
           tap_wish_compile(wish, &types.catalog, message, size);
}

static void test_wishes_that_are_refused(void)
{
    static const struct {
        const char *json, *said;
    } cases[] = {
        {"", "a JSON object"},
        {"[]", "a JSON object"},
        {"null", "a JSON object"},
        {"{}", "at: must be source, events"},
        {"{\"at\":\"sinks\"}", "at: must be source, events"},
        {"{\"at\":1}", "at: a text belongs here"},
        {"{\"at\":\"events\",\"customer\":\"\"}", "customer: an id has 1 to 128 bytes"},
        {"{\"at\":\"events\",\"customer\":\"a\\u0000b\"}", "customer: an id has 1 to 128 bytes"},
        {"{\"at\":\"events\",\"customer\":7}", "customer: a text belongs here"},
        {"{\"at\":\"events\",\"when\":\"data.order_value >\"}", "when: "},
        {"{\"at\":\"events\",\"when\":\"data.nothing == 1\"}", "when: "},
        {"{\"at\":\"events\",\"when\":\"severity == 'critical'\"}", "when: "},
        {"{\"at\":\"predictions\",\"when\":\"data.order_value > 0\"}", "when: a prediction has no data"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tap_wish wish;
        char message[640] = "";
        check(!read_wish(cases[i].json, &wish, message, sizeof message), "%s is taken", cases[i].json);
        check_contains(message, cases[i].said, cases[i].json);
        tap_wish_free(&wish);
    }
}

static void test_what_matches(void)
{
    static const struct {
        const char *wish;
        enum tap_point point;
        const char *customer, *value;
        bool matches;
    } cases[] = {
        {"{\"at\":\"events\"}", TAP_EVENTS, "ada", EVENT, true},
        {"{\"at\":\"events\"}", TAP_SOURCE, "ada", EVENT, false},
        {"{\"at\":\"source\"}", TAP_SOURCE, NULL, NULL, true},
        {"{\"at\":\"source\"}", TAP_SOURCE, NULL, "no event", true},
        {"{\"at\":\"events\",\"customer\":\"ada\"}", TAP_EVENTS, "ada", EVENT, true},
        {"{\"at\":\"events\",\"customer\":\"ada\"}", TAP_EVENTS, "adam", EVENT, false},
        {"{\"at\":\"events\",\"customer\":\"adam\"}", TAP_EVENTS, "ada", EVENT, false},
        /* whose it is, where the host could not tell */
        {"{\"at\":\"source\",\"customer\":\"ada\"}", TAP_SOURCE, NULL, EVENT, true},
        {"{\"at\":\"source\",\"customer\":\"bob\"}", TAP_SOURCE, NULL, EVENT, false},
        {"{\"at\":\"source\",\"customer\":\"ada\"}", TAP_SOURCE, NULL, "{\"customer_id\":\"ada\"}", true},
        {"{\"at\":\"source\",\"customer\":\"ada\"}", TAP_SOURCE, NULL, "{\"customer_id\":[\"ada\"]}", false},
        {"{\"at\":\"source\",\"customer\":\"ada\"}", TAP_SOURCE, NULL, "[1]", false},
        {"{\"at\":\"source\",\"customer\":\"ada\"}", TAP_SOURCE, NULL, NULL, false},
        {"{\"at\":\"events\",\"when\":\"data.order_value > 150\"}", TAP_EVENTS, "ada", EVENT, true},
        {"{\"at\":\"events\",\"when\":\"data.order_value > 151\"}", TAP_EVENTS, "ada", EVENT, false},
        {"{\"at\":\"source\",\"when\":\"data.order_value > 150\"}", TAP_SOURCE, NULL, EVENT, true},
        {"{\"at\":\"source\",\"when\":\"event_id == 'e1'\"}", TAP_SOURCE, NULL, "{\"event_id\":\"e1\"}", false},
        {"{\"at\":\"alerts\",\"when\":\"severity == 'critical' && data.amount > 8\"}", TAP_ALERTS, "ada", ALERT, true},
        {"{\"at\":\"alerts\",\"when\":\"severity == 'warning'\"}", TAP_ALERTS, "ada", ALERT, false},
        {"{\"at\":\"predictions\",\"when\":\"event_type == 'order_placed'\"}", TAP_PREDICTIONS, "ada", PREDICTION,
         true},
        {"{\"at\":\"predictions\",\"when\":\"event_type == 'login'\"}", TAP_PREDICTIONS, "ada", PREDICTION, false},
        {"{\"at\":\"predictions\",\"when\":\"event_type != 'login'\"}", TAP_PREDICTIONS, "ada", "{}", false},
        {"{\"at\":\"predictions\",\"when\":\"event_type != 'login'\"}", TAP_PREDICTIONS, "ada", NULL, false},
        {"{\"at\":\"dead_letters\",\"when\":\"customer_id == 'ada'\"}", TAP_DEAD_LETTERS, "ada", "{\"a\":", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tap_wish wish;
        char message[640] = "";
        check(read_wish(cases[i].wish, &wish, message, sizeof message), "%s: %s", cases[i].wish, message);
        tap_judge_begin(judge, tapped_of(cases[i].point, cases[i].customer, cases[i].value));
        check(tap_judge_matches(judge, &wish) == cases[i].matches, "%s of %s", cases[i].wish, cases[i].value);
        check(tap_judge_matches(judge, &wish) == cases[i].matches, "%s of %s, once more", cases[i].wish,
              cases[i].value);
        tap_wish_free(&wish);
    }
}

static void check_lines(const struct tapped *tapped, const char *json, const char *text)
{
    struct text out = {0};
    tap_judge_begin(judge, tapped);
    tap_line_append_json(&out, tapped, tap_judge_is_json(judge));
    text_append(&out, "", 1);
    check_text(out.bytes, json, "the line");
    out.len = 0;
    tap_line_append_text(&out, tapped, tap_judge_is_json(judge));
    text_append(&out, "", 1);
    check_text(out.bytes, text, "the line for people");
    text_free(&out);
}

static void test_lines(void)
{
    struct tapped tapped = *tapped_of(TAP_SOURCE, "ada", "{ \"a\" : 1.50,\n \"b\":\"x y\"}");
    tapped.record.key = churn_text("ada");
    tapped.record.partition = 2;
    tapped.record.offset = 7;
    tapped.record.timestamp_ms = 1772366400000;
    check_lines(&tapped,
                "{\"at\":\"source\",\"topic\":\"t\",\"partition\":2,\"offset\":7,\"timestamp\":"
                "\"2026-03-01T12:00:00.000Z\",\"key\":\"ada\",\"value\":{\"a\":1.50,\"b\":\"x y\"}}\n",
                "2026-03-01T12:00:00.000Z t/2@7 ada {\"a\":1.50,\"b\":\"x y\"}\n");
    tapped = *tapped_of(TAP_SOURCE, NULL, "no\nevent \xff");
    check_lines(
        &tapped,
        "{\"at\":\"source\",\"topic\":\"t\",\"partition\":0,\"offset\":0,\"text\":\"no\\nevent \xef\xbf\xbd\"}\n",
        "- t/0@0 - no event \xff\n");
    tapped = *tapped_of(TAP_SOURCE, NULL, "{} {}"); /* two values are none */
    check_lines(&tapped, "{\"at\":\"source\",\"topic\":\"t\",\"partition\":0,\"offset\":0,\"text\":\"{} {}\"}\n",
                "- t/0@0 - {} {}\n");
    tapped = *tapped_of(TAP_SOURCE, NULL, NULL);
    tapped.record.topic = NULL;
    tapped.record.timestamp_ms = INT64_MAX; /* a record's time may be anything */
    check_lines(&tapped, "{\"at\":\"source\",\"value\":null}\n", "- - (no value)\n");
    tapped.cut = 5000000;
    check_lines(&tapped, "{\"at\":\"source\",\"value_bytes\":5000000}\n", "- - (5000000 bytes)\n");
}

static void test_line_of_a_dead_letter(void)
{
    const churn_header headers[] = {{.name = "churn.reason", .value = churn_text("invalid_json")},
                                    {.name = "churn.detail", .value = churn_text("at byte 3")},
                                    {.name = "churn.topic", .value = churn_text("t")},
                                    {.name = "churn.partition", .value = churn_text("0")},
                                    {.name = "churn.offset", .value = churn_text("4")},
                                    {.name = "trace", .value = churn_text("7")},
                                    {.name = "bare"}};
    struct tapped tapped = *tapped_of(TAP_DEAD_LETTERS, NULL, "{\"a");
    tapped.record.offset = 4;
    tapped.record.headers = headers;
    tapped.record.header_count = COUNT(headers);
    check_lines(&tapped,
                "{\"at\":\"dead_letters\",\"topic\":\"t\",\"partition\":0,\"offset\":4,\"reason\":\"invalid_json\","
                "\"detail\":\"at byte 3\",\"headers\":[{\"name\":\"trace\",\"value\":\"7\"},{\"name\":\"bare\","
                "\"value\":null}],\"text\":\"{\\\"a\"}\n",
                "- t/0@4 - invalid_json: at byte 3: {\"a\n");
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_wishes_that_are_refused), TEST(test_what_matches), TEST(test_lines),
                           TEST(test_line_of_a_dead_letter), CU_TEST_INFO_NULL};
    int status;
    if (!types_load(&types, NULL, 0)) {
        (void)fprintf(stderr, "%s\n", types.message);
        return 1;
    }
    judge = tap_judge_new(&types.catalog);
    status = run_tests("tap_judge", tests);
    tap_judge_free(judge);
    types_free(&types);
    return status;
}
