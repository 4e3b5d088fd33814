/* A session with a store that goes away, comes back, or comes back as another one. */
#include "core/base/clock.h"
#include "core/engine/partitions.h"
#include "core/engine/placing.h"
#include "core/engine/progress.h"
#include "core/engine/rounds.h"
#include "core/engine/session.h"
#include "core/pipeline/host.h"

#include "no_leaks.h"
#include "worker_fixture.h"

static void append_stall(void *ctx, const struct stall_report *report)
{
    size_t len = strlen(ctx);
    (void)snprintf((char *)ctx + len, 256 - len, "%s: %s: %s", report->plugin, report->what, report->message);
}

static void check_stalled(const char *expected)
{
    char got[256] = "";
    stalls_each(pipeline.stalls, append_stall, got);
    check_text(got, expected, "stalled");
}

/* As the worker does when the store went back. */
static void rewind_worker(void)
{
    worker.session.went_back = false;
    session_close(&worker);
    progress_rewind(&worker);
    worker.session.next_open_ms = 0;
}

/* Reads t/0 from 20, where the checkpoint is, and has done up to 30, which is committed. */
static void open_and_commit(void)
{
    open_worker(20);
    assign(20, 0);
    CU_ASSERT(placing_step(&worker));
    finish(30);
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("get; put 30; flush; commit 30; commit 30; ", "the first commit");
}

static void become_another(int64_t checkpoint)
{
    (void)snprintf(store.identity, sizeof store.identity, "B");
    store.offset = checkpoint;
    store.version = checkpoint >= 0 ? 7 : 0;
}

/* Nothing is written to the other store, or committed, before reading goes on from its own checkpoint. */
static void check_rewound_to(int64_t offset)
{
    char asked[64];
    CU_ASSERT(worker.session.went_back);
    finish(40);
    rounds_step(&worker, true);
    check_trace("", "nothing is put");
    rewind_worker();
    CU_ASSERT(session_step(&worker) && !worker.session.went_back && !partitions_ready(&worker));
    finish(40); /* late */
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    (void)snprintf(asked, sizeof asked, "close; open; get; seek %lld; ", (long long)offset);
    check_trace(asked, "rewound");
    CU_ASSERT(metrics_sum(pipeline.metrics, "rewinds") == 1);
    rounds_step(&worker, true);
    check_trace("", "what was done on the old one does not count");
    finish(offset + 1);
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    (void)snprintf(asked, sizeof asked, "put %lld; flush; ", (long long)offset + 1);
    check_trace(asked, "the group is further: it is not moved back");
}

static void test_another_store_on_a_new_session(void)
{
    open_and_commit();
    session_lose(&worker, "gone");
    become_another(10);
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker));
    check_trace("close; open; ", "again");
    check_rewound_to(10);
    close_worker();
}

static void test_another_store_on_an_idle_session(void)
{
    open_and_commit();
    CU_ASSERT(session_check(&worker) && !worker.session.went_back);
    become_another(10);
    CU_ASSERT(session_check(&worker));
    check_rewound_to(10);
    close_worker();
}

static void test_the_same_store_again(void)
{
    open_and_commit();
    session_lose(&worker, "gone");
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker) && !worker.session.went_back && partitions_ready(&worker));
    finish(40);
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("close; open; put 40; flush; commit 40; commit 40; ", "goes on");
    close_worker();
}

/* A busy session is not asked who it is: nothing may be asked while puts are unanswered. */
static void test_no_check_while_puts_wait(void)
{
    open_and_commit();
    finish(40);
    rounds_step(&worker, true);
    become_another(10);
    CU_ASSERT(session_check(&worker) && !worker.session.went_back);
    close_worker();
}

static void test_out_of_reach(void)
{
    int64_t first;
    open_and_commit();
    session_lose(&worker, "gone");
    store.open_result = CHURN_RETRY;
    CU_ASSERT(session_step(&worker) && worker.session.handle == NULL);
    check_trace("close; ", "not at once");
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker) && worker.session.handle == NULL);
    first = worker.session.open_pause_ms;
    for (int i = 0; i < 20; i++) {
        worker.session.next_open_ms = 0;
        CU_ASSERT(session_step(&worker) && worker.session.handle == NULL && !worker.failed);
    }
    CU_ASSERT(first > 0 && worker.session.open_pause_ms > first && worker.session.open_pause_ms <= 5000);
    CU_ASSERT(worker.session.next_open_ms > clock_monotonic_ms());
    trace[0] = '\0';
    finish(40);
    CU_ASSERT(progress_commit(&worker, 50));
    check_trace("", "no commit without the store");
    store.open_result = CHURN_OK;
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker) && worker.session.handle != NULL && worker.session.open_pause_ms == 0);
    close_worker();
}

