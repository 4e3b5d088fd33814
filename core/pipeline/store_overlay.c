#include "pipeline/store_overlay.h"

#include "base/decimal.h"
#include "base/json_text.h"
#include <stdlib.h>

#define SLOTS 1024 /* a power of two */

/* A hash that was written; count 0: removed. Names and values lie in `bytes`, one after the other. */
struct written {
    struct written *next; /* in its slot */
    char *key;
    uint32_t key_len;
    uint64_t version;   /* 0: it has none */
    int64_t expires_ms; /* 0: never */
    churn_pair *pairs;
    uint32_t count;
    struct text bytes;
};

struct store_overlay {
    const churn_store_ops *ops;
    void *self;
    int64_t now_ms;
    bool forgets;
    struct written *slots[SLOTS];
};

/* One answered put. `conflict` keeps what is stored. */
struct answer {
    churn_put_reply reply;
    struct written conflict;
};

struct session {
    struct store_overlay *overlay;
    void *below;
    struct answer *answers; /* not yet given */
    uint32_t count, room;
    struct answer *given; /* of the newest poll: their fields are still looked at */
    uint32_t given_count;
};

/* ---- hashes in memory ---- */

static void written_free(struct written *written)
{
    free(written->key);
    free(written->pairs);
    text_free(&written->bytes);
}

/* The pairs' texts move with `bytes`. */
static void place_pairs(struct written *written)
{
    const char *at = written->bytes.bytes != NULL ? written->bytes.bytes : "";
    for (uint32_t i = 0; i < written->count; i++) {
        written->pairs[i].name.ptr = at;
        written->pairs[i].value.ptr = at + written->pairs[i].name.len;
        at += written->pairs[i].name.len + written->pairs[i].value.len;
    }
}

