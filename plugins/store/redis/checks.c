#include "checks.h"
#include "calls.h"
#include "errors.h"
#include "info.h"
#include "replies.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLUSTER_SLOTS 16384

int32_t check_role(struct session *s, churn_error *err)
{
    redisReply *reply;
    const char *role;
    int len = 0;
    bool replica;
    int32_t result = info_ask(s, "replication", &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply == NULL) {
        churn_log(s->store->host, CHURN_LOG_WARN,
                  "Redis at %s does not let this user call INFO: a failover that loses writes can go unnoticed",
                  s->where);
        return CHURN_OK;
    }
    role = info_value(reply->str, "role", &len);
    replica = role != NULL && strncmp(role, "slave", 5) == 0;
    freeReplyObject(reply);
    return replica ? churn_fail(err, CHURN_RETRY, "Redis at %s is a replica, which takes no writes", s->where)
                   : CHURN_OK;
}

int32_t check_cluster(struct session *s, churn_error *err)
{
    const churn_str args[] = {churn_text("CLUSTER"), churn_text("INFO")};
    redisReply *reply;
    bool is_node, alone = true;
    int32_t result = info_ask(s, "cluster", &reply, err);
    if (result != CHURN_OK || reply == NULL) {
        return result;
    }
    is_node = info_number(reply->str, "cluster_enabled") == 1;
    freeReplyObject(reply);
    if (!is_node || (result = call_ask(s, args, 2, &reply, err)) != CHURN_OK || reply == NULL) {
        return result;
    }
    if (reply_is_text(reply)) {
        alone = info_number(reply->str, "cluster_size") <= 1 &&
                info_number(reply->str, "cluster_slots_assigned") == CLUSTER_SLOTS;
    }
    freeReplyObject(reply);
    return alone ? CHURN_OK : churn_fail(err, CHURN_FATAL, CLUSTER_TEXT, s->where);
}

/* *ret: CONFIG says that it is; false also where CONFIG is forbidden. */
static int32_t config_is(struct session *s, const char *name, const char *value, bool *ret, churn_error *err)
{
    const churn_str args[] = {churn_text("CONFIG"), churn_text("GET"), churn_text(name)};
    redisReply *reply;
    int32_t result = call_ask(s, args, 3, &reply, err);
    if (result == CHURN_OK && reply != NULL) {
        *ret = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply_is_text(reply->element[1]) &&
               strcmp(reply->element[1]->str, value) == 0;
        freeReplyObject(reply);
    }
    return result;
}

int32_t check_durability(struct session *s, churn_error *err)
{
    const churn_str wait[] = {churn_text("WAIT"), churn_text("0"), churn_text("0")};
    bool file = false, always = false;
    int32_t result = s->store->durability == DURABILITY_REPLICAS ? call_demand(s, wait, 3, err) : CHURN_OK;
    if (s->store->durability == DURABILITY_FSYNC) {
        result = config_is(s, "appendonly", "yes", &file, err);
        result = result == CHURN_OK ? config_is(s, "appendfsync", "always", &always, err) : result;
        if (result == CHURN_OK && !(file && always)) {
            result = churn_fail_option(err, "durability",
                                       "fsync needs a Redis that syncs before it acknowledges, and lets CONFIG GET say "
                                       "so: set `appendonly yes` and `appendfsync always` on %s",
                                       s->where);
        }
    }
    if (result == CHURN_OK && atomic_exchange(&s->store->durability_said, 1) == 0) {
        churn_log(s->store->host, CHURN_LOG_INFO, "Redis at %s: durability: %s", s->where, s->store->promise);
    }
    return result;
}

static const struct {
    const char *code, *remedy;
} refusals[] = {
    {"OOM", "its memory is full; raise maxmemory, or make room"},
    {"MISCONF", "it cannot save to its disk; make room there, then BGSAVE, or see its log"},
    {"NOREPLICAS", "fewer replicas are in reach than its min-replicas-to-write"},
    {"READONLY", "it is a replica; name the primary"},
};

int32_t check_writable(struct session *s, churn_error *err)
{
    /* A script that declares its flags is refused for what its writes would be refused for before it begins. */
    const churn_str args[] = {churn_text("EVAL"), churn_text("#!lua\nreturn 1"), churn_text("0")};
    redisReply *reply;
    int32_t result = call(s, args, 3, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    for (size_t i = 0; reply->type == REDIS_REPLY_ERROR && i < sizeof refusals / sizeof refusals[0]; i++) {
        if (error_has_code(reply->str, refusals[i].code)) {
            result = churn_fail(err, CHURN_RETRY, "Redis at %s refuses writes: %s (%s)", s->where, refusals[i].remedy,
                                reply->str);
        }
    }
    freeReplyObject(reply);
    return result;
}

int32_t find_eviction(struct session *s, char *text, size_t size, churn_error *err)
{
    const char *limit, *policy;
    redisReply *reply;
    int limit_len = 0, policy_len = 0;
    int32_t result = info_ask(s, "memory", &reply, err);
    text[0] = '\0';
    if (result != CHURN_OK || reply == NULL) {
        return result;
    }
    limit = info_value(reply->str, "maxmemory", &limit_len);
    policy = info_value(reply->str, "maxmemory_policy", &policy_len);
    if (limit != NULL && policy != NULL && strtoull(limit, NULL, 10) != 0 && strncmp(policy, "noeviction", 10) != 0) {
        bool keeps_lasting = strncmp(policy, "volatile-", 9) == 0; /* what has no ttl: it refuses writes instead */
        (void)snprintf(text, size,
                       "may throw profiles away %swhen its memory is full, and their events are then LOST: "
                       "maxmemory-policy is %.*s; set it to noeviction",
                       keeps_lasting ? "that have a `ttl` (no others) " : "", policy_len, policy);
    }
    freeReplyObject(reply);
    return CHURN_OK;
}

int32_t check_eviction(struct session *s, churn_error *err)
{
    char text[256];
    int32_t result = find_eviction(s, text, sizeof text, err);
    if (result == CHURN_OK && text[0] != '\0') {
        churn_log(s->store->host, CHURN_LOG_WARN, "Redis at %s %s", s->where, text);
    }
    return result;
}
