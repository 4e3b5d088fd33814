/* When a replay until the end may end, beside others that hold some of its partitions. */
#include "core/engine/replaying.h"

#include "check.h"

static int64_t now;
static int32_t partitions; /* of topic "t", each with records */

static int64_t tell_now(void)
{
    return now;
}

static void tell_extents(void *self, churn_extent_fn fn, void *ctx)
{
    (void)self;
    for (int32_t i = 0; i < partitions; i++) {
        fn(ctx, "t", i, 0, 10);
    }
}

static const churn_source_ops ops = {.extents = tell_extents};
static struct loaded loaded = {.plugin.ops = &ops};
static struct pipeline pipeline;
static struct instance instance;
static struct worker worker;
static struct replaying *replaying;
static FILE *file;
static struct log *the_log;

static void begin_test(void)
{
    bool ok;
    now = 1000;
    partitions = 1;
    pipeline =
        (struct pipeline){.source = {.loaded = &loaded}, .until_end = true, .replay.from = REPLAY_FROM_BEGINNING};
    worker = (struct worker){.pipeline = &pipeline, .source = &instance, .reading.at_end = true};
    pipeline.replaying = replaying = replaying_new(&pipeline, tell_now, &ok);
    file = tmpfile();
    the_log = file != NULL ? log_new(fileno(file), CHURN_LOG_INFO, LOG_FORMAT_TEXT) : NULL;
    CU_ASSERT_FATAL(ok && replaying != NULL && the_log != NULL);
    replaying_look(&worker);
}

static void end_test(void)
{
    replaying_free(replaying);
    parts_free(&worker.parts);
    log_free(the_log);
    (void)fclose(file);
}

/* Whether the run may end when the clock says `at`; checks that it is whole or not then. */
static bool may_end_at(int64_t at, bool at_end, bool expected_whole)
{
    bool whole, may;
    now = at;
    may = replaying_may_end(replaying, the_log, at_end, &whole);
    CU_ASSERT_EQUAL(whole, expected_whole);
    return may;
}

static void test_what_others_hold_has_its_time(void)
{
    begin_test();
    CU_ASSERT_FALSE(may_end_at(2000, true, true));
    CU_ASSERT_FALSE(may_end_at(6999, true, true));
    CU_ASSERT_TRUE(may_end_at(7000, true, false));
    end_test();
}

/* A partition that comes to us makes its worker leave the end; the next one that is on its way has all its time. */
static void test_the_time_begins_anew_when_a_partition_has_come(void)
{
    begin_test();
    CU_ASSERT_FALSE(may_end_at(2000, true, true));
    CU_ASSERT_FALSE(may_end_at(6000, false, true));
    CU_ASSERT_FALSE(may_end_at(60000, true, true));
    CU_ASSERT_FALSE(may_end_at(64999, true, true));
    CU_ASSERT_TRUE(may_end_at(65000, true, false));
    end_test();
}

static void test_without_a_replay_a_run_ends_at_the_end(void)
{
    bool whole;
    CU_ASSERT_FALSE(replaying_may_end(NULL, NULL, false, &whole));
    CU_ASSERT_TRUE(replaying_may_end(NULL, NULL, true, &whole) && whole);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_what_others_hold_has_its_time),
                           TEST(test_the_time_begins_anew_when_a_partition_has_come),
                           TEST(test_without_a_replay_a_run_ends_at_the_end), CU_TEST_INFO_NULL};
    return run_tests("replaying", tests);
}
