#include "outcome.h"

#include "giving_up.h"
#include "prediction_cache.h"
#include "prediction_record.h"
#include <churn/ext/tap.h>
#include <churn/time.h>
#include <stdlib.h>

#define STORE_MAX 64 /* answers in one write to the store */

void outcome_settle_later(struct service *s, struct job *job, enum job_step step)
{
    job->step = step;
    job->next_settling = NULL;
    *s->settling_end = job;
    s->settling_end = &job->next_settling;
    s->settling_count++;
}

/* What follows once the outcome is published, or where none is. */
static enum job_step step_after_sending(const struct service *s, const struct job *job)
{
    if (job->answer == NULL) {
        return s->producer != NULL ? JOB_REMOVING : JOB_STORING;
    }
    if (s->settings->shadow) {
        return JOB_REMOVING;
    }
    return crossing_changes(&s->crossings, &job->crossing, churn_text(job->answer->churn_probability)) ? JOB_CROSSING
                                                                                                       : JOB_STORING;
}

void outcome_begin(struct service *s, struct job *job)
{
    outcome_settle_later(s, job, s->producer != NULL ? JOB_SENDING : step_after_sending(s, job));
}

void outcome_let_go(struct service *s, struct job *job)
{
    outcome_settle_later(s, job, JOB_REMOVING);
}

/* The answer as it is cached and published, valid as long as the job. */
static struct cached_prediction prediction_of(const struct service *s, const struct job *job)
{
    const struct answer *a = job->answer;
    return (struct cached_prediction){
        .churn_probability = churn_text(a->churn_probability),
        .risk_level = churn_text(a->risk_level),
        .model_version = churn_text(a->model_version),
        .predicted_at = churn_text(a->predicted_at),
        .event_id = job->trigger->event_id,
        .model = churn_text(s->settings->model.name),
        .features = {.ptr = job->row, .len = job->row != NULL ? (uint32_t)job->row_len : 0}};
}

/* Describes the hash of an answer; the caller frees ret_hash->key.ptr. 0 when memory ran out. */
static int describe_answer(const struct service *s, const struct job *job, churn_pair fields[PREDICTION_CACHE_FIELDS],
                           churn_hash *ret_hash)
{
    struct cached_prediction prediction = prediction_of(s, job);
    if (!s->settings->cache_features) {
        prediction.features.len = 0;
    }
    *ret_hash = (churn_hash){
        .fields = fields, .count = prediction_cache_fields(&prediction, fields), .ttl_ms = s->settings->cache_ttl_ms};
    return prediction_cache_key(s->settings->cache_prefix, job->trigger->customer_id, &ret_hash->key);
}

/* --- The cache --- */

/* Answers that are cached in one write, since each may wait for the disk. What they point to stays as long as they are
 * under way. */
struct storing {
    struct store_call call;
    uint32_t count;
    struct job *jobs[STORE_MAX];
    churn_pair fields[STORE_MAX][PREDICTION_CACHE_FIELDS];
    churn_hash hashes[STORE_MAX];
};

static int32_t write_all(struct store_call *call, struct store_session *session, churn_error *err)
{
    const struct storing *w = (const struct storing *)call;
    return store_session_result(session, session->ops->write(session->session, w->hashes, w->count, err), err);
}

static void free_storing(struct store_call *call)
{
    struct storing *w = (struct storing *)call;
    for (uint32_t i = 0; i < w->count; i++) {
        free((char *)(uintptr_t)w->hashes[i].key.ptr);
    }
    free(w);
}

/* After an error any of them may be stored, so each is noted. */
static int32_t take_all(struct store_call *call, void *ctx, churn_error *err)
{
    struct service *s = ctx;
    struct storing *w = (struct storing *)call;
    int32_t rc = service_note_store(s, call, err), noted = CHURN_OK;
    s->cache_busy = 0;
    s->caching -= w->count;
    for (uint32_t i = 0; i < w->count; i++) {
        noted = noted == CHURN_OK ? forgotten_note(&s->forgotten, w->jobs[i]->trigger, w->hashes[i].key, err) : noted;
        outcome_settle_later(s, w->jobs[i], rc == CHURN_OK ? JOB_REMOVING : JOB_STORING);
    }
    free_storing(call);
    return rc == CHURN_FATAL ? rc : noted;
}

