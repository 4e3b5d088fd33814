#include "kafka_login.h"

#include "kafka_property.h"
#include "tls_files.h"
#include <librdkafka/rdkafka.h>
#include <strings.h>

#define SCRAM_SINCE 0x02060100 /* the librdkafka whose login with SCRAM today's brokers take */

/* ---- before a connection ---- */

const char *kafka_login_property(const churn_map *properties, const char *name)
{
    for (uint32_t i = 0; properties != NULL && i < properties->count; i++) {
        if (strcmp(properties->keys[i], name) == 0) {
            return properties->values[i];
        }
    }
    return "";
}

/* Whether librdkafka was built with one of the features that it names. */
static int has_feature(const char *name)
{
    char features[512] = "";
    size_t size = sizeof features;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int found = 0;
    if (rd_kafka_conf_get(conf, "builtin.features", features, &size) == RD_KAFKA_CONF_OK) {
        for (char *rest = features, *word; !found && (word = strsep(&rest, ",")) != NULL;) {
            found = strcmp(word, name) == 0;
        }
    }
    rd_kafka_conf_destroy(conf);
    return found;
}

int kafka_login_has_oidc(void)
{
    return has_feature("oidc");
}

/* A token comes from an identity provider, or, for tests of one's own, from nobody. */
static int32_t check_oauth(const churn_map *properties, const char *property, churn_error *err)
{
    const char *unsecure = kafka_login_property(properties, "enable.sasl.oauthbearer.unsecure.jwt");
    if (strcasecmp(unsecure, "true") == 0 || strcmp(unsecure, "1") == 0) {
        return CHURN_OK;
    }
    if (!kafka_login_has_oidc()) {
        return kafka_property_fail(
            err, property,
            "librdkafka %s was built without OIDC here, so that it cannot get a token for OAUTHBEARER (that of "
            "Debian 13 can); use a newer one, a client certificate, or PLAIN over TLS",
            rd_kafka_version_str());
    }
    if (strcasecmp(kafka_login_property(properties, "sasl.oauthbearer.method"), "oidc") != 0) {
        return kafka_property_fail(
            err, property,
            "OAUTHBEARER needs `sasl.oauthbearer.method: oidc`, and beside it sasl.oauthbearer.client.id, "
            "sasl.oauthbearer.client.secret and sasl.oauthbearer.token.endpoint.url");
    }
    return CHURN_OK;
}

int32_t kafka_login_check(const churn_map *properties, churn_error *err)
{
    static const char *const known = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER and GSSAPI";
    const char *property =
        kafka_login_property(properties, "sasl.mechanism")[0] != '\0' ? "sasl.mechanism" : "sasl.mechanisms";
    const char *mechanism = kafka_login_property(properties, property);
    if (mechanism[0] == '\0' || strcmp(mechanism, "PLAIN") == 0 || strcmp(mechanism, "GSSAPI") == 0) {
        return CHURN_OK;
    }
    if (strcmp(mechanism, "OAUTHBEARER") == 0) {
        return check_oauth(properties, property, err);
    }
    if (strcmp(mechanism, "SCRAM-SHA-256") != 0 && strcmp(mechanism, "SCRAM-SHA-512") != 0) {
        return kafka_property_fail(err, property, "is none of %s", known);
    }
    return rd_kafka_version() >= SCRAM_SINCE
               ? CHURN_OK
               : kafka_property_fail(
                     err, property,
                     "librdkafka %s repeats the nonce when it logs in with SCRAM, which brokers since Kafka 3.7.2 "
                     "refuse (CVE-2024-56128; mended in librdkafka 2.6.1, as in Debian 13); use a newer one, a client "
                     "certificate, or PLAIN over TLS",
                     rd_kafka_version_str());
}

/* ---- once it has failed ---- */

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

#define EXPIRED "this client's certificate (ssl.certificate.location) has expired; renew it"
#define STRANGER                                                                                                       \
    "the broker does not trust this client's certificate (ssl.certificate.location), its authority or its name; use "  \
    "one that the broker's authority has signed"
#define WANTED                                                                                                         \
    "the broker wants a certificate of its clients; set ssl.certificate.location and ssl.key.location to one that it " \
    "trusts"
#define NO_TLS                                                                                                         \
    "the broker does not speak TLS at this port, or ended the handshake; name its TLS listener in `brokers`, or, if "  \
    "it has none, set security.protocol to plaintext or sasl_plaintext"

/* What librdkafka or OpenSSL says of the two sides' talk → what it means. The first that is in it counts. */
static const char *const faults[][2] = {
    {"alert certificate expired", EXPIRED},
    {"alert unknown ca", STRANGER},
    {"alert certificate unknown", STRANGER},
    {"alert certificate required", STRANGER}, /* one of an authority that the broker does not name is not shown */
    {"alert bad certificate", STRANGER},
    {"connecting to a PLAINTEXT broker", NO_TLS},
    {"wrong version number", NO_TLS},
    {"SSL handshake failed: error:0A000126", NO_TLS}, /* an end of file in the middle of it */
    {"connecting to a SSL listener", "the broker hangs up on clear text, as a TLS listener does; set security.protocol "
                                     "to ssl, or sasl_ssl where it wants a login"},
    {"broker might require SASL", "the broker hangs up, as a listener does that wants a login; set security.protocol "
                                  "to sasl_ssl, or sasl_plaintext, and sasl.mechanism"},
    {"not valid in current SASL state", "the listener takes no login; set security.protocol to ssl, or plaintext "
                                        "where it has no TLS"},
};

const char *kafka_login_fault(const char *reason, int fault, const char *certificate)
{
    if (fault != 0 && strstr(reason, "certificate verify failed") != NULL) {
        return fault_of_broker(fault);
    }
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (strstr(reason, faults[i][0]) == NULL) {
            continue;
        }
        if (strstr(reason, "alert") == NULL) {
            return faults[i][1];
        }
        /* Java brokers have few words for what is wrong with a certificate. */
        return certificate[0] == '\0' ? WANTED : tls_files_expired(certificate) ? EXPIRED : faults[i][1];
    }
    return NULL;
}
