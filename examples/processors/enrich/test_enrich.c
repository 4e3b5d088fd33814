/* The enriching processor: how a file is read, which is refused, and what happens when it changes. */
#include "cunit_main.h"
#include "fake_edit.h"
#include "fake_host.h"

#include <stdlib.h>
#include <unistd.h>

static const churn_field fields[] = {
    {"plan", .type = CHURN_FIELD_STRING}, {"count", .type = CHURN_FIELD_INT}, {"tier", .type = CHURN_FIELD_STRING}};
static const churn_event_type type = {.size = sizeof type, CHURN_FIELDS(fields)};

static const churn_plugin *plugin;
static const churn_processor_ops *ops;
static struct fake_host fake;
static void *enrich;
static churn_error err;
static struct fake_edit edit;
static char path[64];

/* Replaces the file as its manual says. */
static void put_file(const char *text)
{
    char next[80];
    FILE *file;
    (void)snprintf(next, sizeof next, "%s.new", path);
    file = fopen(next, "wb");
    CU_ASSERT_FATAL(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0 && rename(next, path) == 0);
}

static int32_t make(const char *key, const char *value)
{
    int32_t result;
    fake_host_init(&fake);
    fake.types[0] = &type;
    fake.type_names[0] = "thing";
    fake.type_count = 1;
    err = (churn_error){.size = sizeof err};
    enrich = fake_instance_new(plugin, "file", path, "check_every", "1ms", key, value, NULL);
    result = ops->create(enrich, &fake.host, &err);
    if (result != CHURN_OK) {
        fake_instance_free(plugin, enrich);
        return result;
    }
    return ops->start(enrich, &err);
}

static void end(void)
{
    ops->destroy(enrich);
    fake_instance_free(plugin, enrich);
}

/* What becomes of an event. */
static const char *changes(const char *customer, const char *plan)
{
    const churn_value values[] = {{.text = str(plan), .present = plan[0] != '\0'}, {.present = 0}, {.present = 0}};
    churn_event event = {.size = sizeof event,
                         .customer_id = str(customer),
                         .fields = fields,
                         .values = values,
                         .value_count = 3,
                         .field_stride = sizeof fields[0]};
    (void)usleep(2000); /* the file is looked at every millisecond */
    fake_edit_init(&edit);
    CU_ASSERT_EQUAL(ops->transform(enrich, &event, &edit.edit, &err), CHURN_OK);
    return edit.changes;
}

static void adds_what_the_row_says(void)
{
    put_file("tier,customer_id,region\ngold,anna,north\n,bob,south\nsilver,bobby,\n");
    CU_ASSERT_EQUAL_FATAL(make(NULL, NULL), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(changes("anna", ""), "tier=gold; region=north; ");
    CU_ASSERT_STRING_EQUAL(changes("bob", ""), "region=south; ");
    CU_ASSERT_STRING_EQUAL(changes("bobby", ""), "tier=silver; ");
    CU_ASSERT_STRING_EQUAL(changes("bobb", ""), "");
    CU_ASSERT_STRING_EQUAL(changes("zoe", ""), "");
    CU_ASSERT_STRING_EQUAL(changes("", ""), "");
    end();
    CU_ASSERT_EQUAL_FATAL(make("fields", "region"), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(changes("anna", ""), "region=north; ");
    end();
}

static void looks_up_another_field(void)
{
    put_file("plan,price\r\nbasic,9\r\n\"pro, yearly\",\"say \"\"99\"\"\"");
    CU_ASSERT_EQUAL_FATAL(make("key", "plan"), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(changes("anna", "basic"), "price=9; ");
    CU_ASSERT_STRING_EQUAL(changes("anna", "pro, yearly"), "price=say \"99\"; ");
    CU_ASSERT_STRING_EQUAL(changes("basic", ""), "");
    end();
}

static void takes_a_file_without_rows(void)
{
    put_file("customer_id,tier\n");
    CU_ASSERT_EQUAL_FATAL(make(NULL, NULL), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(changes("anna", ""), "");
    end();
}

static const struct {
    const char *text, *says;
} broken[] = {
    {"", "no column 'customer_id'"},
    {"customer,tier\na,b\n", "no column 'customer_id'"},
    {"customer_id,tier\na\n", "row 2 has 1 values, the first one 2"},
    {"customer_id,tier\na,b\nc,d,e\n", "row 3 has 3 values"},
    {"customer_id,tier\na,b\n\nc,d\n", "row 3 has 1 values"},
    {"customer_id,tier\na,b\na,c\n", "two rows for 'a'"},
    {"customer_id,tier\na,\"b\n", "row 2: a quote"},
    {"customer_id,tier\na,\"b\"c\n", "row 2: a quote"},
    {"customer_id,tier\na,b\"c\n", "row 2: a quote"},
    {"customer_id,count\na,1\n", "the column 'count' holds texts"},
};

static void refuses_a_broken_file_at_the_start(void)
{
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        put_file(broken[i].text);
        CU_ASSERT_EQUAL(make(NULL, NULL), CHURN_FATAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, broken[i].says));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, path));
        end();
    }
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL(make(NULL, NULL), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "No such file"));
    end();
}

