/* `churnd load --clean`: takes the profiles of load tests out of the store. */
#ifndef CLEAN_H
#define CLEAN_H

#include "pipeline/pipeline.h"

/* Of a pipeline whose store instance is made. The exit status; says what it did. */
int load_clean(struct pipeline *pipeline);

#endif
