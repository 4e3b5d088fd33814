#include "counted.h"

#include <inttypes.h>
#include <stdio.h>

/* Where the line ends in which the last counted record began. What was not there when it was read does not belong to
 * it. */
static int64_t counted_end(const struct input *input, int64_t offset)
{
    int64_t at = offset - 1, limit = offset <= input->come ? input->come : INT64_MAX;
    char bytes[4096];
    while (at < limit) {
        size_t wanted = limit - at < (int64_t)sizeof bytes ? (size_t)(limit - at) : sizeof bytes;
        size_t got = input_bytes_at(input, input->fd, at, bytes, wanted);
        const char *end = memchr(bytes, '\n', got);
        if (end != NULL || got == 0) {
            return end != NULL ? at + (end - bytes) : at;
        }
        at += (int64_t)got;
    }
    return at;
}

int32_t counted_describe(const struct input *input, int64_t offset, char text[CHURN_FINGERPRINT_SIZE], churn_error *err)
{
    struct prefix prefix;
    if (input->fd < 0 || offset <= 0) {
        return churn_fail(err, CHURN_RETRY, "nothing was read of %s", input->path);
    }
    prefix = prefix_of(input, input->fd, counted_end(input, offset));
    (void)snprintf(text, CHURN_FINGERPRINT_SIZE, "%" PRId64 ":%" PRIx64 ":%" PRIx64 ":%" PRIx64, prefix.end,
                   prefix.first, prefix.head, prefix.tail);
    return CHURN_OK;
}

/* The last line that was counted had no end then, and goes on now. */
static bool goes_on(const struct input *input, int64_t end)
{
    char next[2];
    size_t got = input_bytes_at(input, input->fd, end, next, sizeof next);
    return got > 0 && next[0] != '\n' && !(next[0] == '\r' && (got == 1 || next[1] == '\n'));
}

static int32_t resume_regular(const struct input *input, const struct prefix *counted, int64_t *offset,
                              churn_error *err)
{
    struct prefix now;
    int64_t least = counted->end > 0 ? counted->end : *offset;
    if (input_size(input) < least) {
        return prefix_fail(input, PREFIX_SHORTER, least, err);
    }
    if (counted->end <= 0) {
        return CHURN_OK; /* of an earlier version, which kept no fingerprint */
    }
    now = prefix_of(input, input->fd, counted->end);
    if (!prefix_is_same(counted, &now)) {
        return prefix_fail(input, PREFIX_ANOTHER, counted->end, err);
    }
    if (*offset > counted->end + 1) { /* a record ends before its line's end, or with it */
        return churn_fail(err, CHURN_REJECT,
                          "it says that everything before position %" PRId64 " was counted, but no more than %" PRId64
                          " bytes of %s were, and they are there unchanged",
                          *offset, counted->end, input_name(input));
    }
    *offset -= goes_on(input, counted->end); /* which is where that line begins */
    return CHURN_OK;
}

int32_t counted_resume(struct counted *counted, const struct input *input, const char *fingerprint, int64_t *offset,
                       churn_error *err)
{
    struct prefix prefix = {0};
    /* NOLINTNEXTLINE(bugprone-unchecked-string-to-number-conversion,cert-err34-c): numbers that we wrote */
    if (sscanf(fingerprint, "%" SCNd64 ":%" SCNx64 ":%" SCNx64 ":%" SCNx64, &prefix.end, &prefix.first, &prefix.head,
               &prefix.tail) != 4) {
        prefix = (struct prefix){0};
    }
    if (input->regular) {
        return resume_regular(input, &prefix, offset, err);
    }
    *counted = (struct counted){.prefix = prefix, .offset = *offset};
    return CHURN_OK;
}

int32_t counted_check(struct counted *counted, const struct input *input, churn_error *err)
{
    int64_t end = counted->prefix.end, come = (int64_t)input->head_len;
    int64_t first = end < FIRST_SIZE ? end : FIRST_SIZE, head = end < PART_SIZE ? end : PART_SIZE;
    struct prefix now = end > 0 ? prefix_of(input, input->fd, end < come ? end : come) : (struct prefix){0};
    if (end > 0 &&
        ((come >= first && now.first != counted->prefix.first) || (come >= head && now.head != counted->prefix.head))) {
        return prefix_fail(input, PREFIX_ANOTHER, end, err);
    }
    counted->prefix.end = come >= head ? 0 : end;
    return input_is_done(input) && input->come < counted->offset
               ? prefix_fail(input, PREFIX_SHORTER, counted->offset, err)
               : CHURN_OK;
}
