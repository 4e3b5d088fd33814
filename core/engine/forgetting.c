#include "engine/forgetting.h"

#include "base/clock.h"
#include "engine/adoptions.h"
#include "engine/forgotten_topic.h"
#include "engine/tombstone_log.h"
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

#define OUTAGE_MS 60000     /* between two lines about the same outage */
#define TOPIC_LOOK_MS 2000  /* between looks at the topic; the store is looked at more often */
#define TOPIC_BEGIN_MS 2000 /* for what it holds at the beginning; what was read by then need not be read again */
#define TOPIC_READ_MS 1000  /* … for what has come since, which must not keep from looking at the store */
#define TOPIC_ONCE_MS 60000 /* for a command that looks once */
#define ERASE_TRIES 10
#define STALL_FORGOTTEN "forgotten"
#define REASON_SIZE 420 /* of a stall's message */

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
    struct adoptions instances;    /* of plugins that take part */
    struct forgotten_topic *topic; /* NULL: there is none. Of the thread alone, as the next three */
    struct tombstones offered;     /* read from it, and not known to be in the store */
    int64_t topic_read_ms;         /* when it was tried last; 0: it was not read to its end yet */
    int64_t topic_told_ms;
    pthread_mutex_t queue_lock;
    pthread_cond_t news; /* the end */
    struct erasure *queue;
    struct erasure *ripe; /* of the thread alone: what was queued before its newest look but one */
    int64_t answered;     /* how much was adopted, of which `ripe` is the rest that is to be erased */
    bool ending;
    int64_t told, told_ms;            /* what it said last, and when; -2: nothing */
    uint64_t copied;                  /* of a rebuild: how many tombstones its own profiles have, too */
    _Atomic int64_t known, looked_ms; /* -1: not yet */
    _Atomic int64_t adopted[];        /* by each worker */
};

/* A rebuild forgets whom the pipeline that it rebuilds has forgotten. */
static const char *prefix_of(const struct pipeline *pipeline)
{
    return pipeline->rebuilt[0] != '\0' ? pipeline->rebuilt : pipeline->store_settings.key_prefix;
}

static struct tombstone_log log_of(struct forgetting *f, void *session)
{
    return (struct tombstone_log){.ops = store_ops(&f->pipeline->store),
                                  .session = session,
                                  .prefix = prefix_of(f->pipeline),
                                  .set = &f->set,
                                  .lock = &f->lock};
}

/* ---- the topic, for a store that has lost its log ---- */

/* Until it was read to its end once, nothing begins; then the store, which gets everything that is in it, is enough. */
static int32_t read_topic(struct forgetting *f, churn_error *err)
{
    bool began = f->topic_read_ms != 0;
    int64_t now = clock_monotonic_ms();
    int32_t result;
    if (f->topic == NULL || (began && now - f->topic_read_ms < TOPIC_LOOK_MS)) {
        return CHURN_OK;
    }
    result = forgotten_topic_read(f->topic, &f->offered, began ? TOPIC_READ_MS : TOPIC_BEGIN_MS, err);
    if (result == CHURN_OK || began) {
        f->topic_read_ms = clock_monotonic_ms();
    }
    if (result == CHURN_OK) {
        f->topic_told_ms = INT64_MIN / 2;
    } else if (began && now - f->topic_told_ms >= OUTAGE_MS) {
        f->topic_told_ms = now;
        log_printf(f->pipeline->log, CHURN_LOG_WARN, "forget",
                   "%s; whom others forget is followed in the store, and read here again once it can be", err->message);
    }
    return began ? CHURN_OK : result;
}

/* ---- what a store has lost ---- */

static void keep_seen(struct tombstones *set, const struct tombstones *old)
{
    for (uint64_t i = 0; i < set->count; i++) {
        const struct tombstone *one = tombstones_find(old, set->items[i]->id);
        set->items[i]->seen_ms = one != NULL ? one->seen_ms : set->items[i]->seen_ms;
    }
}

