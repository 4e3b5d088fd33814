/*
 * Leaves out events that were sent twice.
 *
 * The set of ids lives in the pipeline's store: under each id stands the source position that claimed it first, written
 * by a put that expects nothing there. So of two workers that read two copies at the same time one wins, for as long as
 * the id is remembered; and an event that is delivered again – after a restart, a rebalance, on another machine – finds
 * its own position and passes again, while every other position is left out again. Whole ids are compared, in the key.
 *
 * Nothing is remembered in memory beyond the records that were read together. A claim must be asked for each time that
 * its event comes: a store that lost its last writes in a failover then gets it back when the events are read again.
 * Claims need no barrier of their own: they stand in the same history of writes, before the profiles that rest on them.
 */
#include <churn/plugin.h>
#include <churn/processor.h>

#include "counter.h"
#include "pause.h"
#include "store_session.h"
#include "text_buffer.h"

#include <inttypes.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define KEY_BEGIN "churnd:dedup:"
#define KEY_SEPARATOR '\t' /* no customer_id holds one, so a key can be taken apart in one way only */
#define MAX_ID 128         /* bytes of a customer_id or event_id */
#define MAX_KEY 511        /* what every store takes */
#define MAX_PREFIX (MAX_KEY - (sizeof KEY_BEGIN - 1) - 2 * MAX_ID - 1)
#define MAX_CLAIMS 1024  /* asked ahead */
#define BUCKETS 2048     /* a power of two */
#define PATIENCE_MS 2000 /* that one event waits for the store before the source is told to wait */
#define POLL_MS 100      /* of that in one call of the store */
#define PAUSE_MS 20      /* between looks at a store that is out of reach */
#define REFUSED_MS 100   /* before a claim that the store refused for now is put again */
#define REPLIES 256

enum { BY_CUSTOMER_AND_EVENT, BY_EVENT };

/* One id and what the store says about it; lives until the last event that asked has its verdict. */
struct claim {
    struct claim *next; /* in its bucket */
    uint32_t uses;      /* events that wait for it */
    int asked;          /* with the store, in the open session */
    char *owner;        /* the position that has the id: `at`, or owned memory; NULL: not answered yet */
    churn_str key;
    churn_str at; /* the position that asks; NUL-terminated */
    char text[];  /* both */
};

struct dedup {
    int32_t by; /* options */
    int64_t window_ms;
    struct store_session store;
    struct counter duplicates;
    struct claim *buckets[BUCKETS];
    uint32_t count;
    uint32_t unasked;       /* claims that wait to be put */
    int64_t ask_at_ms;      /* not before */
    int processing;         /* verdicts were given since the last announcement */
    struct text_buffer key; /* of the event at hand; begins with what all keys begin with */
    size_t prefix_len;
    struct text_buffer at;
};

static const char *const identities[] = {"customer_id+event_id", "event_id", NULL};

static const churn_option options[] = {
    {"by", .type = CHURN_OPTION_ENUM, .default_text = "customer_id+event_id", .choices = identities,
     .offset = offsetof(struct dedup, by),
     .help = "What makes two events the same. With event_id alone an id must never be used for two customers, or the "
             "second one's event is lost."},
    {"window", .type = CHURN_OPTION_DURATION, .default_text = "1d", .min = 0, .max = INT64_C(3650) * 86400000,
     .offset = offsetof(struct dedup, window_ms),
     .help =
         "How long the store remembers an id from when it was first read, by its clock; 0s: for ever. A copy that is "
         "read later counts as a new event, so the window must be longer than producers take to send again, and than "
         "churnd may lag or stand still. It should also be longer than a replay reaches back: beyond it, profiles "
         "still "
         "count no event twice that they counted, but a copy that was left out is counted by the replay when it is "
         "read "
         "before the first one, or without it, and no later event of its customer in its partition was counted. Each "
         "id takes some 200 bytes of the store."},
};

/* --- The claims at hand --- */

static struct claim **bucket_of(struct dedup *d, churn_str key)
{
    return &d->buckets[XXH3_64bits(key.ptr, key.len) & (BUCKETS - 1)];
}

