#define _GNU_SOURCE /* pthread_timedjoin_np */
#include "kafka_client.h"
#include "kafka_access.h"
#include "kafka_brokers.h"
#include "stall.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define OUTAGE_GRACE_MS 2000 /* connecting takes a moment, and one of a host's several addresses may not answer */
#define REASON_SIZE 384
#define SCRAM_SINCE 0x02060100 /* the librdkafka whose login with SCRAM Kafka 4 takes */
#define START_ADVICE "; start it, or correct `brokers`"
#define LOOK_MS 50                     /* between looks at a consumer that closes */
#define CLOSING_MS 200                 /* by then a consumer that waits for nobody has closed */
#define COORDINATOR "GroupCoordinator" /* librdkafka's name for its link to it */
#ifdef CHURN_FAULTS                    /* the fault suite does not wait so long */
#define GROUP_SILENT_MS 2000
#define GROUP_LOST_MS 5000
#else
#define GROUP_SILENT_MS 10000 /* a coordinator that moves takes less, as a rule */
#define GROUP_LOST_MS 30000
#endif
#define ASK_MS (GROUP_SILENT_MS / 10) /* without an answer: by then brokers are asked something, again and again */
#define ANSWER_MS 9000                /* a question without an answer for so long: they hang */

/* Properties that no plugin leaves to the user. */
static const char *const always_owned[] = {
    "bootstrap.servers",
    "use `brokers`",
    "metadata.broker.list",
    "use `brokers`",
    "log.queue",
    "churnd writes librdkafka's log lines to its own log",
    NULL,
};

/* A broker, logical or real, of one of the clients that report here. */
struct link {
    struct link *next;
    const rd_kafka_t *rk;
    int port;
    int up;
    char name[];
};

struct kafka_client {
    const churn_host *host;
    const char *brokers;
    void *owner;
    pthread_mutex_t lock; /* guards `links`: librdkafka's threads report to them */
    struct link *links;
    _Atomic int up_count;       /* links that are up */
    _Atomic int coordinator_up; /* … and the one to the group's coordinator is */
    _Atomic int abandoned;      /* a librdkafka client that did not end still refers to this */
    _Atomic uint32_t answers;   /* that came from brokers */
    rd_kafka_t *rk;             /* the newest one that reports here; NULL: it is gone */
    int64_t down_since_ms;      /* 0: not known to be down */
    uint32_t answers_seen;
    int64_t heard_ms; /* when the newest answer was seen, or the first was needed */
    int64_t asked_ms; /* the first question since; 0: there was none */
    int64_t ask_at_ms;
    struct stall outage;
    _Atomic int certificate_fault; /* OpenSSL's number for why the newest certificate was refused; 0: none was */
    char reason[REASON_SIZE];      /* of the newest connection error */
    const char *advice;            /* what to do about it; "": it says so itself */
};

static const char *owned_reason(const char *const *owned, const char *name)
{
    for (size_t i = 0; owned != NULL && owned[i] != NULL; i += 2) {
        if (strcmp(owned[i], name) == 0) {
            return owned[i + 1];
        }
    }
    return NULL;
}

/* Edit distance, as far as names of up to 63 bytes go. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);
    if (n >= sizeof row / sizeof row[0]) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            size_t shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];
            diagonal = row[j];
            row[j] = shorter + 1 < replaced ? shorter + 1 : replaced;
        }
    }
    return row[n];
}

static void nearest_in(const char **pairs, size_t count, const char *name, size_t *best, char *found, size_t size)
{
    for (size_t i = 0; i + 1 < count; i += 2) {
        size_t d = distance(name, pairs[i]);
        if (d < *best) {
            *best = d;
            (void)snprintf(found, size, "%s", pairs[i]);
        }
    }
}

/* The known property that `name` most likely means; "" when none is near. */
static void nearest_property(const char *name, char *found, size_t size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_conf_t *topic_conf = rd_kafka_topic_conf_new();
    size_t count, best = strlen(name) / 4 + 2;
    const char **pairs;
    found[0] = '\0';
    pairs = rd_kafka_conf_dump(conf, &count);
    nearest_in(pairs, count, name, &best, found, size);
    rd_kafka_conf_dump_free(pairs, count);
    pairs = rd_kafka_topic_conf_dump(topic_conf, &count);
    nearest_in(pairs, count, name, &best, found, size);
    rd_kafka_conf_dump_free(pairs, count);
    rd_kafka_topic_conf_destroy(topic_conf);
    rd_kafka_conf_destroy(conf);
}

