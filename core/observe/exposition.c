#include "observe/exposition.h"

#include <inttypes.h>

struct writing {
    struct text *out;
    struct text family; /* the newest one's name, NUL-terminated */
};

static void append_help(struct text *out, const char *help)
{
    for (; *help != '\0'; help++) {
        if (*help == '\n') {
            text_append_string(out, "\\n");
        } else {
            text_append_string(out, *help == '\\' ? "\\" : "");
            text_append(out, help, 1);
        }
    }
}

static void begin_family(struct writing *writing, const struct metric_sample *sample)
{
    static const char *const types[] = {[METRIC_UNTYPED] = "untyped",
                                        [CHURN_METRIC_COUNTER] = "counter",
                                        [CHURN_METRIC_GAUGE] = "gauge",
                                        [CHURN_METRIC_HISTOGRAM] = "histogram"};
    if (writing->family.len > 0 && strcmp(writing->family.bytes, sample->family) == 0) {
        return;
    }
    writing->family.len = 0;
    text_append(&writing->family, sample->family, strlen(sample->family) + 1);
    text_printf(writing->out, "# HELP %s ", sample->family);
    append_help(writing->out, sample->help);
    text_printf(writing->out, "\n# TYPE %s %s\n", sample->family, types[sample->kind]);
}

/* `value` of what is counted, in the unit that is shown: 15 digits hold every decimal fraction as it is written. */
static void append_number(struct text *out, int64_t value, int64_t per_unit)
{
    if (per_unit == 1) {
        text_printf(out, "%" PRId64, value);
    } else {
        text_printf(out, "%.15g", (double)value / (double)per_unit);
    }
}

static void append_name(struct text *out, const struct metric_sample *sample, const char *suffix)
{
    bool labels = sample->labels[0] != '\0';
    text_printf(out, "%s%s%s%s%s ", sample->family, suffix, labels ? "{" : "", sample->labels, labels ? "}" : "");
}

/* How many values were not above a bound; NULL: of all. */
static void append_bucket(struct text *out, const struct metric_sample *sample, const int64_t *bound, int64_t count)
{
    text_printf(out, "%s_bucket{%s%sle=\"", sample->family, sample->labels, sample->labels[0] != '\0' ? "," : "");
    if (bound != NULL) {
        append_number(out, *bound, sample->per_unit);
    } else {
        text_append_string(out, "+Inf");
    }
    text_printf(out, "\"} %" PRId64 "\n", count);
}

static void write_histogram(struct text *out, const struct metric_sample *sample)
{
    int64_t count = 0;
    for (uint32_t i = 0; i <= sample->bounds->count; i++) {
        count += sample->observed->counts[i];
        append_bucket(out, sample, i < sample->bounds->count ? &sample->bounds->upper[i] : NULL, count);
    }
    append_name(out, sample, "_sum");
    append_number(out, sample->observed->sum, sample->per_unit);
    text_append_string(out, "\n");
    append_name(out, sample, "_count");
    text_printf(out, "%" PRId64 "\n", count);
}

static void write_sample(void *ctx, const struct metric_sample *sample)
{
    struct writing *writing = ctx;
    begin_family(writing, sample);
    if (sample->kind == CHURN_METRIC_HISTOGRAM) {
        write_histogram(writing->out, sample);
        return;
    }
    append_name(writing->out, sample, "");
    append_number(writing->out, sample->value, sample->per_unit);
    text_append_string(writing->out, "\n");
}

void exposition_write(struct text *out, struct metrics *metrics)
{
    struct writing writing = {.out = out};
    if (!metrics_show(metrics, write_sample, &writing)) {
        out->failed = true;
    }
    text_free(&writing.family);
}
