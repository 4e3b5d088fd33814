/* `churnd run` and `churnd check`. */
#include "commands.h"

#include "health.h"
#include "host.h"
#include "summary.h"
#include "worker.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define REPEAT_MS 1000  /* within which a signal is the same one again */
#define LOOK_MS 20      /* between looks at the workers */
#define PROGRESS_MS 500 /* between lines of progress */
#define GRACE_MS 5000   /* after shutdown_timeout, for workers to end */

/* A signal that asks to stop, waited for up to LOOK_MS; 0: none. The signals are blocked in every thread. */
static int wait_for_signal(const sigset_t *signals)
{
    struct timespec wait = {.tv_nsec = LOOK_MS * 1000000L};
    int signal_number = sigtimedwait(signals, NULL, &wait);
    return signal_number > 0 ? signal_number : 0;
}

static void order_all(struct worker *const *workers, unsigned count, enum worker_order order)
{
    for (unsigned i = 0; i < count; i++) {
        worker_order(workers[i], order);
    }
}

static unsigned count_in(struct worker *const *workers, unsigned count, enum worker_state state)
{
    unsigned n = 0;
    for (unsigned i = 0; i < count; i++) {
        n += worker_state(workers[i]) == state;
    }
    return n;
}

/* What main knows of a run. */
struct run {
    struct pipeline *pipeline;
    struct worker **workers;
    unsigned count;
    enum worker_order order;
    int64_t deadline_ms; /* once it stops: then the process ends whatever a worker waits for */
    int64_t signal_ms;   /* of the first signal */
    bool terminal;
    struct health *health; /* NULL: not asked for */
};

/* A pipeline runs: the process ends by main's will only once it does no more. */
static atomic_bool running;

static void stop(struct run *run)
{
    run->order = WORKER_STOP;
    run->deadline_ms = host_monotonic_ms() + run->pipeline->settings.shutdown_timeout_ms + GRACE_MS;
    order_all(run->workers, run->count, WORKER_STOP);
}

static void on_signal(struct run *run, int signal_number)
{
    if (run->signal_ms != 0 && host_monotonic_ms() - run->signal_ms < REPEAT_MS) {
        return; /* sent to the process and to its group: one wish */
    }
    if (run->signal_ms != 0) {
        log_line(run->pipeline->log, CHURN_LOG_WARN, "churnd", "stopped at once; what is not committed is read again");
        _exit(1);
    }
    log_printf(run->pipeline->log, CHURN_LOG_INFO, "churnd", "%s: finishing what was read (once more to stop at once)",
               signal_number == SIGINT ? "SIGINT" : "SIGTERM");
    run->signal_ms = host_monotonic_ms();
    stop(run);
}

/* A worker that does not come back from a plugin cannot be stopped from outside, but the process can: its next run
 * knows the event. */
static void end_if_hung(const struct run *run)
{
    char message[512];
    int64_t limit_ms = run->pipeline->settings.plugin_timeout_ms;
    if (limit_ms > 0 && journal_hung(run->pipeline->journal, host_monotonic_ms(), limit_ms, message, sizeof message)) {
        log_printf(run->pipeline->log, CHURN_LOG_ERROR, "churnd",
                   "%s (plugin_timeout); the process ends, and its next run counts this against the event", message);
        _exit(1);
    }
}

/* While a pipeline runs nobody but a plugin calls exit. The status must then not look like a success to whoever is to
 * start churnd again. */
static void on_process_exit(void)
{
    if (atomic_load(&running)) {
        (void)fputs("churnd: a plugin ended the process by exit()\n", stderr);
        _exit(1);
    }
}

/* False, with a message in the log, when the address cannot be listened on. */
static bool start_health(struct run *run)
{
    const char *listen = run->pipeline->health_settings.listen;
    char message[256];
    if (listen == NULL) {
        return true;
    }
    run->health = health_start(listen, message, sizeof message);
    if (run->health == NULL) {
        log_line(run->pipeline->log, CHURN_LOG_ERROR, "churnd", message);
    } else {
        log_printf(run->pipeline->log, CHURN_LOG_INFO, "churnd", "health: http://%s/healthz and /readyz", listen);
    }
    return run->health != NULL;
}

