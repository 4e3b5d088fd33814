#include "outbox.h"
#include "grow.h"

#include <string.h>

char *outbox_reserve(struct outbox *out, size_t bytes)
{
    char *grown;
    if (out->sent == out->len) {
        out->len = out->sent = 0;
    } else if (out->sent >= out->len / 2 && out->len + bytes > out->room) {
        memmove(out->bytes, out->bytes + out->sent, out->len - out->sent);
        out->len -= out->sent;
        out->sent = 0;
    }
    grown = grow(out->bytes, &out->room, out->len + bytes, 1);
    if (grown == NULL) {
        return NULL;
    }
    out->bytes = grown;
    return out->bytes + out->len;
}
