/* Which events of a delta count: each exactly once, whoever delivers it, how often, in which windows, and whatever the
 * store turns out to have: by random histories of a live pipeline and redrives that write one profile by turns. */
#include "core/engine/merge.h"
#include "core/engine/session.h"
#include "core/engine/state.h"
#include "core/engine/window.h"
#include "core/profile/profile_render.h"

#include "no_leaks.h"
#include "types_fixture.h"

#define OFFSETS 60 /* events of the one customer, in each of the partitions */
#define PARTITIONS 2
#define MAX_FIELDS 32

static struct types_fixture types;
static struct pipeline pipeline;

/* ---- a store of one profile ---- */

struct stored {
    uint64_t version;
    churn_pair pairs[MAX_FIELDS]; /* owned texts */
    uint32_t count;
};

static void copy_text(churn_str *to, churn_str from)
{
    char *copy = malloc(from.len + 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, from.ptr, from.len);
    *to = (churn_str){.ptr = copy, .len = from.len};
}

static void free_text(churn_str text)
{
    free((char *)(uintptr_t)text.ptr);
}

static void stored_set(struct stored *stored, const churn_pair *pair)
{
    uint32_t at = 0;
    while (at < stored->count && (stored->pairs[at].name.len != pair->name.len ||
                                  memcmp(stored->pairs[at].name.ptr, pair->name.ptr, pair->name.len) != 0)) {
        at++;
    }
    if (at == stored->count) {
        CU_ASSERT_FATAL(stored->count < MAX_FIELDS);
        copy_text(&stored->pairs[stored->count++].name, pair->name);
    } else {
        free_text(stored->pairs[at].value);
    }
    copy_text(&stored->pairs[at].value, pair->value);
}

static const char *stored_get(const struct stored *stored, const char *name)
{
    static char text[4096];
    text[0] = '\0';
    for (uint32_t i = 0; i < stored->count; i++) {
        if (stored->pairs[i].name.len == strlen(name) && memcmp(stored->pairs[i].name.ptr, name, strlen(name)) == 0) {
            (void)snprintf(text, sizeof text, "%.*s", (int)stored->pairs[i].value.len, stored->pairs[i].value.ptr);
        }
    }
    return text;
}

static void stored_free(struct stored *stored)
{
    for (uint32_t i = 0; i < stored->count; i++) {
        free_text(stored->pairs[i].name);
        free_text(stored->pairs[i].value);
    }
    *stored = (struct stored){0};
}

/* ---- a writer: a worker without source, store and sinks ---- */

static void writer_open(struct worker *worker)
{
    *worker = (struct worker){.pipeline = &pipeline};
    worker->cache = (struct cache){.registry = &pipeline.catalog.registry, .limit = SIZE_MAX};
    worker->intake.decoder = event_decoder_new(&pipeline.catalog);
    if (worker->intake.decoder == NULL || !fold_buffer_init(&worker->folder, &pipeline.catalog, &worker->parts) ||
        !window_init(window_filling(worker), &worker->ring.pool, 1)) {
        abort();
    }
}

/* As a process that is killed: nothing of it is kept. */
static void writer_kill(struct worker *worker)
{
    window_free(window_filling(worker));
    arena_pool_free(&worker->ring.pool);
    cache_free(&worker->cache);
    fold_buffer_free(&worker->folder);
    parts_free(&worker->parts);
    event_decoder_free(worker->intake.decoder);
    profile_text_free(&worker->writer.rendered);
}

