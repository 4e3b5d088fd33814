#include "engine/forgetting.h"

#include "base/clock.h"
#include "engine/adoptions.h"
#include "pipeline/instance.h"
#include "profile/profile.h"
#include "profile/store_keys.h"
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define READ_MANY 64    /* records of the log at once */
#define OUTAGE_MS 60000 /* between two lines about the same outage */
#define REPLY_MS 5000   /* for the answer to a put of a record that the store has lost */
#define ERASE_TRIES 10

struct erasure {
    struct erasure *next;
    uint32_t len;
    char customer[];
};

struct forgetting {
    struct pipeline *pipeline;
    struct key key;
    unsigned workers;
    pthread_t thread;
    bool followed;                /* by the thread */
    char name[TOMBSTONE_ID_SIZE]; /* of this instance, among others */
    pthread_rwlock_t lock;        /* of the set */
    struct tombstones set;
    struct adoptions instances; /* of plugins that take part */
    pthread_mutex_t queue_lock;
    pthread_cond_t news; /* the end */
    struct erasure *queue;
    struct erasure *ripe; /* of the thread alone: what was queued before its newest look but one */
    int64_t answered;     /* how much was adopted, of which `ripe` is the rest that is to be erased */
    bool ending;
    _Atomic int64_t known, looked_ms; /* -1: not yet */
    _Atomic int64_t adopted[];        /* by each worker */
};

uint32_t forgetting_log_key(const char *prefix, uint64_t number, char *key)
{
    char text[24];
    churn_str name = {.ptr = text, .len = (uint32_t)snprintf(text, sizeof text, "/%" PRIu64, number)};
    return store_keys_own("forgotten", prefix, name, key);
}

/* A rebuild forgets whom the pipeline that it rebuilds has forgotten. */
static const char *prefix_of(const struct pipeline *pipeline)
{
    return pipeline->rebuilt[0] != '\0' ? pipeline->rebuilt : pipeline->store_settings.key_prefix;
}

/* ---- the log ---- */

struct taking {
    struct forgetting *forgetting;
    uint32_t index, taken; /* keys that were looked at, and records that followed */
    bool past_last;
    int32_t result;
};

static int32_t take_record(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct taking *taking = ctx;
    (void)key;
    taking->past_last = taking->past_last || count == 0;
    if (!taking->past_last && taking->result == CHURN_OK) {
        struct forgetting *f = taking->forgetting;
        (void)pthread_rwlock_wrlock(&f->lock);
        taking->result = tombstones_add(&f->set, fields, count, clock_monotonic_ms());
        tombstones_sort(&f->set);
        (void)pthread_rwlock_unlock(&f->lock);
        taking->taken += taking->result == CHURN_OK;
    }
    return CHURN_OK;
}

static int32_t get_many(const struct forgetting *f, void *session, const churn_str *keys, uint32_t count,
                        churn_fields_fn fn, void *ctx, churn_error *err)
{
    const churn_store_ops *ops = store_ops(&f->pipeline->store);
    int32_t result = CHURN_OK;
    if (ops->get_many != NULL) {
        return ops->get_many(session, keys, count, fn, ctx, err);
    }
    for (uint32_t i = 0; i < count && result == CHURN_OK; i++) {
        result = ops->get(session, keys[i], fn, ctx, err);
    }
    return result;
}

/* Reads on from what is known; *ret_more: there may be more behind. */
static int32_t read_on(struct forgetting *f, void *session, uint32_t many, bool *ret_more, churn_error *err)
{
    char names[READ_MANY][STORE_KEY_SIZE];
    churn_str keys[READ_MANY];
    struct taking taking = {.forgetting = f, .result = CHURN_OK};
    int32_t result;
    for (uint32_t i = 0; i < many; i++) {
        keys[i].ptr = names[i];
        keys[i].len = forgetting_log_key(prefix_of(f->pipeline), f->set.count + 1 + i, names[i]);
    }
    result = get_many(f, session, keys, many, take_record, &taking, err);
    *ret_more = !taking.past_last;
    if (result == CHURN_OK && taking.result != CHURN_OK) {
        return churn_fail(err, CHURN_RETRY,
                          taking.result == CHURN_FATAL ? "out of memory"
                                                       : "a record of forgotten customers (%.*s) is none that this "
                                                         "program wrote; put it back",
                          (int)keys[taking.taken].len, keys[taking.taken].ptr);
    }
    return result;
}

