/* The topics and partitions of the source, and why it cannot go on. The floor that all others stand on. */
#ifndef SOURCE_PARTS_H
#define SOURCE_PARTS_H

#include "source.h"

/* Remembers why the source cannot go on; the next poll says so. The first reason stays. */
CHURN_PRINTF(2, 3)
void source_fail(struct kafka_source *s, const char *format, ...);

/* … because the brokers do not let us read the topic, or not by this name; or because they refuse us the group. */
void source_fail_topic(struct kafka_source *s, const char *topic, rd_kafka_resp_err_t code);
void source_fail_group(struct kafka_source *s, rd_kafka_resp_err_t code);

/* A configured topic, by Kafka's name or as the host knows it. NULL for one that is not configured. */
struct topic *topic_named(const struct kafka_source *s, const char *name);
const struct topic *topic_of_identity(const struct kafka_source *s, const char *identity);

/* A topic was found not to exist: says so once, and remembers that all of its records are newer than this run. */
void topic_missing(const struct kafka_source *s, const char *name);

/* An assigned partition, by Kafka's name of its topic or as the host knows it. NULL for one that is not ours. */
struct part *part_named(const struct kafka_source *s, const char *topic, int32_t partition);
struct part *part_of_identity(const struct kafka_source *s, const char *identity, int32_t partition);

/* The bounds of a partition, whoever it is assigned to. NULL for one that is newer than the start, and where bounds do
 * not matter. */
const struct bounds *part_bounds(const struct kafka_source *s, const char *topic, int32_t partition);

/* No record is left below `offset`, though the last one may be some way below: transaction markers, records of a
 * transaction that was aborted, and what compaction took are none. */
void part_passed(struct kafka_source *s, struct part *p, int64_t offset);

/* Tells the host of the partitions that were passed; only once it has taken every record that came before. */
void parts_tell_passed(struct kafka_source *s);

#endif
