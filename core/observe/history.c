#include "observe/history.h"

#define APART_MS 1000
#define LOOK_BACK_MS 15000

void history_add(struct history *history, const struct text *text, int64_t now_ms)
{
    struct history_entry *newest = &history->entries[history->newest];
    if (history->count > 0 && now_ms - newest->at_ms < APART_MS) {
        return;
    }
    history->newest = (history->newest + 1) % HISTORY_ROOM;
    newest = &history->entries[history->newest];
    newest->text.len = 0;
    text_append(&newest->text, text->bytes, text->len);
    newest->at_ms = now_ms;
    history->count += history->count < HISTORY_ROOM;
}

const struct history_entry *history_before(const struct history *history, int64_t now_ms)
{
    for (unsigned n = history->count; n-- > 0;) { /* the oldest first */
        const struct history_entry *entry = &history->entries[(history->newest + HISTORY_ROOM - n) % HISTORY_ROOM];
        int64_t age_ms = now_ms - entry->at_ms;
        if (age_ms >= APART_MS && age_ms <= LOOK_BACK_MS && !entry->text.failed) {
            return entry;
        }
    }
    return NULL;
}

void history_free(struct history *history)
{
    for (unsigned i = 0; i < HISTORY_ROOM; i++) {
        text_free(&history->entries[i].text);
    }
    *history = (struct history){0};
}
