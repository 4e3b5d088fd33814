/* The bytes of a session in both directions. */
#ifndef REDIS_SOCKET_H
#define REDIS_SOCKET_H

#include "session.h"

/* Sends what the socket takes. False when it fails, for the cause in errno. */
bool socket_send(struct session *s);

/* Moves bytes in both directions, waiting up to `wait_ms` for the first. The session may be broken afterwards. */
void socket_exchange(struct session *s, int64_t wait_ms);

#endif
