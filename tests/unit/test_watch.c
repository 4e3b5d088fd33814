/* What only time shows of a worker: a source, a store or a processor that keeps events from moving. */
#include "core/engine/placing.h"
#include "core/engine/processors.h"
#include "core/engine/watch.h"
#include "core/engine/writer.h"
#include "worker_fixture.h"

static void see(void *ctx, const struct stall_report *report)
{
    char *text = ctx;
    (void)sprintf(text + strlen(text), "%s %s: %s; ", report->plugin, report->what, report->message);
}

/* The worker looks around, and exactly this is the matter. */
static void check_look(const char *expected, const char *when)
{
    char text[2048] = "";
    worker.watch.looked_ms = 0;
    watch_step(&worker);
    stalls_each(pipeline.stalls, see, text);
    check_text(text, expected, when);
}

static void assign_nothing(bool on)
{
    atomic_store(&worker.signs.assigned, on);
}

static void tell_lag(int64_t messages)
{
    atomic_store(&worker.signs.lag_messages, messages);
    atomic_store(&worker.signs.lag_known, true);
}

static void test_a_source_without_anything_to_read_from(void)
{
    open_worker(-1);
    check_look("", "at first");
    worker.watch.dry_since_ms -= 29000;
    check_look("", "it takes its time");
    worker.watch.dry_since_ms -= 1500;
    check_look("source source: it has had nothing to read from for 30 s; ", "it takes too long");
    assign_nothing(true);
    check_look("", "over");
    assign_nothing(false);
    check_look("", "time counts anew");
    close_worker();
}

/* Its place is sought while the store is there; without the store that is the store's trouble. */
static void test_a_source_whose_place_is_not_found(void)
{
    open_worker(20);
    assign(20, 0);
    assign_nothing(true);
    CU_ASSERT(!partitions_ready(&worker));
    check_look("", "at first");
    worker.watch.dry_since_ms -= 31000;
    check_look("source source: it has had nothing to read from for 31 s; ", "it takes too long");
    CU_ASSERT(placing_step(&worker));
    check_look("", "found");
    progress_rewind(&worker);
    session_close(&worker);
    check_look("", "the store is gone");
    CU_ASSERT(worker.watch.dry_since_ms == 0);
    close_worker();
}

static void test_a_source_that_hands_out_nothing(void)
{
    open_worker(-1);
    assign_nothing(true);
    tell_lag(7);
    worker.watch.dry = true;
    check_look("", "at first");
    worker.watch.dry_since_ms -= 59000;
    check_look("", "it takes its time");
    worker.watch.dry_since_ms -= 1500;
    check_look("source source: it has handed out no record for 60 s, although 7 are there; ", "it takes too long");
    worker.watch.handed_out = true;
    check_look("", "it has handed out some");
    check_look("", "time counts anew");
    worker.watch.dry_since_ms -= 61000;
    worker.watch.dry = false;
    check_look("", "it was not asked");
    worker.watch.dry = true;
    tell_lag(0);
    worker.watch.dry_since_ms -= 61000;
    check_look("", "there is nothing");
    close_worker();
}

static void test_a_store_that_says_nothing(void)
{
    struct window *window;
    open_worker(-1);
    assign_nothing(true);
    worker.ring.oldest = 1;
    worker.ring.newest = 2;
    window = window_filled(&worker);
    window->state = WINDOW_WRITING;
    window->delta_count = 5;
    window->stored = 0;
    check_look("", "at first");
    worker.watch.silent_since_ms -= 9000;
    check_look("", "it takes its time");
    worker.watch.silent_since_ms -= 1500;
    check_look("store write: it has not answered for 10 s, and 5 profiles wait to be written; ", "it takes too long");
    window->stored = 2;
    check_look("store write: it has not answered for 10 s, and 5 profiles wait to be written; ",
               "until all is written");
    CU_ASSERT(worker.watch.silent_since_ms == 0);
    check_look("store write: it has not answered for 10 s, and 5 profiles wait to be written; ", "time counts anew");
    CU_ASSERT(worker.watch.silent_since_ms != 0);
    window->delta_count = window->stored = 0; /* the deltas are no real ones */
    writer_discard(&worker, window);
    check_look("", "given up");
    worker.watch.silent_since_ms = 1;
    worker.writer.retry_ms = 1;
    check_look("", "what it refuses is told by others");
    close_worker();
}

/* ---- a processor that keeps state ---- */

static int32_t checkpoint_result;

static int32_t checkpoint(void *self, churn_error *err)
{
    (void)self;
    (void)snprintf(err->message, sizeof err->message, "the ids are not stored");
    return checkpoint_result;
}

static void test_a_processor_that_has_not_stored_its_state(void)
{
    static const churn_processor_ops ops = {.size = sizeof ops, .checkpoint = checkpoint};
    static struct loaded loaded = {.plugin = {.ops = &ops}};
    static struct section section = {.loaded = &loaded, .label = "seen"};
    static struct instance instance, *instances[] = {&instance};
    open_worker(-1);
    assign_nothing(true);
    pipeline.processors = &section;
    pipeline.processor_count = 1;
    worker.processors = instances;
    checkpoint_result = CHURN_RETRY;
    CU_ASSERT(!processors_checkpoint(&worker));
    check_look("seen checkpoint: the ids are not stored; offsets are not committed until then; ", "not stored");
    checkpoint_result = CHURN_OK;
    CU_ASSERT(processors_checkpoint(&worker));
    check_look("", "stored");
    close_worker();
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_a_source_without_anything_to_read_from),    TEST(test_a_source_whose_place_is_not_found),
        TEST(test_a_source_that_hands_out_nothing),           TEST(test_a_store_that_says_nothing),
        TEST(test_a_processor_that_has_not_stored_its_state), CU_TEST_INFO_NULL};
    return run_tests("watch", tests);
}
