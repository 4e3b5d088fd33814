#include "json_number.h"

#include <string.h>

#define EXPONENT_LIMIT 1000000 /* beyond every number of digits that an answer has room for */

static size_t digits_at(const char *text)
{
    return strspn(text, "0123456789");
}

static long read_exponent(const char *digits, int negative)
{
    long value = 0;
    for (; *digits >= '0' && *digits <= '9'; digits++) {
        value = value < EXPONENT_LIMIT ? value * 10 + (*digits - '0') : EXPONENT_LIMIT;
    }
    value = value < EXPONENT_LIMIT ? value : EXPONENT_LIMIT;
    return negative ? -value : value;
}

int json_number_read(const char *text, struct json_number *ret)
{
    const char *at = text + (*text == '-');
    *ret = (struct json_number){.whole = at, .whole_len = digits_at(at), .negative = *text == '-'};
    if (ret->whole_len == 0 || (ret->whole_len > 1 && *at == '0')) {
        return 0;
    }
    at += ret->whole_len;
    if (*at == '.') {
        ret->fraction = ++at;
        ret->fraction_len = digits_at(at);
        if (ret->fraction_len == 0) {
            return 0;
        }
        at += ret->fraction_len;
    }
    if (*at == 'e' || *at == 'E') {
        int negative = *++at == '-';
        at += *at == '-' || *at == '+';
        if (digits_at(at) == 0) {
            return 0;
        }
        ret->exponent = read_exponent(at, negative);
        at += digits_at(at);
    }
    return *at == '\0';
}

int json_number_is(const char *text)
{
    struct json_number number;
    return json_number_read(text, &number);
}
