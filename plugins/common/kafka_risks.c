#include "kafka_risks.h"
#include "kafka_login.h"
#include "loopback.h"

#include <churn/result.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void tell_risk(const char *property, const char *message, churn_target_fn fn, void *ctx)
{
    char option[CHURN_ERROR_OPTION_SIZE];
    const churn_target risk = {
        .size = sizeof risk, .kind = CHURN_TARGET_RISK, .name = property, .option = option, .message = message};
    (void)snprintf(option, sizeof option, "properties.%s", property);
    fn(ctx, &risk);
}

static int has_login(const churn_map *properties)
{
    return kafka_login_property(properties, "sasl.mechanism")[0] != '\0' ||
           kafka_login_property(properties, "sasl.mechanisms")[0] != '\0';
}

void kafka_risks(const churn_map *properties, churn_target_fn fn, void *ctx)
{
    const char *protocol = kafka_login_property(properties, "security.protocol");
    const char *tokens = kafka_login_property(properties, "sasl.oauthbearer.token.endpoint.url");
    const char *checks = kafka_login_property(properties, "enable.ssl.certificate.verification");
    if (checks[0] != '\0' && strcasecmp(checks, "true") != 0 && strcmp(checks, "1") != 0 &&
        strcasecmp(checks, "t") != 0) {
        tell_risk("enable.ssl.certificate.verification",
                  "certificates are not checked: anybody on the way can read, change and forge records", fn, ctx);
    }
    if (strcasecmp(kafka_login_property(properties, "ssl.endpoint.identification.algorithm"), "none") == 0) {
        tell_risk("ssl.endpoint.identification.algorithm",
                  "the name in a certificate is not checked: whoever has any certificate of this authority can read, "
                  "change and forge records",
                  fn, ctx);
    }
    if (strncasecmp(protocol, "sasl", 4) != 0 && has_login(properties)) {
        tell_risk("sasl.mechanism", "is not used, since security.protocol is not sasl_ssl", fn, ctx);
    }
    if (kafka_login_property(properties, "enable.sasl.oauthbearer.unsecure.jwt")[0] != '\0') {
        tell_risk("enable.sasl.oauthbearer.unsecure.jwt",
                  "tokens that nobody has signed are for tests alone: whoever reaches the broker may be anybody", fn,
                  ctx);
    }
    if (strncasecmp(tokens, "http://", sizeof "http://" - 1) == 0 && !loopback_is_url(tokens)) {
        tell_risk("sasl.oauthbearer.token.endpoint.url",
                  "is asked without TLS: anybody on the way can read the client's secret and its tokens; use https", fn,
                  ctx);
    }
    if (strcasecmp(protocol, "sasl_plaintext") == 0) {
        tell_risk("security.protocol",
                  "logs in without TLS: anybody on the way can read the records, and with PLAIN the password; use "
                  "sasl_ssl",
                  fn, ctx);
    }
}
