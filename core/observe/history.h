/* What /metrics said a while ago, for rates. It is taken when somebody looks, so that it costs nothing else. */
#ifndef HISTORY_H
#define HISTORY_H

#include "base/json_text.h"
#include <stdint.h>

#define HISTORY_ROOM 8

/* Starts zeroed. Times by the monotonic clock. */
struct history {
    struct history_entry {
        struct text text;
        int64_t at_ms;
    } entries[HISTORY_ROOM]; /* a ring */
    unsigned count, newest;
};

/* Keeps a copy, unless the newest one is younger than a second. */
void history_add(struct history *history, const struct text *text, int64_t now_ms);
/* The oldest one of the last 15 seconds that is a second old; NULL: there is none. */
const struct history_entry *history_before(const struct history *history, int64_t now_ms);
void history_free(struct history *history);

#endif
