/* How far profiles may have counted, and how far dead letters may go: what the store is told before either is written.
 * Both are kept in one hash beside the checkpoint: `counted` and `below`. */
#include "engine/reach.h"

#include "engine/checkpoint.h"
#include "engine/partitions.h"
#include "engine/proof.h"
#include "engine/rounds.h"
#include "engine/session.h"
#include "engine/stalled.h"
#include "profile/store_keys.h"
#include "profile/told.h"
#include <inttypes.h>

#define LETTERS_AHEAD 20000 /* offsets, so that not every window has to wait for it */
#define COUNTED_AHEAD 100000

static int32_t on_told(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    (void)key;
    told_read(ctx, fields, count);
    return CHURN_OK;
}

int32_t reach_load(struct worker *worker, uint32_t part)
{
    struct partition *p = partition_at(worker, part);
    struct told told = {.counted = TOLD_NOTHING};
    char key[STORE_KEY_SIZE];
    churn_error err = {.size = sizeof err};
    int32_t result =
        store_of(worker)->get(worker->session.handle, own_key(worker, part, "letters", key), on_told, &told, &err);
    if (result == CHURN_RETRY) {
        session_lose(worker, err.message);
        return CHURN_RETRY;
    }
    if (result != CHURN_OK) {
        (void)worker_fail(worker, "%s: %s cannot be read: %s", worker->pipeline->store.label, key, err.message);
        return CHURN_FATAL;
    }
    p->announced = told.below;
    p->reached = told_reached(&told, p->stored.offset);
    p->reach = p->reached > 0 ? p->reached : 0;
    return CHURN_OK;
}

/* False when the store does not have it. */
static bool tell(struct worker *worker, uint32_t part, struct told told)
{
    struct partition *p = partition_at(worker, part);
    char key[STORE_KEY_SIZE], counted[24], below[24];
    churn_error err = {.size = sizeof err};
    churn_pair fields[] = {{.name = churn_text("counted"), .value = {.ptr = counted}},
                           {.name = churn_text("below"), .value = {.ptr = below}}};
    churn_hash hash = {.key = own_key(worker, part, "letters", key), .fields = fields, .count = told.below > 0 ? 2 : 1};
    int32_t result;
    fields[0].value.len = (uint32_t)snprintf(counted, sizeof counted, "%" PRId64, told.counted);
    fields[1].value.len = (uint32_t)snprintf(below, sizeof below, "%" PRId64, told.below);
    result = store_of(worker)->write(worker->session.handle, &hash, 1, &err);
    if (result == CHURN_OK) {
        p->announced = told.below;
        p->lettered = told.below > p->lettered ? told.below : p->lettered;
        p->reach = told.counted;
        worker_goes_on(worker, &worker->pipeline->store, STALL_WRITE, NULL);
    } else if (result == CHURN_RETRY) {
        session_refuse(worker, err.message);
    } else {
        (void)worker_fail(worker, "%s: %s", worker->pipeline->store.label, err.message);
    }
    return result == CHURN_OK;
}

/* The store can be told something now. */
static bool can_tell(const struct worker *worker)
{
    return worker->session.handle != NULL && !worker->session.went_back && !rounds_wait(worker);
}

/* What the store is to know before a window that ends at `next` is written: as much further as this run has come, so
 * that it is told seldom, and a short run is known closely. */
static struct told wanted(const struct worker *worker, const struct window *window, const struct partition *p,
                          int64_t next)
{
    struct told told = {.counted = p->reach, .below = p->announced};
    int64_t come = next > p->began ? next - p->began : 0;
    if (next > told.counted) {
        told.counted = next + (come < COUNTED_AHEAD ? come : COUNTED_AHEAD);
    }
    if (worker->pipeline->profiles_only) {
        return told;
    }
    if (p->lettered_below > told.below) {
        told.below = p->lettered_below; /* the store came back older: it is told again */
    }
    if (window->has_letters && next > told.below) {
        told.below = next + LETTERS_AHEAD;
    }
    return told;
}

/* A redrive adds to profiles that others count into, and may be doing so now. False while it does not know how far. */
static bool learn(struct worker *worker)
{
    bool ok = can_tell(worker) && partitions_make_room(worker);
    for (uint32_t i = 0; ok && i < partition_count(worker); i++) {
        ok = partition_at(worker, i)->place != PLACE_NONE || /* of the dead letters */
             (checkpoint_load(worker, i) == CHURN_OK && reach_load(worker, i) == CHURN_OK);
    }
    return ok;
}

bool reach_announce(struct worker *worker, const struct window *window)
{
    if (worker->pipeline->redrive != NULL) {
        return learn(worker);
    }
    for (uint32_t i = 0; i < window->position_count; i++) {
        const struct window_position *position = &window->positions[i];
        struct partition *p = partition_find(worker, position->part);
        struct told told;
        if (p == NULL || p->place == PLACE_NONE) {
            continue;
        }
        told = wanted(worker, window, p, position->next);
        if ((told.counted > p->reach || told.below > p->announced) &&
            (!can_tell(worker) || !tell(worker, position->part, told))) {
            return false;
        }
        p->written = position->next > p->written ? position->next : p->written;
    }
    return true;
}

void reach_settle(struct worker *worker)
{
    for (uint32_t i = 0; worker->pipeline->redrive == NULL && i < partition_count(worker); i++) {
        const struct partition *p = partition_at(worker, i);
        struct told told = {.counted = p->written, .below = p->announced};
        told.counted = p->reached > told.counted ? p->reached : told.counted; /* others may have, before this run */
        told.counted = p->stored.offset > told.counted ? p->stored.offset : told.counted;
        if (p->place == PLACE_NONE || told.counted >= p->reach) {
            continue;
        }
        if (!can_tell(worker) || session_is_writing(worker) || !tell(worker, i, told)) {
            return;
        }
    }
}

int32_t reach_check_mark(struct worker *worker, uint32_t part, const struct customer *customer, const char *kind,
                         int64_t mark)
{
    struct partition *p = partition_find(worker, part);
    int64_t low, end, counted;
    if (p != NULL && worker->pipeline->redrive != NULL) {
        return p->reached != NOTHING && mark > p->reached ? CHURN_REJECT : CHURN_OK;
    }
    if (p == NULL || p->place == PLACE_NONE || p->end == NOTHING || (mark <= p->end && p->end < INT64_MAX)) {
        return CHURN_OK;
    }
    if (partitions_ask_bounds(worker, part, &low, &end) != CHURN_OK) {
        return CHURN_RETRY;
    }
    p->end = end;
    counted = p->written > p->stored.offset ? p->written : p->stored.offset;
    if (end < counted && source_of(worker)->resume == NULL) {
        (void)proof_refuse_short(worker, part, "this run has", counted, end);
        return CHURN_FATAL;
    }
    if (mark <= end) {
        return CHURN_OK;
    }
    if (p->reached != NOTHING && mark > p->reached && mark > p->written) {
        return CHURN_REJECT;
    }
    (void)proof_refuse_profile(worker, part, (churn_str){.ptr = customer->id, .len = customer->id_len}, kind, mark,
                               end);
    return CHURN_FATAL;
}
