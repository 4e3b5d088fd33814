/* The tombstones in the ledger of the pipeline's source (of Kafka a compacted topic), which outlasts the store.
 * `forget` adds to it; whoever needs to know who is forgotten reads it, for a store that has lost its log. */
#ifndef FORGOTTEN_TOPIC_H
#define FORGOTTEN_TOPIC_H

#include "pipeline/pipeline.h"
#include "profile/tombstones.h"

struct forgotten_topic;

/* *ret NULL: the source keeps none. False, with a mistake reported. [main] */
bool forgotten_topic_open(struct pipeline *pipeline, struct forgotten_topic **ret);
/* Adds to `set` all that was written since it was read last, and may add some of before; it is no log, and the oldest
 * comes first. CHURN_RETRY with a message: not all could be read, or something in it is no tombstone of this key. [any]
 */
int32_t forgotten_topic_read(struct forgotten_topic *topic, struct tombstones *set, uint32_t timeout_ms,
                             churn_error *err);
/* Whether there was such a topic when it was last read. */
bool forgotten_topic_exists(const struct forgotten_topic *topic);
/* Adds one: CHURN_OK once it is safe. [any] */
int32_t forgotten_topic_add(struct forgotten_topic *topic, const churn_pair *fields, uint32_t count,
                            uint32_t timeout_ms, churn_error *err);
/* May be NULL. [main] */
void forgotten_topic_close(struct forgotten_topic *topic);

#endif
