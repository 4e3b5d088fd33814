#include "kafka_brokers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LONGEST 512
#define SEPARATORS ", \t"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static int32_t refuse(const char *broker, const char *why, churn_error *err)
{
    return churn_fail_option(err, "brokers", "`%s` %s", broker, why);
}

static int is_protocol(const char *text, size_t len)
{
    static const char *const known[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i]) == len && strncasecmp(text, known[i], len) == 0) {
            return 1;
        }
    }
    return 0;
}

static int is_port(const char *text)
{
    size_t len = strspn(text, "0123456789");
    long number = len > 0 && len <= 5 && text[len] == '\0' ? strtol(text, NULL, 10) : 0;
    return number > 0 && number <= 65535;
}

/* The colon before a port; NULL: there is none. *ret_end: where the host ends; NULL: what should be one is none. */
static const char *find_port(const char *host, const char **ret_end)
{
    const char *colon = strchr(host, ':');
    if (host[0] == '[') { /* an IPv6 address */
        *ret_end = host + 1 + strspn(host + 1, LETTERS ":.%");
        *ret_end = **ret_end == ']' ? *ret_end + 1 : NULL;
        return *ret_end != NULL && **ret_end == ':' ? *ret_end : NULL;
    }
    *ret_end = host + strspn(host, LETTERS "._-");
    *ret_end = *ret_end == (colon != NULL ? colon : host + strlen(host)) && *ret_end > host ? *ret_end : NULL;
    return colon;
}

static int32_t check_broker(const char *broker, churn_error *err)
{
    const char *scheme = strstr(broker, "://"), *host = scheme != NULL ? scheme + 3 : broker, *end, *port;
    if (scheme != NULL && !is_protocol(broker, (size_t)(scheme - broker))) {
        return refuse(broker, "is a URL; write host:port alone", err);
    }
    if (broker[0] == '$') {
        return refuse(broker, "is no host:port; a variable is written ${NAME}", err);
    }
    if (host[0] != '[' && strchr(host, ':') != strrchr(host, ':')) {
        return refuse(broker, "has several colons; put commas between brokers, and an IPv6 address in brackets", err);
    }
    port = find_port(host, &end);
    if (end == NULL || (port == NULL && *end != '\0')) {
        return refuse(broker, "is no host:port", err);
    }
    return port == NULL || is_port(port + 1) ? CHURN_OK : refuse(broker, "has no port from 1 to 65535", err);
}

int32_t kafka_brokers_check(const char *brokers, churn_error *err)
{
    const char *at = brokers + strspn(brokers, SEPARATORS);
    char broker[LONGEST];
    int32_t result = CHURN_OK;
    if (*at == '\0') {
        return churn_fail_option(err, "brokers", "no broker is named; write host:port,host:port");
    }
    for (; result == CHURN_OK && *at != '\0'; at += strspn(at, SEPARATORS)) {
        size_t len = strcspn(at, SEPARATORS);
        (void)snprintf(broker, sizeof broker, "%.*s", (int)len, at);
        result = check_broker(broker, err);
        at += len;
    }
    return result;
}
