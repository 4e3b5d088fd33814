#include "observe/lookup.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "pipeline/instance.h"
#include "pipeline/stored_profile.h"
#include "profile/profile_view.h"
#include "profile/store_keys.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define MAX_WAITING 8    /* questions */
#define IDLE_S 30        /* after which the session is closed */
#define PATIENCE_MS 3000 /* of who asks */

struct lookup {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct lookup_question *first, **last; /* that wait */
    unsigned waiting;
    struct pipeline *pipeline;       /* NULL: none runs */
    void *session;                   /* of its store; NULL: none is open */
    bool busy;                       /* the thread uses both, without the lock */
    struct lookup_question *current; /* that it works at; NULL: none, or one that was answered without it */
    bool stopping;
};

/* ---- one customer ---- */

static const churn_store_ops *ops_of(const struct pipeline *pipeline)
{
    return store_ops(&pipeline->store);
}

static void close_session(struct lookup *lookup, const struct pipeline *pipeline)
{
    if (lookup->session != NULL) {
        ops_of(pipeline)->close(lookup->session);
        lookup->session = NULL;
    }
}

/* The profile as JSON, and what is wrong with it. */
static int32_t read_profile(const struct lookup *lookup, const struct pipeline *pipeline,
                            struct lookup_question *question, churn_error *err)
{
    struct stored_profile stored = {0};
    struct parts parts = {0};
    int32_t result = stored_profile_get(&stored, pipeline, lookup->session, churn_text(question->id), &parts, err);
    if (result == CHURN_OK && stored.text.count > 0) {
        struct profile_view view;
        question->profile.failed = !profile_view_make(&view, &pipeline->catalog.registry, churn_text(question->id),
                                                      stored.text.pairs, stored.text.count, PLACE_PAGE);
        profile_append_json(&question->profile, &pipeline->catalog.registry, view.pairs, stored.text.count);
        profile_view_free(&view);
    }
    if (result == CHURN_OK && stored.damage[0] != '\0') {
        (void)snprintf(question->message, sizeof question->message, "%s. " STORED_PROFILE_MEANS STORED_PROFILE_REPAIR,
                       stored.damage);
    }
    stored_profile_free(&stored, pipeline);
    parts_free(&parts);
    return result;
}

static void append_field(struct text *out, churn_str name, churn_str value)
{
    text_append_json(out, name.ptr, name.len);
    text_append(out, ":", 1);
    if (str_equals(name, "churn_probability") && decimal_is_number(value.ptr, value.len)) {
        text_append(out, value.ptr, value.len);
    } else {
        text_append_json(out, value.ptr, value.len);
    }
}

static int32_t take_prediction(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct text *out = ctx;
    (void)key;
    for (uint32_t i = 0; i < count; i++) {
        text_append_string(out, i == 0 ? "{" : ",");
        append_field(out, fields[i].name, fields[i].value);
    }
    if (count > 0) {
        text_append_string(out, "}");
    }
    return CHURN_OK;
}

/* Where a sink keeps predictions in the store, as it names it itself; NULL: none does. */
static const char *prediction_prefix(const struct pipeline *pipeline)
{
    for (unsigned i = 0; i < pipeline->targets.count; i++) {
        const struct target *target = &pipeline->targets.items[i];
        if (strcmp(target->kind, CHURN_TARGET_KEYS) == 0 && target->option != NULL &&
            strcmp(target->option, "cache_prefix") == 0) {
            return target->name;
        }
    }
    return NULL;
}

static int32_t read_prediction(const struct lookup *lookup, const struct pipeline *pipeline, const char *prefix,
                               struct lookup_question *question, churn_error *err)
{
    char key[STORE_KEY_SIZE];
    churn_str whole = {.ptr = key, .len = store_keys_profile(prefix, churn_text(question->id), key)};
    return ops_of(pipeline)->get(lookup->session, whole, take_prediction, &question->prediction, err);
}

static int32_t read_customer(struct lookup *lookup, const struct pipeline *pipeline, struct lookup_question *question,
                             churn_error *err)
{
    const char *prefix = prediction_prefix(pipeline);
    int32_t result = lookup->session != NULL
                         ? CHURN_OK
                         : ops_of(pipeline)->open(pipeline->store_instance->self, &lookup->session, err);
    if (result == CHURN_OK) {
        result = read_profile(lookup, pipeline, question, err);
    }
    if (result == CHURN_OK && prefix != NULL) {
        result = read_prediction(lookup, pipeline, prefix, question, err);
    }
    return result;
}

