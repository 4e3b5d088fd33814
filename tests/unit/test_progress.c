/* Where reading begins, and that no offset is committed before the store has what lies below it for good. */
#include "core/handover.h"
#include "worker_fixture.h"

#include <time.h>

static void open_without_store(void)
{
    open_worker(-1);
    session_close(&worker);
    pipeline.store.loaded = NULL;
    trace[0] = '\0';
}

/* Reads from where committed offset and checkpoint say. */
static void begin_at(int64_t committed)
{
    assign(committed, 0);
    CU_ASSERT(progress_place(&worker) && progress_ready(&worker));
    trace[0] = '\0';
}

static void test_reading_begins_at_the_lower_one(void)
{
    static const struct {
        int64_t committed, checkpoint, low;
        uint32_t flags;
        const char *asked; /* no seek: the source stands there already */
    } cases[] = {
        {20, 10, 0, 0, "get; seek 10; "},
        {20, 20, 0, 0, "get; "},
        {20, 30, 0, 0, "get; "},
        {20, 0, 0, 0, "get; seek 0; "},
        {-1, -1, 0, 0, "get; "},
        {-1, 10, 0, 0, "get; "},
        {20, 10, 15, 0, "get; seek 15; "}, /* retention took what is between */
        {20, -1, 0, CHURN_POSITION_WHOLE, "get; seek 0; "},
        {20, -1, 5, CHURN_POSITION_WHOLE, "get; seek 5; "},
        {20, -1, 0, 0, "get; "}, /* what it read of old nobody knows */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char what[32];
        (void)snprintf(what, sizeof what, "case %zu", i);
        open_worker(cases[i].checkpoint);
        source.low = cases[i].low;
        assign(cases[i].committed, cases[i].flags);
        CU_ASSERT(!progress_ready(&worker));
        CU_ASSERT(progress_place(&worker) && progress_ready(&worker));
        check_trace(cases[i].asked, what);
        CU_ASSERT(progress_place(&worker));
        check_trace("", what); /* once */
        close_worker();
    }
}

static void test_a_seek_is_repeated_until_it_succeeds(void)
{
    open_worker(10);
    source.seek_result = CHURN_RETRY;
    assign(20, 0);
    CU_ASSERT(progress_place(&worker) && !progress_ready(&worker));
    CU_ASSERT(progress_place(&worker) && !progress_ready(&worker));
    source.seek_result = CHURN_OK;
    CU_ASSERT(progress_place(&worker) && progress_ready(&worker));
    check_trace("get; seek 10; seek 10; seek 10; ", "seeks");
    close_worker();
}

