/* Records read again by their positions. */
#ifndef SOURCE_REREAD_H
#define SOURCE_REREAD_H

#include "source.h"

/* The reread of churn_source_ops. The consumer that it makes is kept for the next call. */
int32_t source_reread(void *self, const churn_position *positions, uint32_t count, uint32_t timeout_ms,
                      churn_reread_fn fn, void *ctx, churn_error *err);

/* Ends the consumer that source_reread keeps. */
void reread_close(struct kafka_source *s);

#endif
