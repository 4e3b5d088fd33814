#include "engine/generation.h"

#include "base/clock.h"
#include "engine/forgetting.h"
#include "engine/forgetting_calls.h"
#include "engine/salts.h"
#include "pipeline/instance.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS 5000 /* after shutdown_timeout, for workers to end */

void generation_order(struct generation *generation, enum worker_order order)
{
    generation->order = order;
    if (order == WORKER_STOP) {
        generation->deadline_ms = clock_monotonic_ms() + generation->pipeline->settings.shutdown_timeout_ms + GRACE_MS;
    }
    for (unsigned i = 0; i < generation->count; i++) {
        worker_order(generation->workers[i], order);
    }
}

unsigned generation_count(const struct generation *generation, enum worker_state state)
{
    unsigned n = 0;
    for (unsigned i = 0; i < generation->count; i++) {
        n += worker_state(generation->workers[i]) == state;
    }
    return n;
}

bool generation_has_started(const struct generation *generation)
{
    bool started = true;
    for (unsigned i = 0; i < generation->count; i++) {
        started = started && worker_has_started(generation->workers[i]);
    }
    return started;
}

bool generation_is_assigned(const struct generation *generation)
{
    bool assigned = true;
    for (unsigned i = 0; i < generation->count; i++) {
        assigned = assigned && worker_health(generation->workers[i]).assigned;
    }
    return assigned;
}

bool generation_has_ended(const struct generation *generation)
{
    return generation_count(generation, WORKER_FAILED) + generation_count(generation, WORKER_FINISHED) ==
           generation->count;
}

bool generation_failed(const struct generation *generation)
{
    return generation->broken || generation_count(generation, WORKER_FAILED) > 0;
}

const char *generation_failure(const struct generation *generation)
{
    const char *why = NULL;
    for (unsigned i = 0; why == NULL && i < generation->count; i++) {
        why = worker_failure(generation->workers[i]);
    }
    return why;
}

int64_t generation_lag(const struct generation *generation)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < generation->count; i++) {
        struct worker_lag lag = worker_lag(generation->workers[i]);
        if (lag.waiting < 0) {
            return -1;
        }
        sum += lag.waiting;
    }
    return sum;
}

/* ---- beginning ---- */

/* `name`: the section's, or the event type's. */
static unsigned name_plugin(struct journal *journal, const char *role, const char *name, const struct loaded *loaded)
{
    char what[JOURNAL_PLUGIN_SIZE];
    (void)snprintf(what, sizeof what, "%s %s", role, name);
    return journal_add_plugin(journal, what, loaded->path);
}

void generation_name_plugins(struct pipeline *pipeline)
{
    struct journal *journal = pipeline->journal;
    for (unsigned i = 0; i < pipeline->processor_count; i++) {
        struct section *section = &pipeline->processors[i];
        section->journal_number = name_plugin(journal, "processor", section->label, section->loaded);
    }
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        struct section *section = &pipeline->sinks[i];
        section->journal_number =
            name_plugin(journal, pipeline_is_dead_letters(pipeline, section) ? "dead letters sink" : "sink",
                        section->label, section->loaded);
    }
    for (unsigned i = 0; i < pipeline->catalog.type_count; i++) {
        const struct event_type *type = &pipeline->catalog.types[i];
        char message[512];
        const struct loaded *loaded = type->table.apply != NULL ? loader_get(pipeline->loader, CHURN_KIND_EVENT,
                                                                             type->name.ptr, message, sizeof message)
                                                                : NULL;
        pipeline->rules[i].journal_number =
            loaded != NULL ? name_plugin(journal, "event type", type->name.ptr, loaded) : 0;
    }
}

/* The journal, which knows all plugins that are called for single events. */
static bool open_journal(struct pipeline *pipeline)
{
    struct journal *journal = pipeline->journal =
        journal_new(pipeline->log, (unsigned)pipeline->settings.workers, (unsigned)pipeline->settings.crash_limit);
    if (journal == NULL) {
        log_line(pipeline->log, CHURN_LOG_ERROR, "churnd", "out of memory");
        return false;
    }
    generation_name_plugins(pipeline);
    journal_open(journal, pipeline->settings.state_dir, pipeline->settings.name);
    return true;
}

