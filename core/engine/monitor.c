#include "engine/monitor.h"

#include "base/clock.h"

static bool make(struct monitor *monitor)
{
    monitor->listener = listener_new();
    monitor->health = health_new();
    if (monitor->listener == NULL || monitor->health == NULL) {
        return false;
    }
    health_serve(monitor->health, monitor->listener);
    return true;
}

bool monitor_start(struct monitor *monitor, const struct pipeline *pipeline)
{
    const char *listen = pipeline->health_settings.listen;
    char message[256] = "out of memory";
    if (listen == NULL || pipeline->redrive != NULL || pipeline->profiles_only) {
        return true;
    }
    if (!make(monitor) || !listener_start(monitor->listener, listen, message, sizeof message)) {
        log_line(pipeline->log, CHURN_LOG_ERROR, "churnd", message);
        monitor_stop(monitor);
        return false;
    }
    log_printf(pipeline->log, CHURN_LOG_INFO, "churnd", "health: http://%s/healthz and /readyz", listen);
    return true;
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
}

void monitor_stop(struct monitor *monitor)
{
    listener_free(monitor->listener);
    health_free(monitor->health);
    *monitor = (struct monitor){0};
}