static void deliver(struct worker *worker, int32_t partition, int64_t offset, enum lateness late)
{
    struct window *window = window_filling(worker);
    struct customer *customer = cache_get(&worker->cache, (churn_str){.ptr = "c", .len = 1});
    struct delta *delta = window_delta(window, customer, &pipeline.catalog.registry);
    uint32_t part = parts_find_text(&worker->parts, (churn_str){.ptr = "t", .len = 1}, partition);
    churn_error err = {.size = sizeof err};
    churn_event event;
    struct reject reject;
    char text[256], *payload;
    int len = snprintf(text, sizeof text,
                       "{\"event_id\":\"e\",\"event_type\":\"review_submitted\",\"customer_id\":\"c\",\"timestamp\":"
                       "\"2026-01-01T00:00:00Z\",\"data\":{\"product_id\":\"p\",\"rating\":%d}}",
                       1 + (int)(offset % 5));
    payload = arena_copy(&window->arena, text, (size_t)len);
    const struct event_type *type = event_decode(worker->intake.decoder, payload, (size_t)len, &event, &reject);
    CU_ASSERT_FATAL(delta != NULL && type != NULL);
    event.topic = (churn_str){.ptr = "t", .len = 1};
    event.partition = partition;
    event.offset = offset;
    CU_ASSERT_EQUAL(fold_event(&worker->folder, type, &event, part, &delta->fields, &window->arena, &err), CHURN_OK);
    const struct window_event kept = {
        .payload = payload, .len = (uint32_t)len, .part = part, .offset = offset, .late = (uint8_t)late};
    CU_ASSERT(window_add_event(window, delta, &kept));
}

static bool has_events(struct worker *worker)
{
    return window_filling(worker)->delta_count > 0;
}

/* Joins what was delivered to the profile as this writer knows it; false when there is nothing to write. */
static bool join(struct worker *worker)
{
    struct window *window = window_filling(worker);
    struct reject reject;
    int32_t result = window->delta_count == 1 ? merge_delta(worker, window, window->deltas[0], &reject) : CHURN_FATAL;
    CU_ASSERT_FATAL(result == CHURN_OK || result == CHURN_DROP);
    return result == CHURN_OK;
}

static void end_window(struct worker *worker)
{
    struct window *window = window_filling(worker);
    window->deltas[0]->customer->filling = NULL;
    window_reset(window, 1);
}

enum answer { TAKEN, NO_REPLY, CONFLICT };

/* Puts the joined profile. A conflict makes the stored profile the base, as the writer does. */
static enum answer put(struct worker *worker, struct stored *stored, bool reply_is_lost)
{
    struct window *window = window_filling(worker);
    struct customer *customer = window->deltas[0]->customer;
    struct profile *profile = customer->profile, *base;
    char message[256] = "";
    if (profile->version == stored->version) {
        profile_render(profile, &pipeline.catalog.registry, &worker->parts, churn_text(""), &worker->writer.rendered);
        for (uint32_t i = 0; i < worker->writer.rendered.count; i++) {
            stored_set(stored, &worker->writer.rendered.pairs[i]);
        }
        stored->version++;
        if (reply_is_lost) {
            return NO_REPLY;
        }
        profile_saved(profile);
        return TAKEN;
    }
    base = profile_new(&pipeline.catalog.registry);
    check(profile_read(base, &pipeline.catalog.registry, &worker->parts, churn_text(""), stored->pairs, stored->count,
                       message, sizeof message) == CHURN_OK,
          "%s", message);
    base->version = stored->version;
    cache_set_profile(&worker->cache, customer, base);
    return CONFLICT;
}

/* Until the window is stored; between its puts somebody else may write. */
static void flush(struct worker *worker, struct stored *stored, uint64_t *state, void (*meanwhile)(void *ctx),
                  void *ctx)
{
    bool lost = next_random(state) % 4 == 0;
    if (!has_events(worker)) {
        return;
    }
    while (join(worker)) {
        if (meanwhile != NULL && next_random(state) % 3 == 0) {
            meanwhile(ctx);
            meanwhile = NULL;
        }
        enum answer answer = put(worker, stored, lost);
        if (answer == TAKEN) {
            break;
        }
        if (answer == NO_REPLY) { /* sent again with the version that it knows */
            lost = false;
            CU_ASSERT_EQUAL(put(worker, stored, false), CONFLICT);
        }
    }
    end_window(worker);
}

/* ---- single cases ---- */

