/* A file that is followed while it grows. */
#ifndef SOURCE_FILE_FOLLOW_H
#define SOURCE_FILE_FOLLOW_H

#include "prefix.h"

/* Whether a followed file, which was at its end when `seen` was read of it, has only grown: else positions would begin
 * anew, and new events would count as seen. Goes over to a copy that took its place. CHURN_OK or CHURN_FATAL. */
int32_t follow_check(struct input *input, const struct prefix *seen, churn_error *err);

#endif
