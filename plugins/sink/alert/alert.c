/* Alerts to the log, a Kafka topic and a webhook: an alert is answered once every chosen output has it. */
#include "alert_log.h"
#include "counter.h"
#include "http_probe.h"
#include "kafka_grants.h"
#include "kafka_probe.h"
#include "kafka_producer.h"
#include "kafka_topic_name.h"
#include "webhook.h"
#include <churn/event.h>
#include <churn/plugin.h>
#include <churn/sink.h>
#include <stdlib.h>

#define SLOTS 1024 /* alerts taken and not yet answered */

enum { TO_LOG = 1, TO_KAFKA = 2, TO_WEBHOOK = 4 };
static const char *const outputs[] = {"log", "kafka", "webhook", NULL};

struct slot {
    uint64_t id;
    uint32_t next_free;
    uint32_t missing; /* outputs that have not answered: TO_KAFKA | TO_WEBHOOK */
    int32_t result;
    char message[256]; /* REJECT: why */
};

struct alert_sink {
    churn_list to;
    const char *brokers;
    const char *topic;
    int64_t partitions;
    churn_map properties;
    const char *webhook_url;
    churn_map webhook_headers;
    int64_t webhook_timeout_ms;
    int64_t webhook_concurrency;
    const char *webhook_bearer;
    const char *webhook_user;
    const char *webhook_password;
    const char *webhook_ca_file;
    const char *webhook_cert_file;
    const char *webhook_key_file;
    const char *webhook_proxy;
    int64_t retry_min_ms;
    int64_t retry_max_ms;
    int64_t log_per_second;

    const churn_host *host;
    uint32_t chosen;
    struct http_settings http;
    struct alert_log log;
    struct kafka_producer *producer;
    struct webhook *webhook;
    struct counter severities[CHURN_SEVERITY_CRITICAL + 1];
    struct slot *slots;
    uint32_t free_slot; /* index of the first, SLOTS: none */
    uint32_t *ready;    /* slots whose answer is complete */
    uint32_t ready_count;
    uint32_t handed_out; /* of `ready`, at the last poll: free now, as their messages were valid until this call */
    uint32_t busy;
};

#define OFFSET(member) .offset = offsetof(struct alert_sink, member)
static const churn_option options[] = {
    {"to", .default_text = "log", .type = CHURN_OPTION_LIST, .choices = outputs, OFFSET(to),
     .help = "Where each alert goes: any of log, kafka, webhook."},
    {"brokers", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(brokers),
     .help = "Kafka brokers as host:port, separated by commas."},
    {"topic", .default_text = "customer-alerts", .type = CHURN_OPTION_STRING, OFFSET(topic),
     .help = "Kafka topic, made if it does not exist; records are keyed by customer."},
    {"partitions", .default_text = "0", .type = CHURN_OPTION_INT, .max = 100000, OFFSET(partitions),
     .help = "Partitions of a topic that is made; 0: the broker's default."},
    {"properties", .type = CHURN_OPTION_MAP, .flags = CHURN_OPTION_SECRET, OFFSET(properties),
     .help = "Further settings of the Kafka client by librdkafka's own names."},
    {"webhook_url", .default_text = "", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_SECRET, OFFSET(webhook_url),
     .help = "URL that each alert is posted to as JSON."},
    {"webhook_headers", .type = CHURN_OPTION_MAP, .flags = CHURN_OPTION_SECRET, OFFSET(webhook_headers),
     .help = "Further request headers."},
    {"webhook_bearer", .default_text = "", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_SECRET,
     OFFSET(webhook_bearer), .help = "Sent as Authorization: Bearer."},
    {"webhook_user", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(webhook_user),
     .help = "Sent with `webhook_password` as Authorization: Basic."},
    {"webhook_password", .default_text = "", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_SECRET,
     OFFSET(webhook_password), .help = "The password of `webhook_user`."},
    {"webhook_timeout", .default_text = "5s", .type = CHURN_OPTION_DURATION, .min = 1, .max = 600000,
     OFFSET(webhook_timeout_ms), .help = "Longest time for one request."},
    {"webhook_concurrency", .default_text = "4", .type = CHURN_OPTION_INT, .min = 1, .max = 256,
     OFFSET(webhook_concurrency), .help = "Requests at a time."},
    {"webhook_ca_file", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(webhook_ca_file),
     .help = "Certificates that the webhook's is checked against, in place of the system's."},
    {"webhook_cert_file", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(webhook_cert_file),
     .help = "Certificate in PEM that is shown to a webhook that asks for one, with those that it is signed by behind "
             "it."},
    {"webhook_key_file", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(webhook_key_file),
     .help = "Key of webhook_cert_file in PEM, without a passphrase."},
    {"webhook_proxy", .default_text = "", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_SECRET,
     OFFSET(webhook_proxy),
     .help = "URL of the proxy that requests to the webhook go through, such as http://proxy:3128; it may hold a user "
             "and a password. The environment's (https_proxy) is not used."},
    {"retry_min", .default_text = "200ms", .type = CHURN_OPTION_DURATION, .min = 1, .max = 3600000,
     OFFSET(retry_min_ms), .help = "Shortest pause before the webhook is tried again; it doubles with each failure."},
    {"retry_max", .default_text = "30s", .type = CHURN_OPTION_DURATION, .min = 1, .max = 3600000, OFFSET(retry_max_ms),
     .help = "Longest pause before the webhook is tried again, but where it asks for longer by Retry-After, which is "
             "honoured for up to a minute."},
    {"log_per_second", .default_text = "10", .type = CHURN_OPTION_INT, .max = INT32_MAX, OFFSET(log_per_second),
     .help = "Alerts a second that the log shows; the others are counted there. 0: all."},
};

