/* An error about one of librdkafka's `properties`. */
#ifndef KAFKA_PROPERTY_H
#define KAFKA_PROPERTY_H

#include <churn/result.h>

/* CHURN_FATAL, with the property `name` as the option at fault. */
CHURN_PRINTF(3, 4) int32_t kafka_property_fail(churn_error *err, const char *name, const char *format, ...);

#endif
