/* A worker's intake without its thread, source and store: records go in, and everything that follows comes out as one
 * text. In its order: what the plugins were given, what the sinks will be told, what was counted, and what was logged.
 * Records are of t/3, where a test says nothing else. */
#ifndef TESTS_UNIT_INTAKE_FIXTURE_H
#define TESTS_UNIT_INTAKE_FIXTURE_H

#include "core/base/clock.h"
#include "core/base/json_text.h"
#include "core/base/metrics.h"
#include "core/engine/intake.h"
#include "core/engine/output.h"
#include "core/engine/partitions.h"
#include "core/engine/progress.h"
#include "core/engine/redrive_scope.h"
#include "core/engine/session.h"
#include "core/engine/set_aside.h"
#include "core/engine/state.h"
#include "core/engine/window.h"
#include "core/event/condition.h"
#include "core/pipeline/host.h"
#include <churn/time.h>

#include "journal_fixture.h"
#include "log_fixture.h"
#include "no_leaks.h"
#include "types_fixture.h"

/* ---- event types: `sale` says everything by its tables, `odd` has a callback, `quiet` says nothing ---- */

#define AT "2026-01-01T00:00:00Z"
#define AT_MS "1767225600000"

static const churn_field sale_fields[] = {
    {"amount", .type = CHURN_FIELD_INT, .min = 0, .max = 1000, .flags = CHURN_FIELD_REQUIRED},
    {"level", .type = CHURN_FIELD_STRING},
};
static const churn_effect sale_effects[] = {
    {"sale_sum", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD, .operand = "amount"},
    {"sale_type", .type = CHURN_PROFILE_STRING, .merge = CHURN_MERGE_LATEST, .from = CHURN_FROM_EVENT_TYPE},
};
static const churn_severity_rule sale_rules[] = {{"level", "high", CHURN_SEVERITY_CRITICAL, 0}};
static const churn_event_type sale = {.size = sizeof sale,
                                      CHURN_FIELDS(sale_fields),
                                      CHURN_EFFECTS(sale_effects),
                                      CHURN_SEVERITY_RULES(sale_rules),
                                      .severity = CHURN_SEVERITY_INFO,
                                      .predicts = 1};

static int32_t odd_answer;
static const char *odd_says;   /* with any answer but CHURN_OK */
static int64_t odd_state;      /* that it merges; -1: none */
static char plugins_saw[4096]; /* "first 41; odd 41" */

__attribute__((format(printf, 1, 2))) static void saw(const char *format, ...)
{
    size_t len = strlen(plugins_saw);
    va_list args;
    va_start(args, format);
    (void)snprintf(plugins_saw + len, sizeof plugins_saw - len, "%s", len > 0 ? "; " : "");
    len = strlen(plugins_saw);
    (void)vsnprintf(plugins_saw + len, sizeof plugins_saw - len, format, args);
    va_end(args);
}

static int32_t odd_apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    saw("odd %lld", (long long)event->offset);
    if (odd_answer != CHURN_OK) {
        (void)snprintf(err->message, sizeof err->message, "%s", odd_says);
        return odd_answer;
    }
    if (odd_state >= 0) {
        (void)delta->merge(delta, "odd_state", odd_state);
    }
    return delta->merge(delta, "odd_sum", 7);
}

static const char *const odd_states[] = {"new", "known", NULL};
static const churn_effect odd_effects[] = {
    {"odd_state", .type = CHURN_PROFILE_STATE, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_NOTHING,
     .states = odd_states},
    {"odd_sum", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_NOTHING},
};
static const churn_event_type odd = {.size = sizeof odd, CHURN_EFFECTS(odd_effects), .apply = odd_apply};
static const churn_event_type quiet = {.size = sizeof quiet};

#define EVENT(type, data)                                                                                              \
    "{\"event_id\":\"e\",\"event_type\":\"" type "\",\"customer_id\":\"c\",\"timestamp\":\"" AT "\",\"data\":" data "}"
#define SALE EVENT("sale", "{\"amount\":5}")
#define HIGH EVENT("sale", "{\"amount\":5,\"level\":\"high\"}")
#define ODD EVENT("odd", "{}")
#define QUIET EVENT("quiet", "{}")

