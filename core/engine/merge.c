/* Which events of a delta count, judged against the profile that it is joined to: those at or behind the mark that were
 * not counted late, and, of those put back from the dead letters, all that were not counted late. The judgement is made
 * anew whenever the store turns out to have another profile. */
#include "engine/merge.h"

#include "engine/plugin_call.h"

/* What the profile says now; events counted late are noted in it one by one, so that a repeat within the delta is told.
 */
static bool is_counted(const struct profile *profile, const struct window_event *event)
{
    return (event->late != LATE_REDRIVEN && event->offset < profile_mark(profile, event->part)) ||
           profile_is_late(profile, event->part, event->offset);
}

/* CHURN_OK, CHURN_REJECT with *reject, or CHURN_FATAL. */
static int32_t fold_one(struct worker *worker, struct window *window, struct delta *delta, struct profile *profile,
                        const struct window_event *kept, struct reject *reject)
{
    const struct part *place = &worker->parts.items[kept->part];
    churn_event event;
    int32_t result;
    const struct event_type *type = event_decode(worker->intake.decoder, kept->payload, kept->len, &event, reject);
    if (type == NULL) {
        (void)worker_fail(worker, "an event that was valid before is refused now: %s", reject->detail);
        return CHURN_FATAL;
    }
    event.topic = churn_text(place->topic);
    event.partition = place->partition;
    event.offset = kept->offset;
    result = plugin_fold(worker, type, &event, kept->part, &delta->fields, &window->arena, reject);
    if (result == CHURN_OK && kept->late != NOT_LATE && !profile_add_late(profile, kept->part, kept->offset)) {
        result = CHURN_FATAL;
    }
    if (result != CHURN_OK && result != CHURN_REJECT) {
        (void)out_of_memory(worker);
        return CHURN_FATAL;
    }
    return result;
}

static bool note_counted(struct delta *delta, const struct profile *profile, struct window_event *event)
{
    event->counted = is_counted(profile, event);
    delta->skipped += event->counted;
    return event->counted;
}

void merge_note_counted(struct window *window, struct delta *delta, const struct profile *profile)
{
    delta->skipped = 0;
    for (uint32_t i = delta->first_event; i != NO_EVENT; i = window->events[i].next) {
        (void)note_counted(delta, profile, &window->events[i]);
    }
}

/* Folds again those events of a delta that the profile has not counted; answers as fold_one. */
static int32_t fold_again(struct worker *worker, struct window *window, struct delta *delta, struct profile *profile,
                          struct reject *reject)
{
    int32_t result = CHURN_OK;
    fields_clear(&delta->fields);
    delta->skipped = 0;
    for (uint32_t i = delta->first_event; i != NO_EVENT; i = window->events[i].next) {
        if (!note_counted(delta, profile, &window->events[i]) && result == CHURN_OK) {
            result = fold_one(worker, window, delta, profile, &window->events[i], reject);
        }
    }
    return result;
}

/* True when the profile has counted nothing that the delta holds. */
static bool is_disjoint(const struct delta *delta, const struct profile *profile)
{
    for (const struct range *range = delta->ranges; range != NULL; range = range->next) {
        if (profile_mark(profile, range->part) > range->low ||
            profile_has_late_from(profile, range->part, range->low)) {
            return false;
        }
    }
    return !delta->has_late;
}

static bool raise_marks(struct profile *profile, const struct delta *delta)
{
    bool ok = true;
    for (const struct range *range = delta->ranges; range != NULL; range = range->next) {
        ok = profile_set_mark(profile, range->part, range->high + 1) && ok;
    }
    return ok;
}

/* The cached profile, empty where none is known; NULL when the worker failed. */
static struct profile *base_of(struct worker *worker, struct customer *customer)
{
    if (customer->profile == NULL) {
        struct profile *empty = profile_new(&worker->pipeline->catalog.registry);
        if (empty == NULL) {
            (void)out_of_memory(worker);
            return NULL;
        }
        cache_set_profile(&worker->cache, customer, empty);
    }
    return customer->profile;
}

int32_t merge_delta(struct worker *worker, struct window *window, struct delta *delta, struct reject *reject)
{
    const struct registry *registry = &worker->pipeline->catalog.registry;
    struct customer *customer = delta->customer;
    struct profile *profile = base_of(worker, customer);
    int32_t overflow;
    if (profile == NULL) {
        return CHURN_FATAL;
    }
    if (delta->skipped > 0 || !is_disjoint(delta, profile)) {
        int32_t result = fold_again(worker, window, delta, profile, reject);
        if (result != CHURN_OK) {
            return result;
        }
        if (delta->skipped == delta->event_count) {
            return CHURN_DROP;
        }
    }
    if (!profile_merge(profile, &delta->fields, registry, &worker->parts) || !raise_marks(profile, delta)) {
        (void)out_of_memory(worker);
        return CHURN_FATAL;
    }
    cache_note_growth(&worker->cache, customer);
    overflow = profile_overflow(profile);
    if (overflow >= 0) {
        reject_set(reject, REJECT_FIELD_OVERFLOW, "field '%s' would be larger than a profile can hold",
                   registry->fields[overflow].name.ptr);
        return CHURN_REJECT;
    }
    return CHURN_OK;
}
