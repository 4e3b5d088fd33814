/* A connection to Redis, and what is under way on it. One thread. */
#ifndef REDIS_SESSION_H
#define REDIS_SESSION_H

#include "commands.h"
#include "held.h"
#include "patience.h"
#include "settings.h"
#include "tls.h"

#include <hiredis/hiredis.h>

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

/* The reply that is being read; see replies.h. */
struct reading {
    redisReader *reader;
    size_t bytes;                      /* of the reply so far */
    size_t elements;                   /* … and what its arrays promise */
    redisReplyObjectFunctions objects; /* the reader's, with a limit on arrays */
    void *(*make_array)(const redisReadTask *, element_count);
};

/* The reply to a call whose puts are not all answered; see puts.h. */
struct answers {
    redisReply *reply; /* NULL: none */
    uint32_t count;
    uint32_t at; /* the next one */
};

struct session {
    struct redis_store *store;
    char where[WHERE_SIZE];   /* the server, for messages */
    redisContext *connection; /* owns the socket; all reading and writing is done here */
    struct tls *tls;          /* NULL: in clear text */
    bool heard;               /* the server has said something */
    struct commands commands;
    struct reading reading;
    struct patience patience;
    struct answers answers;
    struct held_list held;
    char broken[CHURN_ERROR_MESSAGE_SIZE]; /* why the session is of no use any more, or "" */
    const char *broken_option;             /* … and the option that this is about, or NULL */
};

int32_t fail_memory(churn_error *err);

/* Marks the session as broken, unless it is already. */
CHURN_PRINTF(2, 3) void session_break(struct session *s, const char *format, ...);

static inline bool session_is_broken(const struct session *s)
{
    return s->broken[0] != '\0';
}

/* Reports why it is broken. */
int32_t session_fail(const struct session *s, churn_error *err);

/* The host's monotonic time. */
int64_t session_now(const struct session *s);

#endif
