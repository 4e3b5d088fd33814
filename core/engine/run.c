#include "engine/run.h"

#include "base/clock.h"
#include "engine/generation.h"
#include "engine/handover.h"
#include "engine/monitor.h"
#include "engine/reload.h"
#include "engine/replaying.h"
#include "engine/run_audit.h"
#include "engine/run_line.h"
#include "engine/sandbox.h"
#include "engine/service.h"
#include "engine/summary.h"
#include "pipeline/load.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REPEAT_MS 1000        /* within which a signal is the same one again */
#define LOOK_MS 20            /* between looks at the workers */
#define GRACE_MS 5000         /* for plugins to let go of what they have */
#define RELOAD_GRACE_MS 30000 /* … further, at a reload: servers may have ceased to answer to the old password */

/* What main knows of a run. */
struct run {
    const struct run_options *options;
    struct generation now;
    struct pipeline *next;     /* a reload has begun: it is good, and waits for the workers of the one before to end */
    struct pipeline *previous; /* the one before, until all workers of the new one have started */
    struct pipeline *spare;    /* room for the next pipeline */
    struct handover handover;
    struct log *log;
    bool reload_wanted;
    /* whose signals they were that asked; pid 0: no process's */
    struct ucred asks;    /* for the reload that is wanted */
    struct ucred asked;   /* for the one that has begun */
    struct ucred stopper; /* to stop, the first one */
    int64_t signal_ms;    /* of the first signal that asks to stop */
    int interrupted;      /* that signal, where it came before the end of work that has one; 0: it did not */
    bool terminal;
    struct replaying *replaying; /* NULL: it is no replay until the end */
    bool replay_lacks;           /* partitions that others held */
    struct monitor monitor;
    struct service service;
    struct sandbox sandbox;
};

/* A pipeline runs: the process ends by main's will only once it does no more. */
static atomic_bool running;

/* ---- signals ---- */

static void block_signal(sigset_t *signals, int signal_number)
{
    (void)sigaddset(signals, signal_number);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static void block_signals(sigset_t *signals)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigemptyset(signals);
    block_signal(signals, SIGTERM);
    block_signal(signals, SIGINT);
    block_signal(signals, SIGHUP);
    (void)sigaction(SIGPIPE, &ignore, NULL); /* a closed connection is an error code */
}

/* The kernel's own, such as a terminal's Ctrl-C, have none. */
static struct ucred sender_of(const siginfo_t *info)
{
    bool sent = info->si_code == SI_USER || info->si_code == SI_QUEUE || info->si_code == SI_TKILL;
    return sent ? (struct ucred){.pid = info->si_pid, .uid = info->si_uid} : (struct ucred){0};
}

/* A signal, waited for up to LOOK_MS; 0: none. They are blocked in every thread. */
static int wait_for_signal(const sigset_t *signals, struct ucred *ret_sender)
{
    struct timespec wait = {.tv_nsec = LOOK_MS * 1000000L};
    siginfo_t info;
    int signal_number = sigtimedwait(signals, &info, &wait);
    if (signal_number <= 0) {
        return 0;
    }
    *ret_sender = sender_of(&info);
    return signal_number;
}

/* Workers have their time, and plugins theirs, twice: to stop, and to let go. */
static void tell_stopping(struct run *run)
{
    service_stopping(&run->service, run->now.pipeline->settings.shutdown_timeout_ms + 2 * GRACE_MS);
}

static void on_stop_signal(struct run *run, int signal_number, const struct ucred *sender)
{
    if (run->signal_ms != 0 && clock_monotonic_ms() - run->signal_ms < REPEAT_MS) {
        return; /* sent to the process and to its group: one wish */
    }
    if (run->signal_ms != 0) {
        log_line(run->log, CHURN_LOG_WARN, "churnd", "stopped at once; what is not committed is read again");
        _exit(run->interrupted != 0 ? STATUS_INTERRUPTED(run->interrupted) : 1);
    }
    log_printf(run->log, CHURN_LOG_INFO, "churnd", "SIG%s: finishing what was read (once more to stop at once)",
               sigabbrev_np(signal_number));
    run->signal_ms = clock_monotonic_ms();
    run->stopper = *sender;
    if (run->now.pipeline->until_end) {
        run->interrupted = signal_number;
    }
    tell_stopping(run);
    generation_order(&run->now, WORKER_STOP);
}

/* SIGHUP asks for a reload, but when it tells that the terminal has gone. */
static void on_signal(struct run *run, int signal_number, const struct ucred *sender)
{
    if (signal_number == SIGHUP && (!run->terminal || isatty(STDERR_FILENO))) {
        run->reload_wanted = true;
        run->asks = *sender;
    } else if (signal_number != 0) {
        on_stop_signal(run, signal_number, sender);
    }
}

