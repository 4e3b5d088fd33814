#include "put.h"

char *put_number(char *at, uint64_t n, unsigned width)
{
    char digits[20], *d = digits + sizeof digits;
    do {
        *--d = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (digits + sizeof digits - d < width) {
        *--d = '0';
    }
    memcpy(at, d, (size_t)(digits + sizeof digits - d));
    return at + (digits + sizeof digits - d);
}

char *put_signed(char *at, int64_t n)
{
    if (n < 0) {
        *at++ = '-';
        return put_number(at, 0 - (uint64_t)n, 1);
    }
    return put_number(at, (uint64_t)n, 1);
}

char *put_money(char *at, uint64_t units)
{
    at = put_number(at, units / MONEY_UNIT, 1);
    *at++ = '.';
    return units % 100 == 0 ? put_number(at, units / 100 % 100, 2) : put_number(at, units % MONEY_UNIT, 4);
}

char *put_time(struct day_text *last, char *at, int64_t ms)
{
    int64_t day = (ms >= 0 ? ms : ms - 86399999) / 86400000;
    uint64_t rest = (uint64_t)(ms - day * 86400000);
    if (day != last->day || last->text[0] == '\0') {
        churn_time_format(ms, last->text);
        last->day = day;
    }
    *at++ = '"';
    memcpy(at, last->text, 11);
    at = put_number(at + 11, rest / 3600000, 2);
    *at++ = ':';
    at = put_number(at, rest / 60000 % 60, 2);
    *at++ = ':';
    at = put_number(at, rest / 1000 % 60, 2);
    *at++ = '.';
    at = put_number(at, rest % 1000, 3);
    return PUT(at, "Z\"");
}