/* The log as it is there now, and what this process knows behind it: then that is what counts. */
static int32_t take_up(struct forgetting *f, struct tombstone_log *log, const struct tombstones *known,
                       churn_error *err)
{
    struct tombstones old;
    unsigned added;
    int32_t result = tombstone_log_read(log, err);
    result = result == CHURN_OK ? tombstone_log_complete(log, known, &added, err) : result;
    if (result != CHURN_OK) {
        tombstones_free(log->set);
        return result;
    }
    if (added > 0) {
        log_printf(f->pipeline->log, CHURN_LOG_WARN, "forget",
                   "the store has lost records of forgotten customers; this process has written %u of them again",
                   added);
    }
    keep_seen(log->set, &f->set);
    (void)pthread_rwlock_wrlock(&f->lock);
    old = f->set;
    f->set = *log->set;
    (void)pthread_rwlock_unlock(&f->lock);
    tombstones_free(&old);
    return CHURN_OK;
}

/* A store that was emptied, or went back, gets again what this process knows. Another process may do so too, in
 * another order; so the log is read anew. */
static int32_t put_back(struct forgetting *f, void *session, churn_error *err)
{
    struct tombstone_log log = log_of(f, session);
    struct tombstones known = {0}, fresh = {0};
    bool whole;
    int32_t result = tombstone_log_is_whole(&log, &whole, err);
    if (result != CHURN_OK || whole) {
        return result;
    }
    fresh.key = f->set.key;
    log.set = &fresh;
    log.lock = NULL;
    result = tombstones_merge(&known, &f->set) ? CHURN_OK : churn_fail(err, CHURN_RETRY, "out of memory");
    tombstones_by_age(&known);
    result = result == CHURN_OK ? take_up(f, &log, &known, err) : result;
    tombstones_free(&known);
    return result;
}

/* Who counts on with the profiles of a rebuild looks under their prefix. */
static int32_t copy_log(struct forgetting *f, void *session, churn_error *err)
{
    struct tombstones theirs = {.key = f->set.key};
    const struct tombstone_log log = {.ops = store_ops(&f->pipeline->store),
                                      .session = session,
                                      .prefix = f->pipeline->store_settings.key_prefix,
                                      .set = &theirs};
    unsigned added;
    int32_t result;
    if (f->pipeline->rebuilt[0] == '\0' || f->copied == f->set.count) {
        return CHURN_OK;
    }
    result = tombstone_log_read(&log, err);
    result = result == CHURN_OK ? tombstone_log_complete(&log, &f->set, &added, err) : result;
    f->copied = result == CHURN_OK ? f->set.count : f->copied;
    tombstones_free(&theirs);
    return result;
}

