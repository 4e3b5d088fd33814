/* The topics of a producer, and how those are made that do not exist. Also kafka_producer_ensure_topic. */
#ifndef KAFKA_PRODUCER_TOPICS_H
#define KAFKA_PRODUCER_TOPICS_H

#include "kafka_producer_state.h"

/* Made when it is new; NULL when memory ran out. */
struct topic *topics_find(struct kafka_producer *p, const char *name);

/* Asks again for the topics that are due. */
void topics_create_due(struct kafka_producer *p);

/* Takes an event RD_KAFKA_EVENT_CREATETOPICS_RESULT, which stays the caller's. */
void topics_answered(struct kafka_producer *p, rd_kafka_event_t *event);

/* 1 while one is still to be made. */
int topics_pending(const struct kafka_producer *p);

#endif
