/* Processors in the way of an event: what they change reaches everything behind them but the dead letters, and their
 * alerts follow from an event that passes. */
#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/engine/damage.h"
#include "core/engine/intake.h"
#include "core/engine/own_headers.h"
#include "core/engine/partitions.h"
#include "core/engine/progress.h"
#include "core/engine/session.h"
#include "core/engine/state.h"
#include "core/engine/window.h"
#include "core/engine/writer.h"
#include "core/pipeline/host.h"

#include "log_fixture.h"
#include "no_leaks.h"
#include "shown_fixture.h"
#include "types_fixture.h"

static struct types_fixture types;
static struct pipeline pipeline;
static struct worker worker;
static struct journal_slot slot;
static _Atomic unsigned no_entries;

/* ---- two processors, whose answers a test chooses ---- */

static int32_t first_answer, second_answer;
static bool first_changes, first_alerts, second_alerts;
static char seen_second[128]; /* the data that the second one was given */

static churn_str text(const char *bytes)
{
    return (churn_str){.ptr = bytes, .len = (uint32_t)strlen(bytes)};
}

static int32_t transform_first(void *self, const churn_event *event, churn_edit *edit, churn_error *err)
{
    (void)self;
    (void)event;
    if (first_changes) {
        CU_ASSERT_EQUAL(edit->set_text(edit, "session_id", text("masked"), err), CHURN_OK);
    }
    if (first_alerts) {
        CU_ASSERT_EQUAL(edit->alert(edit, CHURN_SEVERITY_WARNING, "first", text("look"), err), CHURN_OK);
    }
    return first_answer == CHURN_OK ? CHURN_OK : churn_fail(err, first_answer, "the test says so");
}

static int32_t transform_second(void *self, const churn_event *event, churn_edit *edit, churn_error *err)
{
    (void)self;
    (void)snprintf(seen_second, sizeof seen_second, "%.*s", (int)event->data.len, event->data.ptr);
    if (second_alerts) {
        CU_ASSERT_EQUAL(edit->alert(edit, CHURN_SEVERITY_CRITICAL, "second", text("say \"hi\""), err), CHURN_OK);
    }
    return second_answer == CHURN_OK ? CHURN_OK : churn_fail(err, second_answer, "the test says so");
}

static int32_t never(void *self, const churn_event *event, churn_error *err)
{
    (void)self;
    (void)event;
    (void)err;
    CU_FAIL("process must not be called where there is transform");
    return CHURN_FATAL;
}

static const churn_processor_ops ops_first = {.size = sizeof ops_first, .process = never, .transform = transform_first};
static const churn_processor_ops ops_second = {
    .size = sizeof ops_second, .process = never, .transform = transform_second};
static struct loaded loaded[] = {{.plugin = {.ops = &ops_first}}, {.plugin = {.ops = &ops_second}}};
static const churn_source_ops ops_source = {.size = sizeof ops_source};
static struct loaded loaded_source = {.plugin = {.ops = &ops_source}};
static struct section sections[] = {{.loaded = &loaded[0], .label = "first"},
                                    {.loaded = &loaded[1], .label = "second"}};
static struct instance instances[2], *instance_list[] = {&instances[0], &instances[1]};

/* ---- a worker that decodes and has sinks for everything, without its thread ---- */

static void open_worker(void)
{
    churn_counter **counters = (churn_counter **)(void *)&worker.counters;
    first_answer = second_answer = CHURN_OK;
    first_changes = first_alerts = second_alerts = false;
    pipeline = (struct pipeline){.catalog = types.catalog,
                                 .rules = type_rules_new(&types.catalog),
                                 .metrics = metrics_new(),
                                 .stalls = stalls_new(NULL, clock_monotonic_ms),
                                 .log = log_new(-1, CHURN_LOG_ERROR - 1, LOG_FORMAT_TEXT),
                                 .source = {.loaded = &loaded_source, .label = "source"},
                                 .processors = sections,
                                 .processor_count = 2,
                                 .decodes = true,
                                 .has_dead_letters = true,
                                 .outputs = CHURN_RECORD_EVENT | CHURN_RECORD_ALERT | CHURN_RECORD_DEAD_LETTER};
    worker = (struct worker){.pipeline = &pipeline, .processors = instance_list, .ring = {.oldest = 1, .newest = 1}};
    worker.seat = (struct journal_seat){.slot = &slot, .entries = &no_entries};
    worker.intake.decoder = event_decoder_new(&pipeline.catalog);
    for (size_t i = 0; i < sizeof worker.counters / sizeof *counters; i++) {
        counters[i] = metrics_counter(pipeline.metrics, &worker, "any");
    }
    shown_open(&worker);
    CU_ASSERT_FATAL(worker.intake.decoder != NULL && window_init(window_filling(&worker), &worker.ring.pool, 1));
}

