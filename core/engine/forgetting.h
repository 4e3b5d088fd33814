/* Customers that are forgotten, as a run follows them: the log of tombstones in the store, read to its end before the
 * first event and looked at all the time by a thread of its own, with a session of its own. What a store lacks that is
 * in the source's ledger (engine/forgotten_topic.h) is put there first.
 *
 * Why no event of before counts again. A worker that learns of a tombstone gives up all that is in flight and reads it
 * again, so from then on nothing that it holds was made without it; that is what an instance answers to `forget`. No
 * profile is put when the newest look at the log is older than FORGETTING_LEASE_MS; so once that time has passed since
 * a tombstone could be seen, nobody puts without knowing of it. Until then (FORGETTING_SETTLE_MS) no profile of that
 * customer is put. A process that was stopped for longer, between looking at the clock and sending, may put all the
 * same: once it goes on it has every profile of a forgotten customer that it held erased before it answers. A profile
 * that begins after it carries the tombstone's id in `_f`; one without it is of before: nothing is joined to it, and it
 * is erased where its version is still the one that was looked at. */
#ifndef FORGETTING_H
#define FORGETTING_H

#include "pipeline/pipeline.h"
#include "profile/tombstones.h"

#define FORGETTING_LOOK_MS 500
#define FORGETTING_LEASE_MS 3000
#define FORGETTING_SETTLE_MS 4000
#define FORGETTING_INSTANCE_TTL_MS 60000 /* how long an instance that does not answer is one */

struct forgetting;

/* Starts to follow; *ret NULL where the pipeline has no `forget:`. False: it could not be started. [main] */
bool forgetting_start(struct pipeline *pipeline, unsigned workers, struct forgetting **ret);
/* For commands that only look: the log as it is now, and nobody follows it. *ret as of forgetting_start. */
int32_t forgetting_read(struct pipeline *pipeline, void *session, struct forgetting **ret, churn_error *err);
/* Once the workers have ended, before the store is closed; may be NULL. [main] */
void forgetting_stop(struct forgetting *forgetting);

/* All of these with NULL: nobody is forgotten. [any] */

/* How many tombstones are known; -1: the log was not read to its end yet. */
int64_t forgetting_known(const struct forgetting *forgetting);
/* The worker holds nothing that was made without the first `known`. */
void forgetting_adopt(struct forgetting *forgetting, unsigned worker, int64_t known);
/* An instance of a plugin holds nothing that they cover; from its first call on it takes part. */
void forgetting_adopt_instance(struct forgetting *forgetting, const churn_host *host, int64_t known);
/* They have ended, and hold nothing any more: nobody waits for them. */
void forgetting_leave(struct forgetting *forgetting, unsigned worker);
void forgetting_leave_instance(struct forgetting *forgetting, const churn_host *host);
/* When the newest look that has ended began, by the monotonic clock. */
int64_t forgetting_looked_ms(const struct forgetting *forgetting);
/* Whether a look began later than that, by the monotonic clock, and has ended. */
bool forgetting_looked_since(const struct forgetting *forgetting, int64_t ms);

/* Whether a customer has a tombstone; *ret_id: the newest one's, *ret_settled: whether his profile may be put. */
bool forgetting_find(struct forgetting *forgetting, churn_str customer, char ret_id[TOMBSTONE_ID_SIZE],
                     bool *ret_settled);
/* The lowest end in a partition of the tombstones behind the first `since`; INT64_MAX: none of them has one there. */
int64_t forgetting_end_since(struct forgetting *forgetting, int64_t since, churn_str source);
/* Whether an event of his is forgotten, or what followed from one; see tombstones_cover. */
bool forgetting_covers(struct forgetting *forgetting, churn_str customer, churn_str source, int64_t offset,
                       int64_t time_ms);
/* No profile may be put now. */
bool forgetting_lapsed(const struct forgetting *forgetting);
/* Can a stored profile, of these fields, be joined to? */
enum forgetting_base {
    FORGETTING_BASE_GOOD,
    FORGETTING_BASE_OLD,    /* it is of before the customer's newest tombstone */
    FORGETTING_BASE_UNKNOWN /* it began after a tombstone that is not known here: the log has to be looked at */
};
enum forgetting_base forgetting_judge(struct forgetting *forgetting, churn_str customer, const churn_pair *fields,
                                      uint32_t count);
/* Has the customer's profile erased, if it is older than his tombstone, once what may be on its way has come; to be
 * called before the tombstone is adopted. False when memory ran out. */
bool forgetting_erase(struct forgetting *forgetting, churn_str customer);

/* The key of what an instance answers. */
#define FORGETTING_INSTANCE "instance" /* as store_keys_own's `what` */

/* Erases the customer's profile unless it carries the tombstone `id`. *ret: how many were. [any, own session] */
int32_t forgetting_erase_profile(const churn_store_ops *ops, void *session, churn_str key, const char *id,
                                 unsigned *ret, churn_error *err);

#endif