static void tell_health(const struct run *run)
{
    const struct pipeline *pipeline = run->pipeline;
    struct health_status status = {.pipeline = pipeline->settings.name,
                                   .stopping = run->order != WORKER_GO_ON,
                                   .looked_ms = host_monotonic_ms(),
                                   .worker_count = run->count};
    if (run->health == NULL) {
        return;
    }
    if (pipeline->store.loaded != NULL) {
        const churn_store_ops *ops = store_ops(&pipeline->store);
        status.store = pipeline->store.label;
        status.durability = ops->durability != NULL ? ops->durability(pipeline->store_instance->self) : NULL;
    }
    for (unsigned i = 0; i < run->count; i++) {
        status.workers[i] = worker_health(run->workers[i]);
    }
    health_publish(run->health, &status);
}

static void watch(struct run *run, const sigset_t *signals)
{
    struct progress progress;
    progress_start(&progress);
    for (;;) {
        int signal_number = wait_for_signal(signals);
        unsigned failed = count_in(run->workers, run->count, WORKER_FAILED);
        unsigned ended = failed + count_in(run->workers, run->count, WORKER_FINISHED);
        end_if_hung(run);
        tell_health(run);
        if (ended == run->count) {
            break;
        }
        if (signal_number != 0) {
            on_signal(run, signal_number);
        } else if (failed > 0 && run->order != WORKER_STOP) {
            stop(run);
        } else if (run->order == WORKER_GO_ON && count_in(run->workers, run->count, WORKER_AT_END) == run->count) {
            run->order = WORKER_FINISH;
            order_all(run->workers, run->count, WORKER_FINISH);
        } else if (run->order == WORKER_STOP && host_monotonic_ms() > run->deadline_ms) {
            log_line(run->pipeline->log, CHURN_LOG_WARN, "churnd",
                     "a worker did not stop in time; what is not committed is read again at the next start");
            _exit(failed > 0);
        }
        if (run->terminal && host_monotonic_ms() - progress.last_ms >= PROGRESS_MS) {
            progress_show(&progress, run->pipeline, run->workers, run->count);
        }
    }
    if (run->terminal) {
        log_status(run->pipeline->log, "");
    }
}

static void free_workers(struct run *run)
{
    for (unsigned i = 0; run->workers != NULL && i < run->count; i++) {
        worker_free(run->workers[i]);
    }
    free((void *)run->workers);
}

/* Makes and starts all workers; those that started are stopped again when one does not. */
static bool start_workers(struct run *run)
{
    unsigned wanted = (unsigned)run->pipeline->settings.workers;
    run->workers = calloc(wanted, sizeof(struct worker *));
    for (; run->workers != NULL && run->count < wanted; run->count++) {
        run->workers[run->count] = worker_new(run->pipeline, run->count);
        if (run->workers[run->count] == NULL) {
            log_line(run->pipeline->log, CHURN_LOG_ERROR, "churnd", "a worker could not be made: out of memory");
            return false;
        }
    }
    for (unsigned i = 0; i < run->count; i++) {
        if (!worker_start(run->workers[i])) {
            log_line(run->pipeline->log, CHURN_LOG_ERROR, "churnd", "a thread could not be started");
            order_all(run->workers, run->count, WORKER_STOP);
            return false;
        }
    }
    return run->workers != NULL;
}

static void block_signals(sigset_t *signals)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL); /* a closed connection is an error code */
}

static void apply_log_settings(const struct arguments *arguments, const struct pipeline *pipeline, struct log *log)
{
    const char *level = arguments->log_level != NULL ? arguments->log_level : pipeline->log_settings.level;
    enum log_format format = (enum log_format)pipeline->log_settings.format;
    if (arguments->log_format != NULL) {
        format = strcmp(arguments->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
    }
    log_configure(log, log_level_parse(level), format);
}

/* Where a sink writes to standard output, the summary must not come between its lines. */
static bool writes_stdout(const struct pipeline *pipeline)
{
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        const struct node *path = config_get(pipeline->sinks[i].node, "path");
        if (path != NULL && path->kind == NODE_SCALAR && strcmp(path->text, "-") == 0) {
            return true;
        }
    }
    return false;
}

