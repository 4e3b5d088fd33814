/* A librdkafka client, of whatever plugin: opened and ended, and whether Kafka can be reached. */
#ifndef KAFKA_CLIENT_H
#define KAFKA_CLIENT_H

#include <churn/host.h>
#include <librdkafka/rdkafka.h>

/* 1 for an error that only somebody's permission or another configuration can end. */
int kafka_client_denied(rd_kafka_resp_err_t err);

/* Follows whether a client's brokers can be reached, so that an outage is one warning and its end one line. */
struct kafka_client;

/* NULL when memory ran out. `host` and `brokers` outlive it; `owner` is what kafka_client_owner gives back. */
struct kafka_client *kafka_client_new(const churn_host *host, const char *brokers, void *owner);

/* Makes a librdkafka client that reports to `client`, which becomes the opaque of its callbacks. Takes `conf`. NULL on
 * error, with err->option = "properties". End it with kafka_client_destroy. */
rd_kafka_t *kafka_client_open(struct kafka_client *client, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                              churn_error *err);

/* The `owner` of the kafka_client that is the opaque of a callback. */
void *kafka_client_owner(void *opaque);

/* Takes an error event; for clients whose queue is polled for events. Called by the polling thread. */
void kafka_client_error(struct kafka_client *client, rd_kafka_resp_err_t code, const char *reason);

/* Logs an outage that has lasted a while when `needed`, and its end; brokers that are connected and answer nothing are
 * one too. 1 when a broker is connected and answers. Called now and then by the polling thread. */
int kafka_client_check(struct kafka_client *client, int needed);

/* 1 while brokers answered a moment ago; kafka_client_check asks often enough to know. */
int kafka_client_hears(const struct kafka_client *client);

#define KAFKA_REASON_SIZE 384 /* of what kafka_client_reason gives, at most */

/* 1 when a broker is connected. */
int kafka_client_up(const struct kafka_client *client);

/* 1 when a broker took a connection at least so long ago, and has not answered since. */
int kafka_client_awaits(struct kafka_client *client, int64_t for_ms);

/* Nobody waits for an answer any more: that there was none is the reason. */
void kafka_client_silent(struct kafka_client *client);

/* Why the newest connection failed, for a person; "": none did. And what to do about it, as an end of the sentence; "":
 * the reason says so itself. */
const char *kafka_client_reason(const struct kafka_client *client);
const char *kafka_client_advice(const struct kafka_client *client);

/* Whether a consumer that has been given no partitions is connected to the coordinator of its group. librdkafka 2.0.2
 * may never find it again once it came back under another address. */
enum kafka_group_state {
    KAFKA_GROUP_FOUND,  /* or no broker can be reached or answers, which kafka_client_check says */
    KAFKA_GROUP_SILENT, /* not for a while now, though a broker answers */
    KAFKA_GROUP_LOST    /* for so long that the client is to be made anew */
};

/* What is said of it; with the group's name. */
#define KAFKA_GROUP_LOST_TEXT                                                                                          \
    "the coordinator of group `%s` cannot be found though brokers answer, so nothing is read; it is looked for. Does " \
    "Kafka advertise an address for each broker that can be reached from here, and is its topic __consumer_offsets "   \
    "whole?"
#define KAFKA_GROUP_ANEW_TEXT "the Kafka client of group `%s` is made anew, to find its coordinator"

/* Zeroed while it has partitions. */
struct kafka_group {
    int64_t found_ms; /* when the coordinator was last known to be connected; 0: not looked at yet */
};

/* Called by the polling thread after kafka_client_check. */
enum kafka_group_state kafka_client_group(struct kafka_client *client, struct kafka_group *group);

/* Closes a consumer, so that its group need not wait for a time-out: it gives up what it has, and what it has not
 * handed out is dropped. What is to be committed was committed before. 1 when it is closed, within `timeout_ms`. */
int kafka_client_leave(struct kafka_client *client, rd_kafka_t *rk, int64_t timeout_ms);

/* rd_kafka_destroy_flags with a bound: librdkafka 2.0.2 never comes back from it once a topic it read was deleted. What
 * has not ended after `timeout_ms` is left to the end of the process, silenced. `rk` may be NULL. */
void kafka_client_destroy(struct kafka_client *client, rd_kafka_t *rk, int flags, int64_t timeout_ms);

/* After kafka_client_destroy of what reports to it; may be NULL. */
void kafka_client_free(struct kafka_client *client);

#endif
