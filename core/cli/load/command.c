/* `churnd load`: test events at rates that rise, into the topic of a pipeline that runs elsewhere; how long they take
 * until they are in their profiles, and from which rate on that takes longer and longer. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/grouped.h"
#include "base/printable.h"
#include "base/progress_line.h"
#include "cli/audited.h"
#include "cli/load/clean.h"
#include "cli/load/feed.h"
#include "cli/load/others.h"
#include "cli/load/probes.h"
#include "cli/load/report.h"
#include "cli/load/sections.h"
#include "cli/sandboxed.h"
#include "config/option.h"
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define RATES "1000,2000,5000,10000,20000,50000,100000"
#define STEP_MS 10000
#define CUSTOMERS 10000
#define PROBE_RATE 100       /* a second, … */
#define PROBE_SHARE 4        /* … but one event of so many at most */
#define LAG_LOOK_MS 50       /* between looks at the lag */
#define EARLY_MS 5000        /* after which it is said that none of the first events was seen */
#define FIRST_MS 60000       /* for the first events to be seen: the topic may be new, the group about to form */
#define DRAIN_LEAST_MS 10000 /* for a step's last events to be seen; at least as long as the step */

enum { EVENTS, PROBED, SOURCES };

struct load {
    const struct arguments *arguments;
    struct log *log;
    int64_t rates[LADDER_STEPS];
    size_t rate_count;
    int64_t step_ms, customers;
    char prefixes[SOURCES][64]; /* of the customers */
    struct load_sections sections[SOURCES];
    struct pipeline pipelines[SOURCES];
    int loaded; /* of them, well or not */
    struct feed_source sources[SOURCES];
    struct feed feed;
    struct probes *probes;
    struct progress_line line;
    int64_t step_began_ms;
    sigset_t signals;
    int stopped; /* by this signal; 0: not */
    struct step steps[LADDER_STEPS];
    size_t step_count;
};

/* ---- going on, or not ---- */

static bool goes_on(struct load *load)
{
    const struct timespec none = {0};
    const char *failure = probes_failure(load->probes);
    if (load->stopped == 0) {
        int signal_number = sigtimedwait(&load->signals, NULL, &none);
        if (signal_number > 0) {
            log_line(load->log, CHURN_LOG_WARN, "load", "stopped; what was measured so far follows");
            load->stopped = signal_number;
        }
    }
    if (failure != NULL && !load->feed.failed) {
        log_line(load->log, CHURN_LOG_ERROR, load->pipelines[EVENTS].store.label, failure);
        load->feed.failed = true;
    }
    return load->stopped == 0 && !load->feed.failed;
}

/* ---- one step ---- */

/* Context of note_probe. */
struct noting {
    struct load *load;
    struct step *step;
    int64_t due_ms;
    bool failed;
};

static void note_probe(void *ctx, const churn_record *event)
{
    struct noting *noting = ctx;
    struct load *load = noting->load;
    noting->failed =
        !probes_note(load->probes, event->key, noting->due_ms, load->feed.given, noting->step) || noting->failed;
}

static uint32_t write_probe(struct load *load, struct step *step, int64_t due_ms)
{
    struct noting noting = {.load = load, .step = step, .due_ms = due_ms};
    uint32_t written = feed_write(&load->feed, PROBED, 1, note_probe, &noting);
    if (noting.failed) {
        log_line(load->log, CHURN_LOG_ERROR, "load", "out of memory");
        load->feed.failed = true;
    }
    return written;
}

/* Events that are written and not seen: those since the oldest that is known not to be seen. */
static int64_t lag_now(struct load *load)
{
    struct probes_waiting waiting = probes_waiting(load->probes);
    return waiting.count > 0 ? (int64_t)(load->feed.given - waiting.written) : 0;
}

/* How many of `rate` a second are due. */
static int64_t due_of(int64_t rate, int64_t passed_ms)
{
    return (int64_t)((__int128)rate * passed_ms / 1000);
}

