#include "asking.h"

#include "outcome.h"
#include <stdlib.h>

#define REFUSED_MS 10000 /* pause between log lines about refused requests */

struct reading {
    struct service *service;
    churn_str customer;
    struct text_buffer *body;
};

static int32_t on_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct reading *r = ctx;
    const churn_storage *storage = r->service->store->storage;
    char *json = storage->customer_json(r->service->host, r->customer, fields, count);
    (void)key;
    if (json == NULL) {
        r->body->failed = 1;
        return CHURN_OK;
    }
    text_puts(r->body, json);
    storage->free_text(json);
    return CHURN_OK;
}

static int32_t write_request(struct service *s, const struct trigger *trigger, struct text_buffer *body,
                             churn_error *err)
{
    struct reading reading = {.service = s, .customer = trigger->customer_id, .body = body};
    char key[512];
    churn_str profile_key = {.ptr = key, .len = s->store->storage->profile_key(s->host, trigger->customer_id, key)};
    int32_t rc = store_session_ready(s->store, err);
    if (rc != CHURN_OK) {
        return rc;
    }
    trigger_write_open(body, trigger);
    text_puts(body, ",\"profile\":");
    rc = s->store->ops->get(s->store->session, profile_key, on_profile, &reading, err);
    text_puts(body, "}");
    return store_session_result(s->store, rc, err);
}

static int32_t ask(struct service *s, struct job *job, churn_error *err)
{
    struct text_buffer body = {0};
    int32_t rc = write_request(s, job->trigger, &body, err);
    if (rc == CHURN_OK) {
        rc = body.failed ? churn_fail(err, CHURN_FATAL, "out of memory")
                         : http_client_post(s->http, text_str(&body), job, err);
    }
    text_free(&body);
    return rc;
}

int asking_has_room(const struct service *s)
{
    return s->asking + s->settling_count < (uint32_t)s->settings->concurrency && s->sent < OUTCOME_SENT_MAX;
}

/* What the store has for a customer cannot be read: nobody else waits for that. */
static void give_up_damaged(struct service *s, struct job *job, const char *why)
{
    counter_add(&s->counters->failed, 1);
    churn_log(s->host, CHURN_LOG_ERROR, "no prediction for event %.*s: %s; its trigger goes to %s",
              (int)job->trigger->event_id.len, job->trigger->event_id.ptr, why,
              s->producer != NULL ? s->settings->dead_letter_topic : "prediction-failed:<customer> in the store");
    job->fault_status = 0;
    outcome_settle_later(s, job, JOB_STORING);
}

int32_t asking_start(struct service *s, churn_error *err)
{
    while (asking_has_room(s) && breaker_allows(&s->breaker, service_now_ms(s))) {
        struct job *job = waiting_take(&s->waiting, service_now_ms(s), s->breaker.state == BREAKER_OPEN);
        int32_t rc;
        if (job == NULL) {
            break;
        }
        rc = ask(s, job, err);
        if (rc == CHURN_REJECT) {
            give_up_damaged(s, job, err->message);
            continue;
        }
        if (rc != CHURN_OK) {
            waiting_put_back(&s->waiting, job, service_now_ms(s), 0);
            return rc == CHURN_FATAL ? rc : CHURN_OK;
        }
        job->turn = breaker_started(&s->breaker);
        job->asked_ms = service_now_ms(s);
        s->asking++;
    }
    return CHURN_OK;
}

/* --- Results --- */

static void tell_failing(struct service *s, const char *reason)
{
    if (s->breaker.state != BREAKER_CLOSED) {
        stall_begin(&s->failing, "prediction API at %s is failing (%s); %lld triggers wait, profiles go on",
                    http_client_origin(s->http), reason,
                    (long long)s->queue->back_ops->count(s->queue->back, &s->waiting));
    }
}

static void api_works(struct service *s)
{
    if (breaker_success(&s->breaker) == BREAKER_CLOSED_AGAIN) {
        stall_end(&s->failing);
        churn_log(s->host, CHURN_LOG_INFO, "prediction API at %s answers again", http_client_origin(s->http));
        waiting_hurry(&s->waiting, service_now_ms(s));
    }
}

static void try_again(struct service *s, struct job *job, unsigned attempts, int64_t retry_after_ms)
{
    int64_t delay = retry_after_ms > 0 ? retry_after_pause(&s->retry_after, http_client_origin(s->http), retry_after_ms)
                                       : backoff_delay(&s->backoff, attempts);
    waiting_put_back(&s->waiting, job, service_now_ms(s) + delay, retry_after_ms > 0);
}

static void on_outage(struct service *s, struct job *job, const char *reason, int64_t retry_after_ms)
{
    (void)breaker_failure(&s->breaker, job->turn, service_now_ms(s));
    counter_add(&s->counters->failed, 1);
    churn_log(s->host, CHURN_LOG_DEBUG, "prediction API at %s: %s", http_client_origin(s->http), reason);
    tell_failing(s, reason);
    job->failures++;
    try_again(s, job, job->failures, retry_after_ms);
}

/* An API that refuses all requests must not fill the log. */
static void tell_refused(struct service *s, const struct job *job)
{
    int64_t now = service_now_ms(s);
    s->refused++;
    if (now < s->refused_at_ms) {
        return;
    }
    churn_log(s->host, CHURN_LOG_ERROR,
              "prediction API refused %u requests, the newest (HTTP %ld) for event %.*s; they go to %s", s->refused,
              job->fault_status, (int)job->trigger->event_id.len, job->trigger->event_id.ptr,
              s->producer != NULL ? s->settings->dead_letter_topic : "prediction-failed:<customer> in the store");
    s->refused = 0;
    s->refused_at_ms = now + REFUSED_MS;
}

static void on_fault(struct service *s, struct job *job, const struct http_result *result)
{
    counter_add(&s->counters->failed, 1);
    api_works(s);
    s->moved_ms = service_now_ms(s); /* its attempts are numbered */
    job->faults++;
    if (job->faults < (unsigned)s->settings->max_attempts) {
        try_again(s, job, job->faults, result->retry_after_ms);
        return;
    }
    job->fault_status = result->status;
    tell_refused(s, job);
    outcome_settle_later(s, job, JOB_STORING);
}

static void on_answer(struct service *s, struct job *job, const struct http_result *result)
{
    const char *reason = "memory ran out";
    struct answer *answer = malloc(sizeof *answer);
    if (answer == NULL || !answer_parse(result->body, answer, &reason)) {
        free(answer);
        on_outage(s, job, reason, 0);
        return;
    }
    api_works(s);
    s->moved_ms = service_now_ms(s);
    churn_time_format(s->host->now_ms(s->host), answer->predicted_at);
    job->answer = answer;
    outcome_settle_later(s, job, JOB_STORING);
}

void asking_on_result(void *arg, void *request, const struct http_result *result)
{
    struct service *s = arg;
    struct job *job = request;
    s->asking--;
    measure_observe(&s->counters->request, service_now_ms(s) - job->asked_ms);
    if (result->verdict == HTTP_DONE) {
        on_answer(s, job, result);
    } else if (result->verdict == HTTP_FAULT) {
        on_fault(s, job, result);
    } else {
        on_outage(s, job, result->reason, result->retry_after_ms);
    }
}
