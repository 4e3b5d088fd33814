/* Customers that are forgotten: who, by a keyed hash, and up to where in each source partition. What is kept of each
 * `churnd forget` is one record of a log; records are numbered from 1 and never change. */
#ifndef TOMBSTONES_H
#define TOMBSTONES_H

#include "base/key.h"
#include <churn/store.h>

#define TOMBSTONE_HASH_BYTES 16
#define TOMBSTONE_HASH_SIZE (2 * TOMBSTONE_HASH_BYTES + 1) /* as hexadecimal digits, with its end */
#define TOMBSTONE_ID_SIZE 33
#define TOMBSTONE_FIELD "_f" /* of a profile that began after its customer was forgotten: by which record */

#define TOMBSTONE_AT "at"       /* when, in ms since 1970 */
#define TOMBSTONE_ID "id"       /* what no other record has */
#define TOMBSTONE_UNTIL "until" /* events whose time is before that, in ms, are forgotten wherever they stand */
#define TOMBSTONE_END "e:"      /* before a partition's name: records below this offset are forgotten */
#define TOMBSTONE_CUSTOMER "c:" /* before a customer's hash */
#define TOMBSTONE_KEY "key"     /* what shows by which key the hashes were made */
#define TOMBSTONE_KEY_SIZE 33
#define TOMBSTONE_SEAL "seal" /* a keyed hash of all other fields, so that who has not the key can write none */
#define TOMBSTONE_SEAL_SIZE 65

struct tombstone_end {
    churn_str source; /* "<topic>/<partition>" */
    int64_t offset;
};

struct tombstone {
    uint64_t number;
    char id[TOMBSTONE_ID_SIZE];
    int64_t at_ms, seen_ms; /* by the wall clock of who wrote it, and by the monotonic one of who read it */
    int64_t until_ms;       /* INT64_MIN: no event time is */
    struct tombstone_end *ends;
    uint32_t end_count, field_count;
    churn_pair *fields; /* the record as it was read, for a store that has lost it */
    char bytes[];
};

struct tombstone_customer {
    unsigned char hash[TOMBSTONE_HASH_BYTES];
    const struct tombstone *tombstone;
};

struct tombstones {
    const struct key *key;    /* theirs; NULL: of any, and not looked at */
    struct tombstone **items; /* by number, from 1 on */
    uint64_t count, room;
    struct tombstone_customer *customers; /* by hash, then by number */
    size_t customer_count, customer_room;
};

/* What stands for a customer. */
void tombstones_hash(const struct key *key, churn_str customer, unsigned char ret[TOMBSTONE_HASH_BYTES]);

/* What is kept in TOMBSTONE_KEY, as hexadecimal digits with its end. */
void tombstones_show_key(const struct key *key, char ret[TOMBSTONE_KEY_SIZE]);
/* What is kept in TOMBSTONE_SEAL, for a record of these fields in whatever order, likewise. False when memory ran out.
 */
bool tombstones_seal(const struct key *key, const churn_pair *fields, uint32_t count, char ret[TOMBSTONE_SEAL_SIZE]);

/* Adds the record of the next number. CHURN_OK; CHURN_REJECT: it is none that this program wrote, or was changed since;
 * CHURN_CONFLICT: it was written with another key; CHURN_FATAL: memory ran out. */
int32_t tombstones_add(struct tombstones *set, const churn_pair *fields, uint32_t count, int64_t now_ms);
/* To be called after the last one of several was added, before anybody asks. */
void tombstones_sort(struct tombstones *set);
/* NULL: there is none with that id. */
const struct tombstone *tombstones_find(const struct tombstones *set, const char *id);
/* Adds those of `from` that it lacks, as seen when they were. False when memory ran out. */
bool tombstones_merge(struct tombstones *set, const struct tombstones *from);
/* Of a set that is no log: the oldest one comes first. */
void tombstones_by_age(struct tombstones *set);
/* The lowest end in a partition of those whose number is above `since`; INT64_MAX: none of them has one there. */
int64_t tombstones_lowest_end(const struct tombstones *set, uint64_t since, churn_str source);
void tombstones_free(struct tombstones *set);

/* The newest one of a customer; NULL: he is not forgotten. */
const struct tombstone *tombstones_newest(const struct tombstones *set, const unsigned char hash[TOMBSTONE_HASH_BYTES]);
/* Whether an event is one of those that are forgotten; `source` as a partition's name, `time_ms` INT64_MAX where it is
 * not known. An empty source: nobody knows where it stands, and it is, when its time is before the forgetting. */
bool tombstones_cover(const struct tombstones *set, const unsigned char hash[TOMBSTONE_HASH_BYTES], churn_str source,
                      int64_t offset, int64_t time_ms);

#endif
