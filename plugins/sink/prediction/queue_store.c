/* Triggers in the embedded store, one hash for each customer: prediction-request:<customer_id>.
 *
 * A hash belongs to the worker that wrote it last, whose serving thread serves it. Each write gives it another random
 * `revision`, and it is removed only by whoever served that revision: a trigger that comes while its customer's request
 * is under way is thus never lost, whichever is the newer by event time. */
#include "backoff.h"
#include "prediction_cache.h"
#include "queue.h"
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>

#define BATCH_MAX 1024 /* records a batch of the front */
#define RETRY_PAUSE_MS 200
#define SCAN_MAX 256     /* hashes a scan */
#define AHEAD_MAX 1024   /* jobs read ahead; the store keeps the rest */
#define PASS_PAUSE_MS 25 /* between two looks through the whole queue */

/* The fields of a hash; the first five make the trigger. */
enum { REQUEST_ID, CUSTOMER_ID, EVENT_ID, EVENT_TYPE, TIMESTAMP, REVISION, WORKER, FIELDS };
static const char *const field_names[FIELDS] = {"request_id", "customer_id", "event_id", "event_type",
                                                "timestamp",  "revision",    "worker"};

/* Picks our fields; 0 when one is missing, and `fields` are then of no use. */
static int read_fields(const churn_pair *pairs, uint32_t count, churn_str fields[FIELDS])
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t f = 0; f < FIELDS; f++) {
            if (churn_equal(pairs[i].name, churn_text(field_names[f]))) {
                fields[f] = pairs[i].value;
                found |= 1u << f;
            }
        }
    }
    return found == (1u << FIELDS) - 1 && fields[REVISION].len == REVISION_SIZE - 1;
}

/* NULL: memory ran out, or the timestamp is malformed. */
static struct trigger *read_trigger(const churn_str fields[FIELDS])
{
    const struct trigger texts = {.request_id = fields[REQUEST_ID],
                                  .customer_id = fields[CUSTOMER_ID],
                                  .event_id = fields[EVENT_ID],
                                  .event_type = fields[EVENT_TYPE],
                                  .timestamp = fields[TIMESTAMP]};
    return trigger_new(&texts);
}

/* --- Front: batches of puts --- */

struct entry {
    struct trigger *trigger; /* owned */
    churn_str key;           /* owned */
    uint64_t version;        /* that the put expects */
    int put;                 /* it is with the store */
    int done;
    char revision[REVISION_SIZE];
};

struct front {
    const churn_host *host;
    const struct counters *counters;
    struct store_session session;
    struct backoff random;
    int under_way; /* the batch has been given to the store at least once: it takes no more records */
    int64_t retry_at_ms;
    uint32_t entry_count;
    uint32_t done_count;
    uint32_t record_count;
    uint32_t answered; /* records of a batch that is done */
    struct entry entries[BATCH_MAX];
    struct {
        uint64_t id;
        int malformed;
    } records[BATCH_MAX];
    churn_error malformed; /* the newest message */
};

static void new_revision(struct front *f, struct entry *entry)
{
    (void)snprintf(entry->revision, sizeof entry->revision, "%016" PRIx64, backoff_random(&f->random));
}

static void clear_batch(struct front *f)
{
    for (uint32_t i = 0; i < f->entry_count; i++) {
        free(f->entries[i].trigger);
        free((char *)(uintptr_t)f->entries[i].key.ptr);
    }
    f->entry_count = f->done_count = f->record_count = f->answered = 0;
    f->under_way = 0;
}

static struct entry *find_entry(struct front *f, churn_str customer_id)
{
    for (uint32_t i = 0; i < f->entry_count; i++) {
        if (churn_equal(f->entries[i].trigger->customer_id, customer_id)) {
            return &f->entries[i];
        }
    }
    return NULL;
}

