/* Commands whose replies have not been read, in the order of sending, which is that of the replies. */
#ifndef REDIS_PENDING_H
#define REDIS_PENDING_H

#include <churn/result.h>

#include <stdbool.h>
#include <stddef.h>

enum pending_kind { PENDING_PUT, PENDING_FLUSH, PENDING_SCRIPT, PENDING_CALL };

struct pending {
    uint64_t id;     /* PENDING_PUT, PENDING_FLUSH: the caller's */
    uint64_t key_at; /* PENDING_PUT: where its key is, counted from the session's beginning */
    uint32_t key_len;
    enum pending_kind kind;
    uint32_t batch; /* PENDING_PUT that is the first of a call: the number of its puts */
};

/* Starts zeroed. */
struct pending_list {
    struct pending *items; /* those before `head` are answered */
    size_t head;
    size_t count;
    size_t room;
    char *keys; /* of puts; keys[0] is at position keys_base */
    size_t keys_len;
    size_t keys_room;
    uint64_t keys_base;
};

/* Notes that a reply will come; to be called before the command is added, for it may run out of memory: then it returns
 * false. */
bool pending_add(struct pending_list *list, enum pending_kind kind, uint64_t id, churn_str key);

/* Is there a put or a flush among them? */
bool pending_has_puts(const struct pending_list *list);

static inline bool pending_is_empty(const struct pending_list *list)
{
    return list->count == 0;
}

/* The next one to be answered; there is one. */
static inline const struct pending *pending_next(const struct pending_list *list)
{
    return &list->items[list->head];
}

/* … which is answered now. */
static inline struct pending pending_take(struct pending_list *list)
{
    struct pending pending = list->items[list->head++];
    if (list->head == list->count) {
        list->head = list->count = 0;
    }
    return pending;
}

/* The key of a put, also of the one taken last; until the next one is added. */
static inline churn_str pending_key(const struct pending_list *list, const struct pending *put)
{
    return (churn_str){.ptr = list->keys + (put->key_at - list->keys_base), .len = put->key_len};
}

void pending_free(struct pending_list *list);

#endif
