/* A baseline score where no prediction API runs. It is a fixed formula, not a trained model: good enough to see the
 * whole pipeline work and to compare a real model with.
 *
 *   p = 1 / (1 + exp(-z)), where z is the sum of
 *
 *     -2.2
 *     +0.9  x  days without an order / 30, at most 90 days (from last_order_at, else from first_event_at)
 *     +2.5  when subscription_status is `cancelled`
 *     +0.5  x  payment_failures,  at most 5
 *     +0.35 x  refunds_requested, at most 5
 *     +0.25 x  support_tickets,   at most 6
 *     +0.2  x  orders_cancelled,  at most 5
 *     +0.1  x  carts_abandoned,   at most 10
 *     -0.4  x  ln(1 + order_count)
 *     -0.8  x  email_click_rate,  at most 1
 *     -0.5  x  logins_per_day,    at most 2
 *
 * A field that the profile lacks counts as 0. "Now" is the trigger's event time, so the score is a pure function of the
 * events. Risk: low below 0.25, medium below 0.5, high below 0.75, else critical. */
#include "counter.h"
#include "prediction_record.h"
#include "store_session.h"
#include "trigger.h"
#include <churn/plugin.h>
#include <churn/sink.h>
#include <churn/time.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>

#define RECORDS_MAX 256 /* taken and not yet answered */

struct local_sink {
    const char *cache_prefix;
    int64_t cache_ttl_ms;

    const churn_host *host;
    struct store_session store;
    struct counter answered;
    struct counter failed;
    struct record {
        uint64_t id;
        struct trigger *trigger; /* owned; NULL: malformed */
        int done;                /* its prediction, or that of a newer trigger of its customer, is stored */
        int damaged;             /* done, without one: the stored profile cannot be read */
    } records[RECORDS_MAX];
    uint32_t count;
    churn_error malformed; /* the newest message of a malformed trigger */
    churn_error damaged;   /* … of a profile that cannot be read */
};

static const churn_option options[] = {
    {"cache_prefix", .default_text = "prediction:", .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct local_sink, cache_prefix),
     .help = "Predictions are stored as hashes whose keys are this and the customer."},
    {"cache_ttl", .default_text = "1h", .type = CHURN_OPTION_DURATION, .max = INT64_MAX,
     .offset = offsetof(struct local_sink, cache_ttl_ms),
     .help = "How long a stored prediction is kept; 0: until it is replaced."},
};

/* --- The formula --- */

struct profile {
    double order_count, orders_cancelled, carts_abandoned, payment_failures, refunds_requested, support_tickets;
    double email_click_rate, logins_per_day;
    int64_t first_event_ms, last_order_ms;
    int has_first_event, has_last_order;
    int cancelled;
};

static double read_number(churn_str text)
{
    char copy[64];
    double number;
    if (text.len >= sizeof copy) {
        return 0;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    number = strtod(copy, NULL);
    return isfinite(number) ? number : 0;
}

static int32_t read_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct profile *p = ctx;
    const struct {
        const char *name;
        double *value;
    } numbers[] = {
        {"order_count", &p->order_count},
        {"orders_cancelled", &p->orders_cancelled},
        {"carts_abandoned", &p->carts_abandoned},
        {"payment_failures", &p->payment_failures},
        {"refunds_requested", &p->refunds_requested},
        {"support_tickets", &p->support_tickets},
        {"email_click_rate", &p->email_click_rate},
        {"logins_per_day", &p->logins_per_day},
    };
    (void)key;
    for (uint32_t i = 0; i < count; i++) {
        for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++) {
            if (churn_equal(fields[i].name, churn_text(numbers[n].name))) {
                *numbers[n].value = read_number(fields[i].value);
            }
        }
        if (churn_equal(fields[i].name, churn_text("subscription_status"))) {
            p->cancelled = churn_equal(fields[i].value, churn_text("cancelled"));
        } else if (churn_equal(fields[i].name, churn_text("first_event_at"))) {
            p->has_first_event = churn_time_parse(fields[i].value.ptr, fields[i].value.len, &p->first_event_ms);
        } else if (churn_equal(fields[i].name, churn_text("last_order_at"))) {
            p->has_last_order = churn_time_parse(fields[i].value.ptr, fields[i].value.len, &p->last_order_ms);
        }
    }
    return CHURN_OK;
}

static double days_without_order(const struct profile *p, int64_t now_ms)
{
    int64_t since = p->has_last_order ? p->last_order_ms : p->has_first_event ? p->first_event_ms : now_ms;
    double days = (double)(now_ms - since) / 86400000.0;
    return days < 0 ? 0 : fmin(days, 90);
}