/* ---- what a store has lost ---- */

static int32_t note_there(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    (void)key;
    (void)fields;
    *(bool *)ctx = count > 0;
    return CHURN_OK;
}

/* One record is put where there is none. */
static int32_t put_record(const struct forgetting *f, void *session, const struct tombstone *stone, churn_error *err)
{
    const churn_store_ops *ops = store_ops(&f->pipeline->store);
    char name[STORE_KEY_SIZE];
    churn_put put = {.size = sizeof put,
                     .key = {.ptr = name, .len = forgetting_log_key(prefix_of(f->pipeline), stone->number, name)},
                     .fields = stone->fields,
                     .count = stone->field_count};
    int64_t deadline = clock_monotonic_ms() + REPLY_MS;
    int32_t result = ops->put(session, &put, err);
    churn_put_reply reply = {.size = sizeof reply};
    uint32_t count = 0;
    while (result == CHURN_OK && count == 0) {
        result = ops->poll(session, &reply, 1, 100, &count, err);
        result = result == CHURN_PENDING ? CHURN_OK : result;
        if (count == 0 && result == CHURN_OK && clock_monotonic_ms() > deadline) {
            return churn_fail(err, CHURN_RETRY, "the store does not answer");
        }
    }
    return result == CHURN_OK && reply.result != CHURN_OK && reply.result != CHURN_CONFLICT
               ? churn_fail(err, CHURN_RETRY, "%s", reply.message != NULL ? reply.message : "a put was refused")
               : result;
}

/* A store that was emptied, or went back, gets again what this process knows. */
static int32_t put_back(struct forgetting *f, void *session, churn_error *err)
{
    int32_t result = CHURN_OK;
    bool there = true;
    uint64_t number = f->set.count;
    for (; number > 0 && result == CHURN_OK; number--) {
        char name[STORE_KEY_SIZE];
        churn_str key = {.ptr = name, .len = forgetting_log_key(prefix_of(f->pipeline), number, name)};
        result = store_ops(&f->pipeline->store)->get(session, key, note_there, &there, err);
        if (result != CHURN_OK || there) {
            break;
        }
    }
    if (result == CHURN_OK && number < f->set.count) {
        log_printf(f->pipeline->log, CHURN_LOG_WARN, "forget",
                   "the store has lost records of forgotten customers; this process writes them again");
    }
    for (; number < f->set.count && result == CHURN_OK; number++) {
        result = put_record(f, session, f->set.items[number], err);
    }
    return result;
}

/* ---- erasing ---- */

struct looked {
    bool found, kept;
    char version[24];
    const char *id;
};

static int32_t look_at_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct looked *looked = ctx;
    const churn_str *version = profile_find_pair(fields, count, churn_text(CHURN_VERSION_FIELD));
    const churn_str *by = profile_find_pair(fields, count, churn_text(TOMBSTONE_FIELD));
    (void)key;
    looked->found = count > 0;
    looked->kept = by != NULL && churn_equal(*by, churn_text(looked->id));
    (void)snprintf(looked->version, sizeof looked->version, "%.*s", version != NULL ? (int)version->len : 0,
                   version != NULL ? version->ptr : "");
    return CHURN_OK;
}

int32_t forgetting_erase_profile(const churn_store_ops *ops, void *session, churn_str key, const char *id,
                                 unsigned *ret, churn_error *err)
{
    for (unsigned i = 0; i < ERASE_TRIES; i++) {
        struct looked looked = {.id = id};
        int32_t result = ops->get(session, key, look_at_profile, &looked, err);
        if (result != CHURN_OK || !looked.found || looked.kept) {
            *ret = i > 0;
            return result;
        }
        result = ops->remove(session, key, churn_text(CHURN_VERSION_FIELD), churn_text(looked.version), err);
        if (result != CHURN_OK) {
            return result;
        }
    }
    return churn_fail(err, CHURN_RETRY, "a profile could not be erased: it changes all the time");
}