static int may_be_secret(const char *name)
{
    static const char *const words[] = {"password", "secret", "key", "pem", "token", "sasl", "certificate", "oauth"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strstr(name, words[i]) != NULL) {
            return 1;
        }
    }
    return 0;
}

/* Names one of the `properties` as the option at fault. */
CHURN_PRINTF(3, 4) static int32_t fail_property(churn_error *err, const char *name, const char *format, ...)
{
    char option[CHURN_ERROR_OPTION_SIZE], message[CHURN_ERROR_MESSAGE_SIZE];
    va_list args;
    (void)snprintf(option, sizeof option, "properties.%s", name);
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return churn_fail_option(err, option, "%s", message);
}

/* Why librdkafka refused a value, without the value. */
static int32_t refuse_value(const char *name, const char *value, const char *said, churn_error *err)
{
    if (may_be_secret(name) || value[0] == '\0' || strstr(said, value) != NULL) {
        return fail_property(err, name, "librdkafka refuses the value of `%s` (not shown); see its CONFIGURATION.md",
                             name);
    }
    return fail_property(err, name, "librdkafka refuses `%s`: %s", name, said);
}

static int32_t set_property(rd_kafka_conf_t *conf, const char *name, const char *value, churn_error *err)
{
    char said[256], near[64];
    switch (rd_kafka_conf_set(conf, name, value, said, sizeof said)) {
    case RD_KAFKA_CONF_OK:
        return CHURN_OK;
    case RD_KAFKA_CONF_UNKNOWN:
        nearest_property(name, near, sizeof near);
        return fail_property(err, name, "librdkafka has no property `%s`%s%s%s", name,
                             near[0] != '\0' ? "; did you mean `" : "", near, near[0] != '\0' ? "`?" : "");
    default:
        return refuse_value(name, value, said, err);
    }
}

/* A file that is missing is told by librdkafka late, or in the words of OpenSSL. */
static int32_t check_file(const char *name, const char *value, churn_error *err)
{
    static const char ending[] = ".location";
    size_t len = strlen(name), ending_len = sizeof ending - 1;
    int names_file = len > ending_len && strcmp(name + len - ending_len, ending) == 0;
    struct stat about;
    if (!names_file || value[0] == '\0' || strcmp(value, "probe") == 0) {
        return CHURN_OK;
    }
    if (access(value, R_OK) == 0 && stat(value, &about) == 0) {
        /* librdkafka would wait for a FIFO's writer. A folder may hold certificates. */
        return S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)
                   ? CHURN_OK
                   : fail_property(err, name, "`%s`: '%s' is neither a file nor a folder", name, value);
    }
    return fail_property(err, name, "`%s`: '%s' cannot be read: %s", name, value, strerror(errno));
}

static int32_t set_properties(rd_kafka_conf_t *conf, const churn_map *properties, const char *const *owned,
                              churn_error *err)
{
    for (uint32_t i = 0; properties != NULL && i < properties->count; i++) {
        const char *name = properties->keys[i];
        const char *reason = owned_reason(owned, name);
        if (reason == NULL) {
            reason = owned_reason(always_owned, name);
        }
        if (reason != NULL) {
            return fail_property(err, name, "`%s` cannot be set here: %s", name, reason);
        }
        if (set_property(conf, name, properties->values[i], err) != CHURN_OK ||
            check_file(name, properties->values[i], err) != CHURN_OK) {
            return CHURN_FATAL;
        }
    }
    return CHURN_OK;
}

/* What librdkafka repeats while brokers are away or starting, or reports as an error besides, is for debugging. */
static int is_quiet(int level, const char *facility)
{
    static const char *const repeated[] = {"FAIL", "ERROR", "FATAL", "GETPID", "REQTMOUT", "AUTOCREATE", "SSLCERTVRFY"};
    int quiet = level > LOG_WARNING;
    for (size_t i = 0; i < sizeof repeated / sizeof repeated[0]; i++) {
        quiet |= strcmp(facility, repeated[i]) == 0;
    }
    return quiet;
}

static void log_line(const churn_host *host, int level, const char *facility, const char *text)
{
    int quiet = is_quiet(level, facility);
    churn_log(host, quiet ? CHURN_LOG_DEBUG : CHURN_LOG_WARN, "librdkafka: %s: %s", facility, text);
}

static void on_host_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    log_line(rd_kafka_opaque(rk), level, facility, text);
}

static void on_host_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)rk;
    churn_log(opaque, CHURN_LOG_WARN, "Kafka: %s: %s", rd_kafka_err2str((rd_kafka_resp_err_t)code), reason);
}

