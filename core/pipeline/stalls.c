#include "pipeline/stalls.h"

#include "base/clock.h"

#include <churn/time.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define REMIND_MS 60000
#define QUIET_MS 10000 /* after a line about a state until it is said to have begun anew */

struct stall {
    struct stall *next;
    struct stall_place place;
    char what[STALL_WHAT_SIZE];
    char message[STALL_MESSAGE_SIZE];
    int32_t level;
    bool lasts;
    bool said;         /* … and the log says so */
    int64_t began_ms;  /* monotonic */
    int64_t since_ms;  /* the same by the wall clock */
    int64_t logged_ms; /* its newest line; 0: none */
};

struct stalls {
    pthread_mutex_t lock;
    struct log *log;
    int64_t (*now_ms)(void);
    struct stall *first; /* what once was is kept: there are few; in the order in which they last began */
    atomic_uint lasting; /* how many last: while none does, nobody needs the lock to say that one is over */
};

struct stalls *stalls_new(struct log *log, int64_t (*now_ms)(void))
{
    struct stalls *stalls = calloc(1, sizeof *stalls);
    if (stalls != NULL && pthread_mutex_init(&stalls->lock, NULL) != 0) {
        free(stalls);
        return NULL;
    }
    if (stalls != NULL) {
        stalls->log = log;
        stalls->now_ms = now_ms;
    }
    return stalls;
}

void stalls_free(struct stalls *stalls)
{
    struct stall *next;
    if (stalls == NULL) {
        return;
    }
    for (struct stall *stall = stalls->first; stall != NULL; stall = next) {
        next = stall->next;
        free(stall);
    }
    (void)pthread_mutex_destroy(&stalls->lock);
    free(stalls);
}

/* ---- what is known ---- */

static bool is_of(const struct stall *stall, const void *owner, const char *what)
{
    return stall->place.owner == owner && strncmp(stall->what, what, sizeof stall->what - 1) == 0;
}

static struct stall *find(const struct stalls *stalls, const struct stall_place *place, const char *what)
{
    struct stall *stall = stalls->first;
    while (stall != NULL && !(is_of(stall, place->owner, what) && stall->place.worker == place->worker)) {
        stall = stall->next;
    }
    return stall;
}

/* To the end: what began first is named first, wherever a stall is named. */
static void put_last(struct stalls *stalls, struct stall *stall)
{
    struct stall **at = &stalls->first;
    while (*at != NULL) {
        if (*at == stall) {
            *at = stall->next;
        } else {
            at = &(*at)->next;
        }
    }
    stall->next = NULL;
    *at = stall;
}

static struct stall *find_or_add(struct stalls *stalls, const struct stall_place *place, const char *what)
{
    struct stall *stall = find(stalls, place, what);
    if (stall == NULL && (stall = calloc(1, sizeof *stall)) != NULL) {
        stall->place = *place;
        (void)snprintf(stall->what, sizeof stall->what, "%s", what);
        put_last(stalls, stall);
    }
    return stall;
}

/* How many workers the same state lasts in, and has been told of. */
static unsigned count_said(const struct stalls *stalls, const struct stall *like)
{
    unsigned count = 0;
    for (const struct stall *stall = stalls->first; stall != NULL; stall = stall->next) {
        count += stall->lasts && stall->said && is_of(stall, like->place.owner, like->what);
    }
    return count;
}

/* ---- what is said ---- */

CHURN_PRINTF(4, 5)
static void say(const struct stalls *stalls, int32_t level, const char *plugin, const char *format, ...)
{
    char line[2 * STALL_MESSAGE_SIZE];
    va_list args;
    if (stalls->log != NULL) {
        va_start(args, format);
        (void)vsnprintf(line, sizeof line, format, args);
        va_end(args);
        log_line(stalls->log, level, plugin, line);
    }
}

