/* A file that is followed while it grows. */
#ifndef SOURCE_FILE_FOLLOW_H
#define SOURCE_FILE_FOLLOW_H

#include "source.h"

/* A followed file only grows: else positions would begin anew, and new events would count as seen. */
int32_t check_followed(struct file_source *s, churn_error *err);

#endif
