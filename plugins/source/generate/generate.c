/*
 * Makes events from the tables of the loaded event types, to try a pipeline or to load it.
 *
 * Event i of a generator depends on the options and on i alone, so the same options give the same bytes at every run
 * and a position can be sought. Worker w of n makes the events i with i % n = w and is the source's partition w; its
 * offset k is event w + k * n. Positions are remembered under a name that holds whatever decides the events, the number
 * of workers included, so other events are never taken for those counted before.
 */
#include "event.h"
#include "pause.h"
#include "text_buffer.h"
#include <churn/plugin.h>
#include <churn/source.h>

#include <inttypes.h>
#include <stdlib.h>

#define LAST_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */
#define BUFFER_SIZE ((size_t)1024 * 1024)
#define MAX_PREFIX 80 /* so that an event_id stays within 128 bytes */

struct generator {
    struct recipe recipe; /* its options, and those below */
    int64_t events;
    int64_t rate;
    const char *start_time;
    churn_list types;

    const churn_host *host;
    int64_t limit;     /* number of events of all workers */
    int64_t own_limit; /* of this one */
    int64_t next;      /* own offset of the event to make next */
    char topic[96];
    churn_source_listener listener;
    bool announced;
    bool paced;      /* pace_* are set */
    int64_t pace_ms; /* when event pace_next was due */
    int64_t pace_next;
    char *buffer;
    size_t buffer_size;
};

static const churn_option options[] = {
    {"events", .type = CHURN_OPTION_INT, .default_text = "0", .min = 0, .max = INT64_MAX,
     .offset = offsetof(struct generator, events), .help = "How many events in all; 0: endless."},
    {"rate", .type = CHURN_OPTION_INT, .default_text = "0", .min = 0, .max = 1000000000,
     .offset = offsetof(struct generator, rate), .help = "Events a second in all; 0: as fast as they are taken."},
    {"customers", .type = CHURN_OPTION_INT, .default_text = "1000", .min = 1, .max = 1000000000,
     .offset = offsetof(struct generator, recipe.customers), .help = "How many customers share the events."},
    {"zipf", .type = CHURN_OPTION_DOUBLE, .default_text = "1.0", .min = 0, .max = 10,
     .offset = offsetof(struct generator, recipe.zipf_exponent),
     .help = "How unequal customers are: the one of rank r has a share of 1 / r^zipf; 0: all alike."},
    {"seed", .type = CHURN_OPTION_INT, .default_text = "1", .min = INT64_MIN, .max = INT64_MAX,
     .offset = offsetof(struct generator, recipe.seed), .help = "Another seed makes other events."},
    {"start_time", .type = CHURN_OPTION_STRING, .default_text = "now", .offset = offsetof(struct generator, start_time),
     .help =
         "Time of the first event, such as 2026-01-01T00:00:00Z, which makes the same events at each run; or `now`."},
    {"time_step", .type = CHURN_OPTION_DURATION, .default_text = "1ms", .min = 0, .max = INT64_C(31536000000),
     .offset = offsetof(struct generator, recipe.time_step),
     .help = "Mean distance of one event's time from the next one's."},
    {"bad_share", .type = CHURN_OPTION_DOUBLE, .default_text = "0", .min = 0, .max = 1,
     .offset = offsetof(struct generator, recipe.bad_share),
     .help = "Share of events that are broken on purpose, from 0 to 1: each must end in the dead letters."},
    {"types", .type = CHURN_OPTION_LIST, .offset = offsetof(struct generator, types),
     .help = "Event types to make; empty: all that are loaded, each as often as it says of itself."},
    {"customer_prefix", .type = CHURN_OPTION_STRING, .default_text = "cust_",
     .offset = offsetof(struct generator, recipe.customer_prefix), .help = "What each customer_id begins with."},
};

/* --- Creating --- */

static int32_t check_prefix(const struct generator *g, churn_error *err)
{
    churn_str prefix = churn_text(g->recipe.customer_prefix);
    bool control = !text_is_utf8(prefix);
    for (uint32_t i = 0; i < prefix.len; i++) {
        unsigned char c = (unsigned char)prefix.ptr[i], next = (unsigned char)prefix.ptr[i + 1];
        control = control || c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0);
    }
    if (control || prefix.len > MAX_PREFIX) {
        return churn_fail_option(err, "customer_prefix", "must be UTF-8 without control characters, at most %d bytes",
                                 MAX_PREFIX);
    }
    return CHURN_OK;
}

