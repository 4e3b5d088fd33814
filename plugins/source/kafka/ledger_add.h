/* A compacted topic made, looked at and written. */
#ifndef SOURCE_LEDGER_ADD_H
#define SOURCE_LEDGER_ADD_H

#include "source.h"

/* Makes the topic, as compacted, with as many replicas as `like` has, where that can be told. CHURN_OK also when it
 * exists; CHURN_FATAL: it may not be made; the message says what to do. */
int32_t ledger_make_topic(struct kafka_source *s, rd_kafka_t *rk, const char *topic, const char *like, int timeout_ms,
                          churn_error *err);

enum ledger_compaction { LEDGER_COMPACTED, LEDGER_EXPIRES, LEDGER_UNKNOWN };

/* Whether the topic keeps the newest record of each key for good. `said`: its cleanup.policy, or why it is not known.
 */
enum ledger_compaction ledger_is_compacted(rd_kafka_t *rk, const char *topic, int timeout_ms, char *said, size_t size);

/* As `add` of churn_ledger_ops, to a topic that exists. */
int32_t ledger_produce(struct kafka_source *s, const char *topic, churn_str key, churn_str value, uint32_t timeout_ms,
                       churn_error *err);

/* What to do with a topic whose records expire. */
#define LEDGER_COMPACT_IT                                                                                              \
    "its records would expire, and with them who is forgotten; `kafka-configs.sh --alter --entity-type topics "        \
    "--entity-name %s --add-config cleanup.policy=compact` keeps them"

#endif
