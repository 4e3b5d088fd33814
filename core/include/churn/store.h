/** @file
 * Stores: hashes of text fields by key, with one versioned write, `put`, on which exactness rests.
 *
 * An instance is made once for the pipeline; each thread that uses it opens a session (a connection) of its own.
 * The field `_v` of a profile is its version, a decimal number from 1; only the store writes it.
 */
#ifndef CHURN_STORE_H
#define CHURN_STORE_H

#include <churn/grant.h>
#include <churn/plugin.h>
#include <churn/target.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The name of the field that is a profile's version. */
#define CHURN_VERSION_FIELD "_v"

/** Reads a version as the store writes it: a decimal number from 1, without leading zeros, below the last one that
 * could be counted up. 1: *ret is set; 0: it is none, and the profile is damaged. (since ABI 1.3) [any] */
static inline int churn_version_read(churn_str text, uint64_t *ret)
{
    uint64_t number = 0;
    uint32_t i;
    if (text.len == 0 || text.ptr[0] == '0') {
        return 0;
    }
    for (i = 0; i < text.len; i++) {
        uint64_t digit = (uint64_t)((unsigned char)text.ptr[i]) - '0';
        if (digit > 9 || number > (UINT64_MAX - 1 - digit) / 10) {
            return 0;
        }
        number = number * 10 + digit;
    }
    if (number == UINT64_MAX) {
        return 0;
    }
    *ret = number;
    return 1;
}

/** One field of a stored hash. */
typedef struct churn_pair {
    churn_str name;
    churn_str value;
} churn_pair;

/** A put whose expected version was read by get or get_many, and not answered to a put of this session: an expiry that
 * another one has set may be on the key, and goes with this write where `ttl_ms` is 0. (since ABI 1.3) */
#define CHURN_PUT_READ (1u << 0)

/** A conditional write: fields that are not named keep their stored values. */
typedef struct churn_put {
    uint32_t size;
    uint32_t count;
    churn_str key;
    uint64_t expected_version; /**< 0: nothing may be stored under the key but fields of others, without `_v` */
    const churn_pair *fields;  /**< `count` fields, never `_v`: the store sets it to expected_version + 1 */
    uint64_t id;               /**< given back in the reply */
    int64_t ttl_ms;            /**< expiry renewed by this write; 0: none */
    uint32_t flags;            /**< of CHURN_PUT_… (since ABI 1.3) */
    uint32_t reserved;
} churn_put;

/** The answer to one put. */
typedef struct churn_put_reply {
    uint32_t size;
    /** CHURN_OK: written. CHURN_CONFLICT: another version is stored; nothing was written. CHURN_RETRY: nothing was
     *  written, ask again later. CHURN_REJECT (ABI 1.3): what is stored under this key forbids it until somebody mends
     *  or deletes that: it is no hash, has no version that can be read, is damaged; nothing was written, and other keys
     *  are not concerned. CHURN_FATAL: nothing can be written, whatever the key. */
    int32_t result;
    uint64_t id;
    uint64_t version; /**< CONFLICT: the stored version, 0 when nothing is stored */
    /** CONFLICT: the stored fields without `_v`, valid until the session's next call. REJECT: those of them that could
     *  be read, for the sake of their marks; none is no fault. */
    const churn_pair *fields;
    uint32_t count;
    uint32_t reserved;
    const char *message; /**< RETRY, FATAL: what the store said; REJECT: what is wrong with which key, and what to do,
                              never a value; valid as `fields` */
} churn_put_reply;

/** A whole hash without a version, such as a prediction. */
typedef struct churn_hash {
    churn_str key;
    const churn_pair *fields; /**< `count` fields */
    uint32_t count;
    uint32_t reserved;
    int64_t ttl_ms; /**< expires after so long; 0: never */
} churn_hash;

/** Takes the fields of one hash. `fields` are valid during the call. Returns CHURN_OK to go on, else the scan ends. */
typedef int32_t (*churn_fields_fn)(void *ctx, churn_str key, const churn_pair *fields, uint32_t count);

/** Takes one key. Returns CHURN_OK to go on, else the listing ends. */
typedef int32_t (*churn_key_fn)(void *ctx, churn_str key);

/** Room for what `identity` writes, its NUL included. */
#define CHURN_IDENTITY_SIZE 128

