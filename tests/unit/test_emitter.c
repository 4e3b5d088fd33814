/* Outputs to sinks that take some, refuse some and forget to answer: which sink is given what, and what becomes of what
 * it does not take. Two sinks of events, `a` and `b`, and the dead letters'. */
#include "core/host.h"
#include "core/metrics.h"
#include "core/worker_internal.h"

#include "check.h"
#include <time.h>

enum { A, B, LETTERS, SINKS };
#define ROOM 64
#define PATIENCE_MS 20

struct fake_sink {
    uint32_t room;  /* how many more records it takes */
    int32_t result; /* of write, once there is no room */
    bool silent;    /* answers nothing by itself */
    bool greedy;    /* says that it took one more than it was given */
    bool too_many;  /* says that it gave one answer more than there was room for */
    churn_record taken[ROOM];
    uint32_t taken_count;
    churn_done answers[ROOM];
    uint32_t answer_count;
};

static struct fake_sink fakes[SINKS];

static int32_t fake_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                          churn_error *err)
{
    struct fake_sink *sink = self;
    (void)snprintf(err->message, sizeof err->message, "the test says so");
    for (; *ret_taken < count && sink->room > 0; sink->room--) {
        const churn_record *record = &records[(*ret_taken)++];
        CU_ASSERT_EQUAL(record->reserved, 0);
        sink->taken[sink->taken_count++] = *record;
        if (!sink->silent) {
            sink->answers[sink->answer_count++] = (churn_done){.id = record->id, .result = CHURN_OK};
        }
    }
    *ret_taken += sink->greedy;
    return *ret_taken < count ? sink->result : CHURN_OK;
}

static int32_t fake_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                         churn_error *err)
{
    struct fake_sink *sink = self;
    (void)timeout_ms;
    (void)err;
    CU_ASSERT(sink->answer_count <= max);
    memcpy(done, sink->answers, sink->answer_count * sizeof *done);
    *ret_count = sink->too_many ? max + 1 : sink->answer_count;
    sink->answer_count = 0;
    return CHURN_OK;
}

static const churn_sink_ops fake_ops = {.size = sizeof fake_ops, .write = fake_write, .poll = fake_poll};
static struct loaded loaded = {.plugin = {.ops = &fake_ops, .name = "fake", .kind = CHURN_KIND_SINK},
                               .path = "/plugins/fake.so"};
static struct section sections[SINKS];
static struct instance instances[SINKS];
static struct instance *instance_pointers[SINKS];
static struct sink_state states[SINKS];
static struct pipeline pipeline;
static struct worker worker;

static void add_sink(unsigned i, const char *name)
{
    fakes[i] = (struct fake_sink){.room = ROOM};
    instances[i].self = &fakes[i];
    instance_pointers[i] = &instances[i];
    sections[i] = (struct section){.loaded = &loaded,
                                   .label = name,
                                   .input = i == LETTERS ? CHURN_RECORD_DEAD_LETTER : CHURN_RECORD_EVENT,
                                   .bit = i == LETTERS ? 0 : 1u << i,
                                   .journal_number = journal_add_plugin(pipeline.journal, name, "/dev/null")};
    states[i] = (struct sink_state){.sent = metrics_sink_counter(pipeline.metrics, &worker, name, "sent"),
                                    .dropped = metrics_sink_counter(pipeline.metrics, &worker, name, "dropped"),
                                    .given_up = metrics_sink_counter(pipeline.metrics, &worker, name, "given_up")};
}

static void open_worker(void)
{
    pipeline = (struct pipeline){.metrics = metrics_new(),
                                 .stalls = stalls_new(NULL, host_monotonic_ms),
                                 .log = log_new(-1, CHURN_LOG_ERROR - 1, LOG_FORMAT_TEXT),
                                 .sinks = sections,
                                 .sink_count = SINKS,
                                 .has_dead_letters = true};
    pipeline.journal = journal_new(pipeline.log, 1, 3);
    worker = (struct worker){
        .pipeline = &pipeline, .sinks = instance_pointers, .sink_states = states, .oldest = 1, .newest = 1};
    add_sink(A, "a");
    add_sink(B, "b");
    add_sink(LETTERS, "letters");
    journal_sit(pipeline.journal, 0, &worker.seat);
    worker.counters.sent = metrics_counter(pipeline.metrics, &worker, "records_sent");
    worker.counters.dead_letters = metrics_counter(pipeline.metrics, &worker, "dead_letters");
    worker.counters.reasons[REJECT_BY_SINK] = metrics_counter(pipeline.metrics, &worker, "dead_letters_by_sink");
    for (unsigned i = 0; i < MAX_WINDOWS; i++) {
        CU_ASSERT(window_init(&worker.windows[i], &worker.pool, SINKS));
    }
}

