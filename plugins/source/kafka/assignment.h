/* What librdkafka is told to read: the topics of the group, and our partitions. */
#ifndef SOURCE_ASSIGNMENT_H
#define SOURCE_ASSIGNMENT_H

#include "source.h"

/* Subscribes to the topics; in a run until the end, to those that exist. */
int32_t assignment_subscribe(struct kafka_source *s, churn_error *err);

/* Leaves and joins the group, so that reading goes on from the committed offsets. */
void assignment_rejoin(struct kafka_source *s);

/* Sends the records of the partitions in `list` to our own queue instead of the group's; before they are given to
 * librdkafka, so that none strays. */
void assignment_forward(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list);

/* Whether what the group gives is added to what is ours (the cooperative protocol), and is not all of it. */
int assignment_is_incremental(const struct kafka_source *s);

/* Has librdkafka read the partitions of `list`, beside what it reads where the protocol is cooperative. */
rd_kafka_resp_err_t assignment_give(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list);

/* Has it read them no more; where the protocol is not cooperative, or without a list (NULL), nothing at all. */
void assignment_give_up(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list);

/* Reads on in our partitions where they are, with nothing left of what librdkafka knew of them. */
void assignment_restart(struct kafka_source *s);

#endif