static void free_claim(struct claim *claim)
{
    if (claim->owner != claim->at.ptr) {
        free(claim->owner);
    }
    free(claim);
}

/* An event has its verdict; the last one takes the claim along. */
static void release(struct dedup *d, struct claim *claim)
{
    struct claim **link = bucket_of(d, claim->key);
    if (--claim->uses > 0) {
        return;
    }
    while (*link != claim) {
        link = &(*link)->next;
    }
    *link = claim->next;
    d->count--;
    free_claim(claim);
}

/* Forgets everything that was asked; a session that still owes answers is of no use then. */
static void forget_claims(struct dedup *d)
{
    int owed = 0;
    for (uint32_t i = 0; i < BUCKETS && d->count > 0; i++) {
        for (struct claim *claim = d->buckets[i], *next; claim != NULL; claim = next) {
            next = claim->next;
            owed |= claim->asked && claim->owner == NULL;
            d->count--;
            free_claim(claim);
        }
        d->buckets[i] = NULL;
    }
    d->unasked = 0;
    if (owed) {
        store_session_close(&d->store);
    }
}

/* Writes the event's key and position to the instance; 0 when memory ran out. */
static int name_event(struct dedup *d, const churn_event *event)
{
    char place[64];
    d->key.len = d->prefix_len;
    if (d->by == BY_CUSTOMER_AND_EVENT) {
        text_add(&d->key, event->customer_id.ptr, event->customer_id.len);
    }
    text_add(&d->key, (char[]){KEY_SEPARATOR}, 1);
    text_add(&d->key, event->event_id.ptr, event->event_id.len);
    text_clear(&d->at);
    text_add(&d->at, event->topic.ptr, event->topic.len);
    (void)snprintf(place, sizeof place, "/%" PRId32 "/%" PRId64, event->partition, event->offset);
    text_puts(&d->at, place);
    return !d->key.failed && !d->at.failed;
}

static struct claim *find_claim(struct dedup *d)
{
    churn_str key = text_str(&d->key);
    struct claim *claim = *bucket_of(d, key);
    while (claim != NULL && !churn_equal(claim->key, key)) {
        claim = claim->next;
    }
    return claim;
}

/* The claim of the event that was named, for one more use; NULL when memory ran out. */
static struct claim *use_claim(struct dedup *d)
{
    struct claim *claim = find_claim(d), **bucket;
    if (claim == NULL) {
        claim = malloc(sizeof *claim + d->key.len + d->at.len + 1);
        if (claim == NULL) {
            return NULL;
        }
        *claim = (struct claim){.key = {.ptr = claim->text, .len = (uint32_t)d->key.len},
                                .at = {.ptr = claim->text + d->key.len, .len = (uint32_t)d->at.len}};
        memcpy(claim->text, d->key.ptr, d->key.len);
        memcpy(claim->text + d->key.len, d->at.ptr, d->at.len + 1);
        bucket = bucket_of(d, claim->key);
        claim->next = *bucket;
        *bucket = claim;
        d->count++;
        d->unasked++;
    }
    claim->uses++;
    return claim;
}

/* --- Asking the store --- */

/* The session is broken: what it did not answer is asked again on the next one, and a conflict then tells. */
static void lose_session(struct dedup *d, const churn_error *why)
{
    (void)store_session_result(&d->store, CHURN_RETRY, why);
    for (uint32_t i = 0; i < BUCKETS; i++) {
        for (struct claim *claim = d->buckets[i]; claim != NULL; claim = claim->next) {
            if (claim->asked && claim->owner == NULL) {
                claim->asked = 0;
                d->unasked++;
            }
        }
    }
}

static int32_t put_claim(struct dedup *d, struct claim *claim, churn_error *err)
{
    const churn_pair at = {.name = churn_text("at"), .value = claim->at};
    const churn_put put = {.size = sizeof put,
                           .count = 1,
                           .key = claim->key,
                           .fields = &at,
                           .id = (uintptr_t)claim,
                           .ttl_ms = d->window_ms};
    int32_t rc = d->store.ops->put(d->store.session, &put, err);
    if (rc == CHURN_OK) {
        claim->asked = 1;
        d->unasked--;
    } else if (rc == CHURN_RETRY) {
        lose_session(d, err);
    }
    return rc;
}

