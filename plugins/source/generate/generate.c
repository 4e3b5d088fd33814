/*
 * Makes events from the tables of the loaded event types, to try a pipeline or to load it.
 *
 * Event i of a generator depends on the options and on i alone, so the same options give the same bytes at every run
 * and a position can be sought. Worker w of n makes the events i with i % n = w and is the source's partition w; its
 * offset k is event w + k * n. Positions are remembered under a name that holds whatever decides the events, the number
 * of workers included, so other events are never taken for those counted before.
 */
#include <churn/ext/event_types.h>
#include <churn/plugin.h>
#include <churn/source.h>

#include <churn/time.h>
#include "text_buffer.h"
#include <churn/time.h>

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define LAST_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */
#define MAX_MONEY INT64_C(9999999999999999)
#define MONEY_UNIT 10000 /* units of one */
#define BUFFER_SIZE ((size_t)1024 * 1024)
#define MAX_PREFIX 80  /* so that an event_id stays within 128 bytes */
#define DEEP 70        /* arrays within arrays: more than an event may have */
#define NUMBER_ROOM 48 /* bytes of a number or a time in JSON */
#define FAULT_ROOM 512 /* bytes that a fault may add to an event */

/* --- The instance --- */

/* A text that lives as long as the instance. */
struct kept {
    struct kept *next;
    char text[];
};

/* A JSON string; each of its `#` is replaced by a random digit when `digits` is set. */
struct sample {
    churn_str json;
    uint32_t digits;
};

struct field_plan {
    const churn_field *field;
    churn_str name; /* "name": */
    struct sample *samples;
    uint32_t sample_count;
    int64_t low; /* INT, MONEY: range of values */
    int64_t high;
};

struct type_plan {
    churn_str name; /* in quotes */
    struct field_plan *fields;
    uint32_t field_count;
    uint64_t share_end; /* of all shares, those below this and not below the type before are this type's */
};

struct zipf {
    uint64_t count;
    double exponent;
    double integral_first;
    double integral_last;
    double shortcut;
};

struct generator {
    int64_t events; /* options */
    int64_t rate;
    int64_t customers;
    double zipf_exponent;
    int64_t seed;
    const char *start_time;
    int64_t time_step;
    double bad_share;
    churn_list types;
    const char *customer_prefix;

    const churn_host *host;
    struct type_plan *plans;
    uint32_t plan_count;
    uint64_t share_total;
    struct kept *kept; /* the texts that the plans point to */
    struct text_buffer scratch;
    bool out_of_memory;
    struct zipf zipf;
    churn_str prefix_json; /* customer_prefix escaped, without quotes */
    int64_t start_ms;
    int64_t limit;     /* number of events of all workers */
    int64_t own_limit; /* of this one */
    int64_t next;      /* own offset of the event to make next */
    size_t event_room; /* no event is longer */
    char topic[96];
    churn_source_listener listener;
    bool announced;
    bool paced;      /* pace_* are set */
    int64_t pace_ms; /* when event pace_next was due */
    int64_t pace_next;
    int64_t day; /* whose text is day_text */
    char day_text[CHURN_TIME_SIZE];
    char *buffer;
    size_t buffer_size;
};

