/* Writing MessagePack (its specification, "Formats"). Each function writes at `at` and returns where it ended; whoever
 * calls has made room. */
#ifndef REDIS_MSGPACK_H
#define REDIS_MSGPACK_H

#include <churn/result.h>

#include <stdint.h>
#include <string.h>

#define PACK_ROOM 5    /* bytes before a string or an array */
#define ARRAY16_HEAD 3 /* bytes of the head that any array of up to 65,535 items may have */

static inline char *write_big_endian(char *at, uint32_t n, unsigned bytes)
{
    while (bytes > 0) {
        *at++ = (char)(n >> --bytes * 8);
    }
    return at;
}

/* The head of an array or a string: `fix` for up to `fix_max`, else `wide` and the number in 16 or 32 bits. */
static inline char *pack_head(char *at, uint32_t n, unsigned fix, uint32_t fix_max, unsigned wide)
{
    if (n <= fix_max) {
        *at++ = (char)(fix | n);
        return at;
    }
    *at++ = (char)(n <= UINT16_MAX ? wide : wide + 1);
    return write_big_endian(at, n, n <= UINT16_MAX ? 2 : 4);
}

static inline char *pack_array16(char *at, uint32_t n)
{
    *at++ = (char)0xdc;
    return write_big_endian(at, n, 2);
}

static inline char *pack_text(char *at, churn_str text)
{
    at = pack_head(at, text.len, 0xa0, 31, 0xda);
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    return at + text.len;
}

#endif
