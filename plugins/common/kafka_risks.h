/* What of librdkafka's properties leaves passwords or records unprotected. */
#ifndef KAFKA_RISKS_H
#define KAFKA_RISKS_H

#include <churn/option.h>
#include <churn/target.h>

/* For `probe` without a timeout: names each as CHURN_TARGET_RISK. */
void kafka_risks(const churn_map *properties, churn_target_fn fn, void *ctx);

#endif
