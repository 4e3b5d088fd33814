/* What the program has allocated and not freed: a call that is repeated must not let it grow. 0 under a sanitizer,
 * which finds leaks itself. */
#ifndef TESTS_MEMORY_USE_H
#define TESTS_MEMORY_USE_H

#include <malloc.h>
#include <stddef.h>

/* So many bytes for each of so many repeated calls are a leak; the allocator's own caches keep less. */
#define MEMORY_LEAK(calls) ((size_t)(calls) * 16)

static inline size_t memory_in_use(void)
{
    struct mallinfo2 use = mallinfo2();
    return use.uordblks + use.hblkhd;
}

#endif
