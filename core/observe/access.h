/* Who is shown what is customers' own: who shows the token. */
#ifndef ACCESS_H
#define ACCESS_H

#include "base/log.h"
#include "observe/listener.h"
#include "pipeline/health_section.h"

struct access;

enum access_result {
    ACCESS_GRANTED,
    ACCESS_OFF,     /* the pipeline has no token */
    ACCESS_MISSING, /* none is shown */
    ACCESS_WRONG,
    ACCESS_LATER /* too many wrong ones came from this address within a second */
};

/* `now_ms` is the monotonic clock. NULL when memory ran out. */
struct access *access_new(struct log *log, int64_t (*now_ms)(void));
void access_free(struct access *access);

/* Sets the token, of at most HEALTH_TOKEN_MAX bytes; NULL or "": there is none. [main] */
void access_set(struct access *access, const char *token);
/* Judges what the request shows. [the listener's thread] */
enum access_result access_judge(struct access *access, const struct listener_request *request);
/* Tells the log of wrong tokens that it has not been told of; now and then. [any] */
void access_tick(struct access *access);
/* An answer to whoever is not granted access. */
void access_refuse(enum access_result result, struct listener_answer *answer);

#endif
