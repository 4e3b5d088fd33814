/* Profiles to the store: what is put, with which version, what each answer of the store changes, and that a window is
 * done only once every profile of it is acknowledged. A store that writes down what it is asked for, and answers what
 * a test says, when it says so. */
#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/engine/intake.h"
#include "core/engine/partitions.h"
#include "core/engine/placing.h"
#include "core/engine/progress.h"
#include "core/engine/rounds.h"
#include "core/engine/session.h"
#include "core/engine/stalled.h"
#include "core/engine/state.h"
#include "core/engine/window.h"
#include "core/engine/writer.h"
#include "core/pipeline/host.h"
#include "core/profile/profile_render.h"

#include "no_leaks.h"
#include "shown_fixture.h"
#include "trace.h"
#include "types_fixture.h"

#include <unistd.h>

#define TTL_MS 77
#define NEVER_WAIT 0
#define MAX_BATCHES 8
#define BATCH_REPLIES 25
#define REPLY_FIELDS 4

static struct types_fixture types;
static struct pipeline pipeline;
static struct worker worker;
static struct journal_slot slot;
static _Atomic unsigned no_entries;
static FILE *log_file;

static churn_str text(const char *bytes)
{
    return (churn_str){.ptr = bytes, .len = (uint32_t)strlen(bytes)};
}

/* ---- the store ---- */

/* What one poll gives. The texts are wiped with the session's next call, as a real store's may be. */
struct batch {
    int32_t result;
    uint32_t count;
    churn_put_reply replies[BATCH_REPLIES];
    churn_pair fields[BATCH_REPLIES][REPLY_FIELDS];
    char texts[BATCH_REPLIES][256];
};

static struct {
    struct batch batches[MAX_BATCHES];
    unsigned given, made;
    int32_t put_result, open_result, write_result;
    unsigned puts_before_it; /* that succeed before put_result is answered */
    int64_t ends_at;         /* what the source says of t/3 */
    int32_t bounds_result;
    const char *known; /* whom get_many finds: the letters of their ids */
    const char *odd;   /* … with a version that cannot be read */
    uint32_t gets;     /* keys that it serves before get_result */
    int32_t get_result;
    const char *counted; /* up to where profiles may have counted of it; NULL: that is not stored */
} store;

static struct batch *newest_batch(void)
{
    return &store.batches[store.made - 1];
}

/* From here on, what the next poll gives. */
static void batch(int32_t result)
{
    CU_ASSERT_FATAL(store.made < MAX_BATCHES);
    store.batches[store.made++] = (struct batch){.result = result};
}

/* `fields` as "name=value name=value"; NULL: none. */
static void answer(uint64_t id, int32_t result, uint64_t version, const char *fields)
{
    struct batch *into = newest_batch();
    CU_ASSERT_FATAL(into->count < BATCH_REPLIES);
    uint32_t at = into->count++;
    char *rest = into->texts[at], *word;
    into->replies[at] = (churn_put_reply){.size = sizeof(churn_put_reply),
                                          .result = result,
                                          .id = id,
                                          .version = version,
                                          .fields = into->fields[at],
                                          .message = "the test says so"};
    (void)snprintf(into->texts[at], sizeof into->texts[at], "%s", fields != NULL ? fields : "");
    while ((word = strsep(&rest, " ")) != NULL && *word != '\0') {
        char *value = strchr(word, '=');
        CU_ASSERT_FATAL(value != NULL && into->replies[at].count < REPLY_FIELDS);
        *value++ = '\0';
        into->fields[at][into->replies[at].count++] = (churn_pair){.name = text(word), .value = text(value)};
    }
}

/* One batch of one answer. */
static void answer_alone(uint64_t id, int32_t result, uint64_t version, const char *fields)
{
    batch(CHURN_OK);
    answer(id, result, version, fields);
}

/* Every call ends the life of what the newest poll gave, and is known to main. */
static void enter_store(void)
{
    CU_ASSERT_PTR_EQUAL(atomic_load(&worker.signs.inside), &pipeline.store);
    if (store.given > 0) {
        memset(store.batches[store.given - 1].texts, '#', sizeof store.batches[0].texts);
    }
}

static int32_t store_open(void *self, void **ret_session, churn_error *err)
{
    enter_store();
    note("open; ");
    *ret_session = self;
    return store.open_result == CHURN_OK ? CHURN_OK : churn_fail(err, store.open_result, "not now");
}

static void store_close(void *session)
{
    (void)session;
    note("close; ");
}

static int32_t store_put(void *session, const churn_put *put, churn_error *err)
{
    CU_ASSERT_PTR_EQUAL(session, &store);
    if ((put->id & CHECKPOINT_ID) == 0) {
        enter_store();
        CU_ASSERT(put->ttl_ms == TTL_MS && put->size == sizeof *put);
    }
    note("put%s %llu %.*s v%llu", put->flags == CHURN_PUT_READ ? " read" : "",
         (unsigned long long)(put->id & ~CHECKPOINT_ID), (int)put->key.len, put->key.ptr,
         (unsigned long long)put->expected_version);
    for (uint32_t i = 0; i < put->count; i++) {
        churn_str name = put->fields[i].name, value = put->fields[i].value;
        if (str_equals(name, "events_total") || str_equals(name, "offset")) {
            note(" n=%.*s", (int)value.len, value.ptr);
        } else if (str_equals(name, "_m:t/3")) {
            note(" m=%.*s", (int)value.len, value.ptr);
        }
    }
    note("; ");
    if (store.put_result != CHURN_OK && store.puts_before_it-- == 0) {
        return churn_fail(err, store.put_result, "the put breaks it");
    }
    return CHURN_OK;
}

static int32_t store_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                          uint32_t *ret_count, churn_error *err)
{
    CU_ASSERT(session == &store && max == POLL_REPLIES && *ret_count == 0);
    enter_store();
    note("poll %u; ", timeout_ms);
    if (store.given == store.made) {
        return CHURN_PENDING;
    }
    const struct batch *from = &store.batches[store.given++];
    memcpy(replies, from->replies, from->count * sizeof *replies);
    *ret_count = from->count;
    return from->result == CHURN_OK ? CHURN_OK : churn_fail(err, from->result, "the poll breaks it");
}

static int32_t store_get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    churn_pair counted = {.name = text("counted"), .value = text(store.counted != NULL ? store.counted : "")};
    (void)session;
    (void)err;
    return fn(ctx, key, &counted,
              store.counted != NULL && strncmp(key.ptr, "churnd:letters:", strlen("churnd:letters:")) == 0);
}

/* Customers are called by one letter. Those it knows have ten events, at version 4. */
static int32_t store_get_many(void *session, const churn_str *keys, uint32_t count, churn_fields_fn fn, void *ctx,
                              churn_error *err)
{
    CU_ASSERT_PTR_EQUAL(session, &store);
    enter_store();
    note("get %u; ", count);
    for (uint32_t i = 0; i < count; i++) {
        char id = keys[i].ptr[keys[i].len - 1], version[] = "4", total[] = "10", mark[] = "3";
        churn_pair fields[] = {{.name = text("_v"), .value = text(strchr(store.odd, id) != NULL ? "x" : version)},
                               {.name = text("events_total"), .value = text(total)},
                               {.name = text("_m:t/3"), .value = text(mark)}};
        if (store.get_result != CHURN_OK && store.gets-- == 0) {
            return churn_fail(err, store.get_result, "the get says so");
        }
        CU_ASSERT(fn(ctx, keys[i], fields, strchr(store.known, id) != NULL ? 3 : 0) == CHURN_OK);
        memset(version, '#', 1);
        memset(total, '#', 2);
        memset(mark, '#', 1);
    }
    return CHURN_OK;
}

