#include "kafka_producer_state.h"

/* Remembers why this producer cannot go on; each later call says so. */
CHURN_PRINTF(2, 3)
void fail(struct kafka_producer *p, const char *format, ...)
{
    va_list args;
    if (p->failed) {
        return;
    }
    p->failed = 1;
    va_start(args, format);
    (void)vsnprintf(p->failure.message, sizeof p->failure.message, format, args);
    va_end(args);
}

int32_t report_failure(const struct kafka_producer *p, churn_error *err)
{
    return churn_fail(err, CHURN_FATAL, "%s", p->failure.message);
}

/* librdkafka's fatal errors: the idempotent producer can no longer say what was written. */
void check_fatal(struct kafka_producer *p)
{
    char said[384];
    for (int i = 0; i < LANES; i++) {
        rd_kafka_resp_err_t code = p->lanes[i].rk != NULL ? rd_kafka_fatal_error(p->lanes[i].rk, said, sizeof said)
                                                          : RD_KAFKA_RESP_ERR_NO_ERROR;
        if (code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) {
            fail(p, "this Kafka user may write no topic at all: give it WRITE on `%s` and whatever else is written",
                 p->topics != NULL ? p->topics->name : "");
        } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            fail(p, "the Kafka producer failed for good: %s: %s", rd_kafka_err2str(code), said);
        }
    }
}

/* What is in the way of a record, for a person; constant text. */
const char *fault_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return "larger than the topic's max.message.bytes or the client's message.max.bytes";
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        return "Kafka calls the record invalid; a compacted topic, for one, takes no record without a key";
    default:
        return rd_kafka_err2str(code);
    }
}

/* 1 when a record of the failed batch, not the broker or its state, is at fault. */
int record_at_fault(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_INVALID_RECORD || code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           code == RD_KAFKA_RESP_ERR__INVALID_ARG;
}

/* Says that a topic is not written to for a reason that may pass. */
void warn_refusing(struct kafka_producer *p, const struct topic *t, rd_kafka_resp_err_t code)
{
    stall_begin(&p->refusing, "topic `%s` cannot be written to: %s; waiting", t->name,
                code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ? "this Kafka user lacks WRITE on it"
                                                                     : rd_kafka_err2str(code));
}