bool forgetting_erase(struct forgetting *f, churn_str customer)
{
    struct erasure *erasure = malloc(sizeof *erasure + customer.len);
    if (erasure == NULL) {
        return false;
    }
    erasure->len = customer.len;
    memcpy(erasure->customer, customer.ptr, customer.len);
    (void)pthread_mutex_lock(&f->queue_lock);
    erasure->next = f->queue;
    f->queue = erasure;
    (void)pthread_mutex_unlock(&f->queue_lock);
    return true;
}

static int32_t erase_one(struct forgetting *f, void *session, const struct erasure *erasure, churn_error *err)
{
    const churn_str customer = {.ptr = erasure->customer, .len = erasure->len};
    char name[STORE_KEY_SIZE], id[TOMBSTONE_ID_SIZE];
    churn_str key = {.ptr = name, .len = store_keys_profile(f->pipeline->store_settings.key_prefix, customer, name)};
    unsigned erased;
    bool settled;
    return forgetting_find(f, customer, id, &settled)
               ? forgetting_erase_profile(store_ops(&f->pipeline->store), session, key, id, &erased, err)
               : CHURN_OK;
}

/* What is left after a failure is erased by the next session. */
static int32_t erase_ripe(struct forgetting *f, void *session, churn_error *err)
{
    int32_t result = CHURN_OK;
    while (f->ripe != NULL && result == CHURN_OK) {
        struct erasure *erasure = f->ripe;
        result = erase_one(f, session, erasure, err);
        if (result == CHURN_OK) {
            f->ripe = erasure->next;
            free(erasure);
        }
    }
    return result;
}

/* What is queued now is erased at the next look: a put that was on its way when its worker gave it up has come by then.
 * A worker queues before it adopts, so what is adopted here is covered by what is taken after it. */
static void ripen(struct forgetting *f)
{
    int64_t least = atomic_load(&f->known);
    for (unsigned i = 0; i < f->workers; i++) {
        int64_t one = atomic_load(&f->adopted[i]);
        least = one < least ? one : least;
    }
    f->answered = adoptions_least(&f->instances, least);
    (void)pthread_mutex_lock(&f->queue_lock);
    f->ripe = f->queue;
    f->queue = NULL;
    (void)pthread_mutex_unlock(&f->queue_lock);
}

static void drop_queue(struct erasure *at)
{
    for (struct erasure *next; at != NULL; at = next) {
        next = at->next;
        free(at);
    }
}

/* ---- the thread ---- */

/* Says to whoever forgets how much this instance knows. Where one process alone has the store nobody asks. */
static int32_t answer(struct forgetting *f, void *session, churn_error *err)
{
    const churn_store_ops *ops = store_ops(&f->pipeline->store);
    char name[STORE_KEY_SIZE], adopted[24], pid[24], host[128] = "";
    if (ops->embedded) {
        return CHURN_OK;
    }
    (void)gethostname(host, sizeof host - 1);
    const churn_pair fields[] = {
        {churn_text("adopted"),
         {.ptr = adopted, .len = (uint32_t)snprintf(adopted, sizeof adopted, "%" PRId64, f->answered)}},
        {churn_text("host"), churn_text(host)},
        {churn_text("pid"), {.ptr = pid, .len = (uint32_t)snprintf(pid, sizeof pid, "%ld", (long)getpid())}}};
    const churn_hash hash = {
        .key = {.ptr = name,
                .len = store_keys_own(FORGETTING_INSTANCE, prefix_of(f->pipeline), churn_text(f->name), name)},
        .fields = fields,
        .count = 3,
        .ttl_ms = FORGETTING_INSTANCE_TTL_MS};
    return ops->write(session, &hash, 1, err);
}

static int32_t look(struct forgetting *f, void *session, churn_error *err)
{
    int64_t began = clock_monotonic_ms();
    bool more = true, first = atomic_load(&f->known) < 0;
    int32_t result = put_back(f, session, err);
    while (result == CHURN_OK && more) {
        result = read_on(f, session, first || !more ? READ_MANY : 1, &more, err);
    }
    if (result == CHURN_OK) {
        atomic_store(&f->known, (int64_t)f->set.count);
        atomic_store(&f->looked_ms, began);
        result = erase_ripe(f, session, err);
    }
    if (result == CHURN_OK) {
        result = answer(f, session, err);
        ripen(f);
    }
    return result;
}