static int32_t choose(struct alert_sink *a, churn_error *err)
{
    for (uint32_t i = 0; i < a->to.count; i++) {
        for (uint32_t k = 0; outputs[k] != NULL; k++) {
            a->chosen |= strcmp(a->to.items[i], outputs[k]) == 0 ? 1u << k : 0;
        }
    }
    return a->chosen != 0 ? CHURN_OK : churn_fail_option(err, "to", "needs at least one of log, kafka, webhook");
}

static int32_t alert_create(void *self, const churn_host *host, churn_error *err)
{
    struct alert_sink *a = self;
    int32_t rc = choose(a, err);
    a->host = host;
    a->http = (struct http_settings){.url = a->webhook_url,
                                     .options = {.url = "webhook_url",
                                                 .headers = "webhook_headers",
                                                 .bearer = "webhook_bearer",
                                                 .user = "webhook_user",
                                                 .password = "webhook_password",
                                                 .proxy = "webhook_proxy"},
                                     .headers = &a->webhook_headers,
                                     .bearer = a->webhook_bearer,
                                     .user = a->webhook_user,
                                     .password = a->webhook_password,
                                     .proxy = a->webhook_proxy,
                                     .tls = {.ca_file = a->webhook_ca_file,
                                             .cert_file = a->webhook_cert_file,
                                             .key_file = a->webhook_key_file,
                                             .ca_option = "webhook_ca_file",
                                             .cert_option = "webhook_cert_file",
                                             .key_option = "webhook_key_file"},
                                     .timeout_ms = a->webhook_timeout_ms,
                                     .connect_timeout_ms = a->webhook_timeout_ms,
                                     .concurrency = (uint32_t)a->webhook_concurrency};
    if (rc == CHURN_OK && (a->chosen & TO_KAFKA)) {
        rc = a->brokers[0] == '\0' ? churn_fail_option(err, "brokers", "must be given, since `to` has kafka")
                                   : kafka_topic_name_check("topic", a->topic, err);
        rc = rc == CHURN_OK ? kafka_producer_check(host, a->brokers, &a->properties, err) : rc;
    }
    if (rc == CHURN_OK && (a->chosen & TO_WEBHOOK)) {
        rc = a->webhook_url[0] == '\0' ? churn_fail_option(err, "webhook_url", "must be given, since `to` has webhook")
                                       : http_settings_check(&a->http, err);
    }
    if (rc == CHURN_OK && a->retry_max_ms < a->retry_min_ms) {
        rc = churn_fail_option(err, "retry_max", "must not be below retry_min");
    }
    return rc;
}

static void alert_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    const struct alert_sink *a = self;
    const struct kafka_topic topic = {.name = a->topic, .option = "topic", .flags = CHURN_TARGET_WRITES, .is_made = 1};
    if (a->chosen & TO_KAFKA) {
        kafka_producer_probe(a->host, a->brokers, &a->properties, &topic, 1, timeout_ms, fn, ctx);
    }
    if (a->chosen & TO_WEBHOOK) {
        http_probe(&a->http, timeout_ms, fn, ctx);
    }
}

