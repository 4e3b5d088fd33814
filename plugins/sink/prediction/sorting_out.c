#include "sorting_out.h"

#include "giving_up.h"
#include "outcome.h"

#define LOOK_MS 50 /* between looks whether what is under way has ended */

static enum left judge(void *ctx, struct job *job)
{
    return giving_up_judge(ctx, job);
}

/* It is removed from the queue, and that is all. */
static void give_up(void *ctx, struct job *job)
{
    job->verdict = FORGOTTEN;
    outcome_let_go(ctx, job);
}

int sorting_out_ready(struct service *s, uint32_t count)
{
    return s->forgotten.calls == NULL || waiting_sort_ready(&s->waiting, count, judge, give_up, s);
}

static int concerns(void *ctx, const struct job *job)
{
    return giving_up_concerns(ctx, job);
}

/* They wait for Kafka, which may take long. */
static void give_up_unpublished(struct service *s)
{
    for (struct job **at = &s->unpublished; *at != NULL;) {
        struct job *job = *at;
        if (!giving_up_concerns(s, job)) {
            at = &job->next_settling;
            continue;
        }
        *at = job->next_settling;
        s->unpublished_count--;
        outcome_settle_later(s, job, JOB_SENDING); /* where it is judged before it is sent */
    }
}

int32_t sorting_out_step(struct service *s, churn_error *err)
{
    int64_t known, now = service_now_ms(s);
    int32_t rc;
    if (!forgotten_news(&s->forgotten, &known) || now < s->sort_out_at_ms) {
        return CHURN_OK;
    }
    s->sort_out_at_ms = now + LOOK_MS;
    if (s->sorted_out != known) {
        waiting_sort_out(&s->waiting, judge, give_up, s);
        s->sorted_out = s->unsure ? -1 : known;
    }
    give_up_unpublished(s);
    if (s->unsure || waiting_is_under_way(&s->waiting, concerns, s)) {
        return CHURN_OK;
    }
    s->sort_out_at_ms = 0;
    rc = forgotten_adopt(&s->forgotten, s->store, known, err);
    return rc == CHURN_FATAL ? rc : CHURN_OK;
}
