/* What `churnd forget` says that it did: a JSON object. */
#ifndef FORGET_RECEIPT_H
#define FORGET_RECEIPT_H

#include "cli/forget_ends.h"
#include "cli/forget_kept.h"
#include "cli/forget_places.h"
#include "profile/tombstones.h"
#include <json-c/json.h>

struct live_instance {
    char host[128], pid[24], key[STORE_KEY_SIZE];
    int64_t adopted;
};

struct forget_receipt {
    const struct pipeline *pipeline;
    const char *const *customers;
    unsigned customer_count;
    uint64_t number; /* of the tombstone; 0: none was written */
    char id[TOMBSTONE_ID_SIZE];
    const char *topic; /* that keeps it too; NULL: none does */
    int64_t at_ms;
    bool has_until;
    int64_t until_ms;
    const struct source_ends *ends;
    struct json_object *erased; /* places, owned */
    struct json_object *kept;   /* those of records in files, by their texts, owned */
    struct json_object *untold; /* of forget_kept; may be NULL */
    const struct live_instance *instances;
    size_t instance_count;
    bool complete;
    const char *failure; /* NULL: none */
};

void forget_receipt_add(struct forget_receipt *receipt, const struct held_place *place);
/* One more record, to the receipt that `ctx` is; as kept_record_fn. */
void forget_receipt_add_kept(void *ctx, const struct kept_record *record);
void forget_receipt_free(struct forget_receipt *receipt);
/* How many of the customers anything was erased of. */
unsigned forget_receipt_held(const struct forget_receipt *receipt);
/* Whether it can be written to `path`, as below. False, with a message. */
bool forget_receipt_can(const char *path);
/* To a new file, only its owner's, or to standard output where `path` is NULL. False, with a message. */
bool forget_receipt_write(const struct forget_receipt *receipt, const char *path);
/* What this program does not erase: the places that the pipeline reads and writes, but for its store and what can be
 * searched. */
struct json_object *forget_receipt_elsewhere(const struct pipeline *pipeline);

#endif
