/* EXPECT 'text' | offset 0 | the instance's 0 | instance_size */
#include <churn/plugin.h>
#include <churn/processor.h>

struct instance {
    const char *text;
};

static const churn_option options[] = {
    {"text", .type = CHURN_OPTION_STRING, .offset = offsetof(struct instance, text), .help = "Any text."},
};

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)err;
    churn_log(host, CHURN_LOG_ERROR, "canary: made in memory that is not its own");
    return CHURN_OK;
}

static int32_t process(void *self, const churn_event *event, churn_error *err)
{
    (void)self;
    (void)event;
    (void)err;
    return CHURN_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static const churn_processor_ops ops = {.size = sizeof ops, .create = create, .process = process, .destroy = destroy};

/* Without CHURN_OPTIONS, and the size forgotten. */
CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "short_instance", .version = "1.0.0",
             .summary = "A processor without room for its options", .options = options, .option_count = 1,
             .option_stride = sizeof(churn_option), .ops = &ops);