static void alert_grants(void *self, uint32_t use, churn_grant_fn fn, void *ctx)
{
    const struct alert_sink *a = self;
    const struct kafka_grants grants = {.brokers = a->brokers, .properties = &a->properties, .fn = fn, .ctx = ctx};
    (void)use;
    if (a->chosen & TO_KAFKA) {
        kafka_grants_write(&grants, a->topic, 1);
    }
}

static int32_t make_slots(struct alert_sink *a, churn_error *err)
{
    a->slots = calloc(SLOTS, sizeof *a->slots);
    a->ready = calloc(SLOTS, sizeof *a->ready);
    if (a->slots == NULL || a->ready == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    for (uint32_t i = 0; i < SLOTS; i++) {
        a->slots[i].next_free = i + 1;
    }
    return CHURN_OK;
}

static int32_t start_kafka(struct alert_sink *a, churn_error *err)
{
    a->producer = kafka_producer_new(a->host, a->brokers, &a->properties, KAFKA_LINGER_MANY, err);
    return a->producer != NULL ? kafka_producer_ensure_topic(a->producer, a->topic, (int32_t)a->partitions, NULL, err)
                               : CHURN_FATAL;
}

static struct counter severity_counter(const churn_host *host, const char *name, const char *severity)
{
    const churn_label label = {.name = "severity", .value = severity};
    const churn_metric as = {.size = sizeof as,
                             .kind = CHURN_METRIC_COUNTER,
                             .name = "alert_sink_alerts_total",
                             .help = "Alerts that alert sinks have taken; one for each of several sinks.",
                             .labels = &label,
                             .label_count = 1};
    return counter_shown(host, name, &as);
}

static int32_t alert_start(void *self, churn_error *err)
{
    struct alert_sink *a = self;
    int32_t rc = make_slots(a, err);
    alert_log_init(&a->log, a->host, a->log_per_second);
    a->severities[CHURN_SEVERITY_INFO] = severity_counter(a->host, "alerts_info", "info");
    a->severities[CHURN_SEVERITY_WARNING] = severity_counter(a->host, "alerts_warning", "warning");
    a->severities[CHURN_SEVERITY_CRITICAL] = severity_counter(a->host, "alerts_critical", "critical");
    if (rc == CHURN_OK && (a->chosen & TO_KAFKA)) {
        rc = start_kafka(a, err);
    }
    if (rc == CHURN_OK && (a->chosen & TO_WEBHOOK)) {
        a->webhook = webhook_start(a->host, &a->http, a->retry_min_ms, a->retry_max_ms, err);
        rc = a->webhook != NULL ? CHURN_OK : CHURN_FATAL;
    }
    return rc;
}

static void reuse_slots(struct alert_sink *a)
{
    for (uint32_t i = 0; i < a->handed_out; i++) {
        a->slots[a->ready[i]].next_free = a->free_slot;
        a->free_slot = a->ready[i];
    }
    a->busy -= a->handed_out;
    a->ready_count -= a->handed_out;
    memmove(a->ready, a->ready + a->handed_out, a->ready_count * sizeof *a->ready);
    a->handed_out = 0;
}

/* Sends one alert everywhere; CHURN_PENDING: it cannot be taken now. */
static int32_t take(struct alert_sink *a, const churn_record *alert, churn_error *err)
{
    uint32_t at = a->free_slot;
    struct slot *slot = &a->slots[at];
    int32_t rc = CHURN_OK;
    if (at == SLOTS) {
        return CHURN_PENDING;
    }
    if (a->producer != NULL) {
        churn_record record = *alert;
        record.id = at;
        record.timestamp_ms = 0; /* now: retention must not remove an alert because its event is old */
        rc = kafka_producer_send(a->producer, a->topic, &record, err);
    }
    if (rc == CHURN_OK && a->webhook != NULL) {
        rc = webhook_put(a->webhook, at, alert, err);
    }
    if (rc != CHURN_OK) {
        return rc;
    }
    if (a->chosen & TO_LOG) {
        alert_log_show(&a->log, alert);
    }
    a->free_slot = slot->next_free;
    a->busy++;
    slot->id = alert->id;
    slot->result = CHURN_OK;
    slot->missing = a->chosen & (TO_KAFKA | TO_WEBHOOK);
    if (slot->missing == 0) {
        a->ready[a->ready_count++] = at;
    }
    if (alert->severity <= CHURN_SEVERITY_CRITICAL) {
        counter_add(&a->severities[alert->severity], 1);
    }
    return CHURN_OK;
}

static int32_t alert_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                           churn_error *err)
{
    struct alert_sink *a = self;
    uint32_t taken = 0;
    int32_t rc = CHURN_OK;
    reuse_slots(a);
    while (taken < count && (rc = take(a, &records[taken], err)) == CHURN_OK) {
        taken++;
    }
    *ret_taken = taken;
    return rc == CHURN_PENDING ? CHURN_OK : rc;
}