static void keeps_the_old_file_while_the_new_one_is_broken(void)
{
    put_file("customer_id,tier\nanna,gold\n");
    CU_ASSERT_EQUAL_FATAL(make(NULL, NULL), CHURN_OK);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        unsigned lines = fake.log_lines;
        put_file(broken[i].text);
        CU_ASSERT_STRING_EQUAL(changes("anna", ""), "tier=gold; ");
        CU_ASSERT_STRING_EQUAL(changes("anna", ""), "tier=gold; ");
        CU_ASSERT_EQUAL(fake.log_lines, lines + 1);
        CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_WARN);
        CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, broken[i].says));
    }
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_STRING_EQUAL(changes("anna", ""), "tier=gold; ");
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "No such file"));
    put_file("customer_id,level\nanna,silver\nbob,gold\n");
    CU_ASSERT_STRING_EQUAL(changes("anna", ""), "level=silver; ");
    CU_ASSERT_STRING_EQUAL(changes("bob", ""), "level=gold; ");
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "2 rows"));
    end();
}

/* A change is noticed by its time, size or inode. */
static void reads_a_file_that_was_written_in_place(void)
{
    FILE *file;
    put_file("customer_id,tier\nanna,gold\n");
    CU_ASSERT_EQUAL_FATAL(make(NULL, NULL), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(changes("anna", ""), "tier=gold; ");
    file = fopen(path, "ab");
    CU_ASSERT_FATAL(file != NULL && fputs("bob,iron\n", file) >= 0 && fclose(file) == 0);
    CU_ASSERT_STRING_EQUAL(changes("bob", ""), "tier=iron; ");
    end();
}

static void refuses_a_key_that_no_event_has(void)
{
    put_file("customer_id,tier\nanna,gold\n");
    CU_ASSERT_EQUAL(make("key", "nothing"), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "key");
    CU_ASSERT_EQUAL(make("key", "count"), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "key");
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(adds_what_the_row_says),
                           TEST(looks_up_another_field),
                           TEST(takes_a_file_without_rows),
                           TEST(refuses_a_broken_file_at_the_start),
                           TEST(keeps_the_old_file_while_the_new_one_is_broken),
                           TEST(reads_a_file_that_was_written_in_place),
                           TEST(refuses_a_key_that_no_event_has),
                           CU_TEST_INFO_NULL};
    char folder[] = "/tmp/test-enrich-XXXXXX";
    int status;
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/table.csv", folder);
    plugin = fake_plugin_load("../examples/processors/enrich", "enrich");
    ops = plugin->ops;
    status = run_tests("enrich", tests);
    (void)unlink(path);
    return rmdir(folder) == 0 ? status : 1;
}
