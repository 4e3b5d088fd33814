/*
 * The Redis store: profiles as hashes on a Redis server (7.0 is tested; 4.0 and later have the commands).
 *
 * A put compares the version and writes, in a script; puts that follow each other share a call of it, and a window of
 * calls is one pipeline, which is on its way while the rest of the window is still being made. The session writes the
 * protocol itself and reads it with hiredis' parser, with both directions open at the same time, so a
 * pipeline of any size cannot block on full socket buffers. Replies come in the order of the commands. After an error
 * of the connection a late reply could answer the wrong command, so a broken session is never used again.
 *
 * The files, each resting on those before it: address, settings, errors; resp, msgpack, outbox and pending, which make
 * up commands; held, patience; session, replies, socket; puts, and calls with hashes, info, identity, rights and checks
 * upon them; opening; and here the options and the table of the plugin.
 */
#include "grants.h"
#include "hashes.h"
#include "identity.h"
#include "opening.h"
#include "puts.h"
#include "rights.h"
#include "settings.h"
#include <churn/plugin.h>
#include <churn/store.h>

#include <inttypes.h>
#include <stdio.h>

static const char *const durabilities[] = {"acknowledged", "replicas", "fsync", NULL};

static const churn_option options[] = {
    {"url", .type = CHURN_OPTION_STRING, .default_text = "", .flags = CHURN_OPTION_SECRET,
     .offset = offsetof(struct redis_store, given.url),
     .help =
         "Where Redis is, in place of `host` and `port`: redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], rediss:// likewise with TLS, or "
         "unix:///PATH for a Unix socket. A character that means something in a URL stands in a user or password as "
         "its percent code: %40 for @, %2F for /. What is not in it may be said by the options below."},
    {"host", .type = CHURN_OPTION_STRING, .default_text = "localhost", .flags = CHURN_OPTION_OWN_DEFAULT,
     .offset = offsetof(struct redis_store, given.host), .help = "Host name or address of the Redis server."},
    {"port", .type = CHURN_OPTION_INT, .default_text = "6379", .flags = CHURN_OPTION_OWN_DEFAULT, .min = 1,
     .max = 65535, .offset = offsetof(struct redis_store, given.port), .help = "TCP port of the Redis server."},
    {"username", .type = CHURN_OPTION_STRING, .default_text = "",
     .offset = offsetof(struct redis_store, given.login.username),
     .help =
         "User of Redis' ACL; empty: the default user. It must be allowed the keys that begin with `churnd:`, the "
         "store's `key_prefix` and the `cache_prefix` of predictions, and the commands " NEEDED_COMMANDS "; for "
         "`durability: replicas` also wait, for `durability: fsync` config|get, for another `database` select, for "
         "`churnd verify`, `churnd rebuild` and `churnd load --clean` scan. client|setname and cluster|info are used where they are "
         "allowed."},
    {"password", .type = CHURN_OPTION_STRING, .default_text = "", .flags = CHURN_OPTION_SECRET,
     .offset = offsetof(struct redis_store, given.login.password), .help = "Password; empty: no authentication."},
    {"database", .type = CHURN_OPTION_INT, .default_text = "0", .min = 0, .max = 1000000,
     .offset = offsetof(struct redis_store, given.database), .help = "Number of the Redis database."},
    {"tls", .type = CHURN_OPTION_BOOL, .default_text = "false", .offset = offsetof(struct redis_store, given.tls.on),
     .help =
         "Encrypt the connections to `host` or the sentinels, from TLS 1.2 on; a `url` that begins with rediss:// says it "
         "too."},
    {"ca_file", .type = CHURN_OPTION_STRING, .default_text = "",
     .offset = offsetof(struct redis_store, given.tls.ca_file),
     .help = "Certificates in PEM of the authorities that the server's may be of; empty: those that the system trusts. "
             "This file and the next two are read again for a connection when they have changed."},
    {"cert_file", .type = CHURN_OPTION_STRING, .default_text = "",
     .offset = offsetof(struct redis_store, given.tls.cert_file),
     .help = "Our own certificate in PEM, where the server asks for one (tls-auth-clients)."},
    {"key_file", .type = CHURN_OPTION_STRING, .default_text = "",
     .offset = offsetof(struct redis_store, given.tls.key_file),
     .help = "Its private key in PEM, without a passphrase."},
    {"server_name", .type = CHURN_OPTION_STRING, .default_text = "",
     .offset = offsetof(struct redis_store, given.tls.server_name),
     .help = "Name or address that the server's certificate must have, where that is another one than it is reached "
             "by."},
    {"check_name", .type = CHURN_OPTION_BOOL, .default_text = "true",
     .offset = offsetof(struct redis_store, given.tls.check_name),
     .help =
         "false takes a trusted certificate whatever name is in it, so that any server of that authority can pose as "
         "this one."},
    {"sentinels", .type = CHURN_OPTION_LIST, .offset = offsetof(struct redis_store, given.sentinel.sentinels),
     .help =
         "Sentinels as HOST[:PORT], which tell where the server is, in place of `host`, `port` and `url`; they are asked "
         "again for each connection, so that a failover is followed."},
    {"master", .type = CHURN_OPTION_STRING, .default_text = "",
     .offset = offsetof(struct redis_store, given.sentinel.master), .help = "Name by which the sentinels know it."},
    {"sentinel_username", .type = CHURN_OPTION_STRING, .default_text = "",
     .offset = offsetof(struct redis_store, given.sentinel.login.username),
     .help = "User of the sentinels' own ACL, who may sentinel|get-master-addr-by-name; empty: the default user."},
    {"sentinel_password", .type = CHURN_OPTION_STRING, .default_text = "", .flags = CHURN_OPTION_SECRET,
     .offset = offsetof(struct redis_store, given.sentinel.login.password),
     .help = "Password of the sentinels; empty: no authentication. Redis' own is `password`."},
    {"timeout", .type = CHURN_OPTION_DURATION, .default_text = "5s", .min = 10, .max = 3600000,
     .offset = offsetof(struct redis_store, timeout_ms),
     .help = "Time for a whole answer, after which a connection counts as broken."},
    {"connect_timeout", .type = CHURN_OPTION_DURATION, .default_text = "2s", .min = 10, .max = 3600000,
     .offset = offsetof(struct redis_store, connect_timeout_ms), .help = "Longest wait for a connection."},
    {"durability", .type = CHURN_OPTION_ENUM, .default_text = "acknowledged", .choices = durabilities,
     .offset = offsetof(struct redis_store, durability),
     .help =
         "When offsets may be committed: once Redis has acknowledged the profiles (acknowledged); once `replicas` of "
         "its "
         "replicas have them too (replicas); fsync demands a Redis with appendonly yes and appendfsync always, which "
         "has them on disk when it acknowledges. What a Redis loses all the same after a crash or a failover is read "
         "again from the source."},
    {"replicas", .type = CHURN_OPTION_INT, .default_text = "1", .min = 1, .max = 1000,
     .offset = offsetof(struct redis_store, replicas),
     .help = "With `durability: replicas`: how many replicas must have a write."},
};

