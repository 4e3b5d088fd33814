/* Asks a prediction API over HTTP. Each trigger is durable in a queue before it is answered; a thread of the instance
 * serves the queue, so that an API that is down holds up nothing and loses nothing. */
#include "http_probe.h"
#include "kafka_grants.h"
#include "kafka_probe.h"
#include "kafka_producer.h"
#include "kafka_topic_name.h"
#include "model_options.h"
#include "model_probe.h"
#include "outcome.h"
#include "prediction_results.h"
#include "queue.h"
#include "queue_kafka_conf.h"
#include "service.h"
#include <churn/plugin.h>

struct prediction {
    struct settings settings;

    const churn_host *host;
    struct counters counters;
    struct store_session session; /* the serving thread's */
    struct queue queue;
    struct service *service;
    uint64_t written; /* triggers made durable in this run */
};

static const char *const formats[] = {"churnd", "kserve_v2", "mlflow", "template", NULL};
static const char *const queues[] = {"auto", "kafka", "store", NULL};

#define OFFSET(member) .offset = offsetof(struct prediction, settings.member)
static const churn_option options[] = {
    {"url", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, OFFSET(url),
     .help = "Address of the prediction API, such as http://localhost:5000."},
    {"path", .default_text = "/api/predict", .flags = CHURN_OPTION_OWN_DEFAULT, .type = CHURN_OPTION_STRING,
     OFFSET(path),
     .help = "Path that requests are posted to. With format: kserve_v2 /v2/models/<model>/infer is the default, with "
             "mlflow /invocations."},
    {"format", .default_text = "churnd", .type = CHURN_OPTION_ENUM, .choices = formats, OFFSET(model.format),
     .help = "Form of request and answer: churnd, the profile as it is; kserve_v2, the Open Inference Protocol; "
             "mlflow, dataframe_split; template, a body of your own."},
    {"model", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(model.name),
     .help = "Name of the model: kserve_v2 asks for it, and it is published with each prediction."},
    {"features", .type = CHURN_OPTION_TREE, OFFSET(model.features_option),
     .help = "What the model takes, in its order: fields of the profile, each as NAME or {field: NAME, name: what the "
             "model calls it, missing: the value where a profile has none}; with kserve_v2 also `datatype`: INT64, "
             "INT32, FP64 or FP32."},
    {"answer", .type = CHURN_OPTION_STRING, OFFSET(model.answer),
     .help = "JSON pointer to the predictions in an answer, one number for each row, or two of which the last one "
             "counts. By default /predictions with mlflow, and with kserve_v2 the data of the only output, or of the "
             "only one of floating point."},
    {"outputs", .type = CHURN_OPTION_LIST, OFFSET(model.outputs),
     .help = "kserve_v2: outputs that are asked for by name, such as predict_proba. By default the server chooses."},
    {"tensor", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(model.tensor),
     .help = "kserve_v2: name of the one input that takes all features. By default each feature is an input of its "
             "own."},
    {"template", .type = CHURN_OPTION_TREE, OFFSET(model.body_template),
     .help = "Body of a request with format: template, as YAML with placeholders such as <customer_id> and <row>."},
    {"batch.max", .default_text = "1", .type = CHURN_OPTION_INT, .min = 1, .max = 1000, OFFSET(batch_max),
     .help = "Most rows in one request."},
    {"batch.wait", .default_text = "5ms", .type = CHURN_OPTION_DURATION, .min = 0, .max = 60000, OFFSET(batch_wait_ms),
     .help = "How long a request waits for further rows."},
    {"timeout", .default_text = "5s", .type = CHURN_OPTION_DURATION, .min = 1, .max = 600000, OFFSET(timeout_ms),
     .help = "Longest time for one request, from connecting to the end of its answer."},
    {"connect_timeout", .default_text = "2s", .type = CHURN_OPTION_DURATION, .min = 1, .max = 600000,
     OFFSET(connect_timeout_ms), .help = "Longest time to connect."},
    {"concurrency", .default_text = "16", .type = CHURN_OPTION_INT, .min = 1, .max = 1024, OFFSET(concurrency),
     .help = "Requests at a time, for each worker."},
    {"retry_min", .default_text = "200ms", .type = CHURN_OPTION_DURATION, .min = 1, .max = 3600000,
     OFFSET(retry_min_ms), .help = "Shortest pause before a request is tried again; it doubles with each failure."},
    {"retry_max", .default_text = "30s", .type = CHURN_OPTION_DURATION, .min = 1, .max = 3600000, OFFSET(retry_max_ms),
     .help = "Longest pause before a request is tried again, but where the API asks for longer by Retry-After, which "
             "is honoured for up to a minute."},
    {"breaker_failures", .default_text = "5", .type = CHURN_OPTION_INT, .min = 1, .max = 1000000,
     OFFSET(breaker_failures), .help = "Failures in a row after which the API is left alone for breaker_pause."},
    {"breaker_pause", .default_text = "5s", .type = CHURN_OPTION_DURATION, .min = 1, .max = 3600000,
     OFFSET(breaker_pause_ms), .help = "How long a failing API is left alone before one request probes it."},
    {"max_attempts", .default_text = "3", .type = CHURN_OPTION_INT, .min = 1, .max = 1000, OFFSET(max_attempts),
     .help = "Attempts for a request that the API calls wrong (HTTP 400, 413, 422) before it goes to the dead letters. "
             "Other failures are tried again for ever."},
    {"bearer", .default_text = "", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_SECRET, OFFSET(bearer),
     .help = "Sent as Authorization: Bearer."},
    {"token", .default_text = "", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_SECRET | CHURN_OPTION_DEPRECATED,
     OFFSET(token), .help = "Use `bearer`."},
    {"user", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(user),
     .help = "Sent with `password` as Authorization: Basic."},
    {"password", .default_text = "", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_SECRET, OFFSET(password),
     .help = "The password of `user`."},
    {"headers", .type = CHURN_OPTION_MAP, .flags = CHURN_OPTION_SECRET, OFFSET(headers),
     .help = "Further request headers."},
    {"ca_file", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(ca_file),
     .help = "Certificates that the API's is checked against, in place of the system's."},
    {"cert_file", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(cert_file),
     .help = "Certificate in PEM that is shown to an API that asks for one, with those that it is signed by behind "
             "it."},
    {"key_file", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(key_file),
     .help = "Key of cert_file in PEM, without a passphrase."},
    {"proxy", .default_text = "", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_SECRET, OFFSET(proxy),
     .help = "URL of the proxy that requests go through, such as http://proxy:3128; it may hold a user and a "
             "password. The environment's (https_proxy) is not used."},
    {"brokers", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(brokers),
     .help = "Kafka brokers as host:port, separated by commas. Without, predictions are not published."},
    {"topic", .default_text = "churn-predictions", .type = CHURN_OPTION_STRING, OFFSET(topic),
     .help = "Topic that predictions are published to, keyed by customer; made if it does not exist."},
    {"partitions", .default_text = "0", .type = CHURN_OPTION_INT, .max = 100000, OFFSET(partitions),
     .help = "Partitions of that topic if it is made; 0: the broker's default."},
    {"properties", .type = CHURN_OPTION_MAP, .flags = CHURN_OPTION_SECRET, OFFSET(properties),
     .help = "Further settings of the Kafka clients by librdkafka's own names."},
    {"queue", .default_text = "auto", .type = CHURN_OPTION_ENUM, .choices = queues, OFFSET(queue),
     .help = "Where triggers wait: kafka, a topic; store, the pipeline's embedded store; auto: kafka where brokers are "
             "given."},
    {"queue_topic", .default_text = "churn-prediction-requests", .type = CHURN_OPTION_STRING, OFFSET(queue_topic),
     .help =
         "Topic in which triggers wait; made, compacted, if it does not exist. Of one pipeline alone: the newest "
         "trigger of a customer stands for the older ones, so where pipelines share it, compaction may take what one "
         "of them has not asked for yet."},
    {"queue_group", .default_text = "", .type = CHURN_OPTION_STRING, OFFSET(queue_group),
     .help = "Consumer group that serves queue_topic; by default the pipeline's name with -predictions. Its offsets "
             "say what "
             "was served, and triggers that were written under the name of another group are left to that one."},
    {"queue_partitions", .default_text = "0", .type = CHURN_OPTION_INT, .max = 100000, OFFSET(queue_partitions),
     .help = "Partitions of queue_topic if it is made; 0: the broker's default."},
    {"max_waiting", .default_text = "100000", .type = CHURN_OPTION_INT, .min = 1, .max = 10000000, OFFSET(max_waiting),
     .help = "Triggers that are read ahead into memory; the others wait in the queue alone."},
    {"cache_prefix", .default_text = "prediction:", .type = CHURN_OPTION_STRING, OFFSET(cache_prefix),
     .help = "Predictions are stored as hashes whose keys are this and the customer."},
    {"cache_ttl", .default_text = "1h", .type = CHURN_OPTION_DURATION, .max = INT64_MAX, OFFSET(cache_ttl_ms),
     .help = "How long a stored prediction is kept; 0: until it is replaced."},
    {"cache_features", .default_text = "false", .type = CHURN_OPTION_BOOL, OFFSET(cache_features),
     .help = "Whether a stored prediction keeps, as `features`, the features that were sent."},
    {"min_interval", .default_text = "0s", .type = CHURN_OPTION_DURATION, .max = INT64_MAX, OFFSET(min_interval_ms),
     .help = "A trigger is let go of (counted as `recent`) while the customer's stored prediction is younger than this "
             "and was for another event; at most cache_ttl. 0s: each trigger is asked about."},
    CROSSING_OPTIONS(offsetof(struct prediction, settings.alert)),
    {"shadow", .default_text = "false", .type = CHURN_OPTION_BOOL, OFFSET(shadow),
     .help =
         "Whether this is a second model, asked beside the first: its answers are published, and neither cached nor "
         "a cause of alerts."},
    {"dead_letter_topic", .default_text = "churn-dead-letters", .type = CHURN_OPTION_STRING, OFFSET(dead_letter_topic),
     .help = "Topic for triggers that the API refuses; made if it does not exist. `churnd redrive` offers them again "
             "where it "
             "is the topic of the pipeline's dead_letters. Without brokers they are stored as "
             "prediction-failed:<customer>, "
             "and the customer's next trigger asks anew."},
};

