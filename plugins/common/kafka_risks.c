#include "kafka_risks.h"
#include "kafka_login.h"

#include <churn/result.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

void kafka_risks(const churn_map *properties, churn_target_fn fn, void *ctx)
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
    if (rd_kafka_version() < KAFKA_SCRAM_SINCE &&
        (strncasecmp(value_of(properties, "sasl.mechanism"), "SCRAM", 5) == 0 ||
         strncasecmp(value_of(properties, "sasl.mechanisms"), "SCRAM", 5) == 0)) {
        char message[256];
        kafka_login_scram(message, sizeof message);
        tell_risk("sasl.mechanism", message, fn, ctx);
    }
    if (strcasecmp(protocol, "sasl_plaintext") == 0) {
        tell_risk("security.protocol",
                  "logs in without TLS: anybody on the way can read the records, and with PLAIN the password; use "
                  "sasl_ssl",
                  fn, ctx);
    }
}
