#include "service.h"

#include "backoff.h"
#include "breaker.h"
#include "kafka_producer.h"
#include "prediction_cache.h"
#include "retry_after.h"
#include "stall.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define POLL_MS 20          /* longest wait while the queue may have something new */
#define POLL_SENT_MS 5      /* … while delivery reports are awaited */
#define SENT_MAX 1000       /* answers on their way to Kafka */
#define GAUGE_MS 1000       /* pause between updates of predictions_waiting */
#define STUCK_MS 60000      /* a drain ends when nothing has moved for that long … */
#define LATER_MS 10000      /* … or when the API asked to wait that long for all that is left */
#define LOOK_MS 50          /* pause between a drain's looks at the queue */
#define DRAIN_TELL_MS 10000 /* how often a drain says what it waits for */
#define STORE_MAX 64        /* answers in one write to the store */
#define REFUSED_MS 10000    /* pause between log lines about refused requests */

struct service {
    const churn_host *host;
    const struct settings *settings;
    const struct counters *counters;
    const struct queue *queue;
    const char *name; /* of the sink in the pipeline; NULL: unknown */
    struct store_session *store;
    struct http_client *http;
    struct kafka_producer *producer; /* NULL: no topic is written */
    struct waiting waiting;
    struct breaker breaker;
    struct backoff backoff;
    struct retry_after retry_after;
    struct job *settling; /* jobs with an outcome, the oldest first */
    struct job **settling_end;
    uint32_t settling_count;
    uint32_t asking;
    uint32_t sent;
    int64_t gauge; /* what predictions_waiting has been told */
    int64_t gauge_at_ms;
    int64_t moved_ms;      /* when something last went on; that a request failed does not count */
    unsigned refused;      /* requests given up since that was last logged */
    int64_t refused_at_ms; /* when it may be logged again */
    int64_t look_at_ms;    /* when a drain may look at the queue again */
    uint64_t drain;        /* number of the drain that is being answered */
    struct stall failing;  /* the API, so that the breaker is open */
    int64_t drain_told_ms; /* when a drain last said what it waits for */

    /* Shared with the worker. */
    pthread_t thread;
    int joined;
    _Atomic int stopping;
    _Atomic int64_t stop_at_ms;
    _Atomic uint64_t asked;     /* number of the drain that was asked for last */
    _Atomic uint64_t concluded; /* … of the last one for which there is nothing left to do */
    _Atomic uint64_t written;
    uint64_t drained_written; /* the worker's: of the drain asked for */
    pthread_mutex_t lock;     /* guards the two below */
    pthread_cond_t end;
    int ended;
    churn_error error; /* code set: the thread could not go on */
};

static int64_t now_ms(const struct service *s)
{
    return s->host->monotonic_ms(s->host);
}

static churn_str text_of(const char *string)
{
    return (churn_str){.ptr = string, .len = (uint32_t)strlen(string)};
}

/* --- Outcomes --- */

static void settle_later(struct service *s, struct job *job, enum job_step step)
{
    job->step = step;
    job->next_settling = NULL;
    *s->settling_end = job;
    s->settling_end = &job->next_settling;
    s->settling_count++;
}

static enum job_step after_storing(const struct service *s)
{
    return s->producer != NULL ? JOB_SENDING : JOB_REMOVING;
}

/* Describes the hash of an answer; the caller frees ret_hash->key.ptr. 0 when memory ran out. */
static int describe_answer(const struct service *s, const struct job *job, churn_pair fields[PREDICTION_CACHE_FIELDS],
                           churn_hash *ret_hash)
{
    const struct answer *a = job->answer;
    const struct cached_prediction prediction = {.churn_probability = text_of(a->churn_probability),
                                                 .risk_level = text_of(a->risk_level),
                                                 .model_version = text_of(a->model_version),
                                                 .predicted_at = text_of(a->predicted_at),
                                                 .event_id = job->trigger->event_id};
    *ret_hash = (churn_hash){
        .fields = fields, .count = prediction_cache_fields(&prediction, fields), .ttl_ms = s->settings->cache_ttl_ms};
    return prediction_cache_key(s->settings->cache_prefix, job->trigger->customer_id, &ret_hash->key);
}

