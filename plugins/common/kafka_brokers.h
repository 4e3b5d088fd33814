/* A list of brokers as it is configured. */
#ifndef KAFKA_BROKERS_H
#define KAFKA_BROKERS_H

#include <churn/result.h>

/* Whether each is HOST[:PORT], with or without a protocol of Kafka's before it: what librdkafka passes over in silence,
 * or asks the resolver for in vain. CHURN_FATAL at the option `brokers`. */
int32_t kafka_brokers_check(const char *brokers, churn_error *err);

#endif