static int32_t check_kafka(struct prediction *p, churn_error *err)
{
    const struct settings *s = &p->settings;
    const struct {
        const char *name;
        const char *value;
    } topics[] = {{"topic", s->topic}, {"queue_topic", s->queue_topic}, {"dead_letter_topic", s->dead_letter_topic}};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        if (kafka_topic_name_check(topics[i].name, topics[i].value, err) != CHURN_OK) {
            return CHURN_FATAL;
        }
    }
    if (strcmp(s->queue_topic, s->topic) == 0 || strcmp(s->queue_topic, s->dead_letter_topic) == 0) {
        return churn_fail_option(err, "queue_topic", "must be a topic of its own");
    }
    return kafka_producer_check(p->host, s->brokers, &s->properties, err);
}

/* What has no effect on answers that are published alone is a mistake. */
static int32_t check_shadow(const struct settings *s, churn_error *err)
{
    static const char alone[] = "has no effect with `shadow`, whose answers are published alone; leave one of them out";
    if (!s->shadow) {
        return CHURN_OK;
    }
    return crossing_is_on(&s->alert) ? churn_fail_option(err, "alert", "%s", alone)
           : s->min_interval_ms > 0  ? churn_fail_option(err, "min_interval", "%s", alone)
           : s->cache_features       ? churn_fail_option(err, "cache_features", "%s", alone)
           : s->brokers[0] == '\0'   ? churn_fail_option(err, "shadow",
                                                         "needs `brokers`: its answers are published, "
                                                         "and nowhere else")
                                     : CHURN_OK;
}