static const churn_option options[] = {
    {"events", .type = CHURN_OPTION_INT, .default_text = "0", .min = 0, .max = INT64_MAX,
     .offset = offsetof(struct generator, events), .help = "How many events in all; 0: endless."},
    {"rate", .type = CHURN_OPTION_INT, .default_text = "0", .min = 0, .max = 1000000000,
     .offset = offsetof(struct generator, rate), .help = "Events a second in all; 0: as fast as they are taken."},
    {"customers", .type = CHURN_OPTION_INT, .default_text = "1000", .min = 1, .max = 1000000000,
     .offset = offsetof(struct generator, customers), .help = "How many customers share the events."},
    {"zipf", .type = CHURN_OPTION_DOUBLE, .default_text = "1.0", .min = 0, .max = 10,
     .offset = offsetof(struct generator, zipf_exponent),
     .help = "How unequal customers are: the one of rank r has a share of 1 / r^zipf; 0: all alike."},
    {"seed", .type = CHURN_OPTION_INT, .default_text = "1", .min = INT64_MIN, .max = INT64_MAX,
     .offset = offsetof(struct generator, seed), .help = "Another seed makes other events."},
    {"start_time", .type = CHURN_OPTION_STRING, .default_text = "now", .offset = offsetof(struct generator, start_time),
     .help =
         "Time of the first event, such as 2026-01-01T00:00:00Z, which makes the same events at each run; or `now`."},
    {"time_step", .type = CHURN_OPTION_DURATION, .default_text = "1ms", .min = 0, .max = INT64_C(31536000000),
     .offset = offsetof(struct generator, time_step), .help = "Mean distance of one event's time from the next one's."},
    {"bad_share", .type = CHURN_OPTION_DOUBLE, .default_text = "0", .min = 0, .max = 1,
     .offset = offsetof(struct generator, bad_share),
     .help = "Share of events that are broken on purpose, from 0 to 1: each must end in the dead letters."},
    {"types", .type = CHURN_OPTION_LIST, .offset = offsetof(struct generator, types),
     .help = "Event types to make; empty: all that are loaded, each as often as it says of itself."},
    {"customer_prefix", .type = CHURN_OPTION_STRING, .default_text = "cust_",
     .offset = offsetof(struct generator, customer_prefix), .help = "What each customer_id begins with."},
};

/* --- Random numbers: splitmix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014) --- */

static uint64_t mix(uint64_t n)
{
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*state);
}

/* 0 … n - 1 (Lemire's multiplication; its bias of n / 2^64 is nothing here). */
static uint64_t below(uint64_t *state, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)next_random(state) * n) >> 64);
}

/* 0 ≤ x < 1 */
static double unit(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

/* Where the numbers of event i begin: far from those of any other event. */
static uint64_t event_state(int64_t seed, int64_t i)
{
    return mix(mix((uint64_t)seed) + (uint64_t)i * UINT64_C(0xd1342543de82ef95));
}

/* --- Zipf's distribution by rejection-inversion (Hörmann and Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", ACM TOMACS 6 (3), 1996), which needs no table --- */

/* log(1 + x) / x and (exp(x) - 1) / x, also near 0. */
static double log1p_ratio(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x * (1.0 / 3 - x * 0.25));
}

static double expm1_ratio(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x * 0.5 * (1 + x / 3 * (1 + x * 0.25));
}

static double density(const struct zipf *z, double x)
{
    return exp(-z->exponent * log(x));
}

static double integral(const struct zipf *z, double x)
{
    double l = log(x);
    return expm1_ratio((1 - z->exponent) * l) * l;
}

static double integral_inverse(const struct zipf *z, double x)
{
    double t = x * (1 - z->exponent);
    return exp(log1p_ratio(t < -1 ? -1 : t) * x);
}

static void zipf_init(struct zipf *z, int64_t count, double exponent)
{
    *z = (struct zipf){.count = (uint64_t)count, .exponent = exponent};
    z->integral_first = integral(z, 1.5) - 1;
    z->integral_last = integral(z, (double)count + 0.5);
    z->shortcut = 2 - integral_inverse(z, integral(z, 2.5) - density(z, 2));
}

/* A rank, from 1. */
static uint64_t zipf_next(const struct zipf *z, uint64_t *state)
{
    if (z->exponent <= 0) {
        return 1 + below(state, z->count);
    }
    for (;;) {
        double u = z->integral_last + unit(state) * (z->integral_first - z->integral_last);
        double x = integral_inverse(z, u), rank = floor(x + 0.5);
        rank = rank < 1 ? 1 : rank > (double)z->count ? (double)z->count : rank;
        if (rank - x <= z->shortcut || u >= integral(z, rank + 0.5) - density(z, rank)) {
            return (uint64_t)rank;
        }
    }
}

/* --- Writing --- */