typedef struct churn_store_ops {
    uint32_t size;
    uint32_t embedded; /**< 1: lives inside the process, needs no server; `scan` and `remove` are then present */
    /** Checks options against each other; no I/O. After a failure nothing else is called. [main] */
    int32_t (*create)(void *self, const churn_host *host, churn_error *err);
    /**
     * Opens a session: connects, authenticates, checks that the server can keep the promise of `put`. CHURN_RETRY: out
     * of reach for now (the host asks again); CHURN_FATAL: will not work as configured. *ret_session is set on CHURN_OK
     * only and is freed by close. [any]
     */
    int32_t (*open)(void *self, void **ret_session, churn_error *err);
    /**
     * Queues one put; copies what it needs. Puts queued since the last answer of their key must have other keys.
     * CHURN_RETRY: the session is broken, close it. [worker]
     */
    int32_t (*put)(void *session, const churn_put *put, churn_error *err);
    /**
     * Sends what is queued and collects up to `max` replies, in any order; waits up to `timeout_ms` for the first.
     * CHURN_OK with *ret_count ≥ 1, CHURN_PENDING with none. CHURN_RETRY: the session is broken: puts without a reply
     * may or may not have been written; close it, open another and put them again (a conflict then tells). [worker]
     */
    int32_t (*poll)(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                    churn_error *err);
    /** Reads one hash, `_v` included: calls `fn` once, with count 0 when nothing is stored. CHURN_REJECT (ABI 1.3):
     * what is stored under the key is no hash, or damaged; the session serves other keys. Not while puts are
     * unanswered. [worker] */
    int32_t (*get)(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err);
    /** Replaces whole hashes, each at once for any reader. Returns when all are stored; after an error any of them may
     * be. Not while puts are unanswered. [worker] */
    int32_t (*write)(void *session, const churn_hash *hashes, uint32_t count, churn_error *err);
    /** Deletes `key` if its field `field` equals `value`. Embedded stores have it; for others it is optional, and
     *  forgetting customers needs it (since ABI 1.3). Not while puts are unanswered. [worker] */
    int32_t (*remove)(void *session, churn_str key, churn_str field, churn_str value, churn_error *err);
    /** Embedded stores: calls `fn` for each key that begins with `prefix`, in byte order, after `after` (ptr NULL: from
     *  the first), until it has `max` or `fn` ends it. `fn` must not use the session. [worker] */
    int32_t (*scan)(void *session, churn_str prefix, churn_str after, uint32_t max, churn_fields_fn fn, void *ctx,
                    churn_error *err);
    /** Ends a session; unanswered puts may or may not have been written. [any] */
    void (*close)(void *session);
    /** Frees all that create allocated, not `self`; every session is closed. [main] */
    void (*destroy)(void *self);

    /* since ABI 1.1 */
    /**
     * Optional: names the history of writes that this session is part of, NUL-terminated. The same text on two
     * sessions: what was acknowledged on the first is still there on the second. Another text: the server was
     * restarted, replaced or has failed over, and may have lost some of it. NULL: that cannot happen. Not while puts
     * are unanswered. [worker] Where the store can tell, puts of a session that was asked are refused once its history
     * has ended under it: the session is broken, and the next one has another identity.
     */
    int32_t (*identity)(void *session, char text[CHURN_IDENTITY_SIZE], churn_error *err);
    /**
     * Optional: is every put that was answered before as durable as the store's options promise? CHURN_OK: it is.
     * CHURN_PENDING: asked, and poll answers it like a put of `id`: CHURN_OK, or CHURN_RETRY with a message while it is
     * not. CHURN_RETRY: the session is broken. NULL: it always is. [worker]
     */
    int32_t (*flush)(void *session, uint64_t id, churn_error *err);
    /** Optional: calls `fn` with every key that begins with `prefix`, in any order, one perhaps more than once; keys
     * that come or go meanwhile may be among them or not. `fn` must not use the session. Not while puts are unanswered.
     *  [worker] */
    int32_t (*keys)(void *session, churn_str prefix, churn_key_fn fn, void *ctx, churn_error *err);
    /** Optional: `get` of several keys at once; `fn` is called for each, in their order. Some calls may have been made
     *  when it fails; with CHURN_REJECT (ABI 1.3) those for all keys before the one at fault. NULL: the host gets one
     *  after the other. Not while puts are unanswered. [worker] */
    int32_t (*get_many)(void *session, const churn_str *keys, uint32_t count, churn_fields_fn fn, void *ctx,
                        churn_error *err);

    /* since ABI 1.2 */
    /** Optional: what an acknowledged write has survived, for people, such as "replicas: 2"; NUL-terminated, lives as
     * long as the instance. [any] */
    const char *(*durability)(void *self);
    /**
     * Optional: calls `fn` for each place of its data. `timeout_ms` 0: names them, without any I/O.
     * Else it tries each for up to about so long and says what came of it; nothing outside is changed. [main]
     */
    void (*probe)(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx);

    /* since ABI 1.3 */
    /**
     * Optional: may this session do with keys such as these all that put, get and write need? CHURN_FATAL with a
     * message that names what is forbidden. Writes nothing. NULL: nothing is ever forbidden. Not while puts are
     * unanswered. [worker]
     */
    int32_t (*allowed)(void *session, const churn_str *keys, uint32_t count, churn_error *err);
    /**
     * Optional: names each right that the instance has to be given by the systems that it uses, for `churnd check
     * --acl`; without any I/O. `use`: CHURN_USE_…; `prefixes`: what the keys begin with, each NUL-terminated. [main]
     */
    void (*grants)(void *self, uint32_t use, const churn_str *prefixes, uint32_t count, churn_grant_fn fn, void *ctx);
} churn_store_ops;

#ifdef __cplusplus
}
#endif
#endif
