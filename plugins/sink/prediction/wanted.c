#include "wanted.h"

#include "prediction_cache.h"
#include <churn/ext/when.h>
#include <churn/time.h>
#include <stdlib.h>

/* --- The newest prediction --- */

struct look {
    const struct service *service;
    struct job *const *jobs;
    struct newest *newest;
    uint32_t at; /* of the next answer */
};

static void take_field(struct look *look, const churn_pair *field, int64_t now_ms)
{
    struct newest *newest = &look->newest[look->at];
    int64_t ms;
    if (churn_equal(field->name, churn_text("churn_probability")) && field->value.len < sizeof newest->score) {
        memcpy(newest->score, field->value.ptr, field->value.len);
    } else if (churn_equal(field->name, churn_text("event_id"))) {
        newest->same_event = churn_equal(field->value, look->jobs[look->at]->trigger->event_id);
    } else if (churn_equal(field->name, churn_text("predicted_at")) &&
               churn_time_parse(field->value.ptr, field->value.len, &ms)) {
        newest->age_ms = now_ms > ms ? now_ms - ms : 0;
    }
}

static int32_t on_prediction(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct look *look = ctx;
    const churn_host *host = look->service->host;
    (void)key;
    for (uint32_t i = 0; i < count; i++) {
        take_field(look, &fields[i], host->now_ms(host));
    }
    look->at++;
    return CHURN_OK;
}

static int32_t get(struct look *look, const churn_str *keys, uint32_t count, churn_error *err)
{
    const struct store_session *store = look->service->store;
    int32_t rc = CHURN_OK;
    if (store->ops->size > offsetof(churn_store_ops, get_many) && store->ops->get_many != NULL) {
        return store->ops->get_many(store->session, keys + look->at, count - look->at, on_prediction, look, err);
    }
    while (rc == CHURN_OK && look->at < count) {
        rc = store->ops->get(store->session, keys[look->at], on_prediction, look, err);
    }
    return rc;
}

/* What is no hash under a customer's key is no prediction. */
static int32_t get_all(struct service *s, struct look *look, const churn_str *keys, uint32_t count, churn_error *err)
{
    int32_t rc = CHURN_OK;
    while (rc == CHURN_OK && look->at < count) {
        rc = store_session_ready(s->store, err);
        rc = rc == CHURN_OK ? store_session_result(s->store, get(look, keys, count, err), err) : rc;
        if (rc == CHURN_REJECT) {
            look->at++;
            rc = CHURN_OK;
        }
    }
    return rc;
}

static const churn_when *when_of(const churn_host *host)
{
    return host->get_extension(host, CHURN_WHEN_ID);
}

static int asks_score(const struct service *s)
{
    const churn_when *when = when_of(s->host);
    return s->settings->min_interval_ms > 0 || (when != NULL && (when->asks(s->host) & CHURN_WHEN_SCORE) != 0);
}

int32_t wanted_look_up(struct service *s, struct job *const *jobs, uint32_t count, struct newest *ret, churn_error *err)
{
    struct look look = {.service = s, .jobs = jobs, .newest = ret};
    churn_str *keys;
    uint32_t made = 0;
    int32_t rc = CHURN_OK;
    memset(ret, 0, count * sizeof *ret);
    if (!asks_score(s)) {
        return CHURN_OK;
    }
    keys = calloc(count, sizeof *keys);
    if (keys == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    while (made < count &&
           prediction_cache_key(s->settings->cache_prefix, jobs[made]->trigger->customer_id, &keys[made])) {
        made++;
    }
    rc = made == count ? get_all(s, &look, keys, count, err) : churn_fail(err, CHURN_FATAL, "out of memory");
    while (made > 0) {
        free((char *)(uintptr_t)keys[--made].ptr);
    }
    free(keys);
    return rc;
}

/* --- The verdict --- */

int32_t wanted_judge(const struct service *s, const struct job *job, const struct newest *newest,
                     const churn_pair *fields, uint32_t count, enum verdict *ret)
{
    const churn_when *when = when_of(s->host);
    const struct trigger *t = job->trigger;
    const churn_when_subject subject = {.size = sizeof subject,
                                        .customer_id = t->customer_id,
                                        .event_id = t->event_id,
                                        .event_type = t->event_type,
                                        .timestamp_ms = t->timestamp_ms,
                                        .fields = fields,
                                        .count = count,
                                        .score = churn_text(newest->score),
                                        .score_age_ms = newest->age_ms};
    int32_t holds = when != NULL && when->asks(s->host) != 0 ? when->holds(s->host, &subject) : 1;
    int recent = newest->score[0] != '\0' && !newest->same_event && newest->age_ms < s->settings->min_interval_ms;
    if (holds < 0) {
        return CHURN_FATAL;
    }
    *ret = holds == 0 ? UNWANTED : recent ? RECENT : WANTED;
    return CHURN_OK;
}
