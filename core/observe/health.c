#include "observe/health.h"

#include "base/clock.h"
#include "base/json_build.h"
#include "observe/troubles.h"
#include <churn/time.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Main publishes, the listener's thread reads. */
struct health {
    pthread_mutex_t lock;
    struct health_status status;
    int64_t unready_ms; /* since when it answers that it is not ready, by the wall clock; 0: it is, or nobody asked */
};

/* ---- what is said ---- */

#define FAILED "failed"
#define STUCK "stuck"
#define NO_STORE "the store is not connected"

static bool is_stuck(const struct health_worker *worker, int64_t now_ms)
{
    return worker->turned_ms != 0 && now_ms - worker->turned_ms > HEALTH_STUCK_MS;
}

bool health_worker_is_alive(const struct health_worker *worker, int64_t now_ms)
{
    return !worker->failed && !is_stuck(worker, now_ms);
}

/* Why a worker keeps the run from being `ready` (else only alive); NULL: it does not. */
static const char *trouble_of(const struct health_status *status, unsigned i, int64_t now_ms, bool ready)
{
    const struct health_worker *worker = &status->workers[i];
    if (worker->failed) {
        return FAILED;
    }
    if (is_stuck(worker, now_ms)) {
        return STUCK;
    }
    if (!ready) {
        return NULL;
    }
    if (status->store != NULL && !worker->store_open) {
        return NO_STORE;
    }
    return worker->assigned ? NULL : "the source has nothing to read from";
}

static struct json_object *worker_to_json(const struct health_worker *worker, const char *trouble)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "assigned", json_object_new_boolean(worker->assigned));
    json_add(object, "store_connected", json_object_new_boolean(worker->store_open));
    if (worker->lag >= 0) {
        json_add(object, "lag_messages", json_object_new_int64(worker->lag));
    }
    if (worker->damaged > 0) {
        json_add(object, "damaged_profiles", json_object_new_int64(worker->damaged));
    }
    if (trouble != NULL) {
        json_add_text(object, "trouble", trouble);
    }
    return object;
}

static struct json_object *store_to_json(const struct health_status *status)
{
    struct json_object *object = json_object_new_object();
    json_add_text(object, "plugin", status->store);
    if (status->durability != NULL) {
        json_add_text(object, "durability", status->durability);
    }
    return object;
}

/* What keeps a worker from being ready while no part of it is in a state of its own, as an entry like theirs. */
static struct stall_report report_of(const struct health_status *status, unsigned worker, const char *trouble,
                                     int64_t since_ms)
{
    bool own = strcmp(trouble, FAILED) == 0 || strcmp(trouble, STUCK) == 0, store = strcmp(trouble, NO_STORE) == 0;
    return (struct stall_report){.plugin = own     ? "churnd"
                                           : store ? status->store
                                                   : status->source,
                                 .what = own     ? "worker"
                                         : store ? "store"
                                                 : "source",
                                 .message = trouble,
                                 .worker = worker,
                                 .since_ms = since_ms};
}

struct json_object *health_troubles(struct stalls *stalls)
{
    struct json_object *troubles = json_object_new_array();
    stalls_each(stalls, troubles_add, troubles);
    return troubles;
}

/* Whoever is told that the run is not ready is told why. */
static struct json_object *explain(const struct health_status *status, int64_t since_ms)
{
    struct json_object *troubles = json_object_new_array();
    int64_t now_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < status->worker_count; i++) {
        const char *trouble = trouble_of(status, i, now_ms, true);
        if (trouble != NULL) {
            const struct stall_report report = report_of(status, i, trouble, since_ms);
            troubles_add(troubles, &report);
        }
    }
    if (json_object_array_length(troubles) == 0) {
        const struct stall_report report = {.plugin = "churnd",
                                            .what = "run",
                                            .message = status->stopping         ? "stopping"
                                                       : status->looked_ms == 0 ? "starting"
                                                                                : STUCK,
                                            .worker = TROUBLES_OF_RUN,
                                            .since_ms = since_ms};
        troubles_add(troubles, &report);
    }
    return troubles;
}

/* By the wall clock, since when answers are as this one. */
static int64_t since_when(int64_t *unready_ms, bool ready)
{
    if (ready) {
        *unready_ms = 0;
    } else if (*unready_ms == 0) {
        *unready_ms = clock_wall_ms();
    }
    return *unready_ms;
}

