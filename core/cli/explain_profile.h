/* The customer's profile as the store has it. */
#ifndef EXPLAIN_PROFILE_H
#define EXPLAIN_PROFILE_H

#include "cli/explain_state.h"

/* Opens the store, where there is one, and reads the profile and how far the pipeline has come. Before the source is
 * started. False with a failure. */
bool explain_profile_open(struct explain *e);
/* Reads it anew, for a pipeline that runs goes on writing it. False with a failure. */
bool explain_profile_read(struct explain *e);
/* Reads how far the pipeline has come in a partition. False with a failure. */
bool explain_profile_checkpoint(struct explain *e, uint32_t part);
void explain_profile_close(struct explain *e);

#endif
