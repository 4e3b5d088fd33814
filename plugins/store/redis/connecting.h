/* Connections made and ended, encrypted where that is asked for. */
#ifndef REDIS_CONNECTING_H
#define REDIS_CONNECTING_H

#include "session.h"

/* Connects a session with the server at `to`, called `where` in messages; it is encrypted, and the server known to be
 * the right one, within the time that a connection has. Nothing was said on it yet. On failure there is none. */
int32_t session_connect(struct redis_store *store, const struct address *to, const char *where, struct session **ret,
                        churn_error *err);

/* Whether the server there, which ended a connection in clear text without a word, speaks TLS. */
bool session_server_speaks_tls(const struct session *s, const struct address *to);

void session_end(struct session *s);

#endif
