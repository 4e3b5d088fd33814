/* How LMDB 0.9 lays out its file, in the byte order of the machine. */
#ifndef LMDB_LAYOUT_H
#define LMDB_LAYOUT_H

#include <stdint.h>
#include <string.h>

/* A page begins with its number (8 bytes), 2 bytes of padding, its flags (2), and where its free space begins and ends
 * (2 each) or, of an overflow page, how many there are (4). */
#define LAYOUT_HEADER 16
#define LAYOUT_FLAGS 10
#define LAYOUT_LOWER 12
#define LAYOUT_UPPER 14
#define LAYOUT_OVERFLOW_PAGES 12

/* Flags of a page. */
#define LAYOUT_BRANCH 1U
#define LAYOUT_LEAF 2U
#define LAYOUT_OVERFLOW 4U

#define LAYOUT_LEAST_PAGE 4096
#define LAYOUT_MOST_PAGE 32768
#define LAYOUT_NO_PAGE UINT64_MAX
#define LAYOUT_METAS 2 /* the first pages, which say where the others begin */

static inline uint16_t layout_get16(const unsigned char *at)
{
    uint16_t n;
    memcpy(&n, at, sizeof n);
    return n;
}

static inline uint32_t layout_get32(const unsigned char *at)
{
    uint32_t n;
    memcpy(&n, at, sizeof n);
    return n;
}

static inline uint64_t layout_get64(const unsigned char *at)
{
    uint64_t n;
    memcpy(&n, at, sizeof n);
    return n;
}

#endif
