/* A worker without its thread, and a store and a source that write down what they are asked for. The store keeps one
 * checkpoint, of partition t/0. */
#ifndef TESTS_UNIT_WORKER_FIXTURE_H
#define TESTS_UNIT_WORKER_FIXTURE_H

#include "core/base/metrics.h"
#include "core/engine/partitions.h"
#include "core/engine/progress.h"
#include "core/engine/rounds.h"
#include "core/engine/session.h"
#include "core/engine/state.h"
#include "core/engine/writer.h"
#include "core/pipeline/host.h"

#include "check.h"
#include "core/base/clock.h"
#include "shown_fixture.h"
#include "trace.h"

#define NEVER_WAIT 0

struct fake_store {
    int32_t open_result, allowed_result, identity_result, put_result, flush_result;
    bool durable;                          /* what a pending flush is answered with */
    bool breaks;                           /* polls fail once, after having written */
    bool twice;                            /* answers come twice */
    uint64_t stranger;                     /* added to the id of each answer */
    bool empty;                            /* polls are CHURN_OK, and give nothing */
    bool too_many;                         /* polls say that they give more than there is room for */
    const void *inside_open, *inside_poll; /* whom main thinks to be called, meanwhile */
    char identity[CHURN_IDENTITY_SIZE];
    int64_t offset; /* of the checkpoint; -1: none */
    uint64_t version;
    bool put_waits, flush_waits;
    uint64_t put_id, put_version, flush_id;
    int64_t put_offset;
    char put_last[64], put_doubted[64], put_doubter[64];
    char fingerprint[CHURN_FINGERPRINT_SIZE + 16]; /* of the checkpoint; "": none */
    char last[64], doubted[64], doubter[64];       /* likewise */
    char text[24];                                 /* of `offset`, in replies */
    const char *says;                              /* … in its place; NULL: nothing */
    churn_pair pairs[6];
    int64_t counted, below; /* how far profiles and dead letters may go; -1: it does not say */
    unsigned writes;        /* … how often it was told */
    int32_t write_result;
    const char *mark_name, *mark; /* the only field of each profile; NULL: there are none */
};

static struct fake_store store;
static struct worker worker;
static struct {
    int64_t low, end;
    int64_t unread;
    int32_t seek_result, commit_result, fingerprint_result, resume_result, bounds_result;
    int64_t resume_from;       /* what resume lowers the offset to; -1: it stays */
    const void *inside_commit; /* whom main thinks to be called, meanwhile */
} source;

static int32_t store_open(void *self, void **ret_session, churn_error *err)
{
    note("open; ");
    store.inside_open = atomic_load(&worker.signs.inside);
    store.put_waits = store.flush_waits = false;
    *ret_session = self; /* also where it must not */
    return store.open_result == CHURN_OK ? CHURN_OK : churn_fail(err, store.open_result, "no way");
}

static void store_close(void *session)
{
    (void)session;
    note("close; ");
}

static int32_t store_allowed(void *session, const churn_str *keys, uint32_t count, churn_error *err)
{
    (void)session;
    (void)keys;
    (void)count;
    return store.allowed_result == CHURN_OK ? CHURN_OK : churn_fail(err, store.allowed_result, "forbidden");
}

static int32_t store_identity(void *session, char text[CHURN_IDENTITY_SIZE], churn_error *err)
{
    (void)session;
    memcpy(text, store.identity, sizeof store.identity);
    return store.identity_result == CHURN_OK ? CHURN_OK
                                             : churn_fail(err, store.identity_result, "the identity is not told");
}

