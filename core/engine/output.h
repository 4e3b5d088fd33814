/* What a window says to the sinks about a record: the event itself, an alert, a prediction trigger, a dead letter. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "base/json_text.h"
#include "base/seal.h"
#include "engine/window.h"
#include "event/edit.h"
#include "event/event.h"
#include <churn/ext/alerts.h>

/* Each adds one output to the window; `scratch` is working space. False when memory ran out. */

/* The record with its value, which lives in the window's arena: as it came, or as processors changed it. */
bool output_event(struct window *window, const churn_record *record, churn_str payload);
/* The event type's own alert, and one that a processor raised. */
bool output_alert(struct window *window, const churn_record *record, const struct event_type *type,
                  const churn_event *event, uint32_t severity, struct text *scratch);
bool output_raised(struct window *window, const churn_record *record, const churn_event *event,
                   const struct edit_alert *alert, struct text *scratch);
/* One that a sink raised, and that the sinks of `withheld` are not given. */
bool output_own_alert(struct window *window, const churn_alert *alert, uint32_t withheld, struct text *scratch);
bool output_trigger(struct window *window, const churn_record *record, const churn_event *event, struct text *scratch);
/* What the names of a dead letter's own headers begin with. In an envelope its members are called so without it. */
#define LETTER_HEADER "churn."
/* A larger value is not kept in a dead letter: its size and hash stand there. */
#define OUTPUT_LETTER_MAX (32 * 1024 * 1024)
/* Where a letter's encrypted value stands: by its position, or the id in place of a topic with a negative offset.
 * `text` has to last as long as the answer. */
#define OUTPUT_PLACE_SIZE 320
struct seal_place output_letter_place(char text[OUTPUT_PLACE_SIZE], churn_str topic, int32_t partition, int64_t offset);
/* `payload` is the record's value as it came, in the window's arena, NULL for a record without value, and for one that
 * is not kept. `ring`: the value is encrypted; NULL: it is in clear. `sink`: it is an output that the sink of this name
 * refused, and that and its kind are said; NULL: it is none. `replayed`: it had been judged before, and may have been
 * counted then. The record's own headers follow ours. */
bool output_dead_letter(struct window *window, const churn_record *record, const char *payload, const char *sink,
                        bool replayed, const struct reject *reject, const struct seal_ring *ring);
/* The letter with this index once more, without its value, which the dead letters cannot take. `ring` opens it; NULL:
 * nothing does. */
bool output_cut_letter(struct window *window, uint32_t index, const char *why, const struct seal_ring *ring);
/* Adds the headers of its record to a dead letter that was made without. False when memory ran out. */
bool output_add_headers(struct window *window, churn_record *letter, const churn_record *record);
/* A dead letter that a redrive has read, as it was. */
bool output_letter_again(struct window *window, const churn_record *letter);
/* Whether a letter is without its value for that reason. */
bool output_is_cut(const churn_record *letter);
/* What a header of a dead letter is called in the record that it was; NULL when it is one of ours. */
const char *output_own_header(const char *name);
/* XXH3's 128 bits of a value, as `xxh128sum` shows them. */
#define OUTPUT_HASH_SIZE 33
void output_hash(churn_str value, char hash[OUTPUT_HASH_SIZE]);
/* An output that a sink refused once, as it was. Its `reserved` has OUTPUT_AGAIN. An output that no record caused has
 * its id for a topic, and the offset -1. */
bool output_again(struct window *window, const churn_record *output);
/* Gives a record's key and headers, and those of its headers' texts that it has, a place in the window's arena, where
 * its value is. */
bool output_keep(struct window *window, churn_record *record);

/* An output's `reserved`, which no sink sees, has the bits of the sinks that are not given it, and this one. */
#define OUTPUT_AGAIN (UINT32_C(1) << 31)

/* "event", "trigger" or "alert". */
const char *output_kind_name(uint32_t kind);

#endif
