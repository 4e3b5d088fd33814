/* From bytes to an event or a reason: each rule of the contract with what is just inside it and just outside. */
#include "core/event/event.h"

#include "no_leaks.h"
#include "types_fixture.h"

static struct types_fixture types;
static struct event_decoder *decoder;

/* The newest decoding. */
static char *bytes;
static churn_event event;
static struct reject reject;

#define NO_REASON "ok"

/* The reason's name, or "ok". */
static const char *decode_bytes(const char *text, size_t len)
{
    free(bytes);
    bytes = malloc(len + JSON_SCAN_PADDING);
    if (bytes == NULL) {
        abort();
    }
    if (len > 0) {
        memcpy(bytes, text, len);
    }
    memset(bytes + len, 0, JSON_SCAN_PADDING);
    memset(&event, 0, sizeof event);
    memset(&reject, 0, sizeof reject);
    return event_decode(decoder, bytes, len, &event, &reject) != NULL ? NO_REASON : reject_reason_name(reject.reason);
}

static const char *decode(const char *text)
{
    return decode_bytes(text, strlen(text));
}

static void check_reason(const char *text, const char *expected)
{
    const char *reason = decode(text);
    check(strcmp(reason, expected) == 0, "%.300s: %s (%s), expected %s", text, reason, reject.detail, expected);
}

/* The parts of an event as JSON; NULL leaves a member out. */
struct parts {
    const char *event_id, *event_type, *customer_id, *timestamp, *data;
};

static const struct parts login = {"\"c1_1\"", "\"login\"", "\"c1\"", "\"2026-01-02T03:04:05.678Z\"", "{}"};

static void append(char **at, const char *name, const char *value)
{
    if (value != NULL) {
        *at += sprintf(*at, "%s\"%s\":%s", (*at)[-1] == '{' ? "" : ",", name, value);
    }
}

static const char *write_event(const struct parts *parts)
{
    static char text[8192];
    char *at = text;
    *at++ = '{';
    append(&at, "event_id", parts->event_id);
    append(&at, "event_type", parts->event_type);
    append(&at, "customer_id", parts->customer_id);
    append(&at, "timestamp", parts->timestamp);
    append(&at, "data", parts->data);
    *at++ = '}';
    *at = '\0';
    return text;
}

static void check_parts(const struct parts *parts, const char *expected)
{
    check_reason(write_event(parts), expected);
}

static void check_data(const char *type, const char *data, const char *expected)
{
    char quoted[64];
    struct parts parts = login;
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", type);
    parts.event_type = quoted;
    parts.data = data;
    check_parts(&parts, expected);
}

static bool is_text(churn_str text, const char *expected)
{
    return text.len == strlen(expected) && memcmp(text.ptr, expected, text.len) == 0;
}

static void test_reason_names(void)
{
    static const char *const names[] = {"empty",
                                        "too_large",
                                        "byte_order_mark",
                                        "invalid_utf8",
                                        "invalid_json",
                                        "too_deep",
                                        "not_an_object",
                                        "missing_field",
                                        "wrong_type",
                                        "invalid_value",
                                        "invalid_timestamp",
                                        "unknown_event_type",
                                        "rejected_by_plugin",
                                        "rejected_by_processor",
                                        "rejected_by_sink",
                                        "crashed_plugin",
                                        "damaged_profile",
                                        "field_overflow",
                                        "too_large_to_keep",
                                        "unreadable_record",
                                        "key_unknown",
                                        "timestamp_ahead"};
    CU_ASSERT_EQUAL(COUNT(names), REJECT_REASON_COUNT);
    for (size_t i = 0; i < COUNT(names); i++) {
        check_text(reject_reason_name((enum reject_reason)i), names[i], "reason");
    }
}

