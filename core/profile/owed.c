#include "profile/owed.h"

#include <stdlib.h>

#define FIRST_ROOM 64

void owed_free(struct owed *owed)
{
    free(owed->slots);
    *owed = (struct owed){0};
}

/* Ids of one window follow each other: these bits spread them. */
static uint32_t first_slot(const struct owed *owed, uint64_t id)
{
    return (uint32_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (owed->room - 1);
}

static uint32_t slot_after(const struct owed *owed, uint32_t slot)
{
    return (slot + 1) & (owed->room - 1);
}

bool owed_reserve(struct owed *owed, uint32_t more)
{
    uint64_t room = owed->room != 0 ? owed->room : FIRST_ROOM;
    struct owed grown;
    while (room / 2 < (uint64_t)owed->count + more) {
        room *= 2;
    }
    if (room == owed->room) {
        return true;
    }
    grown = (struct owed){.slots = calloc(room, sizeof *grown.slots), .room = (uint32_t)room};
    if (grown.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < owed->room; i++) {
        if (owed->slots[i] != 0) {
            owed_add(&grown, owed->slots[i]);
        }
    }
    owed_free(owed);
    *owed = grown;
    return true;
}

void owed_add(struct owed *owed, uint64_t id)
{
    uint32_t slot = first_slot(owed, id);
    while (owed->slots[slot] != 0) {
        slot = slot_after(owed, slot);
    }
    owed->slots[slot] = id;
    owed->count++;
}

/* Moves back what stands behind a slot that became free and began to look for its place before it. */
static void close_gap(struct owed *owed, uint32_t gap)
{
    for (uint32_t at = slot_after(owed, gap); owed->slots[at] != 0; at = slot_after(owed, at)) {
        uint32_t first = first_slot(owed, owed->slots[at]);
        if (((at - first) & (owed->room - 1)) >= ((at - gap) & (owed->room - 1))) {
            owed->slots[gap] = owed->slots[at];
            gap = at;
        }
    }
    owed->slots[gap] = 0;
}

/* owed->room: it is not there. */
static uint32_t find(const struct owed *owed, uint64_t id)
{
    if (owed->room == 0 || id == 0) {
        return owed->room;
    }
    for (uint32_t slot = first_slot(owed, id); owed->slots[slot] != 0; slot = slot_after(owed, slot)) {
        if (owed->slots[slot] == id) {
            return slot;
        }
    }
    return owed->room;
}

bool owed_has(const struct owed *owed, uint64_t id)
{
    return find(owed, id) < owed->room;
}

bool owed_remove(struct owed *owed, uint64_t id)
{
    uint32_t slot = find(owed, id);
    if (slot == owed->room) {
        return false;
    }
    close_gap(owed, slot);
    owed->count--;
    return true;
}