static int32_t check(struct prediction *p, churn_error *err)
{
    struct settings *s = &p->settings;
    int32_t rc =
        s->token[0] != '\0' && s->bearer[0] != '\0'
            ? churn_fail_option(err, "token", "is the former name of `bearer`, which is given too; leave it out")
            : http_settings_check(&s->http, err);
    if (rc == CHURN_OK && s->retry_max_ms < s->retry_min_ms) {
        rc = churn_fail_option(err, "retry_max", "must not be below retry_min");
    }
    if (rc == CHURN_OK && s->cache_ttl_ms != 0 && s->min_interval_ms > s->cache_ttl_ms) {
        rc = churn_fail_option(err, "min_interval", "must not be above cache_ttl: what is forgotten is not recent");
    }
    rc = rc == CHURN_OK ? check_shadow(s, err) : rc;
    rc = rc == CHURN_OK ? crossing_check(&s->alert, p->host, err) : rc;
    if (rc == CHURN_OK && s->brokers[0] != '\0') {
        rc = check_kafka(p, err);
    }
    if (rc == CHURN_OK && s->queue == QUEUE_KAFKA) {
        rc = s->brokers[0] != '\0' ? queue_kafka_check(p->host, s, err)
                                   : churn_fail_option(err, "brokers", "must be given, since `queue` is kafka");
    }
    return rc;
}