static bool add_pair(struct written *written, const churn_pair *pair)
{
    churn_pair *grown = realloc(written->pairs, (written->count + 1u) * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    written->pairs = grown;
    grown[written->count++] = *pair;
    text_append(&written->bytes, pair->name.ptr, pair->name.len);
    text_append(&written->bytes, pair->value.ptr, pair->value.len);
    place_pairs(written);
    return !written->bytes.failed;
}

static bool names(const churn_pair *pairs, uint32_t count, churn_str name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (churn_equal(pairs[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* `from` without the fields that `but` names and the version, which is apart. */
static bool add_others(struct written *to, const churn_pair *from, uint32_t from_count, const churn_pair *but,
                       uint32_t but_count)
{
    bool ok = true;
    for (uint32_t i = 0; i < from_count && ok; i++) {
        ok = names(but, but_count, from[i].name) || str_equals(from[i].name, "_v") || add_pair(to, &from[i]);
    }
    return ok;
}

static struct written **slot_of(struct store_overlay *overlay, churn_str key)
{
    uint32_t hash = 5381;
    for (uint32_t i = 0; i < key.len; i++) {
        hash = hash * 33 + (unsigned char)key.ptr[i];
    }
    return &overlay->slots[hash & (SLOTS - 1)];
}

static struct written *find(struct store_overlay *overlay, churn_str key)
{
    struct written *written = *slot_of(overlay, key);
    while (written != NULL && !churn_equal((churn_str){.ptr = written->key, .len = written->key_len}, key)) {
        written = written->next;
    }
    return written;
}

/* What is written under a key from now on: takes `made`, but for its key. */
static int32_t keep(struct store_overlay *overlay, churn_str key, struct written *made, int64_t ttl_ms)
{
    struct written *written = find(overlay, key);
    if (overlay->forgets) {
        written_free(made);
        return CHURN_OK;
    }
    if (written == NULL) {
        struct written **slot = slot_of(overlay, key);
        written = calloc(1, sizeof *written);
        if (written == NULL || (written->key = malloc(key.len + 1u)) == NULL) {
            free(written);
            written_free(made);
            return CHURN_FATAL;
        }
        memcpy(written->key, key.ptr, key.len);
        written->key_len = key.len;
        written->next = *slot;
        *slot = written;
    }
    free(written->pairs);
    text_free(&written->bytes);
    written->pairs = made->pairs;
    written->count = made->count;
    written->bytes = made->bytes;
    written->version = made->version;
    written->expires_ms = ttl_ms > 0 && overlay->now_ms > 0 ? overlay->now_ms + ttl_ms : 0;
    return CHURN_OK;
}

/* ---- reading ---- */

static bool is_over(const struct store_overlay *overlay, const struct written *written)
{
    return written->expires_ms > 0 && overlay->now_ms > 0 && overlay->now_ms >= written->expires_ms;
}

static int32_t give_written(const struct written *written, bool over, churn_str key, churn_fields_fn fn, void *ctx)
{
    char version[DECIMAL_SIZE];
    churn_pair *pairs = calloc(written->count + 1u, sizeof *pairs);
    uint32_t count = over ? 0 : written->count;
    if (pairs == NULL) {
        return CHURN_FATAL;
    }
    for (uint32_t i = 0; i < count; i++) {
        pairs[i] = written->pairs[i];
    }
    if (!over && written->version > 0) {
        pairs[count++] = (churn_pair){
            .name = churn_text("_v"),
            .value = {.ptr = version, .len = (uint32_t)decimal_format_int128((int128)written->version, version)}};
    }
    (void)fn(ctx, key, pairs, count);
    free(pairs);
    return CHURN_OK;
}

static int32_t overlay_get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    struct session *s = session;
    const struct written *written = find(s->overlay, key);
    if (written == NULL) {
        return s->overlay->ops->get(s->below, key, fn, ctx, err);
    }
    return give_written(written, is_over(s->overlay, written), key, fn, ctx) == CHURN_OK
               ? CHURN_OK
               : churn_fail(err, CHURN_FATAL, "out of memory");
}

/* ---- writing ---- */

static int32_t take_stored(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct written *stored = ctx;
    (void)key;
    for (uint32_t i = 0; i < count; i++) {
        int128 version;
        if (str_equals(fields[i].name, "_v") &&
            decimal_parse_int128(fields[i].value.ptr, fields[i].value.len, &version)) {
            stored->version = (uint64_t)version;
        }
    }
    return add_others(stored, fields, count, NULL, 0) ? CHURN_OK : CHURN_FATAL;
}

static struct answer *new_answer(struct session *s)
{
    if (s->count == s->room) {
        uint32_t room = s->room != 0 ? s->room * 2 : 16;
        struct answer *grown = realloc(s->answers, room * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        s->answers = grown;
        s->room = room;
    }
    s->answers[s->count] = (struct answer){.reply = {.size = sizeof(churn_put_reply)}};
    return &s->answers[s->count];
}

/* Writes over what is stored, whose other fields stay. */
static int32_t write_over(struct session *s, const churn_put *put, const struct written *stored)
{
    struct written made = {.version = put->expected_version + 1};
    bool ok = true;
    for (uint32_t i = 0; i < put->count && ok; i++) {
        ok = add_pair(&made, &put->fields[i]);
    }
    if (!ok || !add_others(&made, stored->pairs, stored->count, put->fields, put->count)) {
        written_free(&made);
        return CHURN_FATAL;
    }
    return keep(s->overlay, put->key, &made, put->ttl_ms);
}

static int32_t overlay_put(void *session, const churn_put *put, churn_error *err)
{
    struct session *s = session;
    struct answer *answer = new_answer(s);
    struct written stored = {0};
    int32_t result = answer != NULL ? overlay_get(s, put->key, take_stored, &stored, err)
                                    : churn_fail(err, CHURN_FATAL, "out of memory");
    if (result != CHURN_OK) {
        written_free(&stored);
        return result;
    }
    answer->reply.id = put->id;
    if (stored.version != put->expected_version) {
        answer->reply.result = CHURN_CONFLICT;
        answer->reply.version = stored.version;
        answer->conflict = stored;
    } else {
        result = write_over(s, put, &stored);
        written_free(&stored);
    }
    s->count += result == CHURN_OK;
    return result == CHURN_OK ? CHURN_OK : churn_fail(err, CHURN_FATAL, "out of memory");
}

static void forget_given(struct session *s)
{
    for (uint32_t i = 0; i < s->given_count; i++) {
        written_free(&s->given[i].conflict);
    }
    free(s->given);
    s->given = NULL;
    s->given_count = 0;
}

static int32_t overlay_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                            uint32_t *ret_count, churn_error *err)
{
    struct session *s = session;
    uint32_t count = s->count < max ? s->count : max;
    (void)timeout_ms;
    forget_given(s);
    *ret_count = 0;
    if (count == 0) {
        return CHURN_PENDING;
    }
    s->given = malloc(count * sizeof *s->given);
    if (s->given == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    memcpy(s->given, s->answers, count * sizeof *s->given);
    s->given_count = count;
    s->count -= count;
    memmove(s->answers, s->answers + count, s->count * sizeof *s->answers);
    for (uint32_t i = 0; i < count; i++) {
        replies[i] = s->given[i].reply;
        replies[i].fields = s->given[i].conflict.pairs;
        replies[i].count = s->given[i].conflict.count;
    }
    *ret_count = count;
    return CHURN_OK;
}

static int32_t overlay_write(void *session, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    struct session *s = session;
    for (uint32_t i = 0; i < count; i++) {
        struct written made = {0};
        if (!add_others(&made, hashes[i].fields, hashes[i].count, NULL, 0)) {
            written_free(&made);
            return churn_fail(err, CHURN_FATAL, "out of memory");
        }
        if (keep(s->overlay, hashes[i].key, &made, hashes[i].ttl_ms) != CHURN_OK) {
            return churn_fail(err, CHURN_FATAL, "out of memory");
        }
    }
    return CHURN_OK;
}

/* ---- beginning and end ---- */

static int32_t overlay_open(void *self, void **ret_session, churn_error *err)
{
    struct store_overlay *overlay = self;
    struct session *s = calloc(1, sizeof *s);
    int32_t result;
    if (s == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    s->overlay = overlay;
    result = overlay->ops->open(overlay->self, &s->below, err);
    if (result != CHURN_OK) {
        free(s);
        return result;
    }
    *ret_session = s;
    return CHURN_OK;
}

static void overlay_close(void *session)
{
    struct session *s = session;
    forget_given(s);
    for (uint32_t i = 0; i < s->count; i++) {
        written_free(&s->answers[i].conflict);
    }
    free(s->answers);
    s->overlay->ops->close(s->below);
    free(s);
}

struct store_overlay *store_overlay_new(const churn_store_ops *ops, void *self)
{
    struct store_overlay *overlay = calloc(1, sizeof *overlay);
    if (overlay != NULL) {
        overlay->ops = ops;
        overlay->self = self;
    }
    return overlay;
}

void store_overlay_free(struct store_overlay *overlay)
{
    for (unsigned i = 0; overlay != NULL && i < SLOTS; i++) {
        for (struct written *written = overlay->slots[i], *next; written != NULL; written = next) {
            next = written->next;
            written_free(written);
            free(written);
        }
    }
    free(overlay);
}

void store_overlay_set_time(struct store_overlay *overlay, int64_t now_ms)
{
    overlay->now_ms = now_ms;
}

void store_overlay_set_keeping(struct store_overlay *overlay, bool keeping)
{
    overlay->forgets = !keeping;
}

const churn_store_ops store_overlay_ops = {
    .size = sizeof store_overlay_ops,
    .open = overlay_open,
    .put = overlay_put,
    .poll = overlay_poll,
    .get = overlay_get,
    .write = overlay_write,
    .close = overlay_close,
};
