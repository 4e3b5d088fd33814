#include "engine/tombstone_log.h"

#include "base/clock.h"
#include "pipeline/store_requests.h"
#include "profile/profile.h"
#include <inttypes.h>
#include <stdio.h>

#define READ_MANY 64 /* records at once */
#define REPLY_MS 10000

static uint32_t key_of(const struct tombstone_log *log, uint64_t number, char key[STORE_KEY_SIZE])
{
    char text[24];
    churn_str name = {.ptr = text, .len = (uint32_t)snprintf(text, sizeof text, "/%" PRIu64, number)};
    return store_keys_own("forgotten", log->prefix, name, key);
}

/* ---- reading ---- */

struct taking {
    const struct tombstone_log *log;
    uint32_t taken; /* records that followed */
    bool past_last;
    int32_t result;
};

static int32_t take_record(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct taking *taking = ctx;
    const struct tombstone_log *log = taking->log;
    (void)key;
    taking->past_last = taking->past_last || count == 0;
    if (taking->past_last || taking->result != CHURN_OK) {
        return CHURN_OK;
    }
    if (log->lock != NULL) {
        (void)pthread_rwlock_wrlock(log->lock);
    }
    taking->result = tombstones_add(log->set, fields, count, clock_monotonic_ms());
    tombstones_sort(log->set);
    if (log->lock != NULL) {
        (void)pthread_rwlock_unlock(log->lock);
    }
    taking->taken += taking->result == CHURN_OK;
    return CHURN_OK;
}

static int32_t refuse(int32_t result, churn_str key, churn_error *err)
{
    switch (result) {
    case CHURN_FATAL:
        return churn_fail(err, CHURN_RETRY, "out of memory");
    case CHURN_CONFLICT:
        return churn_fail(
            err, CHURN_RETRY,
            "a record of forgotten customers (%.*s) was written with another `forget: key`; with this one "
            "nobody whom it names would be forgotten: give that one",
            (int)key.len, key.ptr);
    default:
        return churn_fail(err, CHURN_RETRY,
                          "a record of forgotten customers (%.*s) is none that this program wrote; put it back",
                          (int)key.len, key.ptr);
    }
}

/* Reads on from what is known; *ret_more: there may be more behind. */
static int32_t read_on(const struct tombstone_log *log, uint32_t many, bool *ret_more, churn_error *err)
{
    char names[READ_MANY][STORE_KEY_SIZE];
    churn_str keys[READ_MANY];
    struct taking taking = {.log = log, .result = CHURN_OK};
    int32_t result;
    for (uint32_t i = 0; i < many; i++) {
        keys[i].ptr = names[i];
        keys[i].len = key_of(log, log->set->count + 1 + i, names[i]);
    }
    result = store_get_many(log->ops, log->session, keys, many, take_record, &taking, err);
    *ret_more = !taking.past_last;
    return result == CHURN_OK && taking.result != CHURN_OK ? refuse(taking.result, keys[taking.taken], err) : result;
}

int32_t tombstone_log_read(const struct tombstone_log *log, churn_error *err)
{
    uint32_t many = log->set->count == 0 ? READ_MANY : 1; /* as a rule there is nothing new */
    bool more = true;
    int32_t result = CHURN_OK;
    for (; result == CHURN_OK && more; many = READ_MANY) {
        result = read_on(log, many, &more, err);
    }
    return result;
}

struct looked {
    const char *id;
    bool same;
};

static int32_t look(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct looked *looked = ctx;
    const churn_str *id = profile_find_pair(fields, count, churn_text(TOMBSTONE_ID));
    (void)key;
    looked->same = id != NULL && churn_equal(*id, churn_text(looked->id));
    return CHURN_OK;
}

int32_t tombstone_log_is_whole(const struct tombstone_log *log, bool *ret_whole, churn_error *err)
{
    char name[STORE_KEY_SIZE];
    uint64_t count = log->set->count;
    struct looked looked = {.same = true};
    int32_t result = CHURN_OK;
    if (count > 0) {
        looked.id = log->set->items[count - 1]->id;
        result =
            log->ops->get(log->session, (churn_str){.ptr = name, .len = key_of(log, count, name)}, look, &looked, err);
    }
    *ret_whole = looked.same;
    return result;
}

static int32_t look_for_any(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    bool *found = ctx;
    (void)key;
    (void)fields;
    *found = count > 0;
    return CHURN_OK;
}

int32_t tombstone_log_began(const struct tombstone_log *log, bool *ret_began, churn_error *err)
{
    char name[STORE_KEY_SIZE];
    const churn_str key = {.ptr = name, .len = key_of(log, 1, name)};
    *ret_began = false;
    return log->ops->get(log->session, key, look_for_any, ret_began, err);
}

/* ---- adding ---- */

int32_t tombstone_log_put(const struct tombstone_log *log, const churn_pair *fields, uint32_t count, churn_error *err)
{
    char name[STORE_KEY_SIZE];
    const churn_put put = {.size = sizeof put,
                           .key = {.ptr = name, .len = key_of(log, log->set->count + 1, name)},
                           .fields = fields,
                           .count = count};
    return store_put_one(log->ops, log->session, &put, REPLY_MS, err);
}

int32_t tombstone_log_complete(const struct tombstone_log *log, const struct tombstones *from, unsigned *ret_added,
                               churn_error *err)
{
    int32_t result = CHURN_OK;
    *ret_added = 0;
    for (uint64_t i = 0; i < from->count && result == CHURN_OK; i++) {
        const struct tombstone *one = from->items[i];
        while (result == CHURN_OK && tombstones_find(log->set, one->id) == NULL) {
            result = tombstone_log_put(log, one->fields, one->field_count, err);
            *ret_added += result == CHURN_OK;
            if (result == CHURN_OK || result == CHURN_CONFLICT) {
                result = tombstone_log_read(log, err);
            }
        }
    }
    return result;
}
