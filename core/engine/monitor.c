#include "engine/monitor.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/tls.h"
#include "pipeline/health_section.h"
#include "pipeline/tap_socket.h"
#include "pipeline/taps.h"
#include "plugin/journal_file.h"

static bool make(struct monitor *monitor, struct pipeline *pipeline)
{
    monitor->listener = listener_new();
    monitor->health = health_new();
    monitor->metrics = monitor->health != NULL ? metrics_page_new(monitor->health, pipeline) : NULL;
    if (monitor->listener == NULL || monitor->metrics == NULL) {
        return false;
    }
    monitor->page = page_new(&(struct page_sources){.health = monitor->health,
                                                    .figures = metrics_page_append,
                                                    .figures_ctx = monitor->metrics,
                                                    .log = pipeline->log,
                                                    .audit = pipeline->audit,
                                                    .loopback = address_is_loopback(pipeline->health_settings.listen)});
    if (monitor->page == NULL) {
        return false;
    }
    page_prepare(monitor->page, pipeline);
    health_serve(monitor->health, monitor->listener);
    page_serve(monitor->page, monitor->listener);
    metrics_page_serve(monitor->metrics, monitor->listener);
    return true;
}

/* False, with a message, when the address cannot be listened on. */
static bool listen_on(const struct monitor *monitor, const struct health_settings *settings, char *message, size_t size)
{
    struct tls tls = {0};
    enum tls_file file;
    bool ok = (!health_section_has_tls(settings) ||
               tls_read(&tls, settings->cert_file, settings->key_file, &file, message, size)) &&
              listener_start(monitor->listener, settings->listen, &tls, message, size);
    tls_free(&tls);
    return ok;
}

static bool start_listener(struct monitor *monitor, struct pipeline *pipeline)
{
    const struct health_settings *settings = &pipeline->health_settings;
    char message[1024] = "out of memory";
    if (settings->listen == NULL) {
        return true;
    }
    if (!make(monitor, pipeline) || !listen_on(monitor, settings, message, sizeof message)) {
        log_line(pipeline->log, CHURN_LOG_ERROR, "churnd", message);
        monitor_stop(monitor);
        return false;
    }
    log_printf(pipeline->log, CHURN_LOG_INFO, "churnd", "health: %s://%s/ for browsers, /healthz, /readyz and /metrics",
               health_section_has_tls(settings) ? "https" : "http", settings->listen);
    return true;
}

/* False, with a message, when records cannot be looked at. */
static bool open_tap(struct monitor *monitor, struct pipeline *pipeline, char *message, size_t size)
{
    char folder[PATH_MAX], path[PATH_MAX];
    if (pipeline->tap_settings.socket == NULL && !journal_folder(pipeline->settings.state_dir, folder, message, size)) {
        return false;
    }
    monitor->taps = taps_new();
    if (monitor->taps == NULL || !tap_socket_path(pipeline, path)) {
        (void)snprintf(message, size, "%s", monitor->taps == NULL ? "out of memory" : "the path is too long");
        return false;
    }
    monitor->tap = tap_server_start(path, monitor->taps, pipeline, message, size);
    if (monitor->tap != NULL) {
        log_printf(pipeline->log, CHURN_LOG_DEBUG, "tap", "records can be looked at: churnd tap --socket %s", path);
    }
    return monitor->tap != NULL;
}

/* Only a socket that the pipeline names must be had: another run of the same pipeline may have the one that both would
 * have by themselves. */
static bool start_tap(struct monitor *monitor, struct pipeline *pipeline)
{
    bool named = pipeline->tap_settings.socket != NULL;
    char message[PATH_MAX + 256];
    if (!pipeline->tap_settings.enabled || open_tap(monitor, pipeline, message, sizeof message)) {
        pipeline->taps = monitor->taps;
        return true;
    }
    monitor_free(monitor);
    log_printf(pipeline->log, named ? CHURN_LOG_ERROR : CHURN_LOG_INFO, "tap", "%s%s", named ? "socket: " : "",
               message);
    if (!named) {
        log_line(pipeline->log, CHURN_LOG_INFO, "tap",
                 "this run's records cannot be looked at; `tap: {socket: PATH}` gives it a socket of its own");
    }
    return !named;
}

bool monitor_start(struct monitor *monitor, struct pipeline *pipeline)
{
    if (pipeline->redrive != NULL || pipeline->profiles_only) {
        return true;
    }
    return start_listener(monitor, pipeline) && start_tap(monitor, pipeline);
}

void monitor_attach(const struct monitor *monitor, struct pipeline *pipeline)
{
    if (monitor->page != NULL) {
        page_attach(monitor->page, pipeline);
    }
}

void monitor_detach(const struct monitor *monitor)
{
    if (monitor->page != NULL) {
        page_detach(monitor->page);
    }
}

void monitor_tell(const struct monitor *monitor, const struct generation *generation)
{
    const struct pipeline *pipeline = generation->pipeline;
    struct health_status status = {.pipeline = pipeline->settings.name,
                                   .source = pipeline->source.label,
                                   .stopping = generation->order != WORKER_GO_ON,
                                   .looked_ms = clock_monotonic_ms(),
                                   .worker_count = generation->count};
    if (monitor->listener == NULL) {
        return;
    }
    status.troubles = health_troubles(pipeline->stalls);
    if (pipeline->store_instance != NULL) {
        const churn_store_ops *ops = store_ops(&pipeline->store);
        status.store = pipeline->store.label;
        status.durability = ops->durability != NULL ? ops->durability(pipeline->store_instance->self) : NULL;
    }
    for (unsigned i = 0; i < generation->count; i++) {
        status.workers[i] = worker_health(generation->workers[i]);
    }
    health_publish(monitor->health, &status);
    page_tick(monitor->page);
}

void monitor_change(const struct monitor *monitor, const struct pipeline *from, struct pipeline *to)
{
    to->taps = monitor->taps;
    if (monitor->tap != NULL) {
        tap_server_use(monitor->tap, to);
    }
    if (monitor->page != NULL) {
        page_prepare(monitor->page, to);
    }
    if (monitor->metrics != NULL) {
        metrics_page_change(monitor->metrics, to);
    } else {
        metrics_move(from->metrics, to->metrics);
    }
}

void monitor_reloaded(const struct monitor *monitor, enum reload_result result)
{
    if (monitor->metrics != NULL) {
        metrics_page_reloaded(monitor->metrics, result);
    }
}

void monitor_stop(struct monitor *monitor)
{
    if (monitor->page != NULL) {
        page_stop(monitor->page);
    }
    listener_free(monitor->listener);
    page_free(monitor->page);
    metrics_page_free(monitor->metrics);
    health_free(monitor->health);
    tap_server_stop(monitor->tap);
    *monitor = (struct monitor){.taps = monitor->taps};
}

void monitor_free(struct monitor *monitor)
{
    taps_free(monitor->taps);
    monitor->taps = NULL;
}
