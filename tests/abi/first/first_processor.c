/* Leaves out events whose id has two digits and ends with the one that its option says. */
#include "poison.h"
#include <churn/processor.h>

struct processor {
    const char *digit;
};

static const churn_option options[] = {
    {"digit", .type = CHURN_OPTION_STRING, .default_text = "7", .offset = offsetof(struct processor, digit),
     .help = "The last digit of what is left out."},
};

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    const struct processor *p = self;
    (void)host;
    return strlen(p->digit) == 1 ? CHURN_OK : churn_fail_option(err, "digit", "must be one digit");
}

static int32_t process(void *self, const churn_event *event, churn_error *err)
{
    const struct processor *p = self;
    (void)err;
    return event->event_id.len == 2 && event->event_id.ptr[1] == p->digit[0] ? CHURN_DROP : CHURN_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static const POISONED(churn_processor_ops) table = {
    .ops = {.size = sizeof table.ops, .create = create, .process = process, .destroy = destroy}, .behind = POISON};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "first_processor", .version = "1.0.0",
             .summary = "A processor of the first minor version", CHURN_OPTIONS(options, struct processor),
             .ops = &table.ops);
