#include "alert_log.h"

#include "json_read.h"
#include <churn/event.h>

static const churn_metric suppressed = {.size = sizeof suppressed,
                                        .kind = CHURN_METRIC_COUNTER,
                                        .name = "alert_log_suppressed_total",
                                        .help =
                                            "Alerts that the log does not show, as it shows only so many a second."};

void alert_log_init(struct alert_log *log, const churn_host *host, int64_t per_second)
{
    *log = (struct alert_log){.host = host, .per_second = per_second, .second_ms = host->monotonic_ms(host)};
    log->suppressed = counter_shown(host, "alerts_suppressed_in_log", &suppressed);
}

void alert_log_end(struct alert_log *log)
{
    if (log->hidden > 0) {
        churn_log(log->host, CHURN_LOG_WARN, "... %lld more alerts not shown", (long long)log->hidden);
        log->hidden = 0;
    }
}

void alert_log_tick(struct alert_log *log)
{
    int64_t now_ms = log->host->monotonic_ms(log->host);
    if (now_ms - log->second_ms >= 1000) {
        alert_log_end(log);
        log->second_ms = now_ms;
        log->shown = 0;
    }
}

/* Up to `size` - 1 bytes of a text that came from outside, fit for one line of a log. */
static const char *one_line(churn_str text, char *room, size_t size)
{
    size_t len = text.len < size - 1 ? text.len : size - 1;
    for (size_t i = 0; i < len; i++) {
        room[i] = (unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f ? ' ' : text.ptr[i];
    }
    /* Not within a UTF-8 sequence. */
    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80) {
        len--;
    }
    room[len] = '\0';
    return room;
}

static void write_line(const struct alert_log *log, const churn_record *alert)
{
    static const char *const severities[] = {"", "info", "warning", "critical"};
    churn_str message = {.ptr = ""}, event = {.ptr = ""}, customer = alert->key;
    json_object *object = json_read_object(alert->value);
    char message_room[512], event_room[132], customer_room[132];
    if (object != NULL) {
        (void)json_read_string(object, "message", &message);
        (void)json_read_string(object, "event_id", &event);
        (void)json_read_string(object, "customer_id", &customer);
    }
    churn_log(log->host, alert->severity == CHURN_SEVERITY_INFO ? CHURN_LOG_INFO : CHURN_LOG_WARN,
              "alert %s: %s (customer %s, event %s)",
              alert->severity <= CHURN_SEVERITY_CRITICAL ? severities[alert->severity] : "",
              one_line(message, message_room, sizeof message_room),
              one_line(customer, customer_room, sizeof customer_room), one_line(event, event_room, sizeof event_room));
    json_object_put(object);
}

void alert_log_show(struct alert_log *log, const churn_record *alert)
{
    alert_log_tick(log);
    if (log->per_second != 0 && log->shown >= log->per_second) {
        log->hidden++;
        counter_add(&log->suppressed, 1);
        return;
    }
    log->shown++;
    write_line(log, alert);
}
