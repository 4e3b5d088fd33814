/* What is read: a file, a named pipe or standard input, opened or waited for. */
#ifndef SOURCE_FILE_INPUT_H
#define SOURCE_FILE_INPUT_H

#include <churn/host.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HEAD_SIZE 65536 /* bytes that are kept of what cannot be read twice */

struct input {
    const char *path; /* options; `-` is standard input */
    int32_t follow;
    const churn_host *host;
    int fd;            /* -1: not open */
    bool regular;      /* it can be sought, and has a size */
    bool at_end;       /* the last read found nothing more */
    bool told_missing; /* … and it still is */
    int64_t origin;    /* where in the file reading began: standard input may be handed over half read */
    int64_t come;      /* how much of it was read */
    char *head;        /* of what cannot be read twice: the first `head_len` bytes, of HEAD_SIZE */
    size_t head_len;
};

bool input_is_stdin(const struct input *input);

/* For messages. */
const char *input_name(const struct input *input);

/* It may go on after its end. */
bool input_is_endless(const struct input *input);

/* Its end is all that is left of it. */
bool input_is_done(const struct input *input);

/* Refuses what cannot be read line by line until it ends: CHURN_OK or CHURN_FATAL. */
int32_t input_refuse_kind(const struct input *input, mode_t mode, churn_error *err);

/* Says once that it is not there, until it is. */
void input_tell_missing(struct input *input, const char *what);

/* CHURN_OK, CHURN_FATAL, or CHURN_PENDING: the file is not there yet. */
int32_t input_open(struct input *input, churn_error *err);

/* Reads on. CHURN_OK: *ret_len bytes came; CHURN_PENDING: nothing now; CHURN_END: the end; or CHURN_FATAL. */
int32_t input_read(struct input *input, char *bytes, size_t room, size_t *ret_len, churn_error *err);

/* Reads up to `len` bytes at `at` of the input, which `fd` is open for, or of what is kept of it; how many. */
size_t input_bytes_at(const struct input *input, int fd, int64_t at, char *bytes, size_t len);

/* Reads on at `at` of a regular file. false: errno says why not. */
bool input_seek(struct input *input, int64_t at);

/* How long it is from where reading began; -1: nobody knows. */
int64_t input_size(const struct input *input);

void input_close(struct input *input);

/* Closes it and frees what is kept of it. */
void input_free(struct input *input);

#endif
