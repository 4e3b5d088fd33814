#include "webhook.h"

#include "backoff.h"
#include "own_thread.h"
#include "retry_after.h"
#include "stall.h"
#include <churn/ext/forgetting.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define UNSURE_MS 200 /* pause while nobody knows who is forgotten */

struct item {
    struct item *next;
    uint64_t id;
    int64_t ready_ms; /* not before */
    unsigned failures;
    long fault_status; /* 0: delivered, or given up */
    churn_forgettable cause;
    uint32_t len;
    char body[]; /* and behind it the texts of `cause` */
};

struct list {
    struct item *first;
    struct item **end; /* where the next one goes */
    uint32_t count;
};

struct webhook {
    const churn_host *host;
    const churn_forgetting *forgetting; /* NULL: nobody is forgotten */
    struct http_client *http;
    pthread_t thread;
    _Atomic int stop;

    pthread_mutex_t lock; /* guards the four below */
    pthread_cond_t answered;
    struct list inbox;
    struct list outbox;
    churn_error error; /* code set: the thread has ended */

    /* The thread's own. */
    struct list waiting;
    uint32_t asking;
    struct backoff backoff;
    struct retry_after retry_after;
    struct stall outage;
};

static void list_init(struct list *list)
{
    *list = (struct list){.end = &list->first};
}

static void list_add(struct list *list, struct item *item)
{
    item->next = NULL;
    *list->end = item;
    list->end = &item->next;
    list->count++;
}

static struct item *list_take(struct list *list)
{
    struct item *item = list->first;
    if (item != NULL) {
        list->first = item->next;
        list->end = list->first != NULL ? list->end : &list->first;
        list->count--;
    }
    return item;
}

static void list_free(struct list *list)
{
    for (struct item *item; (item = list_take(list)) != NULL;) {
        free(item);
    }
}

/* --- The thread --- */

static void tell_outage(struct webhook *w, const struct http_result *result)
{
    stall_begin(&w->outage, "the alert webhook at %s fails (%s); %u alerts wait and are tried again",
                http_client_origin(w->http), result->reason, w->waiting.count + w->asking + 1);
}

static void tell_back(struct webhook *w)
{
    if (w->outage.lasts) {
        stall_end(&w->outage);
        churn_log(w->host, CHURN_LOG_INFO, "the alert webhook at %s works again", http_client_origin(w->http));
    }
}

static void answer(struct webhook *w, struct item *item)
{
    (void)pthread_mutex_lock(&w->lock);
    list_add(&w->outbox, item);
    (void)pthread_cond_signal(&w->answered);
    (void)pthread_mutex_unlock(&w->lock);
}

static void on_result(void *arg, void *request, const struct http_result *result)
{
    struct webhook *w = arg;
    struct item *item = request;
    w->asking--;
    if (result->verdict != HTTP_OUTAGE) {
        tell_back(w);
        item->fault_status = result->verdict == HTTP_FAULT ? result->status : 0;
        answer(w, item);
        return;
    }
    tell_outage(w, result);
    item->failures++;
    item->ready_ms = w->host->monotonic_ms(w->host) +
                     (result->retry_after_ms > 0
                          ? retry_after_pause(&w->retry_after, http_client_origin(w->http), result->retry_after_ms)
                          : backoff_delay(&w->backoff, item->failures));
    list_add(&w->waiting, item);
}

static void read_inbox(struct webhook *w)
{
    (void)pthread_mutex_lock(&w->lock);
    for (struct item *item; (item = list_take(&w->inbox)) != NULL;) {
        list_add(&w->waiting, item);
    }
    (void)pthread_mutex_unlock(&w->lock);
}

/* 1: it was given up, since its customer was forgotten meanwhile. 0: it may be posted. CHURN_PENDING: nobody knows. */
static int32_t give_up(struct webhook *w, struct item *item)
{
    int32_t covered = w->forgetting != NULL ? w->forgetting->covers(w->host, &item->cause) : 0;
    if (covered == 1) {
        answer(w, item);
    } else if (covered == CHURN_PENDING) {
        item->ready_ms = w->host->monotonic_ms(w->host) + UNSURE_MS;
    }
    return covered;
}

/* Starts what is due; *ret_wait_ms: how long until more is. */
static int32_t post_due(struct webhook *w, int *ret_wait_ms, churn_error *err)
{
    int64_t now = w->host->monotonic_ms(w->host), next = now + 1000;
    uint32_t count = w->waiting.count;
    for (uint32_t i = 0; i < count; i++) {
        struct item *item = list_take(&w->waiting);
        if (give_up(w, item) == 1) {
            continue;
        }
        if (item->ready_ms > now || http_client_room(w->http) == 0) {
            if (item->ready_ms > now && item->ready_ms < next) {
                next = item->ready_ms;
            }
            list_add(&w->waiting, item);
            continue;
        }
        if (http_client_post(w->http, (churn_str){.ptr = item->body, .len = item->len}, item, err) != CHURN_OK) {
            list_add(&w->waiting, item);
            return CHURN_FATAL;
        }
        w->asking++;
        next = now; /* libcurl begins it in the next run */
    }
    *ret_wait_ms = (int)(next - now);
    return CHURN_OK;
}

