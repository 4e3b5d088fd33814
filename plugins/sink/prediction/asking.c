#include "asking.h"

#include "form.h"
#include "outcome.h"
#include "reading.h"
#include "sorting_out.h"
#include <stdlib.h>

#define REFUSED_MS 10000 /* pause between log lines about requests that are at fault */

/* --- Requests under way --- */

static struct request *new_request(struct service *s, uint32_t count)
{
    struct request *request = calloc(1, sizeof *request + count * sizeof request->jobs[0]);
    if (request == NULL) {
        return NULL;
    }
    for (; request->count < count; request->count++) {
        request->jobs[request->count] = waiting_take(&s->waiting);
    }
    request->next = s->requests;
    if (s->requests != NULL) {
        s->requests->previous = request;
    }
    s->requests = request;
    s->asking++;
    return request;
}

static void end_request(struct service *s, struct request *request)
{
    if (request->previous != NULL) {
        request->previous->next = request->next;
    } else {
        s->requests = request->next;
    }
    if (request->next != NULL) {
        request->next->previous = request->previous;
    }
    s->asking--;
    free(request);
}

void asking_free(struct service *s)
{
    for (struct request *request = s->requests, *next; request != NULL; request = next) {
        next = request->next;
        free(request);
    }
    s->requests = NULL;
    s->asking = 0;
}

int asking_has_room(const struct service *s)
{
    return s->asking +
                   (s->settling_count + s->caching + s->unpublished_count + s->alerting_count) / reading_batch_max(s) <
               (uint32_t)s->settings->concurrency &&
           s->sent < OUTCOME_SENT_MAX;
}

/* A probe is of one row: of several one may be bad, which says nothing of the API. */
static uint32_t batch_max(const struct service *s)
{
    return s->breaker.state != BREAKER_CLOSED ? 1 : reading_batch_max(s);
}

/* When a request may be made of the first jobs that were read. A job waits from when it first could be asked about: it
 * may be read more than once. */
static int64_t due_ms(const struct service *s, int full)
{
    const struct job *first = s->waiting.ready;
    int alone = full || s->breaker.state != BREAKER_CLOSED; /* a probe waits for nobody */
    int64_t since = first->ready_ms < first->read_ms ? first->ready_ms : first->read_ms;
    return alone ? 0 : since + s->settings->batch_wait_ms;
}

int64_t asking_next_ms(const struct service *s)
{
    int full;
    int64_t next = waiting_next_ms(&s->waiting);
    if (waiting_batch(&s->waiting, batch_max(s), &full) > 0) {
        return due_ms(s, full);
    }
    if (s->reading_count > 0) {
        return INT64_MAX; /* the store says so */
    }
    return next > s->store_again_ms ? next : s->store_again_ms;
}