static double probe_rate(const struct step *step)
{
    return step->rate < (int64_t)PROBE_RATE * PROBE_SHARE ? (double)step->rate / PROBE_SHARE : PROBE_RATE;
}

/* Writes what is due by now. What is late is due all the same: latencies count from when an event was due, so that a
 * pipeline or a Kafka that holds up the test does not hide it. */
static void write_due(struct load *load, struct step *step, int64_t began, int64_t *probed)
{
    int64_t passed = clock_monotonic_ms() - began;
    for (double each = 1000 / probe_rate(step); (double)*probed * each <= (double)passed && goes_on(load);) {
        step->produced += write_probe(load, step, began + (int64_t)((double)*probed * each));
        ++*probed;
    }
    int64_t due = due_of(step->rate, passed);
    if (step->produced < due && !load->feed.failed) {
        uint32_t some = due - step->produced < FEED_BATCH ? (uint32_t)(due - step->produced) : FEED_BATCH;
        step->produced += feed_write(&load->feed, EVENTS, some, NULL, NULL);
    }
}

static int64_t planned_events(const struct load *load)
{
    int64_t sum = 0;
    for (size_t i = 0; i < load->rate_count; i++) {
        sum += due_of(load->rates[i], load->step_ms);
    }
    return sum;
}

/* By time: the rates rise, so events would tell little of how long it will take. */
static void show(struct load *load, const struct step *step)
{
    char rate[GROUPED_SIZE], lag[GROUPED_SIZE], note[2 * GROUPED_SIZE + 24];
    int64_t passed = clock_monotonic_ms() - load->step_began_ms;
    if (progress_line_due(&load->line)) {
        (void)snprintf(note, sizeof note, "%s events/s · lag %s", grouped(step->rate, rate),
                       grouped(lag_now(load), lag));
        progress_line_show(
            &load->line, (int64_t)load->step_count * load->step_ms + (passed < load->step_ms ? passed : load->step_ms),
            (int64_t)load->rate_count * load->step_ms, note);
    }
}

static void produce(struct load *load, struct step *step)
{
    int64_t began = clock_monotonic_ms(), looked = began, probed = 0, now;
    load->step_began_ms = began;
    while ((now = clock_monotonic_ms()) - began < load->step_ms && goes_on(load)) {
        write_due(load, step, began, &probed);
        feed_poll(&load->feed, step->produced < due_of(step->rate, clock_monotonic_ms() - began) ? 0 : 1);
        if (now - looked >= LAG_LOOK_MS) {
            looked = now;
            step_add_lag(step, (double)(now - began) / (double)load->step_ms, lag_now(load));
        }
        show(load, step);
    }
    step->seconds = (double)(clock_monotonic_ms() - began) / 1000;
}

/* Until all of it is seen, or `limit_ms` are over. */
static void drain(struct load *load, const struct step *step, int64_t limit_ms)
{
    int64_t deadline = clock_monotonic_ms() + limit_ms;
    while (probes_waiting(load->probes).count > 0 && clock_monotonic_ms() < deadline && goes_on(load)) {
        feed_poll(&load->feed, 2);
        show(load, step);
    }
}

/* False: the ladder ends here. */
static bool take_step(struct load *load, int64_t rate)
{
    struct step *step = &load->steps[load->step_count];
    step->rate = rate;
    produce(load, step);
    drain(load, step, load->step_ms > DRAIN_LEAST_MS ? load->step_ms : DRAIN_LEAST_MS);
    probes_give_up(load->probes);
    if (!goes_on(load) || step->failed) {
        step_free(step);
        return false;
    }
    step_end(step);
    load->step_count++;
    if (!load->arguments->json) {
        progress_line_clear(&load->line); /* it may be the same terminal */
        report_step(step);
    }
    return step->verdict == VERDICT_KEEPS_UP;
}

/* ---- before the first step ---- */