static void check_stored(const struct stored *stored, const char *events, const char *mark, const char *late)
{
    check_text(stored_get(stored, "events_total"), events, "events_total");
    check_text(stored_get(stored, "reviews_submitted"), events, "reviews_submitted");
    check_text(stored_get(stored, "_m:t/0"), mark, "mark");
    check_text(stored_get(stored, "_r:t/0"), late, "late offsets");
}

static void write_once(struct worker *worker, struct stored *stored)
{
    while (join(worker) && put(worker, stored, false) == CONFLICT) {
    }
    end_window(worker);
}

static void test_below_the_mark(void)
{
    struct worker live, redrive;
    struct stored stored = {0};
    writer_open(&live);
    writer_open(&redrive);
    deliver(&live, 0, 4, NOT_LATE);
    deliver(&live, 0, 9, NOT_LATE);
    write_once(&live, &stored);
    check_stored(&stored, "2", "10", "");
    deliver(&redrive, 0, 6, LATE_REDRIVEN);
    deliver(&redrive, 0, 6, LATE_REDRIVEN); /* its dead letter was written twice */
    deliver(&redrive, 0, 7, LATE_REDRIVEN);
    write_once(&redrive, &stored);
    check_stored(&stored, "4", "10", "6-7");
    deliver(&redrive, 0, 7, LATE_REDRIVEN);
    CU_ASSERT(!join(&redrive));
    end_window(&redrive);
    writer_kill(&redrive);
    writer_open(&redrive); /* with nothing known of the profile */
    deliver(&redrive, 0, 6, LATE_REDRIVEN);
    deliver(&redrive, 0, 1, LATE_REDRIVEN);
    write_once(&redrive, &stored);
    check_stored(&stored, "5", "10", "1,6-7");
    deliver(&live, 0, 10, NOT_LATE); /* its profile is old: a conflict */
    write_once(&live, &stored);
    check_stored(&stored, "6", "11", "1,6-7");
    writer_kill(&live);
    writer_kill(&redrive);
    stored_free(&stored);
}

static void test_before_the_mark_comes(void)
{
    struct worker live, redrive;
    struct stored stored = {0};
    writer_open(&live);
    writer_open(&redrive);
    deliver(&redrive, 0, 6, LATE_REDRIVEN);
    write_once(&redrive, &stored);
    check_stored(&stored, "1", "", "6"); /* no mark: what lies before may still be under way */
    deliver(&live, 0, 5, NOT_LATE);
    deliver(&live, 0, 6, NOT_LATE); /* the fixed pipeline reads it again */
    deliver(&live, 0, 8, NOT_LATE);
    write_once(&live, &stored);
    check_stored(&stored, "3", "9", "6");
    writer_kill(&live);
    writer_kill(&redrive);
    stored_free(&stored);
}

static void test_a_replay_remembers(void)
{
    struct worker live;
    struct stored stored = {0};
    writer_open(&live);
    deliver(&live, 0, 5, LATE_REPLAYED);
    deliver(&live, 0, 6, NOT_LATE);
    write_once(&live, &stored);
    check_stored(&stored, "2", "7", "5");
    deliver(&live, 0, 5, LATE_REDRIVEN);
    deliver(&live, 0, 3, LATE_REPLAYED); /* counted or refused when the mark passed it */
    CU_ASSERT(!join(&live));
    end_window(&live);
    check_stored(&stored, "2", "7", "5");
    writer_kill(&live);
    stored_free(&stored);
}

/* Its dead letter was written by a replay with stricter rules, when it was counted; or it was not, and has another. */
static void test_a_replay_that_refuses(void)
{
    struct worker live, redrive;
    struct stored stored = {0};
    writer_open(&live);
    writer_open(&redrive);
    deliver(&live, 0, 5, NOT_LATE);
    write_once(&live, &stored);
    deliver(&redrive, 0, 5, LATE_DOUBTED);
    CU_ASSERT(join(&redrive)); /* as far as it knows */
    CU_ASSERT_EQUAL(put(&redrive, &stored, false), CONFLICT);
    CU_ASSERT(!join(&redrive));
    end_window(&redrive);
    deliver(&redrive, 0, 7, LATE_DOUBTED); /* never counted: the profile was deleted since */
    deliver(&redrive, 0, 7, LATE_DOUBTED);
    write_once(&redrive, &stored);
    check_stored(&stored, "2", "6", "7");
    writer_kill(&live);
    writer_kill(&redrive);
    stored_free(&stored);
}

