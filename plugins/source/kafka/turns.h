/* Which partitions are read: as a rule all together, far behind one after the other. */
#ifndef SOURCE_TURNS_H
#define SOURCE_TURNS_H

#include "source.h"

/* Begins and ends turns; before records are gathered. */
void turns_step(struct kafka_source *s);

/* Reads all partitions together again; before one of them is given up. */
void turns_end(struct kafka_source *s);

/* The queue that the next record comes from. */
rd_kafka_queue_t *turns_queue(const struct kafka_source *s);

/* One was taken from turns_queue. */
void turns_took(struct kafka_source *s);

/* The records of one poll are gathered. */
void turns_polled(struct kafka_source *s);

#endif
