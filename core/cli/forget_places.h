/* Where the pipeline's store holds anything of given customers: profiles, and what its plugins keep by customer. */
#ifndef FORGET_PLACES_H
#define FORGET_PLACES_H

#include "base/name_index.h"
#include "pipeline/pipeline.h"

struct held_place {
    const char *section; /* whose it is */
    unsigned customer;   /* of those that were asked for */
    uint32_t len;
    char *key;
};

struct held_places {
    struct held_place *items; /* each key once */
    size_t count, room;
    struct name_index known;
};

/* Adds the keys of the customers' profiles, and of their salts, whether they exist or not. False when memory ran out.
 */
bool forget_places_profiles(struct held_places *places, const struct pipeline *pipeline,
                            const struct name_index *customers);
/* Adds what the store has under keys that plugins of the pipeline say are theirs: "<theirs><customer>", and those that
 * go on behind it with a tab. */
int32_t forget_places_find(struct held_places *places, const struct pipeline *pipeline, void *session,
                           const struct name_index *customers, churn_error *err);
void forget_places_free(struct held_places *places);

#endif
