/* What plugins are told of forgotten customers: the extension "churn.forgetting/1" of a run. */
#ifndef FORGETTING_CALLS_H
#define FORGETTING_CALLS_H

#include <churn/ext/forgetting.h>

extern const churn_forgetting forgetting_calls;

#endif
