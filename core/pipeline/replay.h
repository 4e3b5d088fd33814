/* --replay-from: reading begins earlier than where the source stands. */
#ifndef REPLAY_H
#define REPLAY_H

#include <stdbool.h>
#include <stdint.h>

enum replay_from { REPLAY_OFF, REPLAY_FROM_BEGINNING, REPLAY_FROM_OFFSET, REPLAY_FROM_TIME };

struct replay {
    enum replay_from from;
    int64_t value; /* the offset, or ms since 1970 */
    bool outputs;  /* what was sent before is sent again */
};

/* Reads where to begin: `beginning`, an offset, a time, a day (its first moment, UTC), `today`, `yesterday`, or so long
 * before `now_ms` as 24h. False when it is none of these. */
bool replay_parse(struct replay *replay, const char *text, int64_t now_ms);

#endif
