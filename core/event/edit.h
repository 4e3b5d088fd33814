/* What processors do to the event at hand: changes of its `data`, and alerts. */
#ifndef EDIT_H
#define EDIT_H

#include "base/arena.h"
#include "base/json_text.h"
#include "event/event.h"
#include <churn/processor.h>

/* A member of `data` as it is to be. */
struct edit_change {
    churn_str name;
    churn_str json; /* ptr NULL: it is to go */
    bool done;      /* written, in the place of the member that it replaces */
};

struct edit_alert {
    const char *name; /* NUL-terminated */
    churn_str message;
    uint32_t severity;
};

/* Starts zeroed; edit_begin says for which event it is. One thread. */
struct edit {
    churn_edit call; /* what a processor is given */
    struct event_decoder *decoder;
    struct arena *arena; /* what is changed lives there */
    const struct event_type *type;
    struct edit_change *changes; /* of the call under way */
    uint32_t change_count, change_room;
    struct edit_alert *alerts; /* of all processors so far */
    uint32_t alert_count, alert_room;
    struct text data, payload;
};

void edit_free(struct edit *edit);

/* An event of `type`, which `decoder` has read, comes to the processors. Its texts go to `arena`. */
void edit_begin(struct edit *edit, struct event_decoder *decoder, struct arena *arena, const struct event_type *type);
/* For one call of a processor. */
churn_edit *edit_open(struct edit *edit);
/* The processor lets the event pass: makes *event the changed one, where it changed anything. CHURN_OK; CHURN_REJECT
 * with *reject, when the changed event is too large; CHURN_FATAL when memory ran out. */
int32_t edit_apply(struct edit *edit, churn_event *event, struct reject *reject);

#endif