/* False: it ends. */
static bool wait_for_news(struct forgetting *f)
{
    struct timespec until;
    bool ending;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += FORGETTING_LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&f->queue_lock);
    while (!f->ending && pthread_cond_timedwait(&f->news, &f->queue_lock, &until) == 0) {
    }
    ending = f->ending;
    (void)pthread_mutex_unlock(&f->queue_lock);
    return !ending;
}

/* An instance that has ended in good order is none that an answer is waited for. */
static void leave(struct forgetting *f, void *session)
{
    const churn_store_ops *ops = store_ops(&f->pipeline->store);
    char name[STORE_KEY_SIZE], pid[24];
    churn_error err = {.size = sizeof err};
    churn_str key = {.ptr = name,
                     .len = store_keys_own(FORGETTING_INSTANCE, prefix_of(f->pipeline), churn_text(f->name), name)};
    (void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
    if (!ops->embedded) {
        (void)ops->remove(session, key, churn_text("pid"), churn_text(pid), &err);
    }
}

static void *follow(void *argument)
{
    struct forgetting *f = argument;
    const churn_store_ops *ops = store_ops(&f->pipeline->store);
    void *session = NULL;
    int64_t told_ms = INT64_MIN / 2;
    do {
        churn_error err = {.size = sizeof err};
        int32_t result = session != NULL ? CHURN_OK : ops->open(f->pipeline->store_instance->self, &session, &err);
        if (result != CHURN_OK) {
            session = NULL;
        } else if ((result = look(f, session, &err)) != CHURN_OK) {
            ops->close(session);
            session = NULL;
        }
        if (result != CHURN_OK && clock_monotonic_ms() - told_ms >= OUTAGE_MS) {
            told_ms = clock_monotonic_ms();
            log_printf(f->pipeline->log, CHURN_LOG_WARN, "forget",
                       "who is forgotten cannot be read: %s; no event is taken and no profile written before it is",
                       err.message);
        }
    } while (wait_for_news(f));
    if (session != NULL) {
        leave(f, session);
        ops->close(session);
    }
    return NULL;
}

/* The host handles signals in its own threads. */
static int start_thread(struct forgetting *f)
{
    sigset_t all, old;
    int error;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    error = pthread_create(&f->thread, NULL, follow, f);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

static void release(struct forgetting *f)
{
    drop_queue(f->queue);
    drop_queue(f->ripe);
    tombstones_free(&f->set);
    key_wipe(&f->key);
    adoptions_free(&f->instances);
    (void)pthread_cond_destroy(&f->news);
    (void)pthread_mutex_destroy(&f->queue_lock);
    (void)pthread_rwlock_destroy(&f->lock);
    free(f);
}

static bool is_wanted(const struct pipeline *pipeline)
{
    return pipeline->forget_settings.key != NULL && pipeline->store.loaded != NULL;
}

/* NULL when memory ran out. */
static struct forgetting *make(struct pipeline *pipeline, unsigned workers)
{
    unsigned char name[(TOMBSTONE_ID_SIZE - 1) / 2];
    char message[256];
    pthread_condattr_t attributes;
    struct forgetting *f = calloc(1, sizeof *f + workers * sizeof f->adopted[0]);
    if (f == NULL) {
        return NULL;
    }
    f->pipeline = pipeline;
    f->workers = workers;
    (void)key_parse(pipeline->forget_settings.key, &f->key, message,
                    sizeof message); /* it was tried when it was read */
    randombytes_buf(name, sizeof name);
    (void)sodium_bin2hex(f->name, sizeof f->name, name, sizeof name);
    f->answered = -1;
    atomic_init(&f->known, -1);
    for (unsigned i = 0; i < workers; i++) {
        atomic_init(&f->adopted[i], -1);
    }
    atomic_init(&f->looked_ms, INT64_MIN / 2);
    adoptions_init(&f->instances);
    (void)pthread_rwlock_init(&f->lock, NULL);
    (void)pthread_mutex_init(&f->queue_lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&f->news, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return f;
}

bool forgetting_start(struct pipeline *pipeline, unsigned workers, struct forgetting **ret)
{
    struct forgetting *f;
    *ret = NULL;
    if (!is_wanted(pipeline)) {
        return true;
    }
    f = make(pipeline, workers);
    if (f == NULL || start_thread(f) != 0) {
        if (f != NULL) {
            release(f);
        }
        return false;
    }
    f->followed = true;
    *ret = f;
    return true;
}

int32_t forgetting_read(struct pipeline *pipeline, void *session, struct forgetting **ret, churn_error *err)
{
    struct forgetting *f;
    bool more = true;
    int32_t result = CHURN_OK;
    *ret = NULL;
    if (!is_wanted(pipeline)) {
        return CHURN_OK;
    }
    f = make(pipeline, 0);
    if (f == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    while (result == CHURN_OK && more) {
        result = read_on(f, session, READ_MANY, &more, err);
    }
    if (result != CHURN_OK) {
        release(f);
        return result;
    }
    atomic_store(&f->known, (int64_t)f->set.count);
    *ret = f;
    return CHURN_OK;
}

void forgetting_stop(struct forgetting *f)
{
    if (f == NULL) {
        return;
    }
    if (f->followed) {
        (void)pthread_mutex_lock(&f->queue_lock);
        f->ending = true;
        (void)pthread_cond_signal(&f->news);
        (void)pthread_mutex_unlock(&f->queue_lock);
        (void)pthread_join(f->thread, NULL);
    }
    release(f);
}

/* ---- for workers ---- */

int64_t forgetting_known(const struct forgetting *f)
{
    return f != NULL ? atomic_load(&f->known) : 0;
}

void forgetting_adopt(struct forgetting *f, unsigned worker, int64_t known)
{
    if (f != NULL) {
        atomic_store(&f->adopted[worker], known);
    }
}

void forgetting_adopt_instance(struct forgetting *f, const churn_host *host, int64_t known)
{
    if (f != NULL) {
        adoptions_set(&f->instances, host, known);
    }
}

int64_t forgetting_looked_ms(const struct forgetting *f)
{
    return f != NULL ? atomic_load(&f->looked_ms) : INT64_MAX;
}

bool forgetting_looked_since(const struct forgetting *f, int64_t ms)
{
    return forgetting_looked_ms(f) > ms;
}

bool forgetting_lapsed(const struct forgetting *f)
{
    return !forgetting_looked_since(f, clock_monotonic_ms() - FORGETTING_LEASE_MS);
}

bool forgetting_find(struct forgetting *f, churn_str customer, char ret_id[TOMBSTONE_ID_SIZE], bool *ret_settled)
{
    unsigned char hash[TOMBSTONE_HASH_BYTES];
    const struct tombstone *newest;
    if (forgetting_known(f) <= 0) {
        return false;
    }
    tombstones_hash(&f->key, customer, hash);
    (void)pthread_rwlock_rdlock(&f->lock);
    newest = tombstones_newest(&f->set, hash);
    if (newest != NULL) {
        memcpy(ret_id, newest->id, TOMBSTONE_ID_SIZE);
        *ret_settled = clock_monotonic_ms() - newest->seen_ms >= FORGETTING_SETTLE_MS;
    }
    (void)pthread_rwlock_unlock(&f->lock);
    return newest != NULL;
}

enum forgetting_base forgetting_judge(struct forgetting *f, churn_str customer, const churn_pair *fields,
                                      uint32_t count)
{
    const churn_str *by = profile_find_pair(fields, count, churn_text(TOMBSTONE_FIELD));
    char id[TOMBSTONE_ID_SIZE];
    bool settled, found = forgetting_find(f, customer, id, &settled);
    if (f == NULL || count == 0 || (!found && by == NULL) ||
        (found && by != NULL && churn_equal(*by, churn_text(id)))) {
        return FORGETTING_BASE_GOOD;
    }
    return found ? FORGETTING_BASE_OLD : FORGETTING_BASE_UNKNOWN;
}

bool forgetting_covers(struct forgetting *f, churn_str customer, churn_str source, int64_t offset, int64_t time_ms)
{
    unsigned char hash[TOMBSTONE_HASH_BYTES];
    bool covered;
    if (forgetting_known(f) <= 0) {
        return false;
    }
    tombstones_hash(&f->key, customer, hash);
    (void)pthread_rwlock_rdlock(&f->lock);
    covered = tombstones_cover(&f->set, hash, source, offset, time_ms);
    (void)pthread_rwlock_unlock(&f->lock);
    return covered;
}
