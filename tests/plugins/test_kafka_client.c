/* The Kafka plugins against librdkafka's mock cluster: no server. */
#include "cunit_main.h"
#include "fake_host.h"
#include "kafka_brokers.h"
#include "kafka_conf.h"
#include "kafka_login.h"
#include "kafka_producer.h"
#include "kafka_risks.h"
#include "mock_kafka.h"

#include <arpa/inet.h>
#include <churn/sink.h>
#include <churn/source.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PRODUCE_REQUEST 0 /* Kafka's number of the API */
#define DEADLINE_MS 30000

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- Configuration --- */

static struct fake_host fake;

static _Atomic unsigned warnings;

static void count_warnings(const churn_host *host, int32_t level, const char *message)
{
    (void)host;
    (void)message;
    warnings += level <= CHURN_LOG_WARN;
}

/* The message of a refusal of one property; "" when it was taken. */
static const char *refusal(const char *name, const char *value)
{
    static const char *const owned[] = {"group.id", "use `group_id`", NULL};
    static churn_error err;
    const churn_map map = {.keys = &name, .values = &value, .count = 1};
    rd_kafka_conf_t *conf;
    memset(&err, 0, sizeof err);
    conf = kafka_conf_new(&fake.host, "localhost:1", &map, owned, &err);
    if (conf != NULL) {
        rd_kafka_conf_destroy(conf);
        return "";
    }
    CU_ASSERT_EQUAL(strncmp(err.option, "properties.", 11), 0);
    return err.message;
}

static void test_properties(void)
{
    fake_host_init(&fake);
    CU_ASSERT_STRING_EQUAL(refusal("session.timeout.ms", "10000"), "");
    CU_ASSERT_STRING_EQUAL(refusal("compression.codec", "zstd"), ""); /* a topic's property */
    CU_ASSERT_STRING_EQUAL(refusal("sesion.timeout.ms", "10000"),
                           "librdkafka has no property `sesion.timeout.ms`; did you mean `session.timeout.ms`?");
    CU_ASSERT_STRING_EQUAL(refusal("nonsense", "1"), "librdkafka has no property `nonsense`");
    CU_ASSERT_STRING_EQUAL(refusal("group.id", "g"), "`group.id` cannot be set here: use `group_id`");
    CU_ASSERT_STRING_EQUAL(refusal("bootstrap.servers", "a:1"),
                           "`bootstrap.servers` cannot be set here: use `brokers`");
}

/* What a producer's start warns of a property. */
static unsigned warned_of(const char *name, const char *value)
{
    const churn_map properties = {.keys = &name, .values = &value, .count = 1};
    churn_error err = {.size = sizeof err};
    struct kafka_producer *p;
    fake_host_init(&fake);
    fake.host.log = count_warnings;
    warnings = 0;
    p = kafka_producer_new(&fake.host, "127.0.0.1:1", &properties, KAFKA_LINGER_MANY, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    kafka_producer_free(p, 1000);
    return warnings;
}

/* One map serves consumers and producers of a section, and each passes over what is the other's. */
static void test_what_is_the_consumers_is_no_warning(void)
{
    CU_ASSERT_EQUAL(warned_of("session.timeout.ms", "10000"), 0);
    CU_ASSERT_NOT_EQUAL(warned_of("socket.blocking.max.ms", "100"), 0); /* which librdkafka has no more */
}

static void test_values_stay_secret(void)
{
    fake_host_init(&fake);
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal("security.protocol", "hunter2"), "security.protocol"));
    CU_ASSERT_PTR_NULL(strstr(refusal("security.protocol", "hunter2"), "hunter2"));
    CU_ASSERT_PTR_NULL(strstr(refusal("fetch.wait.max.ms", "987654321"), "987654321"));
}

static void test_brokers_are_needed(void)
{
    churn_error err = {.size = sizeof err};
    fake_host_init(&fake);
    CU_ASSERT_PTR_NULL(kafka_conf_new(&fake.host, "", NULL, NULL, &err));
    CU_ASSERT_STRING_EQUAL(err.option, "brokers");
}

