/* What was counted of an input in an earlier run, and whether it is still there. */
#ifndef SOURCE_FILE_COUNTED_H
#define SOURCE_FILE_COUNTED_H

#include "prefix.h"
#include <churn/source.h>

/* What an input that cannot be read twice must still show. Begins zeroed. */
struct counted {
    struct prefix prefix; /* it must begin like this; `end` 0: it does, or nothing was counted */
    int64_t offset;       /* up to here its records were counted */
};

/* Writes the fingerprint of what was counted when all records below `offset` were: CHURN_OK or CHURN_RETRY. */
int32_t counted_describe(const struct input *input, int64_t offset, char text[CHURN_FINGERPRINT_SIZE],
                         churn_error *err);

/* Whether the open input is the one of the fingerprint, or `counted` shows it later. CHURN_OK: *offset is where to go
 * on; CHURN_FATAL: it is another one; CHURN_REJECT: the position cannot be. */
int32_t counted_resume(struct counted *counted, const struct input *input, const char *fingerprint, int64_t *offset,
                       churn_error *err);

/* Of what cannot be read twice: does it begin with what was counted, as far as it has come? CHURN_OK or CHURN_FATAL. */
int32_t counted_check(struct counted *counted, const struct input *input, churn_error *err);

#endif
