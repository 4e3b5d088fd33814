/* The customers that a worker knows: their newest stored profiles, within a bound of memory. One thread. */
#ifndef CACHE_H
#define CACHE_H

#include "profile.h"
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct delta;

struct customer {
    UT_hash_handle hh;
    struct customer *prev, *next; /* in the order in which they are looked at for eviction */
    struct profile *profile;      /* NULL: not known, the store may have one */
    struct delta *writing;        /* what the window being written adds; NULL: nothing */
    struct delta *filling;        /* what the window being filled adds */
    size_t bytes;                 /* that the cache counts for it */
    bool used;                    /* since it was last looked at */
    uint32_t id_len;
    char id[];
};

struct cache {
    const struct registry *registry;
    struct customer *by_id;
    struct customer *queue;
    size_t bytes, limit;
};

/* The customer, added with an unknown profile if it is new; NULL when memory ran out. Valid until cache_trim or
 * cache_free. */
struct customer *cache_get(struct cache *cache, churn_str id);
/* Takes ownership of `profile` (NULL: unknown) in place of the one it had. */
void cache_set_profile(struct cache *cache, struct customer *customer, struct profile *profile);
/* Forgets customers that no window needs, least recently used ones first (second chance), until the bound holds. */
void cache_trim(struct cache *cache);
void cache_free(struct cache *cache);

#endif
