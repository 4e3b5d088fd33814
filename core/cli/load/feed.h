/* What a load test writes: events of a generator, by Kafka's sink, into the topic that the pipeline reads. Main thread
 * only. */
#ifndef FEED_H
#define FEED_H

#include "pipeline/instance.h"

/* A generator and the pipeline that it is the source of. */
struct feed_source {
    struct pipeline *pipeline;
    struct instance *instance;
    bool started;
};

struct feed {
    struct log *log;
    struct feed_source *sources; /* borrowed */
    unsigned source_count;
    struct instance *sink; /* of the first one's pipeline */
    bool sink_started;
    uint64_t given; /* events that the sink has taken */
    uint64_t answered;
    bool failed; /* a message was logged */
};

/* Makes the instances, which checks their options. False with a message. Close in either case. */
bool feed_make(struct feed *feed, struct log *log, struct feed_source *sources, unsigned source_count);
/* Starts them. False with a message. */
bool feed_open(struct feed *feed);
void feed_close(struct feed *feed);

/* Called for each event before it is written. */
typedef void (*feed_fn)(void *ctx, const churn_record *event);

#define FEED_BATCH 512

/* Makes up to `count` events, at most FEED_BATCH, of a source and writes them; returns how many. Waits while Kafka
 * takes none, for `patience_ms` at most: then `failed` is set. `fn` may be NULL. */
uint32_t feed_write(struct feed *feed, unsigned source, uint32_t count, feed_fn fn, void *ctx);

/* Moves things on; waits up to `timeout_ms`. */
void feed_poll(struct feed *feed, uint32_t timeout_ms);

#endif
