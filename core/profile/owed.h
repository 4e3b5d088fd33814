/* The ids of records that a sink has taken and not answered: each is answered once, and nothing else is. */
#ifndef OWED_H
#define OWED_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: empty. No id is 0. */
struct owed {
    uint64_t *slots; /* 0: free */
    uint32_t room;   /* a power of two, or 0 */
    uint32_t count;
};

void owed_free(struct owed *owed);
/* Makes room for `more` ids. False when memory ran out. */
bool owed_reserve(struct owed *owed, uint32_t more);
/* Adds an id that is not there; room was reserved. */
void owed_add(struct owed *owed, uint64_t id);
bool owed_has(const struct owed *owed, uint64_t id);
/* False when it is not there. */
bool owed_remove(struct owed *owed, uint64_t id);

#endif