/* The store's instance is made when the pipeline is loaded, and anew when the pipeline runs again. */
static bool make_store(struct pipeline *pipeline)
{
    if (pipeline->store.loaded != NULL && pipeline->store_instance == NULL) {
        pipeline->store_instance = instance_new(pipeline, &pipeline->store, 0);
    }
    return pipeline->store.loaded == NULL || pipeline->store_instance != NULL;
}

static bool start_forgetting(struct pipeline *pipeline)
{
    if (!forgetting_start(pipeline, (unsigned)pipeline->settings.workers, &pipeline->forgetting)) {
        log_line(pipeline->log, CHURN_LOG_ERROR, "churnd", "what follows forgotten customers could not be started");
        return false;
    }
    pipeline->forgetting_calls = pipeline->forgetting != NULL ? &forgetting_calls : NULL;
    return true;
}

static bool start_salts(struct pipeline *pipeline)
{
    bool ok = salts_start(pipeline, &pipeline->salts);
    if (!ok) {
        log_line(pipeline->log, CHURN_LOG_ERROR, "churnd", "out of memory");
    }
    return ok;
}

static bool start_workers(struct generation *generation)
{
    struct pipeline *pipeline = generation->pipeline;
    unsigned wanted = (unsigned)pipeline->settings.workers;
    generation->workers = calloc(wanted, sizeof(struct worker *));
    for (; generation->workers != NULL && generation->count < wanted; generation->count++) {
        generation->workers[generation->count] = worker_new(pipeline, generation->count);
        if (generation->workers[generation->count] == NULL) {
            log_printf(pipeline->log, CHURN_LOG_ERROR, "churnd", "a worker could not be made%s",
                       pipeline->config.error_count > 0 ? "" : ": out of memory"); /* else it is told why */
            return false;
        }
    }
    for (unsigned i = 0; i < generation->count; i++) {
        if (!worker_start(generation->workers[i])) {
            log_line(pipeline->log, CHURN_LOG_ERROR, "churnd", "a thread could not be started");
            generation_order(generation, WORKER_STOP);
            return false;
        }
    }
    return generation->workers != NULL;
}

bool generation_start(struct generation *generation, struct pipeline *pipeline)
{
    *generation = (struct generation){.pipeline = pipeline};
    generation->broken = !make_store(pipeline) || !open_journal(pipeline) || !start_forgetting(pipeline) ||
                         !start_salts(pipeline) || !start_workers(generation);
    return !generation->broken;
}

/* ---- end ---- */

struct last_words {
    struct log *log;
    int64_t patience_ms;
    int status;
};

/* Ends the process when a library does not let go of its threads; everything that matters is done by then. */
static void *end_anyway(void *argument)
{
    const struct last_words *last = argument;
    struct timespec patience = {.tv_sec = last->patience_ms / 1000, .tv_nsec = last->patience_ms % 1000 * 1000000};
    (void)nanosleep(&patience, NULL);
    log_line(last->log, CHURN_LOG_WARN, "churnd",
             "a plugin does not let go; all is done, so the process ends without it");
    (void)fflush(stdout);
    _exit(last->status);
}

void generation_end(struct generation *generation, int64_t patience_ms, int status)
{
    struct pipeline *pipeline = generation->pipeline;
    struct last_words last = {.log = pipeline->log, .patience_ms = patience_ms, .status = status};
    bool clean = !generation_failed(generation);
    pthread_t thread;
    bool watched = pthread_create(&thread, NULL, end_anyway, &last) == 0;
    for (unsigned i = 0; generation->workers != NULL && i < generation->count; i++) {
        worker_free(generation->workers[i]);
    }
    free((void *)generation->workers);
    salts_stop(pipeline->salts);
    pipeline->salts = NULL;
    forgetting_stop(pipeline->forgetting);
    pipeline->forgetting = NULL;
    pipeline->forgetting_calls = NULL;
    instance_free(pipeline->store_instance); /* nobody may have a store's folder open twice */
    pipeline->store_instance = NULL;
    if (watched) {
        (void)pthread_cancel(thread);
        (void)pthread_join(thread, NULL);
    }
    journal_close(pipeline->journal, clean);
    pipeline->journal = NULL;
    *generation = (struct generation){.pipeline = pipeline};
}
