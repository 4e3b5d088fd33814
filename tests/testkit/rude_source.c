/* A source of endless records that breaks the rule that its option names. */
#include <churn/source.h>

static const char *const rules[] = {"none",     "unannounced", "backwards", "nothing",
                                    "no_topic", "too_many",    "revoked",   NULL};
enum { NONE, UNANNOUNCED, BACKWARDS, NOTHING, NO_TOPIC, TOO_MANY, REVOKED };

struct rude {
    int32_t rule;
    churn_source_listener listener;
    int64_t next;
    int32_t announced;
};

static const churn_option options[] = {
    {"breaks", .type = CHURN_OPTION_ENUM, .default_text = "none", .choices = rules,
     .offset = offsetof(struct rude, rule), .help = "Which rule."},
};

static int32_t rude_create(void *self, const churn_host *host, churn_error *err)
{
    (void)self;
    (void)host;
    (void)err;
    return CHURN_OK;
}

static int32_t rude_start(void *self, const churn_source_listener *listener, churn_error *err)
{
    struct rude *rude = self;
    (void)err;
    rude->listener = *listener;
    rude->next = 5;
    return CHURN_OK;
}

static int32_t rude_poll(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                         churn_error *err)
{
    struct rude *rude = self;
    churn_position position = {.topic = "rude", .offset = 5};
    (void)timeout_ms;
    (void)err;
    if (!rude->announced && rude->rule != UNANNOUNCED) {
        rude->announced = 1;
        rude->listener.assigned(rude->listener.ctx, &position, 1);
    }
    for (uint32_t i = 0; i < max && rude->rule != NOTHING; i++) {
        records[i] = (churn_record){.size = sizeof records[i],
                                    .value = {.ptr = "{}", .len = 2},
                                    .topic = rude->rule == NO_TOPIC ? NULL : "rude",
                                    .offset = rude->rule == BACKWARDS ? rude->next-- : rude->next++};
        *ret_count = i + 1;
    }
    if (rude->rule == REVOKED && *ret_count > 0) {
        rude->listener.revoked(rude->listener.ctx, &position, 1, 0);
    }
    if (rude->rule == TOO_MANY && max > 0) {
        *ret_count = max + 1;
    }
    return CHURN_OK;
}

static void rude_end(void *self)
{
    (void)self;
}

static const churn_source_ops ops = {.size = sizeof(churn_source_ops),
                                     .create = rude_create,
                                     .start = rude_start,
                                     .poll = rude_poll,
                                     .stop = rude_end,
                                     .destroy = rude_end};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "rude_source", .version = "1", .summary = "",
             CHURN_OPTIONS(options, struct rude), .ops = &ops);