static void close_worker(void)
{
    for (unsigned i = 0; i < MAX_WINDOWS; i++) {
        window_free(&worker.windows[i]);
    }
    for (unsigned i = 0; i < SINKS; i++) {
        owed_free(&states[i].owed);
    }
    arena_pool_free(&worker.pool);
    journal_close(pipeline.journal, true);
    metrics_free(pipeline.metrics);
    stalls_free(pipeline.stalls);
    log_free(pipeline.log);
}

/* A window of `count` events; `withheld` is of the first of them. */
static struct window *emit(uint32_t count, uint32_t withheld)
{
    struct window *window = window_at(&worker, worker.newest);
    window->number = worker.newest++;
    window->state = WINDOW_EMITTING;
    for (uint32_t i = 0; i < count; i++) {
        const churn_record from = {.topic = "t", .offset = i};
        churn_record *output = window_add_output(window, CHURN_RECORD_EVENT, &from);
        output->value = (churn_str){.ptr = "{}", .len = 2};
        output->reserved = i == 0 ? withheld : 0;
    }
    return window;
}

static void step(void)
{
    CU_ASSERT(emitter_step(&worker, 0));
}

static void lose_patience(void)
{
    struct timespec pause = {.tv_nsec = (PATIENCE_MS + 5) * 1000000L};
    (void)nanosleep(&pause, NULL);
}

static int64_t count_of(unsigned sink, const char *what)
{
    return metrics_sink_sum(pipeline.metrics, sections[sink].label, what);
}

/* The sink's answer to the `taken`th record that it took, at the next step. */
static void answer(unsigned sink, uint32_t taken, int32_t result)
{
    fakes[sink].answers[fakes[sink].answer_count++] =
        (churn_done){.id = fakes[sink].taken[taken].id, .result = result, .message = "refused"};
}

static const char *header(const churn_record *letter, const char *name)
{
    for (uint32_t i = 0; i < letter->header_count; i++) {
        if (strcmp(letter->headers[i].name, name) == 0) {
            return letter->headers[i].value.ptr;
        }
    }
    return "";
}

static void test_each_sink_gets_what_is_for_it(void)
{
    open_worker();
    const struct window *first = emit(3, 1u << B), *second = emit(2, 1u << A | 1u << B);
    step();
    CU_ASSERT(emitter_done(&worker, first) && emitter_done(&worker, second));
    CU_ASSERT(fakes[A].taken_count == 4 && fakes[B].taken_count == 3 && fakes[LETTERS].taken_count == 0);
    CU_ASSERT(fakes[A].taken[0].offset == 0 && fakes[B].taken[0].offset == 1);
    CU_ASSERT(count_of(A, "sent") == 4 && count_of(B, "sent") == 3);
    close_worker();
}

/* One is refused by write, one by its answer. */
static void test_refused_to_the_dead_letters(void)
{
    open_worker();
    const struct window *window = emit(2, 0);
    fakes[A].silent = true;
    fakes[B].room = 1;
    fakes[B].result = CHURN_REJECT;
    step();
    answer(A, 0, CHURN_OK);
    answer(A, 1, CHURN_REJECT);
    CU_ASSERT(!emitter_done(&worker, window));
    step();
    step();
    CU_ASSERT(emitter_done(&worker, window));
    CU_ASSERT_EQUAL_FATAL(fakes[LETTERS].taken_count, 2);
    check_text(header(&fakes[LETTERS].taken[0], "churn.sink"), "b", "the first dead letter");
    check_text(header(&fakes[LETTERS].taken[0], "churn.detail"), "b answered -2: the test says so", "its detail");
    check_text(header(&fakes[LETTERS].taken[1], "churn.sink"), "a", "the second dead letter");
    check_text(header(&fakes[LETTERS].taken[1], "churn.detail"), "refused", "its detail");
    check_text(header(&fakes[LETTERS].taken[1], "churn.kind"), "event", "its kind");
    CU_ASSERT(fakes[LETTERS].taken[0].offset == 1 && fakes[LETTERS].taken[1].offset == 1);
    CU_ASSERT(count_of(A, "sent") == 1 && count_of(B, "sent") == 1 && count_of(B, "dropped") == 0);
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "dead_letters"), 2);
    close_worker();
}

