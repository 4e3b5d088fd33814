/* What the server has answered, reply by reply, and what its replies hold. */
#ifndef REDIS_REPLIES_H
#define REDIS_REPLIES_H

#include "session.h"

/* Begins to read replies. False when memory ran out. */
bool replies_open(struct session *s);

void replies_close(struct session *s);

/* Takes what the server sent. The session may be broken by it. */
void replies_feed(struct session *s, const char *bytes, size_t len);

/* The next reply that has been read whole, and whose command replies_take names then, or NULL: the session may be
 * broken. The caller frees it. */
redisReply *replies_next(struct session *s);

/* The command that is answered now. */
static inline struct pending replies_take(struct session *s)
{
    struct pending pending = pending_take(&s->commands.pending);
    s->patience.waiting = s->patience.waiting && !pending_is_empty(&s->commands.pending);
    return pending;
}

/* Takes the answer to a script that was loaded again, and frees it. Without the script nothing can be put. */
void replies_script_loaded(struct session *s, redisReply *reply);

/* A string, of a length that a churn_str can have. */
bool reply_is_text(const redisReply *reply);

/* Is it an answer to HGETALL? */
bool reply_is_hash(const redisReply *reply);

/* Makes pairs of such an answer; NULL when memory ran out. The caller frees them. */
churn_pair *reply_pairs(const redisReply *reply, uint32_t *ret_count);

#endif