/* Puts an answer to those that are cached next. CHURN_PENDING: not yet. */
static int32_t collect(struct service *s, struct job *job, churn_error *err)
{
    if (s->cache_busy || service_now_ms(s) < s->store_again_ms) {
        return CHURN_PENDING;
    }
    if (s->storing == NULL && (s->storing = calloc(1, sizeof *s->storing)) == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    if (s->storing->count == STORE_MAX) {
        return CHURN_PENDING;
    }
    if (!describe_answer(s, job, s->storing->fields[s->storing->count], &s->storing->hashes[s->storing->count])) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    s->storing->jobs[s->storing->count++] = job;
    s->caching++;
    job->step = JOB_CACHING;
    return CHURN_OK;
}

/* Has them cached. 0: there are none. */
static int give_collected(struct service *s)
{
    struct storing *w = s->storing;
    if (w == NULL) {
        return 0;
    }
    s->storing = NULL;
    s->cache_busy = 1;
    w->call = (struct store_call){.make = write_all, .take = take_all, .free = free_storing};
    store_calls_give(s->calls, &w->call);
    return 1;
}

void outcome_free(struct service *s)
{
    if (s->storing != NULL) {
        free_storing(&s->storing->call);
        s->storing = NULL;
    }
}

/* --- Those that were given up --- */

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
        {.name = churn_text("request_id"), .value = t->request_id},
        {.name = churn_text("event_id"), .value = t->event_id},
        {.name = churn_text("event_type"), .value = t->event_type},
        {.name = churn_text("timestamp"), .value = t->timestamp},
        {.name = churn_text("detail"), .value = {.ptr = detail}},
    };
    churn_pair copy[sizeof fields / sizeof fields[0]];
    churn_hash hash = {.fields = copy, .count = sizeof copy / sizeof copy[0]};
    int32_t rc;
    fault_text(job, detail, sizeof detail);
    memcpy(copy, fields, sizeof fields);
    copy[4].value.len = (uint32_t)strlen(detail);
    if (!prediction_cache_key(OUTCOME_FAILED_PREFIX, t->customer_id, &hash.key)) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    rc = s->store->ops->write(s->store->session, &hash, 1, err);
    free((char *)(uintptr_t)hash.key.ptr);
    return store_session_result(s->store, rc, err);
}

/* JOB_STORING, without an answer and without a topic for it: kept where it can be looked up. */
static int32_t keep_fault(struct service *s, struct job *job, churn_error *err)
{
    int32_t rc = store_session_ready(s->store, err);
    rc = rc == CHURN_OK ? store_fault(s, job, err) : rc;
    if (rc == CHURN_OK) {
        job->step = JOB_REMOVING;
    }
    return rc;
}

#define LETTER_HEADERS 8

/* What the host says of a record that a sink refused at once (see CHURN_RECORD_DEAD_LETTER), so that `redrive` offers
 * the trigger again. `detail` outlives the headers, as does `time`. Returns how many. */
static uint32_t describe_fault(const struct service *s, const struct job *job, const char *detail,
                               char time[CHURN_TIME_SIZE], churn_header headers[LETTER_HEADERS])
{
    churn_str topic, partition, offset;
    uint32_t n = 0;
    headers[n++] = (churn_header){.name = "churn.reason", .value = churn_text("rejected_by_sink")};
    headers[n++] = (churn_header){.name = "churn.detail", .value = churn_text(detail)};
    churn_time_format(s->host->now_ms(s->host), time);
    headers[n++] = (churn_header){.name = "churn.written_at", .value = churn_text(time)};
    if (trigger_position(job->trigger, &topic, &partition, &offset)) {
        headers[n++] = (churn_header){.name = "churn.topic", .value = topic};
        headers[n++] = (churn_header){.name = "churn.partition", .value = partition};
        headers[n++] = (churn_header){.name = "churn.offset", .value = offset};
    }
    headers[n++] = (churn_header){.name = "churn.kind", .value = churn_text("trigger")};
    if (s->name != NULL) {
        headers[n++] = (churn_header){.name = "churn.sink", .value = churn_text(s->name)};
    }
    return n;
}

/* To whoever looks at the run; an answer is shown once it is safe. */
static void show_letter(const struct service *s, const struct job *job, const churn_record *record)
{
    const churn_tap *tap = s->host->get_extension(s->host, CHURN_TAP_ID);
    if (job->answer == NULL && tap != NULL) {
        tap->offer(s->host, CHURN_TAP_DEAD_LETTERS, record);
    }
}