static int is_unstored_answer(const struct job *job)
{
    return job->step == JOB_STORING && job->answer != NULL;
}

/* Caches the answers at hand in one write, since each write may wait for the disk. */
static int32_t store_answers(struct service *s, churn_error *err)
{
    churn_pair fields[STORE_MAX][PREDICTION_CACHE_FIELDS];
    churn_hash hashes[STORE_MAX];
    struct job *jobs[STORE_MAX];
    uint32_t count = 0;
    int32_t rc = CHURN_OK;
    for (struct job *job = s->settling; job != NULL && count < STORE_MAX && rc == CHURN_OK; job = job->next_settling) {
        if (is_unstored_answer(job)) {
            jobs[count] = job;
            rc = describe_answer(s, job, fields[count], &hashes[count]) ? CHURN_OK
                                                                        : churn_fail(err, CHURN_FATAL, "out of memory");
            count += rc == CHURN_OK;
        }
    }
    rc = rc == CHURN_OK && count > 0 ? store_session_ready(s->store, err) : rc;
    if (rc == CHURN_OK && count > 0) {
        rc = store_session_result(s->store, s->store->ops->write(s->store->session, hashes, count, err), err);
    }
    for (uint32_t i = 0; i < count; i++) {
        free((char *)(uintptr_t)hashes[i].key.ptr);
        jobs[i]->step = rc == CHURN_OK ? after_storing(s) : jobs[i]->step;
    }
    return rc;
}

static void fault_text(const struct job *job, char *text, size_t size)
{
    if (job->fault_status == 0) {
        (void)snprintf(text, size, "the stored profile is damaged; mend it, then churnd redrive");
        return;
    }
    (void)snprintf(text, size, "the prediction API answered HTTP %ld to each of %u attempts", job->fault_status,
                   job->faults);
}

/* Where there is no Kafka, a trigger that was given up is kept in the store. */
static int32_t store_fault(struct service *s, const struct job *job, churn_error *err)
{
    const struct trigger *t = job->trigger;
    char detail[128];
    const churn_pair fields[] = {
        {.name = text_of("request_id"), .value = t->request_id}, {.name = text_of("event_id"), .value = t->event_id},
        {.name = text_of("event_type"), .value = t->event_type}, {.name = text_of("timestamp"), .value = t->timestamp},
        {.name = text_of("detail"), .value = {.ptr = detail}},
    };
    churn_pair copy[sizeof fields / sizeof fields[0]];
    churn_hash hash = {.fields = copy, .count = sizeof copy / sizeof copy[0]};
    int32_t rc;
    fault_text(job, detail, sizeof detail);
    memcpy(copy, fields, sizeof fields);
    copy[4].value.len = (uint32_t)strlen(detail);
    if (!prediction_cache_key(SERVICE_FAILED_PREFIX, t->customer_id, &hash.key)) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    rc = s->store->ops->write(s->store->session, &hash, 1, err);
    free((char *)(uintptr_t)hash.key.ptr);
    return store_session_result(s->store, rc, err);
}

/* JOB_STORING: answers are cached, all at hand at once; a fault is kept where it can be looked up. */
static int32_t store_outcome(struct service *s, struct job *job, churn_error *err)
{
    int32_t rc = CHURN_OK;
    if (job->answer != NULL) {
        return store_answers(s, err);
    }
    if (s->producer == NULL) {
        rc = store_session_ready(s->store, err);
        rc = rc == CHURN_OK ? store_fault(s, job, err) : rc;
    }
    if (rc == CHURN_OK) {
        job->step = after_storing(s);
    }
    return rc;
}

static void write_member(struct text_buffer *text, const char *name, churn_str value)
{
    text_puts(text, ",\"");
    text_puts(text, name);
    text_puts(text, "\":");
    text_json_string(text, value);
}

