/* Writing Redis' protocol: commands are arrays of strings. Each function writes at `at` and returns where it ended;
 * whoever calls has made room. */
#ifndef REDIS_RESP_H
#define REDIS_RESP_H

#include <churn/store.h>

#include <stdint.h>
#include <string.h>

#define ARG_ROOM 25 /* bytes around an argument of a command: `$`, its length, two line ends */

/* An argument: the digits of a number, which are in `buffer`. */
static inline churn_str number_arg(char buffer[21], uint64_t n)
{
    /* cppcheck-suppress ctuPointerArith; its end, which nothing reads */
    char *first = buffer + 21;
    do {
        *--first = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return (churn_str){.ptr = first, .len = (uint32_t)(buffer + 21 - first)};
}

/* How many arguments follow (`*`), or bytes (`$`). */
static inline char *write_count(char *at, char type, uint64_t n)
{
    char buffer[21];
    churn_str digits = number_arg(buffer, n);
    *at++ = type;
    memcpy(at, digits.ptr, digits.len);
    at += digits.len;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static inline char *write_arg(char *at, churn_str arg)
{
    at = write_count(at, '$', arg.len);
    if (arg.len > 0) {
        memcpy(at, arg.ptr, arg.len);
    }
    at += arg.len;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static inline char *write_pairs(char *at, const churn_pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        at = write_arg(at, pairs[i].name);
        at = write_arg(at, pairs[i].value);
    }
    return at;
}

#endif