static int32_t ask(struct service *s, uint32_t count, churn_error *err)
{
    struct text_buffer body = {0};
    struct request *request = new_request(s, count);
    int32_t rc;
    if (request == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    request->asked_ms = service_now_ms(s);
    request->turn = breaker_started(&s->breaker);
    form_body(s, request->jobs, count, &body);
    rc = body.failed ? churn_fail(err, CHURN_FATAL, "out of memory")
                     : http_client_post(s->http, text_str(&body), request, err);
    text_free(&body);
    return rc;
}

int32_t asking_start(struct service *s, churn_error *err)
{
    int32_t rc = CHURN_OK;
    reading_outdate(s);
    while (rc == CHURN_OK && asking_has_room(s) && breaker_allows(&s->breaker, service_now_ms(s))) {
        int full;
        uint32_t count = waiting_batch(&s->waiting, batch_max(s), &full);
        if (count == 0 || service_now_ms(s) < due_ms(s, full)) {
            break;
        }
        if (sorting_out_ready(s, count)) {
            rc = ask(s, count, err);
        } else if (s->unsure) {
            break;
        }
    }
    return rc;
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
    s->answers++;
    if (breaker_success(&s->breaker) == BREAKER_CLOSED_AGAIN) {
        stall_end(&s->failing);
        churn_log(s->host, CHURN_LOG_INFO, "prediction API at %s answers again", http_client_origin(s->http));
        waiting_hurry(&s->waiting, service_now_ms(s));
    }
}

static int64_t pause_of(struct service *s, unsigned attempts, int64_t retry_after_ms)
{
    return retry_after_ms > 0 ? retry_after_pause(&s->retry_after, http_client_origin(s->http), retry_after_ms)
                              : backoff_delay(&s->backoff, attempts);
}

/* A part of a batch that failed says nothing of the API, be it one row; but a probe is answered by whatever comes. */
static void note_failure(struct service *s, const struct request *request)
{
    int is_part = request->jobs[0]->batch_max != 0;
    if (!is_part || s->breaker.state == BREAKER_PROBING) {
        (void)breaker_failure(&s->breaker, request->turn, service_now_ms(s));
    }
    if (s->breaker.state != BREAKER_CLOSED) {
        waiting_outdate(&s->waiting, INT64_MAX); /* who knows for how long */
    }
}

static uint32_t half(const struct request *request)
{
    return (request->count + 1) / 2;
}

/* One row is at fault whatever it is asked with: it says so once, when it failed alone for the last of its attempts. */
static void tell_apart(struct service *s, const struct job *job, const char *reason)
{
    int64_t now = service_now_ms(s);
    if (job->refusals != (unsigned)s->settings->max_attempts || now < s->apart_at_ms) {
        return;
    }
    churn_log(s->host, CHURN_LOG_WARN,
              "prediction API fails for event %.*s alone (%s); it is tried again now and then, others go on",
              (int)job->trigger->event_id.len, job->trigger->event_id.ptr, reason);
    s->apart_at_ms = now + REFUSED_MS;
}

/* The API failed with `job` in hand, which may be the fault of one row: a batch that failed so often is halved, its
 * halves at their first failure, until the culprit stands alone. So does one that was never asked about with others,
 * once these are answered and it is not. 1: it is asked about in less company from now on. */
static int suspect(struct service *s, const struct request *request, struct job *job)
{
    int whole = job->batch_max == 0;
    if (job->refusals++ == 0) {
        job->answers = s->answers;
    }
    if (job->batch_max == 1 || (whole && job->refusals < (unsigned)s->settings->max_attempts) ||
        (whole && request->count == 1 && job->answers == s->answers)) {
        return 0;
    }
    job->batch_max = half(request);
    job->refusals = 0;
    return 1;
}

/* The API did not answer, or said something else than what was asked for. `had`: it had the request, and may mean one
 * row. */
static void on_outage(struct service *s, struct request *request, const char *reason, int had, int64_t retry_after_ms)
{
    unsigned attempts = request->jobs[0]->failures + 1;
    int64_t now = service_now_ms(s), again_ms, apart_ms;
    note_failure(s, request);
    counter_add(&s->counters->failed, (int64_t)request->count);
    churn_log(s->host, CHURN_LOG_DEBUG, "prediction API at %s: %s", http_client_origin(s->http), reason);
    tell_failing(s, reason);
    again_ms = now + pause_of(s, attempts, retry_after_ms);
    apart_ms = retry_after_ms > 0 ? again_ms : now + pause_of(s, 1, 0); /* the search begins anew */
    for (uint32_t i = 0; i < request->count; i++) {
        struct job *job = request->jobs[i];
        int apart = had && suspect(s, request, job);
        job->failures++;
        if (had && job->batch_max == 1) {
            tell_apart(s, job, reason);
        }
        waiting_put_back(&s->waiting, job, apart && request->count > 1 ? apart_ms : again_ms, retry_after_ms > 0);
    }
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

/* The outcome of a job that is known now. Who has its triggers meanwhile asks by itself, and with newer ones. */
static void settle(struct service *s, struct job *job)
{
    if (job_is_forgotten(job)) {
        waiting_finish(&s->waiting, job, service_now_ms(s));
    } else {
        outcome_begin(s, job);
    }
}

static void on_fault_alone(struct service *s, struct job *job, const struct http_result *result)
{
    job->faults++;
    if (job->faults < (unsigned)s->settings->max_attempts) {
        waiting_put_back(&s->waiting, job, service_now_ms(s) + pause_of(s, job->faults, result->retry_after_ms),
                         result->retry_after_ms > 0);
        return;
    }
    job->fault_status = result->status;
    tell_refused(s, job);
    settle(s, job);
}

/* A batch is halved at once, until the culprit stands alone. */
static void on_fault(struct service *s, struct request *request, const struct http_result *result)
{
    counter_add(&s->counters->failed, (int64_t)request->count);
    api_works(s);
    s->moved_ms = service_now_ms(s); /* its attempts are numbered */
    if (request->count == 1) {
        on_fault_alone(s, request->jobs[0], result);
        return;
    }
    for (uint32_t i = 0; i < request->count; i++) {
        request->jobs[i]->batch_max = half(request);
        waiting_put_back(&s->waiting, request->jobs[i], s->moved_ms, 0);
    }
}

/* One row of several has no answer: it is asked about by itself. */
static void set_apart(struct service *s, struct job *job, const char *reason)
{
    counter_add(&s->counters->failed, 1);
    churn_log(s->host, CHURN_LOG_DEBUG, "prediction API at %s, of one row: %s", http_client_origin(s->http), reason);
    job->failures++;
    job->batch_max = 1;
    waiting_put_back(&s->waiting, job, service_now_ms(s) + pause_of(s, job->failures, 0), 0);
}

static void on_answer(struct service *s, struct request *request, const struct http_result *result)
{
    struct answer **answers = calloc(request->count, sizeof *answers);
    const char *reason = "memory ran out";
    if (answers == NULL || !form_answers(s, result->body, request->count, answers, &reason)) {
        on_outage(s, request, reason, answers != NULL, 0);
        free(answers);
        return;
    }
    api_works(s);
    s->moved_ms = service_now_ms(s);
    for (uint32_t i = 0; i < request->count; i++) {
        struct job *job = request->jobs[i];
        if (answers[i] == NULL) {
            set_apart(s, job, reason);
            continue;
        }
        churn_time_format(s->host->now_ms(s->host), answers[i]->predicted_at);
        job->answer = answers[i];
        form_keep_features(s, job);
        settle(s, job);
    }
    free(answers);
}

void asking_on_result(void *arg, void *ended, const struct http_result *result)
{
    struct service *s = arg;
    struct request *request = ended;
    measure_observe(&s->counters->request, service_now_ms(s) - request->asked_ms);
    if (result->verdict == HTTP_DONE) {
        on_answer(s, request, result);
    } else if (result->verdict == HTTP_FAULT) {
        on_fault(s, request, result);
    } else {
        on_outage(s, request, result->reason, result->status >= 500 || (result->status == 0 && result->reached),
                  result->retry_after_ms);
    }
    end_request(s, request);
}
