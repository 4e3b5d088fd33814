#include "utc_time.h"

#define MS_PER_DAY INT64_C(86400000)

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar (years counted from March, eras of 400 years). */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = yoe + era * 400 + (*month <= 2);
}

void utc_time_format(int64_t ms, char text[UTC_TIME_SIZE])
{
    const int64_t lowest = days_from_date(0, 1, 1) * MS_PER_DAY;
    const int64_t highest = days_from_date(10000, 1, 1) * MS_PER_DAY - 1;
    int64_t at = ms < lowest ? lowest : ms > highest ? highest : ms;
    int64_t days = (at >= 0 ? at : at - (MS_PER_DAY - 1)) / MS_PER_DAY;
    int64_t rest = at - days * MS_PER_DAY;
    int64_t part[7]; /* year, month, day, hour, minute, second, ms */
    static const struct {
        unsigned width;
        char end;
    } form[7] = {{4, '-'}, {2, '-'}, {2, 'T'}, {2, ':'}, {2, ':'}, {2, '.'}, {3, 'Z'}};
    date_from_days(days, &part[0], &part[1], &part[2]);
    part[3] = rest / 3600000;
    part[4] = rest / 60000 % 60;
    part[5] = rest / 1000 % 60;
    part[6] = rest % 1000;
    for (int i = 0; i < 7; i++) {
        for (unsigned w = form[i].width; w > 0; w--) {
            text[w - 1] = (char)('0' + part[i] % 10);
            part[i] /= 10;
        }
        text[form[i].width] = form[i].end;
        text += form[i].width + 1;
    }
    *text = '\0';
}

int utc_time_parse(churn_str text, int64_t *ret_ms)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    int64_t part[7] = {0}, ms;
    char again[UTC_TIME_SIZE];
    int n = 0;
    if (text.len != sizeof form - 1) {
        return 0;
    }
    for (uint32_t i = 0; i < text.len; i++) {
        if (form[i] == 'd' && text.ptr[i] >= '0' && text.ptr[i] <= '9') {
            part[n] = part[n] * 10 + (text.ptr[i] - '0');
        } else if (form[i] != 'd' && text.ptr[i] == form[i]) {
            n++;
        } else {
            return 0;
        }
    }
    ms = days_from_date(part[0], part[1], part[2]) * MS_PER_DAY + part[3] * 3600000 + part[4] * 60000 + part[5] * 1000 +
         part[6];
    /* A date or time that does not exist comes back as another one. */
    utc_time_format(ms, again);
    if (memcmp(again, text.ptr, text.len) != 0) {
        return 0;
    }
    *ret_ms = ms;
    return 1;
}
