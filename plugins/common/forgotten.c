#include "forgotten.h"

#include <stdlib.h>

struct forgotten_cached {
    struct forgotten_cached *next;
    struct trigger *trigger; /* owned */
    int64_t written_ms;
    uint32_t key_len;
    char key[];
};

static void free_cached(struct forgotten_cached *cached)
{
    free(cached->trigger);
    free(cached);
}

/* Takes one out of the list. */
static void drop_cached(struct forgotten *f, struct forgotten_cached **at)
{
    struct forgotten_cached *cached = *at;
    *at = cached->next;
    f->cached_end = cached->next != NULL ? f->cached_end : at;
    free_cached(cached);
}

void forgotten_init(struct forgotten *f, const churn_host *host)
{
    *f = (struct forgotten){.host = host, .adopted = -1, .calls = host->get_extension(host, CHURN_FORGETTING_ID)};
    f->cached_end = &f->cached;
    if (f->calls != NULL) {
        f->calls->adopted(host, -1);
    }
}

void forgotten_free(struct forgotten *f)
{
    while (f->cached != NULL) {
        drop_cached(f, &f->cached);
    }
}

static int32_t read_number(churn_str text)
{
    int64_t number = 0;
    for (uint32_t i = 0; i < text.len && number <= INT32_MAX; i++) {
        number = number * 10 + (text.ptr[i] - '0');
    }
    return number <= INT32_MAX ? (int32_t)number : INT32_MAX;
}

static int64_t read_offset(churn_str text)
{
    int64_t number = 0;
    for (uint32_t i = 0; i < text.len && number < INT64_MAX / 10 - 1; i++) {
        number = number * 10 + (text.ptr[i] - '0');
    }
    return number;
}

int32_t forgotten_covers(const struct forgotten *f, const struct trigger *trigger)
{
    churn_forgettable what = {
        .size = sizeof what, .customer_id = trigger->customer_id, .timestamp_ms = trigger->timestamp_ms};
    churn_str partition, offset;
    if (f->calls == NULL) {
        return 0;
    }
    if (trigger_position(trigger, &what.topic, &partition, &offset)) {
        what.partition = read_number(partition);
        what.offset = read_offset(offset);
    } else {
        what.topic = (churn_str){.ptr = ""};
    }
    return f->calls->covers(f->host, &what);
}

int32_t forgotten_note(struct forgotten *f, const struct trigger *trigger, churn_str key, churn_error *err)
{
    struct forgotten_cached *cached;
    int64_t looked_ms;
    if (f->calls == NULL) {
        return CHURN_OK;
    }
    if (f->calls->known(f->host, &looked_ms) <= f->adopted) { /* what is known was judged for all of these */
        while (f->cached != NULL && f->cached->written_ms < looked_ms) {
            drop_cached(f, &f->cached);
        }
    }
    cached = malloc(sizeof *cached + key.len);
    if (cached == NULL || (cached->trigger = trigger_new(trigger)) == NULL) {
        free(cached);
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    cached->next = NULL;
    cached->written_ms = f->host->monotonic_ms(f->host);
    cached->key_len = key.len;
    memcpy(cached->key, key.ptr, key.len);
    *f->cached_end = cached;
    f->cached_end = &cached->next;
    return CHURN_OK;
}

int forgotten_news(const struct forgotten *f, int64_t *ret_known)
{
    int64_t looked_ms;
    *ret_known = f->calls != NULL ? f->calls->known(f->host, &looked_ms) : -1;
    return f->calls != NULL && *ret_known != f->adopted;
}

/* Unless a later trigger of his has been answered there since. */
static int32_t erase(struct store_session *store, const struct forgotten_cached *cached, churn_error *err)
{
    const churn_str key = {.ptr = cached->key, .len = cached->key_len};
    int32_t rc = store_session_ready(store, err);
    if (rc != CHURN_OK || store->ops->size <= offsetof(churn_store_ops, remove) || store->ops->remove == NULL) {
        return rc;
    }
    rc = store->ops->remove(store->session, key, churn_text("event_id"), cached->trigger->event_id, err);
    return store_session_result(store, rc, err);
}

int32_t forgotten_adopt(struct forgotten *f, struct store_session *store, int64_t known, churn_error *err)
{
    for (struct forgotten_cached **at = &f->cached; *at != NULL;) {
        int32_t covered = forgotten_covers(f, (*at)->trigger);
        int32_t rc = covered == 1 ? erase(store, *at, err) : covered == 0 ? CHURN_OK : CHURN_RETRY;
        if (rc != CHURN_OK) {
            return rc == CHURN_FATAL ? rc : CHURN_RETRY;
        }
        if (covered == 1) {
            drop_cached(f, at);
        } else { /* it was written since the look, perhaps of somebody whom only the next one finds */
            at = &(*at)->next;
        }
    }
    f->adopted = known;
    f->calls->adopted(f->host, known);
    return CHURN_OK;
}
