/* The options of the store as they are given, and what they come to. */
#ifndef REDIS_SETTINGS_H
#define REDIS_SETTINGS_H

#include "address.h"
#include <churn/host.h>

#include <stdint.h>

#define WHERE_SIZE 320

/* When a write counts as safe, so that the source may forget its events. */
enum durability { DURABILITY_ACKNOWLEDGED, DURABILITY_REPLICAS, DURABILITY_FSYNC };

/* Who logs in; "": the default user, no password. */
struct login {
    const char *username;
    const char *password;
};

/* What of it has several ways to be given. */
struct given {
    const char *url; /* NULL or "": not given, as the others */
    const char *host;
    int64_t port; /* 0: not given */
    int64_t database;
    struct login login;
};

struct redis_store {
    struct given given;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int32_t durability; /* enum durability */
    int64_t replicas;
    struct url url; /* that of `given`, which `login` and `address` may point into; zeroed when there is none */
    struct address address;
    struct login login;
    int64_t database;
    _Atomic int durability_said;
    const churn_host *host;
    char where[WHERE_SIZE]; /* the server, for messages */
    char promise[40];       /* the durability, for people */
};

/* Checks them against each other, and works out the second half of the struct. CHURN_FATAL at the option at fault. */
int32_t settings_resolve(struct redis_store *store, churn_error *err);

void settings_free(struct redis_store *store);

#endif
