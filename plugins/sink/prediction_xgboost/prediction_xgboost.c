/* Scores profiles with a saved model of XGBoost, in this process. The worker hands triggers to a thread of the
 * instance, which reads their profiles, scores them together and stores what the model says; a trigger is answered once
 * its prediction is stored. */
#include "columns.h"
#include "model.h"
#include "own_thread.h"
#include "scoring.h"
#include "stall.h"
#include <churn/plugin.h>
#include <churn/sink.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define RECORDS_MAX 1024    /* taken and not yet answered */
#define OUT_OF_REACH_MS 100 /* pause while the store is out of reach */
#define IDLE_MS 200         /* between looks at who was forgotten */
#define ALERTING_MS 5       /* … while alerts are on their way */

struct inbound {
    uint64_t id;
    struct trigger *trigger; /* owned; NULL: malformed */
};

/* What the worker and the thread share, under `lock`. */
struct exchange {
    pthread_mutex_t lock;
    pthread_cond_t to_thread, to_worker;
    struct inbound in[RECORDS_MAX];
    uint32_t in_count;
    churn_done out[RECORDS_MAX];
    uint32_t out_count;
    uint32_t taken;                          /* and not yet handed out */
    churn_error malformed;                   /* the newest message of a malformed trigger */
    char rejected[CHURN_ERROR_MESSAGE_SIZE]; /* … of a record that was rejected */
    churn_error error;                       /* of the thread; code 0: none */
    int stopping;
};

struct xgboost_sink {
    const char *model_path;
    const churn_node *features;
    const char *cache_prefix;
    int64_t cache_ttl_ms;
    struct crossing_rule alert;

    const churn_host *host;
    struct model *model;
    struct column *columns;
    uint32_t column_count;
    struct exchange *exchange;
    pthread_t thread;
    int runs;
    char said[CHURN_ERROR_MESSAGE_SIZE]; /* the worker's copy of `rejected` */
    struct scoring scoring;              /* the thread's, once it runs */
    float *rows;                         /* … SCORING_MAX of them */
    float scores[SCORING_MAX];
};

static const churn_option options[] = {
    {"model", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED,
     .offset = offsetof(struct xgboost_sink, model_path),
     .help =
         "Model that XGBoost has saved as JSON or UBJ, with the names of its features, for an objective that says a "
         "probability (binary:logistic); all its trees are used. Read at the start and at each reload (SIGHUP); "
         "model_version is the first 16 digits of the file's SHA-256."},
    {"features", .type = CHURN_OPTION_TREE, .offset = offsetof(struct xgboost_sink, features),
     .help =
         "List of FIELD or {field, name, missing}: the profile's field for the feature called `name` (by default it is "
         "called as the field), and the number in place of a field that a profile lacks (by default it is missing "
         "for the model, too). A feature that is written as a name alone, or not listed, is the field of that name."},
    {"cache_prefix", .default_text = "prediction:", .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct xgboost_sink, cache_prefix),
     .help = "Predictions are stored as hashes whose keys are this and the customer."},
    {"cache_ttl", .default_text = "1h", .type = CHURN_OPTION_DURATION, .max = INT64_MAX,
     .offset = offsetof(struct xgboost_sink, cache_ttl_ms),
     .help = "How long a stored prediction is kept; 0: until it is replaced."},
    CROSSING_OPTIONS(offsetof(struct xgboost_sink, alert)),
};

/* --- The thread's side --- */

static void take(void *ctx, uint32_t row, const struct trigger *trigger, const churn_pair *fields, uint32_t count)
{
    struct xgboost_sink *s = ctx;
    (void)trigger;
    columns_fill(s->columns, s->column_count, fields, count, s->rows + (size_t)row * s->column_count);
}

static int32_t score(void *ctx, uint32_t count, double *ret, churn_error *err)
{
    struct xgboost_sink *s = ctx;
    int32_t rc = model_score(s->model, s->rows, count, s->scores, err);
    for (uint32_t i = 0; rc == CHURN_OK && i < count; i++) {
        ret[i] = (double)s->scores[i];
    }
    return rc;
}

/* Takes what fits of what was handed in. `lock` is held. */
static void take_in(struct xgboost_sink *s)
{
    struct exchange *x = s->exchange;
    uint32_t used = 0;
    while (used < x->in_count && scoring_has_room(&s->scoring)) {
        scoring_add(&s->scoring, x->in[used].id, x->in[used].trigger, &x->malformed);
        used++;
    }
    x->in_count -= used;
    memmove(x->in, x->in + used, x->in_count * sizeof *x->in);
}

