#include "service.h"

#include "asking.h"
#include "outcome.h"
#include "own_thread.h"
#include "reading.h"
#include "sorting_out.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define POLL_MS 20          /* longest wait while the queue may have something new */
#define POLL_ALERTS_MS 5    /* … while alerts are on their way */
#define GAUGE_MS 1000       /* pause between updates of predictions_waiting */
#define STUCK_MS 60000      /* a drain ends when nothing has moved for that long … */
#define LATER_MS 10000      /* … or when the API asked to wait that long for all that is left */
#define LOOK_MS 50          /* pause between a drain's looks at the queue */
#define DRAIN_TELL_MS 10000 /* how often a drain says what it waits for */

/* --- The loop --- */

static void update_gauge(struct service *s, int last)
{
    int64_t now = service_now_ms(s), count;
    counter_set(&s->counters->breaker_open, s->breaker.state != BREAKER_CLOSED);
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
    int64_t now = service_now_ms(s), next = waiting_next_ms(&s->waiting);
    int64_t limit = 2 * s->settings->timeout_ms > STUCK_MS ? 2 * s->settings->timeout_ms : STUCK_MS;
    if (s->settling_count > 0 || s->caching > 0 || s->sent > 0 || s->asking > 0 || s->alerting_count > 0) {
        return now - s->moved_ms > limit;
    }
    return s->breaker.state != BREAKER_CLOSED || (next != INT64_MAX && next - now > LATER_MS) ||
           now - s->moved_ms > limit;
}

static void tell_draining(struct service *s)
{
    int64_t now = service_now_ms(s);
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
        if (s->queue->back_ops->bound != NULL) {
            s->queue->back_ops->bound(s->queue->back);
        }
        s->moved_ms = s->drain_told_ms = service_now_ms(s); /* an idle time before the drain says nothing */
    }
    if (is_stuck(s)) {
        int64_t left = s->queue->back_ops->count(s->queue->back, &s->waiting);
        churn_log(s->host, CHURN_LOG_WARN, "triggers could not be served (%lld are known); they wait for the next run",
                  (long long)left);
        atomic_store(&s->concluded, asked);
        return CHURN_OK;
    }
    tell_draining(s);
    if ((s->waiting.jobs == 0 || s->queue->back_ops->bound != NULL) && service_now_ms(s) >= s->look_at_ms) {
        s->look_at_ms = service_now_ms(s) + LOOK_MS;
        rc = s->queue->back_ops->is_empty(s->queue->back, atomic_load(&s->written) > 0, &empty, err);
    }
    if (empty) {
        atomic_store(&s->concluded, asked);
    }
    return rc == CHURN_FATAL ? rc : CHURN_OK;
}

static int wait_ms(const struct service *s, int more)
{
    int64_t now = service_now_ms(s), next = asking_next_ms(s);
    int wait = s->alerting_count > 0 ? POLL_ALERTS_MS : POLL_MS;
    if (more || s->unsure) {
        return s->unsure ? wait : 0;
    }
    if (asking_has_room(s) && breaker_allows(&s->breaker, now) && next - now < wait) {
        wait = next > now ? (int)(next - now) : 0;
    }
    return wait;
}

/* For whatever comes first: triggers, answers, or the time. */
static void wait_for_news(struct service *s, int timeout_ms)
{
    const struct queue_back_ops *ops = s->queue->back_ops;
    const struct pollfd others[] = {
        {.fd = ops->descriptor != NULL ? ops->descriptor(s->queue->back) : -1, .events = POLLIN},
        {.fd = s->producer != NULL ? kafka_producer_descriptor(s->producer) : -1, .events = POLLIN},
        {.fd = store_calls_descriptor(s->calls), .events = POLLIN}};
    http_client_wait(s->http, others, sizeof others / sizeof others[0], timeout_ms);
}

