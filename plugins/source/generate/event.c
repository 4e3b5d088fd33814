#include "event.h"

#include "fault.h"
#include "random.h"

static char *put_sample(char *at, const struct sample *sample, uint64_t *random)
{
    char *end = put_str(at, sample->json);
    if (sample->digits) {
        for (; at < end; at++) {
            if (*at == '#') {
                *at = (char)('0' + random_below(random, 10));
            }
        }
    }
    return end;
}

/* Mostly whole cents, as prices are. */
static uint64_t random_money(uint64_t *random, const struct field_plan *plan)
{
    int64_t units = random_between(random, plan->low, plan->high), cents = units / 100 * 100;
    return (uint64_t)(cents < plan->low || random_below(random, 32) == 0 ? units : cents);
}

static char *put_value(struct recipe *recipe, char *at, const struct field_plan *plan, int64_t time_ms,
                       uint64_t *random)
{
    switch (plan->field->type) {
    case CHURN_FIELD_INT:
        return put_signed(at, random_between(random, plan->low, plan->high));
    case CHURN_FIELD_MONEY:
        return put_money(at, random_money(random, plan));
    case CHURN_FIELD_BOOL:
        return random_below(random, 2) == 1 ? PUT(at, "true") : PUT(at, "false");
    case CHURN_FIELD_TIME:
        return put_time(&recipe->day, at, time_ms);
    default:
        return put_sample(at, &plan->samples[random_below(random, plan->sample_count)], random);
    }
}

/* What decides an event besides its fields. */
struct subject {
    const struct type_plan *plan;
    uint64_t customer;
    int64_t time_ms;
    int64_t index;
};

static char *put_customer(const struct recipe *recipe, char *at, uint64_t customer)
{
    return put_number(put_str(at, recipe->prefix_json), customer, 6);
}

/* "<customer_id>_<unix ms>", which tells the events of one customer apart while time goes on. */
static char *put_event_id(const struct recipe *recipe, char *at, const struct subject *subject)
{
    *at++ = '"';
    at = put_customer(recipe, at, subject->customer);
    *at++ = '_';
    at = put_signed(at, subject->time_ms);
    if (recipe->time_step == 0) {
        *at++ = '_';
        at = put_number(at, (uint64_t)subject->index, 1);
    }
    *at++ = '"';
    return at;
}

static char *put_data(struct recipe *recipe, char *at, const struct subject *subject, const struct fault *fault,
                      uint64_t *random)
{
    const char *first = at + 1;
    *at++ = '{';
    for (uint32_t i = 0; i < subject->plan->field_count; i++) {
        const struct field_plan *plan = &subject->plan->fields[i];
        bool wrong = fault->target == FIRST_FIELD + (int32_t)i;
        bool present = (plan->field->flags & CHURN_FIELD_REQUIRED) != 0 || random_below(random, 10) < 7;
        if (wrong ? fault->value.ptr == NULL : !present) {
            continue;
        }
        if (at != first) {
            *at++ = ',';
        }
        at = put_str(at, plan->name);
        at = wrong ? put_str(at, fault->value) : put_value(recipe, at, plan, subject->time_ms, random);
    }
    *at++ = '}';
    return at;
}

static char *put_event(struct recipe *recipe, char *at, const struct subject *subject, const struct fault *fault,
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
            at = put_event_id(recipe, at, subject);
        } else if (member == EVENT_TYPE) {
            at = put_str(at, subject->plan->name);
        } else if (member == CUSTOMER_ID) {
            *at++ = '"';
            at = put_customer(recipe, at, subject->customer);
            *at++ = '"';
        } else {
            at = member == TIMESTAMP ? put_time(&recipe->day, at, subject->time_ms)
                                     : put_data(recipe, at, subject, fault, random);
        }
    }
    *at++ = '}';
    return at;
}

static char *put_bad_event(struct recipe *recipe, char *at, const struct subject *subject, uint64_t *random)
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
    at = put_event(recipe, at, subject, &fault, random);
    if (fault.after.ptr != NULL) {
        at = put_str(at, fault.after);
    }
    return fault.cut ? begin + 1 + random_below(random, (uint64_t)(at - begin - 1)) : at;
}

char *make_event(struct recipe *recipe, int64_t index, char *at, churn_record *record)
{
    static const struct fault none = {.target = NOTHING};
    uint64_t random = random_of_event(recipe->seed, index);
    struct subject subject = {.index = index, .customer = zipf_next(&recipe->zipf, &random)};
    char *begin = at;
    subject.time_ms =
        recipe->start_ms + index * recipe->time_step + (int64_t)random_below(&random, (uint64_t)recipe->time_step);
    subject.plan = plans_pick(&recipe->plans, &random);
    if (random_unit(&random) < recipe->bad_share) {
        at = put_bad_event(recipe, at, &subject, &random);
    } else {
        at = put_event(recipe, at, &subject, &none, &random);
    }
    record->value = (churn_str){.ptr = begin, .len = (uint32_t)(at - begin)};
    record->timestamp_ms = subject.time_ms;
    begin = at;
    at = put_number(put_str(at, churn_text(recipe->customer_prefix)), subject.customer, 6);
    record->key = (churn_str){.ptr = begin, .len = (uint32_t)(at - begin)};
    return at;
}

int32_t recipe_make(struct recipe *recipe, const churn_host *host, const churn_list *types, churn_error *err)
{
    int32_t result;
    recipe->prefix_json = plans_keep_json(&recipe->plans, recipe->customer_prefix);
    if (recipe->prefix_json.len >= 2) { /* without its quotes */
        recipe->prefix_json.ptr++;
        recipe->prefix_json.len -= 2;
    }
    result = plans_make(&recipe->plans, host, types, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (recipe->plans.out_of_memory) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    zipf_init(&recipe->zipf, recipe->customers, recipe->zipf_exponent);
    recipe->event_room = recipe->plans.room + NUMBER_ROOM + FAULT_ROOM +
                         (size_t)3 * (recipe->prefix_json.len + NUMBER_ROOM); /* event_id, customer_id, key */
    return CHURN_OK;
}

void recipe_free(struct recipe *recipe)
{
    plans_free(&recipe->plans);
}
