/* Writes the parts of JSON at `at`, where there is room for them; each call returns where it ended. */
#ifndef GENERATE_PUT_H
#define GENERATE_PUT_H

#include <churn/result.h>
#include <churn/time.h>

#define NUMBER_ROOM 48   /* bytes of a number or a time in JSON */
#define MONEY_UNIT 10000 /* units of one */

/* The bytes of a string literal, as a churn_str is initialized with. */
#define TEXT(literal) {.ptr = (literal), .len = sizeof(literal) - 1}

/* The day of the newest time that was written: consecutive events mostly share it. */
struct day_text {
    int64_t day;
    char text[CHURN_TIME_SIZE];
};

/* A string literal without its NUL. */
#define PUT(at, literal) ((char *)memcpy((at), (literal), sizeof(literal) - 1) + sizeof(literal) - 1)

static inline char *put_str(char *at, churn_str text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

/* `width`: at least so many digits. */
char *put_number(char *at, uint64_t n, unsigned width);

char *put_signed(char *at, int64_t n);

/* Two decimals, or four where the value has them. */
char *put_money(char *at, uint64_t units);

/* A time in quotes. `last` begins zeroed. */
char *put_time(struct day_text *last, char *at, int64_t ms);

#endif
