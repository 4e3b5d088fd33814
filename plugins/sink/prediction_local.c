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
#include "scoring.h"
#include <churn/plugin.h>
#include <churn/sink.h>
#include <churn/time.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>

struct local_sink {
    const char *cache_prefix;
    int64_t cache_ttl_ms;
    struct crossing_rule alert;

    struct scoring scoring;
    double scores[SCORING_MAX]; /* of the rows that were taken */
};

static const churn_option options[] = {
    {"cache_prefix", .default_text = "prediction:", .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct local_sink, cache_prefix),
     .help = "Predictions are stored as hashes whose keys are this and the customer."},
    {"cache_ttl", .default_text = "1h", .type = CHURN_OPTION_DURATION, .max = INT64_MAX,
     .offset = offsetof(struct local_sink, cache_ttl_ms),
     .help = "How long a stored prediction is kept; 0: until it is replaced."},
    CROSSING_OPTIONS(offsetof(struct local_sink, alert)),
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

static void read_profile(struct profile *p, const churn_pair *fields, uint32_t count)
{
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

static void take(void *ctx, uint32_t row, const struct trigger *trigger, const churn_pair *fields, uint32_t count)
{
    struct local_sink *s = ctx;
    struct profile profile = {0};
    read_profile(&profile, fields, count);
    s->scores[row] = score(&profile, trigger->timestamp_ms);
}

static int32_t hand_out(void *ctx, uint32_t count, double *ret, churn_error *err)
{
    const struct local_sink *s = ctx;
    (void)err;
    memcpy(ret, s->scores, count * sizeof *ret);
    return CHURN_OK;
}

/* --- The plugin --- */

static int32_t local_create(void *self, const churn_host *host, churn_error *err)
{
    struct local_sink *s = self;
    scoring_init(&s->scoring, host);
    s->scoring.alert = &s->alert;
    s->scoring.cache_prefix = s->cache_prefix;
    s->scoring.cache_ttl_ms = s->cache_ttl_ms;
    s->scoring.model =
        (struct scoring_model){.ctx = s, .version = "baseline-1", .decimals = 4, .take = take, .score = hand_out};
    return crossing_check(&s->alert, host, err);
}

static int32_t local_start(void *self, churn_error *err)
{
    struct local_sink *s = self;
    return scoring_start(&s->scoring, err);
}

static int32_t local_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                           churn_error *err)
{
    struct local_sink *s = self;
    uint32_t taken = 0;
    for (; taken < count && scoring_has_room(&s->scoring); taken++) {
        churn_error why = {.size = sizeof why};
        struct trigger *trigger = trigger_parse(records[taken].value, &why);
        if (trigger == NULL && why.code == CHURN_FATAL) {
            return churn_fail(err, CHURN_FATAL, "%s", why.message);
        }
        scoring_add(&s->scoring, records[taken].id, trigger, &why);
    }
    *ret_taken = taken;
    return CHURN_OK;
}

static int32_t local_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                          churn_error *err)
{
    struct local_sink *s = self;
    int32_t rc = scoring_serve(&s->scoring, err);
    *ret_count = 0;
    if (rc == CHURN_FATAL) {
        return rc;
    }
    *ret_count = scoring_answers(&s->scoring, done, max);
    if (rc == CHURN_RETRY && *ret_count == 0 && max > 0) {
        (void)poll(NULL, 0, timeout_ms < 100 ? (int)timeout_ms : 100); /* the store is out of reach */
    }
    return CHURN_OK;
}

static void local_stop(void *self, int64_t deadline_ms)
{
    struct local_sink *s = self;
    (void)deadline_ms;
    scoring_stop(&s->scoring);
}

static void local_destroy(void *self)
{
    struct local_sink *s = self;
    scoring_free(&s->scoring);
}

static void local_probe(void *self, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    const struct local_sink *s = self;
    (void)timeout_ms;
    scoring_probe(s->cache_prefix, fn, ctx);
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