static int32_t set_identity(rd_kafka_conf_t *conf, const churn_host *host, const char *brokers, churn_error *err)
{
    char text[256];
    (void)snprintf(text, sizeof text, "churnd-%s-%u", host->pipeline != NULL ? host->pipeline : "", host->worker);
    if (kafka_client_set(conf, "client.id", text, err) != CHURN_OK ||
        kafka_brokers_check(brokers != NULL ? brokers : "", err) != CHURN_OK) {
        return CHURN_FATAL;
    }
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text) != RD_KAFKA_CONF_OK) {
        return churn_fail_option(err, "brokers", "%s", text);
    }
    return CHURN_OK;
}

rd_kafka_conf_t *kafka_client_conf(const churn_host *host, const char *brokers, const churn_map *properties,
                                   const char *const *owned, churn_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (set_identity(conf, host, brokers, err) != CHURN_OK ||
        set_properties(conf, properties, owned, err) != CHURN_OK) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_opaque(conf, (void *)(uintptr_t)host); /* only ever read as const */
    rd_kafka_conf_set_log_cb(conf, on_host_log);
    rd_kafka_conf_set_error_cb(conf, on_host_error);
    return conf;
}

int32_t kafka_client_set(rd_kafka_conf_t *conf, const char *name, const char *value, churn_error *err)
{
    char said[256];
    if (rd_kafka_conf_set(conf, name, value, said, sizeof said) == RD_KAFKA_CONF_OK) {
        return CHURN_OK;
    }
    return churn_fail(err, CHURN_FATAL, "librdkafka %s does not take `%s`: %s", rd_kafka_version_str(), name, said);
}

int32_t kafka_client_default(rd_kafka_conf_t *conf, const churn_map *properties, const char *name, const char *alias,
                             const char *value, churn_error *err)
{
    for (uint32_t i = 0; properties != NULL && i < properties->count; i++) {
        if (strcmp(properties->keys[i], name) == 0 || (alias != NULL && strcmp(properties->keys[i], alias) == 0)) {
            return CHURN_OK;
        }
    }
    return kafka_client_set(conf, name, value, err);
}

/* The longest name of `properties` that a message of librdkafka holds; NULL: none. */
static const char *property_in(const char *said, const churn_map *properties)
{
    const char *found = NULL;
    for (uint32_t i = 0; properties != NULL && i < properties->count; i++) {
        const char *name = properties->keys[i];
        if (strstr(said, name) != NULL && (found == NULL || strlen(name) > strlen(found))) {
            found = name;
        }
    }
    return found;
}

int32_t kafka_client_try(rd_kafka_type_t type, rd_kafka_conf_t *conf, const churn_map *properties, churn_error *err)
{
    char said[256];
    rd_kafka_t *rk;
    (void)rd_kafka_conf_set(conf, "bootstrap.servers", NULL, said, sizeof said);
    rd_kafka_conf_set_log_cb(conf, NULL);
    rk = rd_kafka_new(type, conf, said, sizeof said);
    if (rk == NULL) {
        const char *name = property_in(said, properties);
        rd_kafka_conf_destroy(conf); /* rd_kafka_new takes it only when it succeeds */
        return name != NULL ? fail_property(err, name, "librdkafka: %s", said)
                            : churn_fail_option(err, "properties", "librdkafka: %s", said);
    }
    rd_kafka_destroy(rk);
    return CHURN_OK;
}

int kafka_client_denied(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           err == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED || err == RD_KAFKA_RESP_ERR_POLICY_VIOLATION ||
           err == RD_KAFKA_RESP_ERR_SECURITY_DISABLED;
}

struct kafka_client *kafka_client_new(const churn_host *host, const char *brokers, void *owner)
{
    struct kafka_client *client = calloc(1, sizeof *client);
    if (client == NULL || pthread_mutex_init(&client->lock, NULL) != 0) {
        free(client);
        return NULL;
    }
    client->host = host;
    client->outage = stall_new(host, "broker");
    client->brokers = brokers;
    client->owner = owner;
    return client;
}

void *kafka_client_owner(void *opaque)
{
    return ((struct kafka_client *)opaque)->owner;
}

/* The link of one broker, made when it is new; NULL when memory ran out. Under the lock. */
static struct link *link_of(struct kafka_client *client, const rd_kafka_t *rk, const char *name, int port)
{
    size_t len = strlen(name) + 1;
    struct link *l = client->links;
    while (l != NULL && (l->rk != rk || l->port != port || strcmp(l->name, name) != 0)) {
        l = l->next;
    }
    if (l == NULL && (l = calloc(1, sizeof *l + len)) != NULL) {
        l->rk = rk;
        l->port = port;
        memcpy(l->name, name, len);
        l->next = client->links;
        client->links = l;
    }
    return l;
}

