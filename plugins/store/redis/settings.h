/* What the options of the store say, and what it knows of itself for messages. */
#ifndef REDIS_SETTINGS_H
#define REDIS_SETTINGS_H

#include <churn/host.h>

#include <stdint.h>

/* When a write counts as safe, so that the source may forget its events. */
enum durability { DURABILITY_ACKNOWLEDGED, DURABILITY_REPLICAS, DURABILITY_FSYNC };

struct redis_store {
    const char *host_name; /* options */
    int64_t port;
    const char *username;
    const char *password;
    int64_t database;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int32_t durability; /* enum durability */
    int64_t replicas;
    _Atomic int durability_said;
    const churn_host *host;
    char where[280];  /* HOST:PORT, for messages */
    char promise[40]; /* the durability, for people */
};

#endif