static int32_t store_write(void *session, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    CU_ASSERT(session == &store && count == 1);
    note("write %.*s", (int)hashes[0].key.len, hashes[0].key.ptr);
    for (uint32_t i = 0; i < hashes[0].count; i++) {
        const churn_pair *field = &hashes[0].fields[i];
        note(" %.*s=%.*s", (int)field->name.len, field->name.ptr, (int)field->value.len, field->value.ptr);
    }
    note("; ");
    return store.write_result == CHURN_OK ? CHURN_OK : churn_fail(err, store.write_result, "no write");
}

static int32_t source_bounds(void *self, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_end,
                             churn_error *err)
{
    (void)self;
    CU_ASSERT(strcmp(topic, "t") == 0 && partition == 3);
    if (store.bounds_result != CHURN_OK) {
        return churn_fail(err, store.bounds_result, "the test says so");
    }
    *ret_low = 0;
    *ret_end = store.ends_at;
    return CHURN_OK;
}

static const churn_store_ops store_ops_ = {.size = sizeof store_ops_,
                                           .open = store_open,
                                           .put = store_put,
                                           .poll = store_poll,
                                           .get = store_get,
                                           .close = store_close,
                                           .write = store_write};
static const churn_store_ops reading_ops = {.size = sizeof reading_ops,
                                            .open = store_open,
                                            .put = store_put,
                                            .poll = store_poll,
                                            .get = store_get,
                                            .close = store_close,
                                            .write = store_write,
                                            .get_many = store_get_many};
static const churn_source_ops source_ops_ = {.size = sizeof source_ops_, .bounds = source_bounds};
static struct loaded loaded_store = {.plugin = {.ops = &store_ops_, .kind = CHURN_KIND_STORE}, .path = "/fake.so"};
static struct loaded loaded_source = {.plugin = {.ops = &source_ops_, .kind = CHURN_KIND_SOURCE}};
static struct instance instance_of_store = {.self = &store}, instance_of_source;
static struct loaded loaded_reading = {.plugin = {.ops = &reading_ops, .kind = CHURN_KIND_STORE}, .path = "/fake.so"};
static struct section letters = {.input = CHURN_RECORD_DEAD_LETTER, .label = "dead_letters"};

/* ---- how many tombstones are known, as far as the writer asks ---- */

static int64_t tombstones;

int64_t __wrap_forgetting_known(const struct forgetting *forgetting);
int64_t __wrap_forgetting_known(const struct forgetting *forgetting)
{
    (void)forgetting;
    return tombstones;
}

/* ---- a worker without its thread ---- */

static void make_counters(void)
{
    churn_counter **counters = (churn_counter **)(void *)&worker.counters;
    for (size_t i = 0; i < sizeof worker.counters / sizeof *counters; i++) {
        counters[i] = metrics_counter(pipeline.metrics, &worker, "any");
    }
    worker.counters.applied = metrics_counter(pipeline.metrics, &worker, "applied");
    worker.counters.already_counted = metrics_counter(pipeline.metrics, &worker, "skipped");
    worker.counters.puts = metrics_counter(pipeline.metrics, &worker, "puts");
    worker.counters.created = metrics_counter(pipeline.metrics, &worker, "created");
    worker.counters.conflicts = metrics_counter(pipeline.metrics, &worker, "conflicts");
    worker.counters.damaged = metrics_counter(pipeline.metrics, &worker, "damaged");
    worker.counters.dead_letters = metrics_counter(pipeline.metrics, &worker, "letters");
}

static void open_worker(void)
{
    trace[0] = '\0';
    memset(&store, 0, sizeof store);
    log_file = tmpfile();
    CU_ASSERT_FATAL(log_file != NULL);
    pipeline = (struct pipeline){.catalog = types.catalog,
                                 .rules = type_rules_new(&types.catalog),
                                 .metrics = metrics_new(),
                                 .stalls = stalls_new(NULL, clock_monotonic_ms),
                                 .log = log_new(fileno(log_file), CHURN_LOG_INFO, LOG_FORMAT_TEXT),
                                 .store = {.loaded = &loaded_store, .label = "store"},
                                 .source = {.loaded = &loaded_source, .label = "source"},
                                 .store_instance = &instance_of_store,
                                 .sinks = &letters,
                                 .sink_count = 1,
                                 .decodes = true,
                                 .has_dead_letters = true,
                                 .outputs = CHURN_RECORD_DEAD_LETTER};
    pipeline.store_settings.key_prefix = "profile:";
    pipeline.store_settings.ttl_ms = TTL_MS;
    worker = (struct worker){.pipeline = &pipeline,
                             .source = &instance_of_source,
                             .ring = {.oldest = 1, .newest = 1},
                             .session = {.checkpoints = &rounds_session_user, .profiles = &writer_session_user}};
    worker.seat = (struct journal_seat){.slot = &slot, .entries = &no_entries};
    worker.cache = (struct cache){.registry = &pipeline.catalog.registry, .limit = SIZE_MAX};
    worker.intake.decoder = event_decoder_new(&pipeline.catalog);
    make_counters();
    shown_open(&worker);
    CU_ASSERT_FATAL(worker.intake.decoder != NULL &&
                    fold_buffer_init(&worker.folder, &pipeline.catalog, &worker.parts));
    for (unsigned i = 0; i < MAX_WINDOWS; i++) {
        CU_ASSERT_FATAL(window_init(&worker.ring.windows[i], &worker.ring.pool, 1));
    }
    CU_ASSERT(session_step(&worker) && worker.session.handle != NULL);
    worker.session.fresh = false;
    check_trace("open; ", "a session");
}

static void close_worker(void)
{
    CU_ASSERT_PTR_NULL(atomic_load(&worker.signs.inside));
    session_close(&worker);
    for (unsigned i = 0; i < MAX_WINDOWS; i++) {
        window_free(&worker.ring.windows[i]);
    }
    arena_pool_free(&worker.ring.pool);
    cache_free(&worker.cache);
    fold_buffer_free(&worker.folder);
    partitions_free(&worker.progress);
    parts_free(&worker.parts);
    event_decoder_free(worker.intake.decoder);
    profile_text_free(&worker.writer.rendered);
    edit_free(&worker.intake.edit);
    text_free(&worker.intake.scratch);
    metrics_free(pipeline.metrics);
    type_rules_free(pipeline.rules, &pipeline.catalog);
    stalls_free(pipeline.stalls);
    log_free(pipeline.log);
    (void)fclose(log_file);
}

static void check_logged(const char *part)
{
    char got[4096] = "";
    rewind(log_file);
    got[fread(got, 1, sizeof got - 1, log_file)] = '\0';
    check_contains(got, part, "the log");
}

static void append_stall(void *ctx, const struct stall_report *report)
{
    size_t len = strlen(ctx);
    (void)snprintf((char *)ctx + len, 512 - len, "%s: %s: %s", report->plugin, report->what, report->message);
}

static void check_stall(const char *expected)
{
    char got[512] = "";
    stalls_each(pipeline.stalls, append_stall, got);
    check_text(got, expected, "stalled");
}

static void check_counts(const char *expected)
{
    static const char *const names[] = {"applied", "skipped", "puts", "created", "conflicts", "damaged", "letters"};
    char got[256] = "";
    for (size_t i = 0; i < COUNT(names); i++) {
        int64_t sum = metrics_sum(pipeline.metrics, names[i]);
        if (sum != 0) {
            size_t len = strlen(got);
            (void)snprintf(got + len, sizeof got - len, "%s%s %lld", len > 0 ? " " : "", names[i], (long long)sum);
        }
    }
    check_text(got, expected, "counted");
}

/* An event of the customer `id` at this offset of t/3. */
static void take(const char *id, int64_t offset)
{
    char value[256];
    churn_record record = {.size = sizeof record,
                           .kind = CHURN_RECORD_EVENT,
                           .key = text(id),
                           .topic = "t",
                           .partition = 3,
                           .offset = offset};
    (void)snprintf(value, sizeof value,
                   "{\"event_id\":\"e\",\"event_type\":\"login\",\"customer_id\":\"%s\",\"timestamp\":"
                   "\"2026-01-01T00:00:00Z\",\"data\":{}}",
                   id);
    record.value = text(value);
    CU_ASSERT(intake_take(&worker, &record, 1));
}