/* One event for each customer that is looked at, until all of them are seen: the topic is made, the pipeline has found
 * it, and its processors let the events through. */
static bool first_events(struct load *load)
{
    struct step step = {.rate = PROBES};
    struct probes_waiting waiting;
    for (unsigned i = 0; i < PROBES && goes_on(load); i++) {
        (void)write_probe(load, &step, clock_monotonic_ms());
    }
    drain(load, &step, EARLY_MS);
    if (probes_waiting(load->probes).count == PROBES && goes_on(load)) {
        log_printf(load->log, CHURN_LOG_WARN, "load",
                   "none of %d first events was seen in a profile within %d s: does a churnd run with this pipeline? "
                   "Waiting for up to %d s",
                   PROBES, EARLY_MS / 1000, FIRST_MS / 1000);
    }
    drain(load, &step, FIRST_MS - EARLY_MS);
    waiting = probes_waiting(load->probes);
    if (waiting.count > 0 && goes_on(load)) {
        printable_line(stderr,
                       "churnd: load: of %d first events %u were not seen in their profiles within %d s; does a churnd "
                       "run with this pipeline, from the same brokers into the same store, and do its processors let "
                       "all events through?",
                       PROBES, waiting.count, FIRST_MS / 1000);
    }
    probes_give_up(load->probes);
    step_free(&step);
    return waiting.count == 0 && goes_on(load);
}

/* Whether a topic has nothing but what load tests wrote. */
static bool check_topic(struct load *load, struct pipeline_files files, struct loader *loader,
                        struct load_sections *sections)
{
    struct pipeline reader;
    enum whose whose = WHOSE_UNKNOWN;
    if (pipeline_load_edited(&reader, files, loader, load->log, stderr, load_edit_reader, sections)) {
        whose = others_look(&reader, load->log);
    }
    pipeline_free(&reader);
    if (whose == WHOSE_OTHERS) {
        printable_line(stderr,
                       "churnd: load: the topic %s has records of others, and test events among them would be counted, "
                       "alerted and predicted as theirs are; use a topic, and a store, of the test's own. "
                       "--among-others does it all the same",
                       sections->topic_found);
    }
    return whose == WHOSE_NONE || whose == WHOSE_LOAD_TESTS;
}

/* That which is written to, and the others: what follows from test events goes where that of theirs goes. */
static bool check_topics(struct load *load, struct pipeline_files files, struct loader *loader)
{
    struct load_sections chosen = {.topic = load->arguments->topic};
    bool ok = load->arguments->among_others || check_topic(load, files, loader, &chosen);
    for (unsigned i = chosen.topic == NULL ? 1 : 0; ok && i < chosen.topic_count; i++) {
        struct load_sections other = {.number = i};
        ok = check_topic(load, files, loader, &other);
    }
    return ok;
}

/* ---- the pipeline, as a load test has it ---- */

static bool load_pipelines(struct load *load, struct pipeline_files files, struct loader *loader)
{
    const char *prefixes[SOURCES] = {load->prefixes[EVENTS], load->prefixes[PROBED]};
    bool ok = true;
    for (int i = 0; ok && i < SOURCES; i++) {
        load->sections[i] = (struct load_sections){.topic = load->arguments->topic,
                                                   .types = load->arguments->types,
                                                   .customer_prefix = prefixes[i],
                                                   .customers = i == PROBED ? PROBES : load->customers,
                                                   .evenly = i == PROBED};
        load->sources[i].pipeline = &load->pipelines[i];
        ok = pipeline_load_edited(&load->pipelines[i], files, loader, load->log, stderr, load_edit_feed,
                                  &load->sections[i]);
        load->loaded++;
    }
    return ok;
}

static bool check_store(const struct pipeline *pipeline)
{
    if (store_ops(&pipeline->store)->embedded) {
        printable_line(stderr,
                       "churnd: load: the store %s lives in the process of the pipeline, where nobody else sees the "
                       "profiles; a load test needs one that is shared, such as redis",
                       pipeline->store.label);
        return false;
    }
    return true;
}