/* The normal path must not fold again what it has folded. */
static void test_late_offsets_before_a_window_cost_nothing(void)
{
    struct worker live;
    struct stored stored = {0};
    writer_open(&live);
    deliver(&live, 0, 5, LATE_REDRIVEN);
    write_once(&live, &stored);
    deliver(&live, 0, 9, NOT_LATE);
    struct delta *delta = window_filling(&live)->deltas[0];
    fields_merge_number(&delta->fields, FIELD_EVENTS_TOTAL, CHURN_MERGE_ADD, 100,
                        NULL); /* lost if it is folded again */
    write_once(&live, &stored);
    check_text(stored_get(&stored, "events_total"), "102", "folded again");
    writer_kill(&live);
    stored_free(&stored);
}

/* What the cache is said to hold is what it holds, also once a profile has grown. */
static void test_the_cache_knows_what_a_profile_takes(void)
{
    const struct registry *registry = &pipeline.catalog.registry;
    struct worker live;
    struct stored stored = {0};
    struct customer *customer;
    size_t empty;
    writer_open(&live);
    customer = cache_get(&live.cache, (churn_str){.ptr = "c", .len = 1});
    empty = customer->bytes;
    for (int64_t offset = 1; offset < 20; offset += 2) {
        for (int32_t partition = 0; partition < 5; partition++) {
            deliver(&live, partition, offset, LATE_REPLAYED);
        }
        CU_ASSERT(join(&live));
        CU_ASSERT_EQUAL(customer->bytes, empty + profile_bytes(customer->profile, registry));
        CU_ASSERT_EQUAL(live.cache.bytes, customer->bytes);
        CU_ASSERT_EQUAL(put(&live, &stored, false), TAKEN);
        end_window(&live);
    }
    writer_kill(&live);
    stored_free(&stored);
}

/* One of two events is left out as counted; then the store turns out to have an older profile, which has neither. */
static void test_one_left_out_and_then_counted(void)
{
    struct worker live, other;
    struct stored stored = {0};
    writer_open(&live);
    writer_open(&other);
    deliver(&other, 0, 5, NOT_LATE);
    write_once(&other, &stored);
    deliver(&live, 0, 5, NOT_LATE);
    deliver(&live, 0, 6, NOT_LATE);
    CU_ASSERT(join(&live));
    CU_ASSERT_EQUAL(put(&live, &stored, false), CONFLICT);
    CU_ASSERT(join(&live));
    CU_ASSERT_EQUAL(window_filling(&live)->deltas[0]->skipped, 1);
    stored_free(&stored);
    CU_ASSERT_EQUAL(put(&live, &stored, false), CONFLICT);
    CU_ASSERT(join(&live));
    CU_ASSERT_EQUAL(window_filling(&live)->deltas[0]->skipped, 0);
    CU_ASSERT_EQUAL(put(&live, &stored, false), TAKEN);
    check_stored(&stored, "2", "7", "");
    end_window(&live);
    writer_kill(&live);
    writer_kill(&other);
    stored_free(&stored);
}

