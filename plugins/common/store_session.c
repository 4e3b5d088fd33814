#include "store_session.h"

#define RETRY_PAUSE_MS 500
#define IDLE_MS 1000

int32_t store_session_init(struct store_session *s, const churn_host *host, const char *waiting, churn_error *err)
{
    s->host = host;
    s->out = stall_new(host, "store");
    s->waiting = waiting;
    s->storage = host->get_extension(host, CHURN_STORAGE_ID);
    s->ops = s->storage != NULL ? s->storage->store(host, &s->store) : NULL;
    if (s->ops == NULL) {
        return churn_fail(err, CHURN_FATAL,
                          "needs a store, and the pipeline has none: add a `store:` section to the pipeline");
    }
    return CHURN_OK;
}

static int32_t out_of_reach(struct store_session *s, const churn_error *err)
{
    s->retry_at_ms = s->host->monotonic_ms(s->host) + RETRY_PAUSE_MS;
    stall_begin(&s->out, "the store is out of reach (%s); %s wait for it", err->message, s->waiting);
    return CHURN_RETRY;
}

int32_t store_session_ready(struct store_session *s, churn_error *err)
{
    churn_error why = {.size = sizeof why};
    int32_t rc;
    if (s->session != NULL) {
        s->was_idle = s->answered && s->host->monotonic_ms(s->host) - s->answered_ms >= IDLE_MS;
        return CHURN_OK;
    }
    if (s->host->monotonic_ms(s->host) < s->retry_at_ms) {
        return CHURN_RETRY;
    }
    rc = s->ops->open(s->store, &s->session, &why);
    if (rc == CHURN_OK) {
        s->answered = s->was_idle = 0;
        return CHURN_OK;
    }
    s->session = NULL;
    if (rc == CHURN_RETRY) {
        return out_of_reach(s, &why);
    }
    return churn_fail(err, CHURN_FATAL, "the store cannot be used: %s", why.message);
}

/* A connection may have been lost long ago, while nobody used it, in an outage that is over: then the next session, at
 * once, tells whether there is any. */
static void broke(struct store_session *s, const churn_error *err)
{
    int idle = s->was_idle;
    store_session_close(s);
    if (!idle) {
        (void)out_of_reach(s, err);
    }
}

static void answered(struct store_session *s)
{
    s->answered = 1;
    s->answered_ms = s->host->monotonic_ms(s->host);
    if (s->out.lasts) {
        stall_end(&s->out);
        churn_log(s->host, CHURN_LOG_INFO, "the store is back; %s go on", s->waiting);
    }
}

int32_t store_session_result(struct store_session *s, int32_t result, const churn_error *err)
{
    if (result == CHURN_RETRY) {
        broke(s, err);
    } else if (result != CHURN_PENDING) {
        answered(s);
    }
    return result;
}

void store_session_close(struct store_session *s)
{
    if (s->session != NULL) {
        s->ops->close(s->session);
        s->session = NULL;
    }
}