static void close_worker(void)
{
    window_free(window_filling(&worker));
    arena_pool_free(&worker.ring.pool);
    parts_free(&worker.parts);
    event_decoder_free(worker.intake.decoder);
    edit_free(&worker.intake.edit);
    text_free(&worker.intake.scratch);
    metrics_free(pipeline.metrics);
    type_rules_free(pipeline.rules, &pipeline.catalog);
    stalls_free(pipeline.stalls);
    log_free(pipeline.log);
}

#define EVENT(data)                                                                                                    \
    "{\"event_id\":\"e\",\"event_type\":\"login\",\"customer_id\":\"c\",\"timestamp\":\"2026-01-01T00:00:00Z\","       \
    "\"data\":" data "}"
#define RECEIVED EVENT("{ \"session_id\":\"secret\" }")
#define MASKED EVENT("{\"session_id\":\"masked\"}")
#define ALERT(name, severity, message, data)                                                                           \
    "{\"alert_id\":\"t/3/41/" name "\",\"severity\":\"" severity "\",\"event_id\":\"e\",\"event_type\":\"login\","     \
    "\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"customer_id\":\"c\",\"message\":\"" message "\",\"data\":" data "}"

static void take(void)
{
    churn_record record = {.size = sizeof record,
                           .kind = CHURN_RECORD_EVENT,
                           .value = text(RECEIVED),
                           .topic = "t",
                           .partition = 3,
                           .offset = 41};
    CU_ASSERT_EQUAL(intake_take(&worker, &record, 1), true);
}

/* What the sinks will be told, in order: kind, value, …, 0. */
static void check_outputs(uint32_t kind, ...)
{
    const struct window *window = window_filling(&worker);
    uint32_t count = 0;
    va_list args;
    va_start(args, kind);
    for (; kind != 0; kind = va_arg(args, uint32_t), count++) {
        const char *value = va_arg(args, const char *);
        char got[512] = "nothing";
        if (count < window->output_count) {
            const churn_record *output = &window->outputs[count];
            CU_ASSERT_EQUAL(output->kind, kind);
            (void)snprintf(got, sizeof got, "%.*s", (int)output->value.len, output->value.ptr);
        }
        check_text(got, value, "output");
    }
    va_end(args);
    CU_ASSERT_EQUAL(window->output_count, count);
}

static void test_a_change_reaches_what_is_behind(void)
{
    open_worker();
    first_changes = first_alerts = second_alerts = true;
    take();
    check_text(seen_second, "{\"session_id\":\"masked\"}", "the next processor");
    check_outputs(CHURN_RECORD_EVENT, MASKED, CHURN_RECORD_ALERT,
                  ALERT("first", "warning", "look", "{\"session_id\":\"masked\"}"), CHURN_RECORD_ALERT,
                  ALERT("second", "critical", "say \\\"hi\\\"", "{\"session_id\":\"masked\"}"), 0);
    CU_ASSERT_EQUAL(window_filling(&worker)->outputs[2].severity, CHURN_SEVERITY_CRITICAL);
    close_worker();
}

static void test_a_dead_letter_is_as_it_was_received(void)
{
    open_worker();
    first_changes = first_alerts = true;
    second_answer = CHURN_REJECT;
    take();
    check_outputs(CHURN_RECORD_DEAD_LETTER, RECEIVED, 0);
    close_worker();
}

