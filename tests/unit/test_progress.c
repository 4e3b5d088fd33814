/* Where reading begins, and that no offset is committed before the store has what lies below it for good. */
#include "core/engine/checkpoint.h"
#include "core/engine/handover.h"
#include "core/engine/lag.h"
#include "core/engine/partition_lag.h"
#include "core/engine/partitions.h"
#include "core/engine/placing.h"
#include "core/engine/processors.h"
#include "core/engine/progress.h"
#include "core/engine/proof.h"
#include "core/engine/reach.h"
#include "core/engine/redrive_scope.h"
#include "core/engine/rounds.h"
#include "core/engine/session.h"
#include "core/engine/window.h"
#include "core/observe/health.h"
#include "no_leaks.h"
#include "worker_fixture.h"

#include <time.h>

/* What is logged from here on, until said() takes it. */
static FILE *log_file;

static void listen(void)
{
    log_file = tmpfile();
    CU_ASSERT_PTR_NOT_NULL_FATAL(log_file);
    if (log_file != NULL) {
        log_free(pipeline.log);
        pipeline.log = log_new(fileno(log_file), CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    }
}

static const char *said(void)
{
    static char text[8192];
    rewind(log_file);
    text[fread(text, 1, sizeof text - 1, log_file)] = '\0';
    log_free(pipeline.log);
    pipeline.log = log_new(-1, CHURN_LOG_ERROR - 1, LOG_FORMAT_TEXT);
    (void)fclose(log_file);
    return text;
}

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
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
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
        CU_ASSERT(!partitions_ready(&worker));
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_trace(cases[i].asked, what);
        CU_ASSERT(placing_step(&worker));
        check_trace("", what); /* once */
        close_worker();
    }
}

static void test_a_seek_is_repeated_until_it_succeeds(void)
{
    open_worker(10);
    source.seek_result = CHURN_RETRY;
    assign(20, 0);
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker));
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker));
    source.seek_result = CHURN_OK;
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
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
        partitions_seek_back(&worker, 0, 25);
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_trace(cases[i].asked, what);
        close_worker();
    }
    open_without_store();
    source.low = 5;
    assign(-1, 0);
    partitions_seek_back(&worker, 0, 25);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
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
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("get; ", "nothing was read before");
    finish(30);
    CU_ASSERT(progress_commit(&worker, 5000) && progress_settled(&worker));
    check_trace("put 30 fingerprint=t/0@30; flush; ", "the source's words are kept with the offset");
    close_worker();

    open_forgetful(30);
    (void)snprintf(store.fingerprint, sizeof store.fingerprint, "as it was");
    assign(0, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("get; resume t/0 30 'as it was'; seek 30; ", "read on");
    CU_ASSERT(partitions_is_replayed(&worker, 0, 29) && !partitions_is_replayed(&worker, 0, 30));
    progress_rewind(&worker);
    CU_ASSERT(placing_step(&worker));
    check_trace("get; resume t/0 30 'as it was'; seek 30; ", "a store that went back");
    close_worker();

    open_forgetful(30); /* written by a version that kept none, or by one that keeps more */
    memset(store.fingerprint, 'x', sizeof store.fingerprint - 1);
    source.resume_from = 20; /* its last line was not whole */
    assign(0, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
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
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker));
    check_trace("get; resume t/0 30 ''; ", "not known yet");
    source.resume_result = CHURN_FATAL;
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    check_trace("get; resume t/0 30 ''; ", "another one");
    check_contains(worker.failure, "source: the test says so", "why");
    close_worker();
}

static void test_a_replay_of_a_source_without_positions(void)
{
    open_forgetful(30);
    pipeline.replay.from = REPLAY_FROM_BEGINNING;
    assign(0, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("get; resume t/0 30 ''; ", "it stands at its beginning");
    CU_ASSERT(partitions_muted(&worker, 0, 29) != 0 && partitions_muted(&worker, 0, 30) == 0);
    close_worker();
}

static void test_a_shorter_topic_is_another_one(void)
{
    open_worker(1001);
    assign(20, 0);
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    check_trace("get; ", "checkpoint beyond the end");
    close_worker();
}

static void test_a_commit_follows_the_checkpoint(void)
{
    open_worker(20);
    begin_at(20);
    rounds_step(&worker, true);
    check_trace("", "nothing is done");
    finish(30);
    rounds_step(&worker, false);
    check_trace("", "not due");
    rounds_step(&worker, true);
    check_trace("put 30; ", "due");
    rounds_step(&worker, true);
    CU_ASSERT(!progress_settled(&worker));
    check_trace("", "not answered");
    take_answers();
    check_trace("", "answered, not known to be durable");
    rounds_step(&worker, true);
    check_trace("flush; commit 30; ", "durable");
    CU_ASSERT(source.inside_commit == &pipeline.source && atomic_load(&worker.signs.inside) == NULL);
    CU_ASSERT(progress_settled(&worker));
    rounds_step(&worker, true);
    check_trace("", "all is told");
    close_worker();
}

/* Whatever version the store has of it, the first one too, is the one that is replaced. */
static void test_a_checkpoint_of_any_version(void)
{
    for (uint64_t version = 0; version <= 3; version++) {
        open_worker(version == 0 ? -1 : 20);
        store.version = version;
        begin_at(20);
        finish(30);
        CU_ASSERT(progress_commit(&worker, 5000));
        check_trace("put 30; flush; commit 30; commit 30; ", "no conflict");
        CU_ASSERT_EQUAL(store.version, version + 1);
        close_worker();
    }
}

/* What was put at 30 is answered, and is not durable when it is first asked. */
static void be_not_durable(void)
{
    open_worker(20);
    begin_at(20);
    store.flush_result = CHURN_PENDING;
    finish(30);
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    check_trace("put 30; flush; ", "asked");
    take_answers();
}

static void test_a_commit_waits_until_it_is_durable(void)
{
    static const struct timespec pause = {.tv_nsec = 80000000};
    be_not_durable();
    finish(40);
    rounds_step(&worker, true);
    check_trace("", "not durable yet");
    (void)nanosleep(&pause, NULL);
    store.durable = true;
    rounds_step(&worker, true);
    check_trace("flush; ", "asked again");
    take_answers();
    check_trace("commit 30; ", "durable: what was put before, and no more");
    CU_ASSERT(!progress_settled(&worker));
    CU_ASSERT(progress_commit(&worker, 5000) && progress_settled(&worker));
    check_trace("put 40; flush; commit 40; commit 40; ", "the rest; what was sent unseen is told again");
    close_worker();
}

/* A store may know at once what it had to wait for the first time. */
static void test_a_commit_that_is_durable_when_it_is_asked_again(void)
{
    static const struct timespec pause = {.tv_nsec = 80000000};
    be_not_durable();
    (void)nanosleep(&pause, NULL);
    store.flush_result = CHURN_OK;
    rounds_step(&worker, false);
    check_trace("flush; commit 30; ", "durable: the source is told in this round");
    CU_ASSERT(progress_settled(&worker));
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
    rounds_step(&worker, true);
    store.breaks = true; /* it was written, and nobody knows */
    take_answers();
    CU_ASSERT(worker.session.handle == NULL && store.offset == 30);
    rounds_step(&worker, true);
    check_trace("put 30; close; ", "no session, no commit");
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker));
    rounds_step(&worker, true);
    take_answers();
    check_trace("open; put 30; ", "a conflict with itself");
    rounds_step(&worker, true);
    check_trace("flush; commit 30; ", "which says that it is stored");
    CU_ASSERT(!worker.session.went_back);
    close_worker();
}

