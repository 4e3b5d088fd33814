/* A put of a customer who is unknown here and stored there costs the store a conflict, whose answer is made by a
 * script: nearly three times what it takes to read the profile with others. After a start, and with more customers than
 * the cache holds, that is every put. A customer who is new everywhere needs no reading: so it goes on only as long as
 * enough of those that are asked for are stored. */
#include "engine/read_ahead.h"

#include "engine/forgetting.h"
#include "engine/plugin_call.h"
#include "engine/stored.h"
#include "profile/store_keys.h"

#define FEWEST 8      /* customers that are worth waiting for an answer before their puts */
#define FIRST_READ 32 /* customers, to find out whether the others are stored */
#define MOST_READ 512
#define WORTH_IT 4 /* one of so many has to be stored */

struct batch {
    struct worker *worker;
    struct customer **customers;
    churn_str *keys;
    uint32_t count;
    uint32_t answered; /* of these, the first ones */
    uint32_t stored;
};

/* What of the hash makes a base. Damage, and a profile of before its customer was forgotten, are left to the put, whose
 * answer settles it. */
static bool take_base(struct worker *worker, struct customer *customer, const churn_pair *fields, uint32_t count,
                      uint64_t version)
{
    const struct registry *registry = &worker->pipeline->catalog.registry;
    const churn_put_reply found = {
        .size = sizeof found, .result = CHURN_CONFLICT, .version = version, .fields = fields, .count = count};
    struct profile *stored = profile_new(registry);
    struct reject reject;
    int32_t result = stored != NULL ? stored_judge(worker, customer, &found, stored, &reject) : CHURN_FATAL;
    if (result == CHURN_OK) {
        stored->version = version;
        cache_set_profile(&worker->cache, customer, stored);
        customer->read = true;
        return true;
    }
    profile_free(stored, registry);
    return stored != NULL ? !worker->failed : out_of_memory(worker);
}

static int32_t on_hash(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct batch *batch = ctx;
    const churn_str *text = profile_find_pair(fields, count, churn_text(CHURN_VERSION_FIELD));
    uint64_t version;
    (void)key;
    if (batch->answered == batch->count || batch->worker->failed) {
        return CHURN_FATAL;
    }
    struct customer *customer = batch->customers[batch->answered++];
    const churn_str id = {.ptr = customer->id, .len = customer->id_len};
    batch->stored += count > 0;
    if (text == NULL || !churn_version_read(*text, &version) ||
        forgetting_judge(batch->worker->pipeline->forgetting, id, fields, count) != FORGETTING_BASE_GOOD) {
        return CHURN_OK;
    }
    return take_base(batch->worker, customer, fields, count, version) ? CHURN_OK : CHURN_FATAL;
}

/* Up to `most` customers of the window's deltas from *at on, which moves behind them. False when memory ran out. */
static bool gather(struct batch *batch, struct window *window, uint32_t *at, uint32_t most)
{
    const char *prefix = batch->worker->pipeline->store_settings.key_prefix;
    batch->count = batch->answered = batch->stored = 0;
    for (; *at < window->delta_count && batch->count < most; ++*at) {
        struct customer *customer = window->deltas[*at]->customer;
        const churn_str id = {.ptr = customer->id, .len = customer->id_len};
        if (customer->profile != NULL || customer->damaged || window->deltas[*at]->event_count == 0) {
            continue;
        }
        char key[STORE_KEY_SIZE];
        uint32_t len = store_keys_profile(prefix, id, key);
        const char *copy = arena_copy(&window->arena, key, len);
        if (copy == NULL) {
            return false;
        }
        batch->customers[batch->count] = customer;
        batch->keys[batch->count++] = (churn_str){.ptr = copy, .len = len};
    }
    return true;
}

/* True when the session still serves. What is wrong with one key ends the reading of its batch, and is settled by that
 * key's put. */
static bool ask(struct worker *worker, struct batch *batch)
{
    churn_error err = {.size = sizeof err};
    int32_t result;
    worker_enter(worker, &worker->pipeline->store);
    result = store_of(worker)->get_many(worker->session.handle, batch->keys, batch->count, on_hash, batch, &err);
    worker_enter(worker, NULL);
    if (result == CHURN_RETRY) {
        session_lose(worker, err.message);
    } else if (result == CHURN_FATAL && !worker->failed) {
        (void)worker_fail(worker, "%s: %s", worker->pipeline->store.label, err.message);
    }
    return result != CHURN_RETRY && !worker->failed;
}

/* A session that owes answers to checkpoints cannot be asked. */
static bool can_ask(const struct worker *worker)
{
    return store_of(worker)->get_many != NULL && worker->session.handle != NULL && !worker->session.went_back &&
           !worker->session.checkpoints->waits(worker, NULL);
}

bool read_ahead(struct worker *worker, struct window *window)
{
    struct batch batch = {.worker = worker};
    uint32_t at = 0, most = FIRST_READ, fewest = FEWEST;
    if (!can_ask(worker) || window->delta_count < FEWEST) {
        return true;
    }
    batch.customers = arena_alloc(&window->arena, MOST_READ * sizeof(struct customer *));
    batch.keys = arena_alloc(&window->arena, MOST_READ * sizeof *batch.keys);
    if (batch.customers == NULL || batch.keys == NULL) {
        return out_of_memory(worker);
    }
    do {
        if (!gather(&batch, window, &at, most)) {
            return out_of_memory(worker);
        }
        if (batch.count < fewest || !ask(worker, &batch)) {
            return !worker->failed;
        }
        most = MOST_READ;
        fewest = 1;
    } while (batch.stored * WORTH_IT >= batch.count);
    return true;
}