/* Called by librdkafka's broker threads. */
static rd_kafka_resp_err_t on_broker_state(rd_kafka_t *rk, int32_t id, const char *protocol, const char *name, int port,
                                           const char *state, void *opaque)
{
    struct kafka_client *client = opaque;
    int up = strcmp(state, "UP") == 0 || strcmp(state, "UPDATE") == 0;
    struct link *l;
    (void)id; /* a bootstrap broker learns its id later */
    (void)protocol;
    (void)pthread_mutex_lock(&client->lock);
    l = link_of(client, rk, name, port);
    if (l != NULL && l->up != up) {
        l->up = up;
        atomic_fetch_add(&client->up_count, up ? 1 : -1);
        atomic_fetch_add(&client->coordinator_up, strcmp(name, COORDINATOR) != 0 ? 0 : up ? 1 : -1);
    }
    (void)pthread_mutex_unlock(&client->lock);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Called by librdkafka's broker threads. A broker that hangs keeps its connections, which alone tells nothing. */
static rd_kafka_resp_err_t on_answer(rd_kafka_t *rk, int fd, const char *name, int32_t id, int16_t api, int16_t version,
                                     int32_t correlation, size_t size, int64_t rtt, rd_kafka_resp_err_t code,
                                     void *opaque)
{
    struct kafka_client *client = opaque;
    (void)rk, (void)fd, (void)name, (void)id, (void)api, (void)version, (void)correlation, (void)size, (void)rtt;
    atomic_fetch_add(&client->answers, code == RD_KAFKA_RESP_ERR_NO_ERROR ? 1 : 0);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *said, size_t size)
{
    (void)conf;
    (void)said;
    (void)size;
    (void)rd_kafka_interceptor_add_on_response_received(rk, "churnd", on_answer, opaque);
    return rd_kafka_interceptor_add_on_broker_state_change(rk, "churnd", on_broker_state, opaque);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    const struct kafka_client *client = rd_kafka_opaque(rk);
    if (!atomic_load(&client->abandoned)) {
        log_line(client->host, level, facility, text);
    }
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)rk;
    kafka_client_error(opaque, (rd_kafka_resp_err_t)code, reason);
}

/* Called by librdkafka's broker threads: only notes what OpenSSL thinks, of which librdkafka tells too little. */
static int on_certificate(rd_kafka_t *rk, const char *name, int32_t id, int *fault, int depth, const char *buf,
                          size_t size, char *said, size_t said_size, void *opaque)
{
    struct kafka_client *client = opaque;
    (void)rk;
    (void)id;
    (void)depth;
    (void)buf;
    (void)size;
    if (*fault == 0) {
        return 1;
    }
    atomic_store(&client->certificate_fault, *fault);
    (void)snprintf(said, said_size, "%s: X.509 error %d", name, *fault);
    return 0;
}

/* What OpenSSL thinks of the broker's certificate, for a person. The numbers are those of its X509_V_ERR_…. */
static const char *fault_of_broker(int fault)
{
    switch (fault) {
    case 9:
        return "the broker's certificate is not valid yet; is the clock of this machine right?";
    case 10:
        return "the broker's certificate, or that of its authority, has expired; have it renewed";
    case 62:
    case 64:
        return "the broker's certificate is for another host name than the one it is reached by; set `brokers`, and "
               "what Kafka advertises, to a name that is in the certificate";
    default:
        return "the broker's certificate is not signed by an authority that is trusted here; set ssl.ca.location to "
               "the certificate of its authority";
    }
}

/* What the broker answered to our own certificate, by the words of OpenSSL; NULL: nothing. */
static const char *fault_of_client(const char *reason)
{
    static const char *const alerts[][2] = {
        {"alert certificate expired", "this client's certificate (ssl.certificate.location) has expired; renew it"},
        {"alert unknown ca", "the broker does not trust the authority of this client's certificate "
                             "(ssl.certificate.location)"},
        {"alert bad certificate", "the broker refuses this client's certificate (ssl.certificate.location), or wants "
                                  "one"},
        {"alert certificate required", "the broker wants a certificate of its clients; set ssl.certificate.location "
                                       "and ssl.key.location"},
    };
    for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        if (strstr(reason, alerts[i][0]) != NULL) {
            return alerts[i][1];
        }
    }
    return NULL;
}

/* What is wrong with a certificate, and what to do; NULL: they are not at fault. */
static const char *certificate_fault(const struct kafka_client *client, const char *reason)
{
    int fault = atomic_load(&client->certificate_fault);
    return fault != 0 && strstr(reason, "certificate verify failed") != NULL ? fault_of_broker(fault)
                                                                             : fault_of_client(reason);
}

