#include "engine/counters.h"

#include "base/clock.h"
#include "event/severity.h"
#include <stddef.h>

/* ---- the names ---- */

/* A counter of the worker; `name` is the summary's. */
static const struct row {
    size_t offset; /* in struct worker_counters */
    const char *name;
    const char *shown, *help; /* NULL: the summary alone shows it */
} rows[] = {
#define ROW(member, ...) {offsetof(struct worker_counters, member), __VA_ARGS__}
    ROW(events, "events", "churnd_events_total", "Records taken from the source."),
    ROW(applied, "events_applied", "churnd_events_applied_total", "Events counted in a profile that is stored."),
    ROW(already_counted, "events_already_counted", "churnd_events_already_counted_total",
        "Events left out because their profile had counted them before."),
    ROW(filtered, "events_filtered", "churnd_events_filtered_total", "Events that a processor left out."),
    ROW(forgotten, "events_forgotten", "churnd_events_forgotten_total",
        "Events passed over because their customer was forgotten after them."),
    ROW(ignored, "events_ignored", "churnd_events_ignored_total", "Events of unknown types, where they are ignored."),
    ROW(puts, "profile_writes", "churnd_store_puts_total", "Writes of profiles that the store acknowledged."),
    ROW(created, "profiles_created", "churnd_profiles_created_total", "Profiles written for the first time."),
    ROW(conflicts, "profile_conflicts", "churnd_store_conflicts_total",
        "Writes that another writer or a cold cache forestalled; they were merged and repeated."),
    ROW(damaged, "profile_damaged", "churnd_profiles_found_damaged_total",
        "Customers whose stored profile was found damaged."),
    ROW(rewinds, "source_rewinds", "churnd_source_rewinds_total",
        "Times that the source was read again because the store may have lost something."),
    ROW(gaps, "source_gaps", "churnd_source_gaps_total",
        "Times that the store lacked what cannot be read again, so that profiles are incomplete."),
    ROW(triggers, "triggers", "churnd_triggers_total", "Prediction triggers that followed from events."),
    ROW(dead_letters, "dead_letters", NULL, NULL),
    ROW(letters, "letters", NULL, NULL),
    ROW(left_alone, "letters_left_alone", NULL, NULL),
    ROW(older, "letters_older", NULL, NULL),
    ROW(newer, "letters_newer", NULL, NULL),
    ROW(written_again, "letters_written_again", NULL, NULL),
    ROW(again, "letters_offered_again", NULL, NULL),
    ROW(sent, "records_sent", NULL, NULL),
#undef ROW
};

static const int64_t write_bounds_us[] = {100,   250,    500,    1000,   2500,    5000,    10000,   25000,
                                          50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};
static const int64_t profile_bounds_ms[] = {1,     2,      5,      10,      25,       50,      100,
                                            250,   500,    1000,   2500,    5000,     10000,   30000,
                                            60000, 300000, 900000, 3600000, 21600000, 86400000};

static const churn_metric store_write = {
    .size = sizeof store_write,
    .kind = CHURN_METRIC_HISTOGRAM,
    .name = "churnd_store_write_seconds",
    .help = "From the first write of a window's profiles to the store until the last one was acknowledged.",
    .bounds = write_bounds_us,
    .bound_count = sizeof write_bounds_us / sizeof *write_bounds_us,
    .per_unit = 1000000};
static const churn_metric event_to_profile = {
    .size = sizeof event_to_profile,
    .kind = CHURN_METRIC_HISTOGRAM,
    .name = "churnd_event_to_profile_seconds",
    .help = "From a record's own time, or its receipt where it has none, until its event was in a stored profile.",
    .bounds = profile_bounds_ms,
    .bound_count = sizeof profile_bounds_ms / sizeof *profile_bounds_ms,
    .per_unit = 1000};

/* How /metrics shows it; `label` NULL: without one. */
static churn_metric shown(uint32_t kind, const char *name, const char *help, const churn_label *label)
{
    return (churn_metric){.size = sizeof(churn_metric),
                          .kind = kind,
                          .name = name,
                          .help = help,
                          .labels = label,
                          .label_count = label != NULL};
}

static churn_counter *labelled(struct worker *worker, const char *name, const char *shown_name, const char *help,
                               const char *label, const char *value)
{
    const churn_label one = {.name = label, .value = value};
    const churn_metric as = shown(CHURN_METRIC_COUNTER, shown_name, help, &one);
    return metrics_shown(worker->pipeline->metrics, worker, name, &as);
}

static churn_counter *gauge(struct worker *worker, const char *name, const char *help, const churn_label *label)
{
    const churn_metric as = shown(CHURN_METRIC_GAUGE, name, help, label);
    return metrics_shown(worker->pipeline->metrics, worker, NULL, &as);
}

