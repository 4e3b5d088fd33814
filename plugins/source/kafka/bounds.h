/* A run until the end: the bounds of the partitions as they stood at its start. */
#ifndef SOURCE_BOUNDS_H
#define SOURCE_BOUNDS_H

#include "source.h"

/* Learns the bounds step by step and subscribes then; 0 while the brokers do not answer. */
int bounds_learn(struct kafka_source *s, uint32_t timeout_ms);

/* 1 when a run until the end has nothing more to read: neither in the partitions that are ours, nor in those of members
 * that were killed and whose sessions have not ended yet. May ask the brokers for what the group has committed. */
int bounds_reached(struct kafka_source *s);

/* Of the role: where each partition begins and ends. */
void source_extents(void *self, churn_extent_fn fn, void *ctx);

#endif