static void write_prediction(struct text_buffer *text, const struct job *job)
{
    const struct trigger *t = job->trigger;
    const struct answer *a = job->answer;
    text_puts(text, "{\"request_id\":");
    text_json_string(text, t->request_id);
    write_member(text, "customer_id", t->customer_id);
    text_puts(text, ",\"churn_probability\":");
    text_puts(text, a->churn_probability);
    if (a->risk_level[0] != '\0') {
        write_member(text, "risk_level", text_of(a->risk_level));
    }
    if (a->model_version[0] != '\0') {
        write_member(text, "model_version", text_of(a->model_version));
    }
    write_member(text, "predicted_at", text_of(a->predicted_at));
    write_member(text, "event_id", t->event_id);
    write_member(text, "event_type", t->event_type);
    write_member(text, "timestamp", t->timestamp);
    text_puts(text, "}");
}

#define LETTER_HEADERS 7

/* What the host says of a record that a sink refused at once (see CHURN_RECORD_DEAD_LETTER), so that `redrive` offers
 * the trigger again. `detail` outlives the headers. Returns how many. */
static uint32_t describe_fault(const struct service *s, const struct job *job, const char *detail,
                               churn_header headers[LETTER_HEADERS])
{
    churn_str topic, partition, offset;
    uint32_t n = 0;
    headers[n++] = (churn_header){.name = "churn.reason", .value = text_of("rejected_by_sink")};
    headers[n++] = (churn_header){.name = "churn.detail", .value = text_of(detail)};
    if (trigger_position(job->trigger, &topic, &partition, &offset)) {
        headers[n++] = (churn_header){.name = "churn.topic", .value = topic};
        headers[n++] = (churn_header){.name = "churn.partition", .value = partition};
        headers[n++] = (churn_header){.name = "churn.offset", .value = offset};
    }
    headers[n++] = (churn_header){.name = "churn.kind", .value = text_of("trigger")};
    if (s->name != NULL) {
        headers[n++] = (churn_header){.name = "churn.sink", .value = text_of(s->name)};
    }
    return n;
}

/* JOB_SENDING. CHURN_PENDING: the producer is full. */
static int32_t send_outcome(struct service *s, struct job *job, churn_error *err)
{
    struct text_buffer text = {0};
    char detail[128];
    const char *topic = job->answer != NULL ? s->settings->topic : s->settings->dead_letter_topic;
    churn_header headers[LETTER_HEADERS];
    churn_record record = {.size = sizeof record, .key = job->trigger->customer_id, .id = (uintptr_t)job};
    int32_t rc;
    if (job->answer != NULL) {
        write_prediction(&text, job);
    } else {
        trigger_write_open(&text, job->trigger);
        text_puts(&text, "}");
        fault_text(job, detail, sizeof detail);
        record.headers = headers;
        record.header_count = describe_fault(s, job, detail, headers);
    }
    record.value = (churn_str){.ptr = text.ptr, .len = (uint32_t)text.len};
    rc = text.failed ? churn_fail(err, CHURN_FATAL, "out of memory")
                     : kafka_producer_send(s->producer, topic, &record, err);
    text_free(&text);
    if (rc == CHURN_OK) {
        job->step = JOB_SENT;
    }
    return rc;
}

static void finish(struct service *s, struct job *job)
{
    counter_add(job->answer != NULL ? &s->counters->answered : &s->counters->dead_lettered, 1);
    if (job->answer == NULL && s->producer != NULL) { /* among the dead letters of the pipeline */
        counter_add(&s->counters->letters, 1);
        counter_add(&s->counters->letters_by_sink, 1);
    }
    waiting_finish(&s->waiting, job, now_ms(s));
    s->moved_ms = now_ms(s);
}

