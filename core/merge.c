/* Which events of a delta count, judged against the profile that it is joined to: those at or behind the mark that were
 * not counted late, and, of those put back from the dead letters, all that were not counted late. The judgement is made
 * anew whenever the store turns out to have another profile. */
#include "worker_internal.h"

#include "fault.h"

/* What the profile says now; events counted late are noted in it one by one, so that a repeat within the delta is told.
 */
static bool is_counted(const struct profile *profile, const struct window_event *event)
{
    return (event->late != LATE_REDRIVEN && event->offset < profile_mark(profile, event->source)) ||
           profile_is_late(profile, event->source, event->offset);
}

static bool fold_one(struct worker *worker, struct window *window, struct delta *delta, struct profile *profile,
                     const struct window_event *kept)
{
    const struct source_partition *source = &worker->sources.items[kept->source];
    churn_event event;
    struct reject reject;
    const struct event_type *type = event_decode(worker->decoder, kept->payload, kept->len, &event, &reject);
    if (type == NULL) {
        return worker_fail(worker, "an event that was valid before is refused now: %s", reject.detail);
    }
    event.topic = (churn_str){.ptr = source->topic, .len = (uint32_t)strlen(source->topic)};
    event.partition = source->partition;
    event.offset = kept->offset;
    if (intake_fold(worker, type, &event, kept->source, &delta->fields, &window->arena, &reject) != CHURN_OK) {
        return worker_fail(worker, "event type %s", reject.detail);
    }
    return kept->late == NOT_LATE || profile_add_late(profile, kept->source, kept->offset) ||
           worker_fail(worker, "out of memory");
}

/* Folds again those events of a delta that the profile has not counted. */
static bool fold_again(struct worker *worker, struct window *window, struct delta *delta, struct profile *profile)
{
    fields_clear(&delta->fields);
    delta->skipped = 0;
    for (uint32_t i = delta->first_event; i != NO_EVENT; i = window->events[i].next) {
        if (is_counted(profile, &window->events[i])) {
            delta->skipped++;
        } else if (!fold_one(worker, window, delta, profile, &window->events[i])) {
            return false;
        }
    }
    return true;
}

/* True when the profile has counted nothing that the delta holds. */
static bool is_disjoint(const struct delta *delta, const struct profile *profile)
{
    for (const struct range *range = delta->ranges; range != NULL; range = range->next) {
        if (profile_mark(profile, range->source) > range->low ||
            profile_has_late_from(profile, range->source, range->low)) {
            return false;
        }
    }
    return !delta->has_late;
}

/* For tests only: the old rule, by which a delta counts as a whole if its end was not counted. */
static bool ends_beyond(const struct delta *delta, const struct profile *profile)
{
    for (const struct range *range = delta->ranges; range != NULL; range = range->next) {
        if (range->high >= profile_mark(profile, range->source)) {
            return true;
        }
    }
    return false;
}

static bool raise_marks(struct profile *profile, const struct delta *delta)
{
    bool ok = true;
    for (const struct range *range = delta->ranges; range != NULL; range = range->next) {
        ok = profile_set_mark(profile, range->source, range->high + 1) && ok;
    }
    return ok;
}

bool merge_delta(struct worker *worker, struct window *window, struct delta *delta, bool *ret_changed)
{
    const struct registry *registry = &worker->pipeline->catalog.registry;
    struct customer *customer = delta->customer;
    size_t before, grown;
    bool whole;
    if (customer->profile == NULL) {
        struct profile *empty = profile_new(registry);
        if (empty == NULL) {
            return worker_fail(worker, "out of memory");
        }
        cache_set_profile(&worker->cache, customer, empty);
    }
    before = profile_bytes(customer->profile, registry);
    whole = MUTANT("marks") || (MUTANT("straddle") && ends_beyond(delta, customer->profile));
    if (!whole && (delta->skipped > 0 || !is_disjoint(delta, customer->profile))) {
        if (!fold_again(worker, window, delta, customer->profile)) {
            return false;
        }
        if (delta->skipped == delta->event_count) {
            *ret_changed = false;
            return true;
        }
    }
    if (!profile_merge(customer->profile, &delta->fields, registry, &worker->sources) ||
        !raise_marks(customer->profile, delta)) {
        return worker_fail(worker, "out of memory");
    }
    grown = profile_bytes(customer->profile, registry) - before;
    customer->bytes += grown;
    worker->cache.bytes += grown;
    *ret_changed = true;
    return true;
}
