/* The messages behind the records of the newest poll, and their headers. */
#ifndef SOURCE_HELD_H
#define SOURCE_HELD_H

#include "source.h"

/* Makes room for as many messages as one poll may hand out; 0 when memory ran out. */
int held_reserve(struct kafka_source *s, uint32_t max);

/* Notes the headers of a message that is held as those of its record `r`; held_link_headers comes after the last. Their
 * texts are the message's. */
void held_take_headers(struct kafka_source *s, churn_record *r, const rd_kafka_message_t *m);

/* Has the records, which are those of the messages that are held, point to their headers. */
void held_link_headers(const struct kafka_source *s, churn_record *records);

/* Gives the messages back to librdkafka; the records of the newest poll are void then. */
void held_release(struct kafka_source *s);

/* The headers call of churn_source_ops: those of one record of the newest poll. */
int32_t source_headers(void *self, churn_record *record, churn_error *err);

#endif
