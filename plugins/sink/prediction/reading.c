#include "reading.h"

#include "form.h"
#include "giving_up.h"
#include "outcome.h"
#include "wanted.h"

#define READ_MANY 32 /* profiles in one exchange with the store */
#define KEEP_MS 1000 /* how long a profile may wait for its request */
#define KEY_SIZE 512

struct reading {
    struct service *service;
    struct job *jobs[READ_MANY];
    struct newest newest[READ_MANY]; /* prediction of each one's customer */
    uint32_t count;
    uint32_t at; /* of the next answer */
    int failed;  /* memory ran out */
};

uint32_t reading_batch_max(const struct service *s)
{
    return s->settings->batch_max > 1 ? (uint32_t)s->settings->batch_max : 1;
}

void reading_outdate(struct service *s)
{
    waiting_outdate(&s->waiting, service_now_ms(s) - KEEP_MS);
}

static void let_go(struct service *s, struct job *job, enum verdict verdict)
{
    if (waiting_skip(&s->waiting, job, service_now_ms(s))) {
        job->verdict = verdict;
        outcome_let_go(s, job);
    }
}

static int32_t on_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct reading *r = ctx;
    struct service *s = r->service;
    const struct newest *newest = &r->newest[r->at];
    struct job *job = r->jobs[r->at++];
    struct text_buffer row = {0};
    enum verdict verdict = FORGOTTEN;
    enum left left = giving_up_judge(s, job);
    (void)key;
    if (left == LEFT_UNKNOWN) {
        waiting_unread(&s->waiting, job, service_now_ms(s));
        return CHURN_OK;
    }
    if (left != LEFT_NOTHING && wanted_judge(s, job, newest, fields, count, &verdict) != CHURN_OK) {
        r->failed = 1;
        return CHURN_OK;
    }
    if (verdict != WANTED && !job->outdated) { /* of one that is outdated the newer trigger is judged */
        let_go(s, job, verdict);
        return CHURN_OK;
    }
    form_row(s, job->trigger, fields, count, &row);
    if (row.failed) {
        text_free(&row);
        r->failed = 1;
        return CHURN_OK;
    }
    crossing_note(&s->crossings, &job->crossing, fields, count);
    waiting_hold(&s->waiting, job, row.ptr, row.len, service_now_ms(s));
    return CHURN_OK;
}

/* What the store has for a customer cannot be read: nobody else waits for that. */
static void give_up_damaged(struct service *s, struct job *job, const char *why)
{
    if (!waiting_skip(&s->waiting, job, service_now_ms(s))) {
        return;
    }
    counter_add(&s->counters->failed, 1);
    churn_log(s->host, CHURN_LOG_ERROR, "no prediction for event %.*s: %s; its trigger goes to %s",
              (int)job->trigger->event_id.len, job->trigger->event_id.ptr, why,
              s->producer != NULL ? s->settings->dead_letter_topic : "prediction-failed:<customer> in the store");
    job->fault_status = 0;
    outcome_begin(s, job);
}

static int32_t get_many(struct reading *r, const churn_str *keys, churn_error *err)
{
    const struct store_session *store = r->service->store;
    uint32_t left = r->count - r->at;
    int32_t rc = CHURN_OK;
    if (store->ops->size > offsetof(churn_store_ops, get_many) && store->ops->get_many != NULL) {
        return store->ops->get_many(store->session, keys + r->at, left, on_profile, r, err);
    }
    while (rc == CHURN_OK && r->at < r->count) {
        rc = store->ops->get(store->session, keys[r->at], on_profile, r, err);
    }
    return rc;
}

/* CHURN_OK: each job was read, or given up. Else those that were not wait again. */
static int32_t read_jobs(struct reading *r, churn_error *err)
{
    struct service *s = r->service;
    char room[READ_MANY][KEY_SIZE];
    churn_str keys[READ_MANY];
    int32_t rc = CHURN_OK;
    for (uint32_t i = 0; i < r->count; i++) {
        uint32_t len = s->store->storage->profile_key(s->host, r->jobs[i]->trigger->customer_id, room[i]);
        keys[i] = (churn_str){.ptr = room[i], .len = len};
    }
    rc = wanted_look_up(s, r->jobs, r->count, r->newest, err);
    while (rc == CHURN_OK && r->at < r->count && !r->failed) {
        rc = store_session_ready(s->store, err);
        rc = rc == CHURN_OK ? store_session_result(s->store, get_many(r, keys, err), err) : rc;
        if (rc == CHURN_REJECT) {
            give_up_damaged(s, r->jobs[r->at++], err->message);
            rc = CHURN_OK;
        }
    }
    while (r->at < r->count) {
        waiting_unread(&s->waiting, r->jobs[r->at++], service_now_ms(s));
    }
    return r->failed ? churn_fail(err, CHURN_FATAL, "out of memory") : rc;
}

/* How many profiles are to be read now: a probe's one, or some at a time. */
static uint32_t wanted(const struct service *s)
{
    uint32_t batch = reading_batch_max(s), low = batch > READ_MANY / 2 ? batch : READ_MANY / 2;
    if (s->breaker.state != BREAKER_CLOSED) {
        return s->waiting.ready_count == 0;
    }
    return s->waiting.ready_count < low ? low + READ_MANY - s->waiting.ready_count : 0;
}

int32_t reading_step(struct service *s, churn_error *err)
{
    int64_t now = service_now_ms(s);
    uint32_t left = breaker_allows(&s->breaker, now) ? wanted(s) : 0;
    int32_t rc = CHURN_OK;
    while (rc == CHURN_OK && left > 0) {
        struct reading r = {.service = s};
        struct job *job;
        while (r.count < READ_MANY && r.count < left &&
               (job = waiting_read(&s->waiting, now, s->breaker.state == BREAKER_OPEN)) != NULL) {
            r.jobs[r.count++] = job;
        }
        left = r.count == READ_MANY ? left - READ_MANY : 0;
        rc = r.count > 0 ? read_jobs(&r, err) : CHURN_OK;
    }
    return rc == CHURN_FATAL ? rc : CHURN_OK;
}