/* Hands out what is answered. `lock` is held; there is room for all that was taken. */
static void hand_out(struct xgboost_sink *s)
{
    struct exchange *x = s->exchange;
    uint32_t count = scoring_answers(&s->scoring, x->out + x->out_count, RECORDS_MAX - x->out_count);
    for (uint32_t i = x->out_count; i < x->out_count + count; i++) {
        if (x->out[i].message != NULL) {
            (void)snprintf(x->rejected, sizeof x->rejected, "%s", x->out[i].message);
        }
    }
    x->out_count += count;
    if (count > 0) {
        (void)pthread_cond_signal(&x->to_worker);
    }
}

/* `lock` is held, but while it waits. */
static void wait_for(struct exchange *x, pthread_cond_t *condition, uint32_t timeout_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(condition, &x->lock, &until);
}

static void *serve(void *arg)
{
    struct xgboost_sink *s = arg;
    struct exchange *x = s->exchange;
    churn_error err = {.size = sizeof err};
    int32_t rc = CHURN_OK;
    (void)pthread_mutex_lock(&x->lock);
    while (!x->stopping && rc != CHURN_FATAL) {
        take_in(s);
        if (!scoring_has_work(&s->scoring)) {
            wait_for(x, &x->to_thread, IDLE_MS);
            continue;
        }
        (void)pthread_mutex_unlock(&x->lock);
        rc = scoring_serve(&s->scoring, &err);
        (void)pthread_mutex_lock(&x->lock);
        hand_out(s);
        if ((rc == CHURN_RETRY || rc == CHURN_PENDING) && !x->stopping) {
            wait_for(x, &x->to_thread, rc == CHURN_RETRY ? OUT_OF_REACH_MS : ALERTING_MS);
        }
    }
    if (rc == CHURN_FATAL) {
        x->error = err;
        (void)pthread_cond_signal(&x->to_worker);
    }
    (void)pthread_mutex_unlock(&x->lock);
    scoring_stop(&s->scoring);
    return NULL;
}

/* --- The worker's side --- */

static int32_t xgboost_create(void *self, const churn_host *host, churn_error *err)
{
    struct xgboost_sink *s = self;
    const char *const *names;
    int32_t rc = crossing_check(&s->alert, host, err);
    rc = rc == CHURN_OK ? model_load(s->model_path, &s->model, err) : rc;
    if (rc != CHURN_OK) {
        return rc;
    }
    names = model_features(s->model, &s->column_count);
    rc = columns_bind(host, s->features, names, s->column_count, &s->columns, err);
    if (rc != CHURN_OK) {
        model_free(s->model);
        return rc;
    }
    s->host = host;
    scoring_init(&s->scoring, host);
    s->scoring.alert = &s->alert;
    s->scoring.cache_prefix = s->cache_prefix;
    s->scoring.cache_ttl_ms = s->cache_ttl_ms;
    s->scoring.model =
        (struct scoring_model){.ctx = s, .version = model_version(s->model), .take = take, .score = score};
    return CHURN_OK;
}

