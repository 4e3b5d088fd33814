#include "engine/run_line.h"

#include "base/grouped.h"

/* What all workers tell together. */
struct figures {
    bool known;      /* each worker knows how much is left */
    bool endless;    /* they read what has no end */
    int64_t waiting; /* records that are not settled */
    int64_t total;   /* < 0: not known, or without end */
    int64_t counted; /* of it */
};

static struct figures ask_workers(const struct generation *generation)
{
    struct figures all = {.known = generation->count > 0};
    for (unsigned i = 0; i < generation->count; i++) {
        struct worker_lag lag = worker_lag(generation->workers[i]);
        all.known = all.known && lag.known;
        all.endless = all.endless || lag.endless;
        all.waiting += lag.messages;
        all.counted += lag.counted;
        all.total = all.total < 0 || lag.total < 0 ? PROGRESS_TOTAL_UNKNOWN : all.total + lag.total;
    }
    all.total = all.known ? all.total : PROGRESS_TOTAL_UNKNOWN;
    return all;
}

void run_line_begin(struct run_line *line, const struct pipeline *pipeline, bool quiet)
{
    const char *what = pipeline->profiles_only ? "rebuild" : pipeline->redrive != NULL ? "redrive" : "run";
    line->done = 0;
    line->total = PROGRESS_TOTAL_UNKNOWN;
    progress_line_begin(&line->line, pipeline->log, what, pipeline->redrive != NULL ? "dead letters" : "events", quiet);
}

#define NOTE_SIZE (GROUPED_SIZE + 8)

/* How many dead letters were older than those that are asked for; NULL: none. */
static const char *passed_over(const struct pipeline *pipeline, char note[NOTE_SIZE])
{
    int64_t older = metrics_sum(pipeline->metrics, "letters_older");
    char number[GROUPED_SIZE];
    (void)snprintf(note, NOTE_SIZE, "%s older", grouped(older, number));
    return older > 0 ? note : NULL;
}

static void show_unbounded(struct run_line *line, const struct generation *generation, const struct figures *all,
                           const char *older)
{
    char number[GROUPED_SIZE], lag[NOTE_SIZE];
    (void)snprintf(lag, sizeof lag, "lag %s", grouped(all->waiting, number));
    progress_line_show(&line->line, metrics_sum(generation->pipeline->metrics, "events"), PROGRESS_TOTAL_UNKNOWN,
                       older != NULL ? older
                       : all->known  ? lag
                                     : NULL);
}

void run_line_show(struct run_line *line, const struct generation *generation)
{
    struct figures all;
    char note[NOTE_SIZE];
    const char *older;
    if (!progress_line_due(&line->line)) {
        return;
    }
    all = ask_workers(generation);
    older = passed_over(generation->pipeline, note);
    if (all.total >= 0) {
        line->total = all.total;
        line->done = all.counted;
    }
    if (line->total >= 0) {
        progress_line_show(&line->line, line->done, line->total, older);
    } else if (line->line.mode == PROGRESS_TERMINAL || generation->pipeline->until_end || all.endless) {
        show_unbounded(line, generation, &all, older);
    }
}

void run_line_end(struct run_line *line)
{
    progress_line_end(&line->line);
}
