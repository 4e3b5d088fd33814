/* What a processor may do to an event: which values are taken, and how the changed event reads, to the byte. */
#include "core/event/edit.h"

#include "types_fixture.h"

#define HEAD "{\"event_id\":\"e\",\"event_type\":\"%s\",\"customer_id\":\"c\",\"timestamp\":\"2026-01-01T00:00:00Z\","

static const churn_field own_fields[] = {
    {"text", .type = CHURN_FIELD_STRING},
    {"money", .type = CHURN_FIELD_MONEY},
    {"flag", .type = CHURN_FIELD_BOOL},
    {"when", .type = CHURN_FIELD_TIME},
    {"count", .type = CHURN_FIELD_INT, .min = -5, .max = 5},
};
static const churn_event_type own_type = {.size = sizeof own_type, CHURN_FIELDS(own_fields)};

static struct types_fixture types;
static struct event_decoder *decoder;
static struct arena_pool pool;
static struct arena arena = {.pool = &pool};
static struct edit edit;
static churn_edit *call;
static churn_event event;
static churn_error err;

static churn_str text(const char *bytes)
{
    return (churn_str){.ptr = bytes, .len = (uint32_t)strlen(bytes)};
}

/* An event comes to a processor. */
static void begin(const char *payload)
{
    struct reject reject;
    const char *copy;
    arena_reset(&arena);
    copy = arena_copy(&arena, payload, strlen(payload));
    const struct event_type *type = event_decode(decoder, copy, strlen(payload), &event, &reject);
    CU_ASSERT_FATAL(type != NULL);
    event.offset = 7;
    edit_begin(&edit, decoder, &arena, type);
    call = edit_open(&edit);
}

static void begin_data(const char *type, const char *data)
{
    char payload[2048];
    int len = snprintf(payload, sizeof payload, HEAD, type);
    (void)snprintf(payload + len, sizeof payload - (size_t)len, "\"data\":%s}", data);
    begin(payload);
}

/* It lets the event pass, which then reads so. */
static void check_data(const char *expected)
{
    struct reject reject;
    char got[2048];
    CU_ASSERT_EQUAL(edit_apply(&edit, &event, &reject), CHURN_OK);
    (void)snprintf(got, sizeof got, "%.*s", (int)event.data.len, event.data.ptr);
    check_text(got, expected, "data");
    CU_ASSERT(event.data.ptr > event.payload.ptr && event.data.ptr < event.payload.ptr + event.payload.len);
    CU_ASSERT_EQUAL(event.offset, 7);
}

static void refused(int32_t answer, const char *why)
{
    CU_ASSERT_EQUAL(answer, CHURN_REJECT);
    check_contains(err.message, why, "refused");
}

static void test_an_event_that_nobody_changes_stays_where_it_is(void)
{
    begin_data("login", "{ \"device\" : \"x\" }");
    const char *payload = event.payload.ptr;
    check_data("{ \"device\" : \"x\" }");
    CU_ASSERT_PTR_EQUAL(event.payload.ptr, payload);
}

