/* The instance. */
#ifndef SOURCE_FILE_H
#define SOURCE_FILE_H

#include <churn/host.h>
#include <churn/source.h>
#include <stdbool.h>
#include <stddef.h>

#define READ_SIZE (1024 * 1024)
#define PART_SIZE 65536 /* … that tell more surely, at either end of what was counted */

/* The first bytes of an input as a fingerprint describes them. */
struct prefix {
    int64_t end; /* how many; 0: nothing is known of them */
    uint64_t first, head;
    uint64_t tail; /* 0: not known */
};

struct file_source {
    const char *path; /* options */
    const char *topic_option;
    int64_t epoch;
    int32_t follow;
    int64_t max_line;
    const churn_host *host;
    churn_source_listener listener;
    char *topic;
    int fd;
    bool regular;   /* it can be sought, and has a size */
    bool announced; /* `assigned` was called */
    bool at_end;    /* the last read found nothing more */
    bool skipping;  /* inside a line whose rest is not wanted */
    int64_t origin; /* where in the file reading began: standard input may be handed over half read */
    char *buffer;   /* `used` bytes of `room`; lines before `next` are handed out */
    size_t room;
    size_t used;
    size_t next;
    size_t searched;       /* no line end between `next` and here */
    int64_t buffer_offset; /* position of buffer[0] */
    int64_t records;       /* handed out, with line_bytes in all: the mean length estimates the lag */
    int64_t line_bytes;
    bool warned_missing;
    char *head; /* of what cannot be read twice: the first `head_len` bytes, of PART_SIZE */
    size_t head_len;
    int64_t hand_from;     /* lines that begin before it are passed over */
    struct prefix counted; /* … which must begin like this; `end` 0: it does, or nothing was counted */
    int64_t counted_offset;
    struct prefix seen; /* of a followed file that was at its end: what was read of it */
};

#endif