/* Takes events, as "a@0 a@1 b@2", into the window that is filling, and has the next one filled. What the list of deltas
 * has room for behind them must not be looked at. */
static struct window *fill(const char *events)
{
    struct window *window = window_filling(&worker);
    char words[512], *rest = words, *word;
    (void)snprintf(words, sizeof words, "%s", events);
    window->state = WINDOW_FILLING;
    while ((word = strsep(&rest, " ")) != NULL && *word != '\0') {
        char *offset = strchr(word, '@');
        *offset++ = '\0';
        take(word, atoll(offset));
    }
    if (window->delta_room > window->delta_count) {
        memset(window->deltas + window->delta_count, 0xff,
               (window->delta_room - window->delta_count) * sizeof(struct delta *));
    }
    worker.ring.newest++;
    return window;
}

static struct window *begin(const char *events)
{
    struct window *window = fill(events);
    CU_ASSERT(writer_begin(&worker, window));
    return window;
}

static struct customer *customer(const char *id)
{
    return cache_get(&worker.cache, text(id));
}

static void check_states(const struct window *window, const char *expected, const char *when)
{
    static const char letter_of[] = {
        [DELTA_FOLDED] = 'f', [DELTA_MERGED] = 'm', [DELTA_PUT] = 'p', [DELTA_STORED] = 's'};
    char got[64] = "";
    uint32_t stored = 0;
    for (uint32_t i = 0; i < window->delta_count; i++) {
        got[i] = letter_of[window->deltas[i]->state];
        stored += window->deltas[i]->state == DELTA_STORED;
    }
    check_text(got, expected, when);
    CU_ASSERT_EQUAL(window->stored, stored);
}

static void step(struct window *window)
{
    CU_ASSERT(writer_step(&worker, window, NEVER_WAIT));
    CU_ASSERT(!worker.failed);
}

/* Everything is acknowledged, and nobody refers to the window any more. */
static void check_written(struct window *window)
{
    CU_ASSERT(window->state == WINDOW_EMITTING && window->written);
    CU_ASSERT(window->delta_count == 0 && window->stored == 0);
    for (const struct customer *c = worker.cache.queue; c != NULL; c = c->next) {
        CU_ASSERT_PTR_NULL(c->writing);
    }
    check_stall("");
    window_reset(window, 1);
    worker.ring.oldest++;
}

/* Writes the events as the store's first ones of their customers. */
static void write_first(const char *events)
{
    struct window *window = begin(events);
    batch(CHURN_OK);
    for (uint32_t i = 0; i < window->delta_count; i++) {
        answer(i, CHURN_OK, 0, NULL);
    }
    step(window);
    check_written(window);
    trace[0] = '\0';
}

/* ---- what is put, and acknowledged ---- */

static void test_profiles_are_put_and_acknowledged(void)
{
    struct window *window;
    open_worker();
    window = fill("a@0 b@1 a@2 c@4");
    CU_ASSERT_PTR_EQUAL(customer("a")->filling, window->deltas[0]);
    CU_ASSERT(writer_begin(&worker, window));
    check_trace("put 0 profile:a v0 n=2 m=3; put 1 profile:b v0 n=1 m=2; put 2 profile:c v0 n=1 m=5; ", "begun");
    check_states(window, "ppp", "begun");
    CU_ASSERT(window->state == WINDOW_WRITING && !window->written);
    CU_ASSERT(customer("a")->filling == NULL && customer("a")->writing == window->deltas[0]);
    CU_ASSERT(writer_step(&worker, window, 7));
    check_trace("poll 7; ", "waited for");
    check_states(window, "ppp", "no answer");
    batch(CHURN_OK);
    answer(2, CHURN_OK, 0, NULL);
    answer(0, CHURN_OK, 0, NULL);
    worker.moved = false;
    CU_ASSERT(writer_step(&worker, window, 7));
    CU_ASSERT(worker.moved);
    check_trace("poll 7; poll 0; ", "some, in another order");
    check_states(window, "sps", "some");
    check_counts("applied 3 puts 2 created 2");
    CU_ASSERT(window->state == WINDOW_WRITING);
    CU_ASSERT(customer("a")->profile->version == 1 && customer("b")->profile->version == 0);
    answer_alone(1, CHURN_OK, 0, NULL);
    step(window);
    check_trace("poll 0; ", "the last, and no more is asked");
    check_counts("applied 4 puts 3 created 3");
    check_written(window);
    window = begin("b@7 a@8 d@9");
    check_trace("put 0 profile:b v1 n=2 m=8; put 1 profile:a v1 n=3 m=9; put 2 profile:d v0 n=1 m=10; ", "the next");
    batch(CHURN_OK);
    answer(0, CHURN_OK, 0, NULL);
    answer(1, CHURN_OK, 0, NULL);
    answer(2, CHURN_OK, 0, NULL);
    step(window);
    check_counts("applied 7 puts 6 created 4");
    check_written(window);
    CU_ASSERT_EQUAL(customer("a")->profile->version, 2);
    close_worker();
}

/* More than the look-ahead, and as many. */
static void test_many_customers(void)
{
    for (int count = 1; count <= 16; count++) {
        char events[512] = "", expected[1024] = "";
        struct window *window;
        open_worker();
        for (int i = 0; i < count; i++) {
            size_t len = strlen(events), at = strlen(expected);
            (void)snprintf(events + len, sizeof events - len, "%sc%d@%d", i > 0 ? " " : "", i, i);
            (void)snprintf(expected + at, sizeof expected - at, "put %d profile:c%d v0 n=1 m=%d; ", i, i, i + 1);
        }
        window = begin(events);
        check_trace(expected, "put");
        for (int i = 0; i < count; i++) {
            if (i % BATCH_REPLIES == 0) {
                batch(CHURN_OK);
            }
            answer((uint64_t)i, CHURN_OK, 0, NULL);
        }
        step(window);
        check_written(window);
        close_worker();
    }
}

static void test_a_window_without_profiles(void)
{
    struct window *window;
    open_worker();
    window = begin("");
    CU_ASSERT_EQUAL(window->state, WINDOW_WRITING);
    step(window);
    check_trace("", "nothing is asked");
    check_written(window);
    close_worker();
}

/* Its type refused it after its customer's delta was made. */
static void test_a_delta_without_events(void)
{
    struct window *window;
    open_worker();
    CU_ASSERT_FATAL(window_delta(window_filling(&worker), customer("a"), &pipeline.catalog.registry) != NULL);
    window = begin("b@3");
    check_trace("put 1 profile:b v0 n=1 m=4; ", "only the other");
    check_states(window, "sp", "begun");
    answer_alone(1, CHURN_OK, 0, NULL);
    step(window);
    check_counts("applied 1 puts 1 created 1");
    check_written(window);
    close_worker();
}

/* ---- conflicts ---- */

/* The stored profile becomes the base; what its marks have counted is left out; nothing is put before every answer was
 * taken. */
