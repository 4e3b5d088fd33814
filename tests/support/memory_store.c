#include "memory_store.h"

#include <stdarg.h>
#include <stdlib.h>

#define PUTS 2048

struct put {
    struct memory_hash hash;
    uint64_t expected_version;
    uint64_t id;
};

struct session {
    struct memory_store *store;
    int dead;
    struct put *puts;
    uint32_t put_count;
    churn_pair pairs[MEMORY_FIELDS]; /* of the newest conflicts; the fake's replies share one hash each */
    struct memory_hash copies[64];
    churn_pair copy_pairs[64][MEMORY_FIELDS];
};

static void copy_text(char *room, size_t size, churn_str text)
{
    if (text.len >= size) {
        (void)fprintf(stderr, "memory store: a text of %u bytes is too long\n", text.len);
        abort();
    }
    memcpy(room, text.ptr, text.len);
    room[text.len] = '\0';
}

static struct memory_hash *find(struct memory_store *s, const char *key)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (strcmp(s->hashes[i].key, key) == 0) {
            return &s->hashes[i];
        }
    }
    return NULL;
}

static void erase(struct memory_store *s, struct memory_hash *hash)
{
    uint32_t at = (uint32_t)(hash - s->hashes);
    memmove(hash, hash + 1, (s->count - at - 1) * sizeof *hash);
    s->count--;
}

static void replace(struct memory_store *s, const struct memory_hash *hash)
{
    struct memory_hash *old = find(s, hash->key);
    uint32_t at = 0;
    if (old != NULL) {
        *old = *hash;
        return;
    }
    if (s->count == MEMORY_HASHES) {
        (void)fprintf(stderr, "memory store: full\n");
        abort();
    }
    while (at < s->count && strcmp(s->hashes[at].key, hash->key) < 0) {
        at++;
    }
    memmove(&s->hashes[at + 1], &s->hashes[at], (s->count - at) * sizeof *hash);
    s->hashes[at] = *hash;
    s->count++;
}

static void fill(struct memory_hash *hash, churn_str key, const churn_pair *fields, uint32_t count)
{
    *hash = (struct memory_hash){.count = count};
    copy_text(hash->key, sizeof hash->key, key);
    for (uint32_t i = 0; i < count; i++) {
        copy_text(hash->fields[i].name, sizeof hash->fields[i].name, fields[i].name);
        copy_text(hash->fields[i].value, sizeof hash->fields[i].value, fields[i].value);
        hash->fields[i].value_len = fields[i].value.len;
    }
}

static uint32_t show(const struct memory_hash *hash, churn_pair *pairs)
{
    for (uint32_t i = 0; i < hash->count; i++) {
        pairs[i].name = (churn_str){.ptr = hash->fields[i].name, .len = (uint32_t)strlen(hash->fields[i].name)};
        pairs[i].value = (churn_str){.ptr = hash->fields[i].value, .len = hash->fields[i].value_len};
    }
    return hash->count;
}

/* What every call asks first. */
static int32_t check(struct session *session, churn_error *err)
{
    session->dead |= atomic_load(&session->store->out);
    if (atomic_load(&session->store->broken)) {
        return churn_fail(err, CHURN_FATAL, "broken for good");
    }
    return session->dead ? churn_fail(err, CHURN_RETRY, "out") : CHURN_OK;
}

static int32_t store_open(void *self, void **ret_session, churn_error *err)
{
    struct memory_store *s = self;
    struct session *session;
    if (atomic_load(&s->out)) {
        return churn_fail(err, CHURN_RETRY, "out");
    }
    session = calloc(1, sizeof *session);
    session->store = s;
    session->puts = calloc(PUTS, sizeof *session->puts);
    atomic_fetch_add(&s->sessions, 1);
    atomic_fetch_add(&s->opened, 1);
    *ret_session = session;
    return CHURN_OK;
}

static void store_close(void *arg)
{
    struct session *session = arg;
    atomic_fetch_sub(&session->store->sessions, 1);
    free(session->puts);
    free(session);
}

