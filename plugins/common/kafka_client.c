#define _GNU_SOURCE /* pthread_timedjoin_np */
#include "kafka_client.h"
#include "kafka_conf.h"
#include "kafka_login.h"
#include "pause.h"
#include "stall.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define OUTAGE_GRACE_MS 2000 /* connecting takes a moment, and one of a host's several addresses may not answer */
#define SILENT_TEXT "Kafka at %s has not answered for %lld s; waiting"
#define START_ADVICE "; start it, or correct `brokers`"
#define SILENT_REASON "it takes connections and answers nothing"
#define SILENT_ADVICE "; is it frozen or overloaded, or does something on the way drop what is sent?"
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

/* A broker, logical or real, of one of the clients that report here. */
struct link {
    struct link *next;
    const rd_kafka_t *rk;
    int port;
    int up;
    int64_t met_ms; /* since when it is connected without being up: nothing was answered yet; 0: it is not */
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
    uint32_t spoken;            /* answers, when the newest was noted */
    int64_t spoke_ms;           /* when that was; 0: there was none */
    uint32_t answers_seen;
    int64_t heard_ms; /* when the newest answer was seen, or the first was needed */
    int64_t asked_ms; /* the first question since; 0: there was none */
    int64_t ask_at_ms;
    struct stall outage;
    _Atomic int certificate_fault;  /* OpenSSL's number for why the newest certificate was refused; 0: none was */
    char reason[KAFKA_REASON_SIZE]; /* of the newest connection error */
    const char *advice;             /* what to do about it; "": it says so itself */
    int silent;                     /* it was made, and nothing came over it */
};

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

/* Of librdkafka's states, whether bytes can be sent. */
static int is_connected(const char *state)
{
    static const char *const before[] = {"INIT", "DOWN", "TRY_CONNECT", "CONNECT"};
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        if (strcmp(state, before[i]) == 0) {
            return 0;
        }
    }
    return 1;
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
    if (l != NULL && (up || !is_connected(state))) {
        l->met_ms = 0;
    } else if (l != NULL && l->met_ms == 0) {
        l->met_ms = client->host->monotonic_ms(client->host);
    }
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
        kafka_conf_log(client->host, level, facility, text);
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

/* "Connect to … failed: Connection refused" of "host:9092/1: Connect to … failed: Connection refused (after …)". */
static void keep_words(struct kafka_client *client, const char *reason)
{
    const char *from = strstr(reason, ": "), *suffix = strstr(reason, " (after ");
    from = from != NULL && (suffix == NULL || from < suffix) ? from + 2 : reason;
    (void)snprintf(client->reason, sizeof client->reason, "%.*s",
                   suffix != NULL ? (int)(suffix - from) : (int)strlen(from), from);
}

/* A broker takes connections and answers nothing. librdkafka guesses at causes, such as a broker of years ago. */
static int is_silence(const char *reason)
{
    return strstr(reason, "request(s) timed out") != NULL ||
           strstr(reason, "ApiVersionRequest failed: Local: Timed out") != NULL ||
           (strstr(reason, "Connection setup timed out") != NULL && strstr(reason, "state CONNECT") == NULL);
}

static void keep_silence(struct kafka_client *client)
{
    client->advice = SILENT_ADVICE;
    (void)snprintf(client->reason, sizeof client->reason, "%s", SILENT_REASON);
}

static void keep_reason(struct kafka_client *client, const char *reason)
{
    char own[512] = "";
    size_t size = sizeof own;
    const char *fault;
    int refused = strstr(reason, "SASL authentication error") != NULL;
    if (client->rk != NULL) {
        (void)rd_kafka_conf_get(rd_kafka_conf(client->rk), "ssl.certificate.location", own, &size);
    }
    fault = kafka_login_fault(reason, atomic_load(&client->certificate_fault), own);
    client->silent = fault == NULL && is_silence(reason);
    if (client->silent) {
        keep_silence(client);
        return;
    }
    if (fault != NULL) {
        client->advice = "";
        (void)snprintf(client->reason, sizeof client->reason, "%s", fault);
        return;
    }
    if (strstr(reason, "OAUTHBEARER token") != NULL) {
        client->advice = "; correct sasl.oauthbearer.client.id, sasl.oauthbearer.client.secret or "
                         "sasl.oauthbearer.token.endpoint.url";
        (void)snprintf(client->reason, sizeof client->reason, "the identity provider gave no token: %s", reason);
        return;
    }
    client->advice = refused ? "; correct sasl.username and sasl.password, or sasl.mechanism"
                     : strstr(reason, "Unsupported SASL mechanism") != NULL ? "; set sasl.mechanism to one of these"
                                                                            : START_ADVICE;
    keep_words(client, reason);
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

static void note_answers(struct kafka_client *client, int64_t now)
{
    uint32_t answers = atomic_load(&client->answers);
    if (answers != client->spoken) {
        client->spoken = answers;
        client->spoke_ms = now;
    }
}

/* Nobody is connected. */
static void tell_outage(struct kafka_client *client, int64_t now)
{
    if (client->silent && client->spoke_ms != 0) {
        stall_begin(&client->outage, SILENT_TEXT, client->brokers, (long long)(now - client->spoke_ms) / 1000);
    } else {
        stall_begin(&client->outage, "Kafka at %s cannot be reached: %s; waiting", client->brokers,
                    client->reason[0] != '\0' ? client->reason : "no answer yet");
    }
}

int kafka_client_check(struct kafka_client *client, int needed)
{
    const churn_host *host = client->host;
    int64_t now = host->monotonic_ms(host);
    note_answers(client, now);
    if (atomic_load(&client->up_count) > 0) {
        client->down_since_ms = 0;
        if (check_answers(client, needed, now)) {
            stall_begin(&client->outage, SILENT_TEXT, client->brokers, (long long)(now - client->heard_ms) / 1000);
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
        tell_outage(client, now);
    }
    return 0;
}

int kafka_client_hears(const struct kafka_client *client)
{
    return client->host->monotonic_ms(client->host) - client->heard_ms < GROUP_SILENT_MS / 2;
}

enum kafka_group_state kafka_client_group(struct kafka_client *client, struct kafka_group *group)
{
    int64_t now = client->host->monotonic_ms(client->host);
    if (group->found_ms == 0 || atomic_load(&client->up_count) == 0 || !kafka_client_hears(client) ||
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
        if (rd_kafka_consumer_closed(rk)) {
            return;
        }
        pause_ms(LOOK_MS);
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

int kafka_client_up(const struct kafka_client *client)
{
    return atomic_load(&client->up_count) > 0;
}

int kafka_client_awaits(struct kafka_client *client, int64_t for_ms)
{
    int64_t now = client->host->monotonic_ms(client->host);
    int awaits = 0;
    (void)pthread_mutex_lock(&client->lock);
    for (const struct link *l = client->links; l != NULL && !awaits; l = l->next) {
        awaits = l->met_ms != 0 && now - l->met_ms >= for_ms;
    }
    (void)pthread_mutex_unlock(&client->lock);
    return awaits;
}

/* What another of its addresses said before matters no more, but for what is wrong between the two. */
void kafka_client_silent(struct kafka_client *client)
{
    if (client->reason[0] == '\0' || strcmp(client->advice, START_ADVICE) == 0) {
        keep_silence(client);
    }
}

const char *kafka_client_reason(const struct kafka_client *client)
{
    return client->reason;
}

const char *kafka_client_advice(const struct kafka_client *client)
{
    return client->reason[0] != '\0' ? client->advice : START_ADVICE;
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
