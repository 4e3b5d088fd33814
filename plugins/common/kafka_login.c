#include "kafka_login.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

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

const char *kafka_login_certificate(const char *reason, int fault)
{
    return fault != 0 && strstr(reason, "certificate verify failed") != NULL ? fault_of_broker(fault)
                                                                             : fault_of_client(reason);
}

void kafka_login_scram(char *text, size_t size)
{
    (void)snprintf(text, size,
                   "librdkafka %s cannot log in to Kafka 4 with SCRAM, since it repeats the nonce (mended in 2.6.1, as "
                   "in Debian 13); use a newer one, or PLAIN over TLS",
                   rd_kafka_version_str());
}