static void set_result(struct lookup_question *question, enum lookup_result result, const char *message)
{
    question->result = result;
    (void)snprintf(question->message, sizeof question->message, "%s", message);
}

static enum lookup_result found(const struct lookup_question *question)
{
    if (question->profile.len == 0 && question->message[0] != '\0') {
        return LOOKUP_UNREADABLE;
    }
    return question->profile.len + question->prediction.len > 0 ? LOOKUP_FOUND : LOOKUP_UNKNOWN;
}

static void look_up(struct lookup *lookup, const struct pipeline *pipeline, struct lookup_question *question)
{
    churn_error err = {.size = sizeof err};
    bool kept = lookup->session != NULL;
    int32_t result = read_customer(lookup, pipeline, question, &err);
    if (result == CHURN_RETRY && kept) { /* the session that was kept has broken meanwhile */
        close_session(lookup, pipeline);
        text_free(&question->profile);
        result = read_customer(lookup, pipeline, question, &err);
    }
    err.message[sizeof err.message - 1] = '\0';
    if (question->profile.failed || question->prediction.failed) {
        set_result(question, LOOKUP_NOT_NOW, "out of memory");
    } else if (result == CHURN_OK) {
        question->result = found(question);
    } else {
        set_result(question, LOOKUP_NOT_NOW, err.message);
    }
    if (result != CHURN_OK) {
        close_session(lookup, pipeline);
    }
}

/* ---- the thread ---- */

static void answer_question(struct lookup *lookup, struct pipeline *pipeline, struct lookup_question *question)
{
    if (pipeline == NULL) {
        set_result(question, LOOKUP_NOT_NOW, "the pipeline is being exchanged, or ends");
    } else if (pipeline->store_instance == NULL) {
        set_result(question, LOOKUP_NO_STORE, "this pipeline has no store");
    } else {
        look_up(lookup, pipeline, question);
    }
}

static struct lookup_question *take_question(struct lookup *lookup)
{
    struct lookup_question *question = lookup->first;
    lookup->first = question->next;
    lookup->waiting--;
    if (lookup->first == NULL) {
        lookup->last = &lookup->first;
    }
    return question;
}

/* Waits for a change; false when there was none for so long that the session need not be kept. */
static bool wait_for_change(struct lookup *lookup)
{
    struct timespec until;
    if (lookup->session == NULL) {
        return pthread_cond_wait(&lookup->changed, &lookup->lock) == 0;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    return pthread_cond_timedwait(&lookup->changed, &lookup->lock, &until) == 0;
}

/* Without the thread's answer. */
static void answer_without(struct lookup_question *question, const char *message)
{
    set_result(question, LOOKUP_NOT_NOW, message);
    question->ready(question);
}

/* Those that wait, and have since `before_ms` at least, are answered without the store. */
static void answer_waiting(struct lookup *lookup, int64_t before_ms, const char *message)
{
    while (lookup->first != NULL && lookup->first->asked_ms <= before_ms) {
        answer_without(take_question(lookup), message);
    }
}

/* So is the one that the thread works at. */
static void answer_current(struct lookup *lookup, int64_t before_ms, const char *message)
{
    struct lookup_question *current = lookup->current;
    if (current != NULL && current->asked_ms <= before_ms) {
        lookup->current = NULL;
        answer_without(current, message);
    }
}

/* Hands over what was found to who still waits for it. */
static void hand_over(struct lookup *lookup, struct lookup_question *found)
{
    struct lookup_question *question = lookup->current;
    lookup->current = NULL;
    if (question == NULL) {
        text_free(&found->profile);
        text_free(&found->prediction);
        return;
    }
    question->result = found->result;
    memcpy(question->message, found->message, sizeof question->message);
    question->profile = found->profile;
    question->prediction = found->prediction;
    question->ready(question);
}

/* The thread uses the pipeline for one question without the lock, which is held before and after. A store that does not
 * answer this one would not answer those that wait either, each of them for as long. */
static void answer_next(struct lookup *lookup)
{
    struct lookup_question found = {0};
    struct pipeline *pipeline = lookup->stopping ? NULL : lookup->pipeline;
    lookup->current = take_question(lookup);
    memcpy(found.id, lookup->current->id, sizeof found.id);
    lookup->busy = true;
    (void)pthread_mutex_unlock(&lookup->lock);
    answer_question(lookup, pipeline, &found);
    (void)pthread_mutex_lock(&lookup->lock);
    lookup->busy = false;
    if (found.result == LOOKUP_NOT_NOW) {
        answer_waiting(lookup, INT64_MAX, found.message);
    }
    hand_over(lookup, &found);
    (void)pthread_cond_broadcast(&lookup->changed);
}

static void *serve(void *argument)
{
    struct lookup *lookup = argument;
    (void)pthread_mutex_lock(&lookup->lock);
    while (!lookup->stopping || lookup->first != NULL) {
        if (lookup->first != NULL) {
            answer_next(lookup);
        } else if (!wait_for_change(lookup) && lookup->first == NULL) {
            close_session(lookup, lookup->pipeline);
        }
    }
    (void)pthread_mutex_unlock(&lookup->lock);
    return NULL;
}

/* ---- main's side ---- */

static bool init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    bool ok = pthread_condattr_init(&attributes) == 0;
    if (ok) {
        ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
             pthread_cond_init(condition, &attributes) == 0;
        (void)pthread_condattr_destroy(&attributes);
    }
    return ok;
}

