/* Splits what was read into lines, each a record. */
#ifndef SOURCE_FILE_LINES_H
#define SOURCE_FILE_LINES_H

#include <churn/host.h>
#include <churn/record.h>
#include <stdbool.h>
#include <stddef.h>

struct lines {
    int64_t max_line; /* option */
    const churn_host *host;
    const char *path;  /* for messages */
    const char *topic; /* of the records */
    char *buffer;      /* `used` bytes of `room`; lines before `next` are handed out */
    size_t room;
    size_t used;
    size_t next;
    size_t searched;   /* no line end between `next` and here */
    int64_t begin;     /* position of buffer[0] */
    int64_t hand_from; /* lines that begin before it are passed over */
    bool skipping;     /* inside a line whose rest is not wanted */
    int64_t count;     /* of records handed out, with `bytes` in all: the mean length estimates the lag */
    int64_t bytes;
};

/* Makes room for more behind `used`; earlier records are no longer valid. false: memory ran out. */
bool lines_reserve(struct lines *lines);

/* Hands out up to `max` lines of what has been read; `ended`: nothing comes after it, so the last one may lack its end.
 */
uint32_t lines_take(struct lines *lines, bool ended, churn_record *records, uint32_t max);

/* Where the next line begins. */
int64_t lines_next(const struct lines *lines);

/* Begins anew with what lies at `begin`; `skipping`: up to its first line end it is not wanted. */
void lines_restart(struct lines *lines, int64_t begin, bool skipping);

void lines_free(struct lines *lines);

#endif
