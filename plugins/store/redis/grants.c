#include "grants.h"
#include "settings.h"

static const char *const needed[] = {"info", "script|load", "eval",    "evalsha", "del",
                                     "hget", "hset",        "hgetall", "persist", "pexpire"};

/* What is asked for besides where it is allowed. */
static const char *const welcome[][2] = {
    {"client|setname", "to be told from others in CLIENT LIST"},
    {"cluster|info", "to refuse a cluster in words"},
};

/* Who is told, and of whom. */
struct telling {
    const char *at, *user; /* "": the default one */
    churn_grant_fn fn;
    void *ctx;
};

static void tell(const struct telling *t, const char *resource, const char *name, uint32_t flags, const char *why)
{
    const churn_grant grant = {.size = sizeof grant,
                               .flags = flags,
                               .system = CHURN_GRANT_REDIS,
                               .at = t->at,
                               .user = t->user != NULL && t->user[0] != '\0' ? t->user : "default",
                               .resource = resource,
                               .name = name,
                               .why = why};
    t->fn(t->ctx, &grant);
}

void redis_grants(void *self, uint32_t use, const churn_str *prefixes, uint32_t count, churn_grant_fn fn, void *ctx)
{
    const struct redis_store *store = self;
    const struct telling t = {.at = store->where, .user = store->login.username, .fn = fn, .ctx = ctx};
    for (uint32_t i = 0; i < count; i++) {
        tell(&t, "key", prefixes[i].ptr, CHURN_GRANT_PREFIX, NULL);
    }
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        tell(&t, "command", needed[i], 0, NULL);
    }
    if (store->durability == DURABILITY_REPLICAS) {
        tell(&t, "command", "wait", 0, NULL);
    } else if (store->durability == DURABILITY_FSYNC) {
        tell(&t, "command", "config|get", 0, NULL);
    }
    if (store->database != 0) {
        tell(&t, "command", "select", 0, NULL);
    }
    if ((use & CHURN_USE_LIST) != 0) {
        tell(&t, "command", "scan", 0, NULL);
    }
    for (size_t i = 0; i < sizeof welcome / sizeof welcome[0]; i++) {
        tell(&t, "command", welcome[i][0], CHURN_GRANT_SOMETIMES, welcome[i][1]);
    }
    if (store->sentinel_count > 0) {
        const struct telling sentinels = {
            .at = "each sentinel", .user = store->given.sentinel.login.username, .fn = fn, .ctx = ctx};
        tell(&sentinels, "command", "sentinel|get-master-addr-by-name", 0, NULL);
        tell(&sentinels, "command", "sentinel|masters", CHURN_GRANT_SOMETIMES, "to name the masters it knows instead");
    }
}
