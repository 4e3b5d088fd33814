/* The topics of a producer, and how those are made that do not exist. */
#ifndef KAFKA_PRODUCER_TOPICS_H
#define KAFKA_PRODUCER_TOPICS_H

#include "kafka_producer_state.h"

/* The topic of this name, made when it is new; NULL when memory ran out. */
struct topic *topics_find(struct kafka_producer *p, const char *name);

/* kafka_producer_ensure_topic. */
int32_t topics_ensure(struct kafka_producer *p, const char *name, int32_t partitions, const char *const *config,
                      churn_error *err);

/* Asks again for the topics that are due. */
void topics_create_due(struct kafka_producer *p);

/* Takes an event RD_KAFKA_EVENT_CREATETOPICS_RESULT, which stays the caller's. */
void topics_answered(struct kafka_producer *p, rd_kafka_event_t *event);

/* 1 while one is still to be made. */
int topics_pending(const struct kafka_producer *p);

#endif