/* `name`: the section's, or the event type's. */
static unsigned name_plugin(struct journal *journal, const char *role, const char *name, const struct loaded *loaded)
{
    char what[JOURNAL_PLUGIN_SIZE];
    (void)snprintf(what, sizeof what, "%s %s", role, name);
    return journal_add_plugin(journal, what, loaded->path);
}

/* The journal with all plugins that are called for single events. */
static bool open_journal(struct pipeline *pipeline, struct log *log)
{
    struct journal *journal = pipeline->journal =
        journal_new(log, (unsigned)pipeline->settings.workers, (unsigned)pipeline->settings.crash_limit);
    if (journal == NULL) {
        log_line(log, CHURN_LOG_ERROR, "churnd", "out of memory");
        return false;
    }
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
        struct event_type *type = &pipeline->catalog.types[i];
        char message[512];
        const struct loaded *loaded = type->table.apply != NULL ? loader_get(pipeline->loader, CHURN_KIND_EVENT,
                                                                             type->name.ptr, message, sizeof message)
                                                                : NULL;
        type->journal_number = loaded != NULL ? name_plugin(journal, "event type", type->name.ptr, loaded) : 0;
    }
    journal_open(journal, pipeline->settings.state_dir, pipeline->settings.name);
    return true;
}

struct last_words {
    struct log *log;
    bool ok;
};

/* Ends the process when a library does not let go of its threads; everything that matters is done by then. */
static void *end_anyway(void *argument)
{
    const struct last_words *last = argument;
    struct timespec patience = {.tv_sec = GRACE_MS / 1000};
    (void)nanosleep(&patience, NULL);
    log_line(last->log, CHURN_LOG_WARN, "churnd",
             "a plugin does not let go; all is done, so the process ends without it");
    (void)fflush(stdout);
    _exit(last->ok ? 0 : 1);
}

/* Frees the workers, for at most GRACE_MS. */
static void let_go(struct run *run, struct log *log, bool ok)
{
    struct last_words last = {.log = log, .ok = ok};
    pthread_t thread;
    bool watched = pthread_create(&thread, NULL, end_anyway, &last) == 0;
    free_workers(run);
    if (watched) {
        (void)pthread_cancel(thread);
        (void)pthread_join(thread, NULL);
    }
}

int run_pipeline(const struct arguments *arguments, struct pipeline *pipeline, struct log *log)
{
    struct run run = {.pipeline = pipeline, .terminal = isatty(STDERR_FILENO) == 1};
    int64_t started = host_monotonic_ms();
    sigset_t signals;
    bool ok;
    apply_log_settings(arguments, pipeline, log);
    block_signals(&signals);
    log_printf(log, CHURN_LOG_INFO, "churnd", "%s: %u event types, %lld worker%s", pipeline->settings.name,
               pipeline->catalog.type_count, (long long)pipeline->settings.workers,
               pipeline->settings.workers == 1 ? "" : "s");
    atomic_store(&running, atexit(on_process_exit) == 0);
    ok = start_health(&run) && open_journal(pipeline, log) && start_workers(&run);
    if (ok) {
        watch(&run, &signals);
        ok = count_in(run.workers, run.count, WORKER_FAILED) == 0;
        summary_print(writes_stdout(pipeline) ? stderr : stdout, pipeline,
                      (double)(host_monotonic_ms() - started) / 1000);
    }
    health_stop(run.health);
    let_go(&run, log, ok);
    atomic_store(&running, false);
    journal_close(pipeline->journal, ok);
    pipeline->journal = NULL;
    return ok ? 0 : 1;
}

int command_run(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    int status = 1;
    if (pipeline_load(&pipeline, arguments->config, loader, log, stderr)) {
        pipeline.until_end = arguments->until_end;
        pipeline.replay = arguments->replay;
        status = run_pipeline(arguments, &pipeline, log);
    }
    pipeline_free(&pipeline);
    return status;
}

int command_check(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    bool ok = pipeline_load(&pipeline, arguments->config, loader, log, stderr);
    if (ok) {
        (void)printf("%s: good: %u event types, %u profile fields\n", arguments->config, pipeline.catalog.type_count,
                     pipeline.catalog.registry.field_count + pipeline.catalog.registry.derived_count);
    }
    pipeline_free(&pipeline);
    return ok ? 0 : 1;
}
