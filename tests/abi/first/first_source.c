/* Makes events of first_event for two customers in turn: event i has i things, and every fifth one is urgent. */
#include "poison.h"
#include <churn/source.h>

#define BATCH 8

struct source {
    int64_t events;
    int64_t next;
    const churn_source_listener *listener;
    char texts[BATCH][256];
};

static const churn_option options[] = {
    {"events", .type = CHURN_OPTION_INT, .default_text = "20", .min = 1, .max = 90,
     .offset = offsetof(struct source, events), .help = "How many events."},
};

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)err;
    churn_log(host, CHURN_LOG_DEBUG, "worker %u of %u", host->worker, host->worker_count);
    return CHURN_OK;
}

static int32_t start(void *self, const churn_source_listener *listener, churn_error *err)
{
    struct source *s = self;
    (void)err;
    s->listener = listener;
    return CHURN_OK;
}

static void make(struct source *s, churn_record *record, char *text)
{
    int64_t i = s->next++;
    int len = snprintf(text, sizeof s->texts[0],
                       "{\"event_id\":\"%d\",\"event_type\":\"first_event\",\"customer_id\":\"c%d\",\"timestamp\":"
                       "\"2026-01-01T00:00:%02dZ\",\"data\":{\"amount\":1.25,\"items\":%d,\"priority\":\"%s\"}}",
                       (int)i, (int)(i % 2), (int)(i % 60), (int)i, i % 5 == 0 ? "high" : "low");
    *record = (churn_record){.size = sizeof *record,
                             .kind = CHURN_RECORD_EVENT,
                             .value = {.ptr = text, .len = (uint32_t)len},
                             .topic = "first",
                             .offset = i};
}

static int32_t poll_records(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                            churn_error *err)
{
    struct source *s = self;
    uint32_t count = 0;
    (void)timeout_ms;
    (void)err;
    if (s->next == 0 && s->listener != NULL) {
        const churn_position position = {.topic = "first"};
        s->listener->assigned(s->listener->ctx, &position, 1);
        s->listener = NULL;
    }
    while (count < max && count < BATCH && s->next < s->events) {
        make(s, &records[count], s->texts[count]);
        count++;
    }
    *ret_count = count;
    return s->next == s->events && max > 0 ? CHURN_END : count > 0 ? CHURN_OK : CHURN_PENDING;
}

static void stop(void *self)
{
    (void)self;
}

static const POISONED(churn_source_ops) table = {.ops = {.size = sizeof table.ops,
                                                         .single_worker = 1,
                                                         .create = create,
                                                         .start = start,
                                                         .poll = poll_records,
                                                         .stop = stop,
                                                         .destroy = stop},
                                                 .behind = POISON};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "first_source", .version = "1.0.0",
             .summary = "A source of the first minor version", CHURN_OPTIONS(options, struct source),
             .ops = &table.ops);