static void test_a_cold_cache(void)
{
    struct window *window;
    open_worker();
    window = begin("a@0 a@5 b@6 c@7 d@8");
    trace[0] = '\0';
    batch(CHURN_OK);
    answer(0, CHURN_CONFLICT, 4, "events_total=10 _m:t/3=3");
    answer(2, CHURN_CONFLICT, 9, "events_total=20 _m:t/3=8"); /* all of it is counted */
    answer(3, CHURN_OK, 0, NULL);
    answer(1, CHURN_CONFLICT, 6, "events_total=30 _m:t/3=6");
    step(window);
    check_trace("poll 0; put 0 profile:a v4 n=11 m=6; put 1 profile:b v6 n=31 m=7; poll 0; ", "put again");
    check_states(window, "ppss", "put again");
    check_counts("applied 1 skipped 1 puts 1 created 1 conflicts 3");
    batch(CHURN_OK);
    answer(1, CHURN_OK, 0, NULL);
    answer(0, CHURN_CONFLICT, 5, "events_total=12 _m:t/3=6"); /* another writer again, and it has counted both */
    step(window);
    check_trace("poll 0; ", "nothing is left");
    check_counts("applied 2 skipped 3 puts 2 created 1 conflicts 4");
    check_written(window);
    CU_ASSERT(customer("a")->profile->version == 5 && customer("b")->profile->version == 7);
    close_worker();
}

/* ---- profiles that are read ahead ---- */

#define EIGHT "a@5 b@6 c@7 d@8 e@9 f@10 g@11 h@12"

/* A worker whose store can be asked for many profiles, of whom it has `known`. */
static void open_reading(const char *known)
{
    open_worker();
    pipeline.store.loaded = &loaded_reading;
    store.known = known;
    store.odd = "";
    trace[0] = '\0';
}

/* Who is unknown is asked for before the first put; whom the store has not is put as new. A put that is answered needs
 * no mention of it again, and the versions still tell of another writer. */
static void test_profiles_are_read_ahead(void)
{
    struct window *window;
    open_reading("ab");
    window = begin(EIGHT);
    check_trace("get 8; put read 0 profile:a v4 n=11 m=6; put read 1 profile:b v4 n=11 m=7; "
                "put 2 profile:c v0 n=1 m=8; put 3 profile:d v0 n=1 m=9; put 4 profile:e v0 n=1 m=10; "
                "put 5 profile:f v0 n=1 m=11; put 6 profile:g v0 n=1 m=12; put 7 profile:h v0 n=1 m=13; ",
                "read, then put");
    batch(CHURN_OK);
    answer(0, CHURN_CONFLICT, 5, "events_total=20 _m:t/3=3"); /* another wrote since */
    for (uint64_t id = 1; id < 8; id++) {
        answer(id, CHURN_OK, 0, NULL);
    }
    step(window);
    check_trace("poll 0; put 0 profile:a v5 n=21 m=6; poll 0; ", "by the newer one");
    answer_alone(0, CHURN_OK, 0, NULL);
    step(window);
    check_counts("applied 8 puts 8 created 6 conflicts 1");
    check_written(window);
    trace[0] = '\0';
    window = begin("b@15");
    check_trace("put 0 profile:b v5 n=12 m=16; ", "known, and written before");
    close_worker();
}

/* What the stored mark has counted is left out of what was read, as it is after a conflict. */
static void test_what_was_read_has_counted_it(void)
{
    struct window *window;
    open_reading("abcdefgh");
    window = begin("a@2 a@5 b@1 c@7 d@8 e@9 f@10 g@11 h@12");
    check_states(window, "pspppppp", "all of b is counted");
    CU_ASSERT_PTR_NOT_NULL(strstr(trace, "put read 0 profile:a v4 n=11 m=6; put read 2 profile:c"));
    check_counts("skipped 1");
    close_worker();
}

/* Few are not waited for, and those who are known or damaged not asked for. */
static void test_whom_is_not_read_ahead(void)
{
    struct window *window;
    open_reading("abcdefgh");
    (void)begin("a@5 b@6 c@7 d@8 e@9 f@10 g@11");
    CU_ASSERT_PTR_NULL(strstr(trace, "get "));
    close_worker();
    open_reading("abcdefghi");
    cache_set_profile(&worker.cache, customer("a"), profile_new(&pipeline.catalog.registry));
    (void)begin(EIGHT);
    CU_ASSERT_PTR_NULL(strstr(trace, "get "));
    close_worker();
    open_reading("abcdefghi");
    cache_set_damaged(&worker.cache, customer("a"), true);
    (void)begin(EIGHT " i@13");
    CU_ASSERT_PTR_NOT_NULL(strstr(trace, "get 8; put 0 profile:a v0"));
    close_worker();
    open_reading("abcdefgh");
    session_lose(&worker, "gone");
    window = begin(EIGHT);
    check_states(window, "mmmmmmmm", "without a session");
    CU_ASSERT_PTR_NULL(strstr(trace, "get "));
    close_worker();
}

/* Reading ends with a batch of which too few are stored. */
static void test_new_customers_end_the_reading(void)
{
    static const char ids[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"; /* 40 */
    char events[400] = "";
    for (unsigned round = 0; round < 2; round++) {
        size_t len = 0;
        open_reading(round == 0 ? "abcdefg" : "abcdefgh"); /* of 32 */
        for (unsigned i = 0; i < sizeof ids - 1; i++) {
            len += (size_t)snprintf(events + len, sizeof events - len, "%s%c@%u", i > 0 ? " " : "", ids[i], i + 5);
        }
        (void)begin(events);
        CU_ASSERT_PTR_NOT_NULL(strstr(trace, "get 32; "));
        CU_ASSERT_EQUAL(strstr(trace, "get 8; ") != NULL, round == 1);
        close_worker();
    }
}

/* What is wrong with one key is told by its put; a session that breaks is opened again, and the puts are none the
 * less for it; a store that fails ends the run. */
static void test_reading_ahead_that_fails(void)
{
    struct window *window;
    open_reading("abcdefgh");
    store.odd = "b";
    store.get_result = CHURN_REJECT;
    store.gets = 2;
    (void)begin(EIGHT);
    CU_ASSERT_PTR_NOT_NULL(strstr(trace, "get 8; put read 0 profile:a v4 n=11 m=6; put 1 profile:b v0 n=1 m=7; "
                                         "put 2 profile:c v0 n=1 m=8; "));
    close_worker();
    open_reading("abcdefgh");
    store.get_result = CHURN_RETRY;
    store.gets = 1;
    window = begin(EIGHT);
    check_trace("get 8; close; ", "the get breaks it");
    check_states(window, "mmmmmmmm", "to be put");
    CU_ASSERT(customer("a")->profile->version == 4 && customer("b")->profile->version == 0);
    check_stall("store: store: the get says so; waiting, nothing is lost");
    close_worker();
    open_reading("abcdefgh");
    store.get_result = CHURN_FATAL;
    store.gets = 1;
    window = fill(EIGHT);
    CU_ASSERT_FALSE(writer_begin(&worker, window));
    check_text(worker.failure, "store: the get says so", "why");
    close_worker();
}

/* Between two customers' answers the session breaks at a put; what was not put yet is put with the next one. */
static void test_a_session_that_breaks_while_putting_again(void)
{
    struct window *window;
    open_worker();
    window = begin("a@5 b@6");
    trace[0] = '\0';
    batch(CHURN_OK);
    answer(0, CHURN_CONFLICT, 4, "events_total=10 _m:t/3=3");
    answer(1, CHURN_CONFLICT, 6, "events_total=30 _m:t/3=6");
    store.put_result = CHURN_RETRY;
    step(window);
    check_trace("poll 0; put 0 profile:a v4 n=11 m=6; close; ", "the first put breaks it");
    check_states(window, "mm", "lost");
    store.put_result = CHURN_OK;
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker));
    step(window);
    check_trace("open; put 0 profile:a v4 n=11 m=6; put 1 profile:b v6 n=31 m=7; poll 0; ", "both");
    batch(CHURN_OK);
    answer(0, CHURN_OK, 0, NULL);
    answer(1, CHURN_OK, 0, NULL);
    step(window);
    check_counts("applied 2 puts 2 conflicts 2");
    check_written(window);
    close_worker();
}

