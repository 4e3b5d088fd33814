#include "engine/adoptions.h"

#include <stdlib.h>

void adoptions_init(struct adoptions *adoptions)
{
    *adoptions = (struct adoptions){0};
    (void)pthread_mutex_init(&adoptions->lock, NULL);
}

void adoptions_free(struct adoptions *adoptions)
{
    (void)pthread_mutex_destroy(&adoptions->lock);
    free(adoptions->items);
}

static struct adoption *find(const struct adoptions *adoptions, const void *who)
{
    for (size_t i = 0; i < adoptions->count; i++) {
        if (adoptions->items[i].who == who) {
            return &adoptions->items[i];
        }
    }
    return NULL;
}

static struct adoption *add(struct adoptions *adoptions, const void *who)
{
    if (adoptions->count == adoptions->room) {
        size_t room = adoptions->room == 0 ? 8 : adoptions->room * 2;
        struct adoption *grown = realloc(adoptions->items, room * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        adoptions->items = grown;
        adoptions->room = room;
    }
    adoptions->items[adoptions->count].who = who;
    return &adoptions->items[adoptions->count++];
}

void adoptions_set(struct adoptions *adoptions, const void *who, int64_t known)
{
    struct adoption *adoption;
    (void)pthread_mutex_lock(&adoptions->lock);
    adoption = find(adoptions, who);
    adoption = adoption != NULL ? adoption : add(adoptions, who);
    if (adoption != NULL) {
        adoption->known = known;
    } else {
        adoptions->failed = true;
    }
    (void)pthread_mutex_unlock(&adoptions->lock);
}

void adoptions_drop(struct adoptions *adoptions, const void *who)
{
    struct adoption *adoption;
    (void)pthread_mutex_lock(&adoptions->lock);
    adoption = find(adoptions, who);
    if (adoption != NULL) {
        *adoption = adoptions->items[--adoptions->count];
    }
    (void)pthread_mutex_unlock(&adoptions->lock);
}

int64_t adoptions_least(struct adoptions *adoptions, int64_t least)
{
    (void)pthread_mutex_lock(&adoptions->lock);
    for (size_t i = 0; i < adoptions->count; i++) {
        least = adoptions->items[i].known < least ? adoptions->items[i].known : least;
    }
    least = adoptions->failed ? -1 : least;
    (void)pthread_mutex_unlock(&adoptions->lock);
    return least;
}