static void test_refused_and_dropped(void)
{
    open_worker();
    const struct window *window = emit(3, 0);
    sections[A].sink.on_reject = sections[B].sink.on_reject = ON_REJECT_DROP;
    fakes[A].silent = true;
    fakes[B].room = 1;
    fakes[B].result = CHURN_REJECT;
    step();
    answer(A, 0, CHURN_OK);
    answer(A, 1, CHURN_REJECT);
    answer(A, 2, CHURN_OK);
    step();
    CU_ASSERT(emitter_done(&worker, window) && fakes[LETTERS].taken_count == 0);
    CU_ASSERT(count_of(A, "dropped") == 1 && count_of(A, "sent") == 2);
    CU_ASSERT(count_of(B, "dropped") == 2 && count_of(B, "sent") == 1);
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "dead_letters"), 0);
    close_worker();
}

static void test_refused_and_stopped(void)
{
    open_worker();
    const struct window *window = emit(3, 0);
    sections[B].sink.on_reject = ON_REJECT_STOP;
    fakes[B].room = 1;
    fakes[B].result = CHURN_REJECT;
    CU_ASSERT(!emitter_step(&worker, 0) && worker.failed && !emitter_done(&worker, window));
    CU_ASSERT(fakes[LETTERS].taken_count == 0 && metrics_sum(pipeline.metrics, "dead_letters") == 0);
    close_worker();
}

/* By default a sink is waited for. */
static void test_never_given_up(void)
{
    open_worker();
    const struct window *window = emit(2, 0);
    fakes[B].silent = true;
    step();
    lose_patience();
    step();
    CU_ASSERT(!emitter_done(&worker, window) && count_of(B, "given_up") == 0);
    answer(B, 0, CHURN_OK);
    answer(B, 1, CHURN_OK);
    step();
    CU_ASSERT(emitter_done(&worker, window) && count_of(B, "sent") == 2);
    close_worker();
}

/* Taken and not answered, not taken, and not even offered: each is given up on once, and no answer changes that. */
static void test_given_up(void)
{
    open_worker();
    const struct window *first = emit(4, 1u << B), *second = emit(2, 1u << B);
    sections[B].sink.give_up_after_ms = PATIENCE_MS;
    fakes[B].silent = true;
    fakes[B].room = 2; /* of the three that are for it; the second window is behind */
    step();
    CU_ASSERT(fakes[B].taken_count == 2 && count_of(A, "sent") == 6);
    CU_ASSERT(!emitter_done(&worker, first) && !emitter_done(&worker, second));
    lose_patience();
    step();
    CU_ASSERT(emitter_done(&worker, first) && emitter_done(&worker, second));
    CU_ASSERT(count_of(B, "given_up") == 4 && count_of(B, "sent") == 0 && states[B].out);
    fakes[B].room = ROOM;
    answer(B, 0, CHURN_REJECT);
    answer(B, 1, CHURN_OK);
    step();
    CU_ASSERT(emitter_done(&worker, first) && emitter_done(&worker, second));
    CU_ASSERT(count_of(B, "sent") == 0 && count_of(B, "given_up") == 4 && fakes[LETTERS].taken_count == 0);
    CU_ASSERT(!states[B].out && fakes[B].taken_count == 2);
    const struct window *third = emit(1, 0);
    step();
    answer(B, 2, CHURN_OK);
    step();
    CU_ASSERT(emitter_done(&worker, third) && count_of(B, "sent") == 1 && count_of(B, "given_up") == 4);
    close_worker();
}

/* An answer in time to one record of a window leaves the others to be given up on. */
static void test_given_up_in_part(void)
{
    open_worker();
    const struct window *window = emit(3, 0);
    sections[B].sink.give_up_after_ms = PATIENCE_MS;
    fakes[B].silent = true;
    step();
    answer(B, 1, CHURN_OK);
    step();
    lose_patience();
    step();
    CU_ASSERT(emitter_done(&worker, window) && count_of(B, "sent") == 1 && count_of(B, "given_up") == 2);
    close_worker();
}

