/* A sink that breaks the rule that its option names, and counts what it is given. */
#include <churn/ext/metrics.h>
#include <churn/sink.h>

static const char *const rules[] = {"none",    "twice",    "stranger", "undecided", "silent",
                                    "refuses", "too_many", "again",    NULL};
enum { NONE, TWICE, STRANGER, UNDECIDED, SILENT, REFUSES, TOO_MANY, AGAIN };

struct rude {
    int32_t rule;
    uint64_t waiting[8];
    uint32_t count;
    uint64_t last; /* the record answered last */
    const churn_metrics *metrics;
    churn_histogram *lengths; /* of values */
};

static const churn_option options[] = {
    {"breaks", .type = CHURN_OPTION_ENUM, .default_text = "none", .choices = rules,
     .offset = offsetof(struct rude, rule), .help = "Which rule."},
};

static int32_t rude_create(void *self, const churn_host *host, churn_error *err)
{
    static const int64_t bounds[] = {1, 100};
    static const churn_metric lengths = {.size = sizeof lengths,
                                         .kind = CHURN_METRIC_HISTOGRAM,
                                         .name = "rude_value_bytes",
                                         .help = "How long values are.",
                                         .bounds = bounds,
                                         .bound_count = 2};
    struct rude *rude = self;
    (void)err;
    rude->metrics = host->get_extension(host, CHURN_METRICS_ID);
    rude->lengths = rude->metrics->histogram(host, &lengths);
    return CHURN_OK;
}

static int32_t rude_start(void *self, churn_error *err)
{
    (void)self;
    (void)err;
    return CHURN_OK;
}

static int32_t rude_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                          churn_error *err)
{
    struct rude *rude = self;
    (void)err;
    rude->waiting[rude->count++] = records[0].id;
    rude->metrics->observe(rude->lengths, records[0].value.len);
    *ret_taken = rude->rule == TOO_MANY ? count + 1 : 1;
    return CHURN_OK;
}

static int32_t rude_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                         churn_error *err)
{
    struct rude *rude = self;
    (void)max;
    (void)timeout_ms;
    (void)err;
    for (uint32_t i = 0; i < rude->count && rude->rule != SILENT; i++) {
        done[i] = (churn_done){.id = rude->waiting[i] + (rude->rule == STRANGER ? 100 : 0),
                               .result = rude->rule == UNDECIDED ? CHURN_RETRY
                                         : rude->rule == REFUSES ? CHURN_REJECT
                                                                 : CHURN_OK,
                               .message = "too ugly"};
        *ret_count = i + 1;
    }
    if (rude->rule == TWICE) {
        done[(*ret_count)++] = done[0];
    }
    if (rude->rule == AGAIN && *ret_count == 0 && rude->last != 0) {
        done[(*ret_count)++] = (churn_done){.id = rude->last};
    }
    rude->last = *ret_count > 0 ? done[0].id : rude->last;
    rude->count = 0;
    return CHURN_OK;
}

static void rude_stop(void *self, int64_t deadline_ms)
{
    (void)self;
    (void)deadline_ms;
}

static void rude_destroy(void *self)
{
    (void)self;
}

static const churn_sink_ops ops = {.size = sizeof(churn_sink_ops),
                                   .accepts = CHURN_RECORD_ALERT,
                                   .create = rude_create,
                                   .start = rude_start,
                                   .write = rude_write,
                                   .poll = rude_poll,
                                   .stop = rude_stop,
                                   .destroy = rude_destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "rude_sink", .version = "1", .summary = "",
             CHURN_OPTIONS(options, struct rude), .ops = &ops);