static void make_counters(struct prediction *p)
{
    static const int64_t bounds_ms[] = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000};
    static const churn_metric triggers = {.size = sizeof triggers,
                                          .kind = CHURN_METRIC_COUNTER,
                                          .name = "prediction_triggers_total",
                                          .help = "Triggers that the prediction sink has taken."};
    static const churn_metric waiting = {.size = sizeof waiting,
                                         .kind = CHURN_METRIC_GAUGE,
                                         .name = "predictions_waiting",
                                         .help = "Triggers that wait for their prediction, as far as is known."};
    static const churn_metric request = {.size = sizeof request,
                                         .kind = CHURN_METRIC_HISTOGRAM,
                                         .name = "prediction_request_seconds",
                                         .help = "From a request to the prediction API until its answer or failure.",
                                         .bounds = bounds_ms,
                                         .bound_count = sizeof bounds_ms / sizeof *bounds_ms,
                                         .per_unit = 1000};
    const churn_host *host = p->host;
    int named = host->size >= offsetof(churn_host, name) + sizeof host->name && host->name != NULL;
    const churn_label sink = {.name = "sink", .value = named ? host->name : "prediction"};
    const churn_metric open = {.size = sizeof open,
                               .kind = CHURN_METRIC_GAUGE,
                               .name = "prediction_breaker_open",
                               .help = "1 while the prediction API fails, so that it is asked only now and then.",
                               .labels = &sink,
                               .label_count = 1};
    p->counters =
        (struct counters){.requested = counter_shown(host, "predictions_requested", &triggers),
                          .answered = prediction_result(host, "predictions_answered", "answered"),
                          .failed = prediction_result(host, "predictions_failed", "failed"),
                          .waiting = counter_shown(host, "predictions_waiting", &waiting),
                          .coalesced = prediction_result(host, "predictions_coalesced", "coalesced"),
                          .dead_lettered = prediction_result(host, "predictions_dead_lettered", "dead_lettered"),
                          .unwanted = prediction_result(host, "predictions_unwanted", "unwanted"),
                          .recent = prediction_result(host, "predictions_recent", "recent"),
                          .forgotten = prediction_result(host, "predictions_forgotten", "forgotten"),
                          .letters = counter_new(host, "dead_letters"),
                          .letters_by_sink = counter_new(host, "dead_letters_rejected_by_sink"),
                          .breaker_open = counter_shown(host, "prediction_breaker_open", &open),
                          .request = measure_new(host, &request)};
}

static const char *path_of(const struct settings *s)
{
    return s->path != NULL ? s->path : s->model.path[0] != '\0' ? s->model.path : "/api/predict";
}