static int32_t store_put(void *arg, const churn_put *put, churn_error *err)
{
    struct session *session = arg;
    struct put *p = &session->puts[session->put_count];
    int32_t rc = check(session, err);
    if (rc != CHURN_OK) {
        return rc;
    }
    for (uint32_t i = 0; i < session->put_count; i++) {
        if (strlen(session->puts[i].hash.key) == put->key.len &&
            memcmp(session->puts[i].hash.key, put->key.ptr, put->key.len) == 0) {
            (void)fprintf(stderr, "memory store: two unanswered puts of one key\n");
            abort();
        }
    }
    fill(&p->hash, put->key, put->fields, put->count);
    p->hash.ttl_ms = put->ttl_ms;
    p->expected_version = put->expected_version;
    p->id = put->id;
    session->put_count++;
    return CHURN_OK;
}

static void apply(struct session *session, struct put *put, uint32_t at, churn_put_reply *reply)
{
    struct memory_hash *old = find(session->store, put->hash.key);
    uint64_t version = old != NULL ? old->version : 0;
    *reply = (churn_put_reply){.size = sizeof *reply, .id = put->id, .result = CHURN_OK};
    if (version == put->expected_version) {
        put->hash.version = version + 1;
        replace(session->store, &put->hash);
        return;
    }
    reply->result = CHURN_CONFLICT;
    reply->version = version;
    if (old != NULL) {
        session->copies[at] = *old;
        reply->count = show(&session->copies[at], session->copy_pairs[at]);
        reply->fields = session->copy_pairs[at];
    }
}

static int32_t store_poll(void *arg, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                          churn_error *err)
{
    struct session *session = arg;
    int32_t rc = check(session, err);
    uint32_t n = session->put_count < max ? session->put_count : max;
    (void)timeout_ms;
    *ret_count = 0;
    if (rc != CHURN_OK || n == 0) {
        return rc != CHURN_OK ? rc : CHURN_PENDING;
    }
    n = n < 64 ? n : 64;
    (void)pthread_mutex_lock(&session->store->lock);
    for (uint32_t i = 0; i < n; i++) {
        apply(session, &session->puts[i], i, &replies[i]);
    }
    (void)pthread_mutex_unlock(&session->store->lock);
    session->put_count -= n;
    memmove(session->puts, session->puts + n, session->put_count * sizeof *session->puts);
    if (atomic_load(&session->store->lose_reply) > 0) {
        atomic_fetch_sub(&session->store->lose_reply, 1);
        session->dead = 1;
        return churn_fail(err, CHURN_RETRY, "the reply was lost");
    }
    *ret_count = n;
    return CHURN_OK;
}

static int32_t store_get(void *arg, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    struct session *session = arg;
    int32_t rc = check(session, err);
    struct memory_hash *hash, copy = {.count = 0};
    char name[256];
    if (rc != CHURN_OK) {
        return rc;
    }
    copy_text(name, sizeof name, key);
    (void)pthread_mutex_lock(&session->store->lock);
    hash = find(session->store, name);
    if (hash != NULL) {
        copy = *hash;
    }
    (void)pthread_mutex_unlock(&session->store->lock);
    (void)fn(ctx, key, session->pairs, show(&copy, session->pairs));
    return CHURN_OK;
}

static int32_t store_write(void *arg, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    struct session *session = arg;
    int32_t rc = check(session, err);
    if (rc != CHURN_OK) {
        return rc;
    }
    (void)pthread_mutex_lock(&session->store->lock);
    for (uint32_t i = 0; i < count; i++) {
        struct memory_hash hash;
        fill(&hash, hashes[i].key, hashes[i].fields, hashes[i].count);
        hash.ttl_ms = hashes[i].ttl_ms;
        replace(session->store, &hash);
    }
    (void)pthread_mutex_unlock(&session->store->lock);
    return CHURN_OK;
}

static int equals(churn_str text, const char *string)
{
    return text.len == strlen(string) && memcmp(text.ptr, string, text.len) == 0;
}

static int32_t store_remove(void *arg, churn_str key, churn_str field, churn_str value, churn_error *err)
{
    struct session *session = arg;
    struct memory_hash *hash;
    char name[256];
    int32_t rc = check(session, err);
    if (rc != CHURN_OK) {
        return rc;
    }
    copy_text(name, sizeof name, key);
    (void)pthread_mutex_lock(&session->store->lock);
    hash = find(session->store, name);
    for (uint32_t i = 0; hash != NULL && i < hash->count; i++) {
        if (equals(field, hash->fields[i].name) && equals(value, hash->fields[i].value)) {
            erase(session->store, hash);
            break;
        }
    }
    (void)pthread_mutex_unlock(&session->store->lock);
    return CHURN_OK;
}

