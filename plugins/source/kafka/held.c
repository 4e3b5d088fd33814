/* The messages behind the records of the newest poll, and their headers. */
#include "held.h"
#include "parts.h"

#include <stdlib.h>

void held_release(struct kafka_source *s)
{
    for (uint32_t i = 0; i < s->held_count; i++) {
        rd_kafka_message_destroy(s->held[i]);
    }
    s->held_count = s->header_count = 0;
}

int held_reserve(struct kafka_source *s, uint32_t max)
{
    if (max > s->held_size) {
        rd_kafka_message_t **grown = realloc(s->held, max * sizeof *grown);
        if (grown == NULL) {
            source_fail(s, "out of memory");
            return 0;
        }
        s->held = grown;
        s->held_size = max;
    }
    return 1;
}

static int reserve_headers(struct kafka_source *s, size_t more)
{
    if (s->header_count + more > s->header_size) {
        size_t size = s->header_size + more + 1024;
        churn_header *grown = realloc(s->header_pool, size * sizeof *grown);
        if (grown == NULL) {
            source_fail(s, "out of memory");
            return 0;
        }
        s->header_pool = grown;
        s->header_size = (uint32_t)size;
    }
    return 1;
}

/* Their texts are the message's. */
void held_take_headers(struct kafka_source *s, churn_record *r, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t len, count;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return; /* none */
    }
    count = rd_kafka_header_cnt(headers);
    if (!reserve_headers(s, count)) {
        return;
    }
    for (size_t i = 0;
         i < count && rd_kafka_header_get_all(headers, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        s->header_pool[s->header_count++] = (churn_header){.name = name, .value = {.ptr = value, .len = (uint32_t)len}};
        r->header_count++;
    }
}

int32_t source_headers(void *self, churn_record *record, churn_error *err)
{
    struct kafka_source *s = self;
    s->header_count = 0;
    record->header_count = 0;
    if (s->headers && record->id < s->held_count) {
        held_take_headers(s, record, s->held[record->id]);
    }
    record->headers = record->header_count > 0 ? s->header_pool : NULL;
    return s->failed ? churn_fail(err, CHURN_FATAL, "%s", s->failure.message) : CHURN_OK;
}

/* Once the pool moves no more. */
void held_link_headers(const struct kafka_source *s, churn_record *records)
{
    const churn_header *at = s->header_pool;
    for (uint32_t i = 0; i < s->held_count && s->header_count > 0; i++) {
        records[i].headers = records[i].header_count > 0 ? at : NULL;
        at += records[i].header_count;
    }
}