static char *put_str(char *at, churn_str text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

#define PUT(at, literal) ((char *)memcpy((at), (literal), sizeof(literal) - 1) + sizeof(literal) - 1)

/* `width`: at least so many digits. */
static char *put_number(char *at, uint64_t n, unsigned width)
{
    char digits[20], *d = digits + sizeof digits;
    do {
        *--d = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (digits + sizeof digits - d < width) {
        *--d = '0';
    }
    memcpy(at, d, (size_t)(digits + sizeof digits - d));
    return at + (digits + sizeof digits - d);
}

static char *put_signed(char *at, int64_t n)
{
    if (n < 0) {
        *at++ = '-';
        return put_number(at, 0 - (uint64_t)n, 1);
    }
    return put_number(at, (uint64_t)n, 1);
}

/* Two decimals, or four where the value has them. */
static char *put_money(char *at, uint64_t units)
{
    at = put_number(at, units / MONEY_UNIT, 1);
    *at++ = '.';
    return units % 100 == 0 ? put_number(at, units / 100 % 100, 2) : put_number(at, units % MONEY_UNIT, 4);
}

/* A time in quotes. Consecutive events mostly share their day. */
static char *put_time(struct generator *g, char *at, int64_t ms)
{
    int64_t day = (ms >= 0 ? ms : ms - 86399999) / 86400000;
    uint64_t rest = (uint64_t)(ms - day * 86400000);
    if (day != g->day || g->day_text[0] == '\0') {
        churn_time_format(ms, g->day_text);
        g->day = day;
    }
    *at++ = '"';
    memcpy(at, g->day_text, 11);
    at = put_number(at + 11, rest / 3600000, 2);
    *at++ = ':';
    at = put_number(at, rest / 60000 % 60, 2);
    *at++ = ':';
    at = put_number(at, rest / 1000 % 60, 2);
    *at++ = '.';
    at = put_number(at, rest % 1000, 3);
    return PUT(at, "Z\"");
}

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

static int64_t between(uint64_t *random, int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    return (int64_t)((uint64_t)low + (span == 0 ? next_random(random) : below(random, span)));
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

/* --- Faults --- */

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        .ptr = (literal), .len = sizeof(literal) - 1                                                                   \
    }

enum { EVENT_ID, EVENT_TYPE, CUSTOMER_ID, TIMESTAMP, DATA, FIRST_FIELD, NOTHING = -1 };

/* What is wrong with one event: a member that is left out (ptr NULL) or has another value, or more than that. */
struct fault {
    int32_t target;
    churn_str value;  /* of the member */
    churn_str before; /* the event */
    churn_str after;
    churn_str whole; /* ptr not NULL: in place of the event */
    uint32_t cut;    /* 1: the event ends somewhere in its middle */
    uint32_t reserved;
};

static const struct fault whole_faults[] = {
    {.target = NOTHING, .whole = TEXT("")},
    {.target = NOTHING, .whole = TEXT("this is not JSON")},
    {.target = NOTHING, .whole = TEXT("{\"event_id\":}")},
    {.target = NOTHING, .whole = TEXT("{'event_id':'1'}")},
    {.target = NOTHING, .whole = TEXT("[]")},
    {.target = NOTHING, .whole = TEXT("\"event\"")},
    {.target = NOTHING, .whole = TEXT("null")},
    {.target = NOTHING, .cut = 1},
    {.target = NOTHING, .before = TEXT("\xef\xbb\xbf")},
    {.target = NOTHING, .after = TEXT(" {}")},
    {.target = NOTHING, .after = TEXT(",")},
    {.target = EVENT_ID},
    {.target = EVENT_ID, .value = TEXT("null")},
    {.target = EVENT_ID, .value = TEXT("17")},
    {.target = EVENT_ID, .value = TEXT("\"\"")},
    {.target = EVENT_ID, .value = TEXT("\"\xff\xfe\"")},
    {.target = EVENT_ID, .value = TEXT("\"\xc0\xaf\"")},
    {.target = EVENT_ID, .value = TEXT("\"\\ud83d\"")},
    {.target = EVENT_ID, .value = TEXT("\"a\0b\"")},
    {.target = EVENT_ID, .value = TEXT("\"a\tb\"")},
    {.target = EVENT_TYPE},
    {.target = EVENT_TYPE, .value = TEXT("null")},
    {.target = EVENT_TYPE, .value = TEXT("\"carrier_pigeon_sent\"")},
    {.target = CUSTOMER_ID},
    {.target = CUSTOMER_ID, .value = TEXT("null")},
    {.target = CUSTOMER_ID, .value = TEXT("true")},
    {.target = CUSTOMER_ID, .value = TEXT("\"\"")},
    {.target = CUSTOMER_ID, .value = TEXT("\"\\u0007\"")},
    {.target = TIMESTAMP},
    {.target = TIMESTAMP, .value = TEXT("1767225600")},
    {.target = TIMESTAMP, .value = TEXT("\"2026-02-30T10:00:00Z\"")},
    {.target = TIMESTAMP, .value = TEXT("\"2026-01-01T24:00:00Z\"")},
    {.target = TIMESTAMP, .value = TEXT("\"2026-01-01T10:00:00\"")},
    {.target = TIMESTAMP, .value = TEXT("\"yesterday\"")},
    {.target = DATA},
    {.target = DATA, .value = TEXT("null")},
    {.target = DATA, .value = TEXT("[]")},
    {.target = DATA, .value = TEXT("\"text\"")},
};
#define WHOLE_FAULTS (sizeof whole_faults / sizeof whole_faults[0])
#define FIELD_FAULTS 14 /* in how many cases beside those a field of `data` is at fault */
#define ALL_FAULTS (WHOLE_FAULTS + 1 + FIELD_FAULTS)

static const churn_str not_text[] = {TEXT("null"), TEXT("17"), TEXT("{}")};
static const churn_str not_int[] = {TEXT("null"), TEXT("\"7\""), TEXT("1.5"), TEXT("1e2"), TEXT("9223372036854775808")};
static const churn_str not_money[] = {TEXT("null"), TEXT("\"9.99\""), TEXT("-0.01"), TEXT("1000000000000")};
static const churn_str not_bool[] = {TEXT("null"), TEXT("\"yes\""), TEXT("1")};
static const churn_str not_time[] = {TEXT("null"), TEXT("1767225600"), TEXT("\"2026-02-30T10:00:00Z\"")};

/* By the number of CHURN_FIELD_…. */
static const struct {
    const churn_str *values;
    uint32_t count;
} wrong_values[] = {
    [CHURN_FIELD_STRING] = {not_text, sizeof not_text / sizeof not_text[0]},
    [CHURN_FIELD_INT] = {not_int, sizeof not_int / sizeof not_int[0]},
    [CHURN_FIELD_MONEY] = {not_money, sizeof not_money / sizeof not_money[0]},
    [CHURN_FIELD_BOOL] = {not_bool, sizeof not_bool / sizeof not_bool[0]},
    [CHURN_FIELD_TIME] = {not_time, sizeof not_time / sizeof not_time[0]},
};

/* A value just outside of what the field allows; ptr NULL when it allows all. `scratch` holds a number. */
static churn_str out_of_range(const churn_field *field, char scratch[NUMBER_ROOM])
{
    churn_str value = {.ptr = scratch};
    if (field->type == CHURN_FIELD_STRING && field->choices != NULL) {
        return (churn_str)TEXT("\"none of the choices\"");
    }
    if (field->type == CHURN_FIELD_INT && field->min > INT64_MIN) {
        value.len = (uint32_t)(put_signed(scratch, field->min - 1) - scratch);
        return value;
    }
    if (field->type == CHURN_FIELD_INT && field->max < INT64_MAX) {
        value.len = (uint32_t)(put_signed(scratch, field->max + 1) - scratch);
        return value;
    }
    return (churn_str){0};
}

static struct fault field_fault(const struct type_plan *plan, char scratch[NUMBER_ROOM], uint64_t *random)
{
    uint32_t index = (uint32_t)below(random, plan->field_count);
    const churn_field *field = plan->fields[index].field;
    struct fault fault = {.target = FIRST_FIELD + (int32_t)index};
    uint64_t way = below(random, 3);
    if (way == 0 && (field->flags & CHURN_FIELD_REQUIRED) != 0) {
        return fault; /* left out */
    }
    if (way == 1) {
        fault.value = out_of_range(field, scratch);
    }
    if (fault.value.ptr == NULL) {
        fault.value = wrong_values[field->type].values[below(random, wrong_values[field->type].count)];
    }
    return fault;
}

/* An event_id with a member after it that goes too deep. */
static struct fault deep_fault(char *deep)
{
    char *at = PUT(deep, "\"deep\",\"extra\":");
    memset(at, '[', DEEP);
    memset(at + DEEP, ']', DEEP);
    return (struct fault){.target = EVENT_ID, .value = {.ptr = deep, .len = (uint32_t)(at + (size_t)2 * DEEP - deep)}};
}

static struct fault pick_fault(const struct type_plan *plan, char scratch[FAULT_ROOM], uint64_t *random)
{
    uint64_t pick = below(random, plan->field_count > 0 ? ALL_FAULTS : WHOLE_FAULTS + 1);
    if (pick < WHOLE_FAULTS) {
        return whole_faults[pick];
    }
    return pick == WHOLE_FAULTS ? deep_fault(scratch) : field_fault(plan, scratch, random);
}

/* --- One event --- */

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

/* Makes event `index` of all workers at `at`; returns where it ends. */
static char *make_event(struct generator *g, int64_t index, char *at, churn_record *record)
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

/* --- Preparing the types --- */

/* `text` as a JSON string, followed by `after`. A failure is seen at the end, in out_of_memory. */
static churn_str keep_json(struct generator *g, const char *text, const char *after)
{
    struct kept *kept;
    text_clear(&g->scratch);
    text_json_string(&g->scratch, (churn_str){.ptr = text, .len = (uint32_t)strlen(text)});
    text_puts(&g->scratch, after);
    kept = g->scratch.failed ? NULL : malloc(sizeof *kept + g->scratch.len);
    if (kept == NULL) {
        g->out_of_memory = true;
        return (churn_str){.ptr = ""};
    }
    kept->next = g->kept;
    g->kept = kept;
    memcpy(kept->text, g->scratch.ptr, g->scratch.len);
    return (churn_str){.ptr = kept->text, .len = (uint32_t)g->scratch.len};
}

static void *zeroed(struct generator *g, size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    g->out_of_memory = g->out_of_memory || memory == NULL;
    return memory;
}

/* The texts of a STRING field: its choices, else its samples (a `#` becomes a digit), else one made from its name. */
static void plan_samples(struct generator *g, struct field_plan *plan)
{
    const churn_field *field = plan->field;
    const char *const *texts = field->choices != NULL ? field->choices : field->samples;
    char made[160];
    const char *const from_name[] = {made, NULL};
    size_t name_len = strlen(field->name);
    uint32_t count = 0;
    if (texts == NULL || texts[0] == NULL) {
        name_len -= name_len > 3 && strcmp(field->name + name_len - 3, "_id") == 0 ? 3 : 0;
        (void)snprintf(made, sizeof made, "%.*s-######", (int)(name_len < 128 ? name_len : 128), field->name);
        texts = from_name;
    }
    while (texts[count] != NULL) {
        count++;
    }
    plan->samples = zeroed(g, count, sizeof *plan->samples);
    for (; plan->samples != NULL && plan->sample_count < count; plan->sample_count++) {
        plan->samples[plan->sample_count] =
            (struct sample){.json = keep_json(g, texts[plan->sample_count], ""), .digits = field->choices == NULL};
    }
}

static void plan_range(struct field_plan *plan)
{
    const churn_field *field = plan->field;
    bool money = field->type == CHURN_FIELD_MONEY;
    int64_t min = money ? 0 : field->min, max = money ? MAX_MONEY : field->max;
    if (field->sample_min != 0 || field->sample_max != 0) {
        plan->low = field->sample_min;
        plan->high = field->sample_max;
    } else if (money) {
        plan->low = 1 * MONEY_UNIT;
        plan->high = 500 * MONEY_UNIT;
    } else {
        plan->low = min < 0 && max >= 0 ? 0 : min;
        plan->high = plan->low > INT64_MAX - 999 ? INT64_MAX : plan->low + 999;
    }
    plan->low = plan->low < min ? min : plan->low > max ? max : plan->low;
    plan->high = plan->high > max ? max : plan->high;
    plan->high = plan->high < plan->low ? plan->low : plan->high;
}

/* Room that the field takes in an event. */
static size_t plan_field(struct generator *g, struct field_plan *plan, const churn_field *field)
{
    size_t room = NUMBER_ROOM;
    plan->field = field;
    plan->name = keep_json(g, field->name, ":");
    if (field->type == CHURN_FIELD_INT || field->type == CHURN_FIELD_MONEY) {
        plan_range(plan);
    } else if (field->type == CHURN_FIELD_STRING) {
        plan_samples(g, plan);
    }
    for (uint32_t i = 0; i < plan->sample_count; i++) {
        room = plan->samples[i].json.len > room ? plan->samples[i].json.len : room;
    }
    return room + plan->name.len + 1;
}

static void plan_type(struct generator *g, const churn_event_type *type, const char *name, uint32_t share)
{
    struct type_plan *plan = &g->plans[g->plan_count++];
    size_t room = 0;
    *plan = (struct type_plan){.name = keep_json(g, name, ""), .share_end = g->share_total += share};
    plan->fields = zeroed(g, type->field_count, sizeof *plan->fields);
    for (uint32_t i = 0; i < type->field_count && plan->fields != NULL; i++) {
        const char *row = (const char *)type->fields + (size_t)i * type->field_stride;
        room += plan_field(g, &plan->fields[plan->field_count++], (const churn_field *)(const void *)row);
    }
    room += plan->name.len;
    g->event_room = room > g->event_room ? room : g->event_room;
}

/* How often a type is made: what it says of itself, and at least once in a while when the option names it. */
static uint32_t share_of(const struct generator *g, const churn_event_type *type, const char *name)
{
    for (uint32_t i = 0; i < g->types.count; i++) {
        if (strcmp(g->types.items[i], name) == 0) {
            return type->sample_weight > 0 ? type->sample_weight : 1;
        }
    }
    return g->types.count > 0 ? 0 : type->sample_weight;
}

static int32_t check_names(const struct generator *g, const churn_event_types *loaded, churn_error *err)
{
    for (uint32_t i = 0; i < g->types.count; i++) {
        uint32_t at = 0, count = loaded->count(g->host);
        const char *name = "";
        while (at < count && (loaded->at(g->host, at, &name) == NULL || strcmp(name, g->types.items[i]) != 0)) {
            at++;
        }
        if (at == count) {
            return churn_fail_option(err, "types", "there is no event type `%s` in this pipeline", g->types.items[i]);
        }
    }
    return CHURN_OK;
}

static int32_t plan_types(struct generator *g, churn_error *err)
{
    const churn_event_types *loaded = g->host->get_extension(g->host, CHURN_EVENT_TYPES_ID);
    uint32_t count = loaded != NULL ? loaded->count(g->host) : 0;
    int32_t result = count > 0 ? check_names(g, loaded, err) : CHURN_OK;
    if (result != CHURN_OK) {
        return result;
    }
    g->plans = zeroed(g, count, sizeof *g->plans);
    for (uint32_t i = 0; i < count && g->plans != NULL; i++) {
        const char *name = "";
        const churn_event_type *type = loaded->at(g->host, i, &name);
        uint32_t share = share_of(g, type, name);
        if (share > 0) {
            plan_type(g, type, name, share);
        }
    }
    if (g->plan_count == 0 && !g->out_of_memory) {
        return churn_fail_option(err, "types", "no event type is loaded that events can be made of");
    }
    return CHURN_OK;
}

/* --- Creating --- */

static int32_t check_prefix(struct generator *g, churn_error *err)
{
    churn_str prefix = {.ptr = g->customer_prefix, .len = (uint32_t)strlen(g->customer_prefix)};
    bool control = !text_is_utf8(prefix);
    for (uint32_t i = 0; i < prefix.len; i++) {
        unsigned char c = (unsigned char)prefix.ptr[i], next = (unsigned char)prefix.ptr[i + 1];
        control = control || c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0);
    }
    if (control || prefix.len > MAX_PREFIX) {
        return churn_fail_option(err, "customer_prefix", "must be UTF-8 without control characters, at most %d bytes",
                                 MAX_PREFIX);
    }
    g->prefix_json = keep_json(g, g->customer_prefix, "");
    if (g->prefix_json.len >= 2) { /* without its quotes */
        g->prefix_json.ptr++;
        g->prefix_json.len -= 2;
    }
    return CHURN_OK;
}

static int32_t set_time(struct generator *g, churn_error *err)
{
    int64_t most;
    if (strcmp(g->start_time, "now") == 0) {
        g->start_ms = g->host->now_ms(g->host);
    } else if (!churn_time_parse(g->start_time, strlen(g->start_time), &g->start_ms)) {
        return churn_fail_option(err, "start_time", "`%s` is neither `now` nor a time such as 2026-01-01T00:00:00Z",
                                 g->start_time);
    }
    most = g->time_step > 0 ? (LAST_MS - g->start_ms) / g->time_step : INT64_MAX;
    if (g->events > most) {
        return churn_fail_option(err, "events",
                                 "is so much that event times pass the year 9999; lower it or `time_step`");
    }
    if (g->events == 0 && g->host->until_end) {
        return churn_fail_option(err, "events", "is endless, which has no end to run until; say how many events");
    }
    g->limit = g->events > 0 ? g->events : most;
    return CHURN_OK;
}

static uint64_t hash_text(uint64_t hash, const void *text, size_t len)
{
    const unsigned char *bytes = text; /* FNV-1a */
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* Names what decides the events: the seed and the first time for people to see, the rest as a number. */
static void name_topic(struct generator *g)
{
    char text[256];
    int len = snprintf(text, sizeof text, "%" PRId64 "|%.17g|%" PRId64 "|%.17g|%" PRIu32 "|%s", g->customers,
                       g->zipf_exponent, g->time_step, g->bad_share, g->host->worker_count, g->customer_prefix);
    uint64_t hash = hash_text(UINT64_C(0xcbf29ce484222325), text, (size_t)len);
    for (uint32_t i = 0; i < g->plan_count; i++) {
        hash = hash_text(hash, g->plans[i].name.ptr, g->plans[i].name.len);
        hash = hash_text(hash, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, g->plans[i].share_end));
    }
    (void)snprintf(g->topic, sizeof g->topic, "generate/%" PRId64 "/%" PRId64 "/%08" PRIx32, g->seed, g->start_ms,
                   (uint32_t)(hash ^ (hash >> 32)));
}

static void generate_destroy(void *self)
{
    struct generator *g = self;
    for (uint32_t i = 0; i < g->plan_count; i++) {
        for (uint32_t j = 0; j < g->plans[i].field_count; j++) {
            free(g->plans[i].fields[j].samples);
        }
        free(g->plans[i].fields);
    }
    free(g->plans);
    for (struct kept *kept = g->kept, *next; kept != NULL; kept = next) {
        next = kept->next;
        free(kept);
    }
    text_free(&g->scratch);
    free(g->buffer);
}

static int32_t prepare(struct generator *g, churn_error *err)
{
    int64_t worker = g->host->worker, workers = g->host->worker_count;
    size_t ids;
    int32_t result;
    if ((result = check_prefix(g, err)) != CHURN_OK || (result = set_time(g, err)) != CHURN_OK ||
        (result = plan_types(g, err)) != CHURN_OK) {
        return result;
    }
    ids = (size_t)3 * (g->prefix_json.len + NUMBER_ROOM); /* event_id, customer_id, key */
    g->event_room += ids + NUMBER_ROOM + FAULT_ROOM;
    g->buffer_size = g->event_room * 4 > BUFFER_SIZE ? g->event_room * 4 : BUFFER_SIZE;
    g->buffer = malloc(g->buffer_size);
    if (g->out_of_memory || g->buffer == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    zipf_init(&g->zipf, g->customers, g->zipf_exponent);
    g->own_limit = g->limit > worker ? (g->limit - worker - 1) / workers + 1 : 0;
    name_topic(g);
    return CHURN_OK;
}

static int32_t generate_create(void *self, const churn_host *host, churn_error *err)
{
    struct generator *g = self;
    int32_t result;
    g->host = host;
    result = prepare(g, err);
    if (result != CHURN_OK) {
        generate_destroy(g);
    }
    return result;
}

static int32_t generate_start(void *self, const churn_source_listener *listener, churn_error *err)
{
    struct generator *g = self;
    (void)err;
    g->listener = *listener;
    return CHURN_OK;
}

static void generate_stop(void *self)
{
    (void)self; /* nothing was opened */
}

/* --- Running --- */

/* How many events this worker may make now; when none, *ret_wait_ms says how long to wait. */
static uint32_t due(struct generator *g, uint32_t max, int64_t *ret_wait_ms)
{
    int64_t now = g->host->monotonic_ms(g->host), made;
    __int128 allowed, scale = (__int128)1000 * g->host->worker_count;
    *ret_wait_ms = 0;
    if (g->rate == 0) {
        return max;
    }
    made = g->next - g->pace_next;
    allowed = (__int128)(now - g->pace_ms) * g->rate / scale + 1;
    if (!g->paced || (allowed - made) * scale > (__int128)1000 * g->rate + scale) {
        /* At the start, or more than a second behind: what could not be made in time is not made up for. */
        g->paced = true;
        g->pace_ms = now;
        g->pace_next = g->next;
        made = 0;
        allowed = 1;
    }
    if (allowed > made) {
        return allowed - made < max ? (uint32_t)(allowed - made) : max;
    }
    *ret_wait_ms = g->pace_ms + (int64_t)((made * scale + g->rate - 1) / g->rate) - now;
    return 0;
}

static void pause_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

static void announce(struct generator *g)
{
    churn_position position = {.topic = g->topic, .partition = (int32_t)g->host->worker};
    if (!g->announced) {
        g->announced = true;
        g->listener.assigned(g->listener.ctx, &position, 1);
    }
}

static int32_t generate_poll(void *self, churn_record *records, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                             churn_error *err)
{
    struct generator *g = self;
    int64_t wait_ms;
    uint32_t allowed, count = 0;
    char *at = g->buffer, *last = g->buffer + g->buffer_size - g->event_room;
    (void)err;
    *ret_count = 0;
    announce(g);
    if (max == 0) {
        return CHURN_PENDING;
    }
    if (g->next >= g->own_limit) {
        return CHURN_END;
    }
    allowed = due(g, max, &wait_ms);
    if (allowed == 0) {
        pause_ms(wait_ms < timeout_ms ? wait_ms : timeout_ms);
        allowed = due(g, max, &wait_ms);
    }
    for (; count < allowed && g->next < g->own_limit && at <= last; count++, g->next++) {
        at = make_event(g, g->host->worker + g->next * g->host->worker_count, at, &records[count]);
    }
    *ret_count = count;
    return count > 0 ? CHURN_OK : CHURN_PENDING;
}

static int32_t generate_seek(void *self, const churn_position *position, churn_error *err)
{
    struct generator *g = self;
    (void)err;
    g->next = position->offset > 0 ? position->offset : 0;
    g->paced = false;
    return CHURN_OK;
}

static void generate_lag(void *self, churn_lag *lag)
{
    struct generator *g = self;
    int64_t left = g->next < g->own_limit ? g->own_limit - g->next : 0;
    *lag = (churn_lag){.size = sizeof *lag,
                       .known = 1,
                       .messages = g->events > 0 ? left : -1,
                       .total = g->events > 0 ? g->own_limit : -1};
}

static const churn_source_ops ops = {
    .size = sizeof(churn_source_ops),
    .create = generate_create,
    .start = generate_start,
    .poll = generate_poll,
    .seek = generate_seek,
    .lag = generate_lag,
    .stop = generate_stop,
    .destroy = generate_destroy,
};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "generate", .version = "1.0.0",
             .summary = "Makes events from the tables of the event types", CHURN_OPTIONS(options, struct generator),
             .ops = &ops);
