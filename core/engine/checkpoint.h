/* A partition's checkpoint as the store keeps it: read, judged, and put. */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "engine/state.h"
#include "profile/store_keys.h"

#define WHY_SIZE 512

struct checkpoint_read {
    struct checkpoint found;
    char why[WHY_SIZE]; /* it is none; "": it is */
};

/* "checkpoint" or "letters" of a partition. */
static inline churn_str own_key(const struct worker *worker, uint32_t part, const char *what, char key[STORE_KEY_SIZE])
{
    churn_str name = parts_name(&worker->parts.items[part]);
    return (churn_str){.ptr = key, .len = store_keys_own(what, worker->pipeline->store_settings.key_prefix, name, key)};
}

/* False when the fields are no checkpoint; `why` says then which of them is wrong. */
bool checkpoint_parse(const churn_pair *fields, uint32_t count, struct checkpoint *ret, char why[WHY_SIZE]);
/* What to do about a checkpoint that is wrong; always false. */
bool checkpoint_fail(struct worker *worker, uint32_t part, const char *prefix, const char *why);
/* Everything before it was answered. */
int64_t checkpoint_answered(const struct checkpoint *checkpoint);
/* The one under a key prefix. CHURN_OK; CHURN_RETRY when the session was lost; CHURN_REJECT: it cannot be used, and
 * read->why says why. */
int32_t checkpoint_read_under(struct worker *worker, uint32_t part, const char *prefix, struct checkpoint_read *read);
/* Reads what the store keeps: CHURN_OK, CHURN_RETRY when the session was lost, CHURN_FATAL when the worker failed. */
int32_t checkpoint_load(struct worker *worker, uint32_t part);
/* What is put is never behind what is stored, which another member may have put. */
struct checkpoint checkpoint_next(const struct worker *worker, const struct partition *p);
/* False when the session is lost. */
bool checkpoint_put(struct worker *worker, uint32_t part);

#endif