static struct types_fixture types;
static struct pipeline pipeline;
static struct worker worker;

static inline bool load_types(void)
{
    const churn_plugin entries[] = {TYPE_ENTRY("sale", &sale), TYPE_ENTRY("odd", &odd), TYPE_ENTRY("quiet", &quiet)};
    const churn_plugin *const own[] = {&entries[0], &entries[1], &entries[2]};
    return types_load(&types, own, COUNT(own));
}

/* ---- the worker ---- */

enum { FIRST, SECOND, PROCESSORS }; /* and numbers at the journal, where `odd` follows */
#define ODD_NUMBER PROCESSORS
#define CRASH_LIMIT 2
#define TOPIC "t"
#define PARTITION 3

static struct probe {
    int32_t answer;
    const char *says; /* with any answer but CHURN_OK; NULL: nothing */
    bool alerts, fattens;
    bool endless; /* its message fills all there is, without a NUL */
} probes[PROCESSORS];

static struct section processor_sections[PROCESSORS];

static inline int32_t answer_of(const struct probe *probe, churn_error *err)
{
    if (probe->endless) {
        memset(err->message, 'x', sizeof err->message);
    } else if (probe->says != NULL) {
        (void)snprintf(err->message, sizeof err->message, "%s", probe->says);
    }
    return probe->answer;
}

static int32_t first_process(void *self, const churn_event *event, churn_error *err)
{
    CU_ASSERT_PTR_EQUAL(worker.signs.inside, &processor_sections[FIRST]);
    CU_ASSERT_EQUAL(err->message[sizeof err->message - 1], '\0');
    CU_ASSERT(err->size == sizeof *err && err->code == CHURN_OK && err->message[0] == '\0' && err->option[0] == '\0');
    saw("first %.*s/%d@%lld", (int)event->topic.len, event->topic.ptr, event->partition, (long long)event->offset);
    return answer_of(self, err);
}

static void first_announce(void *self, const churn_event *event)
{
    CU_ASSERT_PTR_EQUAL(self, &probes[FIRST]);
    saw("announced %.*s/%d@%lld", (int)event->topic.len, event->topic.ptr, event->partition, (long long)event->offset);
}

static int32_t second_transform(void *self, const churn_event *event, churn_edit *edit, churn_error *err)
{
    static char much[EVENT_MAX_SIZE];
    const struct probe *probe = self;
    saw("second %lld", (long long)event->offset);
    if (probe->alerts) {
        int32_t result = edit->alert(edit, CHURN_SEVERITY_WARNING, "second", (churn_str){.ptr = "look", .len = 4}, err);
        if (result != CHURN_OK) {
            return result;
        }
    }
    if (probe->fattens) {
        memset(much, 'x', sizeof much);
        CU_ASSERT(edit->set_text(edit, "level", (churn_str){.ptr = much, .len = sizeof much}, err) == CHURN_OK);
    }
    return answer_of(probe, err);
}

static int32_t never_process(void *self, const churn_event *event, churn_error *err)
{
    (void)self;
    (void)event;
    (void)err;
    CU_FAIL("process must not be called where there is transform");
    return CHURN_FATAL;
}

static const churn_processor_ops first_ops = {
    .size = sizeof first_ops, .process = first_process, .announce = first_announce};
static const churn_processor_ops second_ops = {
    .size = sizeof second_ops, .process = never_process, .transform = second_transform};
static const churn_source_ops source_of_nothing = {.size = sizeof source_of_nothing};
static struct loaded loaded_first = {.plugin = {.ops = &first_ops}}, loaded_second = {.plugin = {.ops = &second_ops}};
static struct loaded loaded_source = {.plugin = {.ops = &source_of_nothing}}, loaded_store;
static struct instance instances[PROCESSORS], *instance_list[PROCESSORS];

static uint32_t told; /* of the window's outputs, likewise */
static struct text outcome_text;

/* In the order of struct worker_counters. */
static const char *const counter_names[] = {
    "events",  "applied",    "already_counted", "filtered", "forgotten",     "ignored",  "puts",
    "created", "conflicts",  "damaged",         "rewinds",  "gaps",          "triggers", "dead_letters",
    "letters", "left_alone", "older",           "newer",    "written_again", "again",    "records_sent"};