static int32_t store_put(void *session, const churn_put *put, churn_error *err)
{
    (void)session;
    (void)err;
    CU_ASSERT(!store.put_waits && put->count >= 2);
    store.put_waits = true;
    store.put_id = put->id;
    store.put_version = put->expected_version;
    store.put_offset = strtoll(put->fields[0].value.ptr, NULL, 10);
    memcpy(store.put_last, store.last, sizeof store.last); /* what is not named stays */
    memcpy(store.put_doubted, store.doubted, sizeof store.doubted);
    memcpy(store.put_doubter, store.doubter, sizeof store.doubter);
    note("put %lld", (long long)store.put_offset);
    for (uint32_t i = 1; i < put->count; i++) {
        churn_str name = put->fields[i].name, value = put->fields[i].value;
        char *into = str_equals(name, "last")      ? store.put_last
                     : str_equals(name, "doubted") ? store.put_doubted
                     : str_equals(name, "doubter") ? store.put_doubter
                                                   : NULL;
        if (into != NULL) {
            (void)snprintf(into, sizeof store.put_last, "%.*s", (int)value.len, value.ptr);
        } else {
            note(" %.*s=%.*s", (int)name.len, name.ptr, (int)value.len, value.ptr);
        }
    }
    note("; ");
    return CHURN_OK;
}

static churn_pair pair_of(const char *name, const char *value)
{
    return (churn_pair){.name = {.ptr = name, .len = (uint32_t)strlen(name)},
                        .value = {.ptr = value, .len = value != NULL ? (uint32_t)strlen(value) : 0}};
}

/* The checkpoint as it is stored; *ret_count fields, and room for one more. */
static churn_pair *store_pairs(uint32_t *ret_count)
{
    (void)snprintf(store.text, sizeof store.text, "%lld", (long long)store.offset);
    store.pairs[0] = pair_of("offset", store.says != NULL ? store.says : store.text);
    store.pairs[1] = pair_of("last", store.last);
    store.pairs[2] = pair_of("doubted", store.doubted);
    store.pairs[3] = pair_of("doubter", store.doubter);
    store.pairs[4] = pair_of("fingerprint", store.fingerprint);
    *ret_count = store.offset < 0 ? 0 : store.fingerprint[0] != '\0' ? 5 : 4;
    return store.pairs;
}

static void answer_put(churn_put_reply *reply)
{
    *reply = (churn_put_reply){
        .size = sizeof *reply, .id = store.put_id, .result = store.put_result, .message = "the test says so"};
    if (store.put_result != CHURN_OK) {
        return;
    }
    if (store.put_version != store.version) {
        reply->result = CHURN_CONFLICT;
        reply->version = store.version;
        reply->fields = store_pairs(&reply->count);
        reply->count = store.version > 0 ? reply->count : 0;
    } else {
        store.offset = store.put_offset;
        memcpy(store.last, store.put_last, sizeof store.last);
        memcpy(store.doubted, store.put_doubted, sizeof store.doubted);
        memcpy(store.doubter, store.put_doubter, sizeof store.doubter);
        store.version++;
    }
}

static int32_t store_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                          uint32_t *ret_count, churn_error *err)
{
    (void)session;
    (void)timeout_ms;
    (void)err;
    store.inside_poll = atomic_load(&worker.signs.inside);
    *ret_count = store.put_waits + store.flush_waits;
    if (store.too_many) {
        *ret_count = max + 1;
        return CHURN_OK;
    }
    if (store.put_waits) {
        answer_put(&replies[0]);
    } else if (store.flush_waits) {
        replies[0] = (churn_put_reply){.size = sizeof replies[0],
                                       .id = store.flush_id,
                                       .result = store.durable ? CHURN_OK : CHURN_RETRY,
                                       .message = "not durable"};
    }
    store.put_waits = store.flush_waits = false;
    replies[0].id += store.stranger;
    if (store.twice && *ret_count > 0) {
        replies[(*ret_count)++] = replies[0];
    }
    if (store.empty) {
        *ret_count = 0;
        return CHURN_OK;
    }
    if (store.breaks) {
        store.breaks = false;
        return CHURN_RETRY;
    }
    return *ret_count > 0 ? CHURN_OK : CHURN_PENDING;
}

static int32_t store_flush(void *session, uint64_t id, churn_error *err)
{
    (void)session;
    (void)err;
    store.flush_id = id;
    store.flush_waits = store.flush_result == CHURN_PENDING;
    note("flush; ");
    return store.flush_result;
}

