/* The bytes of a session in both directions, and the time that the server has for its answers. */
#ifndef REDIS_SOCKET_H
#define REDIS_SOCKET_H

#include "session.h"

int64_t now(const struct session *s);

/* The server answered. */
void note_progress(struct session *s);

/* Sends what the socket takes. False when it fails, for the cause in errno. */
bool send_out(struct session *s);

/* Moves bytes in both directions, waiting up to `wait_ms` for the first. The session may be broken afterwards. */
void exchange(struct session *s, int64_t wait_ms);

#endif
