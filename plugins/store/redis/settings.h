/* The options of the store as they are given, and what they come to. */
#ifndef REDIS_SETTINGS_H
#define REDIS_SETTINGS_H

#include "address.h"
#include "tls_files.h"
#include <churn/host.h>
#include <churn/option.h>

#include <stdint.h>

/* When a write counts as safe, so that the source may forget its events. */
enum durability { DURABILITY_ACKNOWLEDGED, DURABILITY_REPLICAS, DURABILITY_FSYNC };

/* Who logs in; "": the default user, no password. */
struct login {
    const char *username;
    const char *password;
};

/* The options of TLS. */
struct given_tls {
    int32_t on; /* … which a URL can say as well */
    const char *ca_file, *cert_file, *key_file;
    const char *server_name; /* "": the host's */
    int32_t check_name;
};

/* Those of Sentinel. */
struct given_sentinels {
    churn_list sentinels;
    const char *master;
    struct login login;
};

struct tls_context;

/* What of it has several ways to be given. */
struct given {
    const char *url; /* NULL or "": not given, as the others */
    const char *host;
    int64_t port; /* 0: not given */
    int64_t database;
    struct login login;
    struct given_tls tls;
    struct given_sentinels sentinel;
};

struct redis_store {
    struct given given;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int32_t durability; /* enum durability */
    int64_t replicas;
    char write_name[41];    /* of the script that writes whole hashes: its SHA-1 */
    struct url url;         /* that of `given`, which `login` and `address` may point into; zeroed when there is none */
    struct address address; /* of the server, where no Sentinel tells it */
    struct address *sentinels;    /* `sentinel_count` of them */
    uint32_t sentinel_count;      /* 0: the address is known */
    _Atomic uint32_t sentinel_at; /* the one to be asked first */
    struct login login;
    int64_t database;
    struct tls_files files;
    struct tls_context *tls; /* NULL: in clear text */
    _Atomic int durability_said;
    _Atomic int was_open; /* a session was: what it was let in with is right, or was so then */
    const churn_host *host;
    char where[WHERE_SIZE]; /* the server, for messages */
    char promise[40];       /* the durability, for people */
};

/* Checks them against each other, and works out the second half of the struct. CHURN_FATAL at the option at fault. */
int32_t settings_resolve(struct redis_store *store, churn_error *err);

void settings_free(struct redis_store *store);

#endif
