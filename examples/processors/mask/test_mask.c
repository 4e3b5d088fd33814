/* The masking processor: which fields, what becomes of them, and what it refuses to run with. */
#include "cunit_main.h"
#include "fake_edit.h"
#include "fake_host.h"

static const char *const choices[] = {"a", "b", NULL};
static const churn_field fields[] = {
    {"note", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_PII},
    {"age", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_PII},
    {"kind", .type = CHURN_FIELD_STRING, .choices = choices, .flags = CHURN_FIELD_PII},
    {"order_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED},
    {"amount", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED},
};
static const churn_event_type type = {.size = sizeof type, CHURN_FIELDS(fields)};

static const churn_plugin *plugin;
static const churn_processor_ops *ops;
static struct fake_host fake;
static void *mask;
static churn_error err;
static struct fake_edit edit;

static int32_t make(const char *key, const char *value, const char *key2, const char *value2)
{
    int32_t result;
    fake_host_init(&fake);
    fake.types[0] = &type;
    fake.type_names[0] = "thing";
    fake.type_count = 1;
    err = (churn_error){.size = sizeof err};
    mask = fake_instance_new(plugin, key, value, key2, value2, NULL);
    result = ops->create(mask, &fake.host, &err);
    if (result != CHURN_OK) {
        fake_instance_free(plugin, mask);
    }
    return result;
}

static void end(void)
{
    ops->destroy(mask);
    fake_instance_free(plugin, mask);
}

/* What becomes of an event with all fields, `note` being this. */
static const char *changes(const char *note)
{
    const churn_value values[] = {{.text = str(note), .present = note[0] != '\0'},
                                  {.number = 44, .present = 1},
                                  {.text = str("a"), .present = 1},
                                  {.text = str("ORD-12345678"), .present = 1},
                                  {.number = 10000, .present = 1}};
    churn_event event = {.size = sizeof event,
                         .fields = fields,
                         .values = values,
                         .value_count = sizeof fields / sizeof fields[0],
                         .field_stride = sizeof fields[0]};
    fake_edit_init(&edit);
    CU_ASSERT_EQUAL(ops->transform(mask, &event, &edit.edit, &err), CHURN_OK);
    return edit.changes;
}

static void redacts_what_is_personal(void)
{
    CU_ASSERT_EQUAL_FATAL(make(NULL, NULL, NULL, NULL), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(changes("call me"), "note=[redacted]; -age; -kind; ");
    CU_ASSERT_STRING_EQUAL(changes(""), "-age; -kind; ");
    end();
}

static void masks_what_is_named(void)
{
    CU_ASSERT_EQUAL_FATAL(make("fields", "order_id,phone", "all_pii", "false"), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(changes("call me"), "order_id=[redacted]; -phone; ");
    end();
}

static void keeps_the_last_four_characters(void)
{
    CU_ASSERT_EQUAL_FATAL(make("method", "keep_last_4", "fields", "order_id"), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(changes("12345678"), "note=****5678; -age; -kind; order_id=****5678; ");
    CU_ASSERT_STRING_EQUAL(changes("1234567"), "note=****; -age; -kind; order_id=****5678; ");
    CU_ASSERT_STRING_EQUAL(changes("1"), "note=****; -age; -kind; order_id=****5678; ");
    CU_ASSERT_STRING_EQUAL(changes("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9"),
                           "note=****\xc3\xa9\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9; -age; -kind; order_id=****5678; ");
    CU_ASSERT_STRING_EQUAL(changes("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"),
                           "note=****; -age; -kind; order_id=****5678; ");
    end();
}

/* The first test case of RFC 4231 with a key of 20 bytes, and one of a long text. */
static void hashes_with_the_key(void)
{
    char key[] = "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b";
    CU_ASSERT_EQUAL_FATAL(make("method", "hash", "key", key), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(changes("Hi There"),
                           "note=b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7; -age; -kind; ");
    CU_ASSERT_STRING_NOT_EQUAL(changes("Hi there"),
                               "note=b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7; -age; -kind; ");
    end();
}

static void refuses_what_it_cannot_do(void)
{
    CU_ASSERT_EQUAL(make("method", "hash", NULL, NULL), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "key");
    CU_ASSERT_EQUAL(make("method", "hash", "key", "too short"), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "key");
    CU_ASSERT_EQUAL(make("fields", "amount", NULL, NULL), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "fields");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "thing.amount"));
}

static void passes_on_what_the_host_refuses(void)
{
    const churn_value values[] = {{.text = str("x"), .present = 1}};
    churn_event event = {.size = sizeof event, .fields = fields, .values = values, .value_count = 1};
    CU_ASSERT_EQUAL_FATAL(make(NULL, NULL, NULL, NULL), CHURN_OK);
    fake_edit_init(&edit);
    edit.result = CHURN_REJECT;
    CU_ASSERT_EQUAL(ops->transform(mask, &event, &edit.edit, &err), CHURN_REJECT);
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(redacts_what_is_personal),
                           TEST(masks_what_is_named),
                           TEST(keeps_the_last_four_characters),
                           TEST(hashes_with_the_key),
                           TEST(refuses_what_it_cannot_do),
                           TEST(passes_on_what_the_host_refuses),
                           CU_TEST_INFO_NULL};
    plugin = fake_plugin_load("../examples/processors/mask", "mask");
    ops = plugin->ops;
    return run_tests("mask", tests);
}