/* ---- what may end the process ---- */

/* A worker that does not come back from a plugin cannot be stopped from outside, but the process can: its next run
 * knows the event. */
static void end_if_hung(const struct run *run)
{
    const struct pipeline *pipeline = run->now.pipeline;
    char message[512];
    int64_t limit_ms = pipeline->settings.plugin_timeout_ms;
    if (limit_ms > 0 && journal_hung(pipeline->journal, clock_monotonic_ms(), limit_ms, message, sizeof message)) {
        log_printf(run->log, CHURN_LOG_ERROR, "churnd",
                   "%s (plugin_timeout); the process ends, and its next run counts this against the event", message);
        _exit(1);
    }
}

/* One rule for all work: 0 when it is done, or, having no end, was ended in order; 1 when something is wrong; and that
 * a signal came before the end. */
static int status_of(const struct run *run, bool ok)
{
    if (!ok) {
        return 1;
    }
    return run->interrupted != 0 ? STATUS_INTERRUPTED(run->interrupted) : 0;
}

static void tell_late(const struct run *run)
{
    const struct generation *now = &run->now;
    for (unsigned i = 0; i < now->count; i++) {
        enum worker_state state = worker_state(now->workers[i]);
        const struct section *section;
        char where[320];
        if (state == WORKER_FINISHED || state == WORKER_FAILED) {
            continue;
        }
        worker_where(now->workers[i], &section, where, sizeof where);
        log_printf(run->log, CHURN_LOG_WARN, "churnd",
                   "worker %u did not stop in time, it waits for %s; what is not committed is read again at the next "
                   "start",
                   i, where);
    }
}