struct lookup *lookup_new(void)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL || pthread_mutex_init(&lookup->lock, NULL) != 0) {
        free(lookup);
        return NULL;
    }
    lookup->last = &lookup->first;
    if (!init_condition(&lookup->changed)) {
        (void)pthread_mutex_destroy(&lookup->lock);
        free(lookup);
        return NULL;
    }
    if (pthread_create(&lookup->thread, NULL, serve, lookup) != 0) {
        lookup_free(lookup);
        return NULL;
    }
    return lookup;
}

void lookup_attach(struct lookup *lookup, struct pipeline *pipeline)
{
    (void)pthread_mutex_lock(&lookup->lock);
    lookup->pipeline = pipeline;
    (void)pthread_mutex_unlock(&lookup->lock);
}

/* Nobody waits for an answer any more. */
static void answer_all(struct lookup *lookup)
{
    static const char message[] = "the pipeline is being exchanged, or ends";
    answer_waiting(lookup, INT64_MAX, message);
    answer_current(lookup, INT64_MAX, message);
}

void lookup_detach(struct lookup *lookup)
{
    struct pipeline *pipeline;
    (void)pthread_mutex_lock(&lookup->lock);
    pipeline = lookup->pipeline;
    lookup->pipeline = NULL; /* for what is asked from now on */
    answer_all(lookup);
    while (lookup->busy) {
        (void)pthread_cond_wait(&lookup->changed, &lookup->lock);
    }
    close_session(lookup, pipeline);
    (void)pthread_mutex_unlock(&lookup->lock);
}

void lookup_expire(struct lookup *lookup)
{
    static const char message[] = "the store has not answered in time; try again";
    int64_t before_ms = clock_monotonic_ms() - PATIENCE_MS;
    (void)pthread_mutex_lock(&lookup->lock);
    answer_waiting(lookup, before_ms, message);
    answer_current(lookup, before_ms, message);
    (void)pthread_mutex_unlock(&lookup->lock);
}

void lookup_stop(struct lookup *lookup)
{
    (void)pthread_mutex_lock(&lookup->lock);
    lookup->stopping = true;
    answer_all(lookup);
    (void)pthread_cond_broadcast(&lookup->changed);
    (void)pthread_mutex_unlock(&lookup->lock);
    (void)pthread_join(lookup->thread, NULL);
    lookup_detach(lookup);
}

void lookup_free(struct lookup *lookup)
{
    if (lookup != NULL) {
        (void)pthread_cond_destroy(&lookup->changed);
        (void)pthread_mutex_destroy(&lookup->lock);
        free(lookup);
    }
}

void lookup_ask(struct lookup *lookup, struct lookup_question *question)
{
    bool ok;
    (void)pthread_mutex_lock(&lookup->lock);
    ok = !lookup->stopping && lookup->waiting < MAX_WAITING;
    if (ok) {
        question->next = NULL;
        question->asked_ms = clock_monotonic_ms();
        *lookup->last = question;
        lookup->last = &question->next;
        lookup->waiting++;
        (void)pthread_cond_broadcast(&lookup->changed);
    }
    (void)pthread_mutex_unlock(&lookup->lock);
    if (!ok) {
        answer_without(question, "too many customers are asked for at the same time; try again");
    }
}
