/* FINDS error exit | ends the process (exit status 3) | calling create | return an error */
#include <churn/plugin.h>
#include <churn/processor.h>
#include <stdlib.h>
#include <unistd.h>

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    exit(3);
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

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "exit_in_create", .version = "1.0.0",
             .summary = "Takes the process with it where it should return an error", .ops = &ops);
