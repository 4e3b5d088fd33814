#include "cli/load/ladder.h"

#include "base/decimal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROWS_BY 0.05   /* of the rate: less is noise */
#define GROWS_LEAST 20  /* events within a third of a step: so many are in flight whatever the rate */
#define REACHED_BY 0.95 /* of the rate */

/* ---- rates ---- */

size_t ladder_parse(const char *text, int64_t rates[LADDER_STEPS], char *message, size_t size)
{
    size_t count = 0;
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        int64_t rate;
        if (count == LADDER_STEPS) {
            (void)snprintf(message, size, "more than %d rates", LADDER_STEPS);
            return 0;
        }
        if (!decimal_is_number(at, len) || !decimal_parse_int64(at, len, &rate) || rate < 1 ||
            rate > LADDER_MOST_RATE) {
            (void)snprintf(message, size, "'%.*s' is no rate from 1 to %d events a second", (int)(len < 40 ? len : 40),
                           at, LADDER_MOST_RATE);
            return 0;
        }
        if (count > 0 && rate <= rates[count - 1]) {
            (void)snprintf(message, size, "the rates must rise: %lld comes after %lld", (long long)rate,
                           (long long)rates[count - 1]);
            return 0;
        }
        rates[count++] = rate;
        at += len;
        if (*at == '\0') {
            return count;
        }
    }
}

/* ---- what is measured ---- */

void step_add_latency(struct step *step, int64_t ms)
{
    if (step->count == step->room) {
        size_t room = step->room > 0 ? step->room * 2 : 256;
        uint32_t *grown = realloc(step->latencies_ms, room * sizeof *grown);
        if (grown == NULL) {
            step->failed = true;
            return;
        }
        step->latencies_ms = grown;
        step->room = room;
    }
    step->latencies_ms[step->count++] = ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

void step_add_lag(struct step *step, double part, int64_t lag)
{
    int third = (int)(part * 3) - 1;
    if (third == 0 || third == 1) {
        step->lag.sum[third] += (double)lag;
        step->lag.count[third]++;
    }
}

/* ---- what is made of it ---- */

static double average(const struct step *step, int third)
{
    return step->lag.count[third] > 0 ? step->lag.sum[third] / step->lag.count[third] : 0;
}

double step_lag(const struct step *step)
{
    return average(step, 1);
}

double step_lag_growth(const struct step *step)
{
    double third = step->seconds / 3;
    bool known = third > 0 && step->lag.count[0] > 0 && step->lag.count[1] > 0;
    return known ? (average(step, 1) - average(step, 0)) / third : 0;
}

double step_produced_per_second(const struct step *step)
{
    return step->seconds > 0 ? (double)step->produced / step->seconds : 0;
}

static bool lag_grows(const struct step *step)
{
    double growth = step_lag_growth(step);
    return step->unseen > 0 || (growth > GROWS_BY * (double)step->rate && growth * step->seconds / 3 > GROWS_LEAST);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void step_end(struct step *step)
{
    if (step->count > 0) {
        qsort(step->latencies_ms, step->count, sizeof *step->latencies_ms, by_size);
    }
    step->verdict = lag_grows(step)                                                    ? VERDICT_LAG_GROWS
                    : step_produced_per_second(step) < REACHED_BY * (double)step->rate ? VERDICT_NOT_REACHED
                                                                                       : VERDICT_KEEPS_UP;
}

int64_t step_percentile(const struct step *step, double percent)
{
    double rank = ceil(percent / 100 * (double)step->count);
    if (step->count == 0) {
        return -1;
    }
    size_t at = rank < 1 ? 0 : (size_t)rank - 1;
    return step->latencies_ms[at < step->count ? at : step->count - 1];
}

void step_free(struct step *step)
{
    free(step->latencies_ms);
    *step = (struct step){0};
}
