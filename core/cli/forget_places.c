#include "cli/forget_places.h"

#include "engine/salts.h"
#include "profile/store_keys.h"
#include <stdlib.h>
#include <string.h>

#define AFTER_CUSTOMER '\t'
#define DEDUP "dedup" /* the processor, and its own keys' name: ids stay, whether or not it still is in the file */

/* A listing may name a key twice, and two sections may have the same keys. */
static bool add(struct held_places *places, const char *section, unsigned customer, churn_str key)
{
    struct held_place *place;
    if (name_index_find(&places->known, key.ptr, key.len) >= 0) {
        return true;
    }
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
    return name_index_add_bytes(&places->known, place->key, key.len) >= 0;
}

bool forget_places_profiles(struct held_places *places, const struct pipeline *pipeline,
                            const struct name_index *customers)
{
    for (uint32_t i = 0; i < customers->count; i++) {
        const churn_str customer = {.ptr = customers->names[i], .len = customers->lens[i]};
        char text[STORE_KEY_SIZE];
        churn_str key = {.ptr = text};
        key.len = store_keys_profile(pipeline->store_settings.key_prefix, customer, text);
        if (!add(places, pipeline->store.label, i, key)) {
            return false;
        }
        key.len = salts_key(customer, text);
        if (salts_wanted(pipeline) && !add(places, SALTS_SECTION, i, key)) {
            return false;
        }
    }
    return true;
}

struct listing {
    struct held_places *places;
    const char *section, *prefix;
    const struct name_index *customers;
    bool failed;
};

/* No customer_id has a tab, so what a key has behind its prefix, up to one, is whose it is. */
static int32_t take_key(void *ctx, churn_str key)
{
    struct listing *listing = ctx;
    const char *rest = key.ptr + strlen(listing->prefix), *end = key.ptr + key.len;
    const char *tab = memchr(rest, AFTER_CUSTOMER, (size_t)(end - rest));
    int32_t customer = name_index_find(listing->customers, rest, (size_t)((tab != NULL ? tab : end) - rest));
    if (customer >= 0) {
        listing->failed = !add(listing->places, listing->section, (unsigned)customer, key);
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
                           const struct name_index *customers, churn_error *err)
{
    static const churn_str all = {.ptr = "", .len = 0};
    const churn_store_ops *ops = store_ops(&pipeline->store);
    char dedup[STORE_KEY_SIZE];
    struct listing listing = {.places = places, .section = DEDUP, .prefix = dedup, .customers = customers};
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
    name_index_free(&places->known);
    *places = (struct held_places){0};
}