static void *serve(void *arg)
{
    struct webhook *w = arg;
    churn_error err = {.size = sizeof err};
    int32_t rc = CHURN_OK;
    while (rc == CHURN_OK && !atomic_load(&w->stop)) {
        int wait_ms = 0;
        read_inbox(w);
        rc = http_client_run(w->http, on_result, w, &err);
        rc = rc == CHURN_OK ? post_due(w, &wait_ms, &err) : rc;
        if (rc == CHURN_OK) {
            http_client_wait(w->http, NULL, 0, wait_ms);
        }
    }
    (void)pthread_mutex_lock(&w->lock);
    if (rc != CHURN_OK) {
        w->error = err;
    }
    (void)pthread_cond_signal(&w->answered);
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* --- The caller's side --- */

static void release(struct webhook *w)
{
    (void)pthread_cond_destroy(&w->answered);
    (void)pthread_mutex_destroy(&w->lock);
    http_client_free(w->http);
    free(w);
}

struct webhook *webhook_start(const churn_host *host, const struct http_settings *settings, int64_t retry_min_ms,
                              int64_t retry_max_ms, churn_error *err)
{
    struct webhook *w = calloc(1, sizeof *w);
    pthread_condattr_t attributes;
    int error;
    if (w == NULL) {
        (void)churn_fail(err, CHURN_FATAL, "out of memory");
        return NULL;
    }
    w->host = host;
    w->forgetting = host->get_extension(host, CHURN_FORGETTING_ID);
    w->outage = stall_new(host, "webhook");
    w->http = http_client_new(settings, err);
    if (w->http == NULL) {
        free(w);
        return NULL;
    }
    list_init(&w->inbox);
    list_init(&w->outbox);
    list_init(&w->waiting);
    backoff_init(&w->backoff, retry_min_ms, retry_max_ms);
    w->retry_after = (struct retry_after){.host = host, .who = "the alert webhook"};
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->answered, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    error = own_thread_start(&w->thread, serve, w);
    if (error != 0) {
        release(w);
        (void)churn_fail(err, CHURN_FATAL, "the webhook's thread cannot be started: %s", strerror(error));
        return NULL;
    }
    return w;
}

static churn_str place(char **at, churn_str text)
{
    churn_str copy = {.ptr = *at, .len = text.ptr != NULL ? text.len : 0};
    if (copy.len > 0) {
        memcpy(*at, text.ptr, copy.len);
    }
    *at += copy.len;
    return copy;
}

int32_t webhook_put(struct webhook *webhook, uint64_t id, const churn_record *alert, churn_error *err)
{
    churn_str topic = churn_text(alert->topic != NULL && alert->offset >= 0 ? alert->topic : "");
    struct item *item = calloc(1, sizeof *item + alert->value.len + (size_t)alert->key.len + topic.len);
    char *at;
    if (item == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    item->id = id;
    at = item->body;
    item->len = place(&at, alert->value).len;
    item->cause = (churn_forgettable){.size = sizeof item->cause,
                                      .partition = alert->partition,
                                      .customer_id = place(&at, alert->key),
                                      .topic = place(&at, topic),
                                      .offset = alert->offset,
                                      .timestamp_ms = alert->timestamp_ms};
    (void)pthread_mutex_lock(&webhook->lock);
    list_add(&webhook->inbox, item);
    (void)pthread_mutex_unlock(&webhook->lock);
    http_client_wake(webhook->http);
    return CHURN_OK;
}

static const char *fault_message(long status)
{
    return status == 413   ? "the webhook answered HTTP 413: the alert is too large"
           : status == 422 ? "the webhook answered HTTP 422: it cannot process the alert"
                           : "the webhook answered HTTP 400: it refuses the alert";
}

static void wait_answered(struct webhook *w, uint32_t timeout_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (w->outbox.count == 0 && w->error.code == 0) {
        if (pthread_cond_timedwait(&w->answered, &w->lock, &until) == ETIMEDOUT) {
            break;
        }
    }
}

int32_t webhook_take(struct webhook *webhook, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                     churn_error *err)
{
    uint32_t n = 0;
    int32_t code;
    (void)pthread_mutex_lock(&webhook->lock);
    if (timeout_ms > 0) {
        wait_answered(webhook, timeout_ms);
    }
    for (; n < max && webhook->outbox.count > 0; n++) {
        struct item *item = list_take(&webhook->outbox);
        done[n] = (churn_done){.id = item->id,
                               .result = item->fault_status == 0 ? CHURN_OK : CHURN_REJECT,
                               .message = item->fault_status == 0 ? NULL : fault_message(item->fault_status)};
        free(item);
    }
    code = webhook->error.code;
    if (code != 0) {
        (void)churn_fail(err, code, "%s", webhook->error.message);
    }
    (void)pthread_mutex_unlock(&webhook->lock);
    *ret_count = n;
    return code;
}

void webhook_free(struct webhook *webhook)
{
    if (webhook == NULL) {
        return;
    }
    atomic_store(&webhook->stop, 1);
    http_client_wake(webhook->http);
    (void)pthread_join(webhook->thread, NULL);
    http_client_abort(webhook->http, free);
    list_free(&webhook->inbox);
    list_free(&webhook->outbox);
    list_free(&webhook->waiting);
    release(webhook);
}