/* Of whose test the customers are: another one each time. */
static void name_customers(struct load *load)
{
    long long now = (long long)(clock_wall_ms() / 1000);
    (void)snprintf(load->prefixes[EVENTS], sizeof load->prefixes[EVENTS], LOAD_CUSTOMERS "%lld_", now);
    (void)snprintf(load->prefixes[PROBED], sizeof load->prefixes[PROBED], LOAD_CUSTOMERS "%lld_probe_", now);
}

static void announce(const struct load *load)
{
    const struct pipeline *pipeline = &load->pipelines[EVENTS];
    char events[GROUPED_SIZE];
    log_printf(load->log, CHURN_LOG_INFO, "load",
               "writes up to %s test events into %s, of customers whose names begin with %s; their profiles stay under "
               "%s until `churnd load --clean`",
               grouped(planned_events(load), events), load->sections[EVENTS].topic_found, load->prefixes[EVENTS],
               pipeline->store_settings.key_prefix);
}

static bool audit_test(const struct load *load)
{
    struct text details = {0};
    bool ok;
    text_append_string(&details, "\"topic\":");
    text_append_json(&details, load->sections[EVENTS].topic_found, strlen(load->sections[EVENTS].topic_found));
    text_printf(&details, ",\"customers\":\"%s\"", load->prefixes[EVENTS]);
    text_append(&details, "", 1);
    ok = !details.failed && audited(&load->pipelines[EVENTS], "load", "load", NULL, details.bytes);
    if (details.failed) {
        (void)fputs("churnd: out of memory\n", stderr);
    }
    text_free(&details);
    return ok;
}

/* ---- the test ---- */

static int tell(struct load *load, bool done)
{
    const struct load_result result = {.pipeline = load->pipelines[EVENTS].settings.name,
                                       .topic = load->sections[EVENTS].topic_found,
                                       .customers = load->prefixes[EVENTS],
                                       .steps = load->steps,
                                       .count = load->step_count,
                                       .stopped = !done,
                                       .interrupted = load->stopped != 0,
                                       .resolution_ms = probes_resolution_ms(load->probes)};
    bool ok = done;
    if (load->arguments->json) {
        ok = report_json(&result) && ok;
    } else {
        report_end(&result);
    }
    if (load->arguments->plot != NULL) {
        ok = plot_write(&result, load->arguments->plot) && ok;
    }
    return !ok;
}

static void block_signals(sigset_t *signals)
{
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGINT);
    (void)sigaddset(signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static int climb(struct load *load)
{
    bool begun = first_events(load);
    progress_line_begin(&load->line, load->log, "load", NULL, load->arguments->quiet);
    if (begun && !load->arguments->json) {
        report_head();
    }
    for (size_t i = 0; begun && i < load->rate_count && take_step(load, load->rates[i]); i++) {
    }
    progress_line_end(&load->line);
    return begun ? tell(load, goes_on(load)) : 1;
}

static int test(struct load *load)
{
    struct pipeline *pipeline = &load->pipelines[EVENTS];
    int status = 1;
    announce(load);
    load->probes = probes_new(store_ops(&pipeline->store), pipeline->store_instance->self, load->log,
                              pipeline->store_settings.key_prefix, load->prefixes[PROBED]);
    if (load->probes == NULL) {
        (void)fputs("churnd: out of memory\n", stderr);
    } else if (feed_open(&load->feed)) {
        status = climb(load);
    }
    probes_free(load->probes);
    for (size_t i = 0; i < load->step_count; i++) {
        step_free(&load->steps[i]);
    }
    return status;
}

/* ---- the command ---- */

static bool take_number(const char *option, const char *text, int64_t otherwise, int64_t most, int64_t *ret)
{
    char *end;
    *ret = otherwise;
    if (text == NULL) {
        return true;
    }
    *ret = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || *ret < 1 || *ret > most) {
        printable_line(stderr, "churnd: --%s: '%s' is no number from 1 to %" PRId64, option, text, most);
        return false;
    }
    return true;
}

