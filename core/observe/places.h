/* The places of the listener's clients. Whoever wants one gets it: where there is none left, somebody gives way. */
#ifndef PLACES_H
#define PLACES_H

#include "base/address.h"
#include <stdbool.h>
#include <stdint.h>

#define PLACES_MAX 256 /* clients at once */
#define PLACES_ALL 320 /* with those that were told to go and have not yet */

/* How far a client has come. */
enum place_stage {
    PLACE_SILENT, /* it has said nothing yet */
    PLACE_ASKING, /* it has said what it asks for */
    PLACE_ASKED   /* its request is whole */
};

struct places;
struct place;

/* NULL when memory ran out. */
struct places *places_new(void);
void places_free(struct places *places);

/* A place for a client that came now. There may be PLACES_ALL of them. Where more than PLACES_MAX are taken, one gives
 * way: of the address that holds most, whoever has come least far, and of those the oldest. */
struct place *places_take(struct places *places, int fd, const struct address_owner *owner, int64_t now_ms);
/* Its request has come that far. */
void place_reach(struct place *place, enum place_stage stage);
/* The client is gone. */
void places_give_back(struct places *places, struct place *place);
/* Whoever came before `since_ms` is told to go. */
void places_end_before(struct places *places, int64_t since_ms);

#endif