static double score(const struct profile *p, int64_t now_ms)
{
    double z = -2.2;
    z += 0.9 * days_without_order(p, now_ms) / 30;
    z += p->cancelled ? 2.5 : 0;
    z += 0.5 * fmin(p->payment_failures, 5);
    z += 0.35 * fmin(p->refunds_requested, 5);
    z += 0.25 * fmin(p->support_tickets, 6);
    z += 0.2 * fmin(p->orders_cancelled, 5);
    z += 0.1 * fmin(p->carts_abandoned, 10);
    z -= 0.4 * log1p(fmax(p->order_count, 0));
    z -= 0.8 * fmin(p->email_click_rate, 1);
    z -= 0.5 * fmin(p->logins_per_day, 2);
    return 1 / (1 + exp(-z));
}

static const char *risk_level(double p)
{
    return p < 0.25 ? "low" : p < 0.5 ? "medium" : p < 0.75 ? "high" : "critical";
}

/* --- Serving --- */

/* A prediction under way to the store: its texts, and the hash that points to them. */
struct prediction {
    const struct trigger *trigger;
    struct cached_prediction cached;
    char probability[16];
    char now[CHURN_TIME_SIZE];
    churn_pair fields[PREDICTION_CACHE_FIELDS];
};

/* Computes one; the caller frees ret_hash->key.ptr. */
static int32_t predict(struct local_sink *s, const struct trigger *trigger, struct prediction *ret,
                       churn_hash *ret_hash, churn_error *err)
{
    struct profile profile = {0};
    char key[512];
    churn_str profile_key = {.ptr = key, .len = s->store.storage->profile_key(s->host, trigger->customer_id, key)};
    double p;
    int32_t rc = store_session_result(
        &s->store, s->store.ops->get(s->store.session, profile_key, read_profile, &profile, err), err);
    if (rc != CHURN_OK) {
        return rc;
    }
    p = score(&profile, trigger->timestamp_ms);
    (void)snprintf(ret->probability, sizeof ret->probability, "%.4f", p);
    churn_time_format(s->host->now_ms(s->host), ret->now);
    ret->trigger = trigger;
    ret->cached = (struct cached_prediction){.churn_probability = churn_text(ret->probability),
                                             .risk_level = churn_text(risk_level(p)),
                                             .model_version = churn_text("baseline-1"),
                                             .predicted_at = churn_text(ret->now),
                                             .event_id = trigger->event_id};
    *ret_hash = (churn_hash){
        .fields = ret->fields, .count = prediction_cache_fields(&ret->cached, ret->fields), .ttl_ms = s->cache_ttl_ms};
    return prediction_cache_key(s->cache_prefix, trigger->customer_id, &ret_hash->key)
               ? CHURN_OK
               : churn_fail(err, CHURN_FATAL, "out of memory");
}

static int same_customer(const struct trigger *a, const struct trigger *b)
{
    return churn_equal(a->customer_id, b->customer_id);
}

/* The newest among the waiting triggers of the customer of `first`; of equal times the one that came last. */
static const struct trigger *newest(const struct local_sink *s, uint32_t first)
{
    const struct trigger *best = s->records[first].trigger;
    for (uint32_t i = first + 1; i < s->count; i++) {
        const struct trigger *t = s->records[i].trigger;
        if (t != NULL && t->timestamp_ms >= best->timestamp_ms && same_customer(t, best)) {
            best = t;
        }
    }
    return best;
}

static void mark_done(struct local_sink *s, uint32_t first, const struct trigger *trigger, int damaged)
{
    for (uint32_t k = first; k < s->count; k++) {
        struct record *r = &s->records[k];
        if (r->trigger != NULL && same_customer(r->trigger, trigger)) {
            r->done = 1;
            r->damaged = damaged;
        }
    }
}

/* Nothing was stored: everything waits again. */
static void mark_waiting(struct local_sink *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        s->records[i].done = 0;
    }
}

/* Predicts once for each waiting customer; one write for all of them, since a write may wait for the disk. */
static int32_t serve(struct local_sink *s, churn_error *err)
{
    struct prediction predictions[RECORDS_MAX];
    churn_hash hashes[RECORDS_MAX];
    uint32_t count = 0;
    int32_t rc = CHURN_OK;
    for (uint32_t i = 0; i < s->count && rc == CHURN_OK; i++) {
        const struct trigger *trigger;
        if (s->records[i].done || s->records[i].trigger == NULL) {
            continue;
        }
        trigger = newest(s, i);
        rc = store_session_ready(&s->store, err);
        if (rc == CHURN_OK) {
            rc = predict(s, trigger, &predictions[count], &hashes[count], err);
            count += rc == CHURN_OK;
        }
        mark_done(s, i, trigger, rc == CHURN_REJECT);
        if (rc == CHURN_REJECT) { /* nobody else waits for that */
            counter_add(&s->failed, 1);
            s->damaged = *err;
            rc = CHURN_OK;
        }
    }
    if (rc == CHURN_OK && count > 0) {
        rc = store_session_result(&s->store, s->store.ops->write(s->store.session, hashes, count, err), err);
    }
    for (uint32_t i = 0; i < count; i++) {
        free((char *)(uintptr_t)hashes[i].key.ptr);
        if (rc == CHURN_OK) {
            prediction_record_show(s->host, predictions[i].trigger, &predictions[i].cached);
        }
    }
    counter_add(rc == CHURN_OK ? &s->answered : &s->failed, count);
    if (rc != CHURN_OK) {
        mark_waiting(s);
    }
    return rc;
}