/* The source does not stand any more where it was assigned, so it is moved even to that place. */
static void test_what_was_read_too_early_is_read_again(void)
{
    static const struct {
        int64_t committed, checkpoint, low;
        const char *asked;
    } cases[] = {
        {20, 20, 0, "get; seek 20; "},
        {20, 10, 0, "get; seek 10; "},
        {-1, -1, 0, "get; seek 0; "},
        {-1, -1, 5, "get; seek 5; "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char what[32];
        (void)snprintf(what, sizeof what, "case %zu", i);
        open_worker(cases[i].checkpoint);
        source.low = cases[i].low;
        assign(cases[i].committed, 0);
        progress_seek_back(&worker, 0, 25);
        CU_ASSERT(progress_place(&worker) && progress_ready(&worker));
        check_trace(cases[i].asked, what);
        close_worker();
    }
    open_without_store();
    source.low = 5;
    assign(-1, 0);
    progress_seek_back(&worker, 0, 25);
    CU_ASSERT(progress_place(&worker) && progress_ready(&worker));
    check_trace("seek 5; ", "without a store");
    close_worker();
}

static void open_forgetful(int64_t checkpoint)
{
    open_worker(checkpoint);
    loaded_source.plugin.ops = &forgetful_source_ops;
}

static void test_a_source_without_positions_goes_on_at_the_checkpoint(void)
{
    open_forgetful(-1);
    assign(0, 0);
    CU_ASSERT(progress_place(&worker) && progress_ready(&worker));
    check_trace("get; ", "nothing was read before");
    finish(30);
    CU_ASSERT(progress_commit(&worker, 5000) && progress_settled(&worker));
    check_trace("put 30 fingerprint=t/0@30; flush; ", "the source's words are kept with the offset");
    close_worker();

    open_forgetful(30);
    (void)snprintf(store.fingerprint, sizeof store.fingerprint, "as it was");
    assign(0, 0);
    CU_ASSERT(progress_place(&worker) && progress_ready(&worker));
    check_trace("get; resume t/0 30 'as it was'; seek 30; ", "read on");
    CU_ASSERT(progress_is_replayed(&worker, 0, 29) && !progress_is_replayed(&worker, 0, 30));
    progress_rewind(&worker);
    CU_ASSERT(progress_place(&worker));
    check_trace("get; resume t/0 30 'as it was'; seek 30; ", "a store that went back");
    close_worker();

    open_forgetful(30); /* written by a version that kept none, or by one that keeps more */
    memset(store.fingerprint, 'x', sizeof store.fingerprint - 1);
    source.resume_from = 20; /* its last line was not whole */
    assign(0, 0);
    CU_ASSERT(progress_place(&worker) && progress_ready(&worker));
    check_trace("get; resume t/0 30 ''; seek 20; ", "lower");
    source.fingerprint_result = CHURN_RETRY;
    finish(40);
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("put 40; flush; ", "it does not know");
    close_worker();
}

static void test_a_source_that_holds_something_else(void)
{
    open_forgetful(30);
    source.resume_result = CHURN_RETRY;
    assign(0, 0);
    CU_ASSERT(progress_place(&worker) && !progress_ready(&worker));
    check_trace("get; resume t/0 30 ''; ", "not known yet");
    source.resume_result = CHURN_FATAL;
    CU_ASSERT(!progress_place(&worker) && worker.failed);
    check_trace("get; resume t/0 30 ''; ", "another one");
    check_contains(worker.failure, "source: the test says so", "why");
    close_worker();
}

static void test_a_replay_of_a_source_without_positions(void)
{
    open_forgetful(30);
    pipeline.replay.from = REPLAY_FROM_BEGINNING;
    assign(0, 0);
    CU_ASSERT(progress_place(&worker) && progress_ready(&worker));
    check_trace("get; resume t/0 30 ''; ", "it stands at its beginning");
    CU_ASSERT(progress_muted(&worker, 0, 29) != 0 && progress_muted(&worker, 0, 30) == 0);
    close_worker();
}

static void test_a_shorter_topic_is_another_one(void)
{
    open_worker(1001);
    assign(20, 0);
    CU_ASSERT(!progress_place(&worker) && worker.failed);
    check_trace("get; ", "checkpoint beyond the end");
    close_worker();
}

static void test_a_commit_follows_the_checkpoint(void)
{
    open_worker(20);
    begin_at(20);
    progress_step(&worker, true);
    check_trace("", "nothing is done");
    finish(30);
    progress_step(&worker, false);
    check_trace("", "not due");
    progress_step(&worker, true);
    check_trace("put 30; ", "due");
    progress_step(&worker, true);
    CU_ASSERT(!progress_settled(&worker));
    check_trace("", "not answered");
    take_answers();
    check_trace("", "answered, not known to be durable");
    progress_step(&worker, true);
    check_trace("flush; commit 30; ", "durable");
    CU_ASSERT(progress_settled(&worker));
    progress_step(&worker, true);
    check_trace("", "all is told");
    close_worker();
}

static void test_a_commit_waits_until_it_is_durable(void)
{
    static const struct timespec pause = {.tv_nsec = 80000000};
    open_worker(20);
    begin_at(20);
    store.flush_result = CHURN_PENDING;
    finish(30);
    progress_step(&worker, true);
    take_answers();
    progress_step(&worker, true);
    check_trace("put 30; flush; ", "asked");
    take_answers();
    finish(40);
    progress_step(&worker, true);
    check_trace("", "not durable yet");
    (void)nanosleep(&pause, NULL);
    store.durable = true;
    progress_step(&worker, true);
    check_trace("flush; ", "asked again");
    take_answers();
    check_trace("commit 30; ", "durable: what was put before, and no more");
    CU_ASSERT(!progress_settled(&worker));
    CU_ASSERT(progress_commit(&worker, 5000) && progress_settled(&worker));
    check_trace("put 40; flush; commit 40; commit 40; ", "the rest; what was sent unseen is told again");
    close_worker();
}

static void test_a_refused_commit_is_told_again(void)
{
    open_worker(20);
    begin_at(20);
    source.commit_result = CHURN_RETRY;
    finish(30);
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("put 30; flush; commit 30; commit 30; ", "refused, both times");
    source.commit_result = CHURN_OK;
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("commit 30; ", "taken");
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("", "known");
    close_worker();
}

static void test_a_checkpoint_without_an_answer(void)
{
    open_worker(20);
    begin_at(20);
    finish(30);
    progress_step(&worker, true);
    store.breaks = true; /* it was written, and nobody knows */
    take_answers();
    CU_ASSERT(worker.session == NULL && store.offset == 30);
    progress_step(&worker, true);
    check_trace("put 30; close; ", "no session, no commit");
    worker.next_open_ms = 0;
    CU_ASSERT(session_step(&worker));
    progress_step(&worker, true);
    take_answers();
    check_trace("open; put 30; ", "a conflict with itself");
    progress_step(&worker, true);
    check_trace("flush; commit 30; ", "which says that it is stored");
    CU_ASSERT(!worker.store_went_back);
    close_worker();
}

/* ---- a processor that keeps state ---- */

static int32_t checkpoint_result;

static int32_t take_checkpoint(void *self, churn_error *err)
{
    (void)self;
    note("checkpoint; ");
    return checkpoint_result == CHURN_OK ? CHURN_OK : churn_fail(err, checkpoint_result, "the test says so");
}

static void forget(void *self)
{
    (void)self;
    note("forget; ");
}

static void add_processor(void)
{
    static const churn_processor_ops ops = {.size = sizeof ops, .checkpoint = take_checkpoint, .forget = forget};
    static struct loaded loaded = {.plugin = {.ops = &ops}};
    static struct section section = {.loaded = &loaded, .label = "processor"};
    static struct instance instance, *instances[] = {&instance};
    pipeline.processors = &section;
    pipeline.processor_count = 1;
    worker.processors = instances;
    checkpoint_result = CHURN_RETRY;
}

static void test_state_is_stored_first(void)
{
    open_worker(20);
    begin_at(20);
    add_processor();
    progress_step(&worker, true);
    CU_ASSERT(progress_settled(&worker));
    check_trace("", "nothing is done");
    finish(30);
    progress_step(&worker, true);
    progress_step(&worker, true);
    CU_ASSERT(progress_commit(&worker, 1) && !progress_settled(&worker));
    check(strncmp(trace, "checkpoint; checkpoint; ", 24) == 0 && strstr(trace, "put") == NULL &&
              strstr(trace, "commit") == NULL,
          "held: %s", trace);
    trace[0] = '\0';
    checkpoint_result = CHURN_OK;
    CU_ASSERT(progress_commit(&worker, 5000) && progress_settled(&worker));
    check_trace("checkpoint; put 30; flush; commit 30; commit 30; ", "let go");
    finish(40);
    checkpoint_result = CHURN_FATAL;
    progress_step(&worker, true);
    CU_ASSERT(worker.failed && !progress_commit(&worker, 5000));
    check_contains(trace, "checkpoint; ", "asked");
    CU_ASSERT(strstr(trace, "put") == NULL && strstr(trace, "commit") == NULL);
    trace[0] = '\0';
    processors_forget(&worker);
    check_trace("forget; ", "forgotten");
    close_worker();
}

static void test_state_without_a_store(void)
{
    open_without_store();
    assign(20, 0);
    CU_ASSERT(progress_place(&worker));
    add_processor();
    finish(30);
    progress_step(&worker, true);
    check_trace("checkpoint; ", "held");
    CU_ASSERT(progress_commit(&worker, 1) && !progress_settled(&worker));
    CU_ASSERT(strstr(trace, "commit") == NULL);
    trace[0] = '\0';
    checkpoint_result = CHURN_OK;
    CU_ASSERT(progress_commit(&worker, 5000) && progress_settled(&worker));
    check_trace("checkpoint; commit 30; ", "let go");
    close_worker();
}

static void test_conflicts(void)
{
    open_worker(20);
    begin_at(20);
    store.version = 9; /* another member was here, and is behind */
    store.offset = 25;
    finish(30);
    progress_step(&worker, true);
    take_answers();
    progress_step(&worker, true);
    take_answers();
    progress_step(&worker, true);
    check_trace("put 30; put 30; flush; commit 30; ", "the other is behind");
    CU_ASSERT(store.offset == 30 && store.version == 10);
    store.version = 12; /* … and is ahead: what it has is not put back */
    store.offset = 50;
    finish(40);
    progress_step(&worker, true);
    take_answers();
    progress_step(&worker, true);
    check_trace("put 40; flush; commit 40; ", "the other is ahead");
    CU_ASSERT(store.offset == 50 && store.version == 12);
    CU_ASSERT(!worker.store_went_back);
    finish(45);
    progress_step(&worker, true);
    take_answers();
    progress_step(&worker, true);
    check_trace("put 50; flush; commit 45; ", "a checkpoint is never put back");
    store.version = 11; /* lower than was seen */
    finish(60);
    progress_step(&worker, true);
    take_answers();
    CU_ASSERT(worker.store_went_back);
    progress_step(&worker, true);
    check_trace("put 60; ", "a store that went back: nothing is put, nothing committed");
    close_worker();
}

static void test_a_checkpoint_that_is_refused(void)
{
    open_worker(20);
    begin_at(20);
    finish(30);
    progress_step(&worker, true);
    store.put_result = CHURN_RETRY;
    take_answers();
    progress_step(&worker, true);
    CU_ASSERT(!progress_settled(&worker));
    check_trace("put 30; flush; ", "a store that is full: no commit");
    store.put_result = CHURN_OK;
    progress_step(&worker, true);
    take_answers();
    progress_step(&worker, true);
    check_trace("put 30; flush; commit 30; ", "put again");
    store.put_result = CHURN_FATAL;
    finish(40);
    progress_step(&worker, true);
    CU_ASSERT(!session_poll(&worker, NULL, NEVER_WAIT) && worker.failed);
    check_trace("put 40; ", "never possible");
    close_worker();
}

static void test_what_was_revoked_is_not_committed(void)
{
    open_worker(20);
    begin_at(20);
    finish(30);
    progress_step(&worker, true);
    progress_revoke(&worker);
    check_trace("put 30; close; ", "revoked before the answer");
    worker.next_open_ms = 0;
    CU_ASSERT(session_step(&worker) && progress_commit(&worker, 1000));
    check_trace("open; ", "no commit");
    close_worker();
}

static void assign_anew(void)
{
    churn_position position = {.topic = "t"};
    CU_ASSERT(progress_assign(&worker, &position, 1));
}

/* A source without positions of its own goes on after a reload where the pipeline before had come, but not beyond what
 * the store is sure of. */
static void test_reading_goes_on_after_a_reload(void)
{
    static const struct {
        int64_t done, checkpoint;
        bool has_store, remembers;
        const char *asked;
    } cases[] = {
        {30, 30, true, false, "get; resume t/0 30 ''; seek 30; "},
        {30, 20, true, false, "get; resume t/0 20 ''; seek 20; "}, /* the last checkpoint was not put */
        {30, 40, true, false,
         "get; resume t/0 40 ''; seek 40; "}, /* another process is further, and all of that is in the store */
        {30, -1, true, false, "get; "},       /* another store */
        {30, 30, true, true, "get; "},        /* its group knows better */
        {30, -1, false, false, "seek 30; "},
        {30, -1, false, true, ""},
        {-1, 20, true, false,
         "get; resume t/0 20 ''; seek 20; "}, /* nothing was done, and an earlier run had come further */
    };
    struct handover handover = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char what[32];
        (void)snprintf(what, sizeof what, "case %zu", i);
        open_worker(cases[i].checkpoint);
        pipeline.handover = &handover;
        loaded_source.plugin.ops = cases[i].remembers ? &fake_source_ops : &forgetful_source_ops;
        assign_anew();
        CU_ASSERT(progress_place(&worker));
        if (cases[i].done >= 0) {
            finish(cases[i].done);
        }
        progress_hand_over(&worker);
        pipeline.store.loaded = cases[i].has_store ? &loaded_store : NULL;
        trace[0] = '\0';
        assign_anew();
        CU_ASSERT(progress_place(&worker) && progress_ready(&worker));
        check_trace(cases[i].asked, what);
        pipeline.store.loaded = &loaded_store;
        close_worker();
        handover_free(&handover);
    }
    loaded_source.plugin.ops = &fake_source_ops;
}

