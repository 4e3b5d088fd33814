#include "kafka_producer_faults.h"

void producer_fail(struct kafka_producer *p, const char *format, ...)
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

int32_t producer_failure(const struct kafka_producer *p, churn_error *err)
{
    return churn_fail(err, CHURN_FATAL, "%s", p->failure.message);
}

void producer_check_fatal(struct kafka_producer *p)
{
    char said[384];
    for (int i = 0; i < LANES; i++) {
        rd_kafka_resp_err_t code = p->lanes[i].rk != NULL ? rd_kafka_fatal_error(p->lanes[i].rk, said, sizeof said)
                                                          : RD_KAFKA_RESP_ERR_NO_ERROR;
        if (code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) {
            producer_fail(
                p, "this Kafka user may write no topic at all: give it WRITE on `%s` and whatever else is written",
                p->topics != NULL ? p->topics->name : "");
        } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            producer_fail(p, "the Kafka producer failed for good: %s: %s", rd_kafka_err2str(code), said);
        }
    }
}

const char *record_fault(rd_kafka_resp_err_t code)
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

int record_at_fault(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_INVALID_RECORD || code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           code == RD_KAFKA_RESP_ERR__INVALID_ARG;
}

void topic_refuses(struct kafka_producer *p, const struct topic *t, rd_kafka_resp_err_t code)
{
    stall_begin(&p->refusing, "topic `%s` cannot be written to: %s; waiting", t->name,
                code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ? "this Kafka user lacks WRITE on it"
                                                                     : rd_kafka_err2str(code));
}
