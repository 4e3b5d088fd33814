/* Outputs to sinks that take some, refuse some and forget to answer: which sink is given what, and what becomes of what
 * it does not take. Two sinks of events, `a` and `b`, and the dead letters'. */
#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/engine/emitter.h"
#include "core/engine/session.h"
#include "core/engine/state.h"
#include "core/engine/window.h"
#include "core/pipeline/host.h"

#include "journal_fixture.h"
#include "log_fixture.h"
#include "no_leaks.h"
#include "trace.h"
#include <time.h>

enum { A, B, LETTERS, SINKS };
#define ROOM 1024
#define CRASH_LIMIT 2
#define PATIENCE_MS 60000

struct fake_sink {
    uint32_t room;    /* how many more records it takes */
    int32_t result;   /* of write, once there is no room */
    bool silent;      /* answers nothing by itself */
    bool greedy;      /* says that it took one more than it was given */
    bool too_many;    /* says that it gave one answer more than there was room for */
    bool fails;       /* when it is asked for answers */
    const char *word; /* its message in place of "the test says so" */
    bool endless;     /* its messages fill all there is, without a NUL */
    churn_record taken[ROOM];
    uint32_t taken_count;
    churn_done answers[ROOM];
    uint32_t answer_count;
};

static struct fake_sink fakes[SINKS];
static struct section sections[SINKS];
static struct pipeline pipeline;
static struct worker worker;

static void say(const struct fake_sink *sink, churn_error *err)
{
    if (sink->endless) {
        memset(err->message, 'x', sizeof err->message);
    } else {
        (void)snprintf(err->message, sizeof err->message, "%s", sink->word != NULL ? sink->word : "the test says so");
    }
}

static int32_t fake_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                          churn_error *err)
{
    struct fake_sink *sink = self;
    const struct section *section = &sections[sink - fakes];
    note("write %s %u; ", section->label, count);
    CU_ASSERT(worker.signs.inside == section && worker.seat.slot->call != 0);
    CU_ASSERT_EQUAL(worker.seat.slot->records, count);
    say(sink, err);
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
    uint32_t count = sink->answer_count < max ? sink->answer_count : max;
    const struct section *section = &sections[sink - fakes];
    CU_ASSERT(worker.signs.inside == section && worker.seat.slot->call == 0 && *ret_count == 0);
    if (count > 0 || timeout_ms > 0) {
        note("poll %s %u in %u ms; ", section->label, count, timeout_ms);
    }
    if (sink->fails) {
        say(sink, err);
        return CHURN_FATAL;
    }
    memcpy(done, sink->answers, count * sizeof *done);
    memmove(sink->answers, sink->answers + count, (sink->answer_count - count) * sizeof *done);
    *ret_count = sink->too_many ? max + 1 : count;
    sink->answer_count -= count;
    return CHURN_OK;
}

static const churn_sink_ops fake_ops = {.size = sizeof fake_ops, .write = fake_write, .poll = fake_poll};
static struct loaded loaded = {.plugin = {.ops = &fake_ops, .name = "fake", .kind = CHURN_KIND_SINK},
                               .path = "/plugins/fake.so"};
static struct instance instances[SINKS];
static struct instance *instance_pointers[SINKS];
static struct sink_state states[SINKS];

static const churn_metric shown = {
    .size = sizeof shown, .kind = CHURN_METRIC_COUNTER, .name = "test_total", .help = "A test's."};

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
    states[i] =
        (struct sink_state){.sent = metrics_sink_counter(pipeline.metrics, &worker, name, "sent", &shown),
                            .dropped = metrics_sink_counter(pipeline.metrics, &worker, name, "dropped", &shown),
                            .given_up = metrics_sink_counter(pipeline.metrics, &worker, name, "given_up", &shown)};
}

