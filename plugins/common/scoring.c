#include "scoring.h"

#include "prediction_record.h"
#include "prediction_results.h"
#include <churn/time.h>
#include <stdlib.h>

#define READ_MAX 32 /* profiles read at a time */

/* A prediction under way to the store: its texts, its crossing, and the hash that points to the texts. */
struct prediction {
    const struct trigger *trigger;
    struct cached_prediction cached;
    churn_answer answer; /* of a test */
    char probability[32];
    struct crossing crossing;
    int alerting; /* its alert is on its way */
    int crossed;  /* nothing is left to do about it */
    churn_pair fields[PREDICTION_CACHE_FIELDS];
};

struct batch {
    struct scoring *scoring;
    struct pick {
        const struct trigger *trigger;
        uint32_t first; /* record of its customer */
    } picks[SCORING_MAX];
    uint32_t pick_count;
    uint32_t read; /* picks whose profile was read, or is damaged */
    const struct trigger *triggers[SCORING_MAX];
    double scores[SCORING_MAX];
    struct prediction predictions[SCORING_MAX];
    churn_hash hashes[SCORING_MAX];
    uint32_t count;
    uint32_t alerting; /* of these, predictions whose alerts are on their way */
    int fails;         /* in a test: the model does, this time */
    char now[CHURN_TIME_SIZE];
};

static const char *risk_level(double p)
{
    return p < 0.25 ? "low" : p < 0.5 ? "medium" : p < 0.75 ? "high" : "critical";
}

/* --- Reading --- */

/* Asks the test in place of the model. 0: the trigger is let go of. */
static int take_answer(struct batch *b, const struct trigger *t, const churn_pair *fields, uint32_t count)
{
    const struct scoring *s = b->scoring;
    churn_answer *answer = &b->predictions[b->count].answer;
    const churn_when_subject subject = {.size = sizeof subject,
                                        .customer_id = t->customer_id,
                                        .event_id = t->event_id,
                                        .event_type = t->event_type,
                                        .timestamp_ms = t->timestamp_ms,
                                        .fields = fields,
                                        .count = count};
    int32_t rc;
    *answer = (churn_answer){.size = sizeof *answer};
    rc = s->answers->answer(s->host, &subject, answer);
    b->fails |= rc == CHURN_RETRY;
    return rc != CHURN_END;
}

static int32_t take_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct batch *b = ctx;
    const struct scoring *s = b->scoring;
    const struct trigger *trigger = b->picks[b->read++].trigger;
    (void)key;
    if (s->answers == NULL) {
        s->model.take(s->model.ctx, b->count, trigger, fields, count);
    } else if (!take_answer(b, trigger, fields, count)) {
        return CHURN_OK;
    }
    crossing_note(&s->crossings, &b->predictions[b->count].crossing, fields, count);
    b->triggers[b->count++] = trigger;
    return CHURN_OK;
}

static int same_customer(const struct trigger *a, const struct trigger *b)
{
    return churn_equal(a->customer_id, b->customer_id);
}

/* The newest among the waiting triggers of the customer of `first`; of equal times the one that came last. */
static const struct trigger *newest(const struct scoring *s, uint32_t first)
{
    const struct trigger *best = s->records[first].trigger;
    for (uint32_t i = first + 1; i < s->count; i++) {
        const struct trigger *t = s->records[i].trigger;
        if (t != NULL && !s->records[i].done && t->timestamp_ms >= best->timestamp_ms && same_customer(t, best)) {
            best = t;
        }
    }
    return best;
}

static void mark_picked(struct scoring *s, uint32_t first, const struct trigger *trigger)
{
    for (uint32_t k = first; k < s->count; k++) {
        struct scoring_record *r = &s->records[k];
        r->picked |= r->trigger != NULL && same_customer(r->trigger, trigger);
    }
}

static void mark_damaged(struct scoring *s, uint32_t first, const struct trigger *trigger)
{
    for (uint32_t k = first; k < s->count; k++) {
        struct scoring_record *r = &s->records[k];
        if (r->trigger != NULL && !r->forgotten && same_customer(r->trigger, trigger)) {
            r->picked = 0;
            r->done = r->damaged = 1;
        }
    }
}

/* The batch is over: what it answers is done, or waits again. */
static void mark_over(struct scoring *s, int done)
{
    for (uint32_t i = 0; i < s->count; i++) {
        s->records[i].done |= done && s->records[i].picked;
        s->records[i].picked = 0;
    }
}