static int32_t put_claims(struct dedup *d, churn_error *err)
{
    int32_t rc = CHURN_OK;
    for (uint32_t i = 0; i < BUCKETS && d->unasked > 0 && rc == CHURN_OK; i++) {
        for (struct claim *claim = d->buckets[i]; claim != NULL && rc == CHURN_OK; claim = claim->next) {
            rc = claim->asked ? CHURN_OK : put_claim(d, claim, err);
        }
    }
    return rc;
}

/* Another claim is stored: whose? */
static int32_t take_owner(struct dedup *d, struct claim *claim, const churn_put_reply *reply, churn_error *err)
{
    for (uint32_t i = 0; i < reply->count; i++) {
        const churn_pair *field = &reply->fields[i];
        if (churn_equal(field->name, churn_text("at"))) {
            claim->owner = churn_equal(field->value, claim->at) ? (char *)(uintptr_t)claim->at.ptr
                                                                : strndup(field->value.ptr, field->value.len);
            return claim->owner != NULL ? CHURN_OK : churn_fail(err, CHURN_FATAL, "out of memory");
        }
    }
    if (reply->version == 0) { /* it is gone again */
        claim->asked = 0;
        d->unasked++;
        return CHURN_OK;
    }
    return churn_fail(err, CHURN_FATAL, "the store holds something else under the key %.*s; delete it",
                      (int)claim->key.len, claim->key.ptr);
}

static int32_t take_reply(struct dedup *d, const churn_put_reply *reply, churn_error *err)
{
    struct claim *claim = (struct claim *)(uintptr_t)reply->id;
    switch (reply->result) {
    case CHURN_OK:
        claim->owner = (char *)(uintptr_t)claim->at.ptr;
        return CHURN_OK;
    case CHURN_CONFLICT:
        return take_owner(d, claim, reply, err);
    case CHURN_RETRY: /* refused for now: its memory is full, say */
        claim->asked = 0;
        d->unasked++;
        d->ask_at_ms = d->store.host->monotonic_ms(d->store.host) + REFUSED_MS;
        (void)churn_fail(err, CHURN_RETRY, "%s", reply->message);
        return CHURN_OK;
    default:
        return churn_fail(err, CHURN_FATAL, "%s", reply->message);
    }
}

/* One round with the store. CHURN_PENDING: there was nobody to wait for. A result below zero is CHURN_FATAL; `err`
 * keeps why there was no answer. */
static int32_t step(struct dedup *d, int64_t now_ms, int64_t left_ms, churn_error *err)
{
    churn_put_reply replies[REPLIES];
    uint32_t count = 0;
    int32_t rc = store_session_ready(&d->store, err);
    if (rc == CHURN_OK && d->unasked > 0 && now_ms >= d->ask_at_ms) {
        rc = put_claims(d, err);
    }
    if (rc != CHURN_OK) {
        return rc == CHURN_RETRY ? CHURN_PENDING : rc;
    }
    rc = d->store.ops->poll(d->store.session, replies, REPLIES, (uint32_t)(left_ms < POLL_MS ? left_ms : POLL_MS),
                            &count, err);
    if (rc == CHURN_RETRY) {
        lose_session(d, err);
        return CHURN_OK;
    }
    if (rc == CHURN_PENDING) {
        return d->unasked > 0 ? CHURN_PENDING : CHURN_OK;
    }
    (void)store_session_result(&d->store, rc, err);
    for (uint32_t i = 0; i < count && rc == CHURN_OK; i++) {
        rc = take_reply(d, &replies[i], err);
    }
    return rc;
}

