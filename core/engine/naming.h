/* Customers that the log names: so many a minute; the others are counted. */
#ifndef NAMING_H
#define NAMING_H

#include "base/clock.h"
#include <stdbool.h>

#define NAMING_MS 60000
#define NAMED_A_MINUTE 20

/* Starts zeroed. */
struct naming {
    int64_t next_ms; /* not before: the next minute */
    unsigned shown;  /* in this one */
};

/* True when a minute began, in which nobody is named yet: the first one, or because the one before is over. */
static inline bool naming_turns(struct naming *naming)
{
    int64_t now = clock_monotonic_ms();
    bool turns = now >= naming->next_ms;
    if (turns) {
        *naming = (struct naming){.next_ms = now + NAMING_MS};
    }
    return turns;
}

/* Whether one more is named, who is counted then. */
static inline bool naming_takes(struct naming *naming)
{
    return naming->shown < NAMED_A_MINUTE && ++naming->shown > 0;
}

/* The newest was the last of this minute. */
static inline bool naming_is_full(const struct naming *naming)
{
    return naming->shown == NAMED_A_MINUTE;
}

#endif
