/* A connection to Redis, and what is under way on it. One thread. */
#ifndef REDIS_SESSION_H
#define REDIS_SESSION_H

#include "settings.h"
#include <churn/store.h>

#include <hiredis/hiredis.h>
#include <stdbool.h>

#define SHA_LEN 40
#define HISTORY_KEY "churnd:history"
#define HISTORY_SIZE 17 /* with its NUL */

enum pending_kind { PENDING_PUT, PENDING_FLUSH, PENDING_SCRIPT, PENDING_CALL };

/* A command whose reply has not been read. */
struct pending {
    uint64_t id;     /* PENDING_PUT, PENDING_FLUSH: the caller's */
    uint64_t key_at; /* PENDING_PUT: where its key is, counted from the session's beginning */
    uint32_t key_len;
    enum pending_kind kind;
    uint32_t batch; /* PENDING_PUT that is the first of a call: the number of its puts */
};

/* What the answers handed out last point to. */
struct held {
    redisReply *reply;
    void *memory; /* pairs or a message */
};

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

struct session {
    struct redis_store *store;
    redisContext *connection; /* owns the socket; all reading and writing is done here */
    redisReader *reader;
    char *out; /* commands; the first out_sent bytes of out_len are sent */
    size_t out_len;
    size_t out_sent;
    size_t out_room;
    struct pending *pending; /* in the order of sending; those before `head` are answered */
    size_t head;
    size_t pending_count;
    size_t pending_room;
    char *keys; /* of pending puts; keys[0] is at position keys_base */
    size_t keys_len;
    size_t keys_room;
    uint64_t keys_base;
    char *batch; /* MessagePack, an array of the newest puts, which are not among the commands yet */
    size_t batch_len;
    size_t batch_room;
    uint32_t batch_count; /* their number: the last ones pending */
    redisReply *answer;   /* to a call whose puts are not all answered; NULL: none */
    uint32_t answer_count;
    uint32_t answer_at; /* the next one */
    struct held *held;
    size_t held_count;
    size_t held_room;
    size_t reply_bytes;                /* of the reply that is being read */
    size_t reply_elements;             /* … and what its arrays promise */
    redisReplyObjectFunctions objects; /* the reader's, with a limit on arrays */
    void *(*make_array)(const redisReadTask *, element_count);
    int64_t progress_ms; /* when the server answered last; meaningful while `waiting` */
    int64_t looked_ms;   /* when the socket was looked at last */
    bool waiting;
    bool overdue;     /* the time was up when it was looked at last */
    bool script_sent; /* the script is being loaded again */
    bool expires;     /* a put had a ttl: a later one without must take it away */
    char sha[SHA_LEN + 1];
    char history[HISTORY_SIZE];            /* in which alone puts may be written; "": not asked yet */
    char broken[CHURN_ERROR_MESSAGE_SIZE]; /* why the session is of no use any more, or "" */
};

int32_t fail_memory(churn_error *err);

/* Marks the session as broken. */
CHURN_PRINTF(2, 3) void break_session(struct session *s, const char *format, ...);

int32_t fail_broken(const struct session *s, churn_error *err);

#endif