/* Of a customer that is set aside, what the marks of the damaged profile cover gets no dead letter. */
static void test_what_a_damaged_profile_has_counted(void)
{
    struct worker live, other;
    struct stored stored = {0};
    writer_open(&live);
    writer_open(&other);
    deliver(&other, 0, 5, NOT_LATE);
    write_once(&other, &stored);
    deliver(&live, 0, 4, NOT_LATE);
    deliver(&live, 0, 5, NOT_LATE);
    deliver(&live, 0, 6, NOT_LATE);
    CU_ASSERT(join(&live));
    CU_ASSERT_EQUAL(put(&live, &stored, false), CONFLICT);
    struct delta *delta = window_filling(&live)->deltas[0];
    merge_note_counted(window_filling(&live), delta, delta->customer->profile);
    CU_ASSERT_EQUAL(delta->skipped, 2);
    bool counted[3] = {false};
    for (uint32_t i = delta->first_event, n = 0; i != NO_EVENT && n < 3; i = window_filling(&live)->events[i].next) {
        counted[n++] = window_filling(&live)->events[i].counted;
    }
    CU_ASSERT(counted[0] && counted[1] && !counted[2]);
    end_window(&live);
    writer_kill(&live);
    writer_kill(&other);
    stored_free(&stored);
}

/* A field that could not be read back is not written; its customer is set aside. */
static void test_a_field_that_overflows(void)
{
    static const churn_pair full = {.name = {.ptr = "events_total", .len = 12},
                                    .value = {.ptr = "999999999999999999999999999999999998", .len = 36}};
    struct worker live;
    struct stored stored = {.version = 1};
    struct reject reject = {.reason = REJECT_EMPTY};
    writer_open(&live);
    stored_set(&stored, &full);
    deliver(&live, 0, 5, NOT_LATE);
    CU_ASSERT(join(&live));
    CU_ASSERT_EQUAL(put(&live, &stored, false), CONFLICT);
    CU_ASSERT(join(&live)); /* the last that fits */
    CU_ASSERT_EQUAL(put(&live, &stored, false), TAKEN);
    end_window(&live);
    check_text(stored_get(&stored, "events_total"), "999999999999999999999999999999999999", "events_total");
    deliver(&live, 0, 6, NOT_LATE);
    CU_ASSERT_EQUAL(merge_delta(&live, window_filling(&live), window_filling(&live)->deltas[0], &reject), CHURN_REJECT);
    CU_ASSERT_EQUAL(reject.reason, REJECT_FIELD_OVERFLOW);
    CU_ASSERT_PTR_NOT_NULL(strstr(reject.detail, "'events_total'"));
    end_window(&live);
    writer_kill(&live);
    stored_free(&stored);
}

/* A conflict's profile that has counted the event at 5 makes the one at 6 be folded again. */
static void read_again(struct worker *live, struct stored *stored)
{
    struct worker other;
    writer_open(&other);
    writer_open(live);
    deliver(&other, 0, 5, NOT_LATE);
    write_once(&other, stored);
    deliver(live, 0, 5, NOT_LATE);
    deliver(live, 0, 6, NOT_LATE);
    CU_ASSERT(join(live));
    CU_ASSERT_EQUAL(put(live, stored, false), CONFLICT);
    writer_kill(&other);
}

/* Nothing but a fault of ours can be the reason: the worker must not go on. */
static void test_an_event_that_cannot_be_read_again(void)
{
    struct worker live;
    struct stored stored = {0};
    struct reject reject;
    read_again(&live, &stored);
    struct window *window = window_filling(&live);
    *(char *)(uintptr_t)window->events[1].payload = 'x';
    CU_ASSERT_EQUAL(merge_delta(&live, window, window->deltas[0], &reject), CHURN_FATAL);
    CU_ASSERT(live.failed);
    CU_ASSERT_PTR_NOT_NULL(strstr(live.failure, "an event that was valid before is refused now: "));
    CU_ASSERT_EQUAL(strncmp(live.failure, "an event that was valid before is refused now: ", 47), 0);
    CU_ASSERT(strlen(live.failure) > 47);
    end_window(&live);
    writer_kill(&live);
    stored_free(&stored);
}