/* Its reason is no content, and no processor sees it. */
static void test_what_the_source_cannot_read_is_set_aside(void)
{
    const churn_record record = {.size = sizeof record,
                                 .kind = CHURN_RECORD_UNREADABLE,
                                 .value = text(RECEIVED),
                                 .topic = "t",
                                 .partition = 3,
                                 .offset = 41};
    const churn_record *letter = NULL;
    open_worker();
    CU_ASSERT_EQUAL(intake_take(&worker, &record, 1), true);
    check_outputs(CHURN_RECORD_DEAD_LETTER, "", 0);
    letter = &window_filling(&worker)->outputs[0];
    CU_ASSERT(letter->value.ptr == NULL && letter->offset == 41 && letter->partition == 3);
    CU_ASSERT_FATAL(letter->header_count > 0);
    CU_ASSERT_STRING_EQUAL(letter->headers[0].name, "churn.reason");
    CU_ASSERT_NSTRING_EQUAL(letter->headers[0].value.ptr, "unreadable_record", letter->headers[0].value.len);
    close_worker();
}

static void test_an_event_left_out_raises_nothing(void)
{
    open_worker();
    first_alerts = second_alerts = true;
    second_answer = CHURN_DROP;
    take();
    check_outputs(0);
    second_answer = CHURN_RETRY;
    take();
    check_outputs(0);
    CU_ASSERT(worker.reading.ask_again_ms != 0);
    worker.reading.ask_again_ms = 0;
    second_answer = CHURN_OK;
    take();
    check_outputs(CHURN_RECORD_EVENT, RECEIVED, CHURN_RECORD_ALERT,
                  ALERT("first", "warning", "look", "{\"session_id\":\"secret\"}"), CHURN_RECORD_ALERT,
                  ALERT("second", "critical", "say \\\"hi\\\"", "{\"session_id\":\"secret\"}"), 0);
    close_worker();
}

/* It may be folded again, by then without the processors. */
static void test_what_is_counted_is_the_changed_event(void)
{
    struct loaded store = {.path = NULL};
    const struct window *window = window_filling(&worker);
    open_worker();
    pipeline.store.loaded = &store;
    worker.cache = (struct cache){.registry = &pipeline.catalog.registry, .limit = SIZE_MAX};
    CU_ASSERT_FATAL(fold_buffer_init(&worker.folder, &pipeline.catalog, &worker.parts));
    first_changes = true;
    take();
    CU_ASSERT_EQUAL_FATAL(window->event_count, 1);
    CU_ASSERT(window->events[0].len == strlen(MASKED) && strcmp(window->events[0].payload, MASKED) == 0);
    CU_ASSERT_EQUAL(window->events[0].offset, 41);
    cache_free(&worker.cache);
    fold_buffer_free(&worker.folder);
    close_worker();
}

/* A worker with a store, of which only the name is asked for. */
static void open_counting_worker(void)
{
    static struct loaded of_store = {.path = NULL};
    open_worker();
    pipeline.store.loaded = &of_store;
    worker.cache = (struct cache){.registry = &pipeline.catalog.registry, .limit = SIZE_MAX};
    CU_ASSERT_FATAL(fold_buffer_init(&worker.folder, &pipeline.catalog, &worker.parts));
}

static void close_counting_worker(void)
{
    cache_free(&worker.cache);
    fold_buffer_free(&worker.folder);
    close_worker();
}

/* Takes the events at these offsets of t/3, in one poll; how many of the window's events count then. */
static uint32_t take_at(const int64_t *offsets, uint32_t count)
{
    churn_record records[32];
    for (uint32_t i = 0; i < count; i++) {
        records[i] = (churn_record){.size = sizeof records[i],
                                    .kind = CHURN_RECORD_EVENT,
                                    .key = text("c"),
                                    .value = text(RECEIVED),
                                    .topic = "t",
                                    .partition = 3,
                                    .offset = offsets[i]};
    }
    CU_ASSERT_EQUAL(intake_take(&worker, records, count), true);
    return window_filling(&worker)->event_count;
}