static int32_t redis_create(void *self, const churn_host *host, churn_error *err)
{
    struct redis_store *store = self;
    int32_t rc;
    store->host = host;
    if (store->durability == DURABILITY_REPLICAS) {
        (void)snprintf(store->promise, sizeof store->promise, "replicas: %" PRId64, store->replicas);
    } else {
        (void)snprintf(store->promise, sizeof store->promise, "%s", durabilities[store->durability]);
    }
    rc = hashes_name_scripts(store, err);
    return rc == CHURN_OK ? settings_resolve(store, err) : rc;
}

static const char *redis_durability(void *self)
{
    return ((const struct redis_store *)self)->promise;
}

static void redis_destroy(void *self)
{
    settings_free(self);
}

static const churn_store_ops ops = {
    .size = sizeof(churn_store_ops),
    .create = redis_create,
    .open = redis_open,
    .put = redis_put,
    .poll = redis_poll,
    .get = redis_get,
    .write = redis_write,
    .remove = redis_remove,
    .close = redis_close,
    .destroy = redis_destroy,
    .identity = redis_identity,
    .flush = redis_flush,
    .keys = redis_keys,
    .get_many = redis_get_many,
    .durability = redis_durability,
    .probe = redis_probe,
    .allowed = redis_allowed,
    .grants = redis_grants,
};

static const char *const paths[] = {"ca_file", "cert_file", "key_file", NULL};
static const char *const discovering[] = {"sentinels", NULL};
static const churn_needs needs = {
    .size = sizeof needs, .flags = CHURN_NEEDS_CONNECT, .read_options = paths, .discover_options = discovering};

CHURN_PLUGIN(.kind = CHURN_KIND_STORE, .name = "redis", .version = "1.0.0",
             .summary = "Keeps profiles as hashes on a Redis server", CHURN_OPTIONS(options, struct redis_store),
             .ops = &ops, .needs = &needs);