/* The pause between attempts doubles, to five seconds; what is broken is opened again soon. */
static void test_pauses(void)
{
    static const int64_t pauses[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
    open_and_commit();
    session_lose(&worker, "gone");
    CU_ASSERT(worker.session.next_open_ms - clock_monotonic_ms() <= 100 && worker.session.next_open_ms != 0);
    check_stalled("store: store: gone; waiting, nothing is lost");
    store.open_result = CHURN_RETRY;
    for (size_t i = 0; i < COUNT(pauses); i++) {
        int64_t before = clock_monotonic_ms();
        worker.session.next_open_ms = 0;
        CU_ASSERT(session_step(&worker) && worker.session.handle == NULL);
        CU_ASSERT_EQUAL(worker.session.open_pause_ms, pauses[i]);
        CU_ASSERT(worker.session.next_open_ms >= before + pauses[i]);
        CU_ASSERT(worker.session.next_open_ms <= clock_monotonic_ms() + pauses[i]);
    }
    check_stalled("store: store: no way; waiting, nothing is lost");
    store.open_result = CHURN_OK;
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker) && worker.session.fresh && worker.session.open_pause_ms == 0);
    check_stalled("");
    CU_ASSERT(!worker.session.went_back);
    close_worker();
}

static void test_a_store_that_cannot_be_opened(void)
{
    open_and_commit();
    session_lose(&worker, "gone");
    trace[0] = '\0';
    store.open_result = CHURN_FATAL;
    worker.session.next_open_ms = 0;
    worker.session.fresh = false;
    CU_ASSERT(!session_step(&worker) && worker.session.handle == NULL && !worker.session.fresh);
    check_text(worker.failure, "store: no way", "why");
    check_trace("open; ", "once; there is no session to close");
    close_worker();
}

/* What a plugin that hangs is called for is known to main. */
static void test_who_is_called(void)
{
    open_and_commit();
    CU_ASSERT_PTR_NULL(atomic_load(&worker.signs.inside));
    session_lose(&worker, "gone");
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker));
    CU_ASSERT_PTR_EQUAL(store.inside_open, &pipeline.store);
    CU_ASSERT_PTR_NULL(atomic_load(&worker.signs.inside));
    finish(40);
    rounds_step(&worker, true);
    take_answers();
    CU_ASSERT_PTR_EQUAL(store.inside_poll, &pipeline.store);
    CU_ASSERT_PTR_NULL(atomic_load(&worker.signs.inside));
    close_worker();
}

/* A store that cannot tell who it is, in a session that stands. */
static void test_an_idle_session_that_fails(void)
{
    open_and_commit();
    store.identity_result = CHURN_FATAL;
    CU_ASSERT(!session_check(&worker) && worker.failed);
    check_text(worker.failure, "store: the identity is not told", "why");
    close_worker();
    open_and_commit();
    store.identity_result = CHURN_RETRY;
    CU_ASSERT(session_check(&worker) && worker.session.handle == NULL);
    check_stalled("store: store: the identity is not told; waiting, nothing is lost");
    CU_ASSERT(session_check(&worker) && !worker.failed); /* nobody to ask */
    close_worker();
}

/* Nothing is asked, or waited for, of whom nothing is awaited. */
static void test_nothing_to_poll_for(void)
{
    open_and_commit();
    CU_ASSERT(session_poll(&worker, NULL, NEVER_WAIT));
    check_trace("", "nothing is awaited");
    finish(40);
    rounds_step(&worker, true);
    worker.session.went_back = true;
    CU_ASSERT(session_poll(&worker, NULL, NEVER_WAIT) && rounds_wait(&worker));
    worker.session.went_back = false;
    worker.moved = false;
    take_answers();
    CU_ASSERT(worker.moved && !rounds_wait(&worker));
    close_worker();
}

