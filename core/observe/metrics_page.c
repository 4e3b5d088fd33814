#include "observe/metrics_page.h"

#include "build-config.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "observe/exposition.h"
#include "observe/process.h"
#include <pthread.h>
#include <stdlib.h>

/* Main changes the pipeline, the listener's thread shows it. */
struct metrics_page {
    pthread_mutex_t lock;
    struct health *health;
    const struct pipeline *pipeline;
    int64_t started_ms; /* monotonic */
    int64_t start_ms;   /* the same by the wall clock */
    int64_t reload_ms;  /* when the newest pipeline was taken, likewise */
    bool reload_good;   /* the newest reload was */
};

/* ---- gauges as of a request ---- */

static void set_labelled(const struct metrics_page *page, const void *owner, const char *name, const char *help,
                         int64_t value, int64_t per_unit, const churn_label *labels, uint32_t count)
{
    const churn_metric as = {.size = sizeof as,
                             .kind = CHURN_METRIC_GAUGE,
                             .name = name,
                             .help = help,
                             .labels = labels,
                             .label_count = count,
                             .per_unit = per_unit};
    metrics_set(metrics_shown(page->pipeline->metrics, owner, NULL, &as), value);
}

static void set(const struct metrics_page *page, const char *name, const char *help, int64_t value)
{
    set_labelled(page, page, name, help, value, 1, NULL, 0);
}

static void set_ms(const struct metrics_page *page, const char *name, const char *help, int64_t value_ms)
{
    set_labelled(page, page, name, help, value_ms, 1000, NULL, 0);
}

static void set_known(const struct metrics_page *page, const char *name, const char *help, int64_t value)
{
    if (value >= 0) {
        set(page, name, help, value);
    }
}

static void set_workers(const struct metrics_page *page, const char *state, int64_t count)
{
    const churn_label label = {.name = "state", .value = state};
    set_labelled(page, page, "churnd_workers", "Workers by what they do.", count, 1, &label, 1);
}

static void take_workers(const struct metrics_page *page, const struct health_status *status)
{
    int64_t now_ms = clock_monotonic_ms(), failed = 0, stuck = 0, assigned = 0, connected = 0, damaged = 0;
    for (unsigned i = 0; i < status->worker_count; i++) {
        const struct health_worker *worker = &status->workers[i];
        failed += worker->failed;
        stuck += !worker->failed && !health_worker_is_alive(worker, now_ms);
        assigned += worker->assigned;
        connected += worker->store_open;
        damaged += worker->damaged;
    }
    set_workers(page, "running", status->worker_count - failed - stuck);
    set_workers(page, "failed", failed);
    set_workers(page, "stuck", stuck);
    set(page, "churnd_source_assigned", "1 while every worker knows what it reads, be it nothing.",
        assigned == status->worker_count);
    if (status->store != NULL) {
        set(page, "churnd_store_connected", "1 while every worker is connected to the store.",
            connected == status->worker_count);
        set(page, "churnd_profiles_damaged", "Customers whose stored profile is known to be damaged now.", damaged);
    }
}

static void take_lag(const struct metrics_page *page, const struct health_status *status)
{
    int64_t now_ms = clock_wall_ms(), longest_ms = 0;
    bool known = status->worker_count > 0;
    for (unsigned i = 0; i < status->worker_count; i++) {
        const struct health_worker *worker = &status->workers[i];
        int64_t ms = worker->behind_since_ms > 0 ? now_ms - worker->behind_since_ms : 0;
        known = known && worker->behind_since_ms != BEHIND_UNKNOWN;
        longest_ms = ms > longest_ms ? ms : longest_ms;
    }
    if (known) {
        set_ms(page, "churnd_source_lag_seconds",
               "How old the records that are not settled are at most; 0 while none waits.", longest_ms);
    }
}

static void take_health(void *ctx, const struct health_status *status, bool alive, bool ready)
{
    const struct metrics_page *page = ctx;
    set(page, "churnd_alive", "1 while /healthz answers 200.", alive);
    set(page, "churnd_ready", "1 while /readyz answers 200: records are read, counted and let go of.", ready);
    if (status->worker_count > 0) {
        take_workers(page, status);
    }
    take_lag(page, status);
}

static void take_stall(void *ctx, const struct stall_report *report)
{
    const struct metrics_page *page = ctx;
    const churn_label labels[] = {{"plugin", report->plugin}, {"what", report->what}};
    set_labelled(page, page->pipeline->stalls, "churnd_stalled",
                 "1 while events do not move for this reason, 0 once they do again.", 1, 1, labels, 2);
}

static void take_build(const struct metrics_page *page)
{
    char abi[32];
    const churn_label labels[] = {{"version", PACKAGE_VERSION}, {"abi", abi}};
    (void)snprintf(abi, sizeof abi, "%d.%d", CHURN_ABI_MAJOR, CHURN_ABI_MINOR);
    set_labelled(page, page, "churnd_build_info", "1; its labels say which churnd this is.", 1, 1, labels, 2);
}