/* Of the hash beside the checkpoint. */
static int32_t store_write(void *session, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    (void)session;
    CU_ASSERT(count == 1 && strncmp(hashes->key.ptr, "churnd:letters:", strlen("churnd:letters:")) == 0);
    CU_ASSERT(!store.put_waits && !store.flush_waits);
    store.writes++;
    if (store.write_result != CHURN_OK) {
        return churn_fail(err, store.write_result, "the test says so");
    }
    store.counted = store.below = -1;
    for (uint32_t i = 0; i < hashes->count; i++) {
        int64_t *into = str_equals(hashes->fields[i].name, "counted") ? &store.counted : &store.below;
        *into = strtoll(hashes->fields[i].value.ptr, NULL, 10);
    }
    return CHURN_OK;
}

static int32_t get_letters(churn_str key, churn_fields_fn fn, void *ctx)
{
    char counted[24], below[24];
    churn_pair pairs[2];
    uint32_t count = 0;
    (void)snprintf(counted, sizeof counted, "%lld", (long long)store.counted);
    (void)snprintf(below, sizeof below, "%lld", (long long)store.below);
    if (store.counted >= 0) {
        pairs[count++] = pair_of("counted", counted);
    }
    if (store.below >= 0) {
        pairs[count++] = pair_of("below", below);
    }
    return fn(ctx, key, pairs, count);
}

static int32_t store_get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    char version[24];
    uint32_t count;
    churn_pair *pairs = store_pairs(&count);
    (void)session;
    (void)err;
    if (strncmp(key.ptr, "churnd:letters:", strlen("churnd:letters:")) == 0) {
        return get_letters(key, fn, ctx);
    }
    if (strncmp(key.ptr, "churnd:checkpoint:", strlen("churnd:checkpoint:")) != 0) {
        churn_pair mark = pair_of(store.mark_name != NULL ? store.mark_name : "", store.mark);
        note("get %.*s; ", (int)key.len, key.ptr);
        return fn(ctx, key, &mark, store.mark_name != NULL);
    }
    (void)snprintf(version, sizeof version, "%llu", (unsigned long long)store.version);
    pairs[count] = pair_of("_v", version);
    note("get; ");
    return fn(ctx, key, pairs, count > 0 ? count + 1 : 0);
}

static int32_t source_commit(void *self, const churn_position *positions, uint32_t count, int32_t wait,
                             churn_error *err)
{
    (void)self;
    (void)wait;
    (void)err;
    source.inside_commit = atomic_load(&worker.signs.inside);
    for (uint32_t i = 0; i < count; i++) {
        note("commit %lld; ", (long long)positions[i].offset);
    }
    return source.commit_result;
}

static int32_t source_seek(void *self, const churn_position *to, churn_error *err)
{
    (void)self;
    (void)err;
    note("seek %lld; ", (long long)to->offset);
    return source.seek_result;
}

static int32_t source_bounds(void *self, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_end,
                             churn_error *err)
{
    (void)self;
    (void)topic;
    (void)partition;
    if (source.bounds_result != CHURN_OK) {
        return churn_fail(err, source.bounds_result, "the test says so");
    }
    *ret_low = source.low;
    *ret_end = source.end;
    return CHURN_OK;
}

static int32_t source_fingerprint(void *self, const char *topic, int32_t partition, int64_t offset,
                                  char text[CHURN_FINGERPRINT_SIZE], churn_error *err)
{
    (void)self;
    (void)err;
    (void)snprintf(text, CHURN_FINGERPRINT_SIZE, "%s/%d@%lld", topic, partition, (long long)offset);
    return source.fingerprint_result;
}

static int32_t source_resume(void *self, const char *topic, int32_t partition, const char *fingerprint, int64_t *offset,
                             churn_error *err)
{
    (void)self;
    note("resume %s/%d %lld '%s'; ", topic, partition, (long long)*offset, fingerprint);
    if (source.resume_result != CHURN_OK) {
        return churn_fail(err, source.resume_result, "the test says so");
    }
    *offset = source.resume_from >= 0 ? source.resume_from : *offset;
    return CHURN_OK;
}

static const churn_store_ops fake_store_ops = {.size = sizeof fake_store_ops,
                                               .open = store_open,
                                               .put = store_put,
                                               .poll = store_poll,
                                               .get = store_get,
                                               .write = store_write,
                                               .close = store_close,
                                               .allowed = store_allowed,
                                               .identity = store_identity,
                                               .flush = store_flush};