/* Takes `trigger` over. */
static int32_t add_trigger(struct front *f, struct trigger *trigger, churn_error *err)
{
    struct entry *entry = find_entry(f, trigger->customer_id);
    if (entry != NULL) {
        struct trigger *older = trigger->timestamp_ms >= entry->trigger->timestamp_ms ? entry->trigger : trigger;
        entry->trigger = older == trigger ? entry->trigger : trigger;
        free(older);
        counter_add(&f->counters->coalesced, 1);
        return CHURN_OK;
    }
    entry = &f->entries[f->entry_count];
    *entry = (struct entry){.trigger = trigger};
    if (!prediction_cache_key(QUEUE_STORE_PREFIX, trigger->customer_id, &entry->key)) {
        free(trigger);
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    new_revision(f, entry);
    f->entry_count++;
    return CHURN_OK;
}

static int32_t front_write(void *arg, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                           churn_error *err)
{
    struct front *f = arg;
    uint32_t taken = 0;
    *ret_taken = 0;
    for (; taken < count && !f->under_way && f->record_count < BATCH_MAX; taken++) {
        churn_error why = {.size = sizeof why};
        struct trigger *trigger = trigger_parse(records[taken].value, &why);
        if (trigger == NULL && why.code == CHURN_FATAL) {
            return churn_fail(err, CHURN_FATAL, "%s", why.message);
        }
        if (trigger == NULL) {
            f->malformed = why;
        } else if (add_trigger(f, trigger, err) != CHURN_OK) {
            return CHURN_FATAL;
        }
        f->records[f->record_count].id = records[taken].id;
        f->records[f->record_count++].malformed = trigger == NULL;
    }
    *ret_taken = taken;
    return CHURN_OK;
}

static int32_t put_entry(struct front *f, uint32_t index, churn_error *err)
{
    struct entry *e = &f->entries[index];
    char worker[16];
    churn_pair pairs[FIELDS];
    churn_put put = {.size = sizeof put,
                     .count = FIELDS,
                     .key = e->key,
                     .expected_version = e->version,
                     .fields = pairs,
                     .id = index};
    int32_t rc;
    (void)snprintf(worker, sizeof worker, "%u", f->host->worker);
    for (int i = 0; i < FIELDS; i++) {
        pairs[i].name = churn_text(field_names[i]);
    }
    pairs[REQUEST_ID].value = e->trigger->request_id;
    pairs[CUSTOMER_ID].value = e->trigger->customer_id;
    pairs[EVENT_ID].value = e->trigger->event_id;
    pairs[EVENT_TYPE].value = e->trigger->event_type;
    pairs[TIMESTAMP].value = e->trigger->timestamp;
    pairs[REVISION].value = churn_text(e->revision);
    pairs[WORKER].value = churn_text(worker);
    rc = f->session.ops->put(f->session.session, &put, err);
    e->put = rc == CHURN_OK;
    return rc;
}

/* Another trigger of the customer is stored: the newer of the two stays, under a new revision. */
static void resolve(struct front *f, struct entry *e, const churn_put_reply *reply)
{
    churn_str fields[FIELDS];
    struct trigger *stored;
    e->version = reply->version;
    if (reply->version == 0 || !read_fields(reply->fields, reply->count, fields)) {
        return; /* removed meanwhile, or nothing that could be served */
    }
    if (memcmp(fields[REVISION].ptr, e->revision, REVISION_SIZE - 1) == 0) {
        e->done = 1; /* written before the session broke */
        f->done_count++;
        return;
    }
    counter_add(&f->counters->coalesced, 1);
    stored = read_trigger(fields);
    if (stored != NULL && stored->timestamp_ms > e->trigger->timestamp_ms) {
        struct trigger *older = e->trigger;
        e->trigger = stored;
        stored = older;
    }
    free(stored);
}

static int32_t take_reply(struct front *f, const churn_put_reply *reply, churn_error *err)
{
    struct entry *e = &f->entries[reply->id];
    e->put = 0;
    switch (reply->result) {
    case CHURN_OK:
        e->done = 1;
        f->done_count++;
        return CHURN_OK;
    case CHURN_CONFLICT:
        resolve(f, e, reply);
        return CHURN_OK;
    case CHURN_RETRY:
        f->retry_at_ms = f->host->monotonic_ms(f->host) + RETRY_PAUSE_MS;
        churn_log(f->host, CHURN_LOG_WARN, "the store does not take triggers for now (%s); they wait",
                  reply->message != NULL ? reply->message : "no reason given");
        return CHURN_OK;
    default:
        return churn_fail(err, CHURN_FATAL, "a trigger cannot be stored: %s",
                          reply->message != NULL ? reply->message : "no reason given");
    }
}

/* The session was closed: what it had may or may not be written, and is put again. */
static void forget_puts(struct front *f)
{
    for (uint32_t i = 0; i < f->entry_count; i++) {
        f->entries[i].put = 0;
    }
}

static int32_t put_batch(struct front *f, churn_error *err)
{
    int32_t rc = CHURN_OK;
    for (uint32_t i = 0; rc == CHURN_OK && i < f->entry_count; i++) {
        if (!f->entries[i].done && !f->entries[i].put) {
            rc = put_entry(f, i, err);
        }
    }
    return rc;
}

/* One exchange with the store. CHURN_RETRY: nothing moved. */
static int32_t move_on(struct front *f, uint32_t timeout_ms, churn_error *err)
{
    churn_put_reply replies[64];
    uint32_t count = 0;
    int32_t rc;
    f->under_way = 1;
    if (f->host->monotonic_ms(f->host) < f->retry_at_ms) {
        return CHURN_RETRY;
    }
    rc = store_session_ready(&f->session, err);
    if (rc != CHURN_OK) {
        return rc;
    }
    rc = put_batch(f, err);
    rc = rc == CHURN_OK ? f->session.ops->poll(f->session.session, replies, 64, timeout_ms, &count, err) : rc;
    if (store_session_result(&f->session, rc, err) == CHURN_RETRY) {
        forget_puts(f);
    }
    for (uint32_t i = 0; rc == CHURN_OK && i < count; i++) {
        rc = take_reply(f, &replies[i], err);
    }
    return rc == CHURN_PENDING ? CHURN_OK : rc;
}

static uint32_t answer_batch(struct front *f, churn_done *done, uint32_t max)
{
    uint32_t n = 0;
    for (; n < max && f->answered < f->record_count; n++, f->answered++) {
        int malformed = f->records[f->answered].malformed;
        done[n] = (churn_done){.id = f->records[f->answered].id,
                               .result = malformed ? CHURN_REJECT : CHURN_OK,
                               .message = malformed ? f->malformed.message : NULL};
    }
    if (f->answered == f->record_count) {
        clear_batch(f);
    }
    return n;
}

static int32_t front_poll(void *arg, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                          churn_error *err)
{
    struct front *f = arg;
    int64_t until = f->host->monotonic_ms(f->host) + timeout_ms, left = timeout_ms;
    *ret_count = 0;
    while (f->done_count < f->entry_count) {
        int32_t rc = move_on(f, left > 0 ? (uint32_t)left : 0, err);
        if (rc != CHURN_OK && rc != CHURN_RETRY) {
            return rc;
        }
        left = until - f->host->monotonic_ms(f->host);
        if (left <= 0) {
            break;
        }
        if (rc == CHURN_RETRY) {
            (void)poll(NULL, 0, left < 50 ? (int)left : 50);
        }
    }
    if (f->done_count == f->entry_count && f->record_count > 0) {
        *ret_count = answer_batch(f, done, max);
    }
    return CHURN_OK;
}

static void front_free(void *arg, int64_t deadline_ms)
{
    struct front *f = arg;
    (void)deadline_ms;
    if (f != NULL) {
        clear_batch(f);
        store_session_close(&f->session);
        free(f);
    }
}

static const struct queue_front_ops front_ops = {.write = front_write, .poll = front_poll, .free = front_free};

/* --- Back: looks through the prefix again and again --- */

struct back {
    const churn_host *host;
    struct store_session *session; /* shared with the thread's other work */
    uint64_t ahead_max;
    int64_t pass_at_ms; /* when the next look begins */
    churn_str after;    /* how far the look has come: a key; owned, ptr NULL: at its begin */
    uint32_t seen;      /* hashes in this scan */
    uint32_t added;     /* triggers that were new in this look */
    int64_t mine;       /* hashes of ours counted */
    struct waiting *waiting;
    int failed; /* memory ran out */
};

static int32_t keep_position(struct back *b, churn_str key)
{
    char *copy = malloc((size_t)key.len + 1);
    if (copy == NULL) {
        b->failed = 1;
        return CHURN_END;
    }
    memcpy(copy, key.ptr, key.len);
    copy[key.len] = '\0';
    free((char *)(uintptr_t)b->after.ptr);
    b->after = (churn_str){.ptr = copy, .len = key.len};
    return CHURN_OK;
}

static void rewind_position(struct back *b)
{
    free((char *)(uintptr_t)b->after.ptr);
    b->after = (churn_str){0};
}

/* A hash of a worker that no longer exists goes to the one whose number its own leads to. */
static int is_mine(const struct back *b, churn_str worker)
{
    unsigned long number = 0;
    for (uint32_t i = 0; i < worker.len && i < 9; i++) {
        number = number * 10 + (unsigned long)(worker.ptr[i] - '0') % 10;
    }
    return number % (b->host->worker_count != 0 ? b->host->worker_count : 1) == b->host->worker;
}

static int32_t on_hash(void *ctx, churn_str key, const churn_pair *pairs, uint32_t count)
{
    struct back *b = ctx;
    churn_str fields[FIELDS];
    struct trigger *trigger;
    struct token token = {0};
    enum added added;
    b->seen++;
    if (keep_position(b, key) != CHURN_OK) {
        return CHURN_END;
    }
    if (!read_fields(pairs, count, fields)) {
        churn_log(b->host, CHURN_LOG_WARN, "skipped %.*s in the store: not a waiting trigger", (int)key.len, key.ptr);
        return CHURN_OK;
    }
    if (!is_mine(b, fields[WORKER]) || (trigger = read_trigger(fields)) == NULL) {
        return CHURN_OK;
    }
    memcpy(token.revision, fields[REVISION].ptr, REVISION_SIZE - 1);
    added = waiting_add(b->waiting, trigger, &token, b->host->monotonic_ms(b->host));
    b->failed |= added == ADDED_FAILED;
    b->added += added == ADDED_NEW || added == ADDED_JOINED;
    return b->failed || b->waiting->jobs >= b->ahead_max ? CHURN_END : CHURN_OK;
}

static int32_t back_read(void *arg, struct waiting *waiting, int *ret_more, churn_error *err)
{
    struct back *b = arg;
    int64_t now = b->host->monotonic_ms(b->host);
    int32_t rc = store_session_ready(b->session, err);
    *ret_more = 0;
    if (rc != CHURN_OK || waiting->jobs >= b->ahead_max || now < b->pass_at_ms) {
        return rc;
    }
    b->waiting = waiting;
    b->seen = 0;
    rc = store_session_result(
        b->session,
        b->session->ops->scan(b->session->session, churn_text(QUEUE_STORE_PREFIX), b->after, SCAN_MAX, on_hash, b, err),
        err);
    if (b->failed) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    if (rc == CHURN_OK && b->seen < SCAN_MAX && waiting->jobs < b->ahead_max) {
        rewind_position(b);
        b->pass_at_ms = now + PASS_PAUSE_MS;
    } else {
        *ret_more = rc == CHURN_OK;
    }
    return rc;
}

static int32_t back_remove(void *arg, const struct job *job, churn_error *err)
{
    struct back *b = arg;
    churn_str key;
    int32_t rc = store_session_ready(b->session, err);
    if (rc != CHURN_OK) {
        return rc;
    }
    if (!prediction_cache_key(QUEUE_STORE_PREFIX, job->trigger->customer_id, &key)) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    for (uint32_t i = job->token_count; rc == CHURN_OK && i > 0; i--) {
        rc = b->session->ops->remove(b->session->session, key, churn_text(field_names[REVISION]),
                                     churn_text(job->tokens[i - 1].revision), err);
    }
    free((char *)(uintptr_t)key.ptr);
    return store_session_result(b->session, rc, err);
}

static int32_t count_hash(void *ctx, churn_str key, const churn_pair *pairs, uint32_t count)
{
    struct back *b = ctx;
    churn_str fields[FIELDS];
    (void)key;
    b->mine += read_fields(pairs, count, fields) && is_mine(b, fields[WORKER]);
    return CHURN_OK;
}

static int32_t count_mine(struct back *b, churn_error *err)
{
    const churn_str from_the_first = {0};
    int32_t rc = store_session_ready(b->session, err);
    b->mine = 0;
    if (rc == CHURN_OK) {
        rc = b->session->ops->scan(b->session->session, churn_text(QUEUE_STORE_PREFIX), from_the_first, UINT32_MAX,
                                   count_hash, b, err);
        rc = store_session_result(b->session, rc, err);
    }
    return rc;
}

static int32_t back_is_empty(void *arg, int wrote, int *ret_empty, churn_error *err)
{
    struct back *b = arg;
    int32_t rc = count_mine(b, err);
    (void)wrote;
    *ret_empty = rc == CHURN_OK && b->mine == 0;
    return rc;
}

static int64_t back_count(void *arg, const struct waiting *waiting)
{
    struct back *b = arg;
    churn_error err = {.size = sizeof err};
    return count_mine(b, &err) == CHURN_OK ? b->mine : (int64_t)waiting->jobs;
}

static void back_free(void *arg, int64_t deadline_ms)
{
    struct back *b = arg;
    (void)deadline_ms;
    if (b != NULL) {
        rewind_position(b);
        free(b);
    }
}

static const struct queue_back_ops back_ops = {
    .read = back_read, .remove = back_remove, .is_empty = back_is_empty, .count = back_count, .free = back_free};

int32_t queue_store_open(struct queue *queue, const churn_host *host, const struct settings *settings,
                         const struct counters *counters, struct store_session *session, churn_error *err)
{
    struct front *f;
    struct back *b;
    if (!session->ops->embedded || session->ops->scan == NULL || session->ops->remove == NULL) {
        return churn_fail_option(err, "queue",
                                 "triggers can wait in an embedded store such as lmdb only; with this store give "
                                 "`brokers`, so that they wait in a Kafka topic");
    }
    f = calloc(1, sizeof *f);
    b = calloc(1, sizeof *b);
    if (f == NULL || b == NULL || store_session_init(&f->session, host, "predictions", err) != CHURN_OK) {
        free(f);
        free(b);
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    f->host = b->host = host;
    f->counters = counters;
    backoff_init(&f->random, 1, 1);
    b->session = session;
    b->ahead_max = (uint64_t)(settings->max_waiting < AHEAD_MAX ? settings->max_waiting : AHEAD_MAX);
    *queue = (struct queue){.front_ops = &front_ops, .front = f, .back_ops = &back_ops, .back = b};
    return CHURN_OK;
}
