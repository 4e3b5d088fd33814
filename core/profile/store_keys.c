#include "profile/store_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAX_OWN_KEY 500 /* LMDB takes 511 */

uint32_t store_keys_profile(const char *prefix, churn_str customer_id, char *key)
{
    size_t prefix_len = strlen(prefix), room = STORE_KEY_SIZE - 1 - prefix_len;
    size_t id_len = customer_id.len < room ? customer_id.len : room; /* no event has a longer one */
    memcpy(key, prefix, prefix_len);
    memcpy(key + prefix_len, customer_id.ptr, id_len);
    key[prefix_len + id_len] = '\0';
    return (uint32_t)(prefix_len + id_len);
}

uint32_t store_keys_own(const char *what, const char *prefix, churn_str source, char *key)
{
    int len = snprintf(key, STORE_KEY_SIZE, STORE_KEYS_OWN "%s:%s%.*s", what, prefix, (int)source.len, source.ptr);
    if (len > MAX_OWN_KEY) { /* a file's name may be a long path */
        XXH128_hash_t hash = XXH3_128bits(source.ptr, source.len);
        len = snprintf(key, STORE_KEY_SIZE, STORE_KEYS_OWN "%s:%s#%016" PRIx64 "%016" PRIx64, what, prefix, hash.high64,
                       hash.low64);
    }
    return (uint32_t)len;
}

bool store_keys_meet(const char *prefix, const char *other)
{
    size_t a = strlen(prefix), b = strlen(other);
    return memcmp(prefix, other, a < b ? a : b) == 0;
}
