#include "wanted.h"

#include <churn/ext/when.h>
#include <churn/time.h>

/* --- The newest prediction --- */

static const churn_when *when_of(const churn_host *host)
{
    return host->get_extension(host, CHURN_WHEN_ID);
}

int wanted_asks_score(const struct service *s)
{
    const churn_when *when = when_of(s->host);
    return s->settings->min_interval_ms > 0 || (when != NULL && (when->asks(s->host) & CHURN_WHEN_SCORE) != 0);
}

static void take_field(struct newest *newest, const struct job *job, const churn_pair *field, int64_t now_ms)
{
    int64_t ms;
    if (churn_equal(field->name, churn_text("churn_probability")) && field->value.len < sizeof newest->score) {
        memcpy(newest->score, field->value.ptr, field->value.len);
    } else if (churn_equal(field->name, churn_text("event_id"))) {
        newest->same_event = churn_equal(field->value, job->trigger->event_id);
    } else if (churn_equal(field->name, churn_text("predicted_at")) &&
               churn_time_parse(field->value.ptr, field->value.len, &ms)) {
        newest->age_ms = now_ms > ms ? now_ms - ms : 0;
    }
}

void wanted_newest(const struct service *s, const struct job *job, const struct kept_hash *cached, struct newest *ret)
{
    *ret = (struct newest){0};
    for (uint32_t i = 0; i < cached->count; i++) {
        take_field(ret, job, &cached->fields[i], s->host->now_ms(s->host));
    }
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