/* The worker fails with a word about `b` and its file, having counted `sent` of its records. */
static void check_blamed(const char *what, int64_t sent)
{
    CU_ASSERT(!emitter_step(&worker, 0) && worker.failed);
    check_contains(worker.failure, "sink b breaks the rules of its plugin interface: its ", what);
    check_contains(worker.failure, what, what);
    check_contains(worker.failure, "(/plugins/fake.so)", what);
    check(count_of(B, "sent") == sent, "%s: %lld were sent, not %lld", what, (long long)count_of(B, "sent"),
          (long long)sent);
    close_worker();
}

static const char before[] = "poll answers a record that it was not given, or has answered before";

/* Two events of which `b` has answered none. */
static const struct window *emit_two(void)
{
    open_worker();
    fakes[B].silent = true;
    const struct window *window = emit(2, 0);
    step();
    CU_ASSERT(fakes[B].taken_count == 2 && !emitter_done(&worker, window));
    return window;
}

static void test_answers_that_nobody_waits_for(void)
{
    (void)emit_two();
    answer(B, 0, CHURN_OK);
    answer(B, 0, CHURN_OK);
    check_blamed(before, 1);

    const struct window *window = emit_two(); /* … the second time once all is answered, and once the window is gone */
    answer(B, 0, CHURN_OK);
    answer(B, 1, CHURN_OK);
    step();
    CU_ASSERT(emitter_done(&worker, window) && !worker.failed);
    answer(B, 1, CHURN_OK);
    check_blamed(before, 2);
    window = emit_two();
    answer(B, 0, CHURN_OK);
    answer(B, 1, CHURN_REJECT);
    step();
    step();
    CU_ASSERT(emitter_done(&worker, window) && !worker.failed);
    window_reset(window_at(&worker, worker.oldest++), SINKS);
    answer(B, 1, CHURN_REJECT);
    check_blamed(before, 1);

    static const uint64_t strangers[] = {0, 1, 2, 7ull << 32, 1ull << 32 | 2, 1ull << 32 | UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        (void)emit_two();
        fakes[B].answers[fakes[B].answer_count++] = (churn_done){.id = strangers[i]};
        check_blamed(before, 0);
    }
}

/* A record that was offered and not taken is not answered either. */
static void test_an_answer_to_what_was_not_taken(void)
{
    open_worker();
    (void)emit(2, 0);
    fakes[B].silent = true;
    fakes[B].room = 1;
    step();
    fakes[B].answers[fakes[B].answer_count++] = (churn_done){.id = fakes[B].taken[0].id + 1};
    check_blamed(before, 0);
}

static void test_other_broken_rules(void)
{
    static const int32_t results[] = {CHURN_RETRY, CHURN_FATAL, CHURN_PENDING, CHURN_DROP, 99};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        (void)emit_two();
        answer(B, 0, results[i]);
        check_blamed("poll answers a record with ", 0);
    }
    (void)emit_two();
    fakes[B].too_many = true;
    check_blamed("poll gives 257 answers, of 256 at most", 0);
    open_worker();
    (void)emit(2, 0);
    fakes[B].greedy = true;
    check_blamed("write takes 3 records of 2 that it is given", 0);
}

/* After a rebalance, an answer to a record of a window that was forgotten is no mistake; a second one is. */
static void test_answers_to_what_was_forgotten(void)
{
    (void)emit_two();
    window_reset(window_at(&worker, worker.oldest), SINKS);
    worker.oldest = ++worker.newest;
    const struct window *next = emit(1, 0);
    step();
    answer(B, 0, CHURN_OK);
    answer(B, 1, CHURN_REJECT);
    step();
    CU_ASSERT(!worker.failed && !emitter_done(&worker, next) && count_of(B, "sent") == 0);
    answer(B, 2, CHURN_OK);
    step();
    CU_ASSERT(emitter_done(&worker, next) && count_of(B, "sent") == 1 && fakes[LETTERS].taken_count == 0);
    answer(B, 1, CHURN_OK);
    check_blamed(before, 1);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_each_sink_gets_what_is_for_it),
                           TEST(test_refused_to_the_dead_letters),
                           TEST(test_refused_and_dropped),
                           TEST(test_refused_and_stopped),
                           TEST(test_never_given_up),
                           TEST(test_given_up),
                           TEST(test_given_up_in_part),
                           TEST(test_answers_that_nobody_waits_for),
                           TEST(test_an_answer_to_what_was_not_taken),
                           TEST(test_other_broken_rules),
                           TEST(test_answers_to_what_was_forgotten),
                           CU_TEST_INFO_NULL};
    return run_tests("emitter", tests);
}
