/* Preloaded: the wall clock is off by the seconds (a 64-bit number) that the file CHURN_CLOCK holds at the moment. As
 * on a machine whose clock is set, a wait until a time of day notices a step while it lasts. (libfaketime does not know
 * the waits of C11, in which librdkafka spends its time.) */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SLICE_NS 20000000

static const _Atomic int64_t *offset;

__attribute__((constructor)) static void find_file(void)
{
    const char *path = getenv("CHURN_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = fd >= 0 ? mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (mapped == MAP_FAILED) {
        abort();
    }
    offset = mapped;
    (void)close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int result = (int)syscall(SYS_clock_gettime, clock, ret);
    if (result == 0 && offset != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        ret->tv_sec += (time_t)atomic_load(offset);
    }
    return result;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *ret = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL) {
        *ret = now.tv_sec;
    }
    return now.tv_sec;
}

int timespec_get(struct timespec *ret, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, ret) == 0 ? base : 0;
}

static int is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* A slice at a time, on a condition that ends no wait when nothing happens: callers take a wait that ends early for one
 * that was signalled, so only the end of the last slice is reported. */
int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until)
{
    for (;;) {
        struct timespec now, slice;
        int result;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        if (!is_before(&now, until)) {
            return thrd_timedout;
        }
        (void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &slice);
        slice.tv_nsec += SLICE_NS;
        slice.tv_sec += slice.tv_nsec / 1000000000;
        slice.tv_nsec %= 1000000000;
        result = pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, &slice);
        if (result != ETIMEDOUT) {
            return result == 0 ? thrd_success : thrd_error;
        }
    }
}
