/* The back's state, which its parts share: each calls only what stands before it: partition, commits, left and others,
 * and the back itself. One thread. */
#ifndef PREDICTION_QUEUE_KAFKA_STATE_H
#define PREDICTION_QUEUE_KAFKA_STATE_H

#include "kafka_client.h"
#include "queue.h"
#include "queue_kafka_conf.h"
#include "queue_kafka_partition.h"
#include "stall.h"

#define REQUEST_MS 1000 /* longest wait for an answer about metadata or offsets */

struct back {
    const churn_host *host;
    const struct settings *settings;
    const struct counters *counters;
    struct kafka_client *client;
    rd_kafka_t *rk;
    rd_kafka_queue_t *records; /* of all partitions of ours */
    rd_kafka_queue_t *news;    /* rebalances and errors */
    int woken;                 /* an eventfd that both write to once they are not empty any more */
    int looks;                 /* whether the topic exists, the first ones */
    char group[GROUP_SIZE];
    struct waiting *reading; /* the table to read into; known from the first read on */
    struct partition *partitions;
    int32_t partition_count;
    int subscribed;
    struct kafka_group watch; /* while it has given us nothing */
    struct stall group_stall; /* its coordinator cannot be found */
    int others;               /* serve the queue: of a run beside the pipeline's own, which then does not */
    int absent;               /* the topic was looked for and does not exist */
    int assigned;             /* the group has given us our part, which may be none */
    int64_t assigned_ms;      /* when it last did so */
    int64_t *until;           /* of a drain: where each partition ended as it began */
    int32_t until_count;      /* partitions of which that is known; 0: of none yet */
    int others_told;          /* in this drain: that others are waited for */
    uint64_t passed_over;     /* records of other groups since that was last logged */
    int64_t look_at_ms;
    int64_t committed_ms; /* when offsets were committed last */
    int out_of_memory;
    struct stall denied;      /* the topic or its group may not be read */
    struct stall uncommitted; /* … or not committed for any more */
};

#endif
