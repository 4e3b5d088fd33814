#include "cli/load/report.h"

#include "base/grouped.h"
#include "base/json_build.h"
#include "base/printable.h"
#include <stdio.h>

static const char *const verdicts[] = {"keeps up", "lag grows", "rate not reached"};
static const char *const verdict_names[] = {"keeps_up", "lag_grows", "not_reached"};

void report_head(void)
{
    (void)puts("    events/s   produced/s    p50 ms    p90 ms    p99 ms    max ms          lag");
    (void)fflush(stdout);
}

/* A latency, with `>` where its event was not seen at all and it is only how long was waited. */
static void print_latency(const struct step *step, double percent)
{
    char number[GROUPED_SIZE], text[GROUPED_SIZE + 2];
    int64_t ms = step_percentile(step, percent);
    bool open = step->unseen > 0 && percent >= 100 - 100.0 * step->unseen / (double)step->count;
    if (ms < 0) {
        (void)printf("%10s", "-");
        return;
    }
    (void)snprintf(text, sizeof text, "%s%s", open ? ">" : "", grouped(ms, number));
    (void)printf("%10s", text);
}

void report_step(const struct step *step)
{
    char rate[GROUPED_SIZE], produced[GROUPED_SIZE], lag[GROUPED_SIZE];
    (void)printf("%12s %12s", grouped(step->rate, rate),
                 grouped((int64_t)(step_produced_per_second(step) + 0.5), produced));
    print_latency(step, 50);
    print_latency(step, 90);
    print_latency(step, 99);
    print_latency(step, 100);
    (void)printf(" %12s  %s\n", grouped((int64_t)(step_lag(step) + 0.5), lag), verdicts[step->verdict]);
    (void)fflush(stdout);
}

/* The highest rate that was kept up with; 0: none. */
static int64_t kept_up(const struct load_result *result)
{
    int64_t rate = 0;
    for (size_t i = 0; i < result->count; i++) {
        rate = result->steps[i].verdict == VERDICT_KEEPS_UP ? result->steps[i].rate : rate;
    }
    return rate;
}

/* The step that ended the ladder; NULL: it came to its end. */
static const struct step *obstacle(const struct load_result *result)
{
    const struct step *last = result->count > 0 ? &result->steps[result->count - 1] : NULL;
    return last != NULL && last->verdict != VERDICT_KEEPS_UP ? last : NULL;
}

void report_end(const struct load_result *result)
{
    char rate[GROUPED_SIZE], below[GROUPED_SIZE];
    const struct step *last = obstacle(result);
    int64_t kept = kept_up(result);
    if (last != NULL && last->verdict == VERDICT_LAG_GROWS) {
        (void)printf("\nLag begins to grow at %s events/s", grouped(last->rate, rate));
    } else if (last != NULL) {
        (void)printf("\nNo more than %s events/s could be produced from here",
                     grouped((int64_t)step_produced_per_second(last), rate));
    }
    if (kept > 0) {
        (void)printf("%s%s events/s were kept up with", last != NULL ? "; " : "\n", grouped(kept, below));
    }
    (void)puts(last != NULL || kept > 0 ? "." : "\nNothing was measured.");
    if (result->interrupted) {
        (void)puts("Interrupted: higher rates were not tried. Each test begins anew.");
    }
    (void)printf(
        "Latencies are from when an event was due until it was seen in its profile, looked at every %.1f ms.\n",
        result->resolution_ms);
}

/* ---- JSON ---- */

static struct json_object *json_ms(const struct step *step, double percent)
{
    int64_t ms = step_percentile(step, percent);
    return ms < 0 ? NULL : json_object_new_int64(ms);
}

static struct json_object *json_step(const struct step *step)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "rate", json_object_new_int64(step->rate));
    json_add(object, "seconds", json_object_new_double(step->seconds));
    json_add(object, "produced", json_object_new_int64(step->produced));
    json_add(object, "produced_per_second", json_object_new_double(step_produced_per_second(step)));
    json_add(object, "samples", json_object_new_int64((int64_t)step->count));
    json_add(object, "unseen", json_object_new_int64(step->unseen));
    json_add(object, "p50_ms", json_ms(step, 50));
    json_add(object, "p90_ms", json_ms(step, 90));
    json_add(object, "p99_ms", json_ms(step, 99));
    json_add(object, "max_ms", json_ms(step, 100));
    json_add(object, "lag", json_object_new_double(step_lag(step)));
    json_add(object, "lag_growth_per_second", json_object_new_double(step_lag_growth(step)));
    json_add_text(object, "verdict", verdict_names[step->verdict]);
    return object;
}

bool report_json(const struct load_result *result)
{
    struct json_object *object = json_object_new_object(), *steps = json_object_new_array();
    const struct step *last = obstacle(result);
    int64_t kept = kept_up(result);
    bool grows = last != NULL && last->verdict == VERDICT_LAG_GROWS;
    const char *text;
    for (size_t i = 0; i < result->count; i++) {
        (void)json_object_array_add(steps, json_step(&result->steps[i]));
    }
    json_add_text(object, "pipeline", result->pipeline);
    json_add_text(object, "topic", result->topic);
    json_add_text(object, "customers", result->customers);
    json_add(object, "resolution_ms", json_object_new_double(result->resolution_ms));
    json_add(object, "kept_up_with", kept > 0 ? json_object_new_int64(kept) : NULL);
    json_add(object, "lag_grows_at", grows ? json_object_new_int64(last->rate) : NULL);
    json_add(object, "complete", json_object_new_boolean(!result->stopped));
    json_add(object, "steps", steps);
    text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (text != NULL) {
        (void)puts(text);
    }
    json_object_put(object);
    return text != NULL;
}
