/* Records whose delivery failed, and that are sent again. */
#ifndef KAFKA_PRODUCER_RESENDS_H
#define KAFKA_PRODUCER_RESENDS_H

#include "kafka_producer_state.h"

/* Takes a failed message over: a record that may be at fault goes alone and at once, another waits a little. */
void resends_take(struct kafka_producer *p, enum lane_id lane, const rd_kafka_message_t *m);

/* Sends what is due, oldest first. A message that librdkafka does not take now stays first. */
void resends_send_due(struct kafka_producer *p);

/* Drops all records that were to be sent again. */
void resends_free(struct kafka_producer *p);

#endif