/* It is folded with its source position, as it was the first time. */
static void test_what_is_folded_again_is_the_same(void)
{
    struct worker live, only;
    struct stored stored = {0}, expected = {0};
    read_again(&live, &stored);
    write_once(&live, &stored);
    writer_open(&only);
    deliver(&only, 0, 5, NOT_LATE);
    deliver(&only, 0, 6, NOT_LATE);
    write_once(&only, &expected);
    CU_ASSERT_EQUAL(stored.count, expected.count);
    for (uint32_t i = 0; i < expected.count; i++) {
        char name[128], value[4096];
        (void)snprintf(name, sizeof name, "%.*s", (int)expected.pairs[i].name.len, expected.pairs[i].name.ptr);
        (void)snprintf(value, sizeof value, "%s", stored_get(&expected, name));
        check_text(stored_get(&stored, name), value, name);
    }
    writer_kill(&live);
    writer_kill(&only);
    stored_free(&stored);
    stored_free(&expected);
}

/* ---- without memory ---- */

static struct worker poor;
static struct stored poor_store;

static void deliver_to_many_partitions(void)
{
    for (int32_t partition = 0; partition < 4; partition++) {
        deliver(&poor, partition, 6, LATE_REPLAYED);
        deliver(&poor, partition, 9, NOT_LATE);
    }
}

static void begin_poor(void)
{
    writer_open(&poor);
    deliver_to_many_partitions();
}

static void begin_poor_again(void)
{
    read_again(&poor, &poor_store);
    deliver_to_many_partitions();
}

static bool merge_poor(void)
{
    struct reject reject;
    int32_t result = merge_delta(&poor, window_filling(&poor), window_filling(&poor)->deltas[0], &reject);
    CU_ASSERT(result == CHURN_OK || result == CHURN_FATAL);
    return result == CHURN_OK;
}

/* What is half merged is never written: the worker has failed. */
static void end_poor(bool ok)
{
    CU_ASSERT(poor.failed == !ok);
    if (!ok) {
        check_text(poor.failure, "out of memory", "why");
    }
    end_window(&poor);
    writer_kill(&poor);
    stored_free(&poor_store);
}

static void test_without_memory(void)
{
    check_allocations("a merge", begin_poor, merge_poor, end_poor);
    check_allocations("a merge after a conflict", begin_poor_again, merge_poor, end_poor);
}

/* ---- histories ---- */

struct history {
    uint64_t state;
    struct stored stored;
    struct worker live, redrive;
    bool bad[PARTITIONS][OFFSETS]; /* refused until the fix */
    bool lettered[PARTITIONS][OFFSETS];
    bool fixed;
    int64_t next[PARTITIONS], committed[PARTITIONS], furthest[PARTITIONS];
};

/* Some dead letters of those there are, in any order, some of them twice. */
static void redrive_some(struct history *h, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned partition = (unsigned)(next_random(&h->state) % PARTITIONS);
        unsigned offset = (unsigned)(next_random(&h->state) % OFFSETS);
        if (h->lettered[partition][offset]) {
            deliver(&h->redrive, (int32_t)partition, offset, LATE_REDRIVEN);
        }
    }
}

static void redrive_meanwhile(void *ctx)
{
    struct history *h = ctx;
    redrive_some(h, 5);
    flush(&h->redrive, &h->stored, &h->state, NULL, NULL);
}

/* Reads on. What was read before by a process that was killed may have gone to the dead letters. */
static void live_reads(struct history *h, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned partition = (unsigned)(next_random(&h->state) % PARTITIONS);
        int64_t offset = h->next[partition];
        if (offset == OFFSETS) {
            continue;
        }
        if (h->bad[partition][offset] && !h->fixed) {
            h->lettered[partition][offset] = true;
        } else {
            deliver(&h->live, (int32_t)partition, offset, offset < h->furthest[partition] ? LATE_REPLAYED : NOT_LATE);
        }
        h->next[partition]++;
    }
}

static void live_flushes(struct history *h)
{
    flush(&h->live, &h->stored, &h->state, h->fixed ? redrive_meanwhile : NULL, h);
    memcpy(h->committed, h->next, sizeof h->next);
}