/* Nothing of an answer to a checkpoint is taken for one to a profile. */
static void test_checkpoints_are_answered_in_between(void)
{
    churn_position position = {.topic = "t", .partition = 3};
    struct window_position done = {.next = 2, .last = WITNESS_NONE};
    struct window settled = {.positions = &done, .position_count = 1};
    struct window *window;
    open_worker();
    store.ends_at = 100;
    CU_ASSERT(progress_assign(&worker, &position, 1) && placing_step(&worker) && partitions_ready(&worker));
    CU_ASSERT(progress_note_done(&worker, &settled));
    window = begin("a@5");
    rounds_step(&worker, true);
    check_trace("write churnd:letters:profile:t/3 counted=12; put 0 profile:a v0 n=1 m=6; "
                "put 0 churnd:checkpoint:profile:t/3 v0 n=2; ",
                "both are with the store");
    batch(CHURN_OK);
    answer(CHECKPOINT_ID, CHURN_CONFLICT, 3, "offset=1");
    answer(0, CHURN_CONFLICT, 4, "events_total=10 _m:t/3=3");
    step(window);
    check_trace("poll 0; put 0 profile:a v4 n=11 m=6; poll 0; ", "the profile is put again");
    answer_alone(0, CHURN_OK, 0, NULL);
    step(window);
    check_written(window);
    rounds_step(&worker, true);
    check_trace("poll 0; put 0 churnd:checkpoint:profile:t/3 v3 n=2; ", "the checkpoint too, in its turn");
    close_worker();
}

/* ---- outages ---- */

static void test_a_session_that_is_lost(void)
{
    struct window *window;
    open_worker();
    window = begin("a@0 b@1 c@2");
    answer_alone(1, CHURN_OK, 0, NULL);
    batch(CHURN_RETRY);
    trace[0] = '\0';
    step(window);
    check_trace("poll 0; poll 0; close; ", "the poll breaks it");
    CU_ASSERT(worker.session.handle == NULL && window->state == WINDOW_WRITING);
    check_states(window, "msm", "lost");
    check_stall("store: store: the poll breaks it; waiting, nothing is lost");
    step(window);
    check_trace("", "without a session nothing is asked");
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker) && worker.session.fresh);
    step(window);
    check_trace("open; put 0 profile:a v0 n=1 m=1; put 2 profile:c v0 n=1 m=3; poll 0; ", "put again");
    CU_ASSERT(!worker.session.fresh);
    check_states(window, "psp", "put again");
    step(window);
    check_trace("poll 0; ", "once");
    batch(CHURN_OK);
    answer(0, CHURN_CONFLICT, 1, "events_total=1 _m:t/3=1"); /* it was written */
    answer(2, CHURN_OK, 0, NULL);
    step(window);
    check_counts("applied 2 skipped 1 puts 2 created 2 conflicts 1");
    check_written(window);
    close_worker();
}

/* The window is begun without a session, or loses it at one of its puts. */
static void test_no_session_when_a_window_begins(void)
{
    struct window *window;
    open_worker();
    session_lose(&worker, "gone");
    trace[0] = '\0';
    window = begin("a@0 b@1");
    check_trace("", "nothing is put");
    check_states(window, "mm", "merged");
    worker.session.next_open_ms = 0;
    store.put_result = CHURN_RETRY;
    store.puts_before_it = 1;
    CU_ASSERT(session_step(&worker));
    step(window);
    check_trace("open; put 0 profile:a v0 n=1 m=1; put 1 profile:b v0 n=1 m=2; close; ", "lost again");
    check_states(window, "mm", "merged still");
    CU_ASSERT(worker.session.handle == NULL && window->state == WINDOW_WRITING);
    check_stall("store: store: the put breaks it; waiting, nothing is lost");
    store.put_result = CHURN_OK;
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker));
    batch(CHURN_OK);
    answer(0, CHURN_OK, 0, NULL);
    answer(1, CHURN_OK, 0, NULL);
    step(window);
    check_written(window);
    trace[0] = '\0';
    store.put_result = CHURN_RETRY;
    store.puts_before_it = 1;
    window = begin("a@2 b@3 c@4"); /* the rest is merged all the same */
    check_trace("put 0 profile:a v1 n=2 m=3; put 1 profile:b v1 n=2 m=4; close; ", "lost while beginning");
    check_states(window, "mmm", "merged");
    close_worker();
}

/* What was merged before the worker has adopted a tombstone may be covered by it: nothing of it is put, however long
 * the worker was held up since. */
static void test_nothing_is_put_without_the_newest_tombstones(void)
{
    struct window *window;
    open_worker();
    tombstones = 1;
    window = begin("a@0 b@1");
    check_trace("", "nothing is put");
    check_states(window, "mm", "merged");
    worker.writer.retry_ms = 1;
    step(window);
    check_trace("poll 0; ", "later neither");
    worker.forgetting.known = 1;
    worker.writer.retry_ms = 1;
    step(window);
    check_trace("put 0 profile:a v0 n=1 m=1; put 1 profile:b v0 n=1 m=2; poll 0; ", "adopted");
    tombstones = 0;
    close_worker();
}

static int64_t retry_after(void)
{
    return worker.writer.retry_ms - clock_monotonic_ms();
}

/* A store that is full, say: asked again after a while that doubles up to two seconds, and from the first again once it
 * took something. */
static void test_a_write_that_is_refused(void)
{
    static const int64_t pauses[] = {100, 200, 400, 800, 1600, 2000, 2000};
    struct window *window;
    open_worker();
    window = begin("a@0 b@1");
    trace[0] = '\0';
    batch(CHURN_OK);
    answer(0, CHURN_RETRY, 0, NULL);
    answer(1, CHURN_RETRY, 0, NULL);
    step(window);
    check_trace("poll 0; poll 0; ", "refused");
    check_states(window, "mm", "refused");
    check_stall("store: write: a write was refused: the test says so; trying again");
    for (size_t i = 0; i < COUNT(pauses); i++) {
        CU_ASSERT_EQUAL(worker.writer.retry_pause_ms, pauses[i]);
        CU_ASSERT(worker.writer.retry_ms != 0 && retry_after() <= pauses[i]);
        worker.writer.retry_ms = clock_monotonic_ms() + 60000;
        step(window);
        check_trace("poll 0; ", "not before its time");
        worker.writer.retry_ms = 1;
        step(window);
        check_trace("put 0 profile:a v0 n=1 m=1; put 1 profile:b v0 n=1 m=2; poll 0; ", "both again");
        CU_ASSERT_EQUAL(worker.writer.retry_ms, 0);
        answer_alone(1, CHURN_RETRY, 0, NULL);
        answer(0, CHURN_RETRY, 0, NULL);
        store.batches[0] = store.batches[1];
        store.given = 0;
        store.made = 1;
        step(window);
        trace[0] = '\0';
    }
    worker.writer.retry_ms = 1;
    step(window);
    batch(CHURN_OK);
    answer(0, CHURN_OK, 0, NULL);
    answer(1, CHURN_RETRY, 0, NULL);
    step(window);
    check_states(window, "sm", "one is taken");
    CU_ASSERT(worker.writer.retry_pause_ms == 100 && retry_after() <= 100);
    worker.writer.retry_ms = 1;
    trace[0] = '\0';
    step(window);
    check_trace("put 1 profile:b v0 n=1 m=2; poll 0; ", "the other");
    answer_alone(1, CHURN_OK, 0, NULL);
    check_stall("store: write: a write was refused: the test says so; trying again");
    step(window);
    CU_ASSERT_EQUAL(worker.writer.retry_pause_ms, 0);
    check_counts("applied 2 puts 2 created 2");
    check_written(window);
    close_worker();
}

static void test_a_store_that_never_can(void)
{
    static const int32_t results[] = {CHURN_FATAL, CHURN_DROP, CHURN_PENDING};
    for (size_t i = 0; i < COUNT(results); i++) {
        struct window *window;
        open_worker();
        window = begin("a@0 b@1");
        batch(CHURN_OK);
        answer(0, results[i], 0, NULL);
        answer(1, CHURN_OK, 0, NULL);
        CU_ASSERT(!writer_step(&worker, window, NEVER_WAIT) && worker.failed);
        check_text(worker.failure, "store: the test says so", "why");
        check_states(window, "pp", "nothing more is taken");
        check_counts("");
        close_worker();
    }
}