/* CHURN_OK: *ret is set. CHURN_RETRY: who is forgotten is not known at the moment. */
static int32_t ask_forgotten(const struct scoring *s, const struct trigger *trigger, int *ret, churn_error *err)
{
    int32_t covered = forgotten_covers(&s->forgotten, trigger);
    *ret = covered == 1;
    return covered != CHURN_PENDING ? CHURN_OK
                                    : churn_fail(err, CHURN_RETRY, "who is forgotten cannot be read at the moment");
}

/* What was forgotten with its customer is done, and nothing comes of it. */
static int32_t pass_over(struct scoring *s, churn_error *err)
{
    int32_t rc = CHURN_OK;
    for (uint32_t i = 0; i < s->count && rc == CHURN_OK; i++) {
        struct scoring_record *r = &s->records[i];
        if (r->trigger != NULL && !r->done && !r->picked) {
            rc = ask_forgotten(s, r->trigger, &r->forgotten, err);
            r->done = r->forgotten;
            counter_add(&s->passed_over, r->forgotten);
        }
    }
    return rc;
}

/* One for each customer who waits. */
static void pick(struct batch *b)
{
    struct scoring *s = b->scoring;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!s->records[i].done && !s->records[i].picked && s->records[i].trigger != NULL) {
            const struct trigger *trigger = newest(s, i);
            b->picks[b->pick_count++] = (struct pick){.trigger = trigger, .first = i};
            mark_picked(s, i, trigger);
        }
    }
}

static int32_t get_some(struct batch *b, churn_error *err)
{
    const struct store_session *store = &b->scoring->store;
    const churn_host *host = b->scoring->host;
    char texts[READ_MAX][512];
    churn_str keys[READ_MAX];
    uint32_t count = b->pick_count - b->read < READ_MAX ? b->pick_count - b->read : READ_MAX;
    int32_t rc = CHURN_OK;
    for (uint32_t i = 0; i < count; i++) {
        churn_str customer = b->picks[b->read + i].trigger->customer_id;
        keys[i] = (churn_str){.ptr = texts[i], .len = store->storage->profile_key(host, customer, texts[i])};
    }
    if (store->ops->get_many != NULL) {
        return store->ops->get_many(store->session, keys, count, take_profile, b, err);
    }
    for (uint32_t i = 0; i < count && rc == CHURN_OK; i++) {
        rc = store->ops->get(store->session, keys[i], take_profile, b, err);
    }
    return rc;
}

static int32_t read_profiles(struct batch *b, churn_error *err)
{
    struct scoring *s = b->scoring;
    int32_t rc = CHURN_OK;
    while (b->read < b->pick_count && rc == CHURN_OK) {
        rc = store_session_ready(&s->store, err);
        rc = rc == CHURN_OK ? store_session_result(&s->store, get_some(b, err), err) : rc;
        if (rc == CHURN_REJECT) { /* nobody else waits for the one at fault */
            const struct pick *bad = &b->picks[b->read++];
            mark_damaged(s, bad->first, bad->trigger);
            counter_add(&s->failed, 1);
            s->damaged = *err;
            rc = CHURN_OK;
        }
    }
    return rc;
}

/* --- Scoring --- */

static void print_score(const struct scoring *s, double score, struct prediction *ret)
{
    if (s->model.decimals > 0) {
        (void)snprintf(ret->probability, sizeof ret->probability, "%.*f", s->model.decimals, score);
    } else {
        (void)snprintf(ret->probability, sizeof ret->probability, "%.9g", score);
    }
}

static int32_t score_all(struct batch *b, churn_error *err)
{
    const struct scoring *s = b->scoring;
    if (s->answers == NULL) {
        return b->count > 0 ? s->model.score(s->model.ctx, b->count, b->scores, err) : CHURN_OK;
    }
    return b->fails ? churn_fail(err, CHURN_RETRY, "the model fails, as the test says") : CHURN_OK;
}

static struct cached_prediction of_model(const struct scoring *s, double score, struct prediction *p)
{
    print_score(s, score, p);
    return (struct cached_prediction){.churn_probability = churn_text(p->probability),
                                      .risk_level = churn_text(risk_level(score)),
                                      .model_version = churn_text(s->model.version)};
}

static struct cached_prediction of_test(const churn_answer *answer)
{
    double score = strtod(answer->churn_probability.ptr, NULL);
    return (struct cached_prediction){.churn_probability = answer->churn_probability,
                                      .risk_level = answer->risk_level.ptr != NULL ? answer->risk_level
                                                                                   : churn_text(risk_level(score)),
                                      .model_version = answer->model_version};
}