/* Delivered again before its delta is acknowledged: in the same window, the newest too, and in the one behind it. */
static void test_a_record_delivered_again(void)
{
    struct customer *customer;
    open_counting_worker();
    CU_ASSERT_EQUAL(take_at((const int64_t[]){40, 41}, 2), 2);
    CU_ASSERT_EQUAL(take_at((const int64_t[]){41}, 1), 2);
    CU_ASSERT_EQUAL(take_at((const int64_t[]){40, 41, 42, 42}, 4), 3);
    customer = cache_get(&worker.cache, text("c"));
    customer->writing = customer->filling; /* the window is being written */
    customer->filling = NULL;
    CU_ASSERT_EQUAL(take_at((const int64_t[]){42, 41, 40}, 3), 3);
    CU_ASSERT_EQUAL(take_at((const int64_t[]){42, 43}, 2), 4);
    CU_ASSERT_EQUAL(delta_range(customer->filling, 0)->low, 43);
    customer->writing = customer->filling = NULL;
    close_counting_worker();
}

/* More than the look-ahead, and as many. */
static void test_many_in_one_take(void)
{
    int64_t offsets[32];
    for (int64_t i = 0; i < 32; i++) {
        offsets[i] = i;
    }
    for (uint32_t count = 14; count <= 32; count++) {
        open_counting_worker();
        CU_ASSERT_EQUAL(take_at(offsets, count), count);
        CU_ASSERT_EQUAL(window_filling(&worker)->record_count, count);
        CU_ASSERT_EQUAL(window_filling(&worker)->positions[0].next, (int64_t)count);
        close_counting_worker();
    }
}

/* The window's letters are answered before the next one may be written: a mark would pass over their events. */
static void check_letters_come_first(struct window *window, struct delta *delta)
{
    struct section letters = {.input = CHURN_RECORD_DEAD_LETTER, .label = "dead_letters"};
    pipeline.sinks = &letters;
    pipeline.sink_count = 1;
    delta->customer->writing = delta;
    delta->customer->filling = NULL;
    window->state = WINDOW_WRITING;
    window->stored = window->delta_count;
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(writer_step(&worker, window, 0));
        CU_ASSERT_EQUAL(window->state, WINDOW_SETTING_ASIDE);
        CU_ASSERT_PTR_EQUAL(delta->customer->writing, delta);
    }
    CU_ASSERT(window->announced);
    window->sinks[0].cursor = window->output_count;
    CU_ASSERT(writer_step(&worker, window, 0));
    CU_ASSERT_EQUAL(window->state, WINDOW_EMITTING);
    CU_ASSERT_PTR_NULL(delta->customer->writing);
    pipeline.sink_count = 0;
}

/* Its letter is the record as received, with its own key and headers, and nothing else of it is said. */
static void test_set_aside(void)
{
    static const churn_header header = {.name = "trace", .value = {.ptr = "7", .len = 1}};
    churn_record record = {.size = sizeof record,
                           .kind = CHURN_RECORD_EVENT,
                           .key = text("another"),
                           .value = text(RECEIVED),
                           .topic = "t",
                           .partition = 3,
                           .offset = 41,
                           .headers = &header,
                           .header_count = 1};
    struct window *window = window_filling(&worker);
    struct reject reject;
    struct delta *delta;
    open_counting_worker();
    first_changes = first_alerts = true;
    CU_ASSERT(take_at((const int64_t[]){40}, 1) == 1);
    CU_ASSERT(intake_take(&worker, &record, 1) && window->event_count == 2 && window->output_count == 4);
    reject_set(&reject, REJECT_DAMAGED_PROFILE, "the test says so");
    delta = window->deltas[0];
    window->events[0].counted = true; /* by what could be read of the profile */
    delta->skipped = 1;
    CU_ASSERT(damage_set_aside(&worker, window, delta, &reject));
    CU_ASSERT_EQUAL_FATAL(window->output_count, 5);
    for (uint32_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(window->outputs[i].reserved, i < 2 ? 0 : ~OUTPUT_AGAIN);
    }
    check_text(window->outputs[4].key.ptr, "another", "key");
    check_text(window->outputs[4].value.ptr, RECEIVED, "value");
    check_text(window->outputs[4].headers[0].value.ptr, "damaged_profile", "reason");
    check_text(window->outputs[4].headers[window->outputs[4].header_count - 1].name, "trace", "its own header");
    CU_ASSERT(window->set_aside && window->has_letters && worker.cache.damaged == 1);
    CU_ASSERT_PTR_NULL(delta->customer->profile);
    check_letters_come_first(window, delta);
    damage_mended(&worker, delta->customer);
    CU_ASSERT_EQUAL(worker.cache.damaged, 0);
    delta->customer->filling = NULL;
    close_counting_worker();
}

