#define XXH_INLINE_ALL
#include <xxhash.h>
#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned)XXH3_64bits((key), (len)))
#include "cache.h"

#include <stdlib.h>
#include <utlist.h>

static size_t bytes_of(const struct cache *cache, const struct customer *customer)
{
    return sizeof *customer + customer->id_len + 16 + /* the allocator's own */
           (customer->profile != NULL ? profile_bytes(customer->profile, cache->registry) : 0);
}

struct customer *cache_get(struct cache *cache, churn_str id)
{
    struct customer *customer;
    HASH_FIND(hh, cache->by_id, id.ptr, id.len, customer);
    if (customer == NULL) {
        customer = calloc(1, sizeof *customer + id.len);
        if (customer == NULL) {
            return NULL;
        }
        memcpy(customer->id, id.ptr, id.len);
        customer->id_len = id.len;
        HASH_ADD_KEYPTR(hh, cache->by_id, customer->id, customer->id_len, customer);
        if (customer->hh.tbl == NULL) { /* no memory for the table */
            free(customer);
            return NULL;
        }
        DL_APPEND(cache->queue, customer);
        customer->bytes = bytes_of(cache, customer);
        cache->bytes += customer->bytes;
    }
    customer->used = true;
    return customer;
}

void cache_set_profile(struct cache *cache, struct customer *customer, struct profile *profile)
{
    profile_free(customer->profile, cache->registry);
    customer->profile = profile;
    cache->bytes -= customer->bytes; /* as counted, for the profile may have grown since */
    customer->bytes = bytes_of(cache, customer);
    cache->bytes += customer->bytes;
}

static void forget(struct cache *cache, struct customer *customer)
{
    HASH_DEL(cache->by_id, customer);
    DL_DELETE(cache->queue, customer);
    cache->bytes -= customer->bytes;
    profile_free(customer->profile, cache->registry);
    free(customer);
}

void cache_trim(struct cache *cache)
{
    unsigned looks = 2 * HASH_COUNT(cache->by_id);
    while (cache->bytes > cache->limit && looks-- > 0 && cache->queue != NULL) {
        struct customer *customer = cache->queue;
        if (customer->used || customer->writing != NULL || customer->filling != NULL) {
            customer->used = false;
            DL_DELETE(cache->queue, customer);
            DL_APPEND(cache->queue, customer);
        } else {
            forget(cache, customer);
        }
    }
}

void cache_free(struct cache *cache)
{
    while (cache->queue != NULL) {
        forget(cache, cache->queue);
    }
}
