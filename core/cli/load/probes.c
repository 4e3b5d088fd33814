#include "cli/load/probes.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "base/json_text.h"
#include "pipeline/store_requests.h"
#include "profile/store_keys.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_MS 2    /* between looks */
#define AGAIN_MS 200 /* before the store is tried again */

/* An event that is not seen yet. */
struct awaited {
    int64_t number; /* of its customer's events, from 1: seen once events_total is so much */
    int64_t due_ms;
    uint64_t written;
    struct step *step;
};

/* Of one customer, in order. */
struct probe {
    int64_t made;
    struct awaited *queue;
    size_t first, count, room; /* a ring */
};

struct probes {
    const churn_store_ops *ops;
    void *store;
    struct log *log;
    const char *key_prefix, *customer_prefix;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock; /* of what follows */
    struct probe items[PROBES];
    uint64_t looks;
    int64_t looking_ms; /* in all, from a look's begin to the next one's */
    char failure[512];
};

/* ---- one customer's events ---- */

static struct awaited *oldest_of(struct probe *probe)
{
    return probe->count > 0 ? &probe->queue[probe->first] : NULL;
}

/* Of the event that is `i` behind the oldest. */
static size_t place(const struct probe *probe, size_t i)
{
    size_t at = probe->first + i;
    return at < probe->room ? at : at - probe->room;
}

static bool make_room(struct probe *probe)
{
    size_t room = probe->room > 0 ? probe->room * 2 : 16;
    struct awaited *grown;
    if (probe->count < probe->room) {
        return true;
    }
    grown = malloc(room * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (size_t i = 0; i < probe->count; i++) {
        grown[i] = probe->queue[place(probe, i)];
    }
    free(probe->queue);
    probe->queue = grown;
    probe->room = room;
    probe->first = 0;
    return true;
}

static void take_oldest(struct probe *probe, int64_t now_ms)
{
    struct awaited *oldest = oldest_of(probe);
    step_add_latency(oldest->step, now_ms - oldest->due_ms);
    probe->first = place(probe, 1);
    probe->count--;
}

/* ---- looking ---- */

/* Of one look: which customers' profiles are read. */
struct look {
    struct probes *probes;
    churn_str keys[PROBES];
    char room[PROBES][STORE_KEY_SIZE];
    uint32_t numbers[PROBES];
    uint32_t count, answered;
};

static void choose(struct look *look)
{
    struct probes *probes = look->probes;
    char customer[256];
    (void)pthread_mutex_lock(&probes->lock);
    for (uint32_t i = 0; i < PROBES; i++) {
        if (probes->items[i].count > 0) {
            look->numbers[look->count++] = i;
        }
    }
    (void)pthread_mutex_unlock(&probes->lock);
    for (uint32_t i = 0; i < look->count; i++) {
        (void)snprintf(customer, sizeof customer, "%s%06u", probes->customer_prefix, look->numbers[i] + 1);
        look->keys[i].ptr = look->room[i];
        look->keys[i].len = store_keys_profile(probes->key_prefix, churn_text(customer), look->room[i]);
    }
}

static int32_t take_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct look *look = ctx;
    struct probe *probe = &look->probes->items[look->numbers[look->answered++]];
    int64_t total = 0, now = clock_monotonic_ms();
    (void)key;
    for (uint32_t i = 0; i < count; i++) {
        churn_str value = fields[i].value;
        if (str_equals(fields[i].name, "events_total") && decimal_is_number(value.ptr, value.len)) {
            (void)decimal_parse_int64(value.ptr, value.len, &total);
        }
    }
    (void)pthread_mutex_lock(&look->probes->lock);
    while (probe->count > 0 && oldest_of(probe)->number <= total) {
        take_oldest(probe, now);
    }
    (void)pthread_mutex_unlock(&look->probes->lock);
    return CHURN_OK;
}

