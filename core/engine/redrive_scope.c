#include "engine/redrive_scope.h"

#include <string.h>

enum written redrive_written(const struct redrive *redrive, int64_t ms)
{
    if (redrive->since_ms == INT64_MIN && redrive->until_ms == INT64_MAX) {
        return WRITTEN_WITHIN;
    }
    return ms == 0                   ? WRITTEN_UNKNOWN
           : ms < redrive->since_ms  ? WRITTEN_BEFORE
           : ms >= redrive->until_ms ? WRITTEN_AFTER
                                     : WRITTEN_WITHIN;
}

/* What follows a topic's name, such as the settings of a generator, begins with a byte that no name holds. */
bool redrive_knows(const struct redrive *redrive, churn_str topic)
{
    for (unsigned i = 0; i < redrive->topic_count; i++) {
        size_t len = strlen(redrive->topics[i]);
        if (topic.len >= len && memcmp(topic.ptr, redrive->topics[i], len) == 0 &&
            (topic.len == len || strchr("/@#:", topic.ptr[len]) != NULL)) {
            return true;
        }
    }
    return redrive->any_topic;
}