/* ---- a processor that keeps state ---- */

static int32_t checkpoint_result;
static unsigned checkpoints_before; /* it succeeds; 0: its result stays */

static int32_t take_checkpoint(void *self, churn_error *err)
{
    (void)self;
    note("checkpoint; ");
    if (checkpoints_before > 0 && --checkpoints_before == 0) {
        checkpoint_result = CHURN_OK;
    }
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
    checkpoints_before = 0;
}

static void test_state_is_stored_first(void)
{
    open_worker(20);
    begin_at(20);
    add_processor();
    rounds_step(&worker, true);
    CU_ASSERT(progress_settled(&worker));
    check_trace("", "nothing is done");
    finish(30);
    rounds_step(&worker, true);
    rounds_step(&worker, true);
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
    rounds_step(&worker, true);
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
    CU_ASSERT(placing_step(&worker));
    add_processor();
    finish(30);
    rounds_step(&worker, true);
    check_trace("checkpoint; ", "held");
    CU_ASSERT(progress_commit(&worker, 1) && !progress_settled(&worker));
    CU_ASSERT(strstr(trace, "commit") == NULL);
    trace[0] = '\0';
    checkpoint_result = CHURN_OK;
    CU_ASSERT(progress_commit(&worker, 5000) && progress_settled(&worker));
    check_trace("checkpoint; commit 30; ", "let go");
    finish(40);
    checkpoint_result = CHURN_FATAL;
    CU_ASSERT(!progress_commit(&worker, 5000) && worker.failed);
    check_trace("checkpoint; ", "never possible");
    close_worker();
}

/* At the end of a run there is time for a processor that is not ready at once. */
static void test_state_is_waited_for(void)
{
    open_without_store();
    assign(20, 0);
    CU_ASSERT(placing_step(&worker));
    add_processor();
    finish(30);
    checkpoints_before = 3;
    CU_ASSERT(progress_commit(&worker, 60000) && progress_settled(&worker));
    check_trace("checkpoint; checkpoint; checkpoint; commit 30; ", "the third time");
    close_worker();
    open_worker(20);
    begin_at(20);
    add_processor();
    finish(30);
    checkpoints_before = 3;
    CU_ASSERT(progress_commit(&worker, 60000) && progress_settled(&worker));
    check_trace("checkpoint; checkpoint; checkpoint; put 30; flush; commit 30; commit 30; ", "with a store");
    close_worker();
}

static void test_conflicts(void)
{
    open_worker(20);
    begin_at(20);
    store.version = 9; /* another member was here, and is behind */
    store.offset = 25;
    finish(30);
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    check_trace("put 30; put 30; flush; commit 30; ", "the other is behind");
    CU_ASSERT(store.offset == 30 && store.version == 10);
    store.version = 12; /* … and is ahead: what it has is not put back */
    store.offset = 50;
    finish(40);
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    check_trace("put 40; flush; commit 40; ", "the other is ahead");
    CU_ASSERT(store.offset == 50 && store.version == 12);
    CU_ASSERT(!worker.session.went_back);
    finish(45);
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    check_trace("put 50; flush; commit 45; ", "a checkpoint is never put back");
    store.version = 11; /* lower than was seen */
    finish(60);
    rounds_step(&worker, true);
    take_answers();
    CU_ASSERT(worker.session.went_back);
    rounds_step(&worker, true);
    check_trace("put 60; ", "a store that went back: nothing is put, nothing committed");
    close_worker();
}

/* How many tombstones were known to whoever counted what lies below, at least: what a worker adds that knows fewer, as
 * one that has not looked since, makes that fewer. */
static void test_a_checkpoint_says_who_was_forgotten(void)
{
    open_worker(20);
    begin_at(20);
    pipeline.forgetting = (void *)&store; /* nobody looks into it */
    partition_at(&worker, 0)->stored.forgotten = 5;
    worker.forgetting.known = 6;
    finish(19); /* read again, and not through yet */
    CU_ASSERT_EQUAL(checkpoint_next(&worker, partition_at(&worker, 0)).forgotten, 5);
    finish(30);
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    check_trace("put 30 forgotten=6; flush; commit 30; ", "one more");
    worker.forgetting.known = 4;
    finish(40);
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    check_trace("put 40 forgotten=4; flush; commit 40; ", "fewer");
    pipeline.forgetting = NULL;
    worker.forgetting.known = 0;
    finish(50);
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    check_trace("put 50; flush; commit 50; ", "a pipeline that forgets nobody");
    close_worker();
}

