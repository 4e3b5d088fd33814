#include "cli/test/plugins.h"

#include "base/json_parse.h"
#include "cli/test/bench.h"
#include "cli/test/json.h"
#include "cli/test/predicting.h"
#include "engine/output.h"
#include "engine/windows.h"
#include "pipeline/instance.h"
#include <json-c/json.h>
#include <stdlib.h>

#define MAX_DEPTH 2048 /* deeper than any event may be */

static const struct instance *instance_of(const churn_host *host)
{
    return host->ctx;
}

/* ---- the source ---- */

struct source {
    const struct test_bench *bench;
    const struct test_case *test;
    churn_source_listener listener;
    bool announced;
    bool *given;   /* for each event: it was handed out */
    unsigned next; /* all before it were */
};

static int32_t source_create(void *self, const churn_host *host, churn_error *err)
{
    struct source *s = self;
    s->bench = instance_of(host)->pipeline->bench;
    s->test = s->bench->test;
    s->given = calloc(s->test->event_count + 1u, sizeof *s->given);
    return s->given != NULL ? CHURN_OK : churn_fail(err, CHURN_FATAL, "out of memory");
}

static int32_t source_start(void *self, const churn_source_listener *listener, churn_error *err)
{
    struct source *s = self;
    (void)err;
    s->listener = *listener;
    return CHURN_OK;
}

static bool same_partition(const struct test_event *event, const char *topic, int32_t partition)
{
    return event->partition == partition && strcmp(event->topic, topic) == 0;
}

static bool is_first_of_partition(const struct test_case *test, unsigned i)
{
    const struct test_event *event = &test->events[i];
    unsigned before = 0;
    while (before < i && !same_partition(&test->events[before], event->topic, event->partition)) {
        before++;
    }
    return before == i;
}

/* Each partition begins where the test's first event in it stands. */
static void announce(struct source *s)
{
    for (unsigned i = 0; i < s->test->event_count; i++) {
        const struct test_event *event = &s->test->events[i];
        churn_position position = {.topic = event->topic, .partition = event->partition, .offset = event->offset};
        if (is_first_of_partition(s->test, i)) {
            s->listener.assigned(s->listener.ctx, &position, 1);
        }
    }
    s->announced = true;
}

static churn_record to_record(const struct test_event *event)
{
    return (churn_record){.size = sizeof(churn_record),
                          .kind = CHURN_RECORD_EVENT,
                          .topic = event->topic,
                          .partition = event->partition,
                          .offset = event->offset,
                          .timestamp_ms = event->timestamp_ms,
                          .key = {.ptr = event->has_key && event->key.len > 0 ? event->key.bytes
                                         : event->has_key                     ? ""
                                                                              : NULL,
                                  .len = (uint32_t)event->key.len},
                          .value = {.ptr = event->has_value && event->value.len > 0 ? event->value.bytes
                                           : event->has_value                       ? ""
                                                                                    : NULL,
                                    .len = (uint32_t)event->value.len}};
}

/* Where predictions are made, an event comes once everything that followed from the one before is done: else the newest
 * of a customer's triggers would stand for others, now for these and now for those. */
static uint32_t may_give(const struct source *s, uint32_t max)
{
    if (s->bench->predicting == NULL || max == 0) {
        return max;
    }
    return windows_done(s->bench->worker) ? 1 : 0;
}

static int32_t source_poll(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                           churn_error *err)
{
    struct source *s = self;
    (void)timeout_ms; /* there is never anything to wait for */
    (void)err;
    *ret_count = 0;
    if (!s->announced) {
        announce(s);
        return CHURN_PENDING;
    }
    max = may_give(s, max);
    for (; s->next < s->test->event_count && *ret_count < max; s->next++) {
        if (!s->given[s->next]) {
            s->given[s->next] = true;
            records[(*ret_count)++] = to_record(&s->test->events[s->next]);
        }
    }
    return s->next == s->test->event_count ? CHURN_END : CHURN_OK;
}

static int32_t source_seek(void *self, const churn_position *position, churn_error *err)
{
    struct source *s = self;
    (void)err;
    for (unsigned i = 0; i < s->test->event_count; i++) {
        const struct test_event *event = &s->test->events[i];
        if (same_partition(event, position->topic, position->partition)) {
            s->given[i] = event->offset < position->offset;
        }
    }
    s->next = 0;
    return CHURN_OK;
}

static void source_stop(void *self)
{
    (void)self;
}

static void source_destroy(void *self)
{
    free(((struct source *)self)->given);
}

static const churn_source_ops source_ops_table = {.size = sizeof source_ops_table,
                                                  .single_worker = 1,
                                                  .create = source_create,
                                                  .start = source_start,
                                                  .poll = source_poll,
                                                  .seek = source_seek,
                                                  .stop = source_stop,
                                                  .destroy = source_destroy};

const struct loaded test_source = {
    .path = "", /* it is in no file */
    .plugin = {
        .kind = CHURN_KIND_SOURCE, .name = "test", .instance_size = sizeof(struct source), .ops = &source_ops_table}};

/* ---- the sinks ---- */

struct sink {
    struct test_bench *bench;
    unsigned number;
    struct instance *scoring; /* which answers in its place; NULL: it takes everything */
    uint64_t *ids;            /* taken and not answered yet */
    uint32_t count, room;
};

static int32_t sink_create(void *self, const churn_host *host, churn_error *err)
{
    struct sink *s = self;
    const struct instance *instance = instance_of(host);
    const struct section *section;
    s->bench = instance->pipeline->bench;
    s->number = (unsigned)(instance->section - instance->pipeline->sinks);
    section = s->bench->predicting != NULL ? predicting_section(s->bench->predicting, s->number) : NULL;
    if (section != NULL) {
        s->scoring = instance_new(instance->pipeline, section, host->worker);
        return s->scoring != NULL ? CHURN_OK : churn_fail(err, CHURN_FATAL, "it cannot predict");
    }
    return CHURN_OK;
}