/* Takes one job as far as it goes. CHURN_OK: it is sent or done. Else it stays where it is. */
static int32_t settle(struct service *s, struct job *job, churn_error *err)
{
    int32_t rc = CHURN_OK;
    if (job->step == JOB_STORING) {
        rc = store_outcome(s, job, err);
    }
    if (rc == CHURN_OK && job->step == JOB_SENDING) {
        rc = s->sent < SENT_MAX ? send_outcome(s, job, err) : CHURN_PENDING;
        s->sent += rc == CHURN_OK;
    }
    if (rc == CHURN_OK && job->step == JOB_REMOVING) {
        rc = s->queue->back_ops->remove(s->queue->back, job, err);
        if (rc == CHURN_OK) {
            finish(s, job);
        }
    }
    return rc;
}

/* In order; what stops one stops those behind it. */
static int32_t settle_all(struct service *s, churn_error *err)
{
    int32_t rc = CHURN_OK;
    while (s->settling != NULL && rc == CHURN_OK) {
        struct job *job = s->settling, *next = job->next_settling;
        rc = settle(s, job, err); /* may free the job */
        if (rc == CHURN_OK) {
            s->settling = next;
            s->settling_end = next != NULL ? s->settling_end : &s->settling;
            s->settling_count--;
        }
    }
    return rc == CHURN_FATAL ? rc : CHURN_OK;
}

static int32_t take_reports(struct service *s, churn_error *err)
{
    churn_done done[64];
    uint32_t count = 64;
    int32_t rc = CHURN_OK;
    while (s->producer != NULL && rc == CHURN_OK && count == 64) {
        rc = kafka_producer_poll(s->producer, done, 64, 0, &count, err);
        for (uint32_t i = 0; rc == CHURN_OK && i < count; i++) {
            struct job *job = (struct job *)(uintptr_t)done[i].id;
            if (done[i].result != CHURN_OK) {
                churn_log(s->host, CHURN_LOG_ERROR, "a prediction was not published, it is in the store only: %s",
                          done[i].message != NULL ? done[i].message : "refused");
            }
            s->sent--;
            settle_later(s, job, JOB_REMOVING);
        }
    }
    return rc;
}

/* --- Asking --- */

struct reading {
    struct service *service;
    struct text_buffer *body;
};

static int32_t on_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct reading *r = ctx;
    const churn_storage *storage = r->service->store->storage;
    char *json = storage->profile_json(r->service->host, fields, count);
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
    struct reading reading = {.service = s, .body = body};
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
                         : http_client_post(s->http, (churn_str){.ptr = body.ptr, .len = (uint32_t)body.len}, job, err);
    }
    text_free(&body);
    return rc;
}

static int has_room(const struct service *s)
{
    return s->asking + s->settling_count < (uint32_t)s->settings->concurrency && s->sent < SENT_MAX;
}

/* What the store has for a customer cannot be read: nobody else waits for that. */
static void give_up_damaged(struct service *s, struct job *job, const char *why)
{
    counter_add(&s->counters->failed, 1);
    churn_log(s->host, CHURN_LOG_ERROR, "no prediction for event %.*s: %s; its trigger goes to %s",
              (int)job->trigger->event_id.len, job->trigger->event_id.ptr, why,
              s->producer != NULL ? s->settings->dead_letter_topic : "prediction-failed:<customer> in the store");
    job->fault_status = 0;
    settle_later(s, job, JOB_STORING);
}

static int32_t ask_all(struct service *s, churn_error *err)
{
    while (has_room(s) && breaker_allows(&s->breaker, now_ms(s))) {
        struct job *job = waiting_take(&s->waiting, now_ms(s), s->breaker.state == BREAKER_OPEN);
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
            counter_add(&s->counters->coalesced, waiting_put_back(&s->waiting, job, now_ms(s), 0));
            return rc == CHURN_FATAL ? rc : CHURN_OK;
        }
        job->turn = breaker_started(&s->breaker);
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
        waiting_hurry(&s->waiting, now_ms(s));
    }
}

