/* One record through the engine. */
#ifndef EXPLAIN_JUDGE_H
#define EXPLAIN_JUDGE_H

#include "cli/explain_state.h"

/* Takes one record that may be the customer's. False with a failure. */
bool explain_judge(struct explain *e, const churn_record *record, uint32_t part);

#endif
