#include "engine/salts.h"

#include "base/clock.h"
#include "engine/forgetting.h"
#include "pipeline/protect_section.h"
#include "pipeline/store_requests.h"
#include "profile/profile.h"
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define SLOTS 65536 /* a power of two */
#define MAX_CUSTOMER 128
#define REPLY_MS 5000
#define OUTAGE_MS 30000 /* between two warnings */
#define TRIES 4         /* of a put that others are ahead of */

struct slot {
    uint32_t len; /* of the customer; 0: free */
    char customer[MAX_CUSTOMER];
    char made_after[TOMBSTONE_ID_SIZE]; /* by which tombstone; "": none */
    unsigned char salt[SEAL_SALT_SIZE];
};

struct salts {
    struct pipeline *pipeline;
    pthread_mutex_t lock;
    void *session; /* NULL: none is open */
    int64_t told_ms;
    struct slot *slots;
};

bool salts_wanted(const struct pipeline *pipeline)
{
    return pipeline->protection != NULL && pipeline->protection->protect->salts && pipeline->store.loaded != NULL;
}

bool salts_start(struct pipeline *pipeline, struct salts **ret)
{
    struct salts *salts;
    *ret = NULL;
    if (!salts_wanted(pipeline)) {
        return true;
    }
    salts = calloc(1, sizeof *salts);
    if (salts == NULL || (salts->slots = calloc(SLOTS, sizeof *salts->slots)) == NULL) {
        free(salts);
        return false;
    }
    salts->pipeline = pipeline;
    salts->told_ms = INT64_MIN / 2;
    (void)pthread_mutex_init(&salts->lock, NULL);
    *ret = salts;
    return true;
}

static const churn_store_ops *ops_of(const struct salts *salts)
{
    return store_ops(&salts->pipeline->store);
}

void salts_stop(struct salts *salts)
{
    if (salts == NULL) {
        return;
    }
    salts_drop(salts);
    if (salts->session != NULL) {
        ops_of(salts)->close(salts->session);
    }
    (void)pthread_mutex_destroy(&salts->lock);
    free(salts->slots);
    free(salts);
}

void salts_drop(struct salts *salts)
{
    if (salts != NULL) {
        (void)pthread_mutex_lock(&salts->lock);
        sodium_memzero(salts->slots, SLOTS * sizeof *salts->slots);
        (void)pthread_mutex_unlock(&salts->lock);
    }
}

/* Profiles under another prefix are the same customers'. */
uint32_t salts_key(churn_str customer, char *key)
{
    return store_keys_own("salt", "", customer, key);
}

/* ---- one that the store has ---- */

struct found {
    bool any, good;
    char made_after[TOMBSTONE_ID_SIZE];
    unsigned char salt[SEAL_SALT_SIZE];
};

static int32_t take(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct found *found = ctx;
    const churn_str *salt = profile_find_pair(fields, count, churn_text(SALTS_FIELD));
    const churn_str *after = profile_find_pair(fields, count, churn_text(TOMBSTONE_FIELD));
    size_t len = 0;
    (void)key;
    found->any = count > 0;
    found->good = salt != NULL &&
                  sodium_hex2bin(found->salt, sizeof found->salt, salt->ptr, salt->len, NULL, &len, NULL) == 0 &&
                  len == sizeof found->salt;
    (void)snprintf(found->made_after, sizeof found->made_after, "%.*s", after != NULL ? (int)after->len : 0,
                   after != NULL ? after->ptr : "");
    return CHURN_OK;
}

/* ---- a new one ---- */

static int32_t put(struct salts *salts, churn_str key, const char *after, churn_error *err)
{
    unsigned char salt[SEAL_SALT_SIZE];
    char hex[2 * SEAL_SALT_SIZE + 1];
    const churn_pair fields[] = {{churn_text(SALTS_FIELD), {.ptr = hex, .len = sizeof hex - 1}},
                                 {churn_text(TOMBSTONE_FIELD), churn_text(after)}};
    const churn_put one = {.size = sizeof one, .key = key, .fields = fields, .count = *after != '\0' ? 2 : 1};
    int32_t result;
    randombytes_buf(salt, sizeof salt);
    (void)sodium_bin2hex(hex, sizeof hex, salt, sizeof salt);
    result = store_put_one(ops_of(salts), salts->session, &one, REPLY_MS, err);
    sodium_memzero(salt, sizeof salt);
    sodium_memzero(hex, sizeof hex);
    return result == CHURN_CONFLICT ? CHURN_OK : result;
}

