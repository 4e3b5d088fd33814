#include "kafka_conf.h"
#include "kafka_brokers.h"
#include "kafka_login.h"
#include "kafka_property.h"

#include <errno.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

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

/* Why librdkafka refused a value, without the value. */
static int32_t refuse_value(const char *name, const char *value, const char *said, churn_error *err)
{
    if (strncmp(name, "sasl.oauthbearer.", sizeof "sasl.oauthbearer." - 1) == 0 && !kafka_login_has_oidc()) {
        return kafka_property_fail(err, name, "`%s` needs OIDC, which librdkafka %s was built without here", name,
                                   rd_kafka_version_str());
    }
    if (may_be_secret(name) || value[0] == '\0' || strstr(said, value) != NULL) {
        return kafka_property_fail(err, name,
                                   "librdkafka refuses the value of `%s` (not shown); see its CONFIGURATION.md", name);
    }
    return kafka_property_fail(err, name, "librdkafka refuses `%s`: %s", name, said);
}

static int32_t set_property(rd_kafka_conf_t *conf, const char *name, const char *value, churn_error *err)
{
    char said[256], near[64];
    switch (rd_kafka_conf_set(conf, name, value, said, sizeof said)) {
    case RD_KAFKA_CONF_OK:
        return CHURN_OK;
    case RD_KAFKA_CONF_UNKNOWN:
        nearest_property(name, near, sizeof near);
        return kafka_property_fail(err, name, "librdkafka has no property `%s`%s%s%s", name,
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
                   : kafka_property_fail(err, name, "`%s`: '%s' is neither a file nor a folder", name, value);
    }
    return kafka_property_fail(err, name, "`%s`: '%s' cannot be read: %s", name, value, strerror(errno));
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
            return kafka_property_fail(err, name, "`%s` cannot be set here: %s", name, reason);
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

/* `properties` of one section may serve consumers and producers, and each passes over what is for the other. */
static int is_of_the_other(const char *facility, const char *text)
{
    return strcmp(facility, "CONFWARN") == 0 && strstr(text, " property and will be ignored by this ") != NULL;
}

void kafka_conf_log(const churn_host *host, int level, const char *facility, const char *text)
{
    int quiet = is_quiet(level, facility) || is_of_the_other(facility, text);
    churn_log(host, quiet ? CHURN_LOG_DEBUG : CHURN_LOG_WARN, "librdkafka: %s: %s", facility, text);
}

static void on_host_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    kafka_conf_log(rd_kafka_opaque(rk), level, facility, text);
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
    if (kafka_conf_set(conf, "client.id", text, err) != CHURN_OK ||
        kafka_brokers_check(brokers != NULL ? brokers : "", err) != CHURN_OK) {
        return CHURN_FATAL;
    }
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text) != RD_KAFKA_CONF_OK) {
        return churn_fail_option(err, "brokers", "%s", text);
    }
    return CHURN_OK;
}

rd_kafka_conf_t *kafka_conf_new(const churn_host *host, const char *brokers, const churn_map *properties,
                                const char *const *owned, churn_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (set_identity(conf, host, brokers, err) != CHURN_OK || kafka_login_check(properties, err) != CHURN_OK ||
        set_properties(conf, properties, owned, err) != CHURN_OK) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_opaque(conf, (void *)(uintptr_t)host); /* only ever read as const */
    rd_kafka_conf_set_log_cb(conf, on_host_log);
    rd_kafka_conf_set_error_cb(conf, on_host_error);
    return conf;
}

int32_t kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, churn_error *err)
{
    char said[256];
    if (rd_kafka_conf_set(conf, name, value, said, sizeof said) == RD_KAFKA_CONF_OK) {
        return CHURN_OK;
    }
    return churn_fail(err, CHURN_FATAL, "librdkafka %s does not take `%s`: %s", rd_kafka_version_str(), name, said);
}

int32_t kafka_conf_default(rd_kafka_conf_t *conf, const churn_map *properties, const char *name, const char *alias,
                           const char *value, churn_error *err)
{
    for (uint32_t i = 0; properties != NULL && i < properties->count; i++) {
        if (strcmp(properties->keys[i], name) == 0 || (alias != NULL && strcmp(properties->keys[i], alias) == 0)) {
            return CHURN_OK;
        }
    }
    return kafka_conf_set(conf, name, value, err);
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

int32_t kafka_conf_try(rd_kafka_type_t type, rd_kafka_conf_t *conf, const churn_map *properties, churn_error *err)
{
    char said[256];
    rd_kafka_t *rk;
    (void)rd_kafka_conf_set(conf, "bootstrap.servers", NULL, said, sizeof said);
    rd_kafka_conf_set_log_cb(conf, NULL);
    rk = rd_kafka_new(type, conf, said, sizeof said);
    if (rk == NULL) {
        const char *name = property_in(said, properties);
        rd_kafka_conf_destroy(conf); /* rd_kafka_new takes it only when it succeeds */
        return name != NULL ? kafka_property_fail(err, name, "librdkafka: %s", said)
                            : churn_fail_option(err, "properties", "librdkafka: %s", said);
    }
    rd_kafka_destroy(rk);
    return CHURN_OK;
}
