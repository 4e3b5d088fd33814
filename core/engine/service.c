#include "engine/service.h"

#include "base/clock.h"
#include "observe/health.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#define STATUS_MS 5000 /* between lines of status */

/* ---- the manager ---- */

#ifdef HAVE_SYSTEMD
static void tell(const struct service *service, const char *text)
{
    int result = sd_notify(0, text);
    if (result < 0) {
        log_printf(service->log, CHURN_LOG_WARN, "churnd", "the service manager could not be told: %s",
                   strerror(-result));
    }
}

/* How often the watchdog wants a sign: twice in its time. 0: there is none. */
static int64_t sign_interval(void)
{
    uint64_t limit_us;
    return sd_watchdog_enabled(0, &limit_us) > 0 ? (int64_t)(limit_us / 2000) : 0;
}

static bool can_tell(struct log *log)
{
    (void)log;
    return true;
}
#else
static void tell(const struct service *service, const char *text)
{
    (void)service, (void)text;
}

static int64_t sign_interval(void)
{
    return 0;
}

static bool can_tell(struct log *log)
{
    log_line(log, CHURN_LOG_WARN, "churnd",
             "NOTIFY_SOCKET is set, but this churnd was built without libsystemd; the service wants Type=exec");
    return false;
}
#endif

/* ---- the line of status ---- */

struct first_stall {
    bool found;
    char text[STALL_MESSAGE_SIZE + 64];
};

static void take_first(void *ctx, const struct stall_report *report)
{
    struct first_stall *first = ctx;
    if (!first->found) {
        first->found = true;
        (void)snprintf(first->text, sizeof first->text, "stalled: %s: %s; ", report->plugin, report->message);
    }
}

/* A line of the protocol is an order of its own. */
static void join_lines(char *text)
{
    for (; *text != '\0'; text++) {
        if (iscntrl((unsigned char)*text)) {
            *text = ' ';
        }
    }
}

static void tell_status(struct service *service, const struct generation *generation, int64_t now_ms)
{
    struct pipeline *pipeline = generation->pipeline;
    struct first_stall stall = {.text = ""};
    int64_t events = metrics_sum(pipeline->metrics, "events"), lag = generation_lag(generation);
    char text[sizeof stall.text + 128], behind[64] = "";
    stalls_each(pipeline->stalls, take_first, &stall);
    join_lines(stall.text);
    if (lag >= 0) {
        (void)snprintf(behind, sizeof behind, ", %" PRId64 " records behind", lag);
    }
    (void)snprintf(text, sizeof text, "STATUS=%s%" PRId64 " events/s%s", stall.text,
                   (events - service->events) * 1000 / (now_ms - service->status_ms), behind);
    tell(service, text);
    service->status_ms = now_ms;
    service->events = events;
}

/* ---- what main says ---- */

static bool is_alive(const struct generation *generation, int64_t now_ms)
{
    for (unsigned i = 0; i < generation->count; i++) {
        struct health_worker worker = worker_health(generation->workers[i]);
        if (!health_worker_is_alive(&worker, now_ms)) {
            return false;
        }
    }
    return true;
}

void service_start(struct service *service, struct log *log)
{
    const char *address = getenv("NOTIFY_SOCKET");
    bool asked = address != NULL && *address != '\0' && can_tell(log);
    int64_t now_ms = clock_monotonic_ms();
    *service = (struct service){.asked = asked, .log = log, .sign_ms = now_ms, .status_ms = now_ms};
    if (asked) {
        service->sign_every_ms = sign_interval();
    }
}

void service_look(struct service *service, const struct generation *generation, bool settled)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!service->asked) {
        return;
    }
    if (service->state != SERVICE_READY && service->state != SERVICE_STOPPING && settled &&
        generation_has_started(generation)) {
        service->state = SERVICE_READY;
        tell(service, "READY=1");
    }
    if (service->sign_every_ms > 0 && now_ms - service->sign_ms >= service->sign_every_ms &&
        is_alive(generation, now_ms)) {
        service->sign_ms = now_ms;
        tell(service, "WATCHDOG=1");
    }
    if (now_ms - service->status_ms >= STATUS_MS) {
        tell_status(service, generation, now_ms);
    }
}

void service_reloading(struct service *service)
{
    struct timespec now;
    char text[64];
    if (!service->asked || service->state != SERVICE_READY || clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return;
    }
    service->state = SERVICE_RELOADING;
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                   (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    tell(service, text);
}

void service_stopping(struct service *service, int64_t limit_ms)
{
    char text[96];
    if (!service->asked || service->state == SERVICE_STOPPING) {
        return;
    }
    service->state = SERVICE_STOPPING;
    (void)snprintf(text, sizeof text, "STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=%" PRId64, limit_ms * 1000);
    tell(service, text);
}