static int32_t await_owner(struct dedup *d, const struct claim *claim, churn_error *err)
{
    const churn_host *host = d->store.host;
    int64_t now = host->monotonic_ms(host), deadline = now + PATIENCE_MS;
    churn_error why = {.size = sizeof why, .message = "the store does not answer"};
    /* In an outage that is known the waiting is left to the host: it counts a process that dies in here against the
     * event. */
    int was_out = d->store.out.lasts;
    while (claim->owner == NULL) {
        int32_t rc = step(d, now, deadline - now, &why);
        if (rc < 0) {
            return churn_fail(err, CHURN_FATAL, "%s", why.message);
        }
        now = host->monotonic_ms(host);
        if (claim->owner == NULL && (now >= deadline || (was_out && d->store.session == NULL))) {
            return churn_fail(err, CHURN_RETRY, "cannot tell whether an event was seen before: %s", why.message);
        }
        if (rc == CHURN_PENDING) {
            pause_ms(PAUSE_MS);
        }
    }
    return CHURN_OK;
}

/* --- The processor --- */

static const churn_metric duplicates = {.size = sizeof duplicates,
                                        .kind = CHURN_METRIC_COUNTER,
                                        .name = "events_duplicate_total",
                                        .help = "Events left out because one with their event_id came before."};

static int32_t dedup_create(void *self, const churn_host *host, churn_error *err)
{
    struct dedup *d = self;
    char prefix[512];
    uint32_t len;
    int32_t rc = store_session_init(&d->store, host, "events", err);
    if (rc != CHURN_OK) {
        return rc;
    }
    len = d->store.storage->profile_key(host, (churn_str){.ptr = ""}, prefix);
    if (len > MAX_PREFIX) {
        return churn_fail(err, CHURN_FATAL,
                          "the store's key_prefix leaves no room for two ids in a key: at most %zu bytes are possible",
                          MAX_PREFIX);
    }
    text_puts(&d->key, KEY_BEGIN);
    text_add(&d->key, prefix, len);
    d->prefix_len = d->key.len;
    if (d->key.failed) {
        text_free(&d->key);
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    d->duplicates = counter_shown(host, "events_duplicate", &duplicates);
    return CHURN_OK;
}

static void dedup_announce(void *self, const churn_event *event)
{
    struct dedup *d = self;
    churn_error err = {.size = sizeof err};
    struct claim *claim;
    if (d->processing) { /* another batch; nobody will ask for what is left of the last one */
        forget_claims(d);
        d->processing = 0;
    }
    if (d->count >= MAX_CLAIMS || !name_event(d, event)) {
        return;
    }
    claim = use_claim(d);
    if (claim != NULL && !claim->asked && d->store.session != NULL) {
        (void)put_claim(d, claim, &err); /* what goes wrong here goes wrong again when it matters */
    }
}

static int32_t dedup_process(void *self, const churn_event *event, churn_error *err)
{
    struct dedup *d = self;
    struct claim *claim;
    int32_t rc;
    d->processing = 1;
    if (!name_event(d, event)) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    claim = find_claim(d);
    claim = claim != NULL ? claim : use_claim(d);
    if (claim == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    rc = await_owner(d, claim, err);
    if (rc != CHURN_OK) {
        forget_claims(d);
        return rc;
    }
    rc = strcmp(claim->owner, d->at.ptr) == 0 ? CHURN_OK : CHURN_DROP;
    release(d, claim);
    if (rc == CHURN_DROP) {
        counter_add(&d->duplicates, 1);
    }
    return rc;
}

static void dedup_stop(void *self)
{
    struct dedup *d = self;
    forget_claims(d);
    store_session_close(&d->store);
}

static void dedup_destroy(void *self)
{
    struct dedup *d = self;
    dedup_stop(d);
    text_free(&d->key);
    text_free(&d->at);
}

static const churn_processor_ops ops = {
    .size = sizeof(churn_processor_ops),
    .create = dedup_create,
    .process = dedup_process,
    .stop = dedup_stop,
    .destroy = dedup_destroy,
    .announce = dedup_announce,
};

static const churn_needs needs = {.size = sizeof needs};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "dedup", .version = "1.0.0",
             .summary = "Leaves out events that were sent twice, by their ids", CHURN_OPTIONS(options, struct dedup),
             .ops = &ops, .needs = &needs);