static int32_t make_exchange(struct xgboost_sink *s, churn_error *err)
{
    pthread_condattr_t attributes;
    struct exchange *x = calloc(1, sizeof *x);
    s->rows = calloc((size_t)SCORING_MAX * s->column_count, sizeof *s->rows);
    if (x == NULL || s->rows == NULL) {
        free(x);
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    (void)pthread_mutex_init(&x->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&x->to_thread, &attributes);
    (void)pthread_cond_init(&x->to_worker, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    s->exchange = x;
    return CHURN_OK;
}

static int32_t start_thread(struct xgboost_sink *s, churn_error *err)
{
    int error = own_thread_start(&s->thread, serve, s);
    s->runs = error == 0;
    return s->runs ? CHURN_OK
                   : churn_fail(err, CHURN_FATAL, "the scoring thread cannot be started: %s", strerror(error));
}

static int32_t xgboost_start(void *self, churn_error *err)
{
    struct xgboost_sink *s = self;
    int32_t rc = scoring_start(&s->scoring, err);
    rc = rc == CHURN_OK ? make_exchange(s, err) : rc;
    rc = rc == CHURN_OK ? start_thread(s, err) : rc;
    if (rc == CHURN_OK) {
        churn_log(s->host, CHURN_LOG_INFO, "scores with the model %s, version %s", s->model_path,
                  model_version(s->model));
    }
    return rc;
}

static int32_t xgboost_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                             churn_error *err)
{
    struct exchange *x = ((struct xgboost_sink *)self)->exchange;
    int32_t rc = CHURN_OK;
    uint32_t taken = 0;
    (void)pthread_mutex_lock(&x->lock);
    for (; taken < count && x->taken < RECORDS_MAX; taken++) {
        churn_error why = {.size = sizeof why};
        struct trigger *trigger = trigger_parse(records[taken].value, &why);
        if (trigger == NULL && why.code == CHURN_FATAL) {
            rc = churn_fail(err, CHURN_FATAL, "%s", why.message);
            break;
        }
        if (trigger == NULL) {
            x->malformed = why;
        }
        x->in[x->in_count++] = (struct inbound){.id = records[taken].id, .trigger = trigger};
        x->taken++;
    }
    if (taken > 0) {
        (void)pthread_cond_signal(&x->to_thread);
    }
    (void)pthread_mutex_unlock(&x->lock);
    *ret_taken = taken;
    return rc;
}

static uint32_t collect(struct xgboost_sink *s, churn_done *done, uint32_t max)
{
    struct exchange *x = s->exchange;
    uint32_t count = x->out_count < max ? x->out_count : max;
    memcpy(s->said, x->rejected, sizeof s->said);
    for (uint32_t i = 0; i < count; i++) {
        done[i] = x->out[i];
        done[i].message = done[i].message != NULL ? s->said : NULL;
    }
    x->out_count -= count;
    memmove(x->out, x->out + count, x->out_count * sizeof *x->out);
    x->taken -= count;
    return count;
}

static int32_t xgboost_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                            churn_error *err)
{
    struct xgboost_sink *s = self;
    struct exchange *x = s->exchange;
    int32_t rc = CHURN_OK;
    (void)pthread_mutex_lock(&x->lock);
    if (x->out_count == 0 && x->taken > 0 && max > 0 && timeout_ms > 0 && x->error.code == 0) {
        wait_for(x, &x->to_worker, timeout_ms);
    }
    *ret_count = collect(s, done, max);
    if (x->error.code != 0) {
        rc = churn_fail(err, CHURN_FATAL, "%s", x->error.message);
    }
    (void)pthread_mutex_unlock(&x->lock);
    return rc;
}

static void xgboost_stop(void *self, int64_t deadline_ms)
{
    struct xgboost_sink *s = self;
    (void)deadline_ms; /* a call of the store ends by its own time limit */
    (void)pthread_mutex_lock(&s->exchange->lock);
    s->exchange->stopping = 1;
    (void)pthread_cond_signal(&s->exchange->to_thread);
    (void)pthread_mutex_unlock(&s->exchange->lock);
    (void)pthread_join(s->thread, NULL);
    s->runs = 0;
}

static void free_exchange(struct exchange *x)
{
    for (uint32_t i = 0; i < x->in_count; i++) {
        free(x->in[i].trigger);
    }
    (void)pthread_cond_destroy(&x->to_thread);
    (void)pthread_cond_destroy(&x->to_worker);
    (void)pthread_mutex_destroy(&x->lock);
    free(x);
}

static void xgboost_destroy(void *self)
{
    struct xgboost_sink *s = self;
    if (s->runs) {
        xgboost_stop(s, 0);
    }
    scoring_free(&s->scoring);
    if (s->exchange != NULL) {
        free_exchange(s->exchange);
    }
    free(s->rows);
    free(s->columns);
    model_free(s->model);
}

static void xgboost_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    const struct xgboost_sink *s = self;
    const churn_target model = {.size = sizeof model,
                                .flags = CHURN_TARGET_READS,
                                .kind = CHURN_TARGET_FILE,
                                .name = s->model_path,
                                .option = "model"};
    (void)timeout_ms;
    fn(ctx, &model);
    scoring_probe(s->cache_prefix, fn, ctx);
}

static const churn_sink_ops ops = {
    .size = sizeof(churn_sink_ops),
    .accepts = CHURN_RECORD_TRIGGER,
    .create = xgboost_create,
    .start = xgboost_start,
    .write = xgboost_write,
    .poll = xgboost_poll,
    .stop = xgboost_stop,
    .destroy = xgboost_destroy,
    .probe = xgboost_probe,
};

static const char *const read_options[] = {"model", NULL};
static const churn_needs needs = {.size = sizeof needs, .read_options = read_options};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "prediction_xgboost", .version = "1.0.0",
             .summary = "Stores the scores of a saved XGBoost model, computed in this process",
             CHURN_OPTIONS(options, struct xgboost_sink), .ops = &ops, .needs = &needs);