static void test_what_is_handed_over(void)
{
    struct handover handover = {0};
    handover_set(&handover, "t", 0, 10);
    handover_set(&handover, "t", 1, 20);
    handover_set(&handover, "u", 0, 30);
    handover_set(&handover, "t", 0, 5); /* the newest counts, also when it is less: the store went back */
    CU_ASSERT_EQUAL(handover_get(&handover, "t", 0), 5);
    CU_ASSERT_EQUAL(handover_get(&handover, "t", 1), 20);
    CU_ASSERT_EQUAL(handover_get(&handover, "u", 0), 30);
    CU_ASSERT_EQUAL(handover_get(&handover, "u", 1), -1);
    CU_ASSERT(!handover.failed);
    handover_free(&handover);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_reading_begins_at_the_lower_one),
                           TEST(test_a_seek_is_repeated_until_it_succeeds),
                           TEST(test_what_was_read_too_early_is_read_again),
                           TEST(test_a_source_without_positions_goes_on_at_the_checkpoint),
                           TEST(test_a_source_that_holds_something_else),
                           TEST(test_a_replay_of_a_source_without_positions),
                           TEST(test_a_shorter_topic_is_another_one),
                           TEST(test_a_commit_follows_the_checkpoint),
                           TEST(test_a_commit_waits_until_it_is_durable),
                           TEST(test_a_refused_commit_is_told_again),
                           TEST(test_a_checkpoint_without_an_answer),
                           TEST(test_a_checkpoint_that_is_refused),
                           TEST(test_state_is_stored_first),
                           TEST(test_state_without_a_store),
                           TEST(test_conflicts),
                           TEST(test_what_was_revoked_is_not_committed),
                           TEST(test_reading_goes_on_after_a_reload),
                           TEST(test_what_is_handed_over),
                           CU_TEST_INFO_NULL};
    return run_tests("progress", tests);
}