static int32_t sink_start(void *self, churn_error *err)
{
    const struct sink *s = self;
    return s->scoring != NULL ? sink_ops(s->scoring->section)->start(s->scoring->self, err) : CHURN_OK;
}

/* Frees `json`. */
static struct json_object *parse_text(struct text *json)
{
    bool ok;
    struct json_object *object = json->failed ? NULL : json_parse(json->bytes, json->len, MAX_DEPTH, &ok);
    text_free(json);
    return object;
}

/* A value that is no JSON is shown as a text, its bytes that are no UTF-8 as U+FFFD. */
static struct json_object *show_value(const char *bytes, size_t len)
{
    struct text json = {0};
    bool ok;
    struct json_object *object = json_parse(bytes, len, MAX_DEPTH, &ok);
    if (ok) {
        return object;
    }
    text_append_json(&json, bytes, len);
    return parse_text(&json);
}

static void append_member(struct text *json, const char *name, const char *bytes, size_t len, bool literal)
{
    text_printf(json, "%s\"%s\":", json->len > 1 ? "," : "", name);
    (literal ? text_append : text_append_json)(json, bytes, len);
}

/* A dead letter as a file of them has it, but for bytes that are no UTF-8, as above. */
static struct json_object *show_letter(const churn_record *record)
{
    static const char *const literals[] = {"partition", "offset", "replayed"};
    struct text json = {0};
    text_append_string(&json, "{");
    for (uint32_t i = 0; i < record->header_count; i++) {
        const char *name = record->headers[i].name + strlen(LETTER_HEADER);
        bool literal = false;
        for (size_t l = 0; l < sizeof literals / sizeof literals[0]; l++) {
            literal = literal || strcmp(name, literals[l]) == 0;
        }
        append_member(&json, name, record->headers[i].value.ptr, record->headers[i].value.len, literal);
    }
    if (record->key.ptr != NULL) {
        append_member(&json, "key", record->key.ptr, record->key.len, false);
    }
    if (record->value.ptr != NULL) {
        append_member(&json, "value", record->value.ptr, record->value.len, false);
    }
    text_append_string(&json, "}");
    return parse_text(&json);
}

static struct json_object *show(const churn_record *record)
{
    if (record->kind == CHURN_RECORD_DEAD_LETTER) {
        return show_letter(record);
    }
    return record->value.ptr != NULL ? show_value(record->value.ptr, record->value.len) : NULL;
}

/* Doubles an array that is full; false when memory ran out. */
static bool make_room(void **array, uint32_t count, uint32_t *room, size_t size)
{
    uint32_t more = *room != 0 ? *room * 2 : 16;
    void *grown = count < *room ? *array : realloc(*array, more * size);
    if (grown == NULL) {
        return false;
    }
    *room = count < *room ? *room : more;
    *array = grown;
    return true;
}

static bool note(const struct sink *s, const churn_record *record)
{
    struct test_bench *bench = s->bench;
    void *records = bench->records;
    bool ok = make_room(&records, bench->record_count, &bench->record_room, sizeof *bench->records);
    bench->records = records;
    if (ok) {
        bench->records[bench->record_count++] =
            (struct test_record){.id = record->id, .kind = record->kind, .sink = s->number, .shown = show(record)};
    }
    return ok;
}

/* To be answered. */
static bool take(struct sink *s, const churn_record *record)
{
    void *ids = s->ids;
    bool ok = make_room(&ids, s->count, &s->room, sizeof *s->ids);
    s->ids = ids;
    if (ok) {
        s->ids[s->count++] = record->id;
    }
    return ok;
}

static int32_t sink_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                          churn_error *err)
{
    struct sink *s = self;
    int32_t rc = CHURN_OK;
    *ret_taken = count;
    if (s->scoring != NULL) {
        rc = sink_ops(s->scoring->section)->write(s->scoring->self, records, count, ret_taken, err);
    }
    for (uint32_t i = 0; i < *ret_taken; i++) {
        if (!note(s, &records[i]) || (s->scoring == NULL && !take(s, &records[i]))) {
            return churn_fail(err, CHURN_FATAL, "out of memory");
        }
    }
    return rc;
}

static int32_t sink_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                         churn_error *err)
{
    struct sink *s = self;
    if (s->scoring != NULL) {
        return sink_ops(s->scoring->section)->poll(s->scoring->self, done, max, timeout_ms, ret_count, err);
    }
    for (*ret_count = 0; *ret_count < max && s->count > 0; (*ret_count)++) {
        done[*ret_count] = (churn_done){.id = s->ids[--s->count], .result = CHURN_OK};
    }
    return CHURN_OK;
}

static void sink_stop(void *self, int64_t deadline_ms)
{
    const struct sink *s = self;
    if (s->scoring != NULL) {
        sink_ops(s->scoring->section)->stop(s->scoring->self, deadline_ms);
    }
}

static void sink_destroy(void *self)
{
    struct sink *s = self;
    instance_free(s->scoring);
    free(s->ids);
}

static const churn_sink_ops sink_ops_table = {.size = sizeof sink_ops_table,
                                              .create = sink_create,
                                              .start = sink_start,
                                              .write = sink_write,
                                              .poll = sink_poll,
                                              .stop = sink_stop,
                                              .destroy = sink_destroy};

const struct loaded test_sink = {
    .path = "",
    .plugin = {.kind = CHURN_KIND_SINK, .name = "test", .instance_size = sizeof(struct sink), .ops = &sink_ops_table}};
