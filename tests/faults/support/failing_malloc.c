/* Preloaded: allocation number CHURN_FAIL_AT of the process, counted from 1, fails, and with CHURN_FAIL_EVERY=1 every
 * one after it. Which it was is written to standard error, so that a test knows that it happened. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static atomic_long count;

static int fails(void)
{
    static const char said[] = "failing_malloc: an allocation failed on purpose\n";
    static atomic_long fail_at; /* 0: not asked yet */
    static atomic_int every;
    long at = atomic_load(&fail_at), n = atomic_fetch_add(&count, 1) + 1;
    if (at == 0) {
        const char *text = getenv("CHURN_FAIL_AT");
        at = text != NULL ? strtol(text, NULL, 10) : -1;
        atomic_store(&every, getenv("CHURN_FAIL_EVERY") != NULL);
        atomic_store(&fail_at, at);
    }
    if (at <= 0 || n < at || (n > at && !atomic_load(&every))) {
        return 0;
    }
    if (n == at) {
        (void)!write(STDERR_FILENO, said, sizeof said - 1);
    }
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    return fails() ? NULL : __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? NULL : __libc_realloc(memory, size);
}

/* How many there were, for a test to choose from. */
__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("CHURN_COUNT_TO");
    char digits[24], *at = digits + sizeof digits;
    long n = atomic_load(&count);
    int fd;
    if (path == NULL || (fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644)) < 0) {
        return;
    }
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    (void)!write(fd, at, (size_t)(digits + sizeof digits - at));
    (void)close(fd);
}
