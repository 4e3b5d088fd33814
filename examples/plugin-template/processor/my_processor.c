/*
 * A processor: looks at each event before it is counted. This one leaves out the events of test customers, whose ids
 * begin with a prefix, and counts them.
 */
#include <churn/ext/metrics.h>
#include <churn/plugin.h>
#include <churn/processor.h>

/* One for each worker. The host writes the options into it before `create`. */
struct instance {
    const char *prefix;
    uint32_t prefix_len;
    const churn_metrics *metrics;
    churn_counter *left_out;
};

static const churn_option options[] = {
    {"prefix", .type = CHURN_OPTION_STRING, .default_text = "test_", .offset = offsetof(struct instance, prefix),
     .help = "What the ids of test customers begin with."},
};

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    struct instance *p = self;
    p->prefix_len = (uint32_t)strlen(p->prefix);
    if (p->prefix_len == 0) {
        return churn_fail_option(err, "prefix", "is empty, so that every customer would be left out");
    }
    p->metrics = host->get_extension(host, CHURN_METRICS_ID);
    if (p->metrics != NULL) {
        p->left_out = p->metrics->counter(host, "test_events");
    }
    return CHURN_OK;
}

/* Runs for every event. The same event must get the same verdict whenever it comes again, after a restart too: no
 * clock, no random number, no memory of earlier events. */
static int32_t process(void *self, const churn_event *event, churn_error *err)
{
    struct instance *p = self;
    (void)err;
    if (event->customer_id.len < p->prefix_len || memcmp(event->customer_id.ptr, p->prefix, p->prefix_len) != 0) {
        return CHURN_OK;
    }
    if (p->metrics != NULL) {
        p->metrics->add(p->left_out, 1);
    }
    return CHURN_DROP;
}

static void destroy(void *self)
{
    (void)self; /* frees what create allocated: nothing here */
}

static const churn_processor_ops ops = {
    .size = sizeof(churn_processor_ops),
    .create = create,
    .process = process,
    .destroy = destroy,
};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "my_processor", .version = "1.0.0",
             .summary = "One sentence for `churnd plugins`", CHURN_OPTIONS(options, struct instance), .ops = &ops);
