/* The host's tables that plugins call (<churn/host.h> and its extensions). */
#ifndef HOST_H
#define HOST_H

#include "pipeline/pipeline.h"

/* Fills `instance->host`; the instance is its context and must not move. */
void host_init(struct instance *instance, unsigned worker);

#endif