/* ---- a source that gives headers when it is asked ---- */

static const churn_header asked_header = {.name = "trace", .value = {.ptr = "7", .len = 1}};
static int32_t reread_answer;
static bool is_gone, is_another, has_none, is_endless;
static uint32_t asked_count, reread_count;

static int32_t give_headers(void *self, churn_record *record, churn_error *err)
{
    (void)self;
    (void)err;
    CU_ASSERT_PTR_NULL(record->headers);
    asked_count++;
    record->headers = &asked_header;
    record->header_count = 1;
    return CHURN_OK;
}

/* Of several records a failure gives the first one only. */
static int32_t reread(void *self, const churn_position *positions, uint32_t count, uint32_t timeout_ms,
                      churn_reread_fn fn, void *ctx, churn_error *err)
{
    CU_ASSERT_PTR_EQUAL(self, worker.source->self);
    CU_ASSERT_PTR_EQUAL(atomic_load(&worker.signs.inside), &pipeline.source);
    CU_ASSERT_EQUAL(timeout_ms, 3000);
    for (uint32_t i = 0; i < (reread_answer == CHURN_OK ? count : 1); i++) {
        churn_record record = {.size = sizeof record,
                               .value = text(is_another ? EVENT("{}") : RECEIVED),
                               .offset = positions[i].offset,
                               .headers = has_none ? NULL : &asked_header,
                               .header_count = has_none ? 0 : 1};
        CU_ASSERT(strcmp(positions[i].topic, "t") == 0 && positions[i].partition == 3);
        reread_count++;
        CU_ASSERT_EQUAL(fn(ctx, i, is_gone ? NULL : &record), CHURN_OK);
    }
    if (is_endless) { /* without a NUL */
        memset(err->message, 'x', sizeof err->message);
        return reread_answer;
    }
    return reread_answer == CHURN_OK ? CHURN_OK : churn_fail(err, reread_answer, "the test says so");
}

static void ask_for_headers(void)
{
    static const churn_source_ops ops_asked = {.size = sizeof ops_asked, .headers = give_headers, .reread = reread};
    static struct loaded loaded_asked = {.plugin = {.ops = &ops_asked}};
    static struct instance source;
    pipeline.source.loaded = &loaded_asked;
    worker.source = &source;
    worker.reading.listener.asks_headers = 1;
    reread_answer = CHURN_OK;
    is_gone = is_another = has_none = is_endless = false;
    asked_count = reread_count = 0;
}

static bool has_trace(uint32_t output)
{
    const churn_record *letter = &window_filling(&worker)->outputs[output];
    return strcmp(letter->headers[letter->header_count - 1].name, "trace") == 0;
}

static void test_a_refused_record_is_asked_for_its_headers(void)
{
    open_worker();
    ask_for_headers();
    take();
    CU_ASSERT_EQUAL(asked_count, 0);
    second_answer = CHURN_REJECT;
    take();
    CU_ASSERT(asked_count == 1 && window_filling(&worker)->output_count == 2 && has_trace(1));
    close_worker();
}

/* Takes the events 40 to 42 of a customer, whose profile is then found damaged. */
static void set_three_aside(void)
{
    struct window *window = window_filling(&worker);
    struct reject reject;
    CU_ASSERT(take_at((const int64_t[]){40, 41, 42}, 3) == 3);
    CU_ASSERT_EQUAL_FATAL(window->output_count, 3);
    reject_set(&reject, REJECT_DAMAGED_PROFILE, "the test says so");
    CU_ASSERT(damage_set_aside(&worker, window, window->deltas[0], &reject));
    CU_ASSERT(window->output_count == 6 && window->bare_count == 3 && asked_count == 0 && !has_trace(3));
}