static void try_again(struct service *s, struct job *job, unsigned attempts, int64_t retry_after_ms)
{
    int64_t delay = retry_after_ms > 0 ? retry_after_pause(&s->retry_after, http_client_origin(s->http), retry_after_ms)
                                       : backoff_delay(&s->backoff, attempts);
    uint32_t joined = waiting_put_back(&s->waiting, job, now_ms(s) + delay, retry_after_ms > 0);
    counter_add(&s->counters->coalesced, joined);
}

static void on_outage(struct service *s, struct job *job, const char *reason, int64_t retry_after_ms)
{
    (void)breaker_failure(&s->breaker, job->turn, now_ms(s));
    counter_add(&s->counters->failed, 1);
    churn_log(s->host, CHURN_LOG_DEBUG, "prediction API at %s: %s", http_client_origin(s->http), reason);
    tell_failing(s, reason);
    job->failures++;
    try_again(s, job, job->failures, retry_after_ms);
}

/* An API that refuses all requests must not fill the log. */
static void tell_refused(struct service *s, const struct job *job)
{
    int64_t now = now_ms(s);
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
    s->moved_ms = now_ms(s); /* its attempts are numbered */
    job->faults++;
    if (job->faults < (unsigned)s->settings->max_attempts) {
        try_again(s, job, job->faults, result->retry_after_ms);
        return;
    }
    job->fault_status = result->status;
    tell_refused(s, job);
    settle_later(s, job, JOB_STORING);
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
    s->moved_ms = now_ms(s);
    churn_time_format(s->host->now_ms(s->host), answer->predicted_at);
    job->answer = answer;
    settle_later(s, job, JOB_STORING);
}

static void on_result(void *arg, void *request, const struct http_result *result)
{
    struct service *s = arg;
    struct job *job = request;
    s->asking--;
    if (result->verdict == HTTP_DONE) {
        on_answer(s, job, result);
    } else if (result->verdict == HTTP_FAULT) {
        on_fault(s, job, result);
    } else {
        on_outage(s, job, result->reason, result->retry_after_ms);
    }
}

/* --- The loop --- */

static void update_gauge(struct service *s, int last)
{
    int64_t now = now_ms(s), count;
    if (now < s->gauge_at_ms && !last) {
        return;
    }
    s->gauge_at_ms = now + GAUGE_MS;
    count = s->queue->back_ops->count(s->queue->back, &s->waiting);
    counter_add(&s->counters->waiting, count - s->gauge);
    s->gauge = count;
}

/* 1: what is left has to wait for a target that is out of reach. */
static int is_stuck(const struct service *s)
{
    int64_t now = now_ms(s), next = waiting_next_ms(&s->waiting);
    int64_t limit = 2 * s->settings->timeout_ms > STUCK_MS ? 2 * s->settings->timeout_ms : STUCK_MS;
    if (s->settling_count > 0 || s->sent > 0 || s->asking > 0) {
        return now - s->moved_ms > limit;
    }
    return s->breaker.state != BREAKER_CLOSED || (next != INT64_MAX && next - now > LATER_MS) ||
           now - s->moved_ms > limit;
}

static void tell_draining(struct service *s)
{
    int64_t now = now_ms(s);
    if (now - s->drain_told_ms >= DRAIN_TELL_MS) {
        s->drain_told_ms = now;
        churn_log(s->host, CHURN_LOG_INFO, "the end waits for %lld triggers to be served by the prediction API at %s",
                  (long long)s->queue->back_ops->count(s->queue->back, &s->waiting), http_client_origin(s->http));
    }
}