static void take_process(const struct metrics_page *page)
{
    struct process_usage usage = process_read();
    if (usage.cpu_us >= 0) {
        const churn_metric as = {.size = sizeof as,
                                 .kind = CHURN_METRIC_COUNTER,
                                 .name = "process_cpu_seconds_total",
                                 .help = "CPU time that the process has used.",
                                 .per_unit = 1000000};
        metrics_set(metrics_shown(page->pipeline->metrics, page, NULL, &as), usage.cpu_us);
    }
    set_known(page, "process_resident_memory_bytes", "Memory of the process that is in RAM.", usage.resident_bytes);
    set_known(page, "process_virtual_memory_bytes", "Address space of the process.", usage.virtual_bytes);
    set_known(page, "process_open_fds", "Open file descriptors.", usage.open_fds);
    set_known(page, "process_max_fds", "Most file descriptors that may be open.", usage.max_fds);
    set_ms(page, "process_start_time_seconds", "When the process started, in seconds since 1970.", page->start_ms);
    set_ms(page, "churnd_uptime_seconds", "For how long the run has lasted.", clock_monotonic_ms() - page->started_ms);
}

static void take_reloads(const struct metrics_page *page)
{
    set(page, "churnd_config_last_reload_successful", "1 while what the file said when it was last read is in use.",
        page->reload_good);
    set_ms(page, "churnd_config_last_reload_success_timestamp_seconds",
           "When the pipeline that is in use was taken, in seconds since 1970.", page->reload_ms);
}

static void take_audit(const struct metrics_page *page)
{
    struct chain_head head;
    bool writable;
    if (page->pipeline->audit != NULL) {
        writable = audit_state(page->pipeline->audit, &head);
        set(page, "churnd_audit_lines", "Number of the newest line that this process wrote to the audit.", head.number);
        set(page, "churnd_audit_writable", "1 while acts can be written to the audit.", writable);
    }
}

void metrics_page_append(void *metrics_page, struct text *out)
{
    struct metrics_page *page = metrics_page;
    (void)pthread_mutex_lock(&page->lock);
    metrics_set_all(page->pipeline->metrics, page, METRIC_UNSET);
    metrics_set_all(page->pipeline->metrics, page->pipeline->stalls, 0);
    health_look(page->health, take_health, page);
    stalls_each(page->pipeline->stalls, take_stall, page);
    take_build(page);
    take_process(page);
    take_reloads(page);
    take_audit(page);
    exposition_write(out, page->pipeline->metrics);
    (void)pthread_mutex_unlock(&page->lock);
}

static void show(void *ctx, const struct listener_request *request, struct listener_answer *answer)
{
    (void)request;
    metrics_page_append(ctx, &answer->body);
    answer->content_type = EXPOSITION_TYPE;
}

/* ---- for main ---- */

static churn_counter *reload_counter(const struct metrics_page *page, enum reload_result result)
{
    static const char *const names[RELOAD_RESULTS] = {
        [RELOAD_TAKEN] = "taken", [RELOAD_REFUSED] = "refused", [RELOAD_REVERTED] = "reverted"};
    const churn_label label = {.name = "result", .value = names[result]};
    const churn_metric as = {.size = sizeof as,
                             .kind = CHURN_METRIC_COUNTER,
                             .name = "churnd_config_reloads_total",
                             .help = "Times that the pipeline's file was read again (SIGHUP), by what came of it.",
                             .labels = &label,
                             .label_count = 1};
    return metrics_shown(page->pipeline->metrics, page->health, NULL, &as);
}

static void show_pipeline(struct metrics_page *page, const struct pipeline *pipeline)
{
    page->pipeline = pipeline;
    for (unsigned i = 0; i < RELOAD_RESULTS; i++) {
        (void)reload_counter(page, (enum reload_result)i);
    }
}

struct metrics_page *metrics_page_new(struct health *health, const struct pipeline *pipeline)
{
    struct metrics_page *page = calloc(1, sizeof *page);
    if (page == NULL || pthread_mutex_init(&page->lock, NULL) != 0) {
        free(page);
        return NULL;
    }
    page->health = health;
    page->started_ms = clock_monotonic_ms();
    page->start_ms = page->reload_ms = clock_wall_ms();
    page->reload_good = true;
    show_pipeline(page, pipeline);
    return page;
}

void metrics_page_serve(struct metrics_page *page, struct listener *listener)
{
    listener_add(listener, &(struct listener_route){.path = "/metrics", .answer = show, .ctx = page});
}

void metrics_page_change(struct metrics_page *page, const struct pipeline *to)
{
    (void)pthread_mutex_lock(&page->lock);
    metrics_move(page->pipeline->metrics, to->metrics);
    show_pipeline(page, to);
    (void)pthread_mutex_unlock(&page->lock);
}

void metrics_page_reloaded(struct metrics_page *page, enum reload_result result)
{
    (void)pthread_mutex_lock(&page->lock);
    metrics_add(reload_counter(page, result), 1);
    page->reload_good = result == RELOAD_TAKEN;
    page->reload_ms = result == RELOAD_TAKEN ? clock_wall_ms() : page->reload_ms;
    (void)pthread_mutex_unlock(&page->lock);
}

void metrics_page_free(struct metrics_page *page)
{
    if (page == NULL) {
        return;
    }
    (void)pthread_mutex_destroy(&page->lock);
    free(page);
}
