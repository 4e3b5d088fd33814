/* The tombstone of `churnd forget`: first in the topic, where the source keeps one, then in the store's log. */
#ifndef FORGET_TOMBSTONE_H
#define FORGET_TOMBSTONE_H

#include "cli/forget_customers.h"
#include "cli/forget_ends.h"
#include "profile/tombstones.h"

struct tombstone_order {
    struct pipeline *pipeline;
    const struct customer_ids *ids;
    const struct source_ends *ends;
    const struct key *key;
    bool has_until;
    int64_t until_ms;

    /* what came of it */
    char id[TOMBSTONE_ID_SIZE];
    int64_t at_ms;
    uint64_t number;   /* in the store's log; 0: it was not written there */
    const char *topic; /* where it was written, or may have been; NULL: nowhere */
};

/* Writes it, and into each of both what the other one holds and it lacks. */
int32_t forget_tombstone_write(struct tombstone_order *order, void *session, churn_error *err);

#endif
