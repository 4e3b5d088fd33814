/* A replay until the end beside other members of a consumer group: partitions that these hold are read by them, from
 * where the group is, and not replayed. Workers tell which partitions there are and which they have replayed; main
 * tells the user what is left, and ends such a run as one that failed. */
#ifndef REPLAYING_H
#define REPLAYING_H

#include "base/log.h"
#include "engine/state.h"

struct replaying;

/* NULL where the run needs none, or (*ret_ok false) memory ran out. `now_ms` is the monotonic clock. */
struct replaying *replaying_new(const struct pipeline *pipeline, int64_t (*now_ms)(void), bool *ret_ok);
void replaying_free(struct replaying *replaying);
/* Tells what the worker knows, once a second. [worker] */
void replaying_look(struct worker *worker);
/* Says which partitions others hold for a while; `assigned`: every worker knows what is its. [main] */
void replaying_watch(struct replaying *replaying, struct log *log, bool assigned);
/* Whether the run may end, asked all the time: not before all workers are at their end (`at_end`), and have stayed
 * there while partitions that are on their way to us had their time. *ret_whole is false where some were not replayed,
 * which was said. [main] */
bool replaying_may_end(struct replaying *replaying, struct log *log, bool at_end, bool *ret_whole);

#endif