static int32_t store_scan(void *arg, churn_str prefix, churn_str after, uint32_t max, churn_fields_fn fn, void *ctx,
                          churn_error *err)
{
    struct session *session = arg;
    char last[256] = "";
    uint32_t n = 0;
    int32_t rc = check(session, err);
    if (rc != CHURN_OK) {
        return rc;
    }
    if (after.ptr != NULL) {
        copy_text(last, sizeof last, after);
    }
    (void)pthread_mutex_lock(&session->store->lock);
    for (uint32_t i = 0; i < session->store->count && n < max; i++) {
        const struct memory_hash *hash = &session->store->hashes[i];
        churn_str key = {.ptr = hash->key, .len = (uint32_t)strlen(hash->key)};
        if (strncmp(hash->key, prefix.ptr, prefix.len) != 0 || strcmp(hash->key, last) <= 0) {
            continue;
        }
        n++;
        if (fn(ctx, key, session->pairs, show(hash, session->pairs)) != CHURN_OK) {
            break;
        }
    }
    (void)pthread_mutex_unlock(&session->store->lock);
    return CHURN_OK;
}

const churn_store_ops memory_store_ops = {
    .size = sizeof(churn_store_ops),
    .embedded = 1,
    .open = store_open,
    .put = store_put,
    .poll = store_poll,
    .get = store_get,
    .write = store_write,
    .remove = store_remove,
    .scan = store_scan,
    .close = store_close,
};

void memory_store_init(struct memory_store *store)
{
    memset(store, 0, sizeof *store);
    (void)pthread_mutex_init(&store->lock, NULL);
    store->hashes = calloc(MEMORY_HASHES + 1, sizeof *store->hashes);
}

void memory_store_free(struct memory_store *store)
{
    (void)pthread_mutex_destroy(&store->lock);
    free(store->hashes);
}

void memory_store_set(struct memory_store *store, const char *key, ...)
{
    struct memory_hash hash;
    churn_pair pairs[MEMORY_FIELDS];
    uint32_t count = 0;
    const char *name;
    va_list args;
    va_start(args, key);
    while ((name = va_arg(args, const char *)) != NULL) {
        const char *value = va_arg(args, const char *);
        pairs[count].name = (churn_str){.ptr = name, .len = (uint32_t)strlen(name)};
        pairs[count++].value = (churn_str){.ptr = value, .len = (uint32_t)strlen(value)};
    }
    va_end(args);
    fill(&hash, (churn_str){.ptr = key, .len = (uint32_t)strlen(key)}, pairs, count);
    hash.version = 1;
    (void)pthread_mutex_lock(&store->lock);
    replace(store, &hash);
    (void)pthread_mutex_unlock(&store->lock);
}

const char *memory_store_get(struct memory_store *store, const char *key, const char *field, char room[256])
{
    const char *found = NULL;
    const struct memory_hash *hash;
    (void)pthread_mutex_lock(&store->lock);
    hash = find(store, key);
    for (uint32_t i = 0; hash != NULL && i < hash->count; i++) {
        if (strcmp(hash->fields[i].name, field) == 0) {
            found = strcpy(room, hash->fields[i].value);
        }
    }
    (void)pthread_mutex_unlock(&store->lock);
    return found;
}

uint32_t memory_store_count(struct memory_store *store, const char *prefix)
{
    uint32_t n = 0;
    (void)pthread_mutex_lock(&store->lock);
    for (uint32_t i = 0; i < store->count; i++) {
        n += strncmp(store->hashes[i].key, prefix, strlen(prefix)) == 0;
    }
    (void)pthread_mutex_unlock(&store->lock);
    return n;
}

int64_t memory_store_ttl(struct memory_store *store, const char *key)
{
    int64_t ttl_ms = -1;
    const struct memory_hash *hash;
    (void)pthread_mutex_lock(&store->lock);
    hash = find(store, key);
    ttl_ms = hash != NULL ? hash->ttl_ms : -1;
    (void)pthread_mutex_unlock(&store->lock);
    return ttl_ms;
}
