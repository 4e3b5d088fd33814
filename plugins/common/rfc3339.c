#include "rfc3339.h"
#include "utc_time.h"

#define SECONDS_LEN 19 /* YYYY-MM-DDTHH:MM:SS */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* `Z`, `+HH:MM` or `-HH:MM`, which ends the text. */
static int parse_offset(const char *text, int64_t *ret_ms)
{
    int hours, minutes;
    if ((text[0] == 'Z' || text[0] == 'z') && text[1] == '\0') {
        *ret_ms = 0;
        return 1;
    }
    if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6 || text[3] != ':' || !is_digit(text[1]) ||
        !is_digit(text[2]) || !is_digit(text[4]) || !is_digit(text[5])) {
        return 0;
    }
    hours = (text[1] - '0') * 10 + (text[2] - '0');
    minutes = (text[4] - '0') * 10 + (text[5] - '0');
    *ret_ms = (int64_t)(hours * 60 + minutes) * (text[0] == '-' ? -60000 : 60000);
    return hours <= 23 && minutes <= 59;
}

int rfc3339_parse(const char *text, int64_t *ret_ms)
{
    char local[UTC_TIME_SIZE] = "YYYY-MM-DDTHH:MM:SS.000Z";
    int64_t ms, offset_ms;
    if (strlen(text) <= SECONDS_LEN) {
        return 0;
    }
    memcpy(local, text, SECONDS_LEN);
    local[10] = local[10] == 't' ? 'T' : local[10];
    text += SECONDS_LEN;
    if (text[0] == '.') {
        if (!is_digit(*++text)) {
            return 0;
        }
        for (int i = 0; is_digit(*text); i++, text++) {
            if (i < 3) {
                local[SECONDS_LEN + 1 + i] = *text;
            }
        }
    }
    if (!parse_offset(text, &offset_ms) || !utc_time_parse((churn_str){.ptr = local, .len = UTC_TIME_SIZE - 1}, &ms)) {
        return 0;
    }
    *ret_ms = ms - offset_ms;
    return 1;
}