rd_kafka_t *kafka_client_open(struct kafka_client *client, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                              churn_error *err)
{
    char said[256];
    rd_kafka_t *rk;
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    (void)rd_kafka_conf_set_ssl_cert_verify_cb(conf, on_certificate);
    (void)rd_kafka_conf_interceptor_add_on_new(conf, "churnd", on_new, client);
    rk = rd_kafka_new(type, conf, said, sizeof said);
    if (rk == NULL) {
        /* `conf` is given up: librdkafka 2.0.2 has freed its interceptors here and would do so again. */
        (void)churn_fail_option(err, "properties", "librdkafka: %s", said);
    }
    client->rk = rk;
    return rk;
}

static void describe_scram(char *text, size_t size)
{
    (void)snprintf(text, size,
                   "librdkafka %s cannot log in to Kafka 4 with SCRAM, since it repeats the nonce (mended in 2.6.1, as "
                   "in Debian 13); use a newer one, or PLAIN over TLS",
                   rd_kafka_version_str());
}

/* "Connect to … failed: Connection refused" of "host:9092/1: Connect to … failed: Connection refused (after …)". */
static void keep_words(struct kafka_client *client, const char *reason)
{
    const char *from = strstr(reason, ": "), *suffix = strstr(reason, " (after ");
    from = from != NULL && (suffix == NULL || from < suffix) ? from + 2 : reason;
    (void)snprintf(client->reason, sizeof client->reason, "%.*s",
                   suffix != NULL ? (int)(suffix - from) : (int)strlen(from), from);
}

static void keep_reason(struct kafka_client *client, const char *reason)
{
    const char *fault = certificate_fault(client, reason);
    int refused = strstr(reason, "SASL authentication error") != NULL;
    client->advice = "";
    if (fault != NULL) {
        (void)snprintf(client->reason, sizeof client->reason, "%s", fault);
    } else if (refused && rd_kafka_version() < SCRAM_SINCE && strstr(reason, "SCRAM") != NULL) {
        describe_scram(client->reason, sizeof client->reason);
    } else {
        client->advice = refused ? "; correct sasl.username and sasl.password, or sasl.mechanism" : START_ADVICE;
        keep_words(client, reason);
    }
}

void kafka_client_error(struct kafka_client *client, rd_kafka_resp_err_t code, const char *reason)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        keep_reason(client, reason);
        churn_log(client->host, CHURN_LOG_DEBUG, "Kafka: %s", reason);
        break;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__FATAL:                /* asked for with rd_kafka_fatal_error */
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: /* these three also come with the topic's own events */
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        churn_log(client->host, CHURN_LOG_DEBUG, "Kafka: %s", reason);
        break;
    default:
        churn_log(client->host, CHURN_LOG_WARN, "Kafka: %s: %s", rd_kafka_err2str(code), reason);
    }
}

/* A small question whose answer nobody waits for: that it comes is all. */
static void ask_brokers(struct kafka_client *client, int64_t now)
{
    const struct rd_kafka_metadata *metadata = NULL;
    if (client->rk != NULL && rd_kafka_metadata(client->rk, 0, NULL, &metadata, 0) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(metadata);
    }
    client->asked_ms = client->asked_ms == 0 ? now : client->asked_ms;
    client->ask_at_ms = now + ASK_MS;
}

/* Follows the answers of the brokers that are connected; 1 when they hang. Those to a client that is busy come all the
 * time, and one that rests is asked for. */
static int check_answers(struct kafka_client *client, int needed, int64_t now)
{
    uint32_t answers = atomic_load(&client->answers);
    if (!needed || client->heard_ms == 0 || answers != client->answers_seen) {
        client->answers_seen = answers;
        client->heard_ms = now;
        client->asked_ms = 0;
        client->ask_at_ms = now + ASK_MS;
    } else if (now >= client->ask_at_ms) {
        ask_brokers(client, now);
    }
    return client->asked_ms != 0 && now - client->asked_ms >= ANSWER_MS;
}