/* JOB_SENDING. CHURN_PENDING: the producer is full. */
static int32_t send_outcome(struct service *s, struct job *job, churn_error *err)
{
    struct text_buffer text = {0};
    char detail[128], time[CHURN_TIME_SIZE];
    const char *topic = job->answer != NULL ? s->settings->topic : s->settings->dead_letter_topic;
    churn_header headers[LETTER_HEADERS];
    churn_record record = {.size = sizeof record, .key = job->trigger->customer_id, .id = (uintptr_t)job};
    int32_t rc;
    if (job->answer != NULL) {
        const struct cached_prediction prediction = prediction_of(s, job);
        prediction_record_append(&text, job->trigger, &prediction);
    } else {
        trigger_write_open(&text, job->trigger);
        text_puts(&text, "}");
        fault_text(job, detail, sizeof detail);
        record.headers = headers;
        record.header_count = describe_fault(s, job, detail, time, headers);
    }
    record.value = text_str(&text);
    rc = text.failed ? churn_fail(err, CHURN_FATAL, "out of memory")
                     : kafka_producer_send(s->producer, topic, &record, err);
    if (rc == CHURN_OK) {
        job->step = JOB_SENT;
        show_letter(s, job, &record);
    }
    text_free(&text);
    return rc;
}

static const struct counter *counter_of(const struct counters *counters, const struct job *job)
{
    switch (job->verdict) {
    case UNWANTED:
        return &counters->unwanted;
    case RECENT:
        return &counters->recent;
    case FORGOTTEN:
        return &counters->forgotten;
    default:
        return job->answer != NULL ? &counters->answered : &counters->dead_lettered;
    }
}

static void count(const struct service *s, const struct job *job)
{
    const struct counter *counter = counter_of(s->counters, job);
    counter_add(counter, 1);
    if (counter == &s->counters->dead_lettered && s->producer != NULL) { /* among the dead letters of the pipeline */
        counter_add(&s->counters->letters, 1);
        counter_add(&s->counters->letters_by_sink, 1);
    }
}

static void finish(struct service *s, struct job *job)
{
    if (job->answer != NULL) {
        const struct cached_prediction prediction = prediction_of(s, job);
        prediction_record_show(s->host, job->trigger, &prediction);
    }
    count(s, job);
    waiting_finish(&s->waiting, job, service_now_ms(s));
    s->moved_ms = service_now_ms(s);
}

/* JOB_CROSSING: its alert is raised, or the new side of the score is noted. */
static int32_t cross(struct service *s, struct job *job, churn_error *err)
{
    const struct cached_prediction prediction = prediction_of(s, job);
    int32_t rc = CHURN_PENDING;
    if (service_now_ms(s) < s->store_again_ms) { /* which is waited for here: it is seldom */
        return rc;
    }
    rc = crossing_step(&s->crossings, &job->crossing, job->trigger, &prediction, (uintptr_t)job, err);
    if (rc == CHURN_PENDING) {
        job->step = JOB_ALERTING;
        s->alerting_count++;
    } else if (rc == CHURN_OK) {
        job->step = JOB_STORING;
    }
    return rc;
}

void outcome_take_answers(struct service *s)
{
    uint64_t ids[64];
    uint32_t count = s->alerting_count > 0 ? crossings_answers(&s->crossings, ids, 64) : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct job *job = (struct job *)(uintptr_t)ids[i];
        s->alerting_count--;
        s->moved_ms = service_now_ms(s);
        crossing_answered(&job->crossing);
        outcome_settle_later(s, job, JOB_CROSSING);
    }
}

/* Takes one job as far as it goes. CHURN_OK: it is sent, on its way to the store, its alert is on its way, or it is
 * done. Else it stays where it is. */
