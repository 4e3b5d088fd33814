/* FINDS error section_call | again answers -1 with an empty section */
/* FINDS error section_call | topics names a topic without a name with an empty section */
/* FINDS warning section_call | apart refuses an empty section and does not say why */
/* FINDS warning section_call | writer refuses an empty section and does not say why */
/* FINDS warning section_call | narrow refuses an empty section and does not say why */
#include <churn/plugin.h>
#include <churn/source.h>

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    return CHURN_OK;
}

static int32_t start(void *self, const churn_source_listener *listener, churn_error *err)
{
    (void)self;
    (void)listener;
    (void)err;
    return CHURN_OK;
}

static int32_t poll_records(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                            churn_error *err)
{
    (void)self;
    (void)records;
    (void)max;
    (void)timeout_ms;
    (void)err;
    *ret_count = 0;
    return CHURN_END;
}

static void stop(void *self)
{
    (void)self;
}

static void topics(const churn_section *own, churn_topic_fn fn, void *ctx)
{
    (void)own;
    fn(ctx, "");
}

static int32_t again(const churn_section *own, churn_error *err)
{
    (void)own;
    (void)err;
    return CHURN_RETRY;
}

static int32_t apart(churn_section *section, const char *reader, churn_error *err)
{
    (void)section;
    (void)reader;
    (void)err;
    return CHURN_REJECT;
}

static int32_t writer(const churn_section *own, const char *topic, churn_section *sink, churn_error *err)
{
    (void)own;
    (void)topic;
    (void)sink;
    (void)err;
    return CHURN_REJECT;
}

static const churn_source_ops ops = {.size = sizeof ops,
                                     .create = create,
                                     .start = start,
                                     .poll = poll_records,
                                     .stop = stop,
                                     .destroy = stop,
                                     .topics = topics,
                                     .again = again,
                                     .apart = apart,
                                     .writer = writer,
                                     .narrow = apart};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "section_calls", .version = "1.0.0",
             .summary = "Says what makes no sense of its section", .ops = &ops);
