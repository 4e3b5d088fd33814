/* Batches of records that cannot be read: waited for, or set aside. */
#ifndef SOURCE_UNREADABLE_H
#define SOURCE_UNREADABLE_H

#include "source.h"

/* Reading on in a partition failed: it waits from now on, and what librdkafka still hands out of it is void. */
void unreadable_failed(struct kafka_source *s, struct part *p, const rd_kafka_message_t *m);

/* Asks again what is due, and takes answers. */
void unreadable_step(struct kafka_source *s);

/* Hands out what was given up; how many records that is. */
uint32_t unreadable_take(struct kafka_source *s, churn_record *records, uint32_t max);

/* The group takes these partitions away: librdkafka would keep one paused that waits, and whoever is given it again
 * would never read it.
 */
void unreadable_revoked(struct kafka_source *s, const struct part *parts, uint32_t count);

/* Ends the client that asks; before the source's own one goes. */
void unreadable_close(struct kafka_source *s);

#endif