int kafka_client_check(struct kafka_client *client, int needed)
{
    const churn_host *host = client->host;
    int64_t now = host->monotonic_ms(host);
    if (atomic_load(&client->up_count) > 0) {
        client->down_since_ms = 0;
        if (check_answers(client, needed, now)) {
            stall_begin(&client->outage, "Kafka at %s has not answered for %lld s; waiting", client->brokers,
                        (long long)(now - client->heard_ms) / 1000);
            return 0;
        }
        if (client->outage.lasts) {
            stall_end(&client->outage);
            churn_log(host, CHURN_LOG_INFO, "Kafka at %s can be reached again", client->brokers);
        }
        return 1;
    }
    client->heard_ms = client->asked_ms = 0;
    if (!needed) {
        client->down_since_ms = 0; /* brokers close idle connections, which are opened again when needed */
        stall_end(&client->outage);
    } else if (client->down_since_ms == 0) {
        client->down_since_ms = now;
    } else if (now - client->down_since_ms >= OUTAGE_GRACE_MS) {
        stall_begin(&client->outage, "Kafka at %s cannot be reached: %s; waiting", client->brokers,
                    client->reason[0] != '\0' ? client->reason : "no answer yet");
    }
    return 0;
}

enum kafka_group_state kafka_client_group(struct kafka_client *client, struct kafka_group *group)
{
    int64_t now = client->host->monotonic_ms(client->host);
    int hang = now - client->heard_ms >= GROUP_SILENT_MS / 2; /* kafka_client_check asks often enough to know */
    if (group->found_ms == 0 || atomic_load(&client->up_count) == 0 || hang ||
        atomic_load(&client->coordinator_up) > 0) {
        group->found_ms = now;
    }
    return now - group->found_ms >= GROUP_LOST_MS     ? KAFKA_GROUP_LOST
           : now - group->found_ms >= GROUP_SILENT_MS ? KAFKA_GROUP_SILENT
                                                      : KAFKA_GROUP_FOUND;
}

/* Answers a rebalance of a consumer that closes. `again`: one was answered before, after which the group may be left
 * without this one; then nobody replies to calls any more, and the call would never return (librdkafka's issue 4884).
 */
static void give_up(rd_kafka_t *rk, rd_kafka_event_t *event, int cooperative, int again)
{
    rd_kafka_error_t *error;
    for (int waited_ms = 0; again && waited_ms < CLOSING_MS; waited_ms += LOOK_MS) {
        const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
        if (rd_kafka_consumer_closed(rk)) {
            return;
        }
        (void)nanosleep(&pause, NULL);
    }
    if (!cooperative || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        (void)rd_kafka_assign(rk, NULL);
        return;
    }
    error = rd_kafka_incremental_unassign(rk, rd_kafka_event_topic_partition_list(event));
    if (error != NULL) {
        rd_kafka_error_destroy(error);
    }
}

int kafka_client_leave(struct kafka_client *client, rd_kafka_t *rk, int64_t timeout_ms)
{
    int64_t until = client->host->monotonic_ms(client->host) + timeout_ms;
    int cooperative = strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") == 0, again = 0;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(rk, queue);
    int closing = error == NULL;
    while (closing && !rd_kafka_consumer_closed(rk) && client->host->monotonic_ms(client->host) < until) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, LOOK_MS);
        if (event != NULL && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE) {
            give_up(rk, event, cooperative, again);
            again = 1;
        }
        if (event != NULL) {
            rd_kafka_event_destroy(event);
        }
    }
    if (error != NULL) {
        rd_kafka_error_destroy(error);
    }
    rd_kafka_queue_destroy(queue);
    return closing && rd_kafka_consumer_closed(rk);
}

struct ending {
    rd_kafka_t *rk;
    int flags;
};

static void *destroy_thread(void *arg)
{
    const struct ending *ending = arg;
    rd_kafka_destroy_flags(ending->rk, ending->flags);
    return arg;
}

static struct timespec time_after(int64_t ms)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

void kafka_client_destroy(struct kafka_client *client, rd_kafka_t *rk, int flags, int64_t timeout_ms)
{
    struct ending *ending = rk != NULL ? malloc(sizeof *ending) : NULL;
    struct timespec end = time_after(timeout_ms);
    pthread_t thread;
    client->rk = client->rk == rk ? NULL : client->rk;
    if (ending != NULL) {
        *ending = (struct ending){.rk = rk, .flags = flags};
    }
    if (ending == NULL || pthread_create(&thread, NULL, destroy_thread, ending) != 0) {
        free(ending);
        if (rk != NULL) {
            rd_kafka_destroy_flags(rk, flags);
        }
        return;
    }
    if (pthread_timedjoin_np(thread, NULL, &end) == 0) {
        free(ending);
        return;
    }
    atomic_store(&client->abandoned, 1);
    (void)pthread_detach(thread);
    churn_log(client->host, CHURN_LOG_DEBUG, "librdkafka did not end in time; left behind");
}

void kafka_client_free(struct kafka_client *client)
{
    if (client == NULL || atomic_load(&client->abandoned)) {
        return;
    }
    while (client->links != NULL) {
        struct link *l = client->links;
        client->links = l->next;
        free(l);
    }
    (void)pthread_mutex_destroy(&client->lock);
    free(client);
}