static void make_predictions(struct batch *b)
{
    const struct scoring *s = b->scoring;
    churn_time_format(s->host->now_ms(s->host), b->now);
    for (uint32_t i = 0; i < b->count; i++) {
        struct prediction *p = &b->predictions[i];
        p->trigger = b->triggers[i];
        p->cached = s->answers == NULL ? of_model(s, b->scores[i], p) : of_test(&p->answer);
        p->cached.predicted_at = churn_text(b->now);
        p->cached.event_id = p->trigger->event_id;
        p->alerting = 0;
        p->crossed = !crossing_changes(&s->crossings, &p->crossing, p->cached.churn_probability);
    }
}

/* --- Crossings --- */

static void take_alert_answers(struct batch *b)
{
    uint64_t ids[SCORING_MAX];
    uint32_t count = b->alerting > 0 ? crossings_answers(&b->scoring->crossings, ids, SCORING_MAX) : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct prediction *p = &b->predictions[ids[i]];
        crossing_answered(&p->crossing);
        p->alerting = 0;
    }
    b->alerting -= count;
}

/* Time has passed since the profiles were read. If somebody was forgotten, all wait, to be judged anew. */
static int32_t ask_again(const struct batch *b, churn_error *err)
{
    int forgotten = 0;
    int32_t rc = CHURN_OK;
    for (uint32_t i = 0; i < b->count && rc == CHURN_OK && !forgotten; i++) {
        rc = ask_forgotten(b->scoring, b->triggers[i], &forgotten, err);
    }
    return forgotten ? churn_fail(err, CHURN_RETRY, "a customer was forgotten meanwhile") : rc;
}

/* CHURN_PENDING: not all alerts are answered yet. Until they are, nothing else becomes of the batch, also where it is
 * to wait and be judged anew. */
static int32_t cross_all(struct batch *b, churn_error *err)
{
    int32_t rc;
    take_alert_answers(b);
    rc = ask_again(b, err);
    for (uint32_t i = 0; i < b->count && (rc == CHURN_OK || rc == CHURN_PENDING); i++) {
        struct prediction *p = &b->predictions[i];
        if (p->crossed || p->alerting) {
            continue;
        }
        rc = crossing_step(&b->scoring->crossings, &p->crossing, p->trigger, &p->cached, i, err);
        p->crossed = rc == CHURN_OK;
        p->alerting = rc == CHURN_PENDING;
        b->alerting += rc == CHURN_PENDING;
    }
    return rc == CHURN_OK || rc == CHURN_PENDING ? (b->alerting > 0 ? CHURN_PENDING : CHURN_OK) : rc;
}

/* --- Storing --- */

/* The caller frees the key of the hash. */
static int32_t make_hash(struct batch *b, uint32_t i, churn_error *err)
{
    const struct scoring *s = b->scoring;
    struct prediction *p = &b->predictions[i];
    b->hashes[i] = (churn_hash){
        .fields = p->fields, .count = prediction_cache_fields(&p->cached, p->fields), .ttl_ms = s->cache_ttl_ms};
    return prediction_cache_key(s->cache_prefix, p->trigger->customer_id, &b->hashes[i].key)
               ? CHURN_OK
               : churn_fail(err, CHURN_FATAL, "out of memory");
}

static int32_t store(struct batch *b, churn_error *err)
{
    struct scoring *s = b->scoring;
    int32_t rc = store_session_ready(&s->store, err);
    uint32_t made = 0;
    while (rc == CHURN_OK && made < b->count && (rc = make_hash(b, made, err)) == CHURN_OK) {
        made++;
    }
    rc = rc == CHURN_OK ? ask_again(b, err) : rc;
    if (rc == CHURN_OK) {
        rc = store_session_result(&s->store, s->store.ops->write(s->store.session, b->hashes, made, err), err);
    }
    for (uint32_t i = 0; i < made; i++) {
        if (rc == CHURN_OK) {
            rc = forgotten_note(&s->forgotten, b->predictions[i].trigger, b->hashes[i].key, err);
        }
        free((char *)(uintptr_t)b->hashes[i].key.ptr);
        if (rc == CHURN_OK) {
            prediction_record_show(s->host, b->predictions[i].trigger, &b->predictions[i].cached);
        }
    }
    return rc;
}