static void test_members_keep_their_order_and_text(void)
{
    begin_data("login", " {\"a\" : 1.10e0 , \"device\":\"x\",\n\"z\":[ 1, {\"]\":\"}\"} ] ,\"session_id\":\"s\" }");
    CU_ASSERT_EQUAL(call->set_text(call, "device", text("a \"b\"\n"), &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->remove(call, "session_id", &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->remove(call, "nothing", &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->set_number(call, "score", -12, &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->set_text(call, "tier", text("gold"), &err), CHURN_OK);
    check_data(
        "{\"a\":1.10e0,\"device\":\"a \\\"b\\\"\\n\",\"z\":[ 1, {\"]\":\"}\"} ],\"score\":-12,\"tier\":\"gold\"}");
    const churn_value *device = churn_event_value(&event, "device");
    CU_ASSERT(device != NULL && device->text.len == 6 && memcmp(device->text.ptr, "a \"b\"\n", 6) == 0);
    CU_ASSERT_PTR_NULL(churn_event_value(&event, "session_id"));
}

static void test_the_rest_of_the_record_stays(void)
{
    begin("{\"x\":{\"data\":[1.0]},\"event_id\":\"\\u0065\",\"event_type\":\"login\",\"customer_id\":\"c\","
          "\"timestamp\":\"2026-01-01T00:00:00Z\",\"data\":{\"session_id\":\"first\"},\"d\\u0061ta\":{\"session_id\":"
          "\"s\"},\"y\":1e400}");
    CU_ASSERT_EQUAL(call->set_text(call, "session_id", text("*"), &err), CHURN_OK);
    check_data("{\"session_id\":\"*\"}");
    char got[512];
    (void)snprintf(got, sizeof got, "%.*s", (int)event.payload.len, event.payload.ptr);
    check_text(got,
               "{\"x\":{\"data\":[1.0]},\"event_id\":\"\\u0065\",\"event_type\":\"login\",\"customer_id\":\"c\","
               "\"timestamp\":\"2026-01-01T00:00:00Z\",\"data\":{\"session_id\":\"*\"},\"y\":1e400}",
               "payload");
    CU_ASSERT(str_equals(event.event_id, "e") && str_equals(event.customer_id, "c"));
}

static void test_of_a_changed_name_one_member_is_left(void)
{
    begin_data("login",
               "{\"session_id\":\"one\",\"sessi\\u006fn_id\":\"two\",\"device\":\"d\",\"session_id\":\"three\"}");
    CU_ASSERT_EQUAL(call->set_text(call, "session_id", text("*"), &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->remove(call, "device", &err), CHURN_OK);
    check_data("{\"session_id\":\"*\"}");
    begin_data("login", "{}");
    CU_ASSERT_EQUAL(call->set_text(call, "device", text("a"), &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->remove(call, "device", &err), CHURN_OK);
    check_data("{}");
    begin_data("login", "{}");
    CU_ASSERT_EQUAL(call->remove(call, "device", &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->set_number(call, "\xc3\xa9\"", 1, &err), CHURN_OK);
    check_data("{\"\xc3\xa9\\\"\":1}");
}

static void test_one_processor_after_another(void)
{
    begin_data("login", "{\"device\":\"a\"}");
    CU_ASSERT_EQUAL(call->set_text(call, "device", text("b"), &err), CHURN_OK);
    check_data("{\"device\":\"b\"}");
    call = edit_open(&edit);
    check_data("{\"device\":\"b\"}");
    call = edit_open(&edit);
    CU_ASSERT_EQUAL(call->set_text(call, "more", text("c"), &err), CHURN_OK);
    check_data("{\"device\":\"b\",\"more\":\"c\"}");
}

static void test_values_of_each_type(void)
{
    begin_data("edited", "{}");
    CU_ASSERT_EQUAL(call->set_text(call, "text", (churn_str){0}, &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->set_number(call, "money", 12345678, &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->set_number(call, "flag", 1, &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->set_number(call, "when", 1, &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->set_number(call, "count", -5, &err), CHURN_OK);
    check_data("{\"text\":\"\",\"money\":1234.5678,\"flag\":true,\"when\":\"1970-01-01T00:00:00.001Z\",\"count\":-5}");
    CU_ASSERT_EQUAL(churn_event_value(&event, "money")->number, 12345678);
    CU_ASSERT_EQUAL(churn_event_value(&event, "when")->number, 1);
    call = edit_open(&edit);
    CU_ASSERT_EQUAL(call->set_text(call, "when", text("2026-01-01T01:00:00+01:00"), &err), CHURN_OK);
    CU_ASSERT_EQUAL(call->set_number(call, "flag", 0, &err), CHURN_OK);
    check_data(
        "{\"text\":\"\",\"money\":1234.5678,\"flag\":false,\"when\":\"2026-01-01T01:00:00+01:00\",\"count\":-5}");
    CU_ASSERT_EQUAL(churn_event_value(&event, "when")->number, INT64_C(1767225600000));
}

static void test_what_a_row_does_not_allow(void)
{
    begin_data("edited", "{\"count\":1}");
    refused(call->set_number(call, "count", 6, &err), "data.count must be between -5 and 5");
    refused(call->set_text(call, "count", text("1"), &err), "data.count must be a whole number");
    refused(call->set_number(call, "text", 1, &err), "data.text must be a text");
    refused(call->set_number(call, "money", -1, &err), "data.money must be between");
    refused(call->set_number(call, "money", INT64_MAX, &err), "data.money must be between");
    refused(call->set_number(call, "flag", 2, &err), "data.flag must be true or false");
    refused(call->set_number(call, "when", INT64_MAX, &err), "data.when must be a time");
    refused(call->set_text(call, "when", text("never"), &err), "data.when is no RFC 3339 time");
    CU_ASSERT_EQUAL(call->set_number(call, "count", 6, NULL), CHURN_REJECT);
    check_data("{\"count\":1}");

    begin_data("support_ticket_created", "{\"ticket_id\":\"t\",\"priority\":\"low\"}");
    refused(call->set_text(call, "priority", text("lower"), &err), "data.priority is none of the values allowed");
    refused(call->remove(call, "ticket_id", &err), "data.ticket_id is required");
    CU_ASSERT_EQUAL(call->set_text(call, "priority", text("urgent"), &err), CHURN_OK);
    check_data("{\"ticket_id\":\"t\",\"priority\":\"urgent\"}");
}

static void test_an_event_that_grows_too_large(void)
{
    struct reject reject;
    char *large = malloc(EVENT_MAX_SIZE);
    CU_ASSERT_FATAL(large != NULL);
    memset(large, 'x', EVENT_MAX_SIZE);
    begin_data("login", "{}");
    CU_ASSERT_EQUAL(call->set_text(call, "device", (churn_str){.ptr = large, .len = EVENT_MAX_SIZE}, &err), CHURN_OK);
    CU_ASSERT_EQUAL(edit_apply(&edit, &event, &reject), CHURN_REJECT);
    CU_ASSERT_EQUAL(reject.reason, REJECT_TOO_LARGE);
    free(large);
}

static void test_alerts(void)
{
    char name[80];
    memset(name, 'n', sizeof name);
    begin_data("login", "{}");
    CU_ASSERT_EQUAL(call->alert(call, CHURN_SEVERITY_INFO, "a.B-1_", text("first"), &err), CHURN_OK);
    refused(call->alert(call, CHURN_SEVERITY_INFO, "a.B-1_", text("again"), &err), "'a.B-1_' was raised");
    refused(call->alert(call, CHURN_SEVERITY_NONE, "b", text("x"), &err), "severity");
    refused(call->alert(call, 4, "b", text("x"), &err), "severity");
    refused(call->alert(call, CHURN_SEVERITY_INFO, "", text("x"), &err), "name");
    refused(call->alert(call, CHURN_SEVERITY_INFO, "a/b", text("x"), &err), "name");
    name[65] = '\0';
    refused(call->alert(call, CHURN_SEVERITY_INFO, name, text("x"), &err), "name");
    name[64] = '\0';
    CU_ASSERT_EQUAL(call->alert(call, CHURN_SEVERITY_CRITICAL, name, (churn_str){0}, &err), CHURN_OK);
    call = edit_open(&edit);
    refused(call->alert(call, CHURN_SEVERITY_INFO, "a.B-1_", text("x"), &err), "was raised");
    CU_ASSERT_EQUAL(edit.alert_count, 2);
    check_text(edit.alerts[0].name, "a.B-1_", "its name");
    CU_ASSERT(str_equals(edit.alerts[0].message, "first") && edit.alerts[1].message.len == 0);
    begin_data("login", "{}");
    CU_ASSERT_EQUAL(edit.alert_count, 0);
}

/* Random changes of random objects: what comes out is what a plain reading of the changes says. */
/* A processor's mistake, not the host's end. */
static void test_what_is_null(void)
{
    const churn_str nothing = {.len = 5};
    begin_data("edited", "{\"text\":\"a\"}");
    refused(call->set_text(call, NULL, text("x"), &err), "NULL");
    refused(call->set_text(call, "text", nothing, &err), "NULL");
    refused(call->set_text(call, "other", nothing, &err), "NULL");
    refused(call->set_number(call, NULL, 1, &err), "NULL");
    refused(call->remove(call, NULL, &err), "NULL");
    refused(call->alert(call, CHURN_SEVERITY_INFO, NULL, text("x"), &err), "name");
    refused(call->alert(call, CHURN_SEVERITY_INFO, "a", nothing, &err), "NULL");
    CU_ASSERT_EQUAL(call->set_text(call, "text", (churn_str){0}, NULL), CHURN_OK);
    CU_ASSERT_EQUAL(call->set_text(call, NULL, text("x"), NULL), CHURN_REJECT);
    check_data("{\"text\":\"\"}");
}

static void test_many_changes(void)
{
    static const char *const names[] = {"device", "session_id", "x", "y", "z"};
    uint64_t random = 1;
    for (unsigned round = 0; round < 3000; round++) {
        const char *values[COUNT(names)] = {NULL};
        char data[512] = "{", expected[512] = "{", *in = data + 1, *out = expected + 1;
        bool written[COUNT(names)] = {false};
        int order[COUNT(names)], count = 0;
        for (size_t i = 0; i < COUNT(names); i++) {
            if (next_random(&random) % 2 == 0) {
                in += sprintf(in, "%s\"%s\":\"old%zu\"", in[-1] == '{' ? "" : " , ", names[i], i);
                order[count++] = (int)i;
            }
        }
        (void)sprintf(in, "}");
        begin_data("login", data);
        int asked[COUNT(names)], changes = 0;
        for (size_t i = COUNT(names); i-- > 0;) {
            uint64_t what = next_random(&random) % 3;
            if (what == 0) {
                continue;
            }
            values[i] = what == 1 ? "new" : "";
            asked[changes++] = (int)i;
            CU_ASSERT_EQUAL(what == 1 ? call->set_text(call, names[i], text("new"), &err)
                                      : call->remove(call, names[i], &err),
                            CHURN_OK);
        }
        for (int i = 0; i < count; i++) {
            const char *value = values[order[i]];
            char old[16];
            (void)snprintf(old, sizeof old, "old%d", order[i]);
            value = value == NULL ? old : value;
            if (*value != '\0') {
                out += sprintf(out, "%s\"%s\":\"%s\"", out[-1] == '{' ? "" : ",", names[order[i]], value);
            }
            written[order[i]] = true;
        }
        for (int i = 0; i < changes; i++) {
            if (!written[asked[i]] && *values[asked[i]] != '\0') {
                out += sprintf(out, "%s\"%s\":\"new\"", out[-1] == '{' ? "" : ",", names[asked[i]]);
            }
        }
        (void)sprintf(out, "}");
        if (changes > 0) {
            check_data(expected);
        }
    }
}

int main(void)
{
    const churn_plugin own = TYPE_ENTRY("edited", &own_type), *const all[] = {&own};
    CU_TestInfo tests[] = {
        TEST(test_an_event_that_nobody_changes_stays_where_it_is),
        TEST(test_members_keep_their_order_and_text),
        TEST(test_the_rest_of_the_record_stays),
        TEST(test_of_a_changed_name_one_member_is_left),
        TEST(test_one_processor_after_another),
        TEST(test_values_of_each_type),
        TEST(test_what_a_row_does_not_allow),
        TEST(test_an_event_that_grows_too_large),
        TEST(test_alerts),
        TEST(test_what_is_null),
        TEST(test_many_changes),
        CU_TEST_INFO_NULL,
    };
    int status = 1;
    err = (churn_error){.size = sizeof err};
    if (types_load(&types, all, 1) && (decoder = event_decoder_new(&types.catalog)) != NULL) {
        status = run_tests("edit", tests);
    }
    edit_free(&edit);
    event_decoder_free(decoder);
    arena_reset(&arena);
    arena_pool_free(&pool);
    types_free(&types);
    return status;
}
