#include "engine/summary.h"

#include "base/grouped.h"
#include "base/printable.h"
#include <string.h>

/* Context of print_part: parts of one line, separated by " · ". */
struct line {
    FILE *out;
    size_t prefix;
    unsigned parts;
};

static void print_part(void *ctx, const char *name, int64_t sum)
{
    struct line *line = ctx;
    char number[GROUPED_SIZE], label[80];
    if (sum == 0) {
        return;
    }
    (void)snprintf(label, sizeof label, "%s", name + line->prefix);
    for (char *at = label; *at != '\0' && line->prefix < strlen("dead_letters_"); at++) {
        *at = *at == '_' ? ' ' : *at; /* reasons are shown as the dead letters carry them */
    }
    printable_print(line->out, "%s%s %s", line->parts++ == 0 ? "   " : " · ", label, grouped(sum, number));
}

static void print_row(FILE *out, struct metrics *metrics, const char *label, int64_t sum, const char *prefix)
{
    struct line line = {.out = out, .prefix = strlen(prefix)};
    char number[GROUPED_SIZE];
    (void)fprintf(out, "  %-14s %12s", label, grouped(sum, number));
    if (*prefix != '\0') {
        metrics_each(metrics, prefix, print_part, &line);
    }
    (void)fputc('\n', out);
}

/* What became of the dead letters. */
static void print_redrive(FILE *out, struct metrics *metrics)
{
    static const char *const parts[][2] = {
        {"events_applied", "counted"},   {"events_already_counted", "already counted"},
        {"events_filtered", "filtered"}, {"events_forgotten", "forgotten"},
        {"events_ignored", "ignored"},   {"letters_offered_again", "offered to sinks again"},
        {"dead_letters", "still bad"},   {"letters_left_alone", "left alone"},
        {"letters_older", "older"},      {"letters_newer", "newer"}};
    struct line line = {.out = out};
    char number[GROUPED_SIZE];
    (void)fprintf(out, "  %-14s %12s", "redriven", grouped(metrics_sum(metrics, "letters"), number));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        print_part(&line, parts[i][1], metrics_sum(metrics, parts[i][0]));
    }
    (void)fputc('\n', out);
    if (metrics_sum(metrics, "letters_written_again") > 0) {
        (void)fprintf(
            out,
            "  %-14s %12s   of those left alone once more at the end of the topic, for the next redrive (with "
            "--all: none)\n",
            "written", grouped(metrics_sum(metrics, "letters_written_again"), number));
    }
}

static unsigned sinks_of(const struct pipeline *pipeline, uint32_t kind)
{
    unsigned count = 0;
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        count += pipeline->sinks[i].input == kind;
    }
    return count;
}

/* The dead letters' sink may be called as the source is. */
static const char *name_of(const struct pipeline *pipeline, const struct section *sink)
{
    bool both = pipeline_is_dead_letters(pipeline, sink) && strcmp(sink->label, pipeline->source.label) == 0;
    return both ? "dead_letters" : sink->label;
}

/* One of several sinks of a kind, or one that did not take everything; `undelivered` is offered again at the next
 * start.
 */
static void print_sink(FILE *out, const struct pipeline *pipeline, const struct section *sink, int64_t undelivered)
{
    static const char *const parts[][2] = {{"dropped", "dropped"}, {"given_up", "given up"}};
    struct line line = {.out = out};
    char number[GROUPED_SIZE];
    int64_t sums[2];
    int name_width;
    bool several = sinks_of(pipeline, sink->input) > 1 && !pipeline_is_dead_letters(pipeline, sink);
    for (unsigned i = 0; i < 2; i++) {
        sums[i] = metrics_sink_sum(pipeline->metrics, sink->label, parts[i][0]);
    }
    if (sums[0] == 0 && sums[1] == 0 && undelivered == 0 && !several) {
        return;
    }
    name_width = (int)strlen(name_of(pipeline, sink));
    printable_print(out, "  sink %s %*s", name_of(pipeline, sink), name_width < 21 ? 21 - name_width : 0,
                    grouped(metrics_sink_sum(pipeline->metrics, sink->label, "sent"), number));
    for (unsigned i = 0; i < 2; i++) {
        print_part(&line, parts[i][1], sums[i]);
    }
    print_part(&line, "not delivered", undelivered);
    (void)fputc('\n', out);
}

static int64_t count_undelivered(struct worker *const *workers, unsigned count, unsigned sink)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += worker_undelivered(workers[i], sink);
    }
    return sum;
}

/* What is not done, and how to go on. */
static void print_interrupted(FILE *out, const struct pipeline *pipeline, int signal_number)
{
    printable_print(out, "  interrupted    by SIG%s before the end: ", sigabbrev_np(signal_number));
    if (pipeline->redrive != NULL) {
        (void)fputs("dead letters are left; the same command goes on, and none counts twice", out);
    } else if (pipeline->profiles_only) {
        printable_print(out,
                        "the profiles under %s are not whole; the same command reads from the beginning again, and no "
                        "event counts twice",
                        pipeline->store_settings.key_prefix);
    } else {
        (void)fputs("records, or what waits for sinks, are left; the same command goes on with them", out);
    }
    (void)fputc('\n', out);
}

void summary_print(FILE *out, struct pipeline *pipeline, struct worker *const *workers, unsigned count, double seconds,
                   int interrupted)
{
    struct metrics *metrics = pipeline->metrics;
    int64_t events = metrics_sum(metrics, "events");
    (void)fputc('\n', out);
    printable_print(out, "Summary of %s after %.1f s", pipeline->settings.name, seconds);
    if (seconds > 0.05) {
        char number[GROUPED_SIZE];
        (void)fprintf(out, " (%s events/s)", grouped((int64_t)((double)events / seconds), number));
    }
    (void)fputc('\n', out);
    if (pipeline->redrive != NULL) {
        print_redrive(out, metrics);
    } else {
        print_row(out, metrics, "events", events, "events_");
    }
    if (pipeline->has_dead_letters || pipeline->profiles_only) {
        print_row(out, metrics, pipeline->profiles_only ? "bad events" : "dead letters",
                  metrics_sum(metrics, "dead_letters"), "dead_letters_");
    }
    if (pipeline->store.loaded != NULL) {
        print_row(out, metrics, "new profiles", metrics_sum(metrics, "profiles_created"), "profile_");
    }
    if ((pipeline->outputs & CHURN_RECORD_TRIGGER) != 0) {
        print_row(out, metrics, "predictions", metrics_sum(metrics, "predictions_answered"), "predictions_");
    }
    if ((pipeline->outputs & CHURN_RECORD_ALERT) != 0) {
        bool one = sinks_of(pipeline, CHURN_RECORD_ALERT) == 1; /* or the parts would count an alert for each */
        print_row(out, metrics, "alerts", metrics_sum(metrics, "alerts"), one ? "alerts_" : "");
    }
    if ((pipeline->outputs & CHURN_RECORD_EVENT) != 0) {
        print_row(out, metrics, "records sent", metrics_sum(metrics, "records_sent"), "");
    }
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        print_sink(out, pipeline, &pipeline->sinks[i], count_undelivered(workers, count, i));
    }
    if (interrupted != 0) {
        print_interrupted(out, pipeline, interrupted);
    }
    (void)fflush(out);
}