static int32_t prediction_create(void *self, const churn_host *host, churn_error *err)
{
    struct prediction *p = self;
    struct settings *s = &p->settings;
    int32_t rc = model_options_read(&s->model, host, s->batch_max, err);
    if (rc != CHURN_OK) {
        return rc;
    }
    p->host = host;
    if (s->queue == QUEUE_AUTO) {
        s->queue = s->brokers[0] != '\0' ? QUEUE_KAFKA : QUEUE_STORE;
    }
    s->http = (struct http_settings){.url = s->url,
                                     .path = path_of(s),
                                     .options = {.url = "url",
                                                 .headers = "headers",
                                                 .bearer = s->bearer[0] != '\0' ? "bearer" : "token",
                                                 .user = "user",
                                                 .password = "password",
                                                 .proxy = "proxy"},
                                     .headers = &s->headers,
                                     .bearer = s->bearer[0] != '\0' ? s->bearer : s->token,
                                     .user = s->user,
                                     .password = s->password,
                                     .proxy = s->proxy,
                                     .tls = {.ca_file = s->ca_file,
                                             .cert_file = s->cert_file,
                                             .key_file = s->key_file,
                                             .ca_option = "ca_file",
                                             .cert_option = "cert_file",
                                             .key_option = "key_file"},
                                     .timeout_ms = s->timeout_ms,
                                     .connect_timeout_ms = s->connect_timeout_ms,
                                     .concurrency = (uint32_t)s->concurrency};
    rc = check(p, err);
    if (rc != CHURN_OK) {
        model_options_free(&s->model);
        return rc;
    }
    make_counters(p);
    return CHURN_OK;
}

static void prediction_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    const struct prediction *p = self;
    const struct settings *s = &p->settings;
    const struct kafka_topic topics[] = {
        {.name = s->topic, .option = "topic", .flags = CHURN_TARGET_WRITES, .is_made = 1},
        {.name = s->dead_letter_topic, .option = "dead_letter_topic", .flags = CHURN_TARGET_WRITES, .is_made = 1},
    };
    const churn_target keys = {.size = sizeof keys,
                               .flags = CHURN_TARGET_WRITES,
                               .kind = CHURN_TARGET_KEYS,
                               .name = s->cache_prefix,
                               .option = "cache_prefix"};
    const churn_target waiting = {.size = sizeof waiting,
                                  .flags = CHURN_TARGET_READS | CHURN_TARGET_WRITES,
                                  .kind = CHURN_TARGET_KEYS,
                                  .name = QUEUE_STORE_PREFIX};
    const churn_target failed = {
        .size = sizeof failed, .flags = CHURN_TARGET_WRITES, .kind = CHURN_TARGET_KEYS, .name = OUTCOME_FAILED_PREFIX};
    http_probe(&s->http, timeout_ms, fn, ctx);
    model_probe(&s->model, &s->http, timeout_ms, fn, ctx);
    if (s->brokers[0] != '\0') {
        kafka_producer_probe(p->host, s->brokers, &s->properties, topics, 2, timeout_ms, fn, ctx);
    }
    if (s->queue == QUEUE_KAFKA) {
        queue_kafka_probe(p->host, s, timeout_ms, fn, ctx);
    }
    if (!s->shadow) {
        fn(ctx, &keys);
    }
    if (s->brokers[0] == '\0') {
        fn(ctx, &failed);
    }
    if (s->queue == QUEUE_STORE) {
        fn(ctx, &waiting);
    }
}

static void prediction_grants(void *self, uint32_t use, churn_grant_fn fn, void *ctx)
{
    const struct prediction *p = self;
    const struct settings *s = &p->settings;
    const struct kafka_grants grants = {.brokers = s->brokers, .properties = &s->properties, .fn = fn, .ctx = ctx};
    char group[GROUP_SIZE];
    (void)use;
    if (s->brokers[0] != '\0') {
        kafka_grants_write(&grants, s->topic, 1);
        kafka_grants_write(&grants, s->dead_letter_topic, 1);
    }
    if (s->queue == QUEUE_KAFKA) {
        queue_kafka_group(p->host, s, group);
        kafka_grants_write(&grants, s->queue_topic, 1);
        kafka_grants_read(&grants, s->queue_topic);
        kafka_grants_group(&grants, group);
    }
}

