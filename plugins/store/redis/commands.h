/* Commands on their way to the server, in the order in which replies will come. */
#ifndef REDIS_COMMANDS_H
#define REDIS_COMMANDS_H

#include "session.h"

/* Writes the puts of one call, as SCRIPT LOAD takes it. */
extern const char put_script[];

/* Room for `bytes` more of commands, or NULL. What is sent already is dropped when that is cheap. */
char *reserve_out(struct session *s, size_t bytes);

churn_str pending_key(const struct session *s, const struct pending *put);

/* Notes that a reply will come; to be called before the command is added, for it may run out of memory. */
bool expect(struct session *s, enum pending_kind kind, uint64_t id, churn_str key);

/* Makes a call of the newest puts. False when memory ran out. */
bool seal_batch(struct session *s);

/* Queues a whole command. */
bool queue(struct session *s, enum pending_kind kind, uint64_t id, const churn_str *args, uint32_t count);

bool queue_script(struct session *s);

/* Adds a put to the newest ones; false when memory ran out. */
bool pack_put(struct session *s, const churn_put *put);

#endif
