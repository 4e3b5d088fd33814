#include "engine/summary.h"

#include "base/clock.h"
#include "base/printable.h"
#include <inttypes.h>

#define NUMBER_SIZE 32

/* 1234567 as 1,234,567 */
static const char *grouped(int64_t n, char out[NUMBER_SIZE])
{
    char digits[NUMBER_SIZE];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n < 0 ? 0 : n);
    char *at = out;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}

void progress_start(struct progress_line *progress)
{
    *progress = (struct progress_line){.started_ms = clock_monotonic_ms()};
    progress->last_ms = progress->started_ms;
}

void progress_show(struct progress_line *progress, struct pipeline *pipeline, struct worker *const *workers,
                   unsigned count)
{
    char events_text[NUMBER_SIZE], rate_text[NUMBER_SIZE], lag_text[NUMBER_SIZE], line[224];
    int64_t now = clock_monotonic_ms(), events = metrics_sum(pipeline->metrics, "events"), lag = 0;
    int64_t elapsed = now > progress->last_ms ? now - progress->last_ms : 1;
    int64_t rate = (events - progress->last_events) * 1000 / elapsed;
    bool known = true;
    size_t used;
    for (unsigned i = 0; i < count; i++) {
        struct worker_lag one = worker_lag(workers[i]);
        known = known && one.known;
        lag += known ? one.messages : 0;
    }
    (void)snprintf(line, sizeof line, "%s: %s events · %s/s", pipeline->settings.name, grouped(events, events_text),
                   grouped(rate, rate_text));
    used = strlen(line);
    if (known) {
        (void)snprintf(line + used, sizeof line - used, " · lag %s", grouped(lag, lag_text));
        used = strlen(line);
    }
    if (known && pipeline->until_end && rate > 0) {
        (void)snprintf(line + used, sizeof line - used, " · about %" PRId64 " s left", lag / rate);
    }
    log_status(pipeline->log, line);
    progress->last_ms = now;
    progress->last_events = events;
}

/* Context of print_part: parts of one line, separated by " · ". */
struct line {
    FILE *out;
    size_t prefix;
    unsigned parts;
};

static void print_part(void *ctx, const char *name, int64_t sum)
{
    struct line *line = ctx;
    char number[NUMBER_SIZE], label[80];
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
    char number[NUMBER_SIZE];
    (void)fprintf(out, "  %-14s %12s", label, grouped(sum, number));
    if (*prefix != '\0') {
        metrics_each(metrics, prefix, print_part, &line);
    }
    (void)fputc('\n', out);
}

/* What became of the dead letters. */
static void print_redrive(FILE *out, struct metrics *metrics)
{
    static const char *const parts[][2] = {{"events_applied", "counted"},
                                           {"events_already_counted", "already counted"},
                                           {"events_filtered", "filtered"},
                                           {"events_ignored", "ignored"},
                                           {"letters_offered_again", "offered to sinks again"},
                                           {"dead_letters", "still bad"},
                                           {"letters_left_alone", "left alone"}};
    struct line line = {.out = out};
    char number[NUMBER_SIZE];
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

/* One of several sinks of a kind, or one that did not take everything; `undelivered` is offered again at the next
 * start.
 */
static void print_sink(FILE *out, const struct pipeline *pipeline, const struct section *sink, int64_t undelivered)
{
    static const char *const parts[][2] = {{"dropped", "dropped"}, {"given_up", "given up"}};
    struct line line = {.out = out};
    char number[NUMBER_SIZE];
    int64_t sums[2];
    int name_width;
    bool several = sinks_of(pipeline, sink->input) > 1 && !pipeline_is_dead_letters(pipeline, sink);
    for (unsigned i = 0; i < 2; i++) {
        sums[i] = metrics_sink_sum(pipeline->metrics, sink->label, parts[i][0]);
    }
    if (sums[0] == 0 && sums[1] == 0 && undelivered == 0 && !several) {
        return;
    }
    name_width = (int)strlen(sink->label);
    printable_print(out, "  sink %s %*s", sink->label, name_width < 21 ? 21 - name_width : 0,
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

void summary_print(FILE *out, struct pipeline *pipeline, struct worker *const *workers, unsigned count, double seconds)
{
    struct metrics *metrics = pipeline->metrics;
    int64_t events = metrics_sum(metrics, "events");
    (void)fputc('\n', out);
    printable_print(out, "Summary of %s after %.1f s", pipeline->settings.name, seconds);
    if (seconds > 0.05) {
        char number[NUMBER_SIZE];
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
    (void)fflush(out);
}