static void append_duration(char *text, size_t size, int64_t ms)
{
    int64_t s = ms / 1000;
    if (s < 60) {
        (void)snprintf(text, size, "%" PRId64 " s", s);
    } else if (s < 3600) {
        (void)snprintf(text, size, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    } else {
        (void)snprintf(text, size, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
    }
}

static void say_begin(struct stalls *stalls, struct stall *stall, int64_t now)
{
    if (count_said(stalls, stall) == 0) { /* else another worker's line says it */
        say(stalls, stall->level, stall->place.plugin, "%s (stalled: %s)", stall->message, stall->what);
    }
    stall->said = true;
    stall->logged_ms = now;
}

static void set_lasts(struct stalls *stalls, struct stall *stall, bool lasts)
{
    if (stall->lasts != lasts) {
        stall->lasts = lasts;
        (void)atomic_fetch_add(&stalls->lasting, lasts ? 1u : -1u);
    }
}

static void say_end(struct stalls *stalls, struct stall *stall, int64_t now, const char *over)
{
    char duration[48];
    set_lasts(stalls, stall, false);
    if (stall->said && count_said(stalls, stall) == 0) {
        append_duration(duration, sizeof duration, now - stall->began_ms);
        say(stalls, CHURN_LOG_INFO, stall->place.plugin, "%s after %s (was stalled: %s)",
            over != NULL ? over : "goes on", duration, stall->what);
        stall->logged_ms = now;
    }
    stall->said = false;
}

/* One line for all workers that are in the same state. */
static void say_still(struct stalls *stalls, struct stall *stall, int64_t now, int64_t waiting)
{
    char since[CHURN_TIME_SIZE], duration[48], workers[32] = "", records[48] = "";
    unsigned count = count_said(stalls, stall);
    churn_time_format(stall->since_ms, since);
    append_duration(duration, sizeof duration, now - stall->began_ms);
    if (count > 1) {
        (void)snprintf(workers, sizeof workers, " in %u workers", count);
    }
    if (waiting >= 0) {
        (void)snprintf(records, sizeof records, ", %" PRId64 " records wait", waiting);
    }
    say(stalls, CHURN_LOG_ERROR, stall->place.plugin, "still stalled (%s)%s since %s, for %s%s: %s", stall->what,
        workers, since, duration, records, stall->message);
    for (struct stall *other = stalls->first; other != NULL; other = other->next) {
        if (other->lasts && is_of(other, stall->place.owner, stall->what)) {
            other->logged_ms = now;
        }
    }
}

/* ---- for the others ---- */

void stalls_begin(struct stalls *stalls, const struct stall_place *place, const char *what, int32_t level,
                  const char *message)
{
    struct stall *stall;
    int64_t now = stalls->now_ms();
    (void)pthread_mutex_lock(&stalls->lock);
    stall = find_or_add(stalls, place, what);
    if (stall != NULL) {
        (void)snprintf(stall->message, sizeof stall->message, "%s", message);
        stall->level = level;
        if (!stall->lasts) {
            stall->place = *place;
            put_last(stalls, stall);
            set_lasts(stalls, stall, true);
            stall->began_ms = now;
            stall->since_ms = clock_wall_ms();
        }
        if (!stall->said && (stall->logged_ms == 0 || now - stall->logged_ms >= QUIET_MS)) {
            say_begin(stalls, stall, now);
        }
    }
    (void)pthread_mutex_unlock(&stalls->lock);
    if (stall == NULL) { /* no memory: at least the log says it */
        say(stalls, level, place->plugin, "%s", message);
    }
}

void stalls_end(struct stalls *stalls, const struct stall_place *place, const char *what, const char *over)
{
    struct stall *stall;
    int64_t now;
    if (atomic_load(&stalls->lasting) == 0) {
        return;
    }
    now = stalls->now_ms();
    (void)pthread_mutex_lock(&stalls->lock);
    stall = find(stalls, place, what);
    if (stall != NULL && stall->lasts) {
        say_end(stalls, stall, now, over);
    }
    (void)pthread_mutex_unlock(&stalls->lock);
}

void stalls_forget(struct stalls *stalls, const void *owner, unsigned worker)
{
    (void)pthread_mutex_lock(&stalls->lock);
    for (struct stall *stall = stalls->first; stall != NULL; stall = stall->next) {
        if (stall->place.owner == owner && stall->place.worker == worker) {
            set_lasts(stalls, stall, false);
            stall->said = false;
        }
    }
    (void)pthread_mutex_unlock(&stalls->lock);
}

void stalls_leave(struct stalls *stalls, unsigned worker)
{
    char duration[48];
    int64_t now = stalls->now_ms();
    (void)pthread_mutex_lock(&stalls->lock);
    for (struct stall *stall = stalls->first; stall != NULL; stall = stall->next) {
        if (!stall->lasts || stall->place.worker != worker) {
            continue;
        }
        set_lasts(stalls, stall, false);
        if (stall->said && count_said(stalls, stall) == 0) { /* else the last worker in it says it */
            append_duration(duration, sizeof duration, now - stall->began_ms);
            say(stalls, CHURN_LOG_WARN, stall->place.plugin, "still stalled (%s) as the run ends, for %s: %s",
                stall->what, duration, stall->message);
        }
        stall->said = false;
    }
    (void)pthread_mutex_unlock(&stalls->lock);
}

void stalls_remind(struct stalls *stalls, int64_t waiting)
{
    int64_t now = stalls->now_ms();
    (void)pthread_mutex_lock(&stalls->lock);
    for (struct stall *stall = stalls->first; stall != NULL; stall = stall->next) {
        if (stall->lasts && stall->said && now - stall->logged_ms >= REMIND_MS) {
            say_still(stalls, stall, now, waiting);
        } else if (stall->lasts && !stall->said && now - stall->logged_ms >= QUIET_MS) {
            say_begin(stalls, stall, now);
        }
    }
    (void)pthread_mutex_unlock(&stalls->lock);
}

void stalls_each(struct stalls *stalls, void (*fn)(void *ctx, const struct stall_report *report), void *ctx)
{
    (void)pthread_mutex_lock(&stalls->lock);
    for (const struct stall *stall = stalls->first; stall != NULL; stall = stall->next) {
        if (stall->lasts) {
            fn(ctx, &(struct stall_report){.plugin = stall->place.plugin,
                                           .what = stall->what,
                                           .message = stall->message,
                                           .worker = stall->place.worker,
                                           .since_ms = stall->since_ms});
        }
    }
    (void)pthread_mutex_unlock(&stalls->lock);
}