/* One output's answers. */
static void note(struct alert_sink *a, const churn_done *done, uint32_t count, uint32_t output)
{
    for (uint32_t i = 0; i < count; i++) {
        struct slot *slot = &a->slots[done[i].id];
        if (done[i].result != CHURN_OK && slot->result == CHURN_OK) {
            slot->result = CHURN_REJECT;
            (void)snprintf(slot->message, sizeof slot->message, "%s",
                           done[i].message != NULL ? done[i].message : "refused");
        }
        slot->missing &= ~output;
        if (slot->missing == 0) {
            a->ready[a->ready_count++] = (uint32_t)done[i].id;
        }
    }
}

static int32_t collect(struct alert_sink *a, uint32_t timeout_ms, churn_error *err)
{
    churn_done done[64];
    uint32_t n;
    int32_t rc = CHURN_OK;
    if (a->producer != NULL) {
        rc = kafka_producer_poll(a->producer, done, 64, a->webhook == NULL ? timeout_ms : 0, &n, err);
        if (rc == CHURN_OK) {
            note(a, done, n, TO_KAFKA);
        }
    }
    if (rc == CHURN_OK && a->webhook != NULL) {
        /* With both, neither may be waited for long. */
        uint32_t wait_ms = a->busy == 0 || a->ready_count > 0      ? 0
                           : a->producer != NULL && timeout_ms > 5 ? 5
                                                                   : timeout_ms;
        rc = webhook_take(a->webhook, done, 64, wait_ms, &n, err);
        note(a, done, n, TO_WEBHOOK);
    }
    return rc;
}

static int32_t alert_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                          churn_error *err)
{
    struct alert_sink *a = self;
    int64_t until = a->host->monotonic_ms(a->host) + timeout_ms, left;
    uint32_t n = 0;
    *ret_count = 0;
    reuse_slots(a);
    alert_log_tick(&a->log);
    do {
        int32_t rc;
        left = until - a->host->monotonic_ms(a->host);
        rc = collect(a, a->ready_count == 0 && left > 0 ? (uint32_t)left : 0, err);
        if (rc != CHURN_OK) {
            return rc;
        }
    } while (a->busy > 0 && a->ready_count == 0 && left > 0);
    for (; n < max && n < a->ready_count; n++) {
        const struct slot *slot = &a->slots[a->ready[n]];
        done[n] = (churn_done){
            .id = slot->id, .result = slot->result, .message = slot->result == CHURN_OK ? NULL : slot->message};
    }
    a->handed_out = n;
    *ret_count = n;
    return CHURN_OK;
}

static void alert_stop(void *self, int64_t deadline_ms)
{
    struct alert_sink *a = self;
    webhook_free(a->webhook);
    a->webhook = NULL;
    kafka_producer_free(a->producer, deadline_ms);
    a->producer = NULL;
    alert_log_end(&a->log);
}

static void alert_destroy(void *self)
{
    struct alert_sink *a = self;
    webhook_free(a->webhook);
    kafka_producer_free(a->producer, 0);
    free(a->slots);
    free(a->ready);
}

static const churn_sink_ops ops = {
    .size = sizeof(churn_sink_ops),
    .accepts = CHURN_RECORD_ALERT,
    .create = alert_create,
    .start = alert_start,
    .write = alert_write,
    .poll = alert_poll,
    .stop = alert_stop,
    .destroy = alert_destroy,
    .probe = alert_probe,
    .grants = alert_grants,
};

static const char *const paths[] = {"webhook_ca_file", "webhook_cert_file", "webhook_key_file", "properties", NULL};
static const char *const proxies[] = {"webhook_proxy", NULL};
static const churn_needs needs = {
    .size = sizeof needs, .flags = CHURN_NEEDS_CONNECT, .read_options = paths, .discover_options = proxies};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "alert", .version = "1.0.0",
             .summary = "Sends alerts to the log, a Kafka topic and a webhook",
             CHURN_OPTIONS(options, struct alert_sink), .ops = &ops, .needs = &needs);
