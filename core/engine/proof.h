/* Whether a partition is the one that was counted. Offsets cannot tell: a topic that was deleted and made
 * anew, another cluster, and a log that an unclean election cut short count from wherever they stand. So a checkpoint
 * keeps a witness, the newest record below it, and reading begins with that one: it is there in the log that was
 * counted, and in no other. What was found out stays in the checkpoint, for a topic that is too short grows. (A source
 * that can look by itself what it holds, such as a file, has `resume`.) */
#ifndef PROOF_H
#define PROOF_H

#include "engine/state.h"

/* Makes *start the place of that record where there is one. CHURN_OK; CHURN_RETRY when the session was lost;
 * CHURN_FATAL when the worker failed because nothing shows that the partition is the right one though there is doubt.
 */
int32_t proof_begin(struct worker *worker, uint32_t part, int64_t low, int64_t *start);
/* Takes the records that are read for that alone out of what was polled. False when the worker failed. */
bool proof_screen(struct worker *worker, churn_record *records, uint32_t *count);
/* Below `offset` there is no record any more; true when that was awaited, and is not to be noted. */
bool proof_passed(struct worker *worker, uint32_t part, int64_t offset);
/* The partition ends at `end`, though `who` counted everything before `counted`: always false. */
bool proof_refuse_short(struct worker *worker, uint32_t part, const char *who, int64_t counted, int64_t end);
/* The partition ends at `end`, though a customer's profile says in its field `kind` that everything before
 * `below` was counted, as may be: always false. That is remembered for as long as the profile says so. */
bool proof_refuse_profile(struct worker *worker, uint32_t part, churn_str customer, const char *kind, int64_t below,
                          int64_t end);
/* True when a partition is shorter now than it was. */
bool proof_has_shrunk(struct worker *worker);
/* Fails the worker when a partition is shorter than what was counted of it. */
void proof_check_ends(struct worker *worker);
/* Stores what was found out. The worker has failed, and has a session with the store of its own if it needs one. */
void proof_remember(struct worker *worker);

#endif
