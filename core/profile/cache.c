#include "profile/cache.h"

#include <stdlib.h>
#include <utlist.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_SLOTS 1024

uint32_t cache_hash(churn_str id)
{
    return (uint32_t)XXH3_64bits(id.ptr, id.len);
}

static size_t bytes_of(const struct cache *cache, const struct customer *customer)
{
    return sizeof *customer + customer->id_len + 16 + /* the allocator's own */
           3 * sizeof(struct cache_slot) / 2 +        /* a share of the table, on average */
           (customer->profile != NULL ? profile_bytes(customer->profile, cache->registry) : 0);
}

/* ---- the table ---- */

static void insert(struct cache_slot *slots, uint32_t mask, struct customer *customer)
{
    uint32_t i = customer->hash & mask;
    while (slots[i].customer != NULL) {
        i = (i + 1) & mask;
    }
    slots[i] = (struct cache_slot){.customer = customer, .hash = customer->hash};
}

/* Keeps a quarter of the slots free. */
static bool make_room(struct cache *cache)
{
    uint32_t slots = cache->slots != NULL ? cache->mask + 1 : 0;
    struct cache_slot *grown;
    if (cache->count + 1 <= slots / 4 * 3) {
        return true;
    }
    slots = slots != 0 ? slots * 2 : FIRST_SLOTS;
    grown = slots != 0 ? calloc(slots, sizeof *grown) : NULL;
    if (grown == NULL) {
        return false;
    }
    for (uint32_t i = 0; cache->slots != NULL && i <= cache->mask; i++) {
        if (cache->slots[i].customer != NULL) {
            insert(grown, slots - 1, cache->slots[i].customer);
        }
    }
    free(cache->slots);
    cache->slots = grown;
    cache->mask = slots - 1;
    return true;
}

static struct customer *find(const struct cache *cache, churn_str id, uint32_t hash)
{
    if (cache->slots == NULL) {
        return NULL;
    }
    for (uint32_t i = hash & cache->mask; cache->slots[i].customer != NULL; i = (i + 1) & cache->mask) {
        struct customer *customer = cache->slots[i].customer;
        if (cache->slots[i].hash == hash &&
            churn_equal((churn_str){.ptr = customer->id, .len = customer->id_len}, id)) {
            return customer;
        }
    }
    return NULL;
}

/* Closes the gap, so that no search ends too early: what stands behind it moves up as far as its hash allows. */
static void take_out(struct cache *cache, const struct customer *customer)
{
    uint32_t gap = customer->hash & cache->mask;
    while (cache->slots[gap].customer != customer) {
        gap = (gap + 1) & cache->mask;
    }
    for (uint32_t i = (gap + 1) & cache->mask; cache->slots[i].customer != NULL; i = (i + 1) & cache->mask) {
        uint32_t home = cache->slots[i].hash & cache->mask;
        if (((i - home) & cache->mask) >= ((i - gap) & cache->mask)) {
            cache->slots[gap] = cache->slots[i];
            gap = i;
        }
    }
    cache->slots[gap].customer = NULL;
    cache->count--;
}

/* ---- customers ---- */

static struct customer *add(struct cache *cache, churn_str id, uint32_t hash)
{
    struct customer *customer = make_room(cache) ? calloc(1, sizeof *customer + id.len) : NULL;
    if (customer == NULL) {
        return NULL;
    }
    memcpy(customer->id, id.ptr, id.len);
    customer->id_len = id.len;
    customer->hash = hash;
    insert(cache->slots, cache->mask, customer);
    cache->count++;
    DL_APPEND(cache->queue, customer);
    customer->bytes = bytes_of(cache, customer);
    cache->bytes += customer->bytes;
    return customer;
}

struct customer *cache_get(struct cache *cache, churn_str id)
{
    uint32_t hash = cache_hash(id);
    struct customer *customer = find(cache, id, hash);
    if (customer == NULL) {
        customer = add(cache, id, hash);
    }
    if (customer != NULL) {
        customer->used = true;
    }
    return customer;
}

void cache_fetch_slot(const struct cache *cache, uint32_t hash)
{
    if (cache->slots != NULL) {
        __builtin_prefetch(&cache->slots[hash & cache->mask]);
    }
}

/* Most likely the customer with this hash, or NULL. */
static const struct customer *guess(const struct cache *cache, uint32_t hash)
{
    return cache->slots != NULL ? cache->slots[hash & cache->mask].customer : NULL;
}

void cache_fetch_customer(const struct cache *cache, uint32_t hash)
{
    const char *customer = (const char *)guess(cache, hash);
    if (customer != NULL) {
        __builtin_prefetch(customer);
        __builtin_prefetch(customer + 64);
    }
}

void cache_fetch_profile(const struct cache *cache, uint32_t hash)
{
    const struct customer *customer = guess(cache, hash);
    if (customer != NULL && customer->profile != NULL) {
        __builtin_prefetch(customer->profile);
    }
}

void cache_note_growth(struct cache *cache, struct customer *customer)
{
    cache->bytes -= customer->bytes; /* as counted before */
    customer->bytes = bytes_of(cache, customer);
    cache->bytes += customer->bytes;
}

void cache_set_profile(struct cache *cache, struct customer *customer, struct profile *profile)
{
    profile_free(customer->profile, cache->registry);
    customer->profile = profile;
    customer->read = false;
    cache_note_growth(cache, customer);
}

void cache_set_damaged(struct cache *cache, struct customer *customer, bool damaged)
{
    cache->damaged += (uint32_t)damaged - (uint32_t)customer->damaged;
    customer->damaged = damaged;
}

static void forget(struct cache *cache, struct customer *customer)
{
    take_out(cache, customer);
    DL_DELETE(cache->queue, customer);
    cache->bytes -= customer->bytes;
    cache_set_damaged(cache, customer, false);
    profile_free(customer->profile, cache->registry);
    free(customer);
}

void cache_trim(struct cache *cache)
{
    uint64_t looks = 2 * (uint64_t)cache->count;
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
    free(cache->slots);
    cache->slots = NULL;
    cache->mask = 0;
}
