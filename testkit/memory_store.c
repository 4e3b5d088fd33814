#include "memory_store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

struct waiting_put {
    struct memory_hash *hash;
    uint64_t expected_version;
    uint64_t id;
};

struct session {
    struct memory_store *store;
    int dead;
    struct waiting_put *puts;
    uint32_t put_count, put_room;
    struct memory_hash **shown; /* what the replies of the newest call point to */
    uint32_t shown_count, shown_room;
};

/* By bytes, as the order of keys is. */
static int compare(churn_str a, churn_str b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int begins_with(churn_str text, churn_str prefix)
{
    return text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

/* --- Hashes --- */

static char *put_text(char *at, churn_str text, churn_str *ret)
{
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    at[text.len] = '\0';
    *ret = (churn_str){.ptr = at, .len = text.len};
    return at + text.len + 1;
}

/* Copies; NULL when memory ran out. */
static struct memory_hash *hash_new(churn_str key, const churn_pair *fields, uint32_t count)
{
    size_t bytes = key.len + 1u;
    struct memory_hash *hash;
    char *at;
    for (uint32_t i = 0; i < count; i++) {
        bytes += (size_t)fields[i].name.len + fields[i].value.len + 2;
    }
    hash = calloc(1, sizeof *hash + count * sizeof *fields + bytes);
    if (hash == NULL) {
        return NULL;
    }
    hash->count = count;
    at = put_text((char *)&hash->fields[count], key, &hash->key);
    for (uint32_t i = 0; i < count; i++) {
        at = put_text(at, fields[i].name, &hash->fields[i].name);
        at = put_text(at, fields[i].value, &hash->fields[i].value);
    }
    return hash;
}

static const churn_str *field_of(const churn_pair *fields, uint32_t count, churn_str name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (churn_equal(fields[i].name, name)) {
            return &fields[i].value;
        }
    }
    return NULL;
}

/* `change` over the fields of `old` (may be NULL) that it does not name. */
static struct memory_hash *hash_merged(const struct memory_hash *old, const struct memory_hash *change)
{
    uint32_t count = change->count;
    churn_pair *all = calloc(count + (old != NULL ? old->count : 0) + 1u, sizeof *all);
    struct memory_hash *merged;
    if (all == NULL) {
        return NULL;
    }
    memcpy(all, change->fields, count * sizeof *all);
    for (uint32_t i = 0; old != NULL && i < old->count; i++) {
        if (field_of(change->fields, change->count, old->fields[i].name) == NULL) {
            all[count++] = old->fields[i];
        }
    }
    merged = hash_new(change->key, all, count);
    free(all);
    if (merged != NULL) {
        merged->version = (old != NULL ? old->version : 0) + 1;
        merged->ttl_ms = change->ttl_ms;
    }
    return merged;
}

/* Where `key` is or belongs. */
static uint32_t place_of(const struct memory_store *store, churn_str key, int *ret_found)
{
    uint32_t low = 0, high = store->count;
    *ret_found = 0;
    while (low < high && !*ret_found) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(store->hashes[middle]->key, key);
        *ret_found = order == 0;
        low = order < 0 ? middle + 1 : order == 0 ? middle : low;
        high = order > 0 ? middle : high;
    }
    return low;
}

static struct memory_hash *find(const struct memory_store *store, churn_str key)
{
    int found;
    uint32_t at = place_of(store, key, &found);
    return found ? store->hashes[at] : NULL;
}

/* Takes `hash` (NULL: memory ran out before) in place of the one of its key. */
static int replace(struct memory_store *store, struct memory_hash *hash)
{
    int found;
    uint32_t at;
    if (hash == NULL) {
        return 0;
    }
    at = place_of(store, hash->key, &found);
    if (found) {
        free(store->hashes[at]);
        store->hashes[at] = hash;
        return 1;
    }
    if (store->count == store->room) {
        uint32_t room = store->room != 0 ? store->room * 2 : 64;
        struct memory_hash **grown = realloc(store->hashes, room * sizeof(*grown));
        if (grown == NULL) {
            free(hash);
            return 0;
        }
        store->hashes = grown;
        store->room = room;
    }
    memmove(&store->hashes[at + 1], &store->hashes[at], (store->count - at) * sizeof(*store->hashes));
    store->hashes[at] = hash;
    store->count++;
    return 1;
}

