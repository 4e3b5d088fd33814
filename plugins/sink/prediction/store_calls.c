#include "store_calls.h"

#include "own_thread.h"
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct line {
    struct store_call *first, **end; /* the oldest first */
};

struct store_calls {
    struct store_session *session;
    int made_told; /* an eventfd */
    int threaded;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t to_thread;
    struct line given, made;
    int stopping;
};

static void add(struct line *line, struct store_call *call)
{
    call->next = NULL;
    *line->end = call;
    line->end = &call->next;
}

static struct store_call *take_all(struct line *line)
{
    struct store_call *first = line->first;
    *line = (struct line){.end = &line->first};
    return first;
}

static struct store_call *take_first(struct line *line)
{
    struct store_call *first = line->first;
    line->first = first->next;
    line->end = line->first != NULL ? line->end : &line->first;
    return first;
}

static void make(struct store_calls *c, struct store_call *call)
{
    call->error = (churn_error){.size = sizeof call->error};
    call->result = store_session_ready(c->session, &call->error);
    if (call->result == CHURN_OK) {
        call->result = call->make(call, c->session, &call->error);
    }
}

static void *run(void *arg)
{
    struct store_calls *c = arg;
    (void)pthread_mutex_lock(&c->lock);
    while (!c->stopping) {
        struct store_call *call;
        if (c->given.first == NULL) {
            (void)pthread_cond_wait(&c->to_thread, &c->lock);
            continue;
        }
        call = take_first(&c->given);
        (void)pthread_mutex_unlock(&c->lock);
        make(c, call);
        (void)pthread_mutex_lock(&c->lock);
        add(&c->made, call);
        (void)eventfd_write(c->made_told, 1);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct store_calls *store_calls_new(struct store_session *session, churn_error *err)
{
    struct store_calls *c = calloc(1, sizeof *c);
    int error = 0;
    if (c == NULL || (c->made_told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        free(c);
        (void)churn_fail(err, CHURN_FATAL, "out of memory, or of descriptors");
        return NULL;
    }
    c->session = session;
    c->given.end = &c->given.first;
    c->made.end = &c->made.first;
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->to_thread, NULL);
    if (!session->ops->embedded) {
        error = own_thread_start(&c->thread, run, c);
        c->threaded = error == 0;
    }
    if (error != 0) {
        store_calls_free(c);
        (void)churn_fail(err, CHURN_FATAL, "the thread for the store cannot be started: %s", strerror(error));
        return NULL;
    }
    return c;
}

void store_calls_give(struct store_calls *c, struct store_call *call)
{
    if (!c->threaded) {
        make(c, call);
        add(&c->made, call);
        return;
    }
    (void)pthread_mutex_lock(&c->lock);
    add(&c->given, call);
    (void)pthread_cond_signal(&c->to_thread);
    (void)pthread_mutex_unlock(&c->lock);
}

int32_t store_calls_take(struct store_calls *c, void *ctx, churn_error *err)
{
    struct store_call *call, *next;
    int32_t rc = CHURN_OK;
    eventfd_t told;
    (void)eventfd_read(c->made_told, &told);
    (void)pthread_mutex_lock(&c->lock);
    call = take_all(&c->made);
    (void)pthread_mutex_unlock(&c->lock);
    for (; call != NULL; call = next) {
        next = call->next;
        if (rc == CHURN_OK) {
            rc = call->take(call, ctx, err);
        } else {
            call->free(call);
        }
    }
    return rc;
}

int store_calls_descriptor(const struct store_calls *c)
{
    return c->made_told;
}

static void free_line(struct line *line)
{
    for (struct store_call *call = line->first, *next; call != NULL; call = next) {
        next = call->next;
        call->free(call);
    }
}

void store_calls_free(struct store_calls *c)
{
    if (c == NULL) {
        return;
    }
    if (c->threaded) {
        (void)pthread_mutex_lock(&c->lock);
        c->stopping = 1;
        (void)pthread_cond_signal(&c->to_thread);
        (void)pthread_mutex_unlock(&c->lock);
        (void)pthread_join(c->thread, NULL);
    }
    store_session_close(c->session);
    free_line(&c->given);
    free_line(&c->made);
    (void)pthread_cond_destroy(&c->to_thread);
    (void)pthread_mutex_destroy(&c->lock);
    (void)close(c->made_told);
    free(c);
}