/* What the topic knows and the store does not is put there. */
static int32_t read_log(struct forgetting *f, void *session, churn_error *err)
{
    struct tombstone_log log = log_of(f, session);
    unsigned added = 0;
    int32_t result = put_back(f, session, err);
    result = result == CHURN_OK ? tombstone_log_read(&log, err) : result;
    result = result == CHURN_OK ? tombstone_log_complete(&log, &f->offered, &added, err) : result;
    if (added > 0) {
        log_printf(f->pipeline->log, CHURN_LOG_WARN, "forget",
                   "the store lacked %u records of forgotten customers, which were written again from topic %s", added,
                   f->pipeline->forget_settings.topic);
    }
    if (result == CHURN_OK) {
        tombstones_free(&f->offered);
    }
    return result == CHURN_OK ? copy_log(f, session, err) : result;
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

/* A store that is no server makes each write durable by itself: it is told what is new, and that this one lives. */
static bool is_told(const struct forgetting *f)
{
    return store_ops(&f->pipeline->store)->embedded && f->told == f->answered &&
           clock_monotonic_ms() - f->told_ms < FORGETTING_INSTANCE_TTL_MS / 3;
}

/* Says to whoever forgets how much this instance knows. */
static int32_t answer(struct forgetting *f, void *session, churn_error *err)
{
    const churn_store_ops *ops = store_ops(&f->pipeline->store);
    char name[STORE_KEY_SIZE], adopted[24], pid[24], host[128] = "";
    int32_t result;
    if (is_told(f)) {
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
    result = ops->write(session, &hash, 1, err);
    if (result == CHURN_OK) {
        f->told = f->answered;
        f->told_ms = clock_monotonic_ms();
    }
    return result;
}

static int32_t look(struct forgetting *f, void *session, churn_error *err)
{
    int64_t began = clock_monotonic_ms();
    int32_t result = read_log(f, session, err);
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
    (void)ops->remove(session, key, churn_text("pid"), churn_text(pid), &err);
}

/* One look, by the session that it opens where there is none, and closes when it fails. */
static int32_t look_once(struct forgetting *f, void **session, churn_error *err)
{
    const churn_store_ops *ops = store_ops(&f->pipeline->store);
    int32_t result = read_topic(f, err);
    if (result == CHURN_OK && *session == NULL) {
        result = ops->open(f->pipeline->store_instance->self, session, err);
        *session = result == CHURN_OK ? *session : NULL;
    }
    if (result == CHURN_OK && (result = look(f, *session, err)) != CHURN_OK) {
        ops->close(*session);
        *session = NULL;
    }
    return result;
}

static void tell(const struct forgetting *f, bool read, const churn_error *err)
{
    const struct stall_place place = {.owner = f, .plugin = "forget"};
    char message[STALL_MESSAGE_SIZE];
    if (read) {
        stalls_end(f->pipeline->stalls, &place, STALL_FORGOTTEN, NULL);
        return;
    }
    (void)snprintf(message, sizeof message,
                   "who is forgotten cannot be read, so no event is taken and no profile written: %.*s", REASON_SIZE,
                   err->message);
    stalls_begin(f->pipeline->stalls, &place, STALL_FORGOTTEN, CHURN_LOG_WARN, message);
}

static void *follow(void *argument)
{
    struct forgetting *f = argument;
    void *session = NULL;
    do {
        churn_error err = {.size = sizeof err};
        tell(f, look_once(f, &session, &err) == CHURN_OK, &err);
    } while (wait_for_news(f));
    if (session != NULL) {
        leave(f, session);
        store_ops(&f->pipeline->store)->close(session);
    }
    stalls_forget(f->pipeline->stalls, f, 0);
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
    tombstones_free(&f->offered);
    forgotten_topic_close(f->topic);
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
    f->set.key = f->offered.key = &f->key;
    f->topic_told_ms = INT64_MIN / 2;
    randombytes_buf(name, sizeof name);
    (void)sodium_bin2hex(f->name, sizeof f->name, name, sizeof name);
    f->answered = -1;
    f->told = -2;
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
    if (f == NULL || !forgotten_topic_open(pipeline, &f->topic) || start_thread(f) != 0) {
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
    struct tombstone_log log;
    int32_t result = CHURN_OK;
    *ret = NULL;
    if (!is_wanted(pipeline)) {
        return CHURN_OK;
    }
    f = make(pipeline, 0);
    if (f == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    log = log_of(f, session);
    result = forgotten_topic_open(pipeline, &f->topic) ? CHURN_OK
                                                       : churn_fail(err, CHURN_FATAL, "its tombstones cannot be read");
    if (result == CHURN_OK && f->topic != NULL) {
        result = forgotten_topic_read(f->topic, &f->offered, TOPIC_ONCE_MS, err);
    }
    result = result == CHURN_OK ? tombstone_log_read(&log, err) : result;
    if (result == CHURN_OK && !tombstones_merge(&f->set, &f->offered)) {
        result = churn_fail(err, CHURN_FATAL, "out of memory");
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

void forgetting_leave(struct forgetting *f, unsigned worker)
{
    forgetting_adopt(f, worker, INT64_MAX);
}

void forgetting_leave_instance(struct forgetting *f, const churn_host *host)
{
    if (f != NULL) {
        adoptions_drop(&f->instances, host);
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

int64_t forgetting_end_since(struct forgetting *f, int64_t since, churn_str source)
{
    int64_t end = INT64_MAX;
    if (forgetting_known(f) <= since) {
        return end;
    }
    (void)pthread_rwlock_rdlock(&f->lock);
    end = tombstones_lowest_end(&f->set, (uint64_t)since, source);
    (void)pthread_rwlock_unlock(&f->lock);
    return end;
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
