#include "engine/redrive_scope.h"

#include <string.h>

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