/* As the window is written the source has let go of its records. */
static void test_set_aside_records_are_read_again_for_their_headers(void)
{
    for (int what = 0; what < 3; what++) {
        struct window *window = window_filling(&worker);
        struct delta *delta;
        open_counting_worker();
        ask_for_headers();
        is_gone = what == 1;
        is_another = what == 2;
        set_three_aside();
        delta = window->deltas[0];
        reread_answer = CHURN_RETRY;
        window->state = WINDOW_WRITING;
        window->stored = window->delta_count;
        CU_ASSERT(writer_step(&worker, window, 0) && window->state == WINDOW_WRITING);
        CU_ASSERT(window->bare_count == 2 && has_trace(3) == (what == 0) && !has_trace(4));
        CU_ASSERT(writer_step(&worker, window, 0) && reread_count == 1); /* not at once */
        worker.headers_ms = 0;
        reread_answer = CHURN_OK;
        CU_ASSERT(writer_step(&worker, window, 0) && window->state == WINDOW_SETTING_ASIDE);
        for (uint32_t i = 3; i < 6; i++) {
            CU_ASSERT_EQUAL(has_trace(i), what == 0);
            CU_ASSERT_STRING_EQUAL(window->outputs[i].headers[0].name, "churn.reason");
        }
        CU_ASSERT_EQUAL(reread_count, 3);
        window->delta_count = 0;
        delta->customer->filling = NULL;
        close_counting_worker();
    }
}

#define GONE(offset)                                                                                                   \
    "WARN  source: the record at t/3 offset " offset                                                                   \
    " is gone before its headers were read again: its dead letter has none of them\n"

static int64_t stopped_clock(void)
{
    return 1;
}

static void listen(void)
{
    log_free(pipeline.log);
    stalls_free(pipeline.stalls);
    pipeline.log = log_open();
    pipeline.stalls = stalls_new(pipeline.log, stopped_clock);
}

static void test_what_is_said_of_headers_that_are_read_again(void)
{
    struct window *window = window_filling(&worker);
    open_counting_worker();
    CU_ASSERT(own_headers_complete(&worker, window)); /* nobody is asked */
    ask_for_headers();
    set_three_aside();
    listen();
    is_gone = true;
    reread_answer = CHURN_RETRY;
    int64_t before = clock_monotonic_ms();
    CU_ASSERT(!own_headers_complete(&worker, window) && !worker.failed && window->bare_count == 2);
    CU_ASSERT(worker.headers_ms >= before + 500 && worker.headers_ms <= clock_monotonic_ms() + 500);
    CU_ASSERT_PTR_NULL(atomic_load(&worker.signs.inside));
    check_logged(GONE("40") "WARN  source: 2 dead letters wait for the headers of their records, which cannot be read "
                            "again now: the test says so (stalled: dead_letters)\n",
                 "not now");
    worker.headers_ms = 0;
    window->outputs[4].headers = &(churn_header){.name = "churn.xxh128"}; /* its value was cut since */
    window->outputs[4].header_count = 1;
    reread_answer = CHURN_OK;
    CU_ASSERT(own_headers_complete(&worker, window) && window->bare_count == 0);
    check_logged(GONE("42") "INFO  source: goes on after 0 s (was stalled: dead_letters)\n", "gone for good");
    CU_ASSERT(window->outputs[4].header_count == 1 && reread_count == 3);
    CU_ASSERT(own_headers_complete(&worker, window) && reread_count == 3);
    check_logged("", "once");
    window->deltas[0]->customer->filling = NULL;
    close_counting_worker();
    log_closed();
}