static void open_worker(void)
{
    pipeline = (struct pipeline){.metrics = metrics_new(),
                                 .stalls = stalls_new(NULL, clock_monotonic_ms),
                                 .log = log_open(),
                                 .sinks = sections,
                                 .sink_count = SINKS,
                                 .has_dead_letters = true};
    pipeline.journal = journal_new(pipeline.log, 1, CRASH_LIMIT);
    worker = (struct worker){
        .pipeline = &pipeline, .sinks = instance_pointers, .sink_states = states, .ring = {.oldest = 1, .newest = 1}};
    add_sink(A, "a");
    add_sink(B, "b");
    add_sink(LETTERS, "letters");
    if (*state_dir != '\0') {
        journal_open(pipeline.journal, state_dir, "pipeline");
    }
    journal_sit(pipeline.journal, 0, &worker.seat);
    log_pass_over();
    trace[0] = '\0';
    worker.counters.sent = metrics_counter(pipeline.metrics, &worker, "records_sent");
    worker.counters.dead_letters = metrics_counter(pipeline.metrics, &worker, "dead_letters");
    for (unsigned i = 0; i < REJECT_REASON_COUNT; i++) {
        worker.counters.reasons[i] = metrics_counter(pipeline.metrics, &worker, reject_reason_name(i));
    }
    for (unsigned i = 0; i < MAX_WINDOWS; i++) {
        CU_ASSERT(window_init(&worker.ring.windows[i], &worker.ring.pool, SINKS));
    }
}

static void close_worker(void)
{
    for (unsigned i = 0; i < MAX_WINDOWS; i++) {
        window_free(&worker.ring.windows[i]);
    }
    for (unsigned i = 0; i < SINKS; i++) {
        owed_free(&states[i].owed);
    }
    arena_pool_free(&worker.ring.pool);
    journal_close(pipeline.journal, true);
    metrics_free(pipeline.metrics);
    stalls_free(pipeline.stalls);
    log_free(pipeline.log);
    log_closed();
}