static bool is_troubled(const struct health_status *status)
{
    return status->troubles != NULL && json_object_array_length(status->troubles) > 0;
}

static bool is_good(const struct health_status *status, int64_t now_ms, bool ready)
{
    bool good = status->looked_ms != 0 && now_ms - status->looked_ms <= HEALTH_STUCK_MS &&
                !(ready && (status->stopping || is_troubled(status)));
    for (unsigned i = 0; good && i < status->worker_count; i++) {
        good = trouble_of(status, i, now_ms, ready) == NULL;
    }
    return good;
}

/* The answer's text, to be freed by json_object_put; *ret_good: all is well. */
static struct json_object *say(struct health *health, bool ready, bool *ret_good)
{
    const struct health_status *status = &health->status;
    struct json_object *object = json_object_new_object(), *workers = json_object_new_array();
    int64_t now_ms = clock_monotonic_ms(), since_ms = 0;
    bool good = is_good(status, now_ms, ready);
    for (unsigned i = 0; i < status->worker_count; i++) {
        const char *trouble = trouble_of(status, i, now_ms, ready);
        (void)json_object_array_add(workers, worker_to_json(&status->workers[i], trouble));
    }
    json_add_text(object, "status", status->stopping ? "stopping" : good ? ready ? "ready" : "alive" : "not ok");
    if (status->pipeline != NULL) {
        json_add_text(object, "pipeline", status->pipeline);
    }
    if (status->store != NULL) {
        json_add(object, "store", store_to_json(status));
    }
    json_add(object, "workers", workers);
    if (ready) {
        since_ms = since_when(&health->unready_ms, good);
    }
    if (is_troubled(status)) {
        json_add(object, "troubles", json_object_get(status->troubles));
    } else if (ready && !good) {
        json_add(object, "troubles", explain(status, since_ms));
    }
    *ret_good = good;
    return object;
}

/* ---- the routes ---- */

/* Appends it; whether all is well. */
static bool append(struct health *health, bool ready, struct text *out)
{
    struct json_object *object;
    bool good;
    (void)pthread_mutex_lock(&health->lock); /* the objects' counts of references are not atomic */
    object = say(health, ready, &good);
    text_append_string(out,
                       json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(object);
    (void)pthread_mutex_unlock(&health->lock);
    return good;
}

void health_append(struct health *health, struct text *out)
{
    (void)append(health, true, out);
}

static void answer(struct health *health, bool ready, struct listener_answer *answer)
{
    answer->status = append(health, ready, &answer->body) ? 200 : 503;
    answer->content_type = "application/json";
}

static void answer_alive(void *ctx, const struct listener_request *request, struct listener_answer *ret_answer)
{
    (void)request;
    answer(ctx, false, ret_answer);
}

static void answer_ready(void *ctx, const struct listener_request *request, struct listener_answer *ret_answer)
{
    (void)request;
    answer(ctx, true, ret_answer);
}

void health_serve(struct health *health, struct listener *listener)
{
    listener_add(listener, &(struct listener_route){.path = "/healthz", .answer = answer_alive, .ctx = health});
    listener_add(listener, &(struct listener_route){.path = "/readyz", .answer = answer_ready, .ctx = health});
}

/* ---- main's ---- */

struct health *health_new(void)
{
    struct health *health = calloc(1, sizeof *health);
    if (health != NULL && pthread_mutex_init(&health->lock, NULL) != 0) {
        free(health);
        health = NULL;
    }
    return health;
}

void health_look(struct health *health,
                 void (*fn)(void *ctx, const struct health_status *status, bool alive, bool ready), void *ctx)
{
    int64_t now_ms = clock_monotonic_ms();
    (void)pthread_mutex_lock(&health->lock);
    fn(ctx, &health->status, is_good(&health->status, now_ms, false), is_good(&health->status, now_ms, true));
    (void)pthread_mutex_unlock(&health->lock);
}

void health_publish(struct health *health, const struct health_status *status)
{
    (void)pthread_mutex_lock(&health->lock);
    (void)json_object_put(health->status.troubles);
    health->status = *status;
    (void)pthread_mutex_unlock(&health->lock);
}

void health_free(struct health *health)
{
    if (health == NULL) {
        return;
    }
    (void)json_object_put(health->status.troubles);
    (void)pthread_mutex_destroy(&health->lock);
    free(health);
}
