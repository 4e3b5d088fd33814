#include "giving_up.h"

#include <stdlib.h>

int giving_up_concerns(const struct service *s, const struct job *job)
{
    for (const struct trigger *t = job->trigger; t != NULL && s->forgotten.calls != NULL; t = t->next) {
        if (forgotten_covers(&s->forgotten, t) != 0) {
            return 1;
        }
    }
    return 0;
}

enum left giving_up_judge(struct service *s, struct job *job)
{
    const struct trigger *newest = job->trigger;
    int any = 0, all = 1;
    for (struct trigger *t = job->trigger; t != NULL && s->forgotten.calls != NULL; t = t->next) {
        int32_t covered = forgotten_covers(&s->forgotten, t);
        if (covered == CHURN_PENDING) {
            s->unsure = 1;
            return LEFT_UNKNOWN;
        }
        t->forgotten = covered == 1;
        any |= t->forgotten;
        all &= t->forgotten;
    }
    if (!any || all) {
        return any ? LEFT_NOTHING : LEFT_ALL;
    }
    waiting_drop_forgotten(job);
    return job->trigger == newest ? LEFT_ALL : LEFT_OTHER;
}

static void drop_answer(struct job *job)
{
    free(job->answer);
    job->answer = NULL;
}

int32_t giving_up_outcome(struct service *s, struct job *job)
{
    switch (giving_up_judge(s, job)) {
    case LEFT_ALL:
        return CHURN_OK;
    case LEFT_NOTHING:
        drop_answer(job);
        job->verdict = FORGOTTEN;
        job->step = JOB_REMOVING;
        return CHURN_OK;
    case LEFT_OTHER:
        drop_answer(job);
        waiting_put_back(&s->waiting, job, service_now_ms(s), 0);
        return CHURN_END;
    default:
        return CHURN_PENDING;
    }
}
