#include "pipeline/raised.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct list {
    struct raised_alert *first, **end;
};

struct queue {
    pthread_mutex_t lock;
    _Atomic uint32_t waits; /* how many of `waiting`, for a look without the lock */
    struct list waiting, given, answered;
};

struct raised {
    unsigned workers;
    struct queue queues[];
};

static void make_empty(struct list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void append(struct list *list, struct raised_alert *alert)
{
    alert->next = NULL;
    *list->end = alert;
    list->end = &alert->next;
}

/* Takes the one out that `*at` points to. */
static struct raised_alert *take(struct list *list, struct raised_alert **at)
{
    struct raised_alert *alert = *at;
    *at = alert->next;
    if (list->end == &alert->next) {
        list->end = at;
    }
    return alert;
}

static void free_list(struct list *list)
{
    while (list->first != NULL) {
        free(take(list, &list->first));
    }
}

struct raised *raised_new(unsigned workers)
{
    struct raised *raised = calloc(1, sizeof *raised + workers * sizeof raised->queues[0]);
    if (raised == NULL) {
        return NULL;
    }
    for (; raised->workers < workers; raised->workers++) {
        struct queue *queue = &raised->queues[raised->workers];
        (void)pthread_mutex_init(&queue->lock, NULL);
        make_empty(&queue->waiting);
        make_empty(&queue->given);
        make_empty(&queue->answered);
    }
    return raised;
}

void raised_free(struct raised *raised)
{
    for (unsigned i = 0; raised != NULL && i < raised->workers; i++) {
        struct queue *queue = &raised->queues[i];
        free_list(&queue->waiting);
        free_list(&queue->given);
        free_list(&queue->answered);
        (void)pthread_mutex_destroy(&queue->lock);
    }
    free(raised);
}

static churn_str place(char **at, churn_str text)
{
    churn_str copy = {.ptr = *at, .len = text.len};
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
    }
    *at += text.len;
    return copy;
}

static struct raised_alert *copy_alert(const churn_alert *alert)
{
    struct raised_alert *copy = calloc(1, sizeof *copy + (size_t)alert->event_id.len + alert->event_type.len +
                                              alert->customer_id.len + alert->message.len + alert->data.len);
    char *at;
    if (copy == NULL) {
        return NULL;
    }
    at = copy->texts;
    copy->alert =
        (churn_alert){.size = sizeof copy->alert, .severity = alert->severity, .timestamp_ms = alert->timestamp_ms};
    copy->alert.event_id = place(&at, alert->event_id);
    copy->alert.event_type = place(&at, alert->event_type);
    copy->alert.customer_id = place(&at, alert->customer_id);
    copy->alert.message = place(&at, alert->message);
    copy->alert.data = place(&at, alert->data);
    return copy;
}

bool raised_add(struct raised *raised, unsigned worker, const void *owner, const churn_alert *alert, uint64_t id)
{
    struct queue *queue = &raised->queues[worker];
    struct raised_alert *copy = copy_alert(alert);
    if (copy == NULL) {
        return false;
    }
    copy->owner = owner;
    copy->id = id;
    (void)pthread_mutex_lock(&queue->lock);
    append(&queue->waiting, copy);
    atomic_fetch_add_explicit(&queue->waits, 1, memory_order_release);
    (void)pthread_mutex_unlock(&queue->lock);
    return true;
}

uint32_t raised_answers(struct raised *raised, unsigned worker, const void *owner, uint64_t *ids, uint32_t max)
{
    struct queue *queue = &raised->queues[worker];
    uint32_t count = 0;
    (void)pthread_mutex_lock(&queue->lock);
    for (struct raised_alert **at = &queue->answered.first; *at != NULL && count < max;) {
        if ((*at)->owner == owner) {
            struct raised_alert *alert = take(&queue->answered, at);
            ids[count++] = alert->id;
            free(alert);
        } else {
            at = &(*at)->next;
        }
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return count;
}

const struct raised_alert *raised_first(struct raised *raised, unsigned worker)
{
    struct queue *queue = &raised->queues[worker];
    const struct raised_alert *first;
    if (atomic_load_explicit(&queue->waits, memory_order_acquire) == 0) {
        return NULL;
    }
    (void)pthread_mutex_lock(&queue->lock);
    first = queue->waiting.first;
    (void)pthread_mutex_unlock(&queue->lock);
    return first;
}

void raised_given(struct raised *raised, unsigned worker, uint64_t window)
{
    struct queue *queue = &raised->queues[worker];
    (void)pthread_mutex_lock(&queue->lock);
    queue->waiting.first->window = window;
    append(&queue->given, take(&queue->waiting, &queue->waiting.first));
    atomic_fetch_sub_explicit(&queue->waits, 1, memory_order_release);
    (void)pthread_mutex_unlock(&queue->lock);
}

void raised_answer(struct raised *raised, unsigned worker, uint64_t window)
{
    struct queue *queue = &raised->queues[worker];
    (void)pthread_mutex_lock(&queue->lock);
    for (struct raised_alert **at = &queue->given.first; *at != NULL;) {
        if ((*at)->window == window) {
            append(&queue->answered, take(&queue->given, at));
        } else {
            at = &(*at)->next;
        }
    }
    (void)pthread_mutex_unlock(&queue->lock);
}

void raised_give_back(struct raised *raised, unsigned worker)
{
    struct queue *queue = &raised->queues[worker];
    uint32_t count = 0;
    (void)pthread_mutex_lock(&queue->lock);
    for (const struct raised_alert *alert = queue->given.first; alert != NULL; alert = alert->next) {
        count++;
    }
    if (count > 0) { /* before those that came since */
        *queue->given.end = queue->waiting.first;
        queue->waiting.end = queue->waiting.first != NULL ? queue->waiting.end : queue->given.end;
        queue->waiting.first = queue->given.first;
        make_empty(&queue->given);
        atomic_fetch_add_explicit(&queue->waits, count, memory_order_release);
    }
    (void)pthread_mutex_unlock(&queue->lock);
}