static void test_what_an_event_holds(void)
{
    static const char text[] =
        " {\"event_id\":\"c1_17\",\"event_type\":\"order_placed\",\"customer_id\":\"c\xc3\xa9\\u0031\",\"timestamp\":"
        "\"2026-01-02T04:04:05.6789+01:00\",\"data\": "
        "{\"order_id\":\"o\\n1\",\"order_value\":99.99995,\"items_count\":3,"
        "\"payment_method\":\"\", \"more\":[1]} ,\"more\":{}} ";
    check_reason(text, NO_REASON);
    CU_ASSERT_EQUAL(event.size, sizeof event);
    CU_ASSERT(is_text(event.event_id, "c1_17"));
    CU_ASSERT(is_text(event.event_type, "order_placed") && event.event_type.ptr[event.event_type.len] == '\0');
    CU_ASSERT(is_text(event.customer_id, "c\xc3\xa9"
                                         "1"));
    CU_ASSERT_EQUAL(event.timestamp_ms, INT64_C(1767323045678));
    CU_ASSERT(is_text(event.data, "{\"order_id\":\"o\\n1\",\"order_value\":99.99995,\"items_count\":3,"
                                  "\"payment_method\":\"\", \"more\":[1]}"));
    CU_ASSERT(event.payload.ptr == bytes && event.payload.len == sizeof text - 1);
    CU_ASSERT_EQUAL(event.value_count, 4);
    CU_ASSERT(is_text(churn_event_value(&event, "order_id")->text, "o\n1"));
    CU_ASSERT_EQUAL(churn_event_value(&event, "order_value")->number,
                    1000000); /* 99.99995: a tie, to the even 100.0000 */
    CU_ASSERT_EQUAL(churn_event_value(&event, "items_count")->number, 3);
    CU_ASSERT(is_text(churn_event_value(&event, "payment_method")->text, ""));
    CU_ASSERT_PTR_NULL(churn_event_value(&event, "more"));
}

static void test_values_do_not_leak_into_the_next_event(void)
{
    check_data("login", "{\"device\":\"phone\",\"session_id\":\"s\"}", NO_REASON);
    CU_ASSERT(is_text(churn_event_value(&event, "device")->text, "phone"));
    check_data("login", "{\"session_id\":\"s\"}", NO_REASON);
    CU_ASSERT_PTR_NULL(churn_event_value(&event, "device"));
    check_data("cart_abandoned", "{\"cart_id\":\"x\",\"cart_value\":1}", NO_REASON);
    CU_ASSERT_PTR_NULL(churn_event_value(&event, "items_count"));
    CU_ASSERT_EQUAL(event.values[2].number, 0);
}

static void test_no_json_at_all(void)
{
    CU_ASSERT_STRING_EQUAL(decode_bytes(NULL, 0), "empty");
    check_reason(" ", "invalid_json");
    check_reason("nothing", "invalid_json");
    check_reason("{", "invalid_json");
    check_reason("{}{}", "invalid_json");
    check_reason("{\"event_id\":\"\\ud800\"}", "invalid_json");
    CU_ASSERT_STRING_EQUAL(decode_bytes("{}\0", 3), "invalid_json");
    check_reason("{\"event_id\":\"\xff\"}", "invalid_utf8");
    check_reason("\xc3", "invalid_utf8");
    check_reason("[]", "not_an_object");
    check_reason("[{}]", "not_an_object");
    check_reason("\"text\"", "not_an_object");
    check_reason("12", "not_an_object");
    check_reason("null", "not_an_object");
    check_reason("\xef\xbb\xbf{}", "byte_order_mark");
    check_reason("\xef\xbb\xbf", "byte_order_mark");
    check_reason("\xef\xbb\xbf not JSON", "byte_order_mark");
    check_reason("\xef\xbb", "invalid_utf8");
    check_reason("\xff\xfe{\0}", "invalid_utf8");
    check_reason(" \xef\xbb\xbf{}", "invalid_json"); /* only at the start is it a mark */
    check_reason("{}", "missing_field");
}