static void live_restarts(struct history *h)
{
    writer_kill(&h->live);
    writer_open(&h->live);
    for (unsigned p = 0; p < PARTITIONS; p++) {
        h->furthest[p] = h->next[p] > h->furthest[p] ? h->next[p] : h->furthest[p];
        h->next[p] = h->committed[p];
        if (next_random(&h->state) % 8 == 0) { /* a replay */
            h->next[p] = h->committed[p] = (int64_t)(next_random(&h->state) % (uint64_t)(h->committed[p] + 1));
        }
    }
}

static void end_history(struct history *h)
{
    h->fixed = true;
    while (h->next[0] < OFFSETS || h->next[1] < OFFSETS) {
        live_reads(h, 20);
        live_flushes(h);
    }
    for (unsigned p = 0; p < PARTITIONS; p++) {
        for (unsigned o = 0; o < OFFSETS; o++) {
            if (h->lettered[p][o]) {
                deliver(&h->redrive, (int32_t)p, o, LATE_REDRIVEN);
            }
        }
    }
    flush(&h->redrive, &h->stored, &h->state, NULL, NULL);
}

static void play(uint64_t seed)
{
    struct history h = {.state = seed};
    char expected[16], rating[16], what[32];
    writer_open(&h.live);
    writer_open(&h.redrive);
    for (unsigned i = 0; i < PARTITIONS * OFFSETS; i++) {
        h.bad[i / OFFSETS][i % OFFSETS] = next_random(&h.state) % 3 == 0;
    }
    for (unsigned step = 0; step < 40; step++) {
        h.fixed = h.fixed || next_random(&h.state) % 20 == 0;
        switch (next_random(&h.state) % 5) {
        case 0:
            live_restarts(&h);
            break;
        case 1:
            if (h.fixed) {
                redrive_some(&h, 10);
                flush(&h.redrive, &h.stored, &h.state, NULL, NULL);
            }
            break;
        case 2:
            if (next_random(&h.state) % 2 == 0) {
                writer_kill(&h.redrive);
                writer_open(&h.redrive);
            }
            break;
        default:
            live_reads(&h, (unsigned)(next_random(&h.state) % 12));
            live_flushes(&h);
        }
    }
    end_history(&h);
    (void)snprintf(what, sizeof what, "seed %llu", (unsigned long long)seed);
    (void)snprintf(expected, sizeof expected, "%d", PARTITIONS * OFFSETS);
    (void)snprintf(rating, sizeof rating, "%d", PARTITIONS * OFFSETS * 3);
    check_text(stored_get(&h.stored, "events_total"), expected, what);
    check_text(stored_get(&h.stored, "rating_sum"), rating, what);
    writer_kill(&h.live);
    writer_kill(&h.redrive);
    stored_free(&h.stored);
}

static void test_histories(void)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        play(seed);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_below_the_mark),
        TEST(test_before_the_mark_comes),
        TEST(test_a_replay_remembers),
        TEST(test_a_replay_that_refuses),
        TEST(test_late_offsets_before_a_window_cost_nothing),
        TEST(test_the_cache_knows_what_a_profile_takes),
        TEST(test_one_left_out_and_then_counted),
        TEST(test_what_a_damaged_profile_has_counted),
        TEST(test_a_field_that_overflows),
        TEST(test_an_event_that_cannot_be_read_again),
        TEST(test_what_is_folded_again_is_the_same),
        TEST(test_without_memory),
        TEST(test_histories),
        CU_TEST_INFO_NULL,
    };
    int status = 1;
    if (types_load(&types, NULL, 0)) {
        pipeline = (struct pipeline){.catalog = types.catalog,
                                     .rules = type_rules_new(&types.catalog),
                                     .log = log_new(-1, CHURN_LOG_ERROR - 1, LOG_FORMAT_TEXT)};
        status = run_tests_without_leaks("merge", tests);
        log_free(pipeline.log);
        type_rules_free(pipeline.rules, &types.catalog);
    }
    types_free(&types);
    return status;
}
