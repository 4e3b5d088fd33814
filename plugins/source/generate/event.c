#include "event.h"

#include "fault.h"
#include "generator.h"
#include "put.h"
#include "random.h"

static char *put_sample(char *at, const struct sample *sample, uint64_t *random)
{
    char *end = put_str(at, sample->json);
    if (sample->digits) {
        for (; at < end; at++) {
            if (*at == '#') {
                *at = (char)('0' + below(random, 10));
            }
        }
    }
    return end;
}

/* Mostly whole cents, as prices are. */
static uint64_t random_money(uint64_t *random, const struct field_plan *plan)
{
    int64_t units = between(random, plan->low, plan->high), cents = units / 100 * 100;
    return (uint64_t)(cents < plan->low || below(random, 32) == 0 ? units : cents);
}

static char *put_value(struct generator *g, char *at, const struct field_plan *plan, int64_t time_ms, uint64_t *random)
{
    switch (plan->field->type) {
    case CHURN_FIELD_INT:
        return put_signed(at, between(random, plan->low, plan->high));
    case CHURN_FIELD_MONEY:
        return put_money(at, random_money(random, plan));
    case CHURN_FIELD_BOOL:
        return below(random, 2) == 1 ? PUT(at, "true") : PUT(at, "false");
    case CHURN_FIELD_TIME:
        return put_time(g, at, time_ms);
    default:
        return put_sample(at, &plan->samples[below(random, plan->sample_count)], random);
    }
}

/* What decides an event besides its fields. */
struct subject {
    const struct type_plan *plan;
    uint64_t customer;
    int64_t time_ms;
    int64_t index;
};

static char *put_customer(const struct generator *g, char *at, uint64_t customer)
{
    return put_number(put_str(at, g->prefix_json), customer, 6);
}

/* "<customer_id>_<unix ms>", which tells the events of one customer apart while time goes on. */
static char *put_event_id(const struct generator *g, char *at, const struct subject *subject)
{
    *at++ = '"';
    at = put_customer(g, at, subject->customer);
    *at++ = '_';
    at = put_signed(at, subject->time_ms);
    if (g->time_step == 0) {
        *at++ = '_';
        at = put_number(at, (uint64_t)subject->index, 1);
    }
    *at++ = '"';
    return at;
}

static char *put_data(struct generator *g, char *at, const struct subject *subject, const struct fault *fault,
                      uint64_t *random)
{
    const char *first = at + 1;
    *at++ = '{';
    for (uint32_t i = 0; i < subject->plan->field_count; i++) {
        const struct field_plan *plan = &subject->plan->fields[i];
        bool wrong = fault->target == FIRST_FIELD + (int32_t)i;
        bool present = (plan->field->flags & CHURN_FIELD_REQUIRED) != 0 || below(random, 10) < 7;
        if (wrong ? fault->value.ptr == NULL : !present) {
            continue;
        }
        if (at != first) {
            *at++ = ',';
        }
        at = put_str(at, plan->name);
        at = wrong ? put_str(at, fault->value) : put_value(g, at, plan, subject->time_ms, random);
    }
    *at++ = '}';
    return at;
}

static char *put_event(struct generator *g, char *at, const struct subject *subject, const struct fault *fault,
                       uint64_t *random)
{
    static const churn_str names[] = {TEXT("\"event_id\":"), TEXT("\"event_type\":"), TEXT("\"customer_id\":"),
                                      TEXT("\"timestamp\":"), TEXT("\"data\":")};
    const char *first = at + 1;
    *at++ = '{';
    for (int32_t member = EVENT_ID; member <= DATA; member++) {
        bool wrong = member == fault->target;
        if (wrong && fault->value.ptr == NULL) {
            continue;
        }
        if (at != first) {
            *at++ = ',';
        }
        at = put_str(at, names[member]);
        if (wrong) {
            at = put_str(at, fault->value);
        } else if (member == EVENT_ID) {
            at = put_event_id(g, at, subject);
        } else if (member == EVENT_TYPE) {
            at = put_str(at, subject->plan->name);
        } else if (member == CUSTOMER_ID) {
            *at++ = '"';
            at = put_customer(g, at, subject->customer);
            *at++ = '"';
        } else {
            at = member == TIMESTAMP ? put_time(g, at, subject->time_ms) : put_data(g, at, subject, fault, random);
        }
    }
    *at++ = '}';
    return at;
}

static char *put_bad_event(struct generator *g, char *at, const struct subject *subject, uint64_t *random)
{
    char scratch[FAULT_ROOM];
    struct fault fault = pick_fault(subject->plan, scratch, random);
    char *begin = at;
    if (fault.whole.ptr != NULL) {
        return put_str(at, fault.whole);
    }
    if (fault.before.ptr != NULL) {
        at = put_str(at, fault.before);
    }
    at = put_event(g, at, subject, &fault, random);
    if (fault.after.ptr != NULL) {
        at = put_str(at, fault.after);
    }
    return fault.cut ? begin + 1 + below(random, (uint64_t)(at - begin - 1)) : at;
}

static const struct type_plan *pick_type(const struct generator *g, uint64_t *random)
{
    uint64_t share = below(random, g->share_total);
    const struct type_plan *plan = g->plans;
    while (share >= plan->share_end) {
        plan++;
    }
    return plan;
}

char *make_event(struct generator *g, int64_t index, char *at, churn_record *record)
{
    static const struct fault none = {.target = NOTHING};
    uint64_t random = event_state(g->seed, index);
    struct subject subject = {.index = index, .customer = zipf_next(&g->zipf, &random)};
    char *begin = at;
    subject.time_ms = g->start_ms + index * g->time_step + (int64_t)below(&random, (uint64_t)g->time_step);
    subject.plan = pick_type(g, &random);
    if (unit(&random) < g->bad_share) {
        at = put_bad_event(g, at, &subject, &random);
    } else {
        at = put_event(g, at, &subject, &none, &random);
    }
    *record = (churn_record){.size = sizeof *record,
                             .kind = CHURN_RECORD_EVENT,
                             .value = {.ptr = begin, .len = (uint32_t)(at - begin)},
                             .timestamp_ms = subject.time_ms,
                             .topic = g->topic,
                             .offset = index / g->host->worker_count,
                             .partition = (int32_t)g->host->worker};
    begin = at;
    at = put_number(put_str(at, (churn_str){.ptr = g->customer_prefix, .len = (uint32_t)strlen(g->customer_prefix)}),
                    subject.customer, 6);
    record->key = (churn_str){.ptr = begin, .len = (uint32_t)(at - begin)};
    return at;
}
