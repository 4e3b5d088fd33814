#include "counted.h"

#include "input.h"
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MISSING_PAUSE_MS 100
#define FIRST_SIZE 256 /* bytes of a file that tell soon that it is another one */

static void pause_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* Reads up to `len` bytes of the input at `at`, or of what is kept of it; how many. */
static size_t bytes_at(const struct file_source *s, int fd, int64_t at, char *bytes, size_t len)
{
    size_t got = 0;
    ssize_t n = 1;
    if (!s->regular) {
        got = at < (int64_t)s->head_len ? s->head_len - (size_t)at : 0;
        got = got < len ? got : len;
        memcpy(bytes, s->head + (got > 0 ? at : 0), got);
        return got;
    }
    while (got < len && n > 0) {
        n = pread(fd, bytes + got, len - got, s->origin + at + (int64_t)got);
        got += n > 0 ? (size_t)n : 0;
    }
    return got;
}

/* 0: they are not there. */
static uint64_t hash_of(const struct file_source *s, int fd, int64_t from, int64_t to)
{
    char bytes[PART_SIZE];
    size_t len = (size_t)(to - from);
    return bytes_at(s, fd, from, bytes, len) == len ? XXH3_64bits(bytes, len) : 0;
}

struct prefix prefix_of(const struct file_source *s, int fd, int64_t end)
{
    return (struct prefix){.end = end,
                           .first = hash_of(s, fd, 0, end < FIRST_SIZE ? end : FIRST_SIZE),
                           .head = hash_of(s, fd, 0, end < PART_SIZE ? end : PART_SIZE),
                           .tail = hash_of(s, fd, end > PART_SIZE ? end - PART_SIZE : 0, end)};
}

bool is_same(const struct prefix *a, const struct prefix *b)
{
    return a->first == b->first && a->head == b->head && (a->tail == b->tail || a->tail == 0 || b->tail == 0);
}

int32_t fail_other(const struct file_source *s, const char *what, int64_t end, churn_error *err)
{
    return churn_fail(err, CHURN_FATAL,
                      "%s %s (%" PRId64 " bytes), so its events would be taken for old ones. To read it from its "
                      "beginning, as another one, give the source the option `epoch`, with a number not used before "
                      "(epoch: 1); or bring back what was read",
                      is_stdin(s) ? "standard input" : s->path, what, end);
}

const char shorter[] = "has become shorter than what was counted of it";
const char another[] = "does not begin with what was counted of it";

/* Where the line ends in which the last counted record began. What was not there when it was read does not belong to
 * it. */
static int64_t counted_end(const struct file_source *s, int64_t offset)
{
    int64_t at = offset - 1, limit = offset <= read_of(s) ? read_of(s) : INT64_MAX;
    char bytes[4096];
    while (at < limit) {
        size_t wanted = limit - at < (int64_t)sizeof bytes ? (size_t)(limit - at) : sizeof bytes;
        size_t got = bytes_at(s, s->fd, at, bytes, wanted);
        const char *end = memchr(bytes, '\n', got);
        if (end != NULL || got == 0) {
            return end != NULL ? at + (end - bytes) : at;
        }
        at += (int64_t)got;
    }
    return at;
}

int32_t file_fingerprint(void *self, const char *topic, int32_t partition, int64_t offset,
                         char text[CHURN_FINGERPRINT_SIZE], churn_error *err)
{
    const struct file_source *s = self;
    struct prefix prefix;
    (void)topic;
    (void)partition;
    if (s->fd < 0 || offset <= 0) {
        return churn_fail(err, CHURN_RETRY, "nothing was read of %s", s->path);
    }
    prefix = prefix_of(s, s->fd, counted_end(s, offset));
    (void)snprintf(text, CHURN_FINGERPRINT_SIZE, "%" PRId64 ":%" PRIx64 ":%" PRIx64 ":%" PRIx64, prefix.end,
                   prefix.first, prefix.head, prefix.tail);
    return CHURN_OK;
}

/* The last line that was counted had no end then, and goes on now. */
static bool goes_on(const struct file_source *s, int64_t end)
{
    char next[2];
    size_t got = bytes_at(s, s->fd, end, next, sizeof next);
    return got > 0 && next[0] != '\n' && !(next[0] == '\r' && (got == 1 || next[1] == '\n'));
}

static int32_t resume_regular(const struct file_source *s, const struct prefix *counted, int64_t *offset,
                              churn_error *err)
{
    struct stat st;
    struct prefix now;
    int64_t least = counted->end > 0 ? counted->end : *offset;
    if (fstat(s->fd, &st) != 0 || st.st_size - s->origin < least) {
        return fail_other(s, shorter, least, err);
    }
    if (counted->end <= 0) {
        return CHURN_OK; /* of an earlier version, which kept no fingerprint */
    }
    now = prefix_of(s, s->fd, counted->end);
    if (!is_same(counted, &now)) {
        return fail_other(s, another, counted->end, err);
    }
    if (*offset > counted->end + 1) { /* a record ends before its line's end, or with it */
        return churn_fail(err, CHURN_REJECT,
                          "it says that everything before position %" PRId64 " was counted, but no more than %" PRId64
                          " bytes of %s were, and they are there unchanged",
                          *offset, counted->end, is_stdin(s) ? "standard input" : s->path);
    }
    *offset -= goes_on(s, counted->end); /* which is where that line begins */
    return CHURN_OK;
}

int32_t file_resume(void *self, const char *topic, int32_t partition, const char *fingerprint, int64_t *offset,
                    churn_error *err)
{
    struct file_source *s = self;
    struct prefix counted = {0};
    int32_t result = s->fd < 0 ? open_file(s, err) : CHURN_OK;
    (void)topic;
    (void)partition;
    if (result == CHURN_PENDING) {
        pause_ms(MISSING_PAUSE_MS); /* the host asks again at once */
        return churn_fail(err, CHURN_RETRY, "%s does not exist", s->path);
    }
    if (result != CHURN_OK) {
        return result;
    }
    if (sscanf(fingerprint, "%" SCNd64 ":%" SCNx64 ":%" SCNx64 ":%" SCNx64, &counted.end, &counted.first, &counted.head,
               &counted.tail) != 4) {
        counted = (struct prefix){0};
    }
    if (s->regular) {
        return resume_regular(s, &counted, offset, err);
    }
    s->counted = counted;
    s->counted_offset = *offset;
    return CHURN_OK;
}

int32_t check_pipe(struct file_source *s, churn_error *err)
{
    int64_t end = s->counted.end, come = (int64_t)s->head_len;
    int64_t first = end < FIRST_SIZE ? end : FIRST_SIZE, head = end < PART_SIZE ? end : PART_SIZE;
    struct prefix now = end > 0 ? prefix_of(s, s->fd, end < come ? end : come) : (struct prefix){0};
    if (end > 0 &&
        ((come >= first && now.first != s->counted.first) || (come >= head && now.head != s->counted.head))) {
        return fail_other(s, another, end, err);
    }
    s->counted.end = come >= head ? 0 : end;
    return s->at_end && !is_endless(s) && read_of(s) < s->counted_offset
               ? fail_other(s, shorter, s->counted_offset, err)
               : CHURN_OK;
}
