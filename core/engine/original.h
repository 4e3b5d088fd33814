/* The records that dead letters were, read again where they stand, so that nobody can make events by writing letters.
 */
#ifndef ORIGINAL_H
#define ORIGINAL_H

#include "engine/letter.h"

struct worker;

/* What stands now at the position that a letter names. */
struct original {
    bool found;
    churn_record record; /* in the arena of the window being filled */
};

enum match {
    MATCH_SAME,    /* it is what the letter holds, or, of an output that a sink refused, what it followed from */
    MATCH_OTHER,   /* it is something else */
    MATCH_UNKNOWN, /* it is not there any more, or nobody can tell */
    MATCH_NO_MEMORY
};

/* Reads the originals of `count` records with dead letters: originals[i] is that of letters[i]. False when the worker
 * failed; a source that is out of reach is waited for, for a while. */
bool originals_read(struct worker *worker, const churn_record *letters, uint32_t count, struct original *originals);
enum match original_match(struct worker *worker, const struct letter *letter, const struct original *original);
/* Ends what was started for it. */
void originals_stop(struct worker *worker);

#endif
