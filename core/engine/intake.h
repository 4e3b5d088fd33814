/* Records in, as they were polled. */
#ifndef INTAKE_H
#define INTAKE_H

#include "engine/state.h"

/* Takes `count` polled records into the window being filled. False when the worker failed. */
bool intake_take(struct worker *worker, const churn_record *records, uint32_t count);
/* These records are read again, later. */
void intake_give_back(struct worker *worker, const churn_record *records, uint32_t count);

#endif
