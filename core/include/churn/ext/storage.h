/** @file
 * Extension "churn.storage/1": the pipeline's store, for a plugin that reads profiles or keeps data of its own beside
 * them.
 */
#ifndef CHURN_EXT_STORAGE_H
#define CHURN_EXT_STORAGE_H

#include <churn/host.h>
#include <churn/profile.h>
#include <churn/store.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_STORAGE_ID "churn.storage/1"

/** What a field of profiles holds. */
typedef struct churn_profile_field {
    churn_str name;
    uint32_t type; /**< CHURN_PROFILE_…; CHURN_PROFILE_DECIMAL: it is computed of others */
    uint32_t reserved;
} churn_profile_field;

/** Beside those of <churn/profile.h>: a number with decimals, as derived fields are. */
enum { CHURN_PROFILE_DECIMAL = 6 };

typedef struct churn_storage {
    uint32_t size;
    uint32_t reserved;
    /** The pipeline's store, or NULL where it has none. `ret_self` is what its `open` takes; sessions are the caller's
     * to close before its own `destroy`. [any] */
    const churn_store_ops *(*store)(const churn_host *host, void **ret_self);
    /** The key of a customer's profile, written to `key` (at least 512 bytes); returns its length. [any] */
    uint32_t (*profile_key)(const churn_host *host, churn_str customer_id, char *key);
    /**
     * Renders stored profile fields as a JSON object: numbers as JSON numbers with their exact text, times and texts as
     * strings, fields that begin with `_` left out. Returns a NUL-terminated text that the caller frees with
     * `free_text`, or NULL when memory ran out. Whose they are it cannot tell, so texts that the store has encrypted
     * stay so: call `customer_json`. [any]
     */
    char *(*profile_json)(const churn_host *host, const churn_pair *fields, uint32_t count);
    void (*free_text)(char *text); /**< [any] */
    /* since ABI 1.3: see `size` */
    /** As `profile_json`, of that customer's profile: texts that the store has encrypted are opened where they belong
     * to it. [any] */
    char *(*customer_json)(const churn_host *host, churn_str customer_id, const churn_pair *fields, uint32_t count);
    /** The field at `index` of those that profiles have: the core's own, those that the event types declare, and those
     * that are derived. 1: *ret is set, and its name lives as long as the host; 0: there are no more. [any] */
    int32_t (*field_at)(const churn_host *host, uint32_t index, churn_profile_field *ret);
    /** What a put to a profile says as its `ttl_ms`, as the engine's own do; 0: profiles do not expire. [any] */
    int64_t (*profile_ttl_ms)(const churn_host *host);
} churn_storage;

#ifdef __cplusplus
}
#endif
#endif
