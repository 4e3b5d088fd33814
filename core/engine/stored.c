#include "engine/stored.h"

#include "engine/reach.h"

/* Answers as reach_check_mark, CHURN_REJECT with *reject. */
static int32_t check_position(struct worker *worker, const struct customer *customer, const char *kind, uint32_t part,
                              int64_t below, struct reject *reject)
{
    int32_t result = reach_check_mark(worker, part, customer, kind, below);
    if (result == CHURN_REJECT) {
        churn_str name = parts_name(&worker->parts.items[part]);
        reject_set(reject, REJECT_DAMAGED_PROFILE, PROFILE_COUNTED_NEVER, kind, (int)name.len, name.ptr);
    }
    return result;
}

static bool is_judged(int32_t result)
{
    return result == CHURN_OK || result == CHURN_REJECT;
}

/* Whether a profile has counted events that never were. What it says of such a partition is taken out: it must not hide
 * events that were not counted. Answers as check_position. */
static int32_t check_positions(struct worker *worker, const struct customer *customer, struct profile *profile,
                               struct reject *reject)
{
    int32_t found = CHURN_OK;
    for (uint32_t i = 0; is_judged(found) && i < profile->mark_count; i++) {
        struct mark *mark = &profile->marks[i];
        int32_t result = check_position(worker, customer, MARK_PREFIX, mark->part, mark->next, reject);
        mark->next = result == CHURN_REJECT ? 0 : mark->next;
        found = result != CHURN_OK ? result : found;
    }
    for (uint32_t i = 0; is_judged(found) && i < profile->late_count; i++) {
        struct late *late = &profile->late[i];
        int64_t last = late->count > 0 ? late->ranges[late->count - 1].last : 0;
        int32_t result =
            check_position(worker, customer, LATE_PREFIX, late->part, last < INT64_MAX ? last + 1 : last, reject);
        late->count = result == CHURN_REJECT ? 0 : late->count;
        found = result != CHURN_OK ? result : found;
    }
    return found;
}

int32_t stored_judge(struct worker *worker, const struct customer *customer, const churn_put_reply *reply,
                     struct profile *stored, struct reject *reject)
{
    char message[256];
    int32_t read = profile_read(stored, &worker->pipeline->catalog.registry, &worker->parts,
                                (churn_str){.ptr = customer->id, .len = customer->id_len}, reply->fields, reply->count,
                                message, sizeof message);
    int32_t positions;
    if (read == CHURN_FATAL) {
        (void)out_of_memory(worker);
        return CHURN_FATAL;
    }
    positions = check_positions(worker, customer, stored, reject);
    if (is_judged(positions) && (read == CHURN_REJECT || reply->result == CHURN_REJECT)) {
        reject_set(reject, REJECT_DAMAGED_PROFILE, "%s", reply->result == CHURN_REJECT ? reply->message : message);
        return CHURN_REJECT;
    }
    return positions;
}