static void test_a_record_without_headers_is_not_gone(void)
{
    struct window *window = window_filling(&worker);
    open_counting_worker();
    ask_for_headers();
    set_three_aside();
    listen();
    has_none = true;
    uint32_t headers = window->outputs[3].header_count;
    const churn_header *before = window->outputs[3].headers;
    CU_ASSERT(own_headers_complete(&worker, window));
    CU_ASSERT(window->outputs[3].header_count == headers && window->outputs[3].headers == before);
    check_logged("", "nothing to say");
    window->deltas[0]->customer->filling = NULL;
    close_counting_worker();
    log_closed();
}

static void test_headers_of_who_is_known_to_be_damaged_are_asked_for_in_time(void)
{
    struct window *window = window_filling(&worker);
    struct reject reject;
    struct delta *delta;
    open_counting_worker();
    ask_for_headers();
    cache_set_damaged(&worker.cache, cache_get(&worker.cache, text("c")), true);
    CU_ASSERT(take_at((const int64_t[]){40}, 1) == 1 && asked_count == 1);
    reject_set(&reject, REJECT_DAMAGED_PROFILE, "the test says so");
    delta = window->deltas[0];
    CU_ASSERT(damage_set_aside(&worker, window, delta, &reject));
    CU_ASSERT(window->bare_count == 0 && has_trace(window->output_count - 1));
    delta->customer->filling = NULL;
    close_counting_worker();
}

static void test_a_source_that_fails_to_give_headers(void)
{
    open_counting_worker();
    ask_for_headers();
    set_three_aside();
    reread_answer = CHURN_FATAL;
    CU_ASSERT(!own_headers_complete(&worker, window_filling(&worker)) && worker.failed);
    check_text(worker.failure, "source source: the test says so", "why");
    CU_ASSERT(worker.headers_ms == 0 && window_filling(&worker)->bare_count == 2);
    is_endless = true;
    worker.failed = false;
    CU_ASSERT(!own_headers_complete(&worker, window_filling(&worker)) && worker.failed);
    CU_ASSERT_EQUAL(strspn(worker.failure + strlen("source source: "), "x"), CHURN_ERROR_MESSAGE_SIZE - 1);
    CU_ASSERT_EQUAL(strlen(worker.failure), strlen("source source: ") + CHURN_ERROR_MESSAGE_SIZE - 1);
    window_filling(&worker)->deltas[0]->customer->filling = NULL;
    close_counting_worker();
}

static void test_alerts_that_nobody_takes(void)
{
    open_worker();
    pipeline.outputs = CHURN_RECORD_EVENT;
    first_alerts = true;
    take();
    check_outputs(CHURN_RECORD_EVENT, RECEIVED, 0);
    close_worker();
}

static void test_muted_alerts(void)
{
    churn_position position = {.topic = "t", .partition = 3, .offset = 41};
    open_worker();
    CU_ASSERT_FATAL(progress_assign(&worker, &position, 1));
    worker.progress.partitions[0].muted_below = 42;
    worker.progress.partitions[0].muted = CHURN_RECORD_ALERT;
    first_alerts = true;
    take();
    check_outputs(CHURN_RECORD_EVENT, RECEIVED, 0);
    partitions_free(&worker.progress);
    close_worker();
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_a_change_reaches_what_is_behind),
        TEST(test_a_dead_letter_is_as_it_was_received),
        TEST(test_what_the_source_cannot_read_is_set_aside),
        TEST(test_an_event_left_out_raises_nothing),
        TEST(test_what_is_counted_is_the_changed_event),
        TEST(test_a_record_delivered_again),
        TEST(test_many_in_one_take),
        TEST(test_set_aside),
        TEST(test_a_refused_record_is_asked_for_its_headers),
        TEST(test_set_aside_records_are_read_again_for_their_headers),
        TEST(test_what_is_said_of_headers_that_are_read_again),
        TEST(test_a_record_without_headers_is_not_gone),
        TEST(test_headers_of_who_is_known_to_be_damaged_are_asked_for_in_time),
        TEST(test_a_source_that_fails_to_give_headers),
        TEST(test_alerts_that_nobody_takes),
        TEST(test_muted_alerts),
        CU_TEST_INFO_NULL,
    };
    int status = types_load(&types, NULL, 0) ? run_tests_without_leaks("intake", tests) : 1;
    types_free(&types);
    return status;
}
