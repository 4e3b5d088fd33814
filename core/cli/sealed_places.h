/* Where the sealed texts of a line of JSON stand, so that one that was moved there is noticed. */
#ifndef SEALED_PLACES_H
#define SEALED_PLACES_H

#include "base/seal.h"
#include "engine/salts.h"

struct sealed_place;

/* Starts zeroed, but for `salts`. */
struct sealed_places {
    struct salts *salts;        /* NULL: none can be had */
    struct sealed_place *items; /* of the newest line */
    unsigned count, room;
    struct json_object **lines; /* what they point into: the line, and JSON that stood in its texts */
    unsigned line_count;
    bool told;   /* there is an event, an alert or a dead letter: nowhere else in the line is anything sealed */
    bool failed; /* memory ran out */
};

/* What a sealed text's place says of it. */
enum sealed_state {
    SEALED_HERE,     /* it was encrypted for where it stands */
    SEALED_ANYWHERE, /* it can be opened; where it stands cannot be told */
    SEALED_ELSEWHERE /* it was moved here */
};

/* Notes the places of a line, which may be anything. */
void sealed_places_find(struct sealed_places *places, const char *line, size_t len);
/* Appends `sealed`, a text of the newest line, in clear; nothing where it does not answer SEAL_OPENED. SEAL_FORGED with
 * *ret_state: SEALED_ELSEWHERE is one that was moved, which *ret_field ("" where it is not one of data's) tells. */
enum seal_result sealed_places_open(const struct sealed_places *places, struct text *out, const struct seal_ring *ring,
                                    churn_str sealed, bool *ret_json, enum sealed_state *ret_state,
                                    churn_str *ret_field);
void sealed_places_free(struct sealed_places *places);

#endif
