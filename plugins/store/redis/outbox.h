/* Bytes that the socket is to take. */
#ifndef REDIS_OUTBOX_H
#define REDIS_OUTBOX_H

#include <stddef.h>

/* Starts zeroed. */
struct outbox {
    char *bytes; /* the first `sent` of `len` are sent */
    size_t len;
    size_t sent;
    size_t room;
};

/* Where `bytes` more may be written, or NULL when memory ran out. What is sent already is dropped when that is cheap.
 */
char *outbox_reserve(struct outbox *out, size_t bytes);

/* They were written, up to `end`. */
static inline void outbox_commit(struct outbox *out, const char *end)
{
    out->len = (size_t)(end - out->bytes);
}

/* How many bytes are not sent. */
static inline size_t outbox_waiting(const struct outbox *out)
{
    return out->len - out->sent;
}

#endif
