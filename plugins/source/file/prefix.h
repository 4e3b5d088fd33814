/* The first bytes of an input, by which it is told from another one. */
#ifndef SOURCE_FILE_PREFIX_H
#define SOURCE_FILE_PREFIX_H

#include "input.h"

#define FIRST_SIZE 256      /* bytes that tell soon that it is another one */
#define PART_SIZE HEAD_SIZE /* … that tell more surely, at either end of the prefix */

/* The first bytes of an input as a fingerprint describes them. */
struct prefix {
    int64_t end; /* how many; 0: nothing is known of them */
    uint64_t first, head;
    uint64_t tail; /* 0: not known */
};

/* Of the first `end` bytes of the input, or of another file that may take its place: what `fd` is open for. */
struct prefix prefix_of(const struct input *input, int fd, int64_t end);

bool prefix_is_same(const struct prefix *a, const struct prefix *b);

/* CHURN_FATAL: the input `what`, of which `end` bytes were known. */
int32_t prefix_fail(const struct input *input, const char *what, int64_t end, churn_error *err);

#define PREFIX_SHORTER "has become shorter than what was counted of it"
#define PREFIX_ANOTHER "does not begin with what was counted of it"

#endif