/* A window of `count` events; `withheld` is of the first of them. */
static struct window *emit(uint32_t count, uint32_t withheld)
{
    struct window *window = window_at(&worker, worker.ring.newest);
    window->number = worker.ring.newest++;
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

/* What waits has waited for too long. */
static void lose_patience(void)
{
    for (uint64_t number = worker.ring.oldest; number < worker.ring.newest; number++) {
        struct window *window = window_at(&worker, number);
        for (unsigned i = 0; i < SINKS; i++) {
            window->sinks[i].since_ms -= window->sinks[i].since_ms != 0 ? PATIENCE_MS : 0;
        }
    }
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
    window_reset(window_at(&worker, worker.ring.oldest++), SINKS);
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
    window_reset(window_at(&worker, worker.ring.oldest), SINKS);
    worker.ring.oldest = ++worker.ring.newest;
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

/* ---- the calls ---- */

static void check_moved(bool a, bool b, const char *when)
{
    check(states[A].moved == a && states[B].moved == b && worker.moved == (a || b), "moved: %s", when);
    states[A].moved = states[B].moved = worker.moved = false;
}

/* As many as a sink is given at once, and more; of answers, too. */
static void test_batches(void)
{
    static const struct {
        uint32_t count;
        const char *calls;
    } cases[] = {{0, ""},
                 {1, "write b 1; poll b 1 in 0 ms; "},
                 {255, "write b 255; poll b 255 in 0 ms; "},
                 {256, "write b 256; poll b 256 in 0 ms; "},
                 {257, "write b 256; write b 1; poll b 256 in 0 ms; poll b 1 in 0 ms; "},
                 {600, "write b 256; write b 256; write b 88; poll b 256 in 0 ms; poll b 256 in 0 ms; poll b 88 in 0 "
                       "ms; "}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_worker();
        sections[A].input = CHURN_RECORD_TRIGGER;
        const struct window *window = emit(cases[i].count, 0);
        step();
        check_trace(cases[i].calls, "calls");
        check(emitter_done(&worker, window) && count_of(B, "sent") == cases[i].count, "%u records", cases[i].count);
        check_moved(false, cases[i].count > 0, cases[i].calls);
        close_worker();
    }
}

/* Only the first sink is waited for: a round has one wait. */
static void test_the_wait(void)
{
    open_worker();
    CU_ASSERT(emitter_step(&worker, 7));
    check_trace("poll a 0 in 7 ms; ", "nothing to do");
    check_moved(false, false, "nothing to do");
    (void)emit(1, 0);
    fakes[A].silent = true;
    CU_ASSERT(emitter_step(&worker, 7));
    check_trace("write a 1; poll a 0 in 7 ms; write b 1; poll b 1 in 0 ms; ", "a record");
    check_moved(true, true, "a record");
    step();
    check_moved(false, false, "no answer");
    answer(A, 0, CHURN_OK);
    step();
    check_moved(true, false, "an answer");
    CU_ASSERT_PTR_NULL(worker.signs.inside);
    CU_ASSERT_EQUAL(worker.seat.slot->call, 0);
    close_worker();
}

/* A sink that takes no more gets no later window's records before those that it has not taken. */
static void test_full(void)
{
    open_worker();
    sections[A].input = CHURN_RECORD_TRIGGER;
    const struct window *first = emit(3, 0), *second = emit(2, 0);
    fakes[B].room = 2;
    fakes[B].result = CHURN_PENDING;
    step();
    check_trace("write b 3; poll b 2 in 0 ms; ", "two of three");
    CU_ASSERT(first->sinks[B].cursor == 2 && second->sinks[B].cursor == 0);
    fakes[B].result = CHURN_RETRY;
    step();
    check_trace("write b 1; ", "no room");
    check_moved(false, true, "two of three");
    step();
    check_trace("write b 1; ", "still none");
    check_moved(false, false, "no room");
    fakes[B].room = ROOM;
    step();
    check_trace("write b 1; write b 2; poll b 3 in 0 ms; ", "room");
    CU_ASSERT(emitter_done(&worker, first) && emitter_done(&worker, second) && count_of(B, "sent") == 5);
    CU_ASSERT_EQUAL(fakes[B].taken_count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(fakes[B].taken[i].offset, i < 3 ? i : i - 3);
    }
    close_worker();
}

static void test_a_sink_fails(void)
{
    open_worker();
    (void)emit(2, 0);
    fakes[B].room = 1;
    fakes[B].result = CHURN_FATAL;
    CU_ASSERT(!emitter_step(&worker, 0));
    check_text(worker.failure, "sink b: the test says so", "write");
    CU_ASSERT_PTR_NULL(worker.signs.inside);
    close_worker();
    open_worker();
    fakes[B].fails = true;
    CU_ASSERT(!emitter_step(&worker, 0));
    check_text(worker.failure, "sink b: the test says so", "poll");
    CU_ASSERT_PTR_NULL(worker.signs.inside);
    close_worker();
}

/* What a sink writes over the end of its message is cut off there. */
static void test_messages_without_end(void)
{
    churn_error whole;
    for (int polls = 0; polls < 2; polls++) {
        open_worker();
        (void)emit(1, 0);
        fakes[B].endless = true;
        fakes[B].fails = polls == 1;
        fakes[B].room = polls == 1 ? ROOM : 0;
        fakes[B].result = CHURN_FATAL;
        CU_ASSERT(!emitter_step(&worker, 0));
        check(strlen(worker.failure) == strlen("sink b: ") + sizeof whole.message - 1 &&
                  strspn(worker.failure + strlen("sink b: "), "x") == sizeof whole.message - 1,
              "failure: %s", worker.failure);
        close_worker();
    }
}

/* ---- dead letters ---- */

/* A window with a letter and two events, whose letters go out first. */
static struct window *set_aside(void)
{
    static const churn_header headers[] = {{"churn.reason", {.ptr = "empty", .len = 5}},
                                           {"churn.detail", {.ptr = "d", .len = 1}},
                                           {"churn.topic", {.ptr = "t", .len = 1}},
                                           {"trace", {.ptr = "7", .len = 1}}};
    struct window *window = emit(2, 0);
    const churn_record from = {.topic = "t", .partition = 3, .offset = 9};
    churn_record *letter = window_add_output(window, CHURN_RECORD_DEAD_LETTER, &from);
    letter->headers = headers;
    letter->header_count = COUNT(headers);
    letter->value = (churn_str){.ptr = "bad", .len = 3};
    letter->key = (churn_str){.ptr = "c", .len = 1};
    window->state = WINDOW_SETTING_ASIDE;
    window->has_letters = true;
    return window;
}

static void test_letters_first(void)
{
    open_worker();
    struct window *window = set_aside();
    sections[A].sink.give_up_after_ms = PATIENCE_MS;
    fakes[LETTERS].silent = true;
    step();
    check_trace("", "the store does not know yet that there may be some");
    CU_ASSERT(!emitter_set_aside(&worker, window));
    for (unsigned i = 0; i < SINKS; i++) {
        CU_ASSERT(!emitter_owes(&worker, i));
    }
    window->announced = true;
    CU_ASSERT(!emitter_owes(&worker, A) && emitter_owes(&worker, LETTERS));
    step();
    check_trace("write letters 1; ", "letters alone");
    CU_ASSERT(!emitter_set_aside(&worker, window) && emitter_owes(&worker, LETTERS));
    CU_ASSERT_EQUAL(window->sinks[A].since_ms, 0); /* nobody keeps it waiting */
    answer(LETTERS, 0, CHURN_OK);
    step();
    check_trace("poll letters 1 in 0 ms; ", "answered");
    CU_ASSERT(emitter_set_aside(&worker, window) && !emitter_done(&worker, window) && !emitter_owes(&worker, LETTERS));
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "records_sent"), 0);
    window->state = WINDOW_EMITTING;
    CU_ASSERT(emitter_owes(&worker, A) && emitter_owes(&worker, B) && !emitter_owes(&worker, LETTERS));
    step();
    check_trace("write a 2; poll a 2 in 0 ms; write b 2; poll b 2 in 0 ms; ", "the rest");
    CU_ASSERT(emitter_done(&worker, window) && !emitter_owes(&worker, A));
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "records_sent"), 4);
    close_worker();
}