static void erase(struct memory_store *store, churn_str key)
{
    int found;
    uint32_t at = place_of(store, key, &found);
    if (found) {
        free(store->hashes[at]);
        store->count--;
        memmove(&store->hashes[at], &store->hashes[at + 1], (store->count - at) * sizeof(*store->hashes));
    }
}

/* --- Sessions --- */

static int32_t out_of_memory(churn_error *err)
{
    return churn_fail(err, CHURN_FATAL, "out of memory");
}

/* What every call begins with. */
static int32_t check(struct session *session, churn_error *err)
{
    for (uint32_t i = 0; i < session->shown_count; i++) {
        free(session->shown[i]);
    }
    session->shown_count = 0;
    session->dead |= atomic_load(&session->store->out);
    if (atomic_load(&session->store->broken)) {
        return churn_fail(err, CHURN_FATAL, "broken for good");
    }
    return session->dead ? churn_fail(err, CHURN_RETRY, "out") : CHURN_OK;
}

static int32_t store_open(void *self, void **ret_session, churn_error *err)
{
    struct memory_store *store = self;
    struct session *session;
    if (atomic_load(&store->out)) {
        return churn_fail(err, CHURN_RETRY, "out");
    }
    session = calloc(1, sizeof *session);
    if (session == NULL) {
        return out_of_memory(err);
    }
    session->store = store;
    atomic_fetch_add(&store->sessions, 1);
    atomic_fetch_add(&store->opened, 1);
    *ret_session = session;
    return CHURN_OK;
}

static void store_close(void *arg)
{
    struct session *session = arg;
    (void)check(session, NULL);
    atomic_fetch_sub(&session->store->sessions, 1);
    for (uint32_t i = 0; i < session->put_count; i++) {
        free(session->puts[i].hash);
    }
    free(session->puts);
    free(session->shown);
    free(session);
}

static int grow_puts(struct session *session)
{
    uint32_t room = session->put_room != 0 ? session->put_room * 2 : 64;
    struct waiting_put *grown;
    if (session->put_count < session->put_room) {
        return 1;
    }
    grown = realloc(session->puts, room * sizeof *grown);
    if (grown == NULL) {
        return 0;
    }
    session->puts = grown;
    session->put_room = room;
    return 1;
}

static int32_t store_put(void *arg, const churn_put *put, churn_error *err)
{
    struct session *session = arg;
    int32_t result = check(session, err);
    struct memory_hash *hash;
    if (result != CHURN_OK) {
        return result;
    }
    for (uint32_t i = 0; i < session->put_count; i++) {
        if (churn_equal(session->puts[i].hash->key, put->key)) {
            return churn_fail(err, CHURN_FATAL, "two unanswered puts of the key '%s'", session->puts[i].hash->key.ptr);
        }
    }
    hash = grow_puts(session) ? hash_new(put->key, put->fields, put->count) : NULL;
    if (hash == NULL) {
        return out_of_memory(err);
    }
    hash->ttl_ms = put->ttl_ms;
    session->puts[session->put_count++] =
        (struct waiting_put){.hash = hash, .expected_version = put->expected_version, .id = put->id};
    return CHURN_OK;
}

/* A copy that lives until the session's next call; NULL when memory ran out. */
static const struct memory_hash *show(struct session *session, const struct memory_hash *hash)
{
    struct memory_hash *copy = hash_new(hash->key, hash->fields, hash->count);
    if (copy != NULL && session->shown_count == session->shown_room) {
        uint32_t room = session->shown_room != 0 ? session->shown_room * 2 : 16;
        struct memory_hash **grown = realloc(session->shown, room * sizeof(*grown));
        if (grown == NULL) {
            free(copy);
            return NULL;
        }
        session->shown = grown;
        session->shown_room = room;
    }
    if (copy != NULL) {
        session->shown[session->shown_count++] = copy;
    }
    return copy;
}

