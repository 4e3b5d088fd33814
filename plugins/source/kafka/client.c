/* The librdkafka client: opened, closed, and made anew. */
#include "client.h"
#include "assignment.h"
#include "conf.h"
#include "group.h"
#include "held.h"
#include "kafka_conf.h"
#include "offsets.h"
#include "turns.h"
#include "unreadable.h"

#define DESTROY_TIMEOUT_MS 2000

void client_close(struct kafka_source *s)
{
    held_release(s);
    group_drop_pending(s);
    unreadable_close(s);
    if (s->records != NULL) {
        turns_end(s);
        rd_kafka_queue_destroy(s->records);
    }
    kafka_client_destroy(s->client, s->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, DESTROY_TIMEOUT_MS);
    kafka_client_free(s->client);
    s->records = NULL;
    s->rk = NULL;
    s->client = NULL;
}

int32_t client_open(struct kafka_source *s, churn_error *err)
{
    rd_kafka_conf_t *conf = conf_new(s, err);
    if (conf == NULL) {
        return CHURN_FATAL;
    }
    s->client = kafka_client_new(s->host, s->brokers, s);
    if (s->client == NULL) {
        rd_kafka_conf_destroy(conf);
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    rd_kafka_conf_set_rebalance_cb(conf, group_on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, offsets_on_commit);
    s->fetchers_doze = kafka_conf_default(conf, &s->properties, "fetch.queue.backoff.ms", NULL, "10", NULL) != CHURN_OK;
    s->rk = kafka_client_open(s->client, RD_KAFKA_CONSUMER, conf, err);
    if (s->rk == NULL) {
        return CHURN_FATAL;
    }
    (void)rd_kafka_poll_set_consumer(s->rk); /* errors come with the group's events */
    s->records = rd_kafka_queue_new(s->rk);
    return CHURN_OK;
}

void client_remake(struct kafka_source *s)
{
    group_lose(s);
    client_close(s);
    s->turn = (struct turn){.look_at = s->returned};
    s->peak = 0;
    s->watch = (struct kafka_group){0};
    if (client_open(s, &s->failure) != CHURN_OK || assignment_subscribe(s, &s->failure) != CHURN_OK) {
        s->failed = 1;
    }
}
