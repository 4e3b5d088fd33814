/* How long the server may be waited for. Times are the host's monotonic ones. */
#ifndef REDIS_PATIENCE_H
#define REDIS_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Starts zeroed but for `most_ms`. */
struct patience {
    int64_t most_ms;     /* without progress */
    int64_t progress_ms; /* when the server answered last; meaningful while `waiting` */
    int64_t looked_ms;   /* when the socket was looked at last */
    bool waiting;        /* the server owes an answer */
    bool overdue;        /* the time was up when it was looked at last */
};

/* The server answered. */
void patience_renew(struct patience *p, int64_t now_ms);

/* The socket is about to be looked at for what the server owes. False when its time is up: at the second look, for the
 * first one may find the answer waiting. */
bool patience_lasts(struct patience *p, int64_t now_ms);

/* For how long from now; 0 or less: the time is up. */
int64_t patience_left(const struct patience *p, int64_t now_ms);

#endif
