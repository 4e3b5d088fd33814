/* Stored fields as they may be shown: encrypted texts opened, personal data as a place wants it. */
#ifndef PROFILE_VIEW_H
#define PROFILE_VIEW_H

#include "event/protect.h"
#include "profile/profile.h"

struct profile_view {
    const churn_pair *pairs; /* as many as were given, in their order */
    churn_pair *changed;     /* owned; NULL: nothing was to be changed */
    struct text bytes;
};

/* What those see who may see everything. */
#define VIEW_CLEAR (PLACE_UNIFORM + PROTECT_CLEAR)

/* Makes a view of a customer's `pairs`, which it borrows, for an enum protect_place. What cannot be opened stays
 * encrypted, and has its mark still. False when memory ran out. Free in either case. */
bool profile_view_make(struct profile_view *view, const struct registry *registry, churn_str customer,
                       const churn_pair *pairs, uint32_t count, unsigned place);
void profile_view_free(struct profile_view *view);

#endif
