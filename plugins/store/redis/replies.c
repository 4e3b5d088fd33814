#include "replies.h"

#include <stdlib.h>
#include <string.h>

#define MAX_REPLY_BYTES (64 * 1024 * 1024)
#define MAX_REPLY_LINE (64 * 1024)           /* a number, or an error's text */
#define MAX_REPLY_ELEMENTS (2 * 1024 * 1024) /* some 100 bytes of memory each */

/* In place of the reader's own, which takes memory for whatever number a server writes. */
static void *create_array(const redisReadTask *task, element_count elements)
{
    struct session *s = task->privdata;
    s->reading.elements += elements > 0 ? (size_t)elements : 0;
    if (s->reading.elements > MAX_REPLY_ELEMENTS) {
        session_break(s, "Redis at %s sent an answer of more than %d elements, which is refused", s->where,
                      MAX_REPLY_ELEMENTS);
        return NULL;
    }
    return s->reading.make_array(task, elements);
}

bool replies_open(struct session *s)
{
    struct reading *r = &s->reading;
    r->reader = redisReaderCreate();
    if (r->reader == NULL) {
        return false;
    }
    r->objects = *r->reader->fn;
    r->make_array = r->objects.createArray;
    r->objects.createArray = create_array;
    r->reader->fn = &r->objects;
    r->reader->privdata = s;
    return true;
}

void replies_close(struct session *s)
{
    if (s->reading.reader != NULL) {
        redisReaderFree(s->reading.reader);
    }
}

void replies_feed(struct session *s, const char *bytes, size_t len)
{
    s->reading.bytes += len;
    if (s->reading.bytes > MAX_REPLY_BYTES) {
        session_break(s, "Redis at %s sent an answer of more than %d MiB, which is refused", s->where,
                      MAX_REPLY_BYTES / 1024 / 1024);
    } else if (redisReaderFeed(s->reading.reader, bytes, len) != REDIS_OK) {
        session_break(s, "out of memory");
    }
}

/* A line that does not end would be looked through again with every buffer. */
static void check_line(struct session *s)
{
    const redisReader *reader = s->reading.reader;
    if (reader->len - reader->pos > MAX_REPLY_LINE && memchr(reader->buf + reader->pos, '\n', MAX_REPLY_LINE) == NULL) {
        session_break(s, "Redis at %s sent a line of more than %d KiB, which is refused", s->where,
                      MAX_REPLY_LINE / 1024);
    }
}

redisReply *replies_next(struct session *s)
{
    struct reading *r = &s->reading;
    void *reply = NULL;
    if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
        if (r->reader->err == REDIS_ERR_OOM) { /* ours; nothing is wrong with the answer */
            session_break(s, "out of memory");
        } else {
            session_break(s, "Redis at %s sent what is not Redis' protocol: %s", s->where, r->reader->errstr);
        }
        return NULL;
    }
    if (reply == NULL) {
        check_line(s);
        return NULL;
    }
    patience_renew(&s->patience, session_now(s));
    r->elements = 0;
    r->bytes = r->reader->len - r->reader->pos;
    if (pending_is_empty(&s->commands.pending)) {
        session_break(s, "Redis at %s sent a reply that nothing asked for", s->where);
        freeReplyObject(reply);
        return NULL;
    }
    return reply;
}

void replies_script_loaded(struct session *s, redisReply *reply)
{
    s->commands.reloads = false;
    if (reply->type != REDIS_REPLY_STRING || reply->len != SHA_LEN) {
        session_break(s, "Redis at %s does not load the script: %s", s->where,
                      reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer");
    }
    freeReplyObject(reply);
}

bool reply_is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING && reply->len <= UINT32_MAX;
}

bool reply_is_hash(const redisReply *reply)
{
    bool ok = reply->type == REDIS_REPLY_ARRAY && reply->elements % 2 == 0;
    for (size_t i = 0; ok && i < reply->elements; i++) {
        ok = reply_is_text(reply->element[i]);
    }
    return ok;
}

churn_pair *reply_pairs(const redisReply *reply, uint32_t *ret_count)
{
    uint32_t count = (uint32_t)(reply->elements / 2);
    churn_pair *pairs = malloc(((size_t)count + 1) * sizeof *pairs);
    for (size_t i = 0; i < count && pairs != NULL; i++) {
        const redisReply *name = reply->element[2 * i], *value = reply->element[2 * i + 1];
        pairs[i] = (churn_pair){.name = {.ptr = name->str, .len = (uint32_t)name->len},
                                .value = {.ptr = value->str, .len = (uint32_t)value->len}};
    }
    *ret_count = count;
    return pairs;
}
