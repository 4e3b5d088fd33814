#include "cli/explain_state.h"

#include <stdlib.h>

bool explain_state_fail(struct explain *e, const char *format, ...)
{
    va_list args;
    if (!e->failed) {
        e->failed = true;
        va_start(args, format);
        (void)vsnprintf(e->failure, sizeof e->failure, format, args);
        va_end(args);
    }
    return false;
}

struct explain_part *explain_state_part(struct explain *e, uint32_t part)
{
    if (part >= e->part_room) {
        uint32_t room = part + 64;
        struct explain_part *grown = realloc(e->parts, room * sizeof *grown);
        if (grown == NULL) {
            (void)explain_state_fail(e, "out of memory");
            return NULL;
        }
        memset(grown + e->part_room, 0, (room - e->part_room) * sizeof *grown);
        e->parts = grown;
        e->part_room = room;
    }
    return &e->parts[part];
}
