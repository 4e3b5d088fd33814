/* Records and errors as they come from librdkafka. */
#ifndef SOURCE_RECORDS_H
#define SOURCE_RECORDS_H

#include "source.h"

/* The poll of churn_source_ops. */
int32_t source_poll(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                    churn_error *err);

#endif