static churn_counter *sink_counter(struct worker *worker, const churn_label *sink, const char *what, const char *name,
                                   const char *help)
{
    const churn_metric as = shown(CHURN_METRIC_COUNTER, name, help, sink);
    return metrics_sink_counter(worker->pipeline->metrics, worker, sink->value, what, &as);
}

static void make_own(struct worker *worker)
{
    struct metrics *metrics = worker->pipeline->metrics;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const churn_metric as = shown(CHURN_METRIC_COUNTER, rows[i].shown, rows[i].help, NULL);
        churn_counter **counter = (churn_counter **)(void *)((char *)&worker->counters + rows[i].offset);
        *counter = rows[i].shown != NULL ? metrics_shown(metrics, worker, rows[i].name, &as)
                                         : metrics_counter(metrics, worker, rows[i].name);
    }
}

void counters_make(struct worker *worker)
{
    const struct pipeline *pipeline = worker->pipeline;
    make_own(worker);
    for (unsigned i = 0; i < REJECT_REASON_COUNT; i++) {
        const char *reason = reject_reason_name((enum reject_reason)i);
        char name[64];
        (void)snprintf(name, sizeof name, "dead_letters_%s", reason);
        worker->counters.reasons[i] =
            labelled(worker, name, "churnd_dead_letters_total", "Events that became dead letters.", "reason", reason);
    }
    for (uint32_t i = CHURN_SEVERITY_INFO; i <= CHURN_SEVERITY_CRITICAL; i++) {
        worker->shown.alerts[i] = labelled(worker, "alerts", "churnd_alerts_total", "Alerts that followed from events.",
                                           "severity", severity_name(i));
    }
    worker->shown.windows =
        gauge(worker, "churnd_windows_in_flight", "Windows of records that are read and not yet let go of.", NULL);
    worker->shown.store_write = metrics_histogram(pipeline->metrics, worker, &store_write);
    worker->shown.event_to_profile = metrics_histogram(pipeline->metrics, worker, &event_to_profile);
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        struct sink_state *state = &worker->sink_states[i];
        const churn_label label = {.name = "sink", .value = pipeline->sinks[i].label};
        state->sent =
            sink_counter(worker, &label, "sent", "churnd_sink_sent_total", "Records that a sink has taken for good.");
        state->dropped = sink_counter(worker, &label, "dropped", "churnd_sink_dropped_total",
                                      "Records that a sink refused, where the pipeline says that they are dropped.");
        state->given_up = sink_counter(worker, &label, "given_up", "churnd_sink_given_up_total",
                                       "Records that a sink has not taken or answered in time.");
        state->waiting =
            gauge(worker, "churnd_sink_waiting_records", "Records that a sink has not yet taken for good.", &label);
    }
}

/* ---- how long it took ---- */

int32_t counters_age(const struct worker *worker, const struct window *window, const churn_record *record)
{
    int64_t time_ms = record->timestamp_ms != 0 ? record->timestamp_ms : worker->intake.polled_ms;
    int64_t age_ms = window->began_ms - time_ms;
    return age_ms > INT32_MAX ? INT32_MAX : age_ms < INT32_MIN ? INT32_MIN : (int32_t)age_ms;
}

static void note_profiles(struct worker *worker, const struct window *window)
{
    churn_histogram *histogram = worker->shown.event_to_profile;
    const struct histogram_bounds *bounds = histogram_bounds(histogram);
    struct histogram_values values = {0};
    int64_t since_ms = clock_wall_ms() - window->began_ms;
    for (uint32_t i = 0; i < window->event_count; i++) {
        const struct window_event *event = &window->events[i];
        int64_t took_ms = since_ms + event->age_ms;
        if (!event->counted && !event->set_aside) {
            histogram_note(&values, bounds, took_ms > 0 ? took_ms : 0);
        }
    }
    histogram_add_own(histogram, &values);
}

static void note_write(struct worker *worker, const struct window *window)
{
    churn_histogram *histogram = worker->shown.store_write;
    struct histogram_values values = {0};
    histogram_note(&values, histogram_bounds(histogram), clock_monotonic_us() - window->put_us);
    histogram_add_own(histogram, &values);
}

void counters_note_window(struct worker *worker, const struct window *window)
{
    if (window->event_count > 0) {
        note_write(worker, window);
        note_profiles(worker, window);
    }
    for (uint32_t i = CHURN_SEVERITY_INFO; i <= CHURN_SEVERITY_CRITICAL; i++) {
        metrics_add_own(worker->shown.alerts[i], window->alerts[i]);
    }
    metrics_add_own(worker->counters.triggers, window->triggers);
}
