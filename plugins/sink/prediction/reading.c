#include "reading.h"

#include "form.h"
#include "giving_up.h"
#include "outcome.h"
#include "prediction_cache.h"
#include "wanted.h"
#include <stdlib.h>

#define READ_MANY 32 /* profiles in one exchange with the store */
#define KEEP_MS 1000 /* how long a profile may wait for its request */
#define KEY_SIZE 512

/* Profiles of some jobs on their way from the store, and where they are asked for the newest predictions. */
struct reading {
    struct store_call call;
    uint32_t count;
    struct job *jobs[READ_MANY]; /* the serving thread's */
    int asks_scores;
    char room[READ_MANY][KEY_SIZE];
    churn_str keys[READ_MANY], score_keys[READ_MANY]; /* the latter owned */
    struct kept_hash profiles[READ_MANY], scores[READ_MANY];
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

static int32_t on_profile(struct service *s, struct job *job, const struct kept_hash *profile,
                          const struct kept_hash *score, churn_error *err)
{
    struct newest newest;
    struct text_buffer row = {0};
    enum verdict verdict = FORGOTTEN;
    enum left left = giving_up_judge(s, job);
    if (left == LEFT_UNKNOWN) {
        waiting_unread(&s->waiting, job, service_now_ms(s));
        return CHURN_OK;
    }
    wanted_newest(s, job, score, &newest);
    if (left != LEFT_NOTHING && wanted_judge(s, job, &newest, profile->fields, profile->count, &verdict) != CHURN_OK) {
        waiting_unread(&s->waiting, job, service_now_ms(s));
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    if (verdict != WANTED && !job->outdated) { /* of one that is outdated the newer trigger is judged */
        let_go(s, job, verdict);
        return CHURN_OK;
    }
    form_row(s, job->trigger, profile->fields, profile->count, &row);
    if (row.failed) {
        text_free(&row);
        waiting_unread(&s->waiting, job, service_now_ms(s));
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    crossing_note(&s->crossings, &job->crossing, profile->fields, profile->count);
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

/* --- The store's side --- */

static int32_t read_all(struct store_call *call, struct store_session *session, churn_error *err)
{
    struct reading *r = (struct reading *)call;
    int32_t rc = CHURN_OK;
    if (r->asks_scores) {
        rc = kept_hashes_read(session, r->score_keys, r->count, r->scores, err);
    }
    return rc == CHURN_OK ? kept_hashes_read(session, r->keys, r->count, r->profiles, err) : rc;
}

static void free_reading(struct store_call *call)
{
    struct reading *r = (struct reading *)call;
    kept_hashes_free(r->profiles, r->count);
    kept_hashes_free(r->scores, r->count);
    for (uint32_t i = 0; i < r->count; i++) {
        free((char *)(uintptr_t)r->score_keys[i].ptr);
    }
    free(r);
}

/* --- The serving thread's side --- */

static int32_t take_one(struct service *s, const struct reading *r, uint32_t i, churn_error *err)
{
    if (r->profiles[i].damage != NULL) {
        give_up_damaged(s, r->jobs[i], r->profiles[i].damage);
        return CHURN_OK;
    }
    return on_profile(s, r->jobs[i], &r->profiles[i], &r->scores[i], err);
}

static int32_t take_all(struct store_call *call, void *ctx, churn_error *err)
{
    struct service *s = ctx;
    struct reading *r = (struct reading *)call;
    int32_t rc = service_note_store(s, call, err);
    s->reading_count -= r->count;
    for (uint32_t i = 0; i < r->count; i++) {
        if (rc == CHURN_OK) {
            rc = take_one(s, r, i, err);
        } else {
            waiting_unread(&s->waiting, r->jobs[i], service_now_ms(s));
        }
    }
    free_reading(call);
    return rc == CHURN_FATAL ? rc : CHURN_OK;
}

/* Adds what is to be read of the next job. 0: memory ran out. */
static int add(struct service *s, struct reading *r, struct job *job)
{
    churn_str customer = job->trigger->customer_id;
    uint32_t i = r->count++;
    r->jobs[i] = job;
    r->keys[i] = (churn_str){.ptr = r->room[i], .len = s->store->storage->profile_key(s->host, customer, r->room[i])};
    s->reading_count++;
    return !r->asks_scores || prediction_cache_key(s->settings->cache_prefix, customer, &r->score_keys[i]);
}

static struct reading *new_reading(struct service *s)
{
    struct reading *r = calloc(1, sizeof *r);
    if (r != NULL) {
        r->call = (struct store_call){.make = read_all, .take = take_all, .free = free_reading};
        r->asks_scores = wanted_asks_score(s);
    }
    return r;
}

/* Has up to `most` of the jobs that are due read; *ret_count: of how many. CHURN_OK or CHURN_FATAL. */
static int32_t read_some(struct service *s, uint32_t most, uint32_t *ret_count, churn_error *err)
{
    int64_t now = service_now_ms(s);
    struct job *job = waiting_read(&s->waiting, now, s->breaker.state == BREAKER_OPEN);
    struct reading *r = job != NULL ? new_reading(s) : NULL;
    int good = r != NULL;
    *ret_count = 0;
    if (job == NULL) {
        return CHURN_OK;
    }
    while (good && job != NULL) {
        good = add(s, r, job);
        job = r->count < most && r->count < READ_MANY ? waiting_read(&s->waiting, now, s->breaker.state == BREAKER_OPEN)
                                                      : NULL;
    }
    if (!good) {
        if (r != NULL) {
            free_reading(&r->call);
        }
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    *ret_count = r->count;
    store_calls_give(s->calls, &r->call);
    return CHURN_OK;
}

/* How many profiles are to be read now: a probe's one, or some at a time. */
static uint32_t wanted(const struct service *s)
{
    uint32_t batch = reading_batch_max(s), low = batch > READ_MANY / 2 ? batch : READ_MANY / 2;
    uint32_t known = s->waiting.ready_count + s->reading_count;
    if (s->breaker.state != BREAKER_CLOSED) {
        return known == 0;
    }
    return known < low ? low + READ_MANY - known : 0;
}

int32_t reading_step(struct service *s, churn_error *err)
{
    int64_t now = service_now_ms(s);
    uint32_t left = breaker_allows(&s->breaker, now) && now >= s->store_again_ms ? wanted(s) : 0;
    int32_t rc = CHURN_OK;
    while (rc == CHURN_OK && left > 0) {
        uint32_t count;
        rc = read_some(s, left, &count, err);
        left = count == READ_MANY ? left - READ_MANY : 0;
    }
    return rc == CHURN_OK ? store_calls_take(s->calls, s, err) : rc;
}