_Static_assert(sizeof(struct worker_counters) == (COUNT(counter_names) + REJECT_REASON_COUNT) * sizeof(churn_counter *),
               "each counter has its name");
static int64_t counts_before[COUNT(counter_names) + REJECT_REASON_COUNT], alerts_before;

static inline const char *counter_name(size_t i)
{
    return i < COUNT(counter_names) ? counter_names[i]
                                    : reject_reason_name((enum reject_reason)(i - COUNT(counter_names)));
}

static inline int64_t stopped_clock(void)
{
    return 1;
}

static inline void open_journal(void)
{
    static const char *const names[] = {"processor first", "processor second", "event type odd"};
    pipeline.journal = journal_new(pipeline.log, 1, CRASH_LIMIT);
    for (size_t i = 0; i < COUNT(names); i++) {
        CU_ASSERT_EQUAL(journal_add_plugin(pipeline.journal, names[i], "/dev/null"), i);
    }
    if (*state_dir != '\0') {
        journal_open(pipeline.journal, state_dir, "pipeline");
    }
    journal_sit(pipeline.journal, 0, &worker.seat);
}

/* Two processors, no sinks but for dead letters, which need none here, and no store. */
static inline void open_intake(void)
{
    churn_counter **counters = (churn_counter **)(void *)&worker.counters;
    pipeline = (struct pipeline){.catalog = types.catalog,
                                 .rules = type_rules_new(&types.catalog),
                                 .metrics = metrics_new(),
                                 .log = log_open(),
                                 .source = {.loaded = &loaded_source, .label = "source"},
                                 .processors = processor_sections,
                                 .decodes = true,
                                 .has_dead_letters = true,
                                 .outputs = CHURN_RECORD_EVENT | CHURN_RECORD_ALERT | CHURN_RECORD_TRIGGER |
                                            CHURN_RECORD_DEAD_LETTER};
    pipeline.stalls = stalls_new(pipeline.log, stopped_clock);
    worker = (struct worker){.pipeline = &pipeline, .processors = instance_list, .ring = {.oldest = 1, .newest = 1}};
    worker.intake.decoder = event_decoder_new(&pipeline.catalog);
    worker.cache = (struct cache){.registry = &pipeline.catalog.registry, .limit = SIZE_MAX};
    for (size_t i = 0; i < COUNT(counts_before); i++) {
        counters[i] = metrics_counter(pipeline.metrics, &worker, counter_name(i));
        counts_before[i] = 0;
    }
    alerts_before = 0;
    for (unsigned i = 0; i < PROCESSORS; i++) {
        probes[i] = (struct probe){.answer = CHURN_OK};
        instances[i].self = &probes[i];
        instance_list[i] = &instances[i];
        processor_sections[i] = (struct section){.loaded = i == FIRST ? &loaded_first : &loaded_second,
                                                 .label = i == FIRST ? "first" : "second",
                                                 .journal_number = i};
    }
    for (uint32_t i = 0; i < pipeline.catalog.type_count; i++) {
        pipeline.rules[i].journal_number = ODD_NUMBER;
    }
    odd_answer = CHURN_OK;
    odd_says = "the test says so";
    odd_state = -1;
    plugins_saw[0] = '\0';
    told = 0;
    open_journal();
    log_pass_over();
    CU_ASSERT_FATAL(worker.intake.decoder != NULL &&
                    fold_buffer_init(&worker.folder, &pipeline.catalog, &worker.parts) &&
                    window_init(window_filling(&worker), &worker.ring.pool, 1));
}

/* … with a store, of which only the name is asked for. */
static inline void open_counting_intake(void)
{
    open_intake();
    pipeline.store.loaded = &loaded_store;
}

static inline void close_intake(void)
{
    const struct window *window = window_filling(&worker);
    for (uint32_t i = 0; i < window->delta_count; i++) {
        window->deltas[i]->customer->filling = NULL;
    }
    window_free(window_filling(&worker));
    cache_free(&worker.cache);
    fold_buffer_free(&worker.folder);
    arena_pool_free(&worker.ring.pool);
    parts_free(&worker.parts);
    partitions_free(&worker.progress);
    event_decoder_free(worker.intake.decoder);
    edit_free(&worker.intake.edit);
    text_free(&worker.intake.scratch);
    text_free(&outcome_text);
    journal_close(pipeline.journal, true);
    metrics_free(pipeline.metrics);
    type_rules_free(pipeline.rules, &pipeline.catalog);
    stalls_free(pipeline.stalls);
    log_free(pipeline.log);
    log_closed();
}

