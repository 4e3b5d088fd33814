/* What Redis' errors mean. */
#ifndef REDIS_ERRORS_H
#define REDIS_ERRORS_H

#include <churn/result.h>

#include <stdbool.h>
#include <stddef.h>

#define HISTORY_CODE "HISTORY"
#define CLUSTER_TEXT "Redis at %s is a node of a Redis Cluster, which this version does not support"
#define FORBIDDEN_TEXT                                                                                                 \
    "Redis at %s does not let this user do what is needed (the help of the option `username` lists that)"

enum verdict {
    VERDICT_RETRY,   /* this command again later */
    VERDICT_REJECT,  /* not with what is stored under this key */
    VERDICT_FATAL,   /* it never can be done */
    VERDICT_CLUSTER, /* the key lives on another node */
    VERDICT_RELOAD,  /* the script is unknown */
    VERDICT_BREAK,   /* another connection is needed */
    VERDICT_HISTORY  /* … since the data was taken away from under this one */
};

/* Does it begin with that code? */
bool error_has_code(const char *text, const char *code);

/* What the ACL forbids within a script has no code of its own: as Redis 7.0 says it, and later ones. */
bool error_is_forbidden(const char *text);

/* What becomes of the command that got this error. */
enum verdict error_verdict(const char *text);

/* No other command of the session would fare better. */
bool verdict_ends_session(enum verdict verdict);

/* CHURN_RETRY, CHURN_REJECT or CHURN_FATAL. */
int32_t verdict_result(enum verdict verdict);

/* Writes the message for an error that a command on `key` got from the Redis at `where`. */
void error_explain(const char *text, const char *where, churn_str key, char *message, size_t size);

/* Reports that Redis refused to let us in. */
int32_t error_fail_opening(const char *text, const char *where, churn_error *err);

#endif