/* What the store has is what counts: another instance may have been ahead. */
static int32_t ask(struct salts *salts, churn_str customer, const char *after, bool make, struct found *found,
                   churn_error *err)
{
    char text[STORE_KEY_SIZE];
    churn_str key = {.ptr = text, .len = salts_key(customer, text)};
    for (unsigned i = 0; i < TRIES; i++) {
        unsigned erased;
        int32_t result = ops_of(salts)->get(salts->session, key, take, found, err);
        bool old = result == CHURN_OK && found->any && *after != '\0' && strcmp(found->made_after, after) != 0;
        if (old) {
            result = forgetting_erase_profile(ops_of(salts), salts->session, key, after, &erased, err);
            found->any = false;
        }
        if (result != CHURN_OK || found->any || !make) {
            return result;
        }
        result = put(salts, key, after, err);
        if (result != CHURN_OK) {
            return result;
        }
    }
    return churn_fail(err, CHURN_RETRY, "a customer's salt changes all the time");
}

/* ---- asking ---- */

static struct slot *slot_of(const struct salts *salts, churn_str customer)
{
    return &salts->slots[XXH3_64bits(customer.ptr, customer.len) & (SLOTS - 1)];
}

static bool is_of(const struct slot *slot, churn_str customer, const char *after)
{
    return slot->len == customer.len && memcmp(slot->customer, customer.ptr, customer.len) == 0 &&
           strcmp(slot->made_after, after) == 0;
}

static void keep(struct salts *salts, churn_str customer, const struct found *found)
{
    struct slot *slot = slot_of(salts, customer);
    slot->len = customer.len;
    memcpy(slot->customer, customer.ptr, customer.len);
    memcpy(slot->made_after, found->made_after, sizeof slot->made_after);
    memcpy(slot->salt, found->salt, sizeof slot->salt);
}

static int32_t later(struct salts *salts, const churn_error *err)
{
    int64_t now = clock_monotonic_ms();
    if (now - salts->told_ms >= OUTAGE_MS) {
        salts->told_ms = now;
        log_printf(salts->pipeline->log, CHURN_LOG_WARN, SALTS_SECTION,
                   "customers' own keys cannot be had: %s; their events wait", err->message);
    }
    return CHURN_RETRY;
}

static int32_t find_locked(struct salts *salts, churn_str customer, const char *after, bool make,
                           unsigned char ret[SEAL_SALT_SIZE], churn_error *err)
{
    const struct slot *slot = slot_of(salts, customer);
    struct found found = {0};
    int32_t result = CHURN_OK;
    if (is_of(slot, customer, after)) {
        memcpy(ret, slot->salt, sizeof slot->salt);
        return CHURN_OK;
    }
    if (forgetting_lapsed(salts->pipeline->forgetting)) { /* one of after a newer tombstone would be taken for old */
        result = churn_fail(err, CHURN_RETRY, "who is forgotten cannot be read at the moment");
    }
    if (result == CHURN_OK && salts->session == NULL) {
        result = ops_of(salts)->open(salts->pipeline->store_instance->self, &salts->session, err);
        salts->session = result == CHURN_OK ? salts->session : NULL;
    }
    if (result == CHURN_OK) {
        result = ask(salts, customer, after, make, &found, err);
        if (result != CHURN_OK) {
            ops_of(salts)->close(salts->session);
            salts->session = NULL;
        }
    }
    if (result == CHURN_OK && found.any && !found.good) {
        result = churn_fail(err, CHURN_RETRY, "a salt in the store is damaged");
    }
    if (result != CHURN_OK || !found.any) {
        return result == CHURN_OK ? CHURN_DROP : later(salts, err);
    }
    keep(salts, customer, &found);
    memcpy(ret, found.salt, sizeof found.salt);
    sodium_memzero(found.salt, sizeof found.salt);
    return CHURN_OK;
}

int32_t salts_find(struct salts *salts, churn_str customer, bool make, unsigned char ret[SEAL_SALT_SIZE],
                   churn_error *err)
{
    char after[TOMBSTONE_ID_SIZE] = "";
    bool settled = true;
    int32_t result;
    if (customer.len == 0 || customer.len > MAX_CUSTOMER) {
        return CHURN_DROP;
    }
    (void)forgetting_find(salts->pipeline->forgetting, customer, after, &settled);
    if (!settled) {
        return churn_fail(err, CHURN_RETRY, "the customer was forgotten just now");
    }
    (void)pthread_mutex_lock(&salts->lock);
    result = find_locked(salts, customer, after, make, ret, err);
    (void)pthread_mutex_unlock(&salts->lock);
    return result;
}
