/* A compacted topic that the host keeps for good, beside the topics that are read (<churn/ledger.h>). */
#ifndef SOURCE_LEDGER_H
#define SOURCE_LEDGER_H

#include "source.h"

extern const churn_ledger_ops ledger_ops;

/* Ends the clients that it keeps. */
void ledger_close(struct kafka_source *s);

#endif
