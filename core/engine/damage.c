/* Customers whose stored profile is damaged: it cannot be read, its key holds something else, or a field would
 * overflow. What is wrong with one customer's data holds up no other: their events go to the dead letters, with a
 * reason of their own, and come back by a redrive once the profile is mended. It is looked at again with each window
 * that has events of theirs, so that nothing has to be told when it is. */
#include "engine/damage.h"

#include "engine/set_aside.h"
#include "pipeline/stored_profile.h"

/* A line for each customer that is found, and one a minute while it lasts. */
static void report(struct worker *worker, const struct customer *customer, bool found, uint32_t events,
                   const struct reject *reject)
{
    struct damage_report *report = &worker->damage;
    const char *label = worker->pipeline->store.label;
    bool first = report->naming.next_ms == 0;
    report->events += events;
    if (naming_turns(&report->naming)) {
        if (!first) {
            log_printf(worker->pipeline->log, CHURN_LOG_ERROR, label,
                       "damaged profiles of %u customers: %lld more of their events went to the dead letters",
                       worker->cache.damaged, (long long)report->events);
        }
        report->events = 0;
    }
    if (found && naming_takes(&report->naming)) {
        log_printf(worker->pipeline->log, CHURN_LOG_ERROR, label,
                   "the profile of customer '%.*s' is damaged: %s. This customer's events go to the dead letters (%s), "
                   "everybody else's are counted. " STORED_PROFILE_REPAIR "%s",
                   (int)customer->id_len, customer->id, reject->detail, reject_reason_name(reject->reason),
                   naming_is_full(&report->naming) ? "; more are counted, not shown" : "");
    }
}

bool damage_set_aside(struct worker *worker, struct window *window, struct delta *delta, const struct reject *reject)
{
    struct customer *customer = delta->customer;
    uint32_t outputs = window->output_count;
    bool found = !customer->damaged, ok = true;
    for (uint32_t i = delta->first_event; ok && i != NO_EVENT; i = window->events[i].next) {
        window->events[i].set_aside = !window->events[i].counted;
        ok = window->events[i].counted || set_aside_event(worker, window, customer, &window->events[i], reject);
    }
    window->set_aside = window->set_aside || window->output_count > outputs;
    cache_set_profile(&worker->cache, customer,
                      NULL); /* whatever it was: the store has another, or it is half merged */
    if (delta->skipped < delta->event_count) {
        metrics_add_own(worker->counters.damaged, found);
        cache_set_damaged(&worker->cache, customer, true);
        report(worker, customer, found, delta->event_count - delta->skipped, reject);
    }
    return ok;
}

void damage_mended(struct worker *worker, struct customer *customer)
{
    if (customer->damaged) {
        cache_set_damaged(&worker->cache, customer, false);
        log_printf(worker->pipeline->log, CHURN_LOG_INFO, worker->pipeline->store.label,
                   "the profile of customer '%.*s' is good again; `churnd redrive` counts what was set aside",
                   (int)customer->id_len, customer->id);
    }
}