/* Whichever sink it is that has not answered. */
static void test_one_sink_behind(void)
{
    for (unsigned behind = 0; behind < SINKS; behind++) {
        open_worker();
        for (unsigned i = 0; i < SINKS; i++) {
            sections[i].input = CHURN_RECORD_DEAD_LETTER;
        }
        struct window *window = set_aside();
        window->announced = true;
        fakes[behind].silent = true;
        step();
        CU_ASSERT(!emitter_set_aside(&worker, window) && !emitter_done(&worker, window));
        for (unsigned i = 0; i < SINKS; i++) {
            CU_ASSERT(emitter_owes(&worker, i) == (i == behind) && emitter_undelivered(&worker, i) == (i == behind));
        }
        answer(behind, 0, CHURN_OK);
        step();
        CU_ASSERT(emitter_set_aside(&worker, window) && emitter_done(&worker, window));
        close_worker();
    }
}

/* Whole, the dead letters' sink refuses it; without its value it is to be had, or the run ends. */
static void test_a_letter_that_is_refused(void)
{
    open_worker();
    struct window *window = set_aside();
    window->announced = true;
    fakes[LETTERS].silent = true;
    step();
    answer(LETTERS, 0, CHURN_REJECT);
    step();
    check_logged("WARN  letters: the dead letter of t/3 at offset 9 is kept without its value: refused\n", "cut");
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "too_large_to_keep"), 1);
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "dead_letters"), 0); /* it is one that was counted */
    CU_ASSERT(window->output_count == 4 && !emitter_set_aside(&worker, window));
    step();
    CU_ASSERT_EQUAL_FATAL(fakes[LETTERS].taken_count, 2);
    const churn_record *cut = &fakes[LETTERS].taken[1];
    CU_ASSERT(cut->value.ptr == NULL && cut->offset == 9 && cut->partition == 3 && cut->key.len == 1);
    check_text(header(cut, "churn.reason"), "too_large_to_keep", "reason");
    check_text(header(cut, "churn.detail"),
               "empty; without its value, since the dead letters refused it whole: refused", "detail");
    check_text(header(cut, "churn.topic"), "t", "topic");
    check_text(header(cut, "churn.size"), "3", "size");
    CU_ASSERT_EQUAL(cut->header_count, 5); /* with the hash, and none of the record's own */
    answer(LETTERS, 1, CHURN_REJECT);
    CU_ASSERT(!emitter_step(&worker, 0));
    check_text(worker.failure, "sink letters refuses the record of t/3 at offset 9: refused", "for good");
    close_worker();
}

static void test_refused_without_dead_letters(void)
{
    open_worker();
    pipeline.sink_count = LETTERS;
    pipeline.has_dead_letters = false;
    (void)emit(2, 0);
    fakes[B].room = 1;
    fakes[B].result = CHURN_REJECT;
    CU_ASSERT(!emitter_step(&worker, 0));
    check_text(worker.failure, "sink b refuses the record of t/0 at offset 1: b answered -2: the test says so", "why");
    close_worker();
}

