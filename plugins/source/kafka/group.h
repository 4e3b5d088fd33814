/* What the consumer group gives us and takes away. */
#ifndef SOURCE_GROUP_H
#define SOURCE_GROUP_H

#include "source.h"

/* librdkafka's rebalance callback. */
void group_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque);

/* Completes an assignment as soon as the committed offsets are known. The host may seek from within `assigned`. */
void group_complete(struct kafka_source *s);

/* Forgets an assignment that is not complete, of which the host knows nothing yet. */
void group_drop_pending(struct kafka_source *s);

/* Tells the host that what is ours still is lost; before the client goes. */
void group_lose(struct kafka_source *s);

#endif