static void test_a_poll_that_fails(void)
{
    struct window *window;
    open_worker();
    window = begin("a@0");
    batch(CHURN_FATAL);
    CU_ASSERT(!writer_step(&worker, window, NEVER_WAIT) && worker.failed);
    check_text(worker.failure, "store: the poll breaks it", "why");
    close_worker();
}

/* ---- a store that lost what it had acknowledged ---- */

static void test_a_profile_that_went_back(void)
{
    struct window *window;
    open_worker();
    write_first("a@0 b@1");
    write_first("a@2");
    window = begin("a@5 b@6");
    trace[0] = '\0';
    batch(CHURN_OK);
    answer(0, CHURN_CONFLICT, 1, "events_total=1 _m:t/3=1");
    answer(1, CHURN_CONFLICT, 8, "events_total=5 _m:t/3=2");
    step(window);
    CU_ASSERT(worker.session.went_back);
    check_trace("poll 0; ", "nothing is put any more");
    check_logged("ERROR store: the profile of customer 'a' went back from version 2 to 1: the store lost acknowledged "
                 "writes; reading again from its checkpoints\n");
    check_states(window, "pm", "void");
    check_counts("applied 3 puts 3 created 2 conflicts 2");
    step(window);
    check_trace("", "it is void");
    CU_ASSERT_EQUAL(window->state, WINDOW_WRITING);
    writer_discard(&worker, window);
    close_worker();
}

static void test_a_profile_that_is_gone(void)
{
    struct window *window;
    open_worker();
    write_first("a@0");
    window = begin("a@5");
    answer_alone(0, CHURN_CONFLICT, 0, NULL);
    step(window);
    CU_ASSERT(worker.session.went_back);
    check_logged("WARN  store: the profile of customer 'a' is gone from the store (deleted, expired, evicted or lost)");
    close_worker();
}

/* A store that throws profiles away does not fill the log as well. */
static void test_many_profiles_that_are_gone(void)
{
    static const char part[] = "is gone from the store";
    char got[16384] = "", first[512] = "", second[512] = "";
    unsigned lines = 0;
    open_worker();
    for (unsigned i = 0; i < 25; i++) {
        (void)snprintf(first + strlen(first), sizeof first - strlen(first), "%sc%u@%u", i > 0 ? " " : "", i, i);
        (void)snprintf(second + strlen(second), sizeof second - strlen(second), "%sc%u@%u", i > 0 ? " " : "", i,
                       i + 25);
    }
    write_first(first);
    struct window *window = begin(second);
    batch(CHURN_OK);
    for (unsigned i = 0; i < 25; i++) {
        answer(i, CHURN_CONFLICT, 0, NULL);
    }
    step(window);
    CU_ASSERT(worker.session.went_back);
    rewind(log_file);
    got[fread(got, 1, sizeof got - 1, log_file)] = '\0';
    for (const char *at = strstr(got, part); at != NULL; at = strstr(at + 1, part)) {
        lines++;
    }
    CU_ASSERT_EQUAL(lines, 20);
    check_contains(got, "--replay-from beginning; others in the next minute are not named\n", "the log");
    writer_discard(&worker, window);
    close_worker();
}

/* Everything was acknowledged when another answer showed it: the window is void all the same. */
static void test_the_last_answer_shows_that_it_went_back(void)
{
    struct window *window;
    open_worker();
    window = begin("a@0");
    answer_alone(0, CHURN_OK, 0, NULL);
    CU_ASSERT(session_poll(&worker, window, NEVER_WAIT));
    worker.session.went_back = true;
    step(window);
    CU_ASSERT(window->state == WINDOW_WRITING && !window->written);
    close_worker();
}

/* The same version as the one that is known is none that went back. */
static void test_a_conflict_with_the_same_version(void)
{
    struct window *window;
    open_worker();
    write_first("a@0");
    window = begin("a@5");
    trace[0] = '\0';
    answer_alone(0, CHURN_CONFLICT, 1, "events_total=1 _m:t/3=1");
    step(window);
    CU_ASSERT(!worker.session.went_back);
    check_trace("poll 0; put 0 profile:a v1 n=2 m=6; poll 0; ", "put again");
    close_worker();
}

/* ---- damaged profiles ---- */

/* The letters of the window are answered. */
static void answer_letters(struct window *window)
{
    CU_ASSERT_EQUAL(window->state, WINDOW_SETTING_ASIDE);
    step(window);
    CU_ASSERT_EQUAL(window->state, WINDOW_SETTING_ASIDE);
    window->sinks[0].cursor = window->output_count;
    step(window);
}

static void check_letter(const struct window *window, uint32_t index, int64_t offset, const char *reason,
                         const char *detail)
{
    const churn_record *letter = &window->outputs[index];
    char got[512] = "";
    CU_ASSERT_FATAL(index < window->output_count && letter->header_count >= 2);
    CU_ASSERT(letter->kind == CHURN_RECORD_DEAD_LETTER && letter->offset == offset && letter->partition == 3);
    for (uint32_t i = 0; i < letter->header_count; i++) {
        size_t len = strlen(got);
        (void)snprintf(got + len, sizeof got - len, "%s=%.*s; ", letter->headers[i].name,
                       (int)letter->headers[i].value.len, letter->headers[i].value.ptr);
    }
    check_contains(got, reason, "the letter's reason");
    check_contains(got, detail, "the letter's detail");
}

