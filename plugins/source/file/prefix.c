#include "prefix.h"

#include <inttypes.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* 0: they are not there. */
static uint64_t hash_of(const struct input *input, int fd, int64_t from, int64_t to)
{
    char bytes[PART_SIZE];
    size_t len = (size_t)(to - from);
    return input_bytes_at(input, fd, from, bytes, len) == len ? XXH3_64bits(bytes, len) : 0;
}

struct prefix prefix_of(const struct input *input, int fd, int64_t end)
{
    return (struct prefix){.end = end,
                           .first = hash_of(input, fd, 0, end < FIRST_SIZE ? end : FIRST_SIZE),
                           .head = hash_of(input, fd, 0, end < PART_SIZE ? end : PART_SIZE),
                           .tail = hash_of(input, fd, end > PART_SIZE ? end - PART_SIZE : 0, end)};
}

bool prefix_is_same(const struct prefix *a, const struct prefix *b)
{
    return a->first == b->first && a->head == b->head && (a->tail == b->tail || a->tail == 0 || b->tail == 0);
}

int32_t prefix_fail(const struct input *input, const char *what, int64_t end, churn_error *err)
{
    return churn_fail(err, CHURN_FATAL,
                      "%s %s (%" PRId64 " bytes), so its events would be taken for old ones. To read it from its "
                      "beginning, as another one, give the source the option `epoch`, with a number not used before "
                      "(epoch: 1); or bring back what was read",
                      input_name(input), what, end);
}