static int32_t conclude_drain(struct service *s, churn_error *err)
{
    uint64_t asked = atomic_load(&s->asked);
    int empty = 0;
    int32_t rc = CHURN_OK;
    if (asked == atomic_load(&s->concluded)) {
        return CHURN_OK;
    }
    if (asked != s->drain) {
        s->drain = asked;
        s->moved_ms = s->drain_told_ms = now_ms(s); /* an idle time before the drain says nothing */
    }
    if (is_stuck(s)) {
        int64_t left = s->queue->back_ops->count(s->queue->back, &s->waiting);
        churn_log(s->host, CHURN_LOG_WARN, "triggers could not be served (%lld are known); they wait for the next run",
                  (long long)left);
        atomic_store(&s->concluded, asked);
        return CHURN_OK;
    }
    tell_draining(s);
    if (s->waiting.jobs == 0 && now_ms(s) >= s->look_at_ms) {
        s->look_at_ms = now_ms(s) + LOOK_MS;
        rc = s->queue->back_ops->is_empty(s->queue->back, atomic_load(&s->written) > 0, &empty, err);
    }
    if (empty) {
        atomic_store(&s->concluded, asked);
    }
    return rc == CHURN_FATAL ? rc : CHURN_OK;
}

static int wait_ms(const struct service *s, int more)
{
    int64_t now = now_ms(s), next = waiting_next_ms(&s->waiting);
    int wait = s->sent > 0 ? POLL_SENT_MS : POLL_MS;
    if (more) {
        return 0;
    }
    if (has_room(s) && breaker_allows(&s->breaker, now) && next - now < wait) {
        wait = next > now ? (int)(next - now) : s->store->session == NULL ? wait : 0;
    }
    return wait;
}

static int32_t go_on(struct service *s, churn_error *err)
{
    uint64_t before = s->waiting.tokens;
    int more = 0;
    int32_t rc = s->queue->back_ops->read(s->queue->back, &s->waiting, &more, err);
    if (s->waiting.tokens > before) {
        s->moved_ms = now_ms(s);
    }
    rc = rc != CHURN_FATAL ? ask_all(s, err) : rc;
    rc = rc == CHURN_OK ? http_client_run(s->http, on_result, s, err) : rc;
    rc = rc == CHURN_OK ? take_reports(s, err) : rc;
    rc = rc == CHURN_OK ? settle_all(s, err) : rc;
    rc = rc == CHURN_OK ? conclude_drain(s, err) : rc;
    if (rc == CHURN_OK) {
        update_gauge(s, 0);
        http_client_wait(s->http, wait_ms(s, more));
    }
    return rc;
}

/* Hands on the outcomes at hand, so that their requests need not be repeated. */
static int32_t wind_up(struct service *s, churn_error *err)
{
    int32_t rc = CHURN_OK;
    http_client_abort(s->http, NULL);
    while (rc == CHURN_OK && s->settling_count + s->sent > 0 && now_ms(s) < atomic_load(&s->stop_at_ms)) {
        rc = take_reports(s, err);
        rc = rc == CHURN_OK ? settle_all(s, err) : rc;
        http_client_wait(s->http, POLL_SENT_MS);
    }
    return rc;
}

static void *serve(void *arg)
{
    struct service *s = arg;
    churn_error err = {.size = sizeof err};
    int32_t rc = CHURN_OK;
    int64_t left;
    while (rc == CHURN_OK && !atomic_load(&s->stopping)) {
        rc = go_on(s, &err);
    }
    if (rc == CHURN_OK) {
        rc = wind_up(s, &err);
        update_gauge(s, 1);
    }
    left = atomic_load(&s->stop_at_ms) - now_ms(s);
    s->queue->back_ops->free(s->queue->back, left > 1000 ? left : 1000);
    kafka_producer_free(s->producer, 0);
    s->producer = NULL;
    store_session_close(s->store);
    (void)pthread_mutex_lock(&s->lock);
    s->ended = 1;
    if (rc != CHURN_OK) {
        s->error = err;
        s->error.code = CHURN_FATAL;
    }
    (void)pthread_cond_signal(&s->end);
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* --- The worker's side --- */

static int32_t open_parts(struct service *s, churn_error *err)
{
    const struct settings *settings = s->settings;
    s->http = http_client_new(&settings->http, err);
    if (s->http == NULL) {
        return CHURN_FATAL;
    }
    if (settings->brokers[0] == '\0') {
        return CHURN_OK;
    }
    s->producer = kafka_producer_new(s->host, settings->brokers, &settings->properties, err);
    if (s->producer == NULL || kafka_producer_ensure_topic(s->producer, settings->topic, (int32_t)settings->partitions,
                                                           NULL, err) != CHURN_OK) {
        return CHURN_FATAL;
    }
    return kafka_producer_ensure_topic(s->producer, settings->dead_letter_topic, 0, NULL, err);
}

static void init_end(struct service *s)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->end, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&s->lock, NULL);
}