/* What the store has cannot be read, or it says so itself: its marks may still tell what was counted. */
static void test_damaged_profiles(void)
{
    static const struct {
        int32_t result;
        const char *fields, *detail;
        uint32_t first_letter; /* 0: both events have one; 1: the second has */
    } cases[] = {
        {CHURN_CONFLICT, "events_total=x _m:t/3=1", "events_total", 1},
        {CHURN_CONFLICT, "events_total=x", "events_total", 0},
        {CHURN_REJECT, "events_total=7 _m:t/3=1", "the test says so", 1},
        {CHURN_REJECT, "events_total=x _m:t/3=1", "the test says so", 1},
        {CHURN_REJECT, NULL, "the test says so", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct window *window;
        uint32_t letters_expected = 2 - cases[i].first_letter;
        char counts[128];
        open_worker();
        window = begin("a@0 a@5 b@6");
        trace[0] = '\0';
        batch(CHURN_OK);
        answer(0, cases[i].result, 4, cases[i].fields);
        answer(1, CHURN_OK, 0, NULL);
        step(window);
        check_trace("poll 0; ", "nothing is put for the customer");
        CU_ASSERT(customer("a")->damaged && worker.cache.damaged == 1 && customer("a")->profile == NULL);
        CU_ASSERT_EQUAL_FATAL(window->output_count, letters_expected);
        check_letter(window, 0, cases[i].first_letter == 1 ? 5 : 0, "damaged_profile", cases[i].detail);
        CU_ASSERT(window->written && window->stored == 2);
        CU_ASSERT_PTR_EQUAL(customer("a")->writing, window->deltas[0]);
        answer_letters(window);
        (void)snprintf(counts, sizeof counts, "applied 1%s puts 1 created 1 damaged 1 letters %u",
                       cases[i].first_letter == 1 ? " skipped 1" : "", letters_expected);
        check_counts(counts);
        check_logged("the profile of customer 'a' is damaged: ");
        check_written(window);
        window = begin("a@8"); /* mended meanwhile */
        check_trace("put 0 profile:a v0 n=1 m=9; ", "looked at again");
        answer_alone(0, CHURN_OK, 0, NULL);
        step(window);
        CU_ASSERT(worker.cache.damaged == 0 && !customer("a")->damaged);
        check_written(window);
        close_worker();
    }
}

/* Of a damaged profile that has counted all that the window has there is nothing to set aside. */
static void test_a_damaged_profile_that_has_counted_all(void)
{
    struct window *window;
    open_worker();
    window = begin("a@0 a@5");
    answer_alone(0, CHURN_REJECT, 4, "_m:t/3=6");
    step(window);
    CU_ASSERT(window->output_count == 0 && worker.cache.damaged == 0);
    check_counts("skipped 2");
    check_written(window);
    close_worker();
}

/* A field that has grown as large as it can be: the event that would make it larger is set aside. */
static void test_a_field_that_overflows(void)
{
    struct window *window;
    open_worker();
    window = begin("a@0 b@1");
    batch(CHURN_OK);
    answer(0, CHURN_CONFLICT, 4, "events_total=999999999999999999999999999999999998");
    answer(1, CHURN_OK, 0, NULL);
    step(window);
    answer_alone(0, CHURN_OK, 0, NULL);
    step(window);
    check_written(window);
    trace[0] = '\0';
    window = begin("a@2 b@3");
    check_trace("put 1 profile:b v1 n=2 m=4; ", "only the other");
    check_states(window, "sp", "begun");
    check_letter(window, 0, 2, "field_overflow", "field 'events_total' would be larger than a profile can hold");
    answer_alone(1, CHURN_OK, 0, NULL);
    step(window);
    answer_letters(window);
    check_counts("applied 3 puts 3 created 1 conflicts 1 damaged 1 letters 1");
    check_written(window);
    close_worker();
}

/* ---- dead letters first ---- */

/* A mark must not pass over a refused event before its letter is safe, and the store knows that there may be one. */
static void test_letters_go_out_before_a_window_is_written(void)
{
    churn_position position = {.topic = "t", .partition = 3};
    struct window *window;
    open_worker();
    store.ends_at = 100;
    CU_ASSERT(progress_assign(&worker, &position, 1) && placing_step(&worker));
    window = fill("a@0 b@1");
    window->has_letters = true;
    CU_ASSERT(window_add_output(window, CHURN_RECORD_DEAD_LETTER, &(churn_record){.topic = "t"}) != NULL);
    CU_ASSERT(writer_begin(&worker, window));
    CU_ASSERT(window->state == WINDOW_SETTING_ASIDE && customer("a")->writing == window->deltas[0]);
    check_trace("", "nothing is put");
    store.write_result = CHURN_RETRY;
    step(window);
    check_trace("write churnd:letters:profile:t/3 counted=4 below=20002; close; ", "not announced");
    check_stall("store: write: a write was refused: no write; trying again");
    CU_ASSERT(!window->announced && window->state == WINDOW_SETTING_ASIDE);
    step(window);
    check_trace("", "no session");
    store.write_result = CHURN_OK;
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker));
    check_stall(
        "store: write: a write was refused: no write; trying again"); /* that it can be reached changes nothing */
    window->sinks[0].cursor = window->output_count; /* answered, by some chance: the store must know before */
    worker.session.went_back = true;
    step(window);
    worker.session.went_back = false;
    check_trace("open; ", "it went back");
    window->sinks[0].cursor = 0;
    step(window);
    check_trace("write churnd:letters:profile:t/3 counted=4 below=20002; ", "announced");
    check_stall("");
    CU_ASSERT(window->announced && window->state == WINDOW_SETTING_ASIDE);
    step(window);
    check_trace("", "once; the letter is not answered");
    window->sinks[0].cursor = window->output_count;
    step(window);
    check_trace("put 0 profile:a v0 n=1 m=1; put 1 profile:b v0 n=1 m=2; ", "written then");
    CU_ASSERT(window->state == WINDOW_WRITING && !window->written);
    batch(CHURN_OK);
    answer(0, CHURN_OK, 0, NULL);
    answer(1, CHURN_OK, 0, NULL);
    step(window);
    check_written(window);
    trace[0] = '\0';
    window = fill("a@2");
    window->has_letters = true;
    CU_ASSERT(writer_begin(&worker, window));
    step(window);
    check_trace("put 0 profile:a v1 n=2 m=3; ", "what is announced covers this one");
    close_worker();
}

static void test_an_announcement_that_is_never_possible(void)
{
    churn_position position = {.topic = "t", .partition = 3};
    struct window *window;
    open_worker();
    store.ends_at = 100;
    CU_ASSERT(progress_assign(&worker, &position, 1) && placing_step(&worker));
    window = fill("a@0");
    window->has_letters = true;
    CU_ASSERT(writer_begin(&worker, window));
    store.write_result = CHURN_FATAL;
    CU_ASSERT(!writer_step(&worker, window, NEVER_WAIT));
    check_text(worker.failure, "store: no write", "why");
    close_worker();
}

/* ---- marks ---- */

/* A profile that counted more than the partition has ever held is of another one. */
static void test_a_mark_beyond_the_end(void)
{
    churn_position position = {.topic = "t", .partition = 3};
    struct window *window;
    open_worker();
    store.ends_at = 9;
    CU_ASSERT(progress_assign(&worker, &position, 1) && placing_step(&worker) && partitions_ready(&worker));
    trace[0] = '\0';
    window = begin("a@5 b@8");
    answer_alone(0, CHURN_CONFLICT, 4, "_m:t/3=9 _m:another/0=100");
    step(window);
    CU_ASSERT_EQUAL(window->stored, 1);
    batch(CHURN_OK);
    answer(1, CHURN_CONFLICT, 4, "_m:s/0=7 _m:t/3=10");
    CU_ASSERT(!writer_step(&worker, window, NEVER_WAIT) && worker.failed);
    check_contains(worker.failure, "t/3", "which");
    check_states(window, "sp", "it is not merged");
    close_worker();
}

/* Where nobody can have counted so far the profile is damaged: what it says of the partition hides no event, whatever
 * else is wrong with it. */
static void test_a_mark_that_cannot_be_true(void)
{
    static const struct {
        const char *fields, *detail;
        const char *events; /* the first one is the customer's */
        int64_t offset;
    } cases[] = {
        {"_m:t/3=99999999999999", "field '_m:t/3' says that events were counted that never were", "a@0 b@8", 0},
        {"_m:t/3=5 _r:t/3=1-9223372036854775807", "field '_r:t/3' says that events were counted that never were",
         "a@5 b@8", 5},
        {"_r:t/3=3,12", "field '_r:t/3'", "a@3 b@8", 3},
        {"_r:t/3=0,12", "field '_r:t/3'", "a@0 b@8", 0},
        {"_m:t/3=11 _m:u/0=7", "field '_m:t/3'", "a@0 b@8", 0},
        {"_m:t/3=99 events_total=x", "field 'events_total'", "a@5 b@8", 5},
    };
    churn_position position = {.topic = "t", .partition = 3};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct window *window;
        open_worker();
        store.ends_at = 10;
        store.counted = "5";
        CU_ASSERT(progress_assign(&worker, &position, 1) && placing_step(&worker) && partitions_ready(&worker));
        window = begin(cases[i].events);
        trace[0] = '\0';
        batch(CHURN_OK);
        answer(0, CHURN_CONFLICT, 4, cases[i].fields);
        answer(1, CHURN_OK, 0, NULL);
        step(window);
        check_trace("poll 0; ", "nothing is put for the customer");
        CU_ASSERT_EQUAL_FATAL(window->output_count, 1);
        check_letter(window, 0, cases[i].offset, "damaged_profile", cases[i].detail);
        CU_ASSERT(!worker.failed && customer("a")->damaged);
        store.counted = NULL;
        answer_letters(window);
        check_written(window);
        close_worker();
    }
}

