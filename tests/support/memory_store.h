/* A store in memory for sinks under test, with outages on demand. All of its calls may come from any thread. */
#ifndef TESTS_MEMORY_STORE_H
#define TESTS_MEMORY_STORE_H

#include <churn/store.h>
#include <pthread.h>
#include <stdatomic.h>

#define MEMORY_FIELDS 16
#define MEMORY_HASHES 4096

struct memory_hash {
    char key[256]; /* "": free */
    uint32_t count;
    uint64_t version; /* 0: written without one */
    struct {
        char name[64];
        char value[256];
        uint32_t value_len;
    } fields[MEMORY_FIELDS];
    int64_t ttl_ms;
};

struct memory_store {
    pthread_mutex_t lock;
    struct memory_hash *hashes; /* MEMORY_HASHES, sorted by key up to `count` */
    uint32_t count;
    atomic_int out;        /* 1: everything answers CHURN_RETRY, sessions break */
    atomic_int broken;     /* 1: all calls but open answer CHURN_FATAL */
    atomic_int lose_reply; /* so many polls write and then break the session */
    atomic_int sessions;   /* open now */
    atomic_int opened;     /* ever */
};

extern const churn_store_ops memory_store_ops; /* embedded; `self` is a struct memory_store */

void memory_store_init(struct memory_store *store);
void memory_store_free(struct memory_store *store);

/* Writes one hash of "field", "value", …, NULL. */
void memory_store_set(struct memory_store *store, const char *key, ...);

/* A copy of a field's text in `room`, which it returns; NULL when there is none. */
const char *memory_store_get(struct memory_store *store, const char *key, const char *field, char room[256]);

/* How many keys begin with `prefix`. */
uint32_t memory_store_count(struct memory_store *store, const char *prefix);

/* The expiry that the hash was written with; -1: there is none of that key. */
int64_t memory_store_ttl(struct memory_store *store, const char *key);

#endif
