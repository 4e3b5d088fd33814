/* Live records of a run, for whoever may open its socket. A client writes one line, what it wishes (tap_judge.h), and
 * is sent lines: `+` and a record (tap_line.h), or `=` and a JSON object that says
 *   {"watching": NAME}    that its wish is good, first; NAME is the pipeline's
 *   {"error": MESSAGE}    why it gets nothing, or nothing more
 *   {"passed_over": N}    how many records so far came faster than they could be looked at, or than it took them
 *   {"end": MESSAGE}      that there will be no more
 * A thread of its own judges and writes, and waits for no client: who takes nothing is passed over, and then let go. */
#ifndef TAP_SERVER_H
#define TAP_SERVER_H

#include "base/log.h"
#include "pipeline/taps.h"

struct pipeline;
struct tap_server;

/* Listens at `path`. `pipeline`: whose records they are; it and all else outlive the server. NULL with a message.
 * [main] */
struct tap_server *tap_server_start(const char *path, struct taps *taps, const struct pipeline *pipeline, char *message,
                                    size_t size);
/* The pipeline that takes the place of the one before. [main] */
void tap_server_use(struct tap_server *server, const struct pipeline *pipeline);
/* Shows what still waits, and ends. May be NULL. [main] */
void tap_server_stop(struct tap_server *server);

#endif