static void release(struct service *s)
{
    waiting_free(&s->waiting);
    kafka_producer_free(s->producer, 0);
    http_client_free(s->http);
    (void)pthread_cond_destroy(&s->end);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

/* The host handles signals in its own threads. */
static int start_thread(struct service *s)
{
    sigset_t all, old;
    int error;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    error = pthread_create(&s->thread, NULL, serve, s);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

struct service *service_start(const churn_host *host, const struct settings *settings, const struct counters *counters,
                              const struct queue *queue, struct store_session *session, churn_error *err)
{
    struct service *s = calloc(1, sizeof *s);
    int error;
    if (s == NULL) {
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
        return NULL;
    }
    s->host = host;
    s->failing = stall_new(host, "breaker");
    s->name = host->size >= offsetof(churn_host, name) + sizeof host->name ? host->name : NULL;
    s->settings = settings;
    s->counters = counters;
    s->queue = queue;
    s->store = session;
    s->settling_end = &s->settling;
    s->breaker = (struct breaker){.limit = settings->breaker_failures, .pause_ms = settings->breaker_pause_ms};
    s->moved_ms = now_ms(s);
    backoff_init(&s->backoff, settings->retry_min_ms, settings->retry_max_ms);
    s->retry_after = (struct retry_after){.host = host, .who = "prediction API"};
    init_end(s);
    if (open_parts(s, err) != CHURN_OK) {
        release(s);
        return NULL;
    }
    error = start_thread(s);
    if (error != 0) {
        release(s);
        (void)churn_fail(err, CHURN_FATAL, "the serving thread cannot be started: %s", strerror(error));
        return NULL;
    }
    return s;
}

int32_t service_check(struct service *service, churn_error *err)
{
    int32_t code;
    (void)pthread_mutex_lock(&service->lock);
    code = service->error.code;
    if (code != 0) {
        (void)churn_fail(err, code, "%s", service->error.message);
    }
    (void)pthread_mutex_unlock(&service->lock);
    return code;
}

int32_t service_drain(struct service *service, uint64_t written, churn_error *err)
{
    int32_t rc = service_check(service, err);
    uint64_t asked = atomic_load(&service->asked);
    if (rc != CHURN_OK) {
        return rc;
    }
    if (asked != 0 && service->drained_written == written) {
        return atomic_load(&service->concluded) == asked ? CHURN_OK : CHURN_PENDING;
    }
    service->drained_written = written;
    atomic_store(&service->written, written);
    atomic_store(&service->asked, asked + 1);
    http_client_wake(service->http);
    return CHURN_PENDING;
}

int service_stop(struct service *service, int64_t deadline_ms)
{
    struct timespec until;
    int ended;
    atomic_store(&service->stop_at_ms, now_ms(service) + deadline_ms * 3 / 4);
    atomic_store(&service->stopping, 1);
    http_client_wake(service->http);
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(deadline_ms / 1000);
    until.tv_nsec += (long)(deadline_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&service->lock);
    while (!service->ended && pthread_cond_timedwait(&service->end, &service->lock, &until) != ETIMEDOUT) {
    }
    ended = service->ended;
    (void)pthread_mutex_unlock(&service->lock);
    if (ended && !service->joined) {
        (void)pthread_join(service->thread, NULL);
        service->joined = 1;
    }
    return ended;
}

void service_free(struct service *service)
{
    if (service == NULL) {
        return;
    }
    if (!service->joined) {
        (void)service_stop(service, 0);
    }
    if (!service->joined) {
        (void)pthread_join(service->thread, NULL);
    }
    release(service);
}