#define PROBE_SLICE_MS 500
#define ACCESS_MS 3000
#define PROBE_ENOUGH_MS 1000 /* by then each address of a broker that refuses connections was tried */

static rd_kafka_resp_err_t ask_metadata(struct kafka_client *client, rd_kafka_t *rk, uint32_t timeout_ms,
                                        const struct rd_kafka_metadata **ret_metadata)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (uint32_t waited = 0; waited < timeout_ms; waited += PROBE_SLICE_MS) {
        uint32_t left = timeout_ms - waited;
        /* For all topics: a question about one may create it. */
        code = rd_kafka_metadata(rk, 1, NULL, ret_metadata, (int)(left < PROBE_SLICE_MS ? left : PROBE_SLICE_MS));
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            break;
        }
        (void)rd_kafka_poll(rk, 0); /* calls back with the reason */
        if (client->reason[0] != '\0' && waited >= PROBE_ENOUGH_MS && atomic_load(&client->up_count) == 0) {
            break;
        }
    }
    return code;
}

/* Whom and what a probe asks. */
struct probe {
    rd_kafka_t *rk;
    rd_kafka_t *writer; /* NULL: there is none, or it cannot be made */
    rd_kafka_type_t type;
    const struct rd_kafka_metadata *metadata; /* NULL: there is no answer */
    const char *brokers;
    const char *failure; /* then, if it was asked for; or NULL */
    char said[512];      /* of the topic that is asked about */
};

/* What a user lacks, for people; "" when nothing is denied. */
static void ask_access(const struct probe *probe, const struct kafka_topic *topic, int write, char *ret, size_t size)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    char group[256] = "";
    size_t len = sizeof group;
    ret[0] = '\0';
    if (write && (topic->flags & CHURN_TARGET_WRITES) != 0 && probe->writer != NULL &&
        kafka_access_write(probe->writer, topic->name, ACCESS_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(ret, size, "this Kafka user may not write it; give it WRITE on the topic");
        return;
    }
    if ((topic->flags & CHURN_TARGET_READS) != 0 && probe->type == RD_KAFKA_CONSUMER) {
        code = kafka_access_read(probe->rk, topic->name, ACCESS_MS);
    }
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
        (void)rd_kafka_conf_get(rd_kafka_conf(probe->rk), "group.id", group, &len);
        (void)snprintf(ret, size, "this Kafka user may not use the consumer group `%s`; give it READ on the group",
                       group);
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(ret, size, "this Kafka user may not read it; give it READ on the topic");
    }
}

static void report_access(struct probe *probe, const struct kafka_topic *topic, int write, churn_target *target)
{
    ask_access(probe, topic, write, probe->said, sizeof probe->said);
    if (probe->said[0] != '\0') {
        target->result = CHURN_FATAL;
        target->message = probe->said;
    }
}

