/* A profile as it is written: what changed, as the texts of fields for a store, and stored fields as JSON. */
#ifndef PROFILE_RENDER_H
#define PROFILE_RENDER_H

#include "profile/profile.h"

/* Texts of a profile's fields, to hand to a store. Reused from call to call. */
struct profile_text {
    churn_pair *pairs;
    uint32_t count;
    uint32_t room;
    struct text bytes;
    bool failed; /* memory ran out */
};

/* Writes what of the customer's profile changed since profile_saved: fields, derived fields that depend on them, marks,
 * late offsets. The pairs are valid until the next call with the same `out`. */
void profile_render(const struct profile *profile, const struct registry *registry, const struct parts *parts,
                    churn_str customer, struct profile_text *out);

/* The value of one field, which is present, as it is stored. */
void profile_append_field(struct text *out, const struct fields *fields, const struct registry *registry,
                          uint32_t index);
/* That of a derived field; false: there is none. */
bool profile_append_derived(struct text *out, const struct fields *fields, const struct registry_derived *derived);

/* qsort's order of pairs: by name, byte for byte. */
int profile_by_name(const void *a, const void *b);

void profile_text_free(struct profile_text *text);

/* Stored fields as a JSON object in the registry's order, then unknown ones; engine fields are left out. */
void profile_append_json(struct text *out, const struct registry *registry, const churn_pair *pairs, uint32_t count);

#endif