/* What librdkafka passes over, or waits for in vain, is refused before it is asked. */
static void test_brokers_are_hosts_and_ports(void)
{
    static const char *const good[] = {"localhost", "a_b-c.example:9092, 10.0.0.1:65535,", "[::1]:9092,[fe80::1%eth0]",
                                       "PLAINTEXT://a:1,sasl_ssl://b"};
    static const struct {
        const char *brokers, *said;
    } bad[] = {
        {" , ", "no broker is named"},
        {"a:1,http://b:9092", "`http://b:9092` is a URL"},
        {"kafka://b", "is a URL"},
        {"a:0", "has no port from 1 to 65535"},
        {"a:65536", "no port"},
        {"a:", "no port"},
        {"a:9092x", "no port"},
        {"a:-1", "no port"},
        {"$KAFKA_BROKER", "a variable is written ${NAME}"},
        {"a:1;b:2", "commas"},
        {"::1", "brackets"},
        {"[::1", "is no host:port"},
        {"[::1]9092", "is no host:port"},
        {"a/b:1", "is no host:port"},
        {":9092", "is no host:port"},
        {"ssl://", "is no host:port"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CU_ASSERT_EQUAL(kafka_brokers_check(good[i], NULL), CHURN_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        churn_error err = {.size = sizeof err};
        CU_ASSERT_EQUAL(kafka_brokers_check(bad[i].brokers, &err), CHURN_FATAL);
        CU_ASSERT_STRING_EQUAL(err.option, "brokers");
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, bad[i].said));
    }
}

static void test_producer_check(void)
{
    const char *const keys[] = {"max.in.flight", "acks", "ssl.ca.location"};
    const char *const values[] = {"10", "1", "/nonexistent"};
    churn_error err = {.size = sizeof err};
    churn_map map = {.count = 1};
    fake_host_init(&fake);
    CU_ASSERT_EQUAL(kafka_producer_check(&fake.host, "localhost:1", NULL, &err), CHURN_OK);
    for (size_t i = 0; i < 2; i++) {
        map.keys = &keys[i];
        map.values = &values[i];
        CU_ASSERT_EQUAL(kafka_producer_check(&fake.host, "localhost:1", &map, &err), CHURN_FATAL);
        CU_ASSERT_EQUAL(strncmp(err.option, "properties.", 11), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, keys[i]));
    }
}

struct probed {
    unsigned count;
    int32_t result;
    char names[128], message[256];
};

static void on_target(void *ctx, const churn_target *target)
{
    struct probed *probed = ctx;
    size_t used = strlen(probed->names);
    probed->count++;
    probed->result = target->result;
    (void)snprintf(probed->names + used, sizeof probed->names - used, "%s %s at %s (%s);", target->kind, target->name,
                   target->at, target->option);
    (void)snprintf(probed->message, sizeof probed->message, "%s", target->message != NULL ? target->message : "");
}

/* Mechanisms that this librdkafka cannot log in with are refused, under either name. */
static void test_mechanisms(void)
{
    const struct {
        const char *mechanism, *said;
        int since; /* the librdkafka that can */
    } cases[] = {{"SCRAM-SHA-256", "2.6.1", 0x02060100},
                 {"SCRAM-SHA-512", "CVE-2024-56128", 0x02060100},
                 {"PLAIN", "", 0},
                 {"GSSAPI", "", 0},
                 {"plain", "is none of PLAIN", INT32_MAX},
                 {"OAUTHBEARER", kafka_login_has_oidc() ? "sasl.oauthbearer.method: oidc" : "without OIDC", INT32_MAX}};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        static const char *const names[] = {"sasl.mechanism", "sasl.mechanisms"};
        const char *option[] = {"properties.sasl.mechanism", "properties.sasl.mechanisms"};
        const churn_map map = {.keys = &names[i % 2], .values = &cases[i / 2].mechanism, .count = 1};
        churn_error err = {.size = sizeof err};
        int old = rd_kafka_version() < cases[i / 2].since;
        CU_ASSERT_EQUAL(kafka_login_check(&map, &err), old ? CHURN_FATAL : CHURN_OK);
        CU_ASSERT(!old || (strstr(err.message, cases[i / 2].said) != NULL && strcmp(err.option, option[i % 2]) == 0));
    }
}

