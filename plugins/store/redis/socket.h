/* The bytes of a session in both directions. */
#ifndef REDIS_SOCKET_H
#define REDIS_SOCKET_H

#include "session.h"

/* Sends what the socket takes. False when it fails, for the cause in errno. */
bool socket_send(struct session *s);

/* Sends, then waits up to `wait_ms` for the socket to take or to have bytes, and receives those. False when it had none
 * in that time. The session may be broken afterwards. */
bool socket_move(struct session *s, int64_t wait_ms);

/* Marks the session as broken, since the server does not speak TLS. */
void socket_break_foreign(struct session *s);

/* Moves bytes in both directions, waiting up to `wait_ms` for the first, as long as the server may be waited for. The
 * session may be broken afterwards. */
void socket_exchange(struct session *s, int64_t wait_ms);

#endif