static int answer_put(struct session *session, const struct waiting_put *put, churn_put_reply *reply)
{
    const struct memory_hash *old = find(session->store, put->hash->key), *copy;
    uint64_t version = old != NULL ? old->version : 0;
    *reply = (churn_put_reply){.size = sizeof *reply, .id = put->id, .result = CHURN_OK};
    if (version == put->expected_version) {
        return replace(session->store, hash_merged(old, put->hash));
    }
    reply->result = CHURN_CONFLICT;
    reply->version = version;
    if (old != NULL) {
        copy = show(session, old);
        reply->count = copy != NULL ? copy->count : 0;
        reply->fields = copy != NULL ? copy->fields : NULL;
        return copy != NULL;
    }
    return 1;
}

static int32_t store_poll(void *arg, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                          churn_error *err)
{
    struct session *session = arg;
    int32_t result = check(session, err);
    uint32_t n = session->put_count < max ? session->put_count : max;
    int ok = 1;
    (void)timeout_ms;
    *ret_count = 0;
    if (result != CHURN_OK || n == 0) {
        return result != CHURN_OK ? result : CHURN_PENDING;
    }
    (void)pthread_mutex_lock(&session->store->lock);
    for (uint32_t i = 0; i < n; i++) {
        ok = answer_put(session, &session->puts[i], &replies[i]) && ok;
        free(session->puts[i].hash);
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
    return ok ? CHURN_OK : out_of_memory(err);
}

/* Calls `fn` with the fields and, where the hash has a version, `_v`. */
static int32_t hand_out(const struct memory_hash *hash, churn_fields_fn fn, void *ctx)
{
    char version[24];
    churn_pair *fields = calloc(hash->count + 1u, sizeof *fields);
    uint32_t count = hash->count;
    int32_t result;
    if (fields == NULL) {
        return CHURN_FATAL;
    }
    memcpy(fields, hash->fields, count * sizeof *fields);
    if (hash->version != 0) {
        (void)snprintf(version, sizeof version, "%" PRIu64, hash->version);
        fields[count++] = (churn_pair){.name = churn_text("_v"), .value = churn_text(version)};
    }
    result = fn(ctx, hash->key, fields, count);
    free(fields);
    return result;
}

static int32_t store_get(void *arg, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    struct session *session = arg;
    int32_t result = check(session, err);
    const struct memory_hash *hash, *copy = NULL;
    if (result != CHURN_OK) {
        return result;
    }
    (void)pthread_mutex_lock(&session->store->lock); /* not held during `fn`, which may use the store */
    hash = find(session->store, key);
    if (hash != NULL) {
        copy = show(session, hash);
        if (copy != NULL) {
            session->shown[session->shown_count - 1]->version = hash->version;
        }
    }
    (void)pthread_mutex_unlock(&session->store->lock);
    if (hash != NULL && copy == NULL) {
        return out_of_memory(err);
    }
    (void)(copy != NULL ? hand_out(copy, fn, ctx) : fn(ctx, key, NULL, 0));
    return CHURN_OK;
}

static int32_t store_write(void *arg, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    struct session *session = arg;
    int32_t result = check(session, err);
    int ok = 1;
    if (result != CHURN_OK) {
        return result;
    }
    (void)pthread_mutex_lock(&session->store->lock);
    for (uint32_t i = 0; i < count && ok; i++) {
        struct memory_hash *hash = hash_new(hashes[i].key, hashes[i].fields, hashes[i].count);
        if (hash != NULL) {
            hash->ttl_ms = hashes[i].ttl_ms;
        }
        ok = replace(session->store, hash);
    }
    (void)pthread_mutex_unlock(&session->store->lock);
    return ok ? CHURN_OK : out_of_memory(err);
}

static int32_t store_remove(void *arg, churn_str key, churn_str field, churn_str value, churn_error *err)
{
    struct session *session = arg;
    int32_t result = check(session, err);
    const struct memory_hash *hash;
    const churn_str *stored;
    if (result != CHURN_OK) {
        return result;
    }
    (void)pthread_mutex_lock(&session->store->lock);
    hash = find(session->store, key);
    stored = hash != NULL ? field_of(hash->fields, hash->count, field) : NULL;
    if (stored != NULL && churn_equal(*stored, value)) {
        erase(session->store, key);
    }
    (void)pthread_mutex_unlock(&session->store->lock);
    return CHURN_OK;
}

static int32_t store_scan(void *arg, churn_str prefix, churn_str after, uint32_t max, churn_fields_fn fn, void *ctx,
                          churn_error *err)
{
    struct session *session = arg;
    uint32_t i = 0, n = 0;
    int found;
    int32_t result = check(session, err);
    if (result != CHURN_OK) {
        return result;
    }
    (void)pthread_mutex_lock(&session->store->lock);
    if (after.ptr != NULL) { /* once: `fn` may free it */
        i = place_of(session->store, after, &found);
        i += found ? 1 : 0;
    }
    for (; i < session->store->count && n < max; i++) {
        const struct memory_hash *hash = session->store->hashes[i];
        if (begins_with(hash->key, prefix)) {
            n++;
            if (hand_out(hash, fn, ctx) != CHURN_OK) {
                break;
            }
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

/* --- For tests --- */

void memory_store_init(struct memory_store *store)
{
    memset(store, 0, sizeof *store);
    (void)pthread_mutex_init(&store->lock, NULL);
}

void memory_store_clear(struct memory_store *store)
{
    while (store->count > 0) {
        free(store->hashes[--store->count]);
    }
}

void memory_store_free(struct memory_store *store)
{
    memory_store_clear(store);
    free(store->hashes);
    (void)pthread_mutex_destroy(&store->lock);
}

void memory_store_set(struct memory_store *store, const char *key, ...)
{
    churn_pair pairs[16];
    struct memory_hash *hash;
    uint32_t count = 0;
    const char *name;
    va_list args;
    va_start(args, key);
    while (count < 16 && (name = va_arg(args, const char *)) != NULL) {
        pairs[count].name = churn_text(name);
        pairs[count++].value = churn_text(va_arg(args, const char *));
    }
    va_end(args);
    hash = hash_new(churn_text(key), pairs, count);
    if (hash != NULL) {
        hash->version = 1;
    }
    (void)pthread_mutex_lock(&store->lock);
    (void)replace(store, hash);
    (void)pthread_mutex_unlock(&store->lock);
}

int memory_store_merge(struct memory_store *store, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct memory_hash *change = hash_new(key, fields, count);
    int ok = 0;
    if (change != NULL) {
        (void)pthread_mutex_lock(&store->lock);
        ok = replace(store, hash_merged(find(store, key), change));
        (void)pthread_mutex_unlock(&store->lock);
    }
    free(change);
    return ok;
}

const struct memory_hash *memory_store_find(const struct memory_store *store, churn_str key)
{
    return find(store, key);
}

const char *memory_store_get(struct memory_store *store, const char *key, const char *field, char room[256])
{
    const struct memory_hash *hash;
    const churn_str *value;
    (void)pthread_mutex_lock(&store->lock);
    hash = find(store, churn_text(key));
    value = hash != NULL ? field_of(hash->fields, hash->count, churn_text(field)) : NULL;
    if (value != NULL) {
        (void)snprintf(room, 256, "%s", value->ptr);
    }
    (void)pthread_mutex_unlock(&store->lock);
    return value != NULL ? room : NULL;
}

uint32_t memory_store_count(struct memory_store *store, const char *prefix)
{
    uint32_t n = 0;
    (void)pthread_mutex_lock(&store->lock);
    for (uint32_t i = 0; i < store->count; i++) {
        n += begins_with(store->hashes[i]->key, churn_text(prefix)) ? 1 : 0;
    }
    (void)pthread_mutex_unlock(&store->lock);
    return n;
}

int64_t memory_store_ttl(struct memory_store *store, const char *key)
{
    int64_t ttl_ms;
    const struct memory_hash *hash;
    (void)pthread_mutex_lock(&store->lock);
    hash = find(store, churn_text(key));
    ttl_ms = hash != NULL ? hash->ttl_ms : -1;
    (void)pthread_mutex_unlock(&store->lock);
    return ttl_ms;
}