static void test_depth(void)
{
    char text[1024];
    for (int levels = 60; levels <= 66; levels++) { /* all of it: event, data, and arrays for the rest */
        char data[512], *at = data;
        struct parts parts = login;
        at += sprintf(at, "{\"x\":");
        memset(at, '[', (size_t)levels - 2);
        memset(at + levels - 2, ']', (size_t)levels - 2);
        memcpy(at + 2 * (levels - 2), "}", 2);
        parts.data = data;
        check_parts(&parts, levels <= 64 ? NO_REASON : "too_deep");
    }
    (void)snprintf(text, sizeof text, "{\"x\":%s1",
                   "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
    check_reason(text, "invalid_json");
}

/* `len` bytes: an event, and white space or an unknown member for the rest. */
static const char *decode_size(size_t len, bool member)
{
    const char *small = write_event(&login);
    size_t used = strlen(small);
    char *text = malloc(len);
    const char *reason;
    if (text == NULL) {
        abort();
    }
    memset(text, member ? 'x' : ' ', len);
    memcpy(text, small, used);
    if (member) {
        memcpy(text + used - 1, ",\"x\":\"", 6);
        memcpy(text + len - 2, "\"}", 2);
    }
    reason = decode_bytes(text, len);
    free(text);
    return reason;
}

static void test_size(void)
{
    for (int member = 0; member <= 1; member++) {
        CU_ASSERT_STRING_EQUAL(decode_size(EVENT_MAX_SIZE - 1, member), NO_REASON);
        CU_ASSERT_STRING_EQUAL(decode_size(EVENT_MAX_SIZE, member), NO_REASON);
        CU_ASSERT_EQUAL(event.payload.len, 1048576);
        CU_ASSERT_STRING_EQUAL(decode_size(EVENT_MAX_SIZE + 1, member), "too_large");
        CU_ASSERT_STRING_EQUAL(decode_size(3 * EVENT_MAX_SIZE, member), "too_large");
    }
    check_parts(&login, NO_REASON);
}

static void test_missing_members(void)
{
    static const size_t members[] = {offsetof(struct parts, event_id), offsetof(struct parts, event_type),
                                     offsetof(struct parts, customer_id), offsetof(struct parts, timestamp),
                                     offsetof(struct parts, data)};
    static const char *const names[] = {"event_id", "event_type", "customer_id", "timestamp", "data"};
    static const char *const wrong[] = {"null", "1", "0", "true", "[]", "[\"x\"]", "{\"x\":1}"};
    check_parts(&login, NO_REASON);
    for (size_t i = 0; i < COUNT(members); i++) {
        struct parts parts = login;
        const char **part = (const char **)(void *)((char *)&parts + members[i]);
        *part = NULL;
        check_parts(&parts, "missing_field");
        check_contains(reject.detail, names[i], "detail");
        for (size_t k = 0; k < COUNT(wrong); k++) {
            bool object = wrong[k][0] == '{' && strcmp(names[i], "data") == 0;
            *part = wrong[k];
            check_parts(&parts, object ? NO_REASON : "wrong_type");
            check(object || strstr(reject.detail, names[i]) != NULL, "detail %s for %s", reject.detail, names[i]);
        }
    }
    struct parts text_data = login;
    text_data.data = "\"{}\"";
    check_parts(&text_data, "wrong_type");
}

static const char *quoted(const char *unit, size_t count, const char *tail)
{
    static char text[2048];
    char *at = text;
    *at++ = '"';
    for (size_t i = 0; i < count; i++) {
        at += sprintf(at, "%s", unit);
    }
    (void)sprintf(at, "%s\"", tail);
    return text;
}

/* Length counts bytes of the text itself, not of its escapes. */
static void check_id_lengths(size_t member)
{
    struct parts parts = login;
    const char **part = (const char **)(void *)((char *)&parts + member);
    static const struct {
        const char *unit;
        size_t count;
        const char *tail, *expected;
    } cases[] = {{"", 0, "", "invalid_value"},
                 {"x", 1, "", NO_REASON},
                 {"x", 127, "", NO_REASON},
                 {"x", 128, "", NO_REASON},
                 {"x", 129, "", "invalid_value"},
                 {"x", 1000, "", "invalid_value"},
                 {"\xc3\xa9", 64, "", NO_REASON},
                 {"\xc3\xa9", 64, "x", "invalid_value"},
                 {"\xe2\x82\xac", 42, "xx", NO_REASON},
                 {"\xe2\x82\xac", 43, "", "invalid_value"},
                 {"\\u00e9", 64, "", NO_REASON},
                 {"\\u00e9", 64, "x", "invalid_value"},
                 {"\\ud83d\\ude00", 32, "", NO_REASON},
                 {"\\ud83d\\ude00", 32, "x", "invalid_value"},
                 {"\\\"", 128, "", NO_REASON},
                 {"\\\"", 129, "", "invalid_value"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        *part = quoted(cases[i].unit, cases[i].count, cases[i].tail);
        check_parts(&parts, cases[i].expected);
    }
}

static void test_id_lengths(void)
{
    check_id_lengths(offsetof(struct parts, event_id));
    check_id_lengths(offsetof(struct parts, customer_id));
}

static void test_control_characters(void)
{
    struct parts parts = login;
    char escape[16];
    for (unsigned c = 0; c <= 0x120; c++) {
        bool control = c < 0x20 || (c >= 0x7f && c <= 0x9f);
        (void)snprintf(escape, sizeof escape, "\\u%04X", c);
        parts = login;
        parts.customer_id = quoted(escape, 1, "x");
        check_parts(&parts, control ? "invalid_value" : NO_REASON);
        parts.customer_id = quoted("x", 3, escape);
        check_parts(&parts, control ? "invalid_value" : NO_REASON);
        parts = login;
        parts.event_id = quoted(escape, 1, "x"); /* the rule is the customer's alone */
        check_parts(&parts, NO_REASON);
    }
    parts = login;
    parts.customer_id = "\"\xc2\x80\"";
    check_parts(&parts, "invalid_value");
    parts.customer_id = "\"x\xc2\x9f\"";
    check_parts(&parts, "invalid_value");
    parts.customer_id = "\"\x7f\"";
    check_parts(&parts, "invalid_value");
    parts.customer_id = "\"\xc2\xa0 \xe2\x80\xa8 \xc3\x80\xc3\x9f \xe2\x82\x80 \xf0\x9f\x98\x80\"";
    check_parts(&parts, NO_REASON);
    parts.customer_id = "\"a\tb\""; /* unescaped, it is no JSON */
    check_parts(&parts, "invalid_json");
}

static void test_timestamps(void)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {{"\"2026-01-02T03:04:05Z\"", NO_REASON},
                 {"\"2026-01-02t03:04:05.123456789z\"", NO_REASON},
                 {"\"2026-01-02T03:04:05-23:59\"", NO_REASON},
                 {"\"2026-01-02T03:04:05\\u005a\"", NO_REASON},
                 {"\"2024-02-29T00:00:00Z\"", NO_REASON},
                 {"\"2026-02-29T00:00:00Z\"", "invalid_timestamp"},
                 {"\"2026-01-02T24:00:00Z\"", "invalid_timestamp"},
                 {"\"2016-12-31T23:59:60Z\"", "invalid_timestamp"},
                 {"\"2026-01-02T03:04:05\"", "invalid_timestamp"},
                 {"\"2026-01-02 03:04:05Z\"", "invalid_timestamp"},
                 {"\"2026-01-02\"", "invalid_timestamp"},
                 {"\"\"", "invalid_timestamp"},
                 {"\"2026-01-02T03:04:05Z\\u0000\"", "invalid_timestamp"},
                 {"\"1767323045678\"", "invalid_timestamp"},
                 {"1767323045678", "wrong_type"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct parts parts = login;
        parts.timestamp = cases[i].text;
        check_parts(&parts, cases[i].expected);
    }
}

#define DAY INT64_C(86400000)

/* An event's time against its record's own: no clock is asked. */
static void test_how_far_ahead_of_its_record(void)
{
    static const struct {
        int64_t event_ms, record_ms, max_ahead_ms;
        const char *said; /* NULL: it is timely */
    } cases[] = {
        {1000 + DAY, 1000, DAY, NULL},
        {1001 + DAY, 1000, DAY, "timestamp is 24 h later than the record's own, and events: max_ahead allows 24 h"},
        {1000 + 4 * DAY, 1000, 2 * DAY,
         "timestamp is 4 d later than the record's own, and events: max_ahead allows 2 d"},
        {1001, 1000, 1, NULL},
        {1002, 1000, 1, "timestamp is 2 ms later than the record's own, and events: max_ahead allows 1 ms"},
        {119999, 1, 90000, "timestamp is 119 s later than the record's own, and events: max_ahead allows 90 s"},
        {999, 1000, 1, NULL},
        {INT64_MIN + 36500 * DAY, 1, 36500 * DAY, NULL},
        {INT64_C(253402300799999), INT64_MAX, DAY, NULL},
        {4 * DAY, 0, DAY, NULL},  /* a record without a time */
        {4 * DAY, -1, DAY, NULL}, /* likewise */
        {4 * DAY, 1000, 0, NULL}, /* no bound */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const churn_event at = {.size = sizeof at, .timestamp_ms = cases[i].event_ms};
        struct reject why = {.reason = REJECT_REASON_COUNT, .out_of_memory = true};
        bool timely = event_is_timely(&at, cases[i].record_ms, cases[i].max_ahead_ms, &why);
        check(timely == (cases[i].said == NULL), "case %zu: %d", i, timely);
        if (!timely) {
            CU_ASSERT(why.reason == REJECT_TIMESTAMP_AHEAD && !why.out_of_memory);
            check_text(why.detail, cases[i].said != NULL ? cases[i].said : "", "detail");
        }
    }
}

static void test_unknown_types(void)
{
    static const char *const names[] = {"\"\"",       "\"Login\"",        "\"login \"",        "\"logi\"",
                                        "\"loginn\"", "\"login\\u0000\"", "\"orders_placed\"", "\"../login\"",
                                        "\"\\u0000\""};
    struct parts parts = login;
    for (size_t i = 0; i < COUNT(names); i++) {
        parts.event_type = names[i];
        check_parts(&parts, "unknown_event_type");
    }
    parts.event_type = "\"\\u006cogin\"";
    check_parts(&parts, NO_REASON);
    parts = (struct parts){.event_type = "\"nothing\""}; /* of what nobody knows, nothing more is asked */
    check_parts(&parts, "unknown_event_type");
    parts.event_type = quoted("\xe2\x82\xac", 500, "");
    check_parts(&parts, "unknown_event_type");
    CU_ASSERT(strlen(reject.detail) < sizeof reject.detail);
    CU_ASSERT_PTR_NOT_NULL(strstr(reject.detail, "\xe2\x82\xac'")); /* cut between characters */
}

/* The table of the contract. Ranges of numbers; 0, 0 for money. */
enum kind { TEXT, INT, MONEY, PRIORITY };

static const struct rule {
    const char *type, *field;
    enum kind kind;
    bool required;
    int64_t min, max;
} rules[] = {
    {"order_placed", "order_id", TEXT, true, 0, 0},
    {"order_placed", "order_value", MONEY, true, 0, 0},
    {"order_placed", "items_count", INT, true, 1, INT64_MAX},
    {"order_placed", "payment_method", TEXT, true, 0, 0},
    {"order_cancelled", "order_id", TEXT, true, 0, 0},
    {"order_cancelled", "reason", TEXT, false, 0, 0},
    {"payment_failed", "amount", MONEY, true, 0, 0},
    {"payment_failed", "order_id", TEXT, false, 0, 0},
    {"payment_failed", "payment_method", TEXT, false, 0, 0},
    {"payment_failed", "failure_reason", TEXT, false, 0, 0},
    {"support_ticket_created", "ticket_id", TEXT, true, 0, 0},
    {"support_ticket_created", "category", TEXT, false, 0, 0},
    {"support_ticket_created", "priority", PRIORITY, false, 0, 0},
    {"email_opened", "campaign_id", TEXT, true, 0, 0},
    {"email_opened", "email_id", TEXT, false, 0, 0},
    {"email_clicked", "campaign_id", TEXT, true, 0, 0},
    {"email_clicked", "email_id", TEXT, false, 0, 0},
    {"email_clicked", "url", TEXT, false, 0, 0},
    {"login", "device", TEXT, false, 0, 0},
    {"login", "session_id", TEXT, false, 0, 0},
    {"product_viewed", "product_id", TEXT, true, 0, 0},
    {"product_viewed", "category", TEXT, false, 0, 0},
    {"product_viewed", "seconds", INT, false, 0, INT64_MAX},
    {"cart_abandoned", "cart_id", TEXT, true, 0, 0},
    {"cart_abandoned", "cart_value", MONEY, true, 0, 0},
    {"cart_abandoned", "items_count", INT, false, 1, INT64_MAX},
    {"review_submitted", "product_id", TEXT, true, 0, 0},
    {"review_submitted", "rating", INT, true, 1, 5},
    {"refund_requested", "order_id", TEXT, true, 0, 0},
    {"refund_requested", "amount", MONEY, true, 0, 0},
    {"refund_requested", "reason", TEXT, false, 0, 0},
    {"subscription_cancelled", "plan", TEXT, false, 0, 0},
    {"subscription_cancelled", "reason", TEXT, false, 0, 0},
};

static const char *good_value(enum kind kind)
{
    static const char *const values[] = {"\"x\"", "1", "1.5", "\"low\""};
    return values[kind];
}

/* The data of a type with good values, but for one field, which has `value`; NULL: which is left out. `others`: with
 * those that are not required too. */
static const char *write_data(const struct rule *odd, const char *value, bool others)
{
    static char text[4096];
    char *at = text;
    *at++ = '{';
    for (size_t i = 0; i < COUNT(rules); i++) {
        if (strcmp(rules[i].type, odd->type) == 0 && (&rules[i] == odd || rules[i].required || others)) {
            append(&at, rules[i].field, &rules[i] == odd ? value : good_value(rules[i].kind));
        }
    }
    *at++ = '}';
    *at = '\0';
    return text;
}

static void check_rule(const struct rule *rule, const char *value, const char *expected)
{
    check_data(rule->type, write_data(rule, value, true), expected);
    check_data(rule->type, write_data(rule, value, false), expected);
    if (strcmp(expected, NO_REASON) != 0) {
        check_contains(reject.detail, rule->field, rule->type);
    }
}

static void test_required_and_optional_fields(void)
{
    for (size_t i = 0; i < COUNT(rules); i++) {
        check_rule(&rules[i], good_value(rules[i].kind), NO_REASON);
        check_rule(&rules[i], NULL, rules[i].required ? "missing_field" : NO_REASON);
    }
}

static void test_null_is_no_value(void)
{
    for (size_t i = 0; i < COUNT(rules); i++) {
        check_rule(&rules[i], "null", "wrong_type");
    }
}

static void test_types_of_fields(void)
{
    static const char *const no_text[] = {"1", "1.5", "true", "false", "[]", "{}", "[\"x\"]"};
    static const char *const no_int[] = {"\"1\"",
                                         "1.0",
                                         "1.5",
                                         "1e0",
                                         "1E2",
                                         "10e-1",
                                         "true",
                                         "[]",
                                         "{}",
                                         "9223372036854775808",
                                         "-9223372036854775809",
                                         "1e400",
                                         "100000000000000000000000000000000000000000"};
    static const char *const no_money[] = {"\"1\"", "\"\"", "true", "false", "[]", "{}", "[1]"};
    for (size_t i = 0; i < COUNT(rules); i++) {
        const struct rule *rule = &rules[i];
        const char *const *wrong = rule->kind == INT ? no_int : rule->kind == MONEY ? no_money : no_text;
        size_t count = rule->kind == INT ? COUNT(no_int) : rule->kind == MONEY ? COUNT(no_money) : COUNT(no_text);
        for (size_t k = 0; k < count; k++) {
            check_rule(rule, wrong[k], "wrong_type");
        }
    }
}

static void test_ranges_of_ints(void)
{
    for (size_t i = 0; i < COUNT(rules); i++) {
        const struct rule *rule = &rules[i];
        char value[32];
        if (rule->kind != INT) {
            continue;
        }
        (void)snprintf(value, sizeof value, "%lld", (long long)rule->min);
        check_rule(rule, value, NO_REASON);
        CU_ASSERT_EQUAL(churn_event_value(&event, rule->field)->number, rule->min);
        (void)snprintf(value, sizeof value, "%lld", (long long)rule->max);
        check_rule(rule, value, NO_REASON);
        CU_ASSERT_EQUAL(churn_event_value(&event, rule->field)->number, rule->max);
        (void)snprintf(value, sizeof value, "%lld", (long long)rule->min - 1);
        check_rule(rule, value, "invalid_value");
        check_rule(rule, "-9223372036854775808", "invalid_value");
        check_rule(rule, "-0", rule->min <= 0 ? NO_REASON : "invalid_value");
        if (rule->max != INT64_MAX) {
            (void)snprintf(value, sizeof value, "%lld", (long long)rule->max + 1);
            check_rule(rule, value, "invalid_value");
            check_rule(rule, "9223372036854775807", "invalid_value");
        }
    }
}

static void test_money(void)
{
    static const struct {
        const char *text;
        int64_t units; /* -1: refused */
    } cases[] = {{"0", 0},
                 {"-0", 0},
                 {"0.00005", 0},
                 {"0.00015", 2},
                 {"99.99", 999900},
                 {"1e2", 1000000},
                 {"999999999999.9999", 9999999999999999},
                 {"999999999999.99991", -1},
                 {"1000000000000", -1},
                 {"-0.0001", -1},
                 {"-1e-400", -1},
                 {"1e400", -1},
                 {"1e-400", 0},
                 {"0e999999999", 0}};
    for (size_t i = 0; i < COUNT(rules); i++) {
        for (size_t k = 0; k < COUNT(cases) && rules[i].kind == MONEY; k++) {
            check_rule(&rules[i], cases[k].text, cases[k].units < 0 ? "invalid_value" : NO_REASON);
            if (cases[k].units >= 0) {
                CU_ASSERT_EQUAL(churn_event_value(&event, rules[i].field)->number, cases[k].units);
            }
        }
    }
}

static void test_choices(void)
{
    static const char *const good[] = {"\"low\"", "\"medium\"", "\"high\"", "\"urgent\"", "\"\\u006cow\""};
    static const char *const bad[] = {"\"\"",   "\"Low\"",  "\"LOW\"",        "\"low \"",
                                      "\"lo\"", "\"loww\"", "\"low\\u0000\"", "\"critical\""};
    for (size_t i = 0; i < COUNT(rules); i++) {
        for (size_t k = 0; k < COUNT(good) && rules[i].kind == PRIORITY; k++) {
            check_rule(&rules[i], good[k], NO_REASON);
        }
        for (size_t k = 0; k < COUNT(bad) && rules[i].kind == PRIORITY; k++) {
            check_rule(&rules[i], bad[k], "invalid_value");
        }
    }
}

static void test_every_type_is_in_the_contract(void)
{
    for (uint32_t i = 0; i < types.catalog.type_count; i++) {
        const char *name = types.catalog.types[i].name.ptr;
        bool found = strcmp(name, "test_odd") == 0;
        for (size_t k = 0; k < COUNT(rules) && !found; k++) {
            found = strcmp(rules[k].type, name) == 0;
        }
        check(found, "%s", name);
    }
    CU_ASSERT_EQUAL(types.catalog.type_count, 13);
}

static void test_any_order_of_members(void)
{
    check_reason(
        "{\"data\":{\"rating\":5,\"product_id\":\"p\"},\"timestamp\":\"2026-01-01T00:00:00Z\",\"customer_id\":\"c\","
        "\"event_type\":\"review_submitted\",\"event_id\":\"e\"}",
        NO_REASON);
    CU_ASSERT_EQUAL(churn_event_value(&event, "rating")->number, 5);
    CU_ASSERT(is_text(event.data, "{\"rating\":5,\"product_id\":\"p\"}"));
}

static void test_repeated_names(void)
{
    check_reason(
        "{\"event_id\":\"e\",\"event_type\":\"nothing\",\"event_type\":\"review_submitted\",\"customer_id\":\"\","
        "\"customer_id\":\"c\",\"timestamp\":0,\"timestamp\":\"2026-01-01T00:00:00Z\",\"data\":7,"
        "\"data\":{\"product_id\":\"p\",\"rating\":9,\"rating\":4}}",
        NO_REASON);
    CU_ASSERT_EQUAL(churn_event_value(&event, "rating")->number, 4);
    check_reason(
        "{\"event_id\":\"e\",\"event_type\":\"review_submitted\",\"customer_id\":\"c\",\"timestamp\":"
        "\"2026-01-01T00:00:00Z\",\"data\":{\"product_id\":\"p\",\"rating\":4},\"data\":{\"product_id\":\"p\"}}",
        "missing_field");
    check_data("review_submitted", "{\"product_id\":\"p\",\"rating\":4,\"rating\":null}", "wrong_type");
}

/* A type with the kinds of fields that the shipped ones do not use. */
static const churn_field odd_fields[] = {
    {"flag", .type = CHURN_FIELD_BOOL, .flags = CHURN_FIELD_REQUIRED},
    {"when", .type = CHURN_FIELD_TIME},
    {"low", .type = CHURN_FIELD_INT, .min = INT64_MIN, .max = -1},
};
static const churn_event_type odd_type = {.size = sizeof odd_type,
                                          .fields = odd_fields,
                                          .field_count = COUNT(odd_fields),
                                          .field_stride = sizeof(churn_field)};

static void test_bool_and_time_fields(void)
{
    static const struct {
        const char *data, *expected;
    } cases[] = {{"{\"flag\":true}", NO_REASON},
                 {"{\"flag\":false,\"when\":\"1970-01-01T00:00:01Z\",\"low\":-9223372036854775808}", NO_REASON},
                 {"{}", "missing_field"},
                 {"{\"flag\":0}", "wrong_type"},
                 {"{\"flag\":1}", "wrong_type"},
                 {"{\"flag\":\"true\"}", "wrong_type"},
                 {"{\"flag\":null}", "wrong_type"},
                 {"{\"flag\":[]}", "wrong_type"},
                 {"{\"flag\":true,\"when\":1}", "wrong_type"},
                 {"{\"flag\":true,\"when\":null}", "wrong_type"},
                 {"{\"flag\":true,\"when\":true}", "wrong_type"},
                 {"{\"flag\":true,\"when\":\"\"}", "invalid_timestamp"},
                 {"{\"flag\":true,\"when\":\"2026-02-30T00:00:00Z\"}", "invalid_timestamp"},
                 {"{\"flag\":true,\"low\":0}", "invalid_value"},
                 {"{\"flag\":true,\"low\":-1}", NO_REASON}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_data("test_odd", cases[i].data, cases[i].expected);
    }
    check_data("test_odd", "{\"flag\":true}", NO_REASON);
    CU_ASSERT_EQUAL(churn_event_value(&event, "flag")->number, 1);
    check_data("test_odd", cases[1].data, NO_REASON);
    CU_ASSERT_EQUAL(churn_event_value(&event, "flag")->number, 0);
    CU_ASSERT_EQUAL(churn_event_value(&event, "when")->number, 1000);
    CU_ASSERT_EQUAL(churn_event_value(&event, "low")->number, INT64_MIN);
}

/* A detail goes to logs and topics that other people read: it names fields and never shows what they hold. */
static void test_details_show_no_values(void)
{
    static const char *const data[] = {"{\"product_id\":17171717,\"rating\":4}",
                                       "{\"product_id\":\"p\",\"rating\":17171717}",
                                       "{\"product_id\":\"p\",\"rating\":\"17171717\"}"};
    for (size_t i = 0; i < COUNT(data); i++) {
        struct parts parts = login;
        parts.event_type = "\"review_submitted\"";
        parts.data = data[i];
        (void)decode(write_event(&parts));
        check(reject.detail[0] != '\0' && strstr(reject.detail, "17171717") == NULL, "detail: %s", reject.detail);
    }
    struct parts parts = login;
    parts.customer_id = "\"17171717\\n\"";
    check_parts(&parts, "invalid_value");
    CU_ASSERT_PTR_NULL(strstr(reject.detail, "1717"));
    parts = login;
    parts.timestamp = "\"17171717\"";
    check_parts(&parts, "invalid_timestamp");
    CU_ASSERT_PTR_NULL(strstr(reject.detail, "1717"));
}

static struct event_decoder *made;

static bool make(void)
{
    made = event_decoder_new(&types.catalog);
    return made != NULL;
}

static void end_making(bool ok)
{
    CU_ASSERT_EQUAL(ok, made != NULL);
    event_decoder_free(made);
}

/* It is none of the record's faults. The parser does not notice each of its own allocations that fails. */
static void test_no_memory(void)
{
    static const char text[8192] = "{}";
    churn_event of;
    struct reject why;
    bool noticed = false, failed = true;
    check_allocations("a decoder", NULL, make, end_making);
    for (long k = 1; failed; k++) {
        CU_ASSERT_FATAL(make());
        fails_in = k;
        CU_ASSERT_PTR_NULL(event_decode(made, text, sizeof text - JSON_SCAN_PADDING, &of, &why));
        failed = fails_in == 0;
        fails_in = 0;
        noticed = noticed || why.out_of_memory;
        CU_ASSERT_PTR_NULL(event_decode(made, text, 2, &of, &why));
        CU_ASSERT(!why.out_of_memory && why.reason == REJECT_MISSING_FIELD);
        CU_ASSERT(k == 1 || noticed || failed);
        event_decoder_free(made);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_reason_names),
        TEST(test_what_an_event_holds),
        TEST(test_values_do_not_leak_into_the_next_event),
        TEST(test_no_json_at_all),
        TEST(test_depth),
        TEST(test_size),
        TEST(test_missing_members),
        TEST(test_id_lengths),
        TEST(test_control_characters),
        TEST(test_timestamps),
        TEST(test_how_far_ahead_of_its_record),
        TEST(test_unknown_types),
        TEST(test_required_and_optional_fields),
        TEST(test_null_is_no_value),
        TEST(test_types_of_fields),
        TEST(test_ranges_of_ints),
        TEST(test_money),
        TEST(test_choices),
        TEST(test_every_type_is_in_the_contract),
        TEST(test_any_order_of_members),
        TEST(test_repeated_names),
        TEST(test_bool_and_time_fields),
        TEST(test_details_show_no_values),
        TEST(test_no_memory),
        CU_TEST_INFO_NULL,
    };
    const churn_plugin odd = TYPE_ENTRY("test_odd", &odd_type);
    const churn_plugin *const own[] = {&odd};
    int status = 1;
    if (types_load(&types, own, COUNT(own))) {
        decoder = event_decoder_new(&types.catalog);
        status = decoder != NULL ? run_tests_without_leaks("event", tests) : 1;
    } else {
        (void)fprintf(stderr, "%s\n", types.message);
    }
    event_decoder_free(decoder);
    types_free(&types);
    free(bytes);
    return status;
}