static int32_t go_on(struct service *s, churn_error *err)
{
    uint64_t before = s->waiting.tokens;
    int more = 0;
    int32_t rc;
    s->unsure = 0;
    rc = s->queue->back_ops->read(s->queue->back, &s->waiting, &more, err);
    if (before == 0 &&
        s->waiting.tokens > 0) { /* not beside others that wait: they come without end where others run */
        s->moved_ms = service_now_ms(s);
    }
    rc = rc != CHURN_FATAL ? sorting_out_step(s, err) : rc;
    rc = rc == CHURN_OK ? reading_step(s, err) : rc;
    rc = rc == CHURN_OK ? asking_start(s, err) : rc;
    rc = rc == CHURN_OK ? http_client_run(s->http, asking_on_result, s, err) : rc;
    rc = rc == CHURN_OK ? outcome_take_reports(s, err) : rc;
    outcome_take_answers(s);
    rc = rc == CHURN_OK ? outcome_settle_all(s, err) : rc;
    rc = rc == CHURN_OK ? conclude_drain(s, err) : rc;
    if (rc == CHURN_OK) {
        update_gauge(s, 0);
        wait_for_news(s, wait_ms(s, more));
    }
    return rc;
}

/* Hands on the outcomes at hand, so that their requests need not be repeated. */
static int32_t wind_up(struct service *s, churn_error *err)
{
    int32_t rc = CHURN_OK;
    http_client_abort(s->http, NULL);
    while (rc == CHURN_OK && s->settling_count + s->caching + s->sent > 0 &&
           service_now_ms(s) < atomic_load(&s->stop_at_ms)) {
        rc = outcome_take_reports(s, err);
        rc = rc == CHURN_OK ? store_calls_take(s->calls, s, err) : rc;
        rc = rc == CHURN_OK ? outcome_settle_all(s, err) : rc;
        wait_for_news(s, POLL_MS);
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
    left = atomic_load(&s->stop_at_ms) - service_now_ms(s);
    s->queue->back_ops->free(s->queue->back, left > 1000 ? left : 1000);
    kafka_producer_free(s->producer, 0);
    s->producer = NULL;
    store_calls_free(s->calls);
    s->calls = NULL;
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

/* The queue reads an embedded store in the serving thread, by the same session. */
static int32_t open_calls(struct service *s, churn_error *err)
{
    struct store_session *session = s->store->ops->embedded ? s->store : &s->calls_session;
    int32_t rc = session != s->store ? store_session_init(session, s->host, "predictions", err) : CHURN_OK;
    s->calls = rc == CHURN_OK ? store_calls_new(session, err) : NULL;
    return s->calls != NULL ? CHURN_OK : CHURN_FATAL;
}

static int32_t open_parts(struct service *s, churn_error *err)
{
    const struct settings *settings = s->settings;
    s->http = http_client_new(&settings->http, err);
    if (s->http == NULL || open_calls(s, err) != CHURN_OK) {
        return CHURN_FATAL;
    }
    if (settings->brokers[0] == '\0') {
        return CHURN_OK;
    }
    s->producer = kafka_producer_new(s->host, settings->brokers, &settings->properties, KAFKA_LINGER_SOON, err);
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
    asking_free(s);
    store_calls_free(s->calls);
    outcome_free(s);
    forgotten_free(&s->forgotten);
    waiting_free(&s->waiting);
    kafka_producer_free(s->producer, 0);
    http_client_free(s->http);
    (void)pthread_cond_destroy(&s->end);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
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
    s->publishing = stall_new(host, "publishing");
    s->name = host->size >= offsetof(churn_host, name) + sizeof host->name ? host->name : NULL;
    s->settings = settings;
    s->counters = counters;
    s->queue = queue;
    s->store = session;
    crossings_init(&s->crossings, host, &settings->alert, session);
    s->settling_end = &s->settling;
    s->breaker = (struct breaker){.limit = settings->breaker_failures, .pause_ms = settings->breaker_pause_ms};
    s->moved_ms = service_now_ms(s);
    backoff_init(&s->backoff, settings->retry_min_ms, settings->retry_max_ms);
    s->retry_after = (struct retry_after){.host = host, .who = "prediction API"};
    forgotten_init(&s->forgotten, host);
    s->sorted_out = -1;
    s->waiting.keeps_all = s->forgotten.calls != NULL;
    init_end(s);
    if (open_parts(s, err) != CHURN_OK) {
        release(s);
        return NULL;
    }
    error = own_thread_start(&s->thread, serve, s);
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
    atomic_store(&service->stop_at_ms, service_now_ms(service) + deadline_ms * 3 / 4);
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
