/* The customers that a worker knows: their newest stored profiles, within a bound of memory. One thread. */
#ifndef CACHE_H
#define CACHE_H

#include "profile/profile.h"

struct delta;

struct customer {
    struct customer *prev, *next; /* in the order in which they are looked at for eviction */
    size_t bytes;                 /* that the cache counts for it */
    struct profile *profile;      /* NULL: not known, the store may have one */
    struct delta *writing;        /* what the window being written adds; NULL: nothing */
    struct delta *filling;        /* what the window being filled adds */
    uint32_t hash;                /* of the id */
    uint32_t id_len;
    bool used;    /* since it was last looked at */
    bool read;    /* the profile was asked for, and not written since */
    bool damaged; /* what the store has for it can be neither read nor written over */
    char id[];
};

struct cache_slot {
    struct customer *customer; /* NULL: free */
    uint32_t hash;             /* the customer's, so that others are passed over unseen */
};

/* A hash table with linear probing: one look at memory for the slot, one for the customer. */
struct cache {
    const struct registry *registry;
    struct cache_slot *slots;
    uint32_t mask;    /* slots - 1, or 0 without any */
    uint32_t count;   /* customers */
    uint32_t damaged; /* customers whose profiles are damaged */
    struct customer *queue;
    size_t bytes, limit;
};

/* The customer, added with an unknown profile if it is new; NULL when memory ran out. Valid until cache_trim or
 * cache_free. */
struct customer *cache_get(struct cache *cache, churn_str id);
/* Hints that cache_get will be called for the id with this hash, to be given in this order and some records apart: each
 * fetches from memory what the next one looks at. */
uint32_t cache_hash(churn_str id);
void cache_fetch_slot(const struct cache *cache, uint32_t hash);
void cache_fetch_customer(const struct cache *cache, uint32_t hash);
void cache_fetch_profile(const struct cache *cache, uint32_t hash);
/* Takes ownership of `profile` (NULL: unknown) in place of the one it had. */
void cache_set_profile(struct cache *cache, struct customer *customer, struct profile *profile);
/* The customer's profile may have grown. */
void cache_note_growth(struct cache *cache, struct customer *customer);
/* Notes whether the store's profile of the customer is damaged. */
void cache_set_damaged(struct cache *cache, struct customer *customer, bool damaged);
/* Forgets customers that no window needs, least recently used ones first (second chance), until the bound holds. */
void cache_trim(struct cache *cache);
void cache_free(struct cache *cache);

#endif