static bool take_step_length(const char *text, int64_t *ret_ms)
{
    *ret_ms = STEP_MS;
    if (text != NULL && (!option_parse_duration(text, ret_ms) || *ret_ms < 1000 || *ret_ms > 3600000)) {
        printable_line(stderr, "churnd: --step: '%s' is no duration from 1s to 1h", text);
        return false;
    }
    return true;
}

static bool take_arguments(struct load *load, const struct arguments *arguments)
{
    char message[128];
    load->rate_count =
        ladder_parse(arguments->rates != NULL ? arguments->rates : RATES, load->rates, message, sizeof message);
    if (load->rate_count == 0) {
        printable_line(stderr, "churnd: --rates: %s", message);
        return false;
    }
    return take_step_length(arguments->step, &load->step_ms) &&
           (arguments->plot == NULL || plot_check(arguments->plot)) &&
           take_number("customers", arguments->customers, CUSTOMERS, 1000000000, &load->customers);
}

/* What a test is asked for says nothing of what it left. */
static bool check_clean(const struct arguments *a)
{
    const struct {
        const char *name;
        bool given;
    } others[] = {{"rates", a->rates != NULL},      {"step", a->step != NULL},   {"customers", a->customers != NULL},
                  {"types", a->types != NULL},      {"topic", a->topic != NULL}, {"plot", a->plot != NULL},
                  {"among-others", a->among_others}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (others[i].given) {
            printable_line(stderr,
                           "churnd: load: --clean removes what all tests left and tests nothing, so --%s does "
                           "not go with it",
                           others[i].name);
            return false;
        }
    }
    return true;
}

static int clean(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    int status = 1;
    if (pipeline_load(&pipeline, arguments_files(arguments), loader, log, stderr)) {
        if (pipeline.store.loaded == NULL) {
            printable_line(stderr, "churnd: %s has no store", arguments->config);
        } else if (sandboxed(&pipeline, arguments_files(arguments), NULL) &&
                   audited(&pipeline, "load", "clean", NULL, "\"what\":\"profiles of load tests\"")) {
            status = load_clean(&pipeline);
        }
    }
    pipeline_free(&pipeline);
    return status;
}

/* A test has pipelines of its own, which need no more than the file's. */
static bool enter(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    const struct pipeline_files files = arguments_files(arguments);
    struct pipeline whole;
    bool ok = pipeline_load(&whole, files, loader, log, stderr) && sandboxed(&whole, files, arguments->plot);
    pipeline_free(&whole);
    return ok;
}

int command_load(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct load *load;
    const struct pipeline_files files = arguments_files(arguments);
    int status = 1;
    if (arguments->clean) {
        return check_clean(arguments) ? clean(arguments, loader, log) : 1;
    }
    if (!pipeline_check(files, loader, log, stderr, NULL)) {
        return 1;
    }
    load = calloc(1, sizeof *load);
    if (load == NULL) {
        (void)fputs("churnd: out of memory\n", stderr);
        return 1;
    }
    load->arguments = arguments;
    load->log = log;
    if (take_arguments(load, arguments)) {
        name_customers(load);
        if (load_pipelines(load, files, loader) && check_store(&load->pipelines[EVENTS]) &&
            enter(arguments, loader, log) && feed_make(&load->feed, log, load->sources, SOURCES) &&
            check_topics(load, files, loader) && audit_test(load)) {
            block_signals(&load->signals);
            status = test(load);
            status = load->stopped != 0 ? STATUS_INTERRUPTED(load->stopped) : status;
        }
        feed_close(&load->feed);
        for (int i = 0; i < load->loaded; i++) {
            pipeline_free(&load->pipelines[i]);
        }
    }
    free(load);
    return status;
}