/* --- The plugin --- */

static struct counter result_counter(const churn_host *host, const char *name, const char *result)
{
    const churn_label label = {.name = "result", .value = result};
    const churn_metric as = {.size = sizeof as,
                             .kind = CHURN_METRIC_COUNTER,
                             .name = "predictions_total",
                             .help = "Predictions by what came of them.",
                             .labels = &label,
                             .label_count = 1};
    return counter_shown(host, name, &as);
}

static int32_t local_create(void *self, const churn_host *host, churn_error *err)
{
    struct local_sink *s = self;
    (void)err;
    s->host = host;
    s->answered = result_counter(host, "predictions_answered", "answered");
    s->failed = result_counter(host, "predictions_failed", "failed");
    return CHURN_OK;
}

static int32_t local_start(void *self, churn_error *err)
{
    struct local_sink *s = self;
    return store_session_init(&s->store, s->host, "predictions", err);
}

static int32_t local_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                           churn_error *err)
{
    struct local_sink *s = self;
    uint32_t taken = 0;
    for (; taken < count && s->count < RECORDS_MAX; taken++) {
        struct record *r = &s->records[s->count];
        churn_error why = {.size = sizeof why};
        *r = (struct record){.id = records[taken].id, .trigger = trigger_parse(records[taken].value, &why)};
        if (r->trigger == NULL && why.code == CHURN_FATAL) {
            return churn_fail(err, CHURN_FATAL, "%s", why.message);
        }
        if (r->trigger == NULL) {
            s->malformed = why;
        }
        s->count++;
    }
    *ret_taken = taken;
    return CHURN_OK;
}

/* Hands out answers and keeps the records that have none yet. */
static uint32_t answer(struct local_sink *s, churn_done *done, uint32_t max)
{
    uint32_t answered = 0, kept = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        struct record *r = &s->records[i];
        if (answered == max || (r->trigger != NULL && !r->done)) {
            s->records[kept++] = *r;
            continue;
        }
        done[answered++] = (churn_done){.id = r->id,
                                        .result = r->trigger != NULL && !r->damaged ? CHURN_OK : CHURN_REJECT,
                                        .message = r->damaged           ? s->damaged.message
                                                   : r->trigger != NULL ? NULL
                                                                        : s->malformed.message};
        free(r->trigger);
    }
    s->count = kept;
    return answered;
}

static int32_t local_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                          churn_error *err)
{
    struct local_sink *s = self;
    int32_t rc = serve(s, err);
    *ret_count = 0;
    if (rc == CHURN_FATAL) {
        return rc;
    }
    *ret_count = answer(s, done, max);
    if (*ret_count == 0 && s->count > 0 && max > 0) {
        (void)poll(NULL, 0, timeout_ms < 100 ? (int)timeout_ms : 100); /* the store is out of reach */
    }
    return CHURN_OK;
}

static void local_stop(void *self, int64_t deadline_ms)
{
    struct local_sink *s = self;
    (void)deadline_ms;
    store_session_close(&s->store);
}

static void local_destroy(void *self)
{
    struct local_sink *s = self;
    store_session_close(&s->store);
    for (uint32_t i = 0; i < s->count; i++) {
        free(s->records[i].trigger);
    }
}

static void local_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    const struct local_sink *s = self;
    const churn_target keys = {.size = sizeof keys,
                               .flags = CHURN_TARGET_WRITES,
                               .kind = CHURN_TARGET_KEYS,
                               .name = s->cache_prefix,
                               .option = "cache_prefix"};
    (void)timeout_ms;
    fn(ctx, &keys);
}

static const churn_sink_ops ops = {
    .size = sizeof(churn_sink_ops),
    .accepts = CHURN_RECORD_TRIGGER,
    .create = local_create,
    .start = local_start,
    .write = local_write,
    .poll = local_poll,
    .stop = local_stop,
    .destroy = local_destroy,
    .probe = local_probe,
};

static const churn_needs needs = {.size = sizeof needs};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "prediction_local", .version = "1.0.0",
             .summary = "Stores a documented baseline score, where no prediction API runs",
             CHURN_OPTIONS(options, struct local_sink), .ops = &ops, .needs = &needs);