static void source_lag(void *self, churn_lag *lag)
{
    (void)self;
    lag->known = 1;
    lag->messages = source.unread;
    lag->total = -1;
}

static const churn_source_ops fake_source_ops = {.size = sizeof fake_source_ops,
                                                 .commit = source_commit,
                                                 .seek = source_seek,
                                                 .lag = source_lag,
                                                 .bounds = source_bounds};
/* One that keeps no positions, as a file. */
static const churn_source_ops forgetful_source_ops = {.size = sizeof forgetful_source_ops,
                                                      .seek = source_seek,
                                                      .fingerprint = source_fingerprint,
                                                      .resume = source_resume};

static struct loaded loaded_store = {.plugin = {.ops = &fake_store_ops, .kind = CHURN_KIND_STORE},
                                     .path = "/plugins/fake.so"};
static struct loaded loaded_source = {.plugin = {.ops = &fake_source_ops}};
static struct instance instance_of_store = {.self = &store}, instance_of_source = {.self = &source};
static struct pipeline pipeline;

/* A store of identity "A" with a checkpoint (-1: none), and a worker with a session of it. */
static void open_worker(int64_t checkpoint)
{
    trace[0] = '\0';
    store = (struct fake_store){
        .flush_result = CHURN_OK, .identity = "A", .offset = checkpoint, .counted = checkpoint, .below = -1};
    store.version = checkpoint >= 0 ? 7 : 0;
    source.low = 0;
    source.end = 1000;
    source.seek_result = source.commit_result = source.fingerprint_result = source.resume_result = CHURN_OK;
    source.bounds_result = CHURN_OK;
    source.resume_from = -1;
    loaded_source.plugin.ops = &fake_source_ops;
    pipeline = (struct pipeline){.metrics = metrics_new(),
                                 .stalls = stalls_new(NULL, clock_monotonic_ms),
                                 .log = log_new(-1, CHURN_LOG_ERROR - 1, LOG_FORMAT_TEXT)};
    pipeline.store = (struct section){.loaded = &loaded_store, .label = "store"};
    pipeline.source = (struct section){.loaded = &loaded_source, .label = "source"};
    pipeline.store_settings.key_prefix = "profile:";
    pipeline.store_instance = &instance_of_store;
    worker = (struct worker){.pipeline = &pipeline,
                             .source = &instance_of_source,
                             .forgetting = {.none = true},
                             .session = {.checkpoints = &rounds_session_user, .profiles = &writer_session_user}};
    shown_open(&worker);
    worker.counters.rewinds = metrics_counter(pipeline.metrics, &worker, "rewinds");
    worker.counters.gaps = metrics_counter(pipeline.metrics, &worker, "gaps");
    worker.counters.events = metrics_counter(pipeline.metrics, &worker, "events");
    CU_ASSERT(session_step(&worker) && worker.session.handle != NULL);
    check_trace("open; ", "a session");
}

static void close_worker(void)
{
    session_close(&worker);
    partitions_free(&worker.progress);
    parts_free(&worker.parts);
    metrics_free(pipeline.metrics);
    stalls_free(pipeline.stalls);
    log_free(pipeline.log);
}

/* t/0 is ours; `committed` -1: its group has committed nothing. */
static void assign(int64_t committed, uint32_t flags)
{
    churn_position position = {.topic = "t", .offset = committed, .flags = flags};
    position.flags |= committed >= 0 ? CHURN_POSITION_RESUMED : 0;
    CU_ASSERT(progress_assign(&worker, &position, 1));
}

/* Everything before `next` is done with. */
static inline void finish(int64_t next)
{
    struct window_position position = {.next = next, .last = WITNESS_NONE};
    struct window window = {.positions = &position, .position_count = 1};
    CU_ASSERT(progress_note_done(&worker, &window));
}

/* The store's answers are taken. */
static inline void take_answers(void)
{
    CU_ASSERT(session_poll(&worker, NULL, NEVER_WAIT));
}

#endif