/* --- A batch --- */

static int32_t score_batch(struct batch *b, churn_error *err)
{
    struct scoring *s = b->scoring;
    int32_t rc = pass_over(s, err);
    b->pick_count = b->read = b->count = b->alerting = 0;
    b->fails = 0;
    if (rc == CHURN_OK) {
        pick(b);
        rc = read_profiles(b, err);
    }
    rc = rc == CHURN_OK ? score_all(b, err) : rc;
    if (rc == CHURN_OK) {
        make_predictions(b);
    }
    return rc;
}

int32_t scoring_serve(struct scoring *s, churn_error *err)
{
    struct batch *b = s->batch;
    int64_t known;
    int news = forgotten_news(&s->forgotten, &known), resumed = b->alerting > 0;
    int32_t rc = resumed ? CHURN_OK : score_batch(b, err);
    rc = rc == CHURN_OK ? cross_all(b, err) : rc;
    if (rc == CHURN_OK && b->count > 0) {
        rc = store(b, err);
    }
    if (rc == CHURN_PENDING || (rc == CHURN_RETRY && b->alerting > 0)) {
        return rc; /* the alerts under way are about this batch */
    }
    counter_add(rc == CHURN_OK ? &s->answered : &s->failed, b->count);
    mark_over(s, rc == CHURN_OK);
    return rc == CHURN_OK && news && !resumed ? forgotten_adopt(&s->forgotten, &s->store, known, err) : rc;
}

/* --- Beginning and end --- */

void scoring_init(struct scoring *s, const churn_host *host)
{
    s->host = host;
    s->answers = host->get_extension(host, CHURN_ANSWERS_ID);
    s->answered = prediction_result(host, "predictions_answered", "answered");
    s->failed = prediction_result(host, "predictions_failed", "failed");
    s->passed_over = prediction_result(host, "predictions_forgotten", "forgotten");
}

int32_t scoring_start(struct scoring *s, churn_error *err)
{
    forgotten_init(&s->forgotten, s->host);
    crossings_init(&s->crossings, s->host, s->alert, &s->store);
    s->batch = calloc(1, sizeof *s->batch);
    if (s->batch == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    s->batch->scoring = s;
    return store_session_init(&s->store, s->host, "predictions", err);
}

int scoring_has_work(const struct scoring *s)
{
    int64_t known;
    return s->count > 0 || forgotten_news(&s->forgotten, &known);
}

int scoring_has_room(const struct scoring *s)
{
    return s->count < SCORING_MAX;
}

void scoring_add(struct scoring *s, uint64_t id, struct trigger *trigger, const churn_error *why)
{
    if (trigger == NULL) {
        s->malformed = *why;
    }
    s->records[s->count++] = (struct scoring_record){.id = id, .trigger = trigger};
}

static churn_done answer_to(const struct scoring *s, const struct scoring_record *r)
{
    if (r->trigger == NULL) {
        return (churn_done){.id = r->id, .result = CHURN_REJECT, .message = s->malformed.message};
    }
    return r->damaged ? (churn_done){.id = r->id, .result = CHURN_REJECT, .message = s->damaged.message}
                      : (churn_done){.id = r->id, .result = CHURN_OK};
}

uint32_t scoring_answers(struct scoring *s, churn_done *done, uint32_t max)
{
    uint32_t answered = 0, kept = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        struct scoring_record *r = &s->records[i];
        if (answered == max || (r->trigger != NULL && !r->done)) {
            s->records[kept++] = *r;
            continue;
        }
        done[answered++] = answer_to(s, r);
        free(r->trigger);
    }
    s->count = kept;
    return answered;
}

void scoring_stop(struct scoring *s)
{
    forgotten_free(&s->forgotten);
    store_session_close(&s->store);
    free(s->batch);
    s->batch = NULL;
}

void scoring_free(struct scoring *s)
{
    store_session_close(&s->store);
    forgotten_free(&s->forgotten);
    for (uint32_t i = 0; i < s->count; i++) {
        free(s->records[i].trigger);
    }
    s->count = 0;
    free(s->batch);
    s->batch = NULL;
}

void scoring_probe(const char *cache_prefix, churn_target_fn fn, void *ctx)
{
    const churn_target keys = {.size = sizeof keys,
                               .flags = CHURN_TARGET_WRITES,
                               .kind = CHURN_TARGET_KEYS,
                               .name = cache_prefix,
                               .option = "cache_prefix"};
    fn(ctx, &keys);
}
