#include "kafka_producer_resends.h"
#include "kafka_producer_faults.h"
#include "kafka_producer_lanes.h"
#include "kafka_producer_topics.h"

#include <stdlib.h>

#define RESEND_DELAY_MS 1000 /* after a failure that is not the record's own */

static void free_resend(struct resend *r)
{
    if (r->headers != NULL) {
        rd_kafka_headers_destroy(r->headers);
    }
    free(r);
}

/* A copy of a message that failed; NULL when memory ran out. */
static struct resend *copy_message(const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    struct resend *r = calloc(1, sizeof *r + m->key_len + m->len);
    if (r == NULL) {
        return NULL;
    }
    r->id = (uintptr_t)m->_private;
    r->key_len = m->key_len;
    r->value_len = m->len;
    r->key = m->key != NULL ? (char *)(r + 1) : NULL;
    r->value = m->payload != NULL ? (char *)(r + 1) + m->key_len : NULL;
    if (m->key_len > 0) {
        memcpy(r->key, m->key, m->key_len);
    }
    if (m->len > 0) {
        memcpy(r->value, m->payload, m->len);
    }
    if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        r->headers = rd_kafka_headers_copy(headers);
    }
    return r;
}

void resends_take(struct kafka_producer *p, enum lane_id lane, const rd_kafka_message_t *m)
{
    int suspect = record_at_fault(m->err);
    struct resend *r = copy_message(m);
    struct topic *t = topics_find(p, rd_kafka_topic_name(m->rkt));
    if (r == NULL || t == NULL) {
        free(r);
        producer_fail(p, "out of memory");
        return;
    }
    if (!suspect) {
        topic_refuses(p, t, m->err);
    }
    if ((m->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || m->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) &&
        t->created_here && !t->denied && t->state == TOPIC_READY) {
        t->state = TOPIC_DUE; /* deleted: make it again */
        t->due_ms = 0;
    }
    r->topic = t;
    r->lane = suspect ? ALONE : lane;
    r->due_ms = suspect ? 0 : p->host->monotonic_ms(p->host) + RESEND_DELAY_MS;
    *p->resends_end = r;
    p->resends_end = &r->next;
}

void resends_send_due(struct kafka_producer *p)
{
    int64_t now = p->resends != NULL ? p->host->monotonic_ms(p->host) : 0;
    while (p->resends != NULL && p->resends->due_ms <= now && p->resends->topic->state == TOPIC_READY && !p->failed) {
        struct resend *r = p->resends;
        rd_kafka_topic_t *rkt;
        rd_kafka_resp_err_t code;
        if (lane_open(p, r->lane, &p->failure) != CHURN_OK) {
            p->failed = 1;
            return;
        }
        if ((rkt = lane_topic(p, r->topic, r->lane)) == NULL) {
            return;
        }
        code = lane_produce(p, r->lane, rkt, r);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            r->due_ms = code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? now : now + RESEND_DELAY_MS;
            producer_check_fatal(p);
            return;
        }
        r->headers = NULL; /* librdkafka's now */
        p->resends = r->next;
        if (p->resends == NULL) {
            p->resends_end = &p->resends;
        }
        free_resend(r);
    }
}

void resends_free(struct kafka_producer *p)
{
    while (p->resends != NULL) {
        struct resend *r = p->resends;
        p->resends = r->next;
        free_resend(r);
    }
}