/* What librdkafka and OpenSSL say, told to people. */
static void test_faults(void)
{
    static const char *const cases[][3] = {
        {"error:0A00045C:SSL routines::tlsv13 alert certificate required", "", "wants a certificate of its clients"},
        {"error:0A000412:SSL routines::sslv3 alert bad certificate", "", "wants a certificate of its clients"},
        {"error:0A000416:SSL routines::sslv3 alert certificate unknown", "absent.pem", "its authority or its name"},
        {"error:0A00010B:SSL routines::wrong version number", "absent.pem", "does not speak TLS"},
        {"Disconnected: connecting to a SSL listener?", "", "set security.protocol to ssl"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *said = kafka_login_fault(cases[i][0], 0, cases[i][1]);
        CU_ASSERT(said != NULL && strstr(said, cases[i][2]) != NULL);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(kafka_login_fault("certificate verify failed", 62, ""), "another host name"));
    CU_ASSERT_PTR_NULL(kafka_login_fault("Connection refused", 0, ""));
}

static void test_probe(void)
{
    const churn_plugin *plugin = fake_plugin_load("source", "kafka");
    const churn_source_ops *ops = plugin->ops;
    void *self = fake_instance_new(plugin, "topics", "a,b", "group_id", "g", "brokers", "127.0.0.1:1", NULL);
    struct probed named = {0}, tried = {0};
    fake_host_init(&fake);
    CU_ASSERT_EQUAL_FATAL(ops->create(self, &fake.host, NULL), CHURN_OK);
    ops->probe(self, 0, on_target, &named);
    CU_ASSERT_STRING_EQUAL(named.names, "topic a at 127.0.0.1:1 (topics.0);topic b at 127.0.0.1:1 (topics.1);");
    CU_ASSERT(named.result == CHURN_OK && named.message[0] == '\0');
    ops->probe(self, 5000, on_target, &tried);
    CU_ASSERT(tried.count == 2 && tried.result == CHURN_RETRY);
    CU_ASSERT_PTR_NOT_NULL(strstr(tried.message, "Connection refused"));
    ops->destroy(self);
    fake_instance_free(plugin, self);
}

/* --- Producer --- */

struct tally {
    unsigned ok;
    unsigned rejected;
    unsigned repeated;
    unsigned char seen[4096];
};

static void collect(struct kafka_producer *p, struct tally *t, uint32_t timeout_ms)
{
    churn_done done[64];
    churn_error err = {.size = sizeof err};
    uint32_t n = 0;
    CU_ASSERT_EQUAL_FATAL(kafka_producer_poll(p, done, 64, timeout_ms, &n, &err), CHURN_OK);
    for (uint32_t i = 0; i < n; i++) {
        t->repeated += t->seen[done[i].id]++;
        t->ok += done[i].result == CHURN_OK;
        t->rejected += done[i].result == CHURN_REJECT;
        CU_ASSERT(done[i].result == CHURN_OK || done[i].message != NULL);
    }
}

/* Sends `count` records of `len` bytes and collects all answers. */
static void send_all(struct kafka_producer *p, const char *topic, unsigned count, uint32_t len, struct tally *t)
{
    const churn_header header = {.name = "churn.reason", .value = str("invalid_json")};
    int64_t end = now_ms() + DEADLINE_MS;
    char *value = calloc(1, len + 1u);
    churn_error err = {.size = sizeof err};
    for (unsigned i = 0; i < count && now_ms() < end;) {
        churn_record r = {.size = sizeof r,
                          .key = str("customer"),
                          .value = {.ptr = value, .len = len},
                          .id = i,
                          .headers = &header,
                          .header_count = i % 2};
        int32_t result = kafka_producer_send(p, topic, &r, &err);
        i += result == CHURN_OK;
        if (result == CHURN_PENDING) {
            collect(p, t, 10);
        }
        CU_ASSERT_FATAL(result == CHURN_OK || result == CHURN_PENDING);
    }
    while (kafka_producer_waiting(p) > 0 && now_ms() < end) {
        collect(p, t, 100);
    }
    free(value);
    CU_ASSERT_EQUAL(kafka_producer_waiting(p), 0);
    CU_ASSERT_EQUAL(t->repeated, 0);
}

static struct kafka_producer *producer_new(const struct cluster *c)
{
    churn_error err = {.size = sizeof err};
    struct kafka_producer *p = kafka_producer_new(&fake.host, c->brokers, NULL, KAFKA_LINGER_MANY, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    return p;
}

static void test_producer_answers_each_once(void)
{
    struct cluster c = cluster_new(1, "t", 3);
    struct tally t = {0};
    struct kafka_producer *p;
    fake_host_init(&fake);
    p = producer_new(&c);
    send_all(p, "t", 3000, 200, &t);
    CU_ASSERT_EQUAL(t.ok, 3000);
    kafka_producer_free(p, 1000);
    cluster_free(&c);
}

/* One answer of the broker with `code` fails a batch; every record must still get through. */
static void expect_through(rd_kafka_resp_err_t code)
{
    struct cluster c = cluster_new(1, "t", 1);
    struct tally t = {0};
    struct kafka_producer *p;
    fake_host_init(&fake);
    p = producer_new(&c);
    send_all(p, "t", 1, 10, &t); /* connected, so that the error meets a batch */
    memset(&t, 0, sizeof t);
    rd_kafka_mock_push_request_errors(c.mock, PRODUCE_REQUEST, 1, code);
    send_all(p, "t", 500, 100, &t);
    CU_ASSERT_EQUAL(t.ok, 500);
    kafka_producer_free(p, 1000);
    cluster_free(&c);
}

static void test_producer_sends_again(void)
{
    expect_through(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    expect_through(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    expect_through(RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP);
}

static void test_producer_spares_the_neighbours(void)
{
    expect_through(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    expect_through(RD_KAFKA_RESP_ERR_INVALID_RECORD);
}

static void test_producer_rejects_at_fault(void)
{
    struct cluster c = cluster_new(1, "t", 1);
    struct tally t = {0};
    struct kafka_producer *p;
    fake_host_init(&fake);
    p = producer_new(&c);
    send_all(p, "t", 2, 40u * 1024 * 1024, &t); /* beyond the client's own limit */
    CU_ASSERT_EQUAL(t.rejected, 2);
    memset(&t, 0, sizeof t);
    rd_kafka_mock_push_request_errors(c.mock, PRODUCE_REQUEST, 2, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE); /* in its batch, and alone */
    send_all(p, "t", 1, 100, &t);
    CU_ASSERT_EQUAL(t.rejected, 1);
    kafka_producer_free(p, 1000);
    cluster_free(&c);
}

static void test_producer_waits_out_an_outage(void)
{
    struct cluster c = cluster_new(1, "t", 1);
    const churn_record r = {.size = sizeof r, .value = str("v"), .id = 7};
    struct tally t = {0};
    struct kafka_producer *p;
    churn_error err = {.size = sizeof err};
    int64_t end;
    fake_host_init(&fake);
    p = producer_new(&c);
    send_all(p, "t", 1, 10, &t);
    (void)rd_kafka_mock_broker_set_down(c.mock, 1);
    CU_ASSERT_EQUAL(kafka_producer_send(p, "t", &r, &err), CHURN_OK);
    for (end = now_ms() + 3500; now_ms() < end;) {
        collect(p, &t, 100);
    }
    CU_ASSERT_EQUAL(kafka_producer_waiting(p), 1);
    (void)rd_kafka_mock_broker_set_up(c.mock, 1);
    for (end = now_ms() + DEADLINE_MS; kafka_producer_waiting(p) > 0 && now_ms() < end;) {
        collect(p, &t, 100);
    }
    CU_ASSERT_EQUAL(t.ok, 2);
    kafka_producer_free(p, 1000);
    cluster_free(&c);
}

/* A broker that takes connections and says nothing: so much is told, and no cause that librdkafka guesses at. `wanted`:
 * within the seconds that it takes. */
static void expect_told(struct kafka_producer *p, const char *wanted)
{
    const churn_record r = {.size = sizeof r, .value = str("v"), .id = 8};
    struct tally t = {0};
    churn_error err = {.size = sizeof err};
    char message[512] = "";
    CU_ASSERT_EQUAL(kafka_producer_send(p, "t", &r, &err), CHURN_OK);
    for (int64_t end = now_ms() + DEADLINE_MS; strstr(message, wanted) == NULL && now_ms() < end;) {
        collect(p, &t, 100);
        (void)fake_host_stalled(&fake, "broker", message);
        CU_ASSERT_FATAL(strstr(message, "imed out") == NULL && strstr(message, "ApiVersion") == NULL);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(message, wanted));
    for (int64_t end = now_ms() + 2000; now_ms() < end;) { /* over some attempts to connect */
        collect(p, &t, 100);
        CU_ASSERT_FATAL(fake_host_stalled(&fake, "broker", message));
        CU_ASSERT_FATAL(strstr(message, "imed out") == NULL && strstr(message, "ApiVersion") == NULL);
    }
}

static struct kafka_producer *impatient_producer(const char *brokers)
{
    static const char *const keys[] = {"socket.timeout.ms", "api.version.request.timeout.ms",
                                       "socket.connection.setup.timeout.ms"};
    static const char *const values[] = {"1000", "500", "1000"};
    const churn_map properties = {.keys = keys, .values = values, .count = 3};
    churn_error err = {.size = sizeof err};
    struct kafka_producer *p = kafka_producer_new(&fake.host, brokers, &properties, KAFKA_LINGER_MANY, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    return p;
}

static void test_descriptor_tells_of_reports(void)
{
    struct cluster c = cluster_new(1, "t", 1);
    const churn_record record = {.size = sizeof record, .key = churn_text("k"), .value = churn_text("v"), .id = 7};
    struct kafka_producer *p;
    churn_error err = {.size = sizeof err};
    churn_done done[4];
    uint32_t count = 0;
    fake_host_init(&fake);
    p = producer_new(&c);
    CU_ASSERT_EQUAL(kafka_producer_send(p, "t", &record, &err), CHURN_OK);
    for (int i = 0; i < 100 && count == 0; i++) { /* other news may come before */
        struct pollfd news = {.fd = kafka_producer_descriptor(p), .events = POLLIN};
        CU_ASSERT_EQUAL_FATAL(poll(&news, 1, 60000), 1);
        CU_ASSERT_EQUAL(kafka_producer_poll(p, done, 4, 0, &count, &err), CHURN_OK);
    }
    CU_ASSERT(count == 1 && done[0].id == 7 && done[0].result == CHURN_OK);
    kafka_producer_free(p, 1000);
    cluster_free(&c);
}

static void test_broker_that_falls_silent(void)
{
    struct cluster c = cluster_new(1, "t", 1);
    struct tally t = {0};
    struct kafka_producer *p;
    fake_host_init(&fake);
    p = impatient_producer(c.brokers);
    send_all(p, "t", 1, 10, &t);
    (void)rd_kafka_mock_broker_set_rtt(c.mock, 1, 60000);
    expect_told(p, "has not answered for ");
    (void)rd_kafka_mock_broker_set_rtt(c.mock, 1, 0);
    kafka_producer_free(p, 1000);
    cluster_free(&c);
}

static void test_broker_that_never_spoke(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct kafka_producer *p;
    char brokers[32];
    CU_ASSERT_FATAL(bind(listener, (struct sockaddr *)&at, size) == 0 && listen(listener, 64) == 0 &&
                    getsockname(listener, (struct sockaddr *)&at, &size) == 0);
    (void)snprintf(brokers, sizeof brokers, "127.0.0.1:%d", ntohs(at.sin_port));
    fake_host_init(&fake);
    p = impatient_producer(brokers);
    expect_told(p, "cannot be reached: it takes connections and answers nothing; waiting");
    kafka_producer_free(p, 1000);
    (void)close(listener);
}

static void test_producer_without_topic_creation(void)
{
    struct cluster c = cluster_new(1, "t", 1);
    struct tally t = {0};
    struct kafka_producer *p;
    churn_error err = {.size = sizeof err};
    fake_host_init(&fake);
    p = producer_new(&c);
    /* The mock cluster cannot create topics, which is no obstacle to writing to one that exists. */
    CU_ASSERT_EQUAL(kafka_producer_ensure_topic(p, "t", 1, NULL, &err), CHURN_OK);
    send_all(p, "t", 10, 10, &t);
    CU_ASSERT_EQUAL(t.ok, 10);
    kafka_producer_free(p, 1000);
    cluster_free(&c);
}

/* --- Sink and source --- */

struct reader {
    const churn_source_ops *ops;
    const churn_plugin *plugin;
    churn_source_listener listener;
    void *self;
    unsigned assigned;
    unsigned revoked;
    unsigned records;
    unsigned out_of_order;
    int64_t next[8];
};

static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    struct reader *r = ctx;
    r->assigned += count;
    for (uint32_t i = 0; i < count; i++) {
        r->next[positions[i].partition] = positions[i].offset >= 0 ? positions[i].offset : 0;
    }
}

static void on_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    struct reader *r = ctx;
    (void)positions;
    (void)lost;
    r->revoked += count;
}

static struct reader *reader_new(const struct cluster *c, const char *group, const char *start)
{
    struct reader *r = calloc(1, sizeof *r);
    churn_error err = {.size = sizeof err};
    r->plugin = fake_plugin_load("source", "kafka");
    r->ops = r->plugin->ops;
    r->self =
        fake_instance_new(r->plugin, "brokers", c->brokers, "topics", "t,t", "group_id", group, "start", start, NULL);
    r->listener =
        (churn_source_listener){.size = sizeof r->listener, .ctx = r, .assigned = on_assigned, .revoked = on_revoked};
    CU_ASSERT_EQUAL_FATAL(r->ops->create(r->self, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(r->ops->start(r->self, &r->listener, &err), CHURN_OK);
    return r;
}

static void reader_free(struct reader *r)
{
    r->ops->stop(r->self);
    r->ops->destroy(r->self);
    fake_instance_free(r->plugin, r->self);
    free(r);
}

static int32_t read_some(struct reader *r, uint32_t max)
{
    churn_record records[64];
    churn_error err = {.size = sizeof err};
    uint32_t n = 0;
    int32_t result = r->ops->poll(r->self, records, max, 50, &n, &err);
    CU_ASSERT_FATAL(result >= 0);
    for (uint32_t i = 0; i < n; i++) {
        r->out_of_order += records[i].offset != r->next[records[i].partition];
        r->next[records[i].partition] = records[i].offset + 1;
        CU_ASSERT_STRING_EQUAL(records[i].topic, "t");
        CU_ASSERT_EQUAL(records[i].key.len, strlen("customer"));
    }
    r->records += n;
    return result;
}

static void read_until(struct reader *r, unsigned records)
{
    int64_t end = now_ms() + DEADLINE_MS;
    while (r->records < records && now_ms() < end) {
        (void)read_some(r, 64);
    }
    CU_ASSERT_EQUAL(r->records, records);
    CU_ASSERT_EQUAL(r->out_of_order, 0);
}

static void commit_all(struct reader *r)
{
    churn_position p[3];
    churn_error err = {.size = sizeof err};
    for (int i = 0; i < 3; i++) {
        p[i] = (churn_position){.topic = "t", .partition = i, .offset = r->next[i]};
    }
    CU_ASSERT_EQUAL(r->ops->commit(r->self, p, 3, 1, &err), CHURN_OK);
}

static void fill(const struct cluster *c, unsigned count)
{
    struct tally t = {0};
    struct kafka_producer *p = producer_new(c);
    send_all(p, "t", count, 100, &t);
    CU_ASSERT_EQUAL(t.ok, count);
    kafka_producer_free(p, 1000);
}

/* The sum of what a group has committed of the topic, asked by a client of its own. */
static int64_t committed_sum(const struct cluster *c, const char *group)
{
    rd_kafka_t *asker = cluster_client(c, RD_KAFKA_CONSUMER, group, NULL);
    int64_t offsets[3];
    CU_ASSERT_EQUAL(cluster_committed(asker, "t", 3, offsets), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(asker);
    return offsets[0] + offsets[1] + offsets[2];
}

static void test_source_reads_and_commits(void)
{
    struct cluster c = cluster_new(1, "t", 3);
    struct reader *r;
    fake_host_init(&fake);
    fill(&c, 1000);
    r = reader_new(&c, "g", "beginning");
    read_until(r, 1000);
    CU_ASSERT_EQUAL(r->assigned, 3);
    CU_ASSERT_EQUAL(committed_sum(&c, "g"), 0); /* nothing by itself */
    commit_all(r);
    CU_ASSERT_EQUAL(committed_sum(&c, "g"), 1000);
    reader_free(r);
    CU_ASSERT_EQUAL(committed_sum(&c, "g"), 1000);
    cluster_free(&c);
}

static void test_source_refuses(void)
{
    const churn_plugin *plugin = fake_plugin_load("source", "kafka");
    const churn_source_ops *ops = plugin->ops;
    churn_error err = {.size = sizeof err};
    void *self = fake_instance_new(plugin, "topics", "not a topic", "group_id", "g", NULL);
    fake_host_init(&fake);
    CU_ASSERT_EQUAL(ops->create(self, &fake.host, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "topics.0");
    fake_instance_free(plugin, self);
    self = fake_instance_new(plugin, "topics", "t", "group_id", "g", "properties", "enable.auto.commit=true", NULL);
    CU_ASSERT_EQUAL(ops->create(self, &fake.host, &err), CHURN_FATAL);
    CU_ASSERT_EQUAL(strncmp(err.option, "properties.", 11), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "acknowledgement"));
    fake_instance_free(plugin, self);
}

static void test_sink_counts(void)
{
    struct cluster c = cluster_new(1, "t", 1);
    const churn_plugin *plugin = fake_plugin_load("sink", "kafka");
    const churn_sink_ops *ops = plugin->ops;
    churn_error err = {.size = sizeof err};
    void *self = fake_instance_new(plugin, "brokers", c.brokers, "topic", "t", "create_topic", "false", NULL);
    churn_record records[3] = {{.size = sizeof records[0], .key = str("customer"), .value = str("1"), .id = 1},
                               {.size = sizeof records[0], .key = str("customer"), .id = 2}, /* a tombstone */
                               {.size = sizeof records[0], .key = str("customer"), .value = str("3"), .id = 3}};
    uint32_t taken = 0, n = 0, given = 0, answered = 0;
    int64_t end = now_ms() + DEADLINE_MS;
    churn_done done[8];
    fake_host_init(&fake);
    CU_ASSERT_EQUAL_FATAL(ops->create(self, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(ops->start(self, &err), CHURN_OK);
    while (answered < 3 && now_ms() < end) {
        CU_ASSERT_EQUAL(ops->write(self, records + given, 3 - given, &taken, &err), CHURN_OK);
        given += taken;
        CU_ASSERT_EQUAL(ops->poll(self, done, 8, 50, &n, &err), CHURN_OK);
        answered += n;
    }
    CU_ASSERT_EQUAL(answered, 3);
    ops->stop(self, 1000);
    ops->destroy(self);
    fake_instance_free(plugin, self);
    cluster_free(&c);
}

/* --- What others could read --- */

static void count_risk(void *ctx, const churn_target *risk)
{
    unsigned *count = ctx;
    CU_ASSERT_STRING_EQUAL(risk->kind, CHURN_TARGET_RISK);
    CU_ASSERT_STRING_EQUAL(risk->option, "properties.sasl.oauthbearer.token.endpoint.url");
    CU_ASSERT(strstr(risk->message, "without TLS") != NULL);
    ++*count;
}

/* Not every librdkafka takes the property, so it is not set here. */
static void test_tokens_without_tls(void)
{
    static const struct {
        const char *url;
        unsigned risks;
    } rows[] = {{"http://login.example/token", 1},
                {"HTTP://user:word@10.0.0.1:8080/token", 1},
                {"http://login.example/token?from=a@127.0.0.1", 1},
                {"http://127.example/", 1},
                {"http://127.0.0.1@login.example/", 1},
                {"http://[2001:db8::1]/", 1},
                {"http://localhost", 0},
                {"http://user@127.0.0.1:8080/token", 0},
                {"http://[::1]:8080/token", 0},
                {"https://login.example/token", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *name = "sasl.oauthbearer.token.endpoint.url";
        const churn_map map = {.keys = &name, .values = &rows[i].url, .count = 1};
        unsigned risks = 0;
        kafka_risks(&map, count_risk, &risks);
        CU_ASSERT_EQUAL(risks, rows[i].risks);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_tokens_without_tls),
                           TEST(test_properties),
                           TEST(test_mechanisms),
                           TEST(test_faults),
                           TEST(test_probe),
                           TEST(test_what_is_the_consumers_is_no_warning),
                           TEST(test_values_stay_secret),
                           TEST(test_brokers_are_needed),
                           TEST(test_brokers_are_hosts_and_ports),
                           TEST(test_producer_check),
                           TEST(test_producer_answers_each_once),
                           TEST(test_producer_sends_again),
                           TEST(test_producer_spares_the_neighbours),
                           TEST(test_producer_rejects_at_fault),
                           TEST(test_producer_waits_out_an_outage),
                           TEST(test_descriptor_tells_of_reports),
                           TEST(test_broker_that_falls_silent),
                           TEST(test_broker_that_never_spoke),
                           TEST(test_producer_without_topic_creation),
                           TEST(test_source_reads_and_commits),
                           TEST(test_source_refuses),
                           TEST(test_sink_counts),
                           CU_TEST_INFO_NULL};
    return run_tests("kafka", tests);
}
