/* A customer's profile as the store has it, for who looks at it: its fields, and what a run finds wrong with them. */
#ifndef STORED_PROFILE_H
#define STORED_PROFILE_H

#include "pipeline/pipeline.h"
#include "profile/profile.h"
#include "profile/profile_render.h"

/* What damage means and what is to be done, as sentences that follow what is damaged. */
#define STORED_PROFILE_MEANS                                                                                           \
    "This customer's events go to the dead letters (damaged_profile), everybody else's are counted. "
#define STORED_PROFILE_REPAIR                                                                                           \
    "To have all of it again: stop churnd, delete the profile, and start once with --replay-from beginning, which "     \
    "sends no alert and asks for no prediction; `churnd redrive` then sends those of what was set aside. README names " \
    "another way"

struct stored_profile {
    struct profile_text
        text; /* as stored, `_v` included, what is encrypted there in clear; no pairs: nothing is stored */
    struct profile *profile;               /* what could be read of it */
    char damage[CHURN_ERROR_MESSAGE_SIZE]; /* why a run would set the customer aside; "": it would not */
};

/* Reads it by a session of the pipeline's store; `parts` numbers the partitions of its marks. What is stored under the
 * key and is no hash has no fields, and is damage. CHURN_OK; CHURN_RETRY, CHURN_FATAL with a message. Free in either
 * case. */
int32_t stored_profile_get(struct stored_profile *stored, const struct pipeline *pipeline, void *session,
                           churn_str customer, struct parts *parts, churn_error *err);
void stored_profile_free(struct stored_profile *stored, const struct pipeline *pipeline);

#endif