static void nap(int64_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

static void note_failure(struct probes *probes, const char *message)
{
    (void)pthread_mutex_lock(&probes->lock);
    (void)snprintf(probes->failure, sizeof probes->failure, "%s", message);
    (void)pthread_mutex_unlock(&probes->lock);
}

/* One look, with the pause behind it. A store that is away is looked for again; that it is, the pipeline feels too. */
static int32_t look_once(struct probes *probes, void *session, churn_error *err)
{
    struct look look = {.probes = probes};
    int64_t began = clock_monotonic_ms(), left;
    int32_t result;
    choose(&look);
    result = store_get_many(probes->ops, session, look.keys, look.count, take_profile, &look, err);
    left = began + LOOK_MS - clock_monotonic_ms();
    nap(left > 0 ? left : 0);
    if (look.count > 0) {
        (void)pthread_mutex_lock(&probes->lock);
        probes->looks++;
        probes->looking_ms += clock_monotonic_ms() - began;
        (void)pthread_mutex_unlock(&probes->lock);
    }
    return result;
}

static void *watch(void *ctx)
{
    struct probes *probes = ctx;
    void *session = NULL;
    int32_t result = CHURN_OK;
    while (!atomic_load(&probes->stop) && result != CHURN_FATAL && result != CHURN_REJECT) {
        churn_error err = {.size = sizeof err};
        if (session == NULL) {
            result = probes->ops->open(probes->store, &session, &err);
        } else {
            result = look_once(probes, session, &err);
        }
        if (result == CHURN_FATAL || result == CHURN_REJECT) {
            note_failure(probes, err.message);
        } else if (result != CHURN_OK) {
            log_line(probes->log, CHURN_LOG_WARN, "load", err.message);
            if (session != NULL) {
                probes->ops->close(session);
                session = NULL;
            }
            nap(AGAIN_MS);
        }
    }
    if (session != NULL) {
        probes->ops->close(session);
    }
    return NULL;
}

/* ---- main's side ---- */

struct probes *probes_new(const churn_store_ops *ops, void *store, struct log *log, const char *key_prefix,
                          const char *customer_prefix)
{
    struct probes *probes = calloc(1, sizeof *probes);
    if (probes == NULL) {
        return NULL;
    }
    probes->ops = ops;
    probes->store = store;
    probes->log = log;
    probes->key_prefix = key_prefix;
    probes->customer_prefix = customer_prefix;
    if (pthread_mutex_init(&probes->lock, NULL) != 0) {
        free(probes);
        return NULL;
    }
    if (pthread_create(&probes->thread, NULL, watch, probes) != 0) {
        (void)pthread_mutex_destroy(&probes->lock);
        free(probes);
        return NULL;
    }
    return probes;
}

void probes_free(struct probes *probes)
{
    if (probes == NULL) {
        return;
    }
    atomic_store(&probes->stop, true);
    (void)pthread_join(probes->thread, NULL);
    (void)pthread_mutex_destroy(&probes->lock);
    for (size_t i = 0; i < PROBES; i++) {
        free(probes->items[i].queue);
    }
    free(probes);
}

/* The generator numbers customers from 1, with leading zeros. */
static struct probe *find(struct probes *probes, churn_str customer)
{
    size_t len = strlen(probes->customer_prefix);
    uint32_t number = 0;
    if (customer.len <= len || memcmp(customer.ptr, probes->customer_prefix, len) != 0) {
        return NULL;
    }
    for (size_t i = len; i < customer.len; i++) {
        if (customer.ptr[i] < '0' || customer.ptr[i] > '9' || number > PROBES) {
            return NULL;
        }
        number = number * 10 + (uint32_t)(customer.ptr[i] - '0');
    }
    return number >= 1 && number <= PROBES ? &probes->items[number - 1] : NULL;
}

bool probes_note(struct probes *probes, churn_str customer, int64_t due_ms, uint64_t written, struct step *step)
{
    struct probe *probe = find(probes, customer);
    bool ok = probe != NULL;
    (void)pthread_mutex_lock(&probes->lock);
    ok = ok && make_room(probe);
    if (ok) {
        probe->queue[place(probe, probe->count++)] =
            (struct awaited){.number = ++probe->made, .due_ms = due_ms, .written = written, .step = step};
    }
    (void)pthread_mutex_unlock(&probes->lock);
    return ok;
}

struct probes_waiting probes_waiting(struct probes *probes)
{
    struct probes_waiting waiting = {.written = UINT64_MAX};
    (void)pthread_mutex_lock(&probes->lock);
    for (size_t i = 0; i < PROBES; i++) {
        const struct awaited *oldest = oldest_of(&probes->items[i]);
        waiting.count += (uint32_t)probes->items[i].count;
        if (oldest != NULL && oldest->written < waiting.written) {
            waiting.written = oldest->written;
        }
    }
    (void)pthread_mutex_unlock(&probes->lock);
    return waiting;
}

void probes_give_up(struct probes *probes)
{
    int64_t now = clock_monotonic_ms();
    (void)pthread_mutex_lock(&probes->lock);
    for (size_t i = 0; i < PROBES; i++) {
        struct probe *probe = &probes->items[i];
        while (probe->count > 0) {
            oldest_of(probe)->step->unseen++;
            take_oldest(probe, now);
        }
    }
    (void)pthread_mutex_unlock(&probes->lock);
}

double probes_resolution_ms(struct probes *probes)
{
    double ms;
    (void)pthread_mutex_lock(&probes->lock);
    ms = probes->looks > 0 ? (double)probes->looking_ms / (double)probes->looks : 0;
    (void)pthread_mutex_unlock(&probes->lock);
    return ms;
}

const char *probes_failure(struct probes *probes)
{
    const char *failure;
    (void)pthread_mutex_lock(&probes->lock);
    failure = probes->failure[0] != '\0' ? probes->failure : NULL;
    (void)pthread_mutex_unlock(&probes->lock);
    return failure;
}
