/* A store in memory with outages on demand. All of its calls may come from any thread. */
#ifndef TESTKIT_MEMORY_STORE_H
#define TESTKIT_MEMORY_STORE_H

#include <churn/store.h>
#include <pthread.h>
#include <stdatomic.h>

/* One block of memory: the texts lie behind the pairs. */
struct memory_hash {
    churn_str key;    /* NUL-terminated, as all texts here */
    uint64_t version; /* 0: written without one */
    int64_t ttl_ms;
    uint32_t count;
    churn_pair fields[];
};

struct memory_store {
    pthread_mutex_t lock;
    struct memory_hash **hashes; /* sorted by key */
    uint32_t count, room;
    atomic_int out;        /* 1: everything answers CHURN_RETRY, sessions break */
    atomic_int broken;     /* 1: all calls but open answer CHURN_FATAL */
    atomic_int lose_reply; /* so many polls write and then break the session */
    atomic_int sessions;   /* open now */
    atomic_int opened;     /* ever */
};

extern const churn_store_ops memory_store_ops; /* embedded; `self` is a struct memory_store */

void memory_store_init(struct memory_store *store);
void memory_store_free(struct memory_store *store);
/* Forgets everything. */
void memory_store_clear(struct memory_store *store);

/* Writes one hash of "field", "value", …, NULL. */
void memory_store_set(struct memory_store *store, const char *key, ...);

/* Merges fields into the hash of `key`, whose version counts up. False when memory ran out. */
int memory_store_merge(struct memory_store *store, churn_str key, const churn_pair *fields, uint32_t count);

/* The hash of `key`, or NULL; valid until the next write. Not while other threads use the store. */
const struct memory_hash *memory_store_find(const struct memory_store *store, churn_str key);

/* A copy of a field's text in `room`, which it returns; NULL when there is none. */
const char *memory_store_get(struct memory_store *store, const char *key, const char *field, char room[256]);

/* How many keys begin with `prefix`. */
uint32_t memory_store_count(struct memory_store *store, const char *prefix);

/* The expiry that the hash was written with; -1: there is none of that key. */
int64_t memory_store_ttl(struct memory_store *store, const char *key);

#endif
