/* Which of the records that pass a tap somebody wants to see. */
#ifndef TAP_JUDGE_H
#define TAP_JUDGE_H

#include "event/condition.h"
#include "event/event.h"
#include "pipeline/taps.h"

#define TAP_MAX_CONDITION 4096

/* What somebody asked for. */
struct tap_wish {
    enum tap_point point;
    char customer[EVENT_MAX_ID + 1]; /* "": any */
    char *when;                      /* NULL: any */
    struct condition *condition;     /* `when`, compiled */
    bool text;                       /* lines for people, not JSON */
};

/* Reads {"at": …, "customer": …, "when": …, "format": "text"}, of which all but the first may be left out. False with a
 * message; free in either case. */
bool tap_wish_read(struct tap_wish *wish, const char *json, size_t len, char *message, size_t size);
/* Compiles the condition for these event types; anew whenever they change. False with a message. */
bool tap_wish_compile(struct tap_wish *wish, const struct catalog *catalog, char *message, size_t size);
void tap_wish_free(struct tap_wish *wish);

/* Judges records one after the other, each for any number of wishes. */
struct tap_judge;

/* `catalog` outlives it. NULL when memory ran out. */
struct tap_judge *tap_judge_new(const struct catalog *catalog);
void tap_judge_free(struct tap_judge *judge);
/* The record to be judged from here on, valid to the next call. */
void tap_judge_begin(struct tap_judge *judge, const struct tapped *tapped);
bool tap_judge_matches(struct tap_judge *judge, const struct tap_wish *wish);
/* Whether its value is a JSON object. */
bool tap_judge_is_json(struct tap_judge *judge);

#endif
