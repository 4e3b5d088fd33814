/* What fuzz targets share: libFuzzer's calls, promises that an input may break, and pieces of an input. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <churn/result.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Called by libFuzzer: once at the beginning, and with each input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program where `holds` is false, so that libFuzzer keeps the input, and says what was promised. */
CHURN_PRINTF(2, 3) static inline void promise(bool holds, const char *format, ...)
{
    if (!holds) {
        va_list args;
        va_start(args, format);
        (void)fprintf(stderr, "\nBROKEN PROMISE: ");
        (void)vfprintf(stderr, format, args);
        (void)fprintf(stderr, "\n");
        va_end(args);
        abort();
    }
}

/* What this machine lacks, not what the input broke. */
static inline void need(bool there, const char *what)
{
    if (!there) {
        perror(what);
        exit(1);
    }
}

/* Of a function that takes the place of a library's, in plugins and other libraries too. */
#define IN_PLACE __attribute__((visibility("default")))

static inline churn_str fuzz_str(const char *text)
{
    return (churn_str){.ptr = text, .len = (uint32_t)strlen(text)};
}

static inline bool fuzz_same(churn_str a, churn_str b)
{
    return a.len == b.len && (a.ptr == NULL) == (b.ptr == NULL) && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Takes what stands before the next `end`, which is passed over, or all that is left. */
static inline churn_str fuzz_take(churn_str *input, char end)
{
    const char *found = input->len > 0 ? memchr(input->ptr, end, input->len) : NULL;
    churn_str piece = {.ptr = input->ptr, .len = found != NULL ? (uint32_t)(found - input->ptr) : input->len};
    uint32_t used = piece.len + (found != NULL);
    input->ptr += used;
    input->len -= used;
    return piece;
}

/* A copy of exactly its size, so that each byte read behind it is seen. The caller frees it. */
static inline char *fuzz_copy(const void *bytes, size_t len)
{
    char *copy = malloc(len != 0 ? len : 1);
    need(copy != NULL, "malloc");
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    return copy;
}

/* … with a NUL behind it; one within it ends it. */
static inline char *fuzz_text(const void *bytes, size_t len)
{
    char *copy = malloc(len + 1);
    need(copy != NULL, "malloc");
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    copy[len] = '\0';
    return copy;
}

/* A file in memory that this user alone can write, for readers that open what they are told to. */
struct fuzz_file {
    int fd;
    char path[32];
};

static inline void fuzz_file_open(struct fuzz_file *file)
{
    file->fd = memfd_create("fuzz", MFD_CLOEXEC);
    need(file->fd >= 0 && fchmod(file->fd, 0600) == 0, "memfd_create");
    (void)snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->fd);
}

static inline void fuzz_file_set(const struct fuzz_file *file, const void *bytes, size_t len)
{
    need(ftruncate(file->fd, 0) == 0 && pwrite(file->fd, bytes, len, 0) == (ssize_t)len, "a file in memory");
}

#endif
