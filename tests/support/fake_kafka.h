/* librdkafka and plugins/common/kafka_{client,conf,probe,risks}.h as a script, for parts that talk to them: one thread,
 * no waiting.
 *
 * It is linked into the test program with the parts, and its functions stand before the library's; lists of partitions,
 * headers and the texts of errors are the library's own. What the parts ask for or change is written down in `calls`,
 * in order; what they are answered comes from the partitions and the failures that a test sets. */
#ifndef TESTS_FAKE_KAFKA_H
#define TESTS_FAKE_KAFKA_H

#include "fake_host.h"
#include "kafka_client.h"

struct fake_kafka {
    int64_t now_ms;       /* the host's monotonic clock; a wait that brings nothing moves it on */
    char calls[1 << 16];  /* "call; call" since fake_kafka_calls */
    const char *protocol; /* of rebalances */
    int lost;             /* what is revoked is lost */
    int up;               /* a broker is connected */
    int deaf;             /* … and has answered nothing for a while */
    enum kafka_group_state group;
    int leaves;            /* a consumer that is closed leaves in time */
    int no_answer;         /* to a commit that is waited for */
    int fetchers;          /* the library knows fetch.queue.backoff.ms */
    int version;           /* of the library */
    int64_t seek_ms;       /* how long a seek takes */
    int woken_fd;          /* what the newest queue tells that it is not empty any more; -1: nobody */
    int live;              /* what the library handed out and was not given back */
    rd_kafka_conf_t *conf; /* of the client opened last */
    void (*on_commit)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *, void *);
};
extern struct fake_kafka fake_kafka;

struct fake_partition {
    char topic[32];
    int32_t partition;
    int64_t low, high;           /* as the brokers know */
    int64_t seen_low, seen_high; /* as the library remembers */
    int64_t at_time;             /* the answer to a question for a time */
    int64_t committed;           /* RD_KAFKA_OFFSET_INVALID: nothing */
    char metadata[64];           /* of the commit */
    rd_kafka_resp_err_t err;     /* the answer to any question about it */
    rd_kafka_queue_t *queue;
};

/* Begins anew, and gives `host` its clock. */
void fake_kafka_init(struct fake_host *host);

/* Made by the first call that names it, so that its topic exists. */
struct fake_partition *fake_kafka_partition(const char *topic, int32_t partition);

/* The next `times` calls of this name (as in `calls`) are answered with an error. Of a topic's metadata: "topic NAME".
 */
void fake_kafka_fail(const char *call, rd_kafka_resp_err_t code, int times);

/* A record to come, in its partition's queue; key, headers and timestamp may be set until it is taken. */
rd_kafka_message_t *fake_kafka_record(const char *topic, int32_t partition, int64_t offset, const char *value);
void fake_kafka_header(rd_kafka_message_t *record, const char *name, const char *value);
void fake_kafka_time(rd_kafka_message_t *record, int64_t timestamp_ms);

/* What a partition's queue says besides. */
void fake_kafka_says(const char *topic, int32_t partition, int64_t offset, rd_kafka_resp_err_t code, const char *text);

/* What client `number`, counted from 1 in the order in which they were opened, hears of its group: an error, of a topic
 * where that is not NULL, a record, or a rebalance of "topic/partition,topic/partition". */
void fake_kafka_tells(int number, const char *topic, int32_t partition, int64_t offset, rd_kafka_resp_err_t code,
                      const char *text);
rd_kafka_message_t *fake_kafka_hears(int number, const char *topic, int32_t partition, int64_t offset,
                                     const char *value);
void fake_kafka_rebalances(int number, rd_kafka_resp_err_t code, const char *list);

/* The calls so far; forgets them with the next call. */
const char *fake_kafka_calls(void);

/* How many records wait. */
int fake_kafka_waiting(void);

/* For fakes beside this one. */
CHURN_PRINTF(1, 2)
void fake_kafka_note(const char *format, ...);

#define CHECK_CALLS(expected)                                                                                          \
    do {                                                                                                               \
        const char *calls_made = fake_kafka_calls();                                                                   \
        if (strcmp(calls_made, expected) != 0) {                                                                       \
            (void)fprintf(stderr, "\n%s:%d: calls\n  %s\nexpected\n  %s\n", __FILE__, __LINE__, calls_made, expected); \
            CU_FAIL("other calls than expected");                                                                      \
        }                                                                                                              \
    } while (0)

#endif
