#include "replies.h"
#include "memory.h"
#include "socket.h"

#include <stdlib.h>
#include <string.h>

#define MAX_REPLY_LINE (64 * 1024)           /* a number, or an error's text */
#define MAX_REPLY_ELEMENTS (2 * 1024 * 1024) /* some 100 bytes of memory each */

void release_held(struct session *s)
{
    for (size_t i = 0; i < s->held_count; i++) {
        if (s->held[i].reply != NULL) {
            freeReplyObject(s->held[i].reply);
        }
        free(s->held[i].memory);
    }
    s->held_count = 0;
}

bool hold(struct session *s, redisReply *reply, void *memory)
{
    void *items = s->held;
    bool ok = grow(&items, &s->held_room, s->held_count + 1, sizeof *s->held);
    s->held = items;
    if (!ok) {
        if (reply != NULL) {
            freeReplyObject(reply);
        }
        free(memory);
        return false;
    }
    s->held[s->held_count++] = (struct held){.reply = reply, .memory = memory};
    return true;
}

/* In place of the reader's own, which takes memory for whatever number a server writes. */
static void *create_array(const redisReadTask *task, element_count elements)
{
    struct session *s = task->privdata;
    s->reply_elements += elements > 0 ? (size_t)elements : 0;
    if (s->reply_elements > MAX_REPLY_ELEMENTS) {
        break_session(s, "Redis at %s sent an answer of more than %d elements, which is refused", s->store->where,
                      MAX_REPLY_ELEMENTS);
        return NULL;
    }
    return s->make_array(task, elements);
}

redisReader *new_reader(struct session *s)
{
    redisReader *reader = redisReaderCreate();
    if (reader != NULL) {
        s->objects = *reader->fn;
        s->make_array = s->objects.createArray;
        s->objects.createArray = create_array;
        reader->fn = &s->objects;
        reader->privdata = s;
    }
    return reader;
}

/* A line that does not end would be looked through again with every buffer. */
static void check_line(struct session *s)
{
    const redisReader *reader = s->reader;
    if (reader->len - reader->pos > MAX_REPLY_LINE && memchr(reader->buf + reader->pos, '\n', MAX_REPLY_LINE) == NULL) {
        break_session(s, "Redis at %s sent a line of more than %d KiB, which is refused", s->store->where,
                      MAX_REPLY_LINE / 1024);
    }
}

redisReply *next_reply(struct session *s)
{
    void *reply = NULL;
    if (redisReaderGetReply(s->reader, &reply) != REDIS_OK) {
        break_session(s, "Redis at %s sent what is not Redis' protocol: %s", s->store->where, s->reader->errstr);
        return NULL;
    }
    if (reply == NULL) {
        check_line(s);
        return NULL;
    }
    note_progress(s);
    s->reply_elements = 0;
    s->reply_bytes = s->reader->len - s->reader->pos;
    if (s->head == s->pending_count) {
        break_session(s, "Redis at %s sent a reply that nothing asked for", s->store->where);
        freeReplyObject(reply);
        return NULL;
    }
    return reply;
}

struct pending take_pending(struct session *s)
{
    struct pending pending = s->pending[s->head++];
    if (s->head == s->pending_count) {
        s->head = s->pending_count = 0;
        s->waiting = false;
    }
    return pending;
}

void script_loaded(struct session *s, redisReply *reply)
{
    s->script_sent = false;
    if (reply->type != REDIS_REPLY_STRING || reply->len != SHA_LEN) {
        break_session(s, "Redis at %s does not load the script: %s", s->store->where,
                      reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer");
    }
    freeReplyObject(reply);
}

bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING && reply->len <= UINT32_MAX;
}

bool is_hash(const redisReply *reply)
{
    bool ok = reply->type == REDIS_REPLY_ARRAY && reply->elements % 2 == 0;
    for (size_t i = 0; ok && i < reply->elements; i++) {
        ok = is_text(reply->element[i]);
    }
    return ok;
}

churn_pair *pairs_of(const redisReply *reply, uint32_t *ret_count)
{
    uint32_t count = (uint32_t)(reply->elements / 2);
    churn_pair *pairs = malloc(((size_t)count + 1) * sizeof *pairs);
    for (uint32_t i = 0; i < count && pairs != NULL; i++) {
        const redisReply *name = reply->element[2 * i], *value = reply->element[2 * i + 1];
        pairs[i] = (churn_pair){.name = {.ptr = name->str, .len = (uint32_t)name->len},
                                .value = {.ptr = value->str, .len = (uint32_t)value->len}};
    }
    *ret_count = count;
    return pairs;
}
