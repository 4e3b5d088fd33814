#include "pipeline/replay.h"

#include "base/decimal.h"
#include "config/option.h"
#include <churn/time.h>
#include <string.h>

static int64_t start_of_day(int64_t ms)
{
    int64_t into = ms % CHURN_TIME_DAY_MS;
    return ms - (into < 0 ? into + CHURN_TIME_DAY_MS : into);
}

/* 2026-01-01 */
static bool parse_day(const char *text, int64_t *ret_ms)
{
    char time[CHURN_TIME_SIZE];
    size_t len = strlen(text);
    if (len != sizeof "YYYY-MM-DD" - 1) {
        return false;
    }
    len = (size_t)snprintf(time, sizeof time, "%sT00:00:00Z", text);
    return churn_time_parse(time, len, ret_ms);
}

static bool parse_ago(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    int64_t ago_ms;
    return text[0] >= '0' && text[0] <= '9' && option_parse_duration(text, &ago_ms) &&
           !__builtin_sub_overflow(now_ms, ago_ms, ret_ms);
}

static bool parse_time(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    if (strcmp(text, "today") == 0 || strcmp(text, "yesterday") == 0) {
        *ret_ms = start_of_day(now_ms) - (text[0] == 'y' ? CHURN_TIME_DAY_MS : 0);
        return true;
    }
    return churn_time_parse(text, strlen(text), ret_ms) || parse_day(text, ret_ms) || parse_ago(text, now_ms, ret_ms);
}

bool replay_parse(struct replay *replay, const char *text, int64_t now_ms)
{
    if (strcmp(text, "beginning") == 0) {
        replay->from = REPLAY_FROM_BEGINNING;
        return true;
    }
    if (decimal_parse_int64(text, strlen(text), &replay->value)) {
        replay->from = REPLAY_FROM_OFFSET;
        return replay->value >= 0;
    }
    replay->from = REPLAY_FROM_TIME;
    return parse_time(text, now_ms, &replay->value);
}