static void end_if_late(const struct run *run)
{
    int64_t grace_ms = run->next != NULL && run->signal_ms == 0 ? RELOAD_GRACE_MS : 0;
    if (run->now.order == WORKER_STOP && clock_monotonic_ms() > run->now.deadline_ms + grace_ms) {
        tell_late(run);
        _exit(status_of(run, !generation_failed(&run->now) && run->signal_ms != 0));
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

/* ---- health ---- */

/* A worker that does not come back from a plugin is a state in which events do not move. */
static void watch_turns(const struct run *run)
{
    const struct pipeline *pipeline = run->now.pipeline;
    for (unsigned i = 0; i < run->now.count; i++) {
        const struct worker *worker = run->now.workers[i];
        struct stall_place place = {.owner = worker, .plugin = "worker", .worker = i};
        int64_t turned_ms = worker_health(worker).turned_ms, for_ms = clock_monotonic_ms() - turned_ms;
        const struct section *section;
        char where[320], message[448];
        if (turned_ms == 0 || for_ms <= HEALTH_STUCK_MS || generation_has_ended(&run->now)) {
            stalls_end(pipeline->stalls, &place, "stuck", NULL);
            continue;
        }
        worker_where(worker, &section, where, sizeof where);
        place.plugin = section != NULL ? section->label : place.plugin;
        (void)snprintf(message, sizeof message, "worker %u does not go on, for %lld s; it waits for %s", i,
                       (long long)for_ms / 1000, where);
        stalls_begin(pipeline->stalls, &place, "stuck", CHURN_LOG_ERROR, message);
    }
}

/* ---- one pipeline after another ---- */

static void apply_log_settings(const struct run_options *options, const struct pipeline *pipeline, struct log *log)
{
    const char *level = options->log_level != NULL ? options->log_level : pipeline->log_settings.level;
    enum log_format format = (enum log_format)pipeline->log_settings.format;
    if (options->log_format != NULL) {
        format = strcmp(options->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
    }
    log_configure(log, log_level_parse(level), format);
}

static void announce(const struct run *run, const char *what)
{
    const struct pipeline *pipeline = run->now.pipeline;
    log_printf(run->log, CHURN_LOG_INFO, "churnd", "%s%s: %u event types, %lld worker%s", what, pipeline->settings.name,
               pipeline->catalog.type_count, (long long)pipeline->settings.workers,
               pipeline->settings.workers == 1 ? "" : "s");
}

/* Starts the pipeline's workers, and shows it. False when it cannot start. */
static bool start_workers(struct run *run, struct pipeline *pipeline)
{
    bool ok = generation_start(&run->now, pipeline);
    if (ok) {
        monitor_attach(&run->monitor, pipeline);
    }
    return ok;
}

/* Takes the pipeline's place in the run, with what was counted and how far it was read. False when it cannot start. */
static bool change_over(struct run *run, struct pipeline *to)
{
    struct pipeline *from = run->now.pipeline;
    const struct generation between = {.pipeline = to, .order = WORKER_STOP};
    monitor_tell(&run->monitor, &between); /* the texts of the one that ends must not be needed any more */
    monitor_detach(&run->monitor);
    generation_end(&run->now, from->settings.shutdown_timeout_ms + GRACE_MS, 1);
    monitor_change(&run->monitor, from, to);
    to->handover = &run->handover;
    to->audit = from->audit;
    apply_log_settings(run->options, to, run->log); /* no worker writes a line now */
    if (run->handover.failed) {
        log_line(run->log, CHURN_LOG_ERROR, "churnd", "out of memory");
        run->now = (struct generation){.pipeline = to, .broken = true};
        return false;
    }
    return start_workers(run, to);
}

static void tell_reloaded(const struct run *run, enum reload_result result, const struct pipeline *from,
                          const struct pipeline *to)
{
    monitor_reloaded(&run->monitor, result);
    run_audit_reload(run->now.pipeline->audit, &run->asked, result, from, to);
}

static bool go_back(struct run *run)
{
    struct pipeline *refused = run->now.pipeline, *previous = run->previous;
    const char *why = generation_failure(&run->now);
    log_printf(run->log, CHURN_LOG_ERROR, "churnd",
               "the new pipeline could not be started: %s; going back to the one before",
               why != NULL ? why : "see above");
    run->previous = NULL;
    bool ok = change_over(run, previous);
    tell_reloaded(run, RELOAD_REVERTED, previous, refused);
    pipeline_free(refused);
    run->spare = refused;
    return ok;
}

/* All workers have ended. False: so has the run. */
static bool begin_again(struct run *run)
{
    bool failed = generation_failed(&run->now);
    if (run->signal_ms != 0 || (run->next == NULL && run->previous == NULL)) {
        return false;
    }
    if (run->previous != NULL) {
        return failed && go_back(run);
    }
    if (failed) {
        return false;
    }
    run->previous = run->now.pipeline;
    struct pipeline *next = run->next;
    run->next = NULL;
    return change_over(run, next) || go_back(run);
}

/* The new pipeline's workers have all started: there is no way back, and none is needed. */
static void settle(struct run *run)
{
    tell_reloaded(run, RELOAD_TAKEN, run->previous, run->now.pipeline);
    pipeline_free(run->previous);
    run->spare = run->previous;
    run->previous = NULL;
    announce(run, "reloaded ");
}

static void begin_reload(struct run *run)
{
    run->reload_wanted = false;
    run->asked = run->asks;
    if (run->now.order == WORKER_FINISH) {
        log_printf(run->log, CHURN_LOG_INFO, "churnd", "SIGHUP: %s is not read again: the input is at its end",
                   run->options->files.pipeline);
        return;
    }
    service_reloading(&run->service);
    if (reload_load(run->options->files, run->now.pipeline, run->spare, &run->sandbox)) {
        log_printf(run->log, CHURN_LOG_INFO, "churnd", "SIGHUP: %s is good; finishing what was read before it is used",
                   run->options->files.pipeline);
        run->next = run->spare;
        generation_order(&run->now, WORKER_STOP);
    } else {
        tell_reloaded(run, RELOAD_REFUSED, run->now.pipeline, NULL);
    }
}

/* ---- the run ---- */

/* Nothing is left to read. */
static bool is_at_end(struct run *run)
{
    const struct generation *now = &run->now;
    bool at_end = now->order == WORKER_GO_ON && generation_count(now, WORKER_AT_END) == now->count;
    bool whole = true;
    if (!replaying_may_end(run->replaying, run->log, at_end, &whole)) {
        return false;
    }
    run->replay_lacks = !whole;
    return true;
}

/* What is to be done with workers of which some still run. */
static void look_after(struct run *run)
{
    struct generation *now = &run->now;
    if (now->order == WORKER_GO_ON && generation_failed(now)) {
        generation_order(now, WORKER_STOP);
    } else if (now->order != WORKER_STOP && generation_has_started(now)) {
        if (run->previous != NULL) {
            settle(run);
        }
        replaying_watch(run->replaying, run->log, generation_is_assigned(now));
        if (is_at_end(run)) {
            generation_order(now, WORKER_FINISH);
        } else if (run->reload_wanted) {
            begin_reload(run);
        }
    }
    end_if_late(run);
}

/* Where a sink writes to standard output, the summary must not come between its lines. */
static bool writes_stdout(const struct pipeline *pipeline)
{
    for (unsigned i = 0; i < pipeline->targets.count; i++) {
        const struct target *target = &pipeline->targets.items[i];
        if ((target->flags & CHURN_TARGET_WRITES) != 0 && strcmp(target->kind, CHURN_TARGET_FILE) == 0 &&
            strcmp(target->name, "-") == 0) {
            return true;
        }
    }
    return false;
}

/* … and neither may a line that is drawn again and again. */
static bool shares_terminal(const struct pipeline *pipeline)
{
    return isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1 && writes_stdout(pipeline);
}

static void watch(struct run *run, const sigset_t *signals)
{
    struct run_line line;
    struct ucred sender = {0};
    run_line_begin(&line, run->now.pipeline, run->options->quiet || shares_terminal(run->now.pipeline));
    for (;;) {
        int signal_number = wait_for_signal(signals, &sender);
        bool ended = generation_has_ended(&run->now);
        end_if_hung(run);
        monitor_tell(&run->monitor, &run->now);
        watch_turns(run);
        audit_look(run->now.pipeline->audit, run->now.pipeline->stalls);
        service_look(&run->service, &run->now, run->next == NULL && run->previous == NULL);
        stalls_remind(run->now.pipeline->stalls, generation_lag(&run->now));
        if (ended && !begin_again(run)) {
            break;
        }
        on_signal(run, signal_number, &sender);
        look_after(run);
        run_line_show(&line, &run->now);
    }
    tell_stopping(run);
    run_line_end(&line);
}

/* What is left of pipelines that a reload has replaced or not come to use. */
static void free_others(struct run *run, const struct pipeline *first)
{
    struct pipeline *others[] = {run->next, run->previous, run->now.pipeline};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (others[i] != NULL && others[i] != first) {
            pipeline_free(others[i]);
        }
    }
    handover_free(&run->handover);
    replaying_free(run->replaying);
}

/* Until the end `replaying` knows and names what others held. */
static void tell_share(const struct pipeline *pipeline, struct log *log)
{
    if (pipeline->replay.from != REPLAY_OFF && !pipeline->until_end && source_ops(&pipeline->source)->extents != NULL) {
        log_line(log, CHURN_LOG_INFO, "churnd",
                 "what is replayed is what this run holds: partitions of other members of the consumer group are not; "
                 "stop those first, or add --until-end, which tells what they held");
    }
}

/* A redrive and a rebuild have entered the sandbox before they first asked the store. */
static bool is_bound(const struct pipeline *pipeline)
{
    return pipeline->redrive != NULL || pipeline->profiles_only;
}

int run_pipeline(const struct run_options *options, struct pipeline *pipeline, struct log *log)
{
    struct pipeline other = {0};
    struct run run = {.options = options,
                      .now = {.pipeline = pipeline},
                      .spare = &other,
                      .log = log,
                      .terminal = isatty(STDERR_FILENO) == 1};
    int64_t started = clock_monotonic_ms();
    sigset_t signals;
    bool ok;
    /* cppcheck-suppress autoVariables; `run` lives as long as the pipeline is used */
    pipeline->handover = &run.handover;
    pipeline->replaying = run.replaying = replaying_new(pipeline, clock_monotonic_ms, &ok);
    if (!ok) {
        log_line(log, CHURN_LOG_ERROR, "churnd", "out of memory");
        return 1;
    }
    apply_log_settings(options, pipeline, log);
    block_signals(&signals);
    announce(&run, "");
    tell_share(pipeline, log);
    ok = is_bound(pipeline) || sandbox_enter(&run.sandbox, pipeline, options->files);
    service_start(&run.service, log);
    atomic_store(&running, atexit(on_process_exit) == 0);
    ok = ok && run_audit_start(pipeline) && monitor_start(&run.monitor, pipeline) && start_workers(&run, pipeline);
    if (ok) {
        watch(&run, &signals);
        ok = !generation_failed(&run.now) && !run.replay_lacks;
        summary_print(writes_stdout(run.now.pipeline) ? stderr : stdout, run.now.pipeline, run.now.workers,
                      run.now.count, (double)(clock_monotonic_ms() - started) / 1000, run.interrupted);
    }
    monitor_stop(&run.monitor);
    generation_end(&run.now, GRACE_MS, !ok);
    monitor_free(&run.monitor);
    run_audit_stop(run.now.pipeline->audit, run.signal_ms != 0 ? &run.stopper : NULL, log, ok);
    atomic_store(&running, false);
    free_others(&run, pipeline);
    sandbox_free(&run.sandbox);
    return status_of(&run, ok);
}
