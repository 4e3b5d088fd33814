#include "cli/forget_places.h"

#include "engine/salts.h"
#include "profile/store_keys.h"
#include <stdlib.h>
#include <string.h>

#define AFTER_CUSTOMER '\t'
#define DEDUP "dedup" /* the processor, and its own keys' name: ids stay, whether or not it still is in the file */

static bool add(struct held_places *places, const char *section, unsigned customer, churn_str key)
{
    struct held_place *place;
    if (places->count == places->room) {
        size_t room = places->room == 0 ? 16 : places->room * 2;
        struct held_place *grown = realloc(places->items, room * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        places->items = grown;
        places->room = room;
    }
    place = &places->items[places->count];
    *place = (struct held_place){.section = section, .customer = customer, .len = key.len, .key = malloc(key.len + 1u)};
    if (place->key == NULL) {
        return false;
    }
    memcpy(place->key, key.ptr, key.len);
    place->key[key.len] = '\0';
    places->count++;
    return true;
}

bool forget_places_profiles(struct held_places *places, const struct pipeline *pipeline, const char *const *customers,
                            unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char text[STORE_KEY_SIZE];
        churn_str key = {.ptr = text};
        key.len = store_keys_profile(pipeline->store_settings.key_prefix, churn_text(customers[i]), text);
        if (!add(places, pipeline->store.label, i, key)) {
            return false;
        }
        key.len = salts_key(churn_text(customers[i]), text);
        if (salts_wanted(pipeline) && !add(places, SALTS_SECTION, i, key)) {
            return false;
        }
    }
    return true;
}

struct listing {
    struct held_places *places;
    const char *section, *prefix;
    const char *const *customers;
    unsigned count;
    bool failed;
};

static bool is_of(churn_str rest, const char *customer)
{
    size_t len = strlen(customer);
    return rest.len >= len && memcmp(rest.ptr, customer, len) == 0 &&
           (rest.len == len || rest.ptr[len] == AFTER_CUSTOMER);
}

static bool is_known(const struct held_places *places, churn_str key)
{
    for (size_t i = 0; i < places->count; i++) {
        if (churn_equal((churn_str){.ptr = places->items[i].key, .len = places->items[i].len}, key)) {
            return true;
        }
    }
    return false;
}

/* A listing may name a key twice, and two sections may have the same keys. */
static int32_t take_key(void *ctx, churn_str key)
{
    struct listing *listing = ctx;
    uint32_t prefix = (uint32_t)strlen(listing->prefix);
    const churn_str rest = {.ptr = key.ptr + prefix, .len = key.len - prefix};
    for (unsigned i = 0; i < listing->count && !listing->failed; i++) {
        if (is_of(rest, listing->customers[i]) && !is_known(listing->places, key)) {
            listing->failed = !add(listing->places, listing->section, i, key);
        }
    }
    return listing->failed ? CHURN_FATAL : CHURN_OK;
}

static int32_t list_keys(struct listing *listing, const churn_store_ops *ops, void *session, churn_error *err)
{
    int32_t result = ops->keys != NULL ? ops->keys(session, churn_text(listing->prefix), take_key, listing, err)
                                       : churn_fail(err, CHURN_FATAL, "it cannot list keys");
    return listing->failed ? churn_fail(err, CHURN_FATAL, "out of memory") : result;
}

int32_t forget_places_find(struct held_places *places, const struct pipeline *pipeline, void *session,
                           const char *const *customers, unsigned count, churn_error *err)
{
    static const churn_str all = {.ptr = "", .len = 0};
    const churn_store_ops *ops = store_ops(&pipeline->store);
    char dedup[STORE_KEY_SIZE];
    struct listing listing = {
        .places = places, .section = DEDUP, .prefix = dedup, .customers = customers, .count = count};
    int32_t result;
    (void)store_keys_own(DEDUP, pipeline->store_settings.key_prefix, all, dedup);
    result = list_keys(&listing, ops, session, err);
    for (unsigned i = 0; i < pipeline->targets.count && result == CHURN_OK; i++) {
        const struct target *target = &pipeline->targets.items[i];
        if (strcmp(target->kind, CHURN_TARGET_KEYS) == 0) {
            listing.section = target->section->label;
            listing.prefix = target->name;
            result = list_keys(&listing, ops, session, err);
        }
    }
    return result;
}

void forget_places_free(struct held_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        free(places->items[i].key);
    }
    free(places->items);
    *places = (struct held_places){0};
}
