/* What one event adds to its customer's profile. A pure function of the event and its source position. */
#ifndef FOLD_H
#define FOLD_H

#include "event/event.h"
#include "profile/fields.h"

struct fold_buffer {
    const struct catalog *catalog;
    const struct parts *parts;
    struct fields *scratch; /* for callbacks: what they merge counts only once they succeed */
    bool misused;           /* the newest callback merged what it may not, and that is why its event was refused */
};

/* False when memory ran out. */
bool fold_buffer_init(struct fold_buffer *folder, const struct catalog *catalog, const struct parts *parts);
void fold_buffer_free(struct fold_buffer *folder);

/* Merges one event into `into`, whose texts live in `arena`. CHURN_OK; CHURN_REJECT with a message when the type's
 * callback refuses the event or merges what it may not, and nothing is merged; CHURN_FATAL when memory ran out. */
int32_t fold_event(struct fold_buffer *folder, const struct event_type *type, const churn_event *event, uint32_t part,
                   struct fields *into, struct arena *arena, churn_error *err);

#endif