static void test_a_checkpoint_that_is_refused(void)
{
    open_worker(20);
    begin_at(20);
    finish(30);
    rounds_step(&worker, true);
    store.put_result = CHURN_RETRY;
    take_answers();
    rounds_step(&worker, true);
    CU_ASSERT(!progress_settled(&worker));
    check_trace("put 30; flush; ", "a store that is full: no commit");
    store.put_result = CHURN_OK;
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    check_trace("put 30; flush; commit 30; ", "put again");
    store.put_result = CHURN_FATAL;
    finish(40);
    rounds_step(&worker, true);
    CU_ASSERT(!session_poll(&worker, NULL, NEVER_WAIT) && worker.failed);
    check_trace("put 40; ", "never possible");
    close_worker();
}

static void test_what_was_revoked_is_not_committed(void)
{
    open_worker(20);
    begin_at(20);
    finish(30);
    rounds_step(&worker, true);
    progress_revoke(&worker);
    check_trace("put 30; close; ", "revoked before the answer");
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker) && progress_commit(&worker, 1000));
    check_trace("open; ", "no commit");
    close_worker();
}

/* A round that ends before all is answered leaves nothing behind: a late answer is nobody's, and what comes next
 * neither waits for it nor is counted with it. */
static void test_what_ends_a_round(void)
{
    enum { SESSION_LOST, REVOKED, REWOUND, ENDS };
    for (int how = 0; how < ENDS; how++) {
        struct window_position position = {.next = 30, .last = WITNESS_NONE};
        struct window window = {.positions = &position, .position_count = 1, .record_count = 10};
        open_worker(20);
        begin_at(20);
        CU_ASSERT(progress_note_done(&worker, &window));
        rounds_step(&worker, true);
        CU_ASSERT(rounds_session_user.owes(&worker, NULL, CHECKPOINT_ID) && rounds_wait(&worker));
        if (how == SESSION_LOST) {
            session_close(&worker);
        } else {
            store.flush_result = CHURN_PENDING; /* it is with the store, and not durable */
            take_answers();
            rounds_step(&worker, true);
            take_answers();
            CU_ASSERT(!rounds_session_user.owes(&worker, NULL, CHECKPOINT_ID) && !rounds_wait(&worker));
            store.flush_result = CHURN_OK;
            if (how == REVOKED) {
                progress_revoke(&worker);
            } else {
                progress_rewind(&worker);
            }
            CU_ASSERT_EQUAL(progress_unsettled(&worker), 0);
            CU_ASSERT(progress_settled(&worker));
        }
        CU_ASSERT(!rounds_session_user.owes(&worker, NULL, CHECKPOINT_ID) && !rounds_wait(&worker));
        if (how != SESSION_LOST) {
            trace[0] = '\0';
            assign(20, 0);
            CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
            check_trace("get; ", "at once");
            position.next = 35;
            window.record_count = 5;
            CU_ASSERT(progress_note_done(&worker, &window));
            CU_ASSERT_EQUAL(progress_unsettled(&worker), 5);
        }
        close_worker();
    }
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
        CU_ASSERT(placing_step(&worker));
        if (cases[i].done >= 0) {
            finish(cases[i].done);
        }
        progress_hand_over(&worker);
        pipeline.store.loaded = cases[i].has_store ? &loaded_store : NULL;
        trace[0] = '\0';
        assign_anew();
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
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

/* ---- several partitions ---- */

#define MANY 40 /* more than there is room for at first */

static void test_every_partition_is_tracked(void)
{
    churn_position positions[MANY];
    struct window_position done[MANY];
    struct window window = {.positions = done, .position_count = MANY};
    open_without_store();
    for (int i = 0; i < MANY; i++) {
        positions[i] =
            (churn_position){.topic = "t", .partition = i, .offset = 100 + i, .flags = CHURN_POSITION_RESUMED};
        done[i] = (struct window_position){.part = (uint32_t)i, .next = 200 + i, .last = WITNESS_NONE};
    }
    CU_ASSERT(progress_assign(&worker, positions, 2));
    CU_ASSERT(progress_assign(&worker, positions + 2, MANY - 2));
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("", "all stand where they were committed");
    CU_ASSERT(progress_note_done(&worker, &window));
    rounds_step(&worker, true);
    for (int i = 0; i < MANY; i++) {
        char wanted[32];
        (void)snprintf(wanted, sizeof wanted, "commit %d; ", 200 + i);
        check_contains(trace, wanted, "each is committed");
    }
    progress_revoke(&worker);
    trace[0] = '\0';
    CU_ASSERT(progress_note_done(&worker, &window));
    rounds_step(&worker, true);
    check_trace("", "none is ours any more");
    close_worker();
}

/* ---- what is not sent again ---- */

#define SENT (CHURN_RECORD_EVENT | CHURN_RECORD_ALERT | CHURN_RECORD_DEAD_LETTER)

/* A store that lost everything: profiles and predictions are made again, and with the profiles their dead letters;
 * nothing else is. */
static void test_a_rebuild_says_nothing_twice(void)
{
    open_worker(-1);
    source.low = 5;
    assign(20, CHURN_POSITION_WHOLE);
    CU_ASSERT(placing_step(&worker));
    check_trace("get; seek 5; ", "from the beginning");
    CU_ASSERT_EQUAL(partitions_muted(&worker, 0, 5), SENT & ~(uint32_t)CHURN_RECORD_DEAD_LETTER);
    CU_ASSERT_EQUAL(partitions_muted(&worker, 0, 19), SENT & ~(uint32_t)CHURN_RECORD_DEAD_LETTER);
    CU_ASSERT_EQUAL(partitions_muted(&worker, 0, 20), 0);
    close_worker();
}

static void test_a_replay(void)
{
    static const struct {
        enum replay_from from;
        int64_t value;
        bool outputs;
        const char *asked;
        uint32_t muted; /* of the record before the committed one */
    } cases[] = {
        {REPLAY_FROM_OFFSET, 20, false, "get; ", 0}, /* exactly where reading goes on: no replay */
        {REPLAY_FROM_OFFSET, 21, false, "get; ", 0},
        {REPLAY_FROM_OFFSET, 19, false, "get; seek 19; ", SENT | CHURN_RECORD_TRIGGER},
        {REPLAY_FROM_OFFSET, 19, true, "get; seek 19; ", 0},
        {REPLAY_FROM_OFFSET, 1, false, "get; seek 5; ", SENT | CHURN_RECORD_TRIGGER}, /* what there still is */
        {REPLAY_FROM_BEGINNING, 0, false, "get; seek 5; ", SENT | CHURN_RECORD_TRIGGER},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char what[32];
        (void)snprintf(what, sizeof what, "case %zu", i);
        open_worker(20);
        source.low = 5;
        pipeline.replay = (struct replay){.from = cases[i].from, .value = cases[i].value, .outputs = cases[i].outputs};
        assign(20, 0);
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_trace(cases[i].asked, what);
        CU_ASSERT_EQUAL(partitions_muted(&worker, 0, 19), cases[i].muted);
        CU_ASSERT_EQUAL(partitions_muted(&worker, 0, 20), 0);
        close_worker();
    }
}

/* ---- what the store holds ---- */

static void test_a_checkpoint_that_is_no_number(void)
{
    static const char *const texts[] = {"", "x", "2x", "-1", "2.0", "99999999999999999999"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        open_worker(20);
        store.says = texts[i];
        assign(20, 0);
        CU_ASSERT(!placing_step(&worker) && worker.failed);
        check_contains(worker.failure, "checkpoint", texts[i]);
        close_worker();
        open_worker(20); /* … in the answer to a put */
        begin_at(20);
        store.says = texts[i];
        store.version = 9;
        finish(30);
        rounds_step(&worker, true);
        CU_ASSERT(!session_poll(&worker, NULL, NEVER_WAIT) && worker.failed);
        check_contains(worker.failure, "checkpoint", texts[i]);
        close_worker();
    }
    open_worker(20);
    store.says = "20";
    begin_at(20);
    close_worker();
}

/* A new group that would begin at the end goes on where the profiles are. */
static void test_a_new_group_begins_at_the_checkpoint(void)
{
    static const struct {
        int64_t offset, checkpoint;
        const char *asked;
    } cases[] = {{100, 20, "get; seek 20; "}, {100, 0, "get; seek 0; "}, {100, -1, "get; "}, {100, 100, "get; "}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        churn_position position = {.topic = "t", .offset = cases[i].offset};
        open_worker(cases[i].checkpoint);
        CU_ASSERT(progress_assign(&worker, &position, 1) && placing_step(&worker));
        check_trace(cases[i].asked, "a new group");
        close_worker();
    }
}

/* ---- the record that is read once more ---- */

static churn_record record_at(int64_t offset, const char *value)
{
    return (churn_record){.size = sizeof(churn_record),
                          .value = {.ptr = value, .len = (uint32_t)strlen(value)},
                          .timestamp_ms = 1000 + offset,
                          .topic = "t",
                          .offset = offset};
}

/* The store's checkpoint 20, whose newest record is 18. */
static void open_with_proof(void)
{
    churn_record counted = record_at(18, "counted");
    open_worker(20);
    (void)witness_format(witness_of(&counted), store.last);
}

static void test_reading_begins_with_the_last_record(void)
{
    static const struct {
        int64_t committed;
        const char *first, *then; /* asked for before and after the record was seen */
        uint32_t kept;            /* of those at 18, 20 and 21 */
    } cases[] = {{20, "get; seek 18; ", "", 2},
                 {30, "get; seek 18; ", "", 2},
                 {10, "get; seek 18; ", "seek 10; ", 0},
                 {-1, "get; seek 18; ", "seek 3; ", 0},
                 {18, "get; ", "seek 18; ", 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        churn_record records[] = {record_at(18, "counted"), record_at(20, "a"), record_at(21, "b")};
        uint32_t count = COUNT(records);
        open_with_proof();
        source.low = 3;
        assign(cases[i].committed, 0);
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_trace(cases[i].first, "first of all");
        CU_ASSERT(proof_screen(&worker, records, &count) && count == cases[i].kept);
        CU_ASSERT(count == 0 || records[0].offset == 20);
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_trace(cases[i].then, "then");
        count = 1;
        records[0] = record_at(25, "c");
        CU_ASSERT(proof_screen(&worker, records, &count) && count == 1);
        close_worker();
    }
}

static void test_another_record_is_another_topic(void)
{
    churn_record others[] = {record_at(18, "another"), record_at(18, "counted"), record_at(18, "counted")};
    others[1].timestamp_ms++;
    others[2].key = (churn_str){.ptr = "k", .len = 1};
    for (size_t i = 0; i < COUNT(others); i++) {
        uint32_t count = 1;
        open_with_proof();
        assign(20, 0);
        CU_ASSERT(placing_step(&worker));
        CU_ASSERT(!proof_screen(&worker, &others[i], &count) && worker.failed);
        check_contains(worker.failure, "made anew", "what it is");
        check_contains(worker.failure, "`epoch`", "what to do");
        proof_remember(&worker);
        check_text(store.doubted, "20", "what is stored");
        close_worker();
    }
}

/* Compaction may have taken it, or retention. */
static void test_a_record_that_is_gone_proves_nothing(void)
{
    churn_record later = record_at(19, "later"), next = record_at(20, "next");
    uint32_t count = 1;
    open_with_proof();
    assign(20, 0);
    CU_ASSERT(placing_step(&worker));
    CU_ASSERT(proof_screen(&worker, &later, &count) && count == 0); /* below the checkpoint: counted */
    CU_ASSERT(partitions_ready(&worker));
    count = 1;
    CU_ASSERT(proof_screen(&worker, &next, &count) && count == 1); /* it is not looked for any more */
    close_worker();
    open_with_proof();
    assign(20, 0);
    CU_ASSERT(placing_step(&worker));
    CU_ASSERT(proof_screen(&worker, &next, &count) && count == 1); /* what stands in its place is taken at once */
    close_worker();
    open_with_proof();
    assign(10, 0);
    CU_ASSERT(placing_step(&worker));
    CU_ASSERT(proof_screen(&worker, &next, &count) && count == 0 && !partitions_ready(&worker));
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("get; seek 18; seek 10; ", "back to where reading begins");
    close_worker();
    open_with_proof();
    assign(20, 0);
    CU_ASSERT(placing_step(&worker));
    CU_ASSERT(proof_passed(&worker, 0, 18) && partitions_ready(&worker)); /* it may still come */
    CU_ASSERT(!proof_passed(&worker, 0, 19)); /* nothing stands there but a transaction's marker, say */
    count = 1;
    CU_ASSERT(proof_screen(&worker, &next, &count) && count == 1);
    close_worker();
    open_with_proof();
    source.low = 19;
    assign(20, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("get; ", "not asked for");
    close_worker();
}

static void test_what_was_found_out_is_kept(void)
{
    churn_record right = record_at(18, "counted"), later = record_at(20, "later");
    uint32_t count = 1;
    open_with_proof();
    source.end = 15; /* too short */
    assign(20, 0);
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    proof_remember(&worker);
    check_text(store.doubted, "20", "what is stored");
    CU_ASSERT(store.offset == 20 && store.last[0] != '\0');
    worker.failed = false; /* the next start: it has grown, and the record is gone */
    source.end = 1000;
    source.low = 19;
    assign(20, 0);
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    check_contains(worker.failure, "found before", "why");
    worker.failed = false; /* … or another stands behind it */
    source.low = 0;
    assign(20, 0);
    CU_ASSERT(placing_step(&worker) && !proof_screen(&worker, &later, &count) && worker.failed);
    worker.failed = false; /* … or nothing does */
    assign(20, 0);
    CU_ASSERT(placing_step(&worker) && proof_passed(&worker, 0, 21) && worker.failed);
    worker.failed = false; /* the right one is back: that is kept as well */
    assign(20, 0);
    CU_ASSERT(placing_step(&worker) && proof_screen(&worker, &right, &count) && count == 0);
    finish(30);
    CU_ASSERT(progress_commit(&worker, 5000));
    check_text(store.doubted, "", "forgotten");
    CU_ASSERT(store.offset == 30);
    close_worker();
}

static void test_what_cannot_be_remembered(void)
{
    const char *log;
    open_with_proof();
    listen();
    source.end = 15;
    assign(20, 0);
    CU_ASSERT_EQUAL(parts_find(&worker.parts, "t@1", 0), 1); /* a profile has a mark of it: nobody doubts that */
    CU_ASSERT(!placing_step(&worker));
    store.put_result = CHURN_RETRY;
    proof_remember(&worker);
    log = said();
    check_contains(log, " WARN  store: what was found out about t/0 could not be stored within 3 s", "what is said");
    CU_ASSERT_PTR_NULL(strstr(log, "t@1"));
    store.put_result = CHURN_OK;
    worker.failed = false;
    proof_remember(&worker);
    check_text(store.doubted, "20", "what is stored");
    trace[0] = '\0';
    worker.failed = false; /* the next start finds it there: nothing is to be stored, whatever becomes of the store */
    source.end = 1000;
    source.low = 19;
    listen();
    assign(20, 0);
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    store.open_result = CHURN_RETRY;
    proof_remember(&worker);
    CU_ASSERT_PTR_NULL(strstr(said(), "could not be stored"));
    check_trace("get; ", "nothing is put");
    close_worker();
}

static int32_t check_mark(int64_t mark)
{
    static const char id[] = "cust_1";
    struct customer *customer = calloc(1, sizeof *customer + sizeof id);
    int32_t result = CHURN_FATAL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(customer);
    if (customer != NULL) {
        customer->id_len = sizeof id - 1;
        memcpy(customer->id, id, sizeof id);
        result = reach_check_mark(&worker, 0, customer, "_m:", mark);
        free(customer);
    }
    return result;
}

/* A partition that ends at 50, of which 20 are in the checkpoint and up to `counted` may be in profiles. */
static void open_at_20_of_50(int64_t counted)
{
    open_worker(20);
    store.counted = counted;
    source.end = 50;
    assign(20, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    trace[0] = '\0';
}

static void announce(int64_t next, bool has_letters)
{
    struct window_position position = {.next = next, .last = WITNESS_NONE};
    struct window window = {.positions = &position, .position_count = 1, .has_letters = has_letters};
    CU_ASSERT(reach_announce(&worker, &window));
}

/* What was never counted is the profile's own damage, whatever else the partition shows. */
static void test_a_mark_that_cannot_be_true(void)
{
    open_at_20_of_50(60);
    CU_ASSERT_EQUAL(check_mark(50), CHURN_OK);
    CU_ASSERT_EQUAL(check_mark(61), CHURN_REJECT);
    CU_ASSERT_EQUAL(check_mark(INT64_MAX), CHURN_REJECT);
    source.end = 70; /* it has grown */
    CU_ASSERT_EQUAL(check_mark(61), CHURN_OK);
    CU_ASSERT(!worker.failed);
    proof_remember(&worker);
    check_text(store.doubted, "", "what is stored");
    close_worker();
    open_at_20_of_50(20); /* the last run ended in order */
    CU_ASSERT_EQUAL(check_mark(51), CHURN_REJECT);
    source.end = 19; /* it was cut while this one ran */
    CU_ASSERT_EQUAL(check_mark(51), CHURN_FATAL);
    check_contains(worker.failure, "this run has counted everything before 20", "why");
    close_worker();
    open_at_20_of_50(20);
    source.bounds_result = CHURN_RETRY;
    CU_ASSERT_EQUAL(check_mark(50), CHURN_OK);
    CU_ASSERT_EQUAL(check_mark(51), CHURN_RETRY);
    close_worker();
    static const churn_source_ops followed = {
        .size = sizeof followed, .bounds = source_bounds, .resume = source_resume};
    open_at_20_of_50(20); /* a source that can be read on though it became shorter */
    loaded_source.plugin.ops = &followed;
    announce(60, false);
    CU_ASSERT_EQUAL(check_mark(60), CHURN_FATAL);
    check_contains(worker.failure, "ends at offset 50, but the profile of customer 'cust_1' says", "why");
    worker.failed = false;
    CU_ASSERT_EQUAL(check_mark(61), CHURN_REJECT);
    close_worker();
    open_forgetful(20); /* a source that cannot tell where it ends */
    assign(0, 0);
    CU_ASSERT(placing_step(&worker));
    CU_ASSERT_EQUAL(check_mark(INT64_MAX), CHURN_OK);
    close_worker();
    open_at_20_of_50(20);
    progress_revoke(&worker);
    CU_ASSERT_EQUAL(check_mark(INT64_MAX), CHURN_OK); /* whoever reads it will tell */
    close_worker();
}

/* A redrive adds to profiles of what others read: they say how far marks may be true. */
static void test_marks_in_a_redrive(void)
{
    static const struct {
        int64_t counted, mark;
        int32_t expected;
    } cases[] = {{60, 60, CHURN_OK}, {60, 61, CHURN_REJECT}, {20, 21, CHURN_REJECT},
                 {20, 20, CHURN_OK}, {19, 61, CHURN_OK},     {-1, 61, CHURN_OK}};
    static struct redrive redrive;
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_at_20_of_50(cases[i].counted);
        pipeline.redrive = &redrive;
        CU_ASSERT_EQUAL(check_mark(cases[i].mark), cases[i].expected);
        CU_ASSERT(!worker.failed);
        close_worker();
    }
}

/* What may have been counted before a run broke off halts, and is remembered for as long as the profile says so. */
static void test_a_mark_that_may_be_true(void)
{
    open_at_20_of_50(60);
    CU_ASSERT_EQUAL(check_mark(60), CHURN_FATAL);
    check_contains(worker.failure, "ends at offset 50, but the profile of customer 'cust_1' says in its field '_m:t/0'",
                   "whose");
    check_contains(worker.failure, "events up to 60 were counted", "what");
    check_contains(worker.failure, "put the field right, or delete the profile", "what to do");
    check_contains(worker.failure, "unclean election", "else");
    proof_remember(&worker);
    check_text(store.doubted, "60", "what is stored");
    check_text(store.doubter, "cust_1", "for whom");
    trace[0] = '\0';
    for (size_t i = 0; i < 2; i++) {
        worker.failed = false; /* the next start, when it has grown */
        source.end = 1000;
        store.mark_name = i == 0 ? "_m:t/0" : "_r:t/0";
        store.mark = i == 0 ? "60" : "3,59";
        assign(20, 0);
        CU_ASSERT(!placing_step(&worker) && worker.failed);
        check_contains(worker.failure, store.mark_name, "which field");
        check_trace("get; get profile:cust_1; ", "asked");
    }
    proof_remember(&worker);
    worker.failed = false; /* … and it was put right */
    store.mark_name = "_m:t/0";
    store.mark = "59";
    assign(20, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_text(store.doubted, "", "over");
    check_text(store.doubter, "", "for nobody");
    trace[0] = '\0';
    store.mark = "60"; /* now in truth */
    assign(20, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("get; ", "nothing is asked");
    close_worker();
}

/* An earlier version told nobody how far it counted. */
static void test_a_mark_of_which_nothing_is_known(void)
{
    static const int64_t known[] = {-1, 0, 19};
    for (size_t i = 0; i < COUNT(known); i++) {
        open_at_20_of_50(known[i]);
        CU_ASSERT_EQUAL(check_mark(50), CHURN_OK);
        CU_ASSERT_EQUAL(check_mark(51), CHURN_FATAL);
        close_worker();
    }
}

/* What is found out before anything was counted is remembered all the same. */
static void test_a_doubt_without_a_checkpoint(void)
{
    open_worker(-1);
    source.end = 50;
    assign(-1, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    CU_ASSERT_EQUAL(check_mark(60), CHURN_FATAL);
    trace[0] = '\0';
    proof_remember(&worker);
    check_trace("close; open; get; put 0; ", "nothing was counted");
    check_text(store.doubted, "60", "what is stored");
    check_text(store.doubter, "cust_1", "for whom");
    close_worker();
}

/* The store knows before a profile is written how far that may count: seldom told anew, and closely where little was
 * read; and exactly, once a run has ended. */
static void test_how_far_profiles_may_count_is_told_first(void)
{
    open_at_20_of_50(20);
    announce(21, false);
    CU_ASSERT(store.writes == 1 && store.counted == 22 && store.below == -1);
    announce(22, false);
    CU_ASSERT_EQUAL(store.writes, 1);
    announce(30, false);
    CU_ASSERT(store.writes == 2 && store.counted == 40);
    announce(30, true);
    CU_ASSERT(store.writes == 3 && store.counted == 40 && store.below > 30);
    announce(1000020, false);
    CU_ASSERT(store.writes == 4 && store.counted == 1100020 && store.below > 30);
    partitions_seek_back(&worker, 0, 5); /* read again: nothing is told again */
    announce(6, false);
    CU_ASSERT_EQUAL(store.writes, 4);
    finish(1000020);
    CU_ASSERT(progress_commit(&worker, 5000) && progress_settled(&worker));
    CU_ASSERT(store.writes == 5 && store.counted == 1000020 && store.below > 30);
    CU_ASSERT(progress_commit(&worker, 5000));
    CU_ASSERT_EQUAL(store.writes, 5);
    announce(1000021, false);
    CU_ASSERT(store.writes == 6 && store.counted > 1000020);
    close_worker();
    open_at_20_of_50(60); /* of which a run before may have counted more */
    announce(70, false);
    CU_ASSERT(store.writes == 1 && store.counted == 120);
    CU_ASSERT(progress_commit(&worker, 5000));
    CU_ASSERT(store.writes == 2 && store.counted == 70);
    close_worker();
    open_at_20_of_50(60);
    announce(30, false);
    CU_ASSERT(progress_commit(&worker, 5000));
    CU_ASSERT(store.writes == 0 && store.counted == 60);
    close_worker();
    open_at_20_of_50(-1); /* read again from where this run began: nothing is told that it has not come to */
    announce(20, false);
    CU_ASSERT(store.writes == 1 && store.counted == 20 && store.below == -1);
    close_worker();
    open_at_20_of_50(-1);
    announce(100020, false);
    CU_ASSERT(store.writes == 1 && store.counted == 200020);
    close_worker();
    open_at_20_of_50(-1);
    announce(100021, false);
    CU_ASSERT(store.writes == 1 && store.counted == 200021);
    close_worker();
}

/* The first records of all, with nothing told before, or only of those before. */
static void test_the_first_record_is_told(void)
{
    for (int64_t checkpoint = -1; checkpoint <= 2; checkpoint++) {
        int64_t counted = checkpoint > 0 ? checkpoint : 0;
        open_worker(checkpoint);
        assign(counted, 0);
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        CU_ASSERT(counted == 0 || partitions_is_replayed(&worker, 0, counted - 1));
        CU_ASSERT(!partitions_is_replayed(&worker, 0, counted));
        announce(counted, false);
        CU_ASSERT_EQUAL(store.writes, 0);
        announce(counted + 1, false);
        CU_ASSERT(store.writes == 1 && store.counted == counted + 2 && store.below == -1);
        close_worker();
    }
}

static void test_nothing_is_written_before_that_is_known(void)
{
    struct window_position position = {.next = 21, .last = WITNESS_NONE};
    struct window window = {.positions = &position, .position_count = 1};
    open_at_20_of_50(20);
    store.write_result = CHURN_RETRY;
    CU_ASSERT(!reach_announce(&worker, &window) && !worker.failed && worker.session.handle == NULL);
    CU_ASSERT(!reach_announce(&worker, &window));
    worker.session.next_open_ms = 0;
    store.write_result = CHURN_OK;
    CU_ASSERT(session_step(&worker));
    finish(20);
    rounds_step(&worker, true); /* no answer yet: nothing else may be asked */
    CU_ASSERT_EQUAL(reach_announce(&worker, &window), !rounds_wait(&worker));
    take_answers();
    CU_ASSERT(reach_announce(&worker, &window));
    CU_ASSERT_EQUAL(store.counted, 22);
    store.write_result = CHURN_FATAL;
    position.next = 40;
    CU_ASSERT(!reach_announce(&worker, &window) && worker.failed);
    close_worker();
}

static void test_the_last_record_is_kept_with_the_checkpoint(void)
{
    churn_record last = record_at(24, "last"), older = record_at(22, "older");
    struct window window = {0};
    char wanted[WITNESS_SIZE];
    open_worker(20);
    begin_at(20);
    CU_ASSERT(window_note_position(&window, 0, 22) && window_note_position(&window, 0, 24));
    window_note_witness(&window, 0, witness_of(&last));
    window_note_witness(&window, 0, witness_of(&older)); /* a lower one changes nothing */
    CU_ASSERT(window_note_passed(&window, 0, 27));
    CU_ASSERT(progress_note_done(&worker, &window) && progress_commit(&worker, 5000));
    (void)witness_format(witness_of(&last), wanted);
    check_text(store.last, wanted, "the newest one");
    CU_ASSERT(store.offset == 27);
    finish(35); /* without a record: the older one still stands */
    CU_ASSERT(progress_commit(&worker, 5000));
    check_text(store.last, wanted, "still");
    CU_ASSERT(store.offset == 35);
    window_free(&window);
    close_worker();
    last = record_at(0, "the first of all");
    window = (struct window){0};
    open_worker(-1);
    begin_at(-1);
    CU_ASSERT(window_note_position(&window, 0, 0));
    window_note_witness(&window, 0, witness_of(&last));
    CU_ASSERT(progress_note_done(&worker, &window) && progress_commit(&worker, 5000));
    (void)witness_format(witness_of(&last), wanted);
    check_text(store.last, wanted, "the only one");
    CU_ASSERT(store.offset == 1);
    window_free(&window);
    close_worker();
}

static void test_witnesses(void)
{
    static const char *const wrong[] = {"",
                                        ":",
                                        "1:",
                                        "1:123",
                                        "x:0123456789abcdef",
                                        "1:0123456789abcdeg",
                                        "1:0123456789ABCDEF",
                                        "-1:0123456789abcdef",
                                        "1:0123456789abcdef0"};
    churn_record record = record_at(7, "v"), same = record, other = record;
    struct witness made = witness_of(&record), read;
    char text[WITNESS_SIZE];
    uint32_t len = witness_format(made, text);
    CU_ASSERT_EQUAL(len, strlen(text));
    read = witness_parse((churn_str){.ptr = text, .len = len});
    CU_ASSERT(read.offset == 7 && read.hash == made.hash && witness_of(&same).hash == made.hash);
    other.key = record.value; /* the same bytes, elsewhere */
    other.value = (churn_str){0};
    CU_ASSERT(witness_of(&other).hash != made.hash);
    CU_ASSERT(witness_format(WITNESS_NONE, text) == 0 && text[0] == '\0');
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CU_ASSERT(witness_parse((churn_str){.ptr = wrong[i], .len = (uint32_t)strlen(wrong[i])}).offset == -1);
    }
}

/* ---- what is no record ---- */

static void open_windows(void)
{
    worker.ring.oldest = worker.ring.newest = 1;
    worker.ring.windows[1] = (struct window){.state = WINDOW_FILLING, .number = 1};
}

/* Behind transaction markers, say: it is done in its turn, and only where reading stands. */
static void test_what_is_passed_is_done(void)
{
    struct window *window;
    open_worker(20);
    assign(20, 0);
    open_windows();
    window = &worker.ring.windows[1];
    CU_ASSERT(progress_note_passed(&worker, 0, 25) && window_is_empty(window)); /* not placed yet */
    begin_at(20);
    CU_ASSERT(progress_note_passed(&worker, 0, 25) && !window_is_empty(window) && window->record_count == 0);
    CU_ASSERT(window->position_count == 1 && window->positions[0].next == 25 && window->opened_ms > 0);
    CU_ASSERT(progress_note_passed(&worker, 0, 23) && window->positions[0].next == 25);
    CU_ASSERT(progress_note_done(&worker, window) && progress_commit(&worker, 5000));
    check_trace("put 25; flush; commit 25; commit 25; ", "done");
    progress_revoke(&worker);
    window->position_count = 0;
    CU_ASSERT(progress_note_passed(&worker, 0, 30) && window_is_empty(window));
    window_free(window);
    close_worker();
    open_at_20_of_50(20); /* the partition has grown, and so far marks are true */
    open_windows();
    CU_ASSERT(progress_note_passed(&worker, 0, 60));
    source.bounds_result = CHURN_RETRY;
    CU_ASSERT_EQUAL(check_mark(60), CHURN_OK);
    CU_ASSERT_EQUAL(check_mark(61), CHURN_RETRY);
    window_free(&worker.ring.windows[1]);
    close_worker();
}

/* Taken, and neither forgotten nor durable. */
static void test_what_is_unsettled(void)
{
    struct window_position position = {.next = 30, .last = WITNESS_NONE};
    struct window window = {.positions = &position, .position_count = 1, .record_count = 10};
    open_worker(20);
    begin_at(20);
    CU_ASSERT_EQUAL(progress_unsettled(&worker), 0);
    CU_ASSERT(progress_note_done(&worker, &window));
    CU_ASSERT_EQUAL(progress_unsettled(&worker), 10);
    rounds_step(&worker, true);
    position.next = 35;
    window.record_count = 5;
    CU_ASSERT(progress_note_done(&worker, &window));
    CU_ASSERT_EQUAL(progress_unsettled(&worker), 15);
    take_answers();
    rounds_step(&worker, true);
    CU_ASSERT_EQUAL(progress_unsettled(&worker), 5);
    CU_ASSERT(progress_commit(&worker, 5000));
    CU_ASSERT_EQUAL(progress_unsettled(&worker), 0);
    position.next = 40;
    CU_ASSERT(progress_note_done(&worker, &window));
    progress_rewind(&worker);
    CU_ASSERT_EQUAL(progress_unsettled(&worker), 0);
    close_worker();
}

static int64_t behind_since(void)
{
    lag_look_now(&worker);
    return atomic_load(&worker.signs.behind_since_ms);
}

/* How old what waits is, is not known before some of it was read. */
static void test_since_when_it_is_behind(void)
{
    struct partition *p;
    int64_t seen_ms;
    open_worker(20);
    begin_at(20);
    p = partition_at(&worker, 0);
    source.unread = 5;
    CU_ASSERT_EQUAL(behind_since(), BEHIND_UNKNOWN);
    partition_lag_note(p, 20, 1000, clock_wall_ms());
    CU_ASSERT_EQUAL(behind_since(), 1000);
    source.unread = 0;
    CU_ASSERT_EQUAL(behind_since(), 0);
    source.unread = 1;
    seen_ms = behind_since();
    CU_ASSERT(seen_ms > 1000 && seen_ms <= clock_wall_ms());
    progress_rewind(&worker);
    store.offset = 10;
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    CU_ASSERT_EQUAL(behind_since(), BEHIND_UNKNOWN);
    close_worker();
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
                           TEST(test_a_checkpoint_of_any_version),
                           TEST(test_a_commit_waits_until_it_is_durable),
                           TEST(test_a_commit_that_is_durable_when_it_is_asked_again),
                           TEST(test_a_refused_commit_is_told_again),
                           TEST(test_a_checkpoint_without_an_answer),
                           TEST(test_a_checkpoint_says_who_was_forgotten),
                           TEST(test_a_checkpoint_that_is_refused),
                           TEST(test_state_is_stored_first),
                           TEST(test_state_without_a_store),
                           TEST(test_state_is_waited_for),
                           TEST(test_conflicts),
                           TEST(test_what_was_revoked_is_not_committed),
                           TEST(test_what_ends_a_round),
                           TEST(test_reading_goes_on_after_a_reload),
                           TEST(test_what_is_handed_over),
                           TEST(test_every_partition_is_tracked),
                           TEST(test_a_rebuild_says_nothing_twice),
                           TEST(test_a_replay),
                           TEST(test_a_checkpoint_that_is_no_number),
                           TEST(test_a_new_group_begins_at_the_checkpoint),
                           TEST(test_reading_begins_with_the_last_record),
                           TEST(test_another_record_is_another_topic),
                           TEST(test_a_record_that_is_gone_proves_nothing),
                           TEST(test_what_was_found_out_is_kept),
                           TEST(test_what_cannot_be_remembered),
                           TEST(test_a_mark_that_cannot_be_true),
                           TEST(test_marks_in_a_redrive),
                           TEST(test_a_mark_that_may_be_true),
                           TEST(test_a_mark_of_which_nothing_is_known),
                           TEST(test_a_doubt_without_a_checkpoint),
                           TEST(test_how_far_profiles_may_count_is_told_first),
                           TEST(test_the_first_record_is_told),
                           TEST(test_nothing_is_written_before_that_is_known),
                           TEST(test_the_last_record_is_kept_with_the_checkpoint),
                           TEST(test_witnesses),
                           TEST(test_what_is_passed_is_done),
                           TEST(test_what_is_unsettled),
                           TEST(test_since_when_it_is_behind),
                           CU_TEST_INFO_NULL};
    return run_tests_without_leaks("progress", tests);
}
