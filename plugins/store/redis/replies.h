/* What the server has answered, reply by reply, and what its replies hold. */
#ifndef REDIS_REPLIES_H
#define REDIS_REPLIES_H

#include "session.h"

void release_held(struct session *s);

/* Keeps both until the next call; takes them over also when it fails. */
bool hold(struct session *s, redisReply *reply, void *memory);

redisReader *new_reader(struct session *s);

/* The next reply that has been read whole, or NULL. */
redisReply *next_reply(struct session *s);

struct pending take_pending(struct session *s);

/* The answer to a script that was loaded again. Without it nothing can be put. */
void script_loaded(struct session *s, redisReply *reply);

bool is_text(const redisReply *reply);

/* Is it an answer to HGETALL? */
bool is_hash(const redisReply *reply);

/* Makes pairs of it; NULL when memory ran out. The caller frees them. */
churn_pair *pairs_of(const redisReply *reply, uint32_t *ret_count);

#endif
