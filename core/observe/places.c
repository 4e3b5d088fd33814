#include "observe/places.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* An address with clients. */
struct holder {
    struct address_owner owner;
    unsigned clients; /* 0: free */
    unsigned held;    /* of them, those that were not told to go */
};

struct place {
    int fd; /* -1: free */
    int64_t since_ms;
    enum place_stage stage;
    bool told; /* to go */
    struct holder *holder;
};

struct places {
    struct place places[PLACES_ALL];
    struct holder holders[PLACES_ALL];
    unsigned held; /* places of whoever was not told to go */
};

struct places *places_new(void)
{
    struct places *places = calloc(1, sizeof *places);
    for (unsigned i = 0; places != NULL && i < PLACES_ALL; i++) {
        places->places[i].fd = -1;
    }
    return places;
}

void places_free(struct places *places)
{
    free(places);
}

static struct holder *find_holder(struct places *places, const struct address_owner *owner)
{
    struct holder *free_one = NULL;
    for (unsigned i = 0; i < PLACES_ALL; i++) {
        struct holder *holder = &places->holders[i];
        if (holder->clients > 0 && address_owner_is(&holder->owner, owner)) {
            return holder;
        }
        free_one = holder->clients == 0 && free_one == NULL ? holder : free_one;
    }
    *free_one = (struct holder){.owner = *owner}; /* there are as many as clients */
    return free_one;
}

static void tell_to_go(struct places *places, struct place *place)
{
    place->told = true;
    place->holder->held--;
    places->held--;
    (void)shutdown(place->fd, SHUT_RDWR); /* the server notices, and closes it */
}

/* Whether `a` gives way before `b`. An operator may come from the address of an attacker: so how far it has come
 * counts too. */
static bool goes_before(const struct place *a, const struct place *b)
{
    if (a->holder->held != b->holder->held) {
        return a->holder->held > b->holder->held;
    }
    return a->stage != b->stage ? a->stage < b->stage : a->since_ms < b->since_ms;
}

static void make_room(struct places *places)
{
    struct place *first = NULL;
    for (unsigned i = 0; i < PLACES_ALL; i++) {
        struct place *place = &places->places[i];
        if (place->fd >= 0 && !place->told && (first == NULL || goes_before(place, first))) {
            first = place;
        }
    }
    tell_to_go(places, first);
}

struct place *places_take(struct places *places, int fd, const struct address_owner *owner, int64_t now_ms)
{
    struct place *place = places->places;
    if (places->held == PLACES_MAX) { /* before the new one is looked at, which has come least far of all */
        make_room(places);
    }
    while (place->fd >= 0) {
        place++;
    }
    *place = (struct place){.fd = fd, .since_ms = now_ms, .holder = find_holder(places, owner)};
    place->holder->clients++;
    place->holder->held++;
    places->held++;
    return place;
}

void place_reach(struct place *place, enum place_stage stage)
{
    place->stage = stage > place->stage ? stage : place->stage;
}

void places_give_back(struct places *places, struct place *place)
{
    place->holder->clients--;
    if (!place->told) {
        place->holder->held--;
        places->held--;
    }
    place->fd = -1;
}

void places_end_before(struct places *places, int64_t since_ms)
{
    for (unsigned i = 0; i < PLACES_ALL; i++) {
        struct place *place = &places->places[i];
        if (place->fd >= 0 && !place->told && place->since_ms <= since_ms) {
            tell_to_go(places, place);
        }
    }
}