/* Any other answer than those that mean a wait refuses the record after those that were taken. */
static void test_answers_that_refuse(void)
{
    static const int32_t results[] = {CHURN_REJECT, CHURN_DROP, CHURN_CONFLICT, 99};
    for (size_t i = 0; i < COUNT(results); i++) {
        open_worker();
        const struct window *window = emit(3, 0);
        sections[A].sink.on_reject = ON_REJECT_DROP;
        fakes[A].room = 0;
        fakes[A].result = results[i];
        for (int turn = 0; turn < 3; turn++) {
            step();
        }
        check_trace("write a 3; write b 3; poll b 3 in 0 ms; write a 2; write a 1; ", "one in each turn");
        check(emitter_done(&worker, window) && count_of(A, "dropped") == 3, "dropped after %d", results[i]);
        close_worker();
    }
}

static void test_what_a_sink_says(void)
{
    static const char *const cases[][2] = {{"", "b answered -2"}, {"x", "b answered -2: x"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_worker();
        (void)emit(1, 0);
        fakes[B].room = 0;
        fakes[B].result = CHURN_REJECT;
        fakes[B].word = cases[i][0];
        step();
        CU_ASSERT_EQUAL_FATAL(fakes[LETTERS].taken_count, 1);
        check_text(header(&fakes[LETTERS].taken[0], "churn.detail"), cases[i][1], "detail");
        close_worker();
    }
}

/* ---- what is lost is told ---- */

static void test_what_is_dropped_is_told(void)
{
    open_worker();
    (void)emit(4, 0);
    sections[B].sink.on_reject = ON_REJECT_DROP;
    fakes[B].silent = true;
    step();
    answer(B, 0, CHURN_REJECT);
    step();
    check_logged("WARN  b: 1 record dropped: refused (on_reject: drop): refused\n", "the first");
    answer(B, 1, CHURN_REJECT);
    answer(B, 2, CHURN_REJECT);
    fakes[B].answers[1].message = NULL;
    step();
    check_logged("", "the next ones wait");
    CU_ASSERT_EQUAL(states[B].lost, 2);
    emitter_end(&worker);
    check_logged("WARN  b: 2 records dropped: refused (on_reject: drop): \n", "at the end");
    CU_ASSERT(states[B].lost == 0 && states[A].undelivered == 0 && states[B].undelivered == 1);
    emitter_end(&worker);
    check_logged("", "once");
    states[B].lost = 1;
    emitter_end(&worker);
    check_logged("WARN  b: 1 record dropped: refused (on_reject: drop): \n", "one at the end");
    answer(B, 3, CHURN_REJECT);
    states[B].warn_ms = clock_monotonic_ms();
    step();
    check_logged("WARN  b: 1 record dropped: refused (on_reject: drop): refused\n", "in time");
    CU_ASSERT(states[B].warn_ms > clock_monotonic_ms() + 5000 && count_of(B, "dropped") == 4);
    close_worker();
}

static void test_what_is_given_up_is_told(void)
{
    open_worker();
    (void)emit(2, 0);
    sections[B].sink.give_up_after_ms = PATIENCE_MS;
    fakes[B].silent = true;
    step();
    lose_patience();
    step();
    check_logged("WARN  b: 2 records dropped: not taken or answered within 60000 ms (give_up_after)\n", "given up");
    answer(B, 0, CHURN_OK);
    step();
    check_logged("INFO  b: answers again\n", "again");
    answer(B, 1, CHURN_OK);
    step();
    check_logged("", "said once");
    close_worker();
}

/* What comes behind that in its window is delivered as ever. */
static void test_behind_what_was_given_up(void)
{
    open_worker();
    struct window *window = emit(2, 0);
    const churn_record from = {.topic = "t", .offset = 2};
    sections[B].sink.give_up_after_ms = PATIENCE_MS;
    fakes[B].silent = true;
    step();
    lose_patience();
    worker.moved = false;
    step();
    CU_ASSERT(worker.moved && emitter_done(&worker, window));
    sections[B].sink.give_up_after_ms = 0;
    (void)window_add_output(window, CHURN_RECORD_EVENT, &from);
    step();
    CU_ASSERT_EQUAL(fakes[B].taken_count, 3);
    answer(B, 1, CHURN_OK);
    answer(B, 2, CHURN_OK);
    step();
    CU_ASSERT(emitter_done(&worker, window) && count_of(B, "sent") == 1 && count_of(B, "given_up") == 2);
    close_worker();
}

/* A sink that is out is waited for a second at most, one that is not for as long as the pipeline says. */
static void test_patience(void)
{
    static const struct {
        int64_t patience_ms, waited_ms;
        bool out, given_up;
    } cases[] = {{60000, 2000, true, true},   {60000, -2000, true, false}, {60000, 2000, false, false},
                 {60000, 61000, false, true}, {500, 600, true, true},      {500, 600, false, true}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_worker();
        struct window *window = emit(1, 0);
        sections[B].sink.give_up_after_ms = cases[i].patience_ms;
        fakes[B].silent = true;
        step();
        CU_ASSERT(window->sinks[B].since_ms > 0 && window->sinks[A].since_ms == 0);
        window->sinks[B].since_ms = clock_monotonic_ms() - cases[i].waited_ms;
        states[B].out = cases[i].out;
        step();
        check(emitter_done(&worker, window) == cases[i].given_up, "case %zu", i);
        close_worker();
    }
}

/* What waits is counted over all windows, the one that is being filled too. */
static void test_undelivered(void)
{
    open_worker();
    fakes[B].silent = true;
    fakes[B].room = 2;
    (void)emit(3, 1u << A);
    step();
    struct window *filling = emit(2, 1u << B);
    worker.ring.newest--;
    filling->state = WINDOW_FILLING;
    step();
    CU_ASSERT_EQUAL(emitter_undelivered(&worker, A), 2); /* of the window that is being filled */
    CU_ASSERT_EQUAL(emitter_undelivered(&worker, B), 4); /* 2 unanswered, 1 not taken, 1 not offered */
    CU_ASSERT_EQUAL(emitter_undelivered(&worker, LETTERS), 0);
    CU_ASSERT(!emitter_owes(&worker, A) && emitter_owes(&worker, B));
    emitter_end(&worker);
    check_logged("", "nothing was lost");
    CU_ASSERT(states[A].undelivered == 2 && states[B].undelivered == 4 && states[LETTERS].undelivered == 0);
    close_worker();
}

static void test_only_events_count_as_sent(void)
{
    open_worker();
    sections[A].input = CHURN_RECORD_ALERT;
    struct window *window = emit(1, 0);
    window_add_output(window, CHURN_RECORD_ALERT, &(const churn_record){.topic = "t", .offset = 1});
    step();
    CU_ASSERT(count_of(A, "sent") == 1 && count_of(B, "sent") == 1);
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "records_sent"), 1);
    close_worker();
}

