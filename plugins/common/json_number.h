/* A number as JSON writes it, by its text: a double would round it. */
#ifndef JSON_NUMBER_H
#define JSON_NUMBER_H

#include <stddef.h>

/* SIGN WHOLE [. FRACTION] [e EXPONENT]. */
struct json_number {
    const char *whole;
    size_t whole_len;
    const char *fraction;
    size_t fraction_len;
    long exponent; /* at most 1,000,000 either way */
    int negative;
};

/* By the grammar of RFC 8259: json-c also takes NaN, Infinity and leading zeros in places. */
int json_number_read(const char *text, struct json_number *ret);

/* 1 when `text` is one. */
int json_number_is(const char *text);

#endif