static int32_t settle(struct service *s, struct job *job, churn_error *err)
{
    int32_t rc = job->step != JOB_REMOVING ? giving_up_outcome(s, job) : CHURN_OK;
    if (rc != CHURN_OK) {
        return rc == CHURN_END ? CHURN_OK : rc;
    }
    if (job->step == JOB_SENDING) {
        rc = s->sent < OUTCOME_SENT_MAX ? send_outcome(s, job, err) : CHURN_PENDING;
        s->sent += rc == CHURN_OK;
        return rc;
    }
    if (job->step == JOB_CROSSING) {
        rc = cross(s, job, err);
        if (job->step == JOB_ALERTING) {
            return CHURN_OK;
        }
    }
    if (rc == CHURN_OK && job->step == JOB_STORING && job->answer != NULL) {
        return collect(s, job, err);
    }
    if (rc == CHURN_OK && job->step == JOB_STORING) {
        rc = keep_fault(s, job, err);
    }
    if (rc == CHURN_OK) {
        rc = s->queue->back_ops->remove(s->queue->back, job, err);
    }
    if (rc == CHURN_OK) {
        finish(s, job);
    }
    return rc;
}

/* What Kafka refused is sent once more, when its time has come. */
static void send_again(struct service *s)
{
    struct job *job = s->unpublished;
    if (job == NULL || service_now_ms(s) < s->publish_at_ms) {
        return;
    }
    s->unpublished = NULL;
    s->unpublished_count = 0;
    while (job != NULL) {
        struct job *next = job->next_settling;
        outcome_settle_later(s, job, JOB_SENDING);
        job = next;
    }
}

/* What stops one job stops those behind it that stand at the same step, and nobody else. */
static int32_t settle_some(struct service *s, churn_error *err)
{
    unsigned stopped = 0;
    struct job **at = &s->settling;
    while (*at != NULL) {
        struct job *job = *at, *next = job->next_settling;
        unsigned step = 1u << job->step;
        int32_t rc = (stopped & step) == 0 ? settle(s, job, err) : CHURN_PENDING; /* may free the job */
        if (rc == CHURN_FATAL) {
            return rc;
        }
        if (rc != CHURN_OK) {
            stopped |= step;
            at = &job->next_settling;
            continue;
        }
        *at = next;
        s->settling_end = next != NULL ? s->settling_end : at;
        s->settling_count--;
    }
    return CHURN_OK;
}

int32_t outcome_settle_all(struct service *s, churn_error *err)
{
    int32_t rc;
    int given;
    send_again(s);
    do {
        rc = settle_some(s, err);
        given = rc == CHURN_OK && give_collected(s);
        rc = given ? store_calls_take(s->calls, s, err) : rc;
    } while (rc == CHURN_OK && given);
    return rc;
}

/* It is neither cached nor removed from the queue before it is published; meanwhile fewer requests are made. */
static void keep_unpublished(struct service *s, struct job *job, const char *why)
{
    int64_t pause = s->publish_pause_ms * 2;
    if (s->unpublished == NULL) {
        pause = pause < s->settings->retry_min_ms ? s->settings->retry_min_ms : pause;
        s->publish_pause_ms = pause > s->settings->retry_max_ms ? s->settings->retry_max_ms : pause;
        s->publish_at_ms = service_now_ms(s) + s->publish_pause_ms;
    }
    stall_begin(&s->publishing, "Kafka refuses what is to be published to %s (%s); it waits, and is tried again",
                job->answer != NULL ? s->settings->topic : s->settings->dead_letter_topic, why);
    job->step = JOB_SENDING;
    job->next_settling = s->unpublished;
    s->unpublished = job;
    s->unpublished_count++;
}

static void is_published(struct service *s, struct job *job)
{
    if (s->unpublished == NULL) {
        s->publish_pause_ms = 0;
        if (s->publishing.lasts) {
            stall_end(&s->publishing);
            churn_log(s->host, CHURN_LOG_INFO, "Kafka takes what is published again");
        }
    }
    outcome_settle_later(s, job, step_after_sending(s, job));
}

int32_t outcome_take_reports(struct service *s, churn_error *err)
{
    churn_done done[64];
    uint32_t count = 64;
    int32_t rc = CHURN_OK;
    while (s->producer != NULL && rc == CHURN_OK && count == 64) {
        rc = kafka_producer_poll(s->producer, done, 64, 0, &count, err);
        for (uint32_t i = 0; rc == CHURN_OK && i < count; i++) {
            struct job *job = (struct job *)(uintptr_t)done[i].id;
            s->sent--;
            if (done[i].result == CHURN_OK) {
                is_published(s, job);
            } else {
                keep_unpublished(s, job, done[i].message != NULL ? done[i].message : "refused");
            }
        }
    }
    return rc;
}
