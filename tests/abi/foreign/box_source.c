/* Somebody's own source, of an empty box that says of itself what an option has it say. */
#include <churn/plugin.h>
#include <churn/source.h>

enum { AGAIN_SAME, AGAIN_OTHERS, AGAIN_GONE };
static const char *const kinds[] = {"same", "others", "gone", NULL};

struct source {
    int32_t again;
    churn_list labels;
};

static const churn_option options[] = {
    {"again", .type = CHURN_OPTION_ENUM, .default_text = "same", .choices = kinds,
     .offset = offsetof(struct source, again), .help = "What is in it when it is opened again."},
    {"labels", .type = CHURN_OPTION_LIST, .offset = offsetof(struct source, labels),
     .help = "Topics of what is in it."},
};

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    return CHURN_OK;
}

static int32_t start(void *self, const churn_source_listener *listener, churn_error *err)
{
    const churn_position position = {.topic = "box"};
    (void)self;
    (void)err;
    listener->assigned(listener->ctx, &position, 1);
    return CHURN_OK;
}

/* Nothing was in it. */
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

static int32_t seek(void *self, const churn_position *position, churn_error *err)
{
    (void)self;
    (void)position;
    (void)err;
    return CHURN_OK;
}

static void stop(void *self)
{
    (void)self;
}

struct taker {
    churn_topic_fn fn;
    void *ctx;
};

static void hand(void *ctx, const char *name, const char *label)
{
    const struct taker *taker = ctx;
    (void)name;
    taker->fn(taker->ctx, label);
}

static void topics(const churn_section *own, churn_topic_fn fn, void *ctx)
{
    struct taker taker = {.fn = fn, .ctx = ctx};
    own->each(own, "labels", hand, &taker);
}

static int32_t again(const churn_section *own, churn_error *err)
{
    const char *kind = own->get(own, "again");
    if (kind != NULL && strcmp(kind, kinds[AGAIN_OTHERS]) == 0) {
        return churn_fail(err, CHURN_REJECT, "this box is filled anew each time; nail it up");
    }
    return kind != NULL && strcmp(kind, kinds[AGAIN_GONE]) == 0
               ? churn_fail_option(err, "again", "this box is empty once it was read; copy it first")
               : CHURN_OK;
}

static const churn_source_ops ops = {
    .size = sizeof ops,
    .create = create,
    .start = start,
    .poll = poll_records,
    .seek = seek,
    .stop = stop,
    .destroy = stop,
    .topics = topics,
    .again = again,
};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "box", .version = "1.0.0", .summary = "An empty box",
             CHURN_OPTIONS(options, struct source), .ops = &ops);
