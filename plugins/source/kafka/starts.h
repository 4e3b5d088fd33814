/* Where the partitions begin that the group gives us. */
#ifndef SOURCE_STARTS_H
#define SOURCE_STARTS_H

#include "source.h"

/* Fills in where the partitions of `list`, which the group gave us, begin; 0 when that cannot be told yet. */
int starts_find(struct kafka_source *s, rd_kafka_topic_partition_list_t *list);

/* 1 when the offset of a partition that starts_find filled in is where `start` lets it begin, and nobody has read it
 * yet. */
int starts_is_chosen(const rd_kafka_topic_partition_t *p);

#endif