static void test_more_answers_than_asked_for(void)
{
    open_and_commit();
    finish(40);
    rounds_step(&worker, true);
    store.too_many = true;
    CU_ASSERT(!session_poll(&worker, NULL, NEVER_WAIT) && worker.failed);
    check_text(worker.failure,
               "store store breaks the rules of its plugin interface: its poll gives 513 replies, of 512 at most "
               "(/plugins/fake.so)",
               "why");
    close_worker();
}

static void test_an_identity_that_cannot_be_told(void)
{
    open_and_commit();
    store.identity_result = CHURN_RETRY;
    CU_ASSERT(session_check(&worker) && worker.session.handle == NULL && !worker.failed);
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker) && worker.session.handle == NULL); /* not used before it is known */
    store.identity_result = CHURN_FATAL;
    worker.session.next_open_ms = 0;
    CU_ASSERT(!session_step(&worker) && worker.failed);
    close_worker();
}

/* An answer to a put that nobody made, or the second one to it, would stand for a write that never came. */
static void test_answers_that_nobody_waits_for(void)
{
    static const uint64_t strangers[] = {0 /* twice */, 1, 100, CHECKPOINT_ID, UINT64_MAX};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        open_and_commit();
        finish(40);
        rounds_step(&worker, true);
        store.twice = i == 0;
        store.stranger = strangers[i];
        CU_ASSERT(!session_poll(&worker, NULL, NEVER_WAIT) && worker.failed);
        check_contains(worker.failure, "store store breaks the rules of its plugin interface: its poll answers a put",
                       "the failure");
        check_contains(worker.failure, "/plugins/fake.so", "the failure");
        close_worker();
    }
}

/* … and an answer to a flush that was not asked for. */
static void test_an_answer_to_no_flush(void)
{
    open_and_commit();
    finish(40);
    rounds_step(&worker, true);
    store.stranger = UINT32_MAX;
    CU_ASSERT(!session_poll(&worker, NULL, NEVER_WAIT) && worker.failed);
    close_worker();
}

/* CHURN_OK without an answer is waited on like CHURN_PENDING, not asked again at once for ever. */
static void test_a_poll_that_gives_nothing(void)
{
    open_and_commit();
    finish(40);
    rounds_step(&worker, true);
    store.empty = true;
    CU_ASSERT(session_poll(&worker, NULL, NEVER_WAIT) && rounds_wait(&worker));
    close_worker();
}

/* Nothing is read or written by a user who may not do all of it. */
static void test_what_the_user_may_not_do(void)
{
    open_and_commit();
    session_lose(&worker, "gone");
    store.allowed_result = CHURN_RETRY;
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker) && worker.session.handle == NULL && !worker.failed);
    store.allowed_result = CHURN_FATAL;
    worker.session.next_open_ms = 0;
    CU_ASSERT(!session_step(&worker) && worker.session.handle == NULL && worker.failed);
    check_contains(worker.failure, "forbidden", "the reason");
    close_worker();
}

/* A session that is closed, for whatever reason, does not count as open until the worker says so again. */
static void test_what_is_said_of_a_closed_session(void)
{
    open_and_commit();
    atomic_store(&worker.signs.session_open, true); /* as the worker says in its turn */
    session_close(&worker);
    CU_ASSERT(!atomic_load(&worker.signs.session_open));
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker));
    atomic_store(&worker.signs.session_open, true);
    session_lose(&worker, "gone");
    CU_ASSERT(!atomic_load(&worker.signs.session_open));
    close_worker();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_another_store_on_a_new_session),
                           TEST(test_another_store_on_an_idle_session),
                           TEST(test_the_same_store_again),
                           TEST(test_no_check_while_puts_wait),
                           TEST(test_out_of_reach),
                           TEST(test_pauses),
                           TEST(test_a_store_that_cannot_be_opened),
                           TEST(test_who_is_called),
                           TEST(test_an_idle_session_that_fails),
                           TEST(test_nothing_to_poll_for),
                           TEST(test_more_answers_than_asked_for),
                           TEST(test_an_identity_that_cannot_be_told),
                           TEST(test_what_the_user_may_not_do),
                           TEST(test_answers_that_nobody_waits_for),
                           TEST(test_an_answer_to_no_flush),
                           TEST(test_a_poll_that_gives_nothing),
                           TEST(test_what_is_said_of_a_closed_session),
                           CU_TEST_INFO_NULL};
    return run_tests_without_leaks("session", tests);
}
