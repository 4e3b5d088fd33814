/* One entry for each cause, with the workers that it is of. */
#include "core/base/clock.h"
#include "core/observe/troubles.h"

#include "check.h"

static void add(struct json_object *list, unsigned worker, const char *plugin, const char *what, const char *message,
                int64_t since_ms)
{
    troubles_add(list, &(const struct stall_report){
                           .plugin = plugin, .what = what, .message = message, .worker = worker, .since_ms = since_ms});
}

static void check_entry(struct json_object *list, size_t i, const char *json, const char *who)
{
    struct json_object *trouble = json_object_array_get_idx(list, i);
    char text[TROUBLES_WHO_SIZE];
    check_text(json_object_to_json_string_ext(trouble, JSON_C_TO_STRING_PLAIN), json, who);
    troubles_who(trouble, text);
    check_text(text, who, json);
}

static void test_one_cause_is_one_entry(void)
{
    struct json_object *list = json_object_new_array();
    add(list, 3, "redis", "write", "12 profiles wait for 9 s", 2000);
    add(list, 0, "redis", "write", "7 profiles wait for 10 s", 1000);
    add(list, 1, "redis", "write", "7 profiles wait for 10 s", 3000);
    add(list, 1, "redis", "store", "7 profiles wait for 10 s", 3000);
    add(list, 2, "kafka", "store", "7 profiles wait for 10 s", 3000);
    add(list, 4, "redis", "write", "7 profiles wait for 10 s or more", 3000);
    add(list, 5, "redis", "write", "some profiles wait for 10 s", 3000);
    add(list, TROUBLES_OF_RUN, "churnd", "run", "starting", 0);
    CU_ASSERT_EQUAL_FATAL(json_object_array_length(list), 6);
    check_entry(list, 0,
                "{\"worker\":0,\"workers\":[0,1,3],\"plugin\":\"redis\",\"what\":\"write\","
                "\"message\":\"12 profiles wait for 9 s\",\"since\":\"1970-01-01T00:00:01.000Z\"}",
                "workers 0-1, 3");
    check_entry(list, 1,
                "{\"worker\":1,\"workers\":[1],\"plugin\":\"redis\",\"what\":\"store\","
                "\"message\":\"7 profiles wait for 10 s\",\"since\":\"1970-01-01T00:00:03.000Z\"}",
                "worker 1");
    check_entry(list, 5,
                "{\"worker\":0,\"workers\":[],\"plugin\":\"churnd\",\"what\":\"run\",\"message\":\"starting\","
                "\"since\":\"1970-01-01T00:00:00.000Z\"}",
                "");
    (void)json_object_put(list);
}

/* What does not fit is left out; what is no entry of ours has no workers. */
static void test_many_workers(void)
{
    struct json_object *list = json_object_new_array(), *odd = json_object_new_object();
    char text[TROUBLES_WHO_SIZE];
    for (unsigned i = 64; i-- > 0;) {
        add(list, i, "p", "w", "m", 0);
    }
    troubles_who(json_object_array_get_idx(list, 0), text);
    check_text(text, "workers 0-63", "all");
    for (unsigned i = 1000; i < 2000; i += 2) {
        add(list, i, "p", "w", "m", 0);
    }
    troubles_who(json_object_array_get_idx(list, 0), text);
    check_contains(text, "workers 0-63, 1000, 1002", "with gaps");
    troubles_who(odd, text);
    check_text(text, "", "nothing");
    (void)json_object_put(odd);
    (void)json_object_put(list);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_one_cause_is_one_entry), TEST(test_many_workers), CU_TEST_INFO_NULL};
    return run_tests("troubles", tests);
}
