/* FINDS error option_table | 'Depth' | lower case */
/* FINDS error option_default | 'depth_limit': its default '1000' is refused: must be between 1 and 64 */
/* FINDS error option_default | 'mode': its default 'fats' is refused: 'fats' is not one of fast, safe */
/* FINDS error option_table | 'window' | min 10 is above its max 1 */
/* FINDS error option_table | 'mode' is there twice */
/* FINDS error option_table | 'window' and 'shared' share bytes */
/* FINDS error option_table | 'input' is churnd's own */
/* FINDS warning option_help | 'shared' */
#include <churn/plugin.h>
#include <churn/sink.h>

struct instance {
    int64_t depth, depth_limit, window;
    int32_t mode, other_mode;
    const char *input;
};

static const char *const modes[] = {"fast", "safe", NULL};

static const churn_option options[] = {
    {"Depth", .type = CHURN_OPTION_INT, .offset = offsetof(struct instance, depth), .help = "How deep."},
    {"depth_limit", .type = CHURN_OPTION_INT, .default_text = "1000", .min = 1, .max = 64,
     .offset = offsetof(struct instance, depth_limit), .help = "How deep at most."},
    {"window", .type = CHURN_OPTION_DURATION, .min = 10, .max = 1, .offset = offsetof(struct instance, window),
     .help = "How long."},
    {"mode", .type = CHURN_OPTION_ENUM, .default_text = "fats", .choices = modes,
     .offset = offsetof(struct instance, mode), .help = "How."},
    {"mode", .type = CHURN_OPTION_ENUM, .choices = modes, .offset = offsetof(struct instance, other_mode),
     .help = "How, again."},
    {"shared", .type = CHURN_OPTION_BOOL, .offset = offsetof(struct instance, window) + 4},
    {"input", .type = CHURN_OPTION_STRING, .offset = offsetof(struct instance, input), .help = "What comes in."},
};

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    return CHURN_OK;
}

static int32_t start(void *self, churn_error *err)
{
    (void)self;
    (void)err;
    return CHURN_OK;
}

static int32_t write_records(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                             churn_error *err)
{
    (void)self;
    (void)records;
    (void)count;
    (void)err;
    *ret_taken = 0;
    return CHURN_OK;
}

static int32_t poll_done(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                         churn_error *err)
{
    (void)self;
    (void)done;
    (void)max;
    (void)timeout_ms;
    (void)err;
    *ret_count = 0;
    return CHURN_OK;
}

static void stop(void *self, int64_t deadline_ms)
{
    (void)self;
    (void)deadline_ms;
}

static void destroy(void *self)
{
    (void)self;
}

static const churn_sink_ops ops = {.size = sizeof ops,
                                   .accepts = CHURN_RECORD_EVENT,
                                   .create = create,
                                   .start = start,
                                   .write = write_records,
                                   .poll = poll_done,
                                   .stop = stop,
                                   .destroy = destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "bad_options", .version = "1.0.0",
             .summary = "A sink with mistakes in its option table", CHURN_OPTIONS(options, struct instance),
             .ops = &ops);