static void report_absent(struct probe *probe, const struct kafka_topic *topic, churn_target *target)
{
    if ((topic->flags & CHURN_TARGET_WRITES) == 0) {
        target->message = "does not exist, or this user may not see it; it is waited for";
        report_access(probe, topic, 0, target);
    } else if (!topic->is_made) {
        target->message = "does not exist, or this user may not see it; the brokers may make it";
    } else if (kafka_access_create(probe->rk, topic->name, ACCESS_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        target->result = CHURN_FATAL;
        target->message =
            "does not exist, or this Kafka user may not see it, and may not make it; give it WRITE on the "
            "topic, and make the topic or give it CREATE";
    } else {
        report_access(probe, topic, 0, target); /* a write would make the topic */
    }
}

static void report_topic(struct probe *probe, const struct kafka_topic *topic, churn_target *target)
{
    const struct rd_kafka_metadata_topic *found = NULL;
    for (int i = 0; i < probe->metadata->topic_cnt; i++) {
        if (strcmp(probe->metadata->topics[i].topic, topic->name) == 0) {
            found = &probe->metadata->topics[i];
        }
    }
    if (found == NULL) {
        report_absent(probe, topic, target);
    } else if (found->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        target->result = kafka_client_denied(found->err) ? CHURN_FATAL : CHURN_RETRY;
        target->message = rd_kafka_err2str(found->err);
    } else {
        report_access(probe, topic, 1, target);
    }
}

static void report_topics(struct probe *probe, const struct kafka_topic *topics, uint32_t count, churn_target_fn fn,
                          void *ctx)
{
    for (uint32_t i = 0; i < count; i++) {
        churn_target target = {.size = sizeof target,
                               .flags = topics[i].flags,
                               .kind = CHURN_TARGET_TOPIC,
                               .name = topics[i].name,
                               .at = probe->brokers,
                               .option = topics[i].option,
                               .message = probe->failure,
                               .result = probe->failure != NULL ? CHURN_RETRY : CHURN_OK};
        if (probe->metadata != NULL) {
            report_topic(probe, &topics[i], &target);
        }
        fn(ctx, &target);
    }
}

/* --- What is unprotected --- */

/* The value given to a property; "" where none is. */
static const char *value_of(const churn_map *properties, const char *name)
{
    for (uint32_t i = 0; properties != NULL && i < properties->count; i++) {
        if (strcmp(properties->keys[i], name) == 0) {
            return properties->values[i];
        }
    }
    return "";
}

static void tell_risk(const char *property, const char *message, churn_target_fn fn, void *ctx)
{
    char option[CHURN_ERROR_OPTION_SIZE];
    const churn_target risk = {
        .size = sizeof risk, .kind = CHURN_TARGET_RISK, .name = property, .option = option, .message = message};
    (void)snprintf(option, sizeof option, "properties.%s", property);
    fn(ctx, &risk);
}

void kafka_client_risks(const churn_map *properties, churn_target_fn fn, void *ctx)
{
    const char *protocol = value_of(properties, "security.protocol");
    const char *checks = value_of(properties, "enable.ssl.certificate.verification");
    if (checks[0] != '\0' && strcasecmp(checks, "true") != 0 && strcmp(checks, "1") != 0 &&
        strcasecmp(checks, "t") != 0) {
        tell_risk("enable.ssl.certificate.verification",
                  "certificates are not checked: anybody on the way can read, change and forge records", fn, ctx);
    }
    if (strcasecmp(value_of(properties, "ssl.endpoint.identification.algorithm"), "none") == 0) {
        tell_risk("ssl.endpoint.identification.algorithm",
                  "the name in a certificate is not checked: whoever has any certificate of this authority can read, "
                  "change and forge records",
                  fn, ctx);
    }
    if (rd_kafka_version() < SCRAM_SINCE && (strncasecmp(value_of(properties, "sasl.mechanism"), "SCRAM", 5) == 0 ||
                                             strncasecmp(value_of(properties, "sasl.mechanisms"), "SCRAM", 5) == 0)) {
        char message[256];
        describe_scram(message, sizeof message);
        tell_risk("sasl.mechanism", message, fn, ctx);
    }
    if (strcasecmp(protocol, "sasl_plaintext") == 0) {
        tell_risk("security.protocol",
                  "logs in without TLS: anybody on the way can read the records, and with PLAIN the password; use "
                  "sasl_ssl",
                  fn, ctx);
    }
}

static int any_is_written(const struct kafka_topic *topics, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && (topics[i].flags & CHURN_TARGET_WRITES) == 0) {
        i++;
    }
    return i < count;
}

void kafka_client_probe(const churn_host *host, rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *brokers,
                        const struct kafka_topic *topics, uint32_t count, uint32_t timeout_ms, churn_target_fn fn,
                        void *ctx)
{
    struct probe probe = {.type = type, .brokers = brokers};
    churn_error err = {.size = sizeof err};
    char failure[REASON_SIZE + 128];
    struct kafka_client *client;
    rd_kafka_resp_err_t code;
    if (conf == NULL) {
        report_topics(&probe, topics, count, fn, ctx);
        return;
    }
    probe.writer = any_is_written(topics, count) ? kafka_access_writer(conf) : NULL;
    client = kafka_client_new(host, brokers, NULL);
    probe.rk = client != NULL ? kafka_client_open(client, type, conf, &err) : NULL;
    if (probe.rk == NULL) {
        probe.failure = client != NULL ? err.message : "out of memory";
    } else if ((code = ask_metadata(client, probe.rk, timeout_ms, &probe.metadata)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(failure, sizeof failure, "Kafka cannot be reached: %s%s",
                       client->reason[0] != '\0' ? client->reason : rd_kafka_err2str(code),
                       client->reason[0] != '\0' ? client->advice : START_ADVICE);
        probe.failure = failure;
    }
    report_topics(&probe, topics, count, fn, ctx);
    if (probe.metadata != NULL) {
        rd_kafka_metadata_destroy(probe.metadata);
    }
    if (client != NULL) {
        kafka_client_destroy(client, probe.writer, 0, OUTAGE_GRACE_MS);
        kafka_client_destroy(client, probe.rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, OUTAGE_GRACE_MS);
    }
    kafka_client_free(client);
}