/* ---- records that the process died of ---- */

struct death {
    unsigned sink;
    int64_t offset;
    uint32_t records;
};

static void enter(const void *ctx)
{
    const struct death *death = ctx;
    open_worker();
    (void)journal_enter(&worker.seat, sections[death->sink].journal_number, "t", 0, death->offset, death->records);
}

static void die_at(unsigned sink, int64_t offset, uint32_t records)
{
    die_in(enter, &(const struct death){sink, offset, records});
}

static unsigned deaths(unsigned sink, int64_t offset)
{
    return journal_deaths(&worker.seat, sections[sink].journal_number, "t", 0, offset);
}

/* A record that is suspected comes by itself, wherever it stands. */
static void test_a_suspect_comes_alone(void)
{
    static const char *const calls[] = {
        "write a 4; poll a 4 in 0 ms; write b 1; write b 3; poll b 4 in 0 ms; ",
        "write a 4; poll a 4 in 0 ms; write b 1; write b 1; write b 2; poll b 4 in 0 ms; ",
        "write a 4; poll a 4 in 0 ms; write b 2; write b 1; write b 1; poll b 4 in 0 ms; ",
        "write a 4; poll a 4 in 0 ms; write b 3; write b 1; poll b 4 in 0 ms; ",
    };
    for (int64_t suspect = 0; suspect < 4; suspect++) {
        keep_journal();
        die_at(B, suspect, 1);
        open_worker();
        const struct window *window = emit(4, 0);
        CU_ASSERT_EQUAL(deaths(B, suspect), 1);
        step();
        check_trace(calls[suspect], "alone");
        CU_ASSERT(emitter_done(&worker, window) && count_of(B, "sent") == 4 && fakes[LETTERS].taken_count == 0);
        CU_ASSERT_EQUAL(deaths(B, suspect), 0);
        for (uint32_t i = 0; i < 4; i++) {
            CU_ASSERT_EQUAL(fakes[B].taken[i].offset, i);
        }
        close_worker();
        forget_journal();
    }
}