static void close_queue(struct prediction *p, int64_t deadline_ms)
{
    if (p->queue.front != NULL) {
        p->queue.front_ops->free(p->queue.front, deadline_ms);
        p->queue.front = NULL;
    }
}

static int32_t prediction_start(void *self, churn_error *err)
{
    struct prediction *p = self;
    const struct settings *s = &p->settings;
    int32_t rc = store_session_init(&p->session, p->host, "predictions", err);
    if (rc == CHURN_OK) {
        rc = s->queue == QUEUE_KAFKA ? queue_kafka_open(&p->queue, p->host, s, &p->counters, err)
                                     : queue_store_open(&p->queue, p->host, s, &p->counters, &p->session, err);
    }
    if (rc != CHURN_OK) {
        return rc;
    }
    p->service = service_start(p->host, s, &p->counters, &p->queue, &p->session, err);
    if (p->service == NULL) {
        p->queue.back_ops->free(p->queue.back, 0);
        close_queue(p, 0);
        return CHURN_FATAL;
    }
    return CHURN_OK;
}

static int32_t prediction_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                                churn_error *err)
{
    struct prediction *p = self;
    int32_t rc;
    *ret_taken = 0;
    rc = p->queue.front_ops->write(p->queue.front, records, count, ret_taken, err);
    counter_add(&p->counters.requested, *ret_taken);
    return rc;
}

static int32_t prediction_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                               churn_error *err)
{
    struct prediction *p = self;
    int32_t rc = service_check(p->service, err);
    *ret_count = 0;
    if (rc == CHURN_OK) {
        rc = p->queue.front_ops->poll(p->queue.front, done, max, timeout_ms, ret_count, err);
    }
    if (rc == CHURN_OK) {
        p->written += *ret_count;
    }
    return rc;
}

static int32_t prediction_drain(void *self, churn_error *err)
{
    struct prediction *p = self;
    return service_drain(p->service, p->written, err);
}

static void prediction_stop(void *self, int64_t deadline_ms)
{
    struct prediction *p = self;
    int64_t begin = p->host->monotonic_ms(p->host), left;
    if (!service_stop(p->service, deadline_ms)) {
        churn_log(p->host, CHURN_LOG_WARN, "the serving thread of predictions did not end in time");
    }
    left = begin + deadline_ms - p->host->monotonic_ms(p->host);
    close_queue(p, left > 0 ? left : 0);
}

static void prediction_destroy(void *self)
{
    struct prediction *p = self;
    service_free(p->service);
    close_queue(p, 0);
    store_session_close(&p->session);
    model_options_free(&p->settings.model);
}

static const churn_sink_ops ops = {
    .size = sizeof(churn_sink_ops),
    .accepts = CHURN_RECORD_TRIGGER,
    .create = prediction_create,
    .start = prediction_start,
    .write = prediction_write,
    .poll = prediction_poll,
    .drain = prediction_drain,
    .stop = prediction_stop,
    .destroy = prediction_destroy,
    .probe = prediction_probe,
    .grants = prediction_grants,
    .judges = CHURN_JUDGES_PROFILES,
};

static const char *const paths[] = {"ca_file", "cert_file", "key_file", "properties", NULL};
static const char *const proxies[] = {"proxy", NULL};
static const churn_needs needs = {
    .size = sizeof needs, .flags = CHURN_NEEDS_CONNECT, .read_options = paths, .discover_options = proxies};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "prediction", .version = "1.0.0",
             .summary = "Asks a prediction API over HTTP, caches and publishes its answers",
             CHURN_OPTIONS(options, struct prediction), .ops = &ops, .needs = &needs);