#define ARENA_CHUNK ((size_t)256 * 1024)

/* The window's memory has `room` bytes before it asks for more. */
static inline void leave_room(size_t room)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(arena_alloc(&window_filling(&worker)->arena, ARENA_CHUNK - room));
}

/* The JSON parser has its memory: it does not notice each of its own allocations that fails. */
static inline void warm_up(void)
{
    char blank[1024];
    churn_event event;
    struct reject reject;
    memset(blank, ' ', sizeof blank);
    CU_ASSERT_PTR_NULL(event_decode(worker.intake.decoder, blank, sizeof blank - JSON_SCAN_PADDING, &event, &reject));
}

/* The worker has failed, for want of memory, where the code under test did. */
static inline void check_no_memory(bool ok)
{
    check(ok == !worker.failed && (ok || strstr(worker.failure, "out of memory") != NULL), "failure: %s",
          worker.failure);
}

/* ---- records in ---- */

static inline churn_str text_of(const char *bytes)
{
    return (churn_str){.ptr = bytes, .len = bytes != NULL ? (uint32_t)strlen(bytes) : 0};
}

static inline churn_record record_at(int64_t offset, const char *value)
{
    return (churn_record){.size = sizeof(churn_record),
                          .kind = CHURN_RECORD_EVENT,
                          .key = text_of("c"),
                          .value = text_of(value),
                          .timestamp_ms = 12,
                          .topic = TOPIC,
                          .partition = PARTITION,
                          .offset = offset};
}

static inline void take(int64_t offset, const char *value)
{
    const churn_record record = record_at(offset, value);
    CU_ASSERT(intake_take(&worker, &record, 1));
}

/* t/3 is ours; what the intake asks of it is the caller's to change. */
static inline struct partition *assign(void)
{
    const churn_position position = {.topic = TOPIC, .partition = PARTITION, .offset = 0};
    CU_ASSERT_FATAL(progress_assign(&worker, &position, 1));
    return &worker.progress.partitions[parts_find(&worker.parts, TOPIC, PARTITION)];
}

static inline struct condition *condition_of(const char *expression, bool has_severity)
{
    const struct condition_scope scope = {.catalog = &pipeline.catalog, .has_severity = has_severity};
    char message[512] = "";
    struct condition *condition = condition_compile(expression, &scope, message, sizeof message);
    check_text(message, "", expression);
    return condition;
}

static inline struct type_rules *rules_of(const char *name)
{
    for (uint32_t i = 0; i < pipeline.catalog.type_count; i++) {
        if (str_equals(pipeline.catalog.types[i].name, name)) {
            return &pipeline.rules[i];
        }
    }
    abort();
}

struct death {
    unsigned plugin;
    int64_t offset;
};

static inline void enter(const void *ctx)
{
    const struct death *death = ctx;
    open_intake();
    (void)journal_enter(&worker.seat, death->plugin, TOPIC, PARTITION, death->offset, 1);
}

/* A run that ends while the plugin has this record of t/3. */
static inline void die_at(unsigned plugin, int64_t offset)
{
    die_in(enter, &(const struct death){plugin, offset});
}

/* ---- what followed ---- */

/* A letter that was written just now, whenever that is. */
static inline bool says_now(const churn_header *header)
{
    int64_t ms;
    return strcmp(header->name, "churn.written_at") == 0 &&
           churn_time_parse(header->value.ptr, header->value.len, &ms) && ms <= clock_wall_ms() &&
           ms > clock_wall_ms() - 3600000;
}

static inline void show_header(const churn_header *header)
{
    if (says_now(header)) {
        return;
    }
    text_printf(&outcome_text, " %s", header->name);
    if (header->value.ptr != NULL) {
        text_append_string(&outcome_text, "=");
        text_append(&outcome_text, header->value.ptr, header->value.len);
    }
}