/* While the source cannot tell where its partition ends, the customer's event waits, and nobody else's. */
static void test_a_mark_that_cannot_be_judged_yet(void)
{
    churn_position position = {.topic = "t", .partition = 3};
    struct window *window;
    open_worker();
    store.ends_at = 10;
    store.counted = "5";
    CU_ASSERT(progress_assign(&worker, &position, 1) && placing_step(&worker) && partitions_ready(&worker));
    window = begin("a@5 b@8");
    trace[0] = '\0';
    store.bounds_result = CHURN_RETRY;
    batch(CHURN_OK);
    answer(0, CHURN_CONFLICT, 4, "_m:t/3=99");
    answer(1, CHURN_OK, 0, NULL);
    step(window);
    check_trace("poll 0; poll 0; ", "not at once");
    check_states(window, "ms", "it waits");
    store.bounds_result = CHURN_OK;
    worker.writer.retry_ms = 1;
    batch(CHURN_OK);
    answer(0, CHURN_CONFLICT, 4, "_m:t/3=99");
    step(window);
    check_letter(window, 0, 5, "damaged_profile", "field '_m:t/3'");
    CU_ASSERT(!worker.failed);
    close_worker();
}

/* ---- a window that is given up ---- */

/* What was put is not known to be written, so the cached profile is not either; what the next window has stays. */
static void test_a_window_is_forgotten(void)
{
    struct window *window, *next;
    open_worker();
    write_first("a@0 b@1");
    window = begin("a@2 b@3 c@4");
    batch(CHURN_OK);
    answer(1, CHURN_OK, 0, NULL);
    answer(2, CHURN_RETRY, 0, NULL);
    step(window);
    check_states(window, "psm", "half of it");
    check_stall("store: write: a write was refused: the test says so; trying again");
    next = fill("b@5 d@6");
    worker_stalled(&worker, &pipeline.source, STALL_DEAD_LETTERS, CHURN_LOG_WARN, "no headers for its letters");
    writer_discard(&worker, window);
    check_stall(""); /* nobody waits for it any more */
    CU_ASSERT(customer("a")->profile == NULL && customer("c")->profile == NULL);
    CU_ASSERT(customer("b")->profile != NULL && customer("b")->profile->version == 2);
    CU_ASSERT(customer("a")->writing == NULL && customer("b")->writing == NULL && customer("c")->writing == NULL);
    CU_ASSERT(customer("b")->filling == next->deltas[0] && customer("d")->filling == next->deltas[1]);
    writer_discard(&worker, next);
    CU_ASSERT(customer("b")->filling == NULL && customer("d")->filling == NULL);
    CU_ASSERT_PTR_NOT_NULL(customer("b")->profile);
    close_worker();
}

/* ---- answers that break the rules ---- */

static void test_answers_that_nobody_waits_for(void)
{
    static const uint64_t ids[] = {0 /* answered before */, 2, 100, UINT32_MAX};
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct window *window;
        open_worker();
        window = begin("a@0 b@1");
        batch(CHURN_OK);
        answer(0, CHURN_OK, 0, NULL);
        answer(ids[i], CHURN_OK, 0, NULL);
        CU_ASSERT(!writer_step(&worker, window, NEVER_WAIT));
        check_text(
            worker.failure,
            "store store breaks the rules of its plugin interface: its poll answers a put that it was not given, "
            "or has answered before; each put must be answered exactly once, with its own id (/fake.so)",
            "why");
        check_counts("applied 1 puts 1 created 1");
        close_worker();
    }
}

static void test_a_conflict_without_its_fields(void)
{
    static const int32_t results[] = {CHURN_CONFLICT, CHURN_REJECT};
    for (size_t i = 0; i < COUNT(results); i++) {
        struct window *window;
        open_worker();
        window = begin("a@0");
        answer_alone(0, results[i], 3, NULL);
        store.batches[0].replies[0].fields = NULL;
        store.batches[0].replies[0].count = i == 0 ? 2 : 0; /* a reject may have none */
        CU_ASSERT_EQUAL(writer_step(&worker, window, NEVER_WAIT), i == 1);
        if (i == 0) {
            check_text(worker.failure,
                       "store store breaks the rules of its plugin interface: its poll answers CHURN_CONFLICT with 2 "
                       "fields that are NULL (/fake.so)",
                       "why");
        }
        close_worker();
    }
    struct window *window;
    open_worker();
    window = begin("a@0");
    answer_alone(0, CHURN_CONFLICT, 3, NULL); /* nothing but the version */
    store.batches[0].replies[0].fields = NULL;
    step(window);
    check_trace("put 0 profile:a v0 n=1 m=1; poll 0; put 0 profile:a v3 n=1 m=1; poll 0; ", "it is a base");
    close_worker();
}

/* ---- without memory ---- */

static struct window *poor;

static void fill_poor(void)
{
    open_worker();
    poor = fill("a@0 a@5 b@6");
}

static void begin_poor(void)
{
    fill_poor();
    CU_ASSERT(writer_begin(&worker, poor));
    batch(CHURN_OK);
    answer(0, CHURN_CONFLICT, 4, "events_total=10 last_event_type=login _m:t/3=3");
    answer(1, CHURN_OK, 0, NULL);
}

static void lose_poor(void)
{
    fill_poor();
    session_lose(&worker, "gone");
    CU_ASSERT(writer_begin(&worker, poor));
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker));
}

static bool write_poor(void)
{
    return writer_begin(&worker, poor);
}

static bool step_poor(void)
{
    return writer_step(&worker, poor, NEVER_WAIT);
}

static void end_poor(bool ok)
{
    CU_ASSERT_EQUAL(worker.failed, !ok);
    check_text(worker.failure, ok ? "" : "out of memory", "why");
    writer_discard(&worker, poor);
    close_worker();
}

static void test_without_memory(void)
{
    check_allocations("a window that begins", fill_poor, write_poor, end_poor);
    check_allocations("puts after an outage", lose_poor, step_poor, end_poor);
    check_allocations("a conflict", begin_poor, step_poor, end_poor);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_profiles_are_put_and_acknowledged),
        TEST(test_many_customers),
        TEST(test_a_window_without_profiles),
        TEST(test_a_delta_without_events),
        TEST(test_a_cold_cache),
        TEST(test_profiles_are_read_ahead),
        TEST(test_what_was_read_has_counted_it),
        TEST(test_whom_is_not_read_ahead),
        TEST(test_new_customers_end_the_reading),
        TEST(test_reading_ahead_that_fails),
        TEST(test_a_session_that_breaks_while_putting_again),
        TEST(test_checkpoints_are_answered_in_between),
        TEST(test_a_session_that_is_lost),
        TEST(test_no_session_when_a_window_begins),
        TEST(test_nothing_is_put_without_the_newest_tombstones),
        TEST(test_a_write_that_is_refused),
        TEST(test_a_store_that_never_can),
        TEST(test_a_poll_that_fails),
        TEST(test_a_profile_that_went_back),
        TEST(test_a_profile_that_is_gone),
        TEST(test_many_profiles_that_are_gone),
        TEST(test_the_last_answer_shows_that_it_went_back),
        TEST(test_a_conflict_with_the_same_version),
        TEST(test_damaged_profiles),
        TEST(test_a_damaged_profile_that_has_counted_all),
        TEST(test_a_field_that_overflows),
        TEST(test_letters_go_out_before_a_window_is_written),
        TEST(test_an_announcement_that_is_never_possible),
        TEST(test_a_mark_beyond_the_end),
        TEST(test_a_mark_that_cannot_be_true),
        TEST(test_a_mark_that_cannot_be_judged_yet),
        TEST(test_a_window_is_forgotten),
        TEST(test_answers_that_nobody_waits_for),
        TEST(test_a_conflict_without_its_fields),
        TEST(test_without_memory),
        CU_TEST_INFO_NULL,
    };
    int status = types_load(&types, NULL, 0) ? run_tests_without_leaks("writer", tests) : 1;
    types_free(&types);
    return status;
}