/* It has not passed the sink before the sink took it, or refused it for good. */
static void test_a_suspect_that_is_not_taken(void)
{
    keep_journal();
    die_at(B, 0, 1);
    open_worker();
    (void)emit(1, 0);
    fakes[B].room = 0;
    fakes[B].result = CHURN_RETRY;
    step();
    CU_ASSERT_EQUAL(deaths(B, 0), 1);
    fakes[B].result = CHURN_REJECT;
    sections[B].sink.on_reject = ON_REJECT_DROP;
    step();
    CU_ASSERT(deaths(B, 0) == 0 && count_of(B, "dropped") == 1);
    close_worker();
    forget_journal();
}

static void test_poison(void)
{
    keep_journal();
    die_at(B, 2, 1);
    die_at(B, 2, 1);
    open_worker();
    const struct window *window = emit(4, 0);
    step();
    check_trace("write a 4; poll a 4 in 0 ms; write b 2; write b 1; poll b 3 in 0 ms; write letters 1; poll letters 1 "
                "in 0 ms; ",
                "not given again");
    step();
    CU_ASSERT(emitter_done(&worker, window) && count_of(B, "sent") == 3);
    CU_ASSERT(fakes[B].taken[1].offset == 1 && fakes[B].taken[2].offset == 3);
    check_text(header(&fakes[LETTERS].taken[0], "churn.reason"), "crashed_plugin", "reason");
    check_text(header(&fakes[LETTERS].taken[0], "churn.detail"), "b ended the process 2 times at this event", "detail");
    CU_ASSERT_EQUAL(fakes[LETTERS].taken[0].offset, 2);
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "crashed_plugin"), 1);
    close_worker();
    forget_journal();
}

/* Which record of a batch it was is not known: each comes alone for a while. */
static void test_after_a_batch(void)
{
    keep_journal();
    die_at(B, 1, 2);
    open_worker();
    const struct window *window = emit(3, 0);
    step();
    check_trace("write a 3; poll a 3 in 0 ms; write b 1; write b 1; write b 1; poll b 3 in 0 ms; ", "one by one");
    CU_ASSERT(emitter_done(&worker, window) && count_of(B, "sent") == 3);
    close_worker();
    forget_journal();
}

static void begin_without_memory(void)
{
    open_worker();
    log_configure(pipeline.log, CHURN_LOG_ERROR - 1, LOG_FORMAT_TEXT); /* it does without its lines */
    struct window *window = set_aside();
    window->announced = true;
    fakes[LETTERS].silent = true;
    fakes[B].result = CHURN_REJECT;
    fakes[B].room = 1;
    (void)emit(2, 0);
    (void)arena_alloc(&window->arena, 256 * 1024 - 200);
}

static bool step_without_memory(void)
{
    if (!emitter_step(&worker, 0)) {
        return false;
    }
    answer(LETTERS, 0, CHURN_REJECT);
    return emitter_step(&worker, 0) && emitter_step(&worker, 0);
}

static void end_without_memory(bool ok)
{
    CU_ASSERT(ok != worker.failed && (ok || strcmp(worker.failure, "out of memory") == 0));
    close_worker();
}

static void test_no_memory(void)
{
    check_allocations("a step", begin_without_memory, step_without_memory, end_without_memory);
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
                           TEST(test_batches),
                           TEST(test_the_wait),
                           TEST(test_full),
                           TEST(test_a_sink_fails),
                           TEST(test_messages_without_end),
                           TEST(test_letters_first),
                           TEST(test_one_sink_behind),
                           TEST(test_a_letter_that_is_refused),
                           TEST(test_refused_without_dead_letters),
                           TEST(test_answers_that_refuse),
                           TEST(test_what_a_sink_says),
                           TEST(test_what_is_dropped_is_told),
                           TEST(test_what_is_given_up_is_told),
                           TEST(test_behind_what_was_given_up),
                           TEST(test_patience),
                           TEST(test_undelivered),
                           TEST(test_only_events_count_as_sent),
                           TEST(test_a_suspect_comes_alone),
                           TEST(test_a_suspect_that_is_not_taken),
                           TEST(test_poison),
                           TEST(test_after_a_batch),
                           TEST(test_no_memory),
                           CU_TEST_INFO_NULL};
    return run_tests_without_leaks("emitter", tests);
}