/* kind topic/partition@offset key value header=… … at time severity n not for bits */
static inline void show_output(const churn_record *output)
{
    const char *kind = output->kind == CHURN_RECORD_DEAD_LETTER ? "dead_letter" : output_kind_name(output->kind);
    text_printf(&outcome_text, "%s %s/%d@%lld ", kind, output->topic, output->partition, (long long)output->offset);
    text_append(&outcome_text, output->key.ptr, output->key.ptr != NULL ? output->key.len : 0);
    text_append_string(&outcome_text, output->key.ptr != NULL ? " " : "- ");
    text_append(&outcome_text, output->value.ptr, output->value.ptr != NULL ? output->value.len : 0);
    text_append_string(&outcome_text, output->value.ptr != NULL ? "" : "-");
    for (uint32_t i = 0; i < output->header_count; i++) {
        show_header(&output->headers[i]);
    }
    text_printf(&outcome_text, " at %lld", (long long)output->timestamp_ms);
    if (output->severity != 0) {
        text_printf(&outcome_text, " severity %u", output->severity);
    }
    if (output->reserved != 0) {
        text_printf(&outcome_text, " not for %x", output->reserved);
    }
    text_append_string(&outcome_text, "\n");
}

static inline bool show_count(const char *name, int64_t now, int64_t *before, bool any)
{
    if (now != *before) {
        text_printf(&outcome_text, "%s%s %+lld", any ? ", " : "", name, (long long)(now - *before));
        any = true;
    }
    *before = now;
    return any;
}

static inline void show_counters(void)
{
    const struct window *window = window_filling(&worker);
    bool any = false;
    for (size_t i = 0; i < COUNT(counts_before); i++) {
        bool triggers =
            strcmp(counter_name(i), "triggers") == 0; /* which, as alerts, the window has until it is written */
        any = show_count(counter_name(i), triggers ? window->triggers : metrics_sum(pipeline.metrics, counter_name(i)),
                         &counts_before[i], any);
        if (triggers) {
            any = show_count("alerts", window->alerts[1] + window->alerts[2] + window->alerts[3], &alerts_before, any);
        }
    }
    text_append_string(&outcome_text, any ? "\n" : "");
}

/* Exactly these lines followed since the last call. */
#define check_outcome(...) check_lines(__VA_ARGS__, NULL)

static inline void check_lines(const char *when, ...)
{
    const struct window *window = window_filling(&worker);
    struct text expected = {0};
    va_list args;
    va_start(args, when);
    for (const char *line; (line = va_arg(args, const char *)) != NULL;) {
        text_printf(&expected, "%s\n", line);
    }
    va_end(args);
    text_append(&expected, "", 1);
    outcome_text.len = 0;
    if (*plugins_saw != '\0') {
        text_printf(&outcome_text, "%s\n", plugins_saw);
        plugins_saw[0] = '\0';
    }
    for (; told < window->output_count; told++) {
        show_output(&window->outputs[told]);
    }
    show_counters();
    log_read(&outcome_text);
    text_append(&outcome_text, "", 1);
    check_text(outcome_text.bytes, expected.bytes, when);
    text_free(&expected);
}

/* What the window adds to the profile of `c`, of the fields that are there: "events_total=1 …". */
static inline void check_delta(const char *expected, const char *when)
{
    const struct registry *registry = &pipeline.catalog.registry;
    const struct customer *customer = cache_get(&worker.cache, text_of("c"));
    outcome_text.len = 0;
    text_append_string(&outcome_text, customer->filling != NULL ? "" : "nothing");
    for (uint32_t i = 0; customer->filling != NULL && i < registry->field_count; i++) {
        const struct registry_field *field = &registry->fields[i];
        const union field_value *value = &customer->filling->fields.values[i];
        if (!bit_get(customer->filling->fields.present, i)) {
            continue;
        }
        text_printf(&outcome_text, "%.*s=", (int)field->name.len, field->name.ptr);
        if (field->type == CHURN_PROFILE_STRING) {
            text_append(&outcome_text, value->text->bytes, value->text->len);
        } else {
            text_printf(&outcome_text, "%lld", (long long)value->number);
        }
        text_append_string(&outcome_text, " ");
    }
    text_append(&outcome_text, "", 1);
    check_text(outcome_text.bytes, expected, when);
}

#endif