static int32_t set_time(struct generator *g, churn_error *err)
{
    int64_t most;
    if (strcmp(g->start_time, "now") == 0) {
        g->recipe.start_ms = g->host->now_ms(g->host);
    } else if (!churn_time_parse(g->start_time, strlen(g->start_time), &g->recipe.start_ms)) {
        return churn_fail_option(err, "start_time", "`%s` is neither `now` nor a time such as 2026-01-01T00:00:00Z",
                                 g->start_time);
    }
    most = g->recipe.time_step > 0 ? (LAST_MS - g->recipe.start_ms) / g->recipe.time_step : INT64_MAX;
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
    const unsigned char *bytes = text; /* FNV-1a: its value stands in stored names */
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* Names what decides the events: the seed and the first time for people to see, the rest as a number. */
static void name_topic(struct generator *g)
{
    char text[256];
    int len = snprintf(text, sizeof text, "%" PRId64 "|%.17g|%" PRId64 "|%.17g|%" PRIu32 "|%s", g->recipe.customers,
                       g->recipe.zipf_exponent, g->recipe.time_step, g->recipe.bad_share, g->host->worker_count,
                       g->recipe.customer_prefix);
    uint64_t hash = hash_text(UINT64_C(0xcbf29ce484222325), text, (size_t)len);
    for (uint32_t i = 0; i < g->recipe.plans.count; i++) {
        hash = hash_text(hash, g->recipe.plans.types[i].name.ptr, g->recipe.plans.types[i].name.len);
        hash =
            hash_text(hash, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, g->recipe.plans.types[i].share_end));
    }
    (void)snprintf(g->topic, sizeof g->topic, "generate/%" PRId64 "/%" PRId64 "/%08" PRIx32, g->recipe.seed,
                   g->recipe.start_ms, (uint32_t)(hash ^ (hash >> 32)));
}

static void generate_destroy(void *self)
{
    struct generator *g = self;
    recipe_free(&g->recipe);
    free(g->buffer);
}

static int32_t prepare(struct generator *g, churn_error *err)
{
    int64_t worker = g->host->worker, workers = g->host->worker_count;
    int32_t result;
    if ((result = check_prefix(g, err)) != CHURN_OK || (result = set_time(g, err)) != CHURN_OK ||
        (result = recipe_make(&g->recipe, g->host, &g->types, err)) != CHURN_OK) {
        return result;
    }
    g->buffer_size = g->recipe.event_room * 4 > BUFFER_SIZE ? g->recipe.event_room * 4 : BUFFER_SIZE;
    g->buffer = malloc(g->buffer_size);
    if (g->buffer == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
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
    char *at = g->buffer, *last = g->buffer + g->buffer_size - g->recipe.event_room;
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
        records[count] = (churn_record){.size = sizeof *records,
                                        .kind = CHURN_RECORD_EVENT,
                                        .topic = g->topic,
                                        .offset = g->next,
                                        .partition = (int32_t)g->host->worker};
        at = make_event(&g->recipe, g->host->worker + g->next * g->host->worker_count, at, &records[count]);
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

/* Without what the name in a position says of its events. */
static void generate_topics(const churn_section *own, churn_topic_fn fn, void *ctx)
{
    (void)own;
    fn(ctx, "generate");
}

static int32_t generate_again(const churn_section *own, churn_error *err)
{
    const char *start = own->get(own, "start_time");
    if (start != NULL && strcmp(start, "now") != 0) {
        return CHURN_OK;
    }
    return churn_fail(err, CHURN_REJECT, "this generator makes other events at each run; give it a start_time");
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
    .topics = generate_topics,
    .again = generate_again,
};

static const churn_needs needs = {.size = sizeof needs};

CHURN_PLUGIN(.kind = CHURN_KIND_SOURCE, .name = "generate", .version = "1.0.0",
             .summary = "Makes events from the tables of the event types", CHURN_OPTIONS(options, struct generator),
             .ops = &ops, .needs = &needs);
