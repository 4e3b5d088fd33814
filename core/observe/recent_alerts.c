#include "observe/recent_alerts.h"

#include "base/clock.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *json;
    uint32_t len, room;
    int64_t at_ms;
};

struct recent_alerts {
    pthread_mutex_t lock;
    struct entry entries[RECENT_ALERTS_MAX]; /* a ring */
    unsigned count, newest;
};

struct recent_alerts *recent_alerts_new(void)
{
    struct recent_alerts *alerts = calloc(1, sizeof *alerts);
    if (alerts != NULL && pthread_mutex_init(&alerts->lock, NULL) != 0) {
        free(alerts);
        return NULL;
    }
    return alerts;
}

void recent_alerts_free(struct recent_alerts *alerts)
{
    if (alerts == NULL) {
        return;
    }
    for (unsigned i = 0; i < RECENT_ALERTS_MAX; i++) {
        free(alerts->entries[i].json);
    }
    (void)pthread_mutex_destroy(&alerts->lock);
    free(alerts);
}

/* The n-th newest. */
static struct entry *entry_at(struct recent_alerts *alerts, unsigned n)
{
    return &alerts->entries[(alerts->newest + RECENT_ALERTS_MAX - n) % RECENT_ALERTS_MAX];
}

/* Two sinks answer for the same alert, and one that is delivered again has the same bytes. */
static bool is_there(struct recent_alerts *alerts, churn_str json)
{
    for (unsigned i = 0; i < alerts->count; i++) {
        const struct entry *entry = entry_at(alerts, i);
        if (entry->len == json.len && memcmp(entry->json, json.ptr, json.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool make_room(struct entry *entry, uint32_t len)
{
    char *json = entry->room >= len ? entry->json : realloc(entry->json, len);
    if (json == NULL) {
        return false;
    }
    entry->json = json;
    entry->room = entry->room >= len ? entry->room : len;
    return true;
}

static void keep(struct recent_alerts *alerts, churn_str json)
{
    unsigned next = (alerts->newest + 1) % RECENT_ALERTS_MAX;
    struct entry *entry = &alerts->entries[next];
    if (!make_room(entry, json.len)) {
        return; /* the alert itself is safe; it is only not shown */
    }
    memcpy(entry->json, json.ptr, json.len);
    entry->len = json.len;
    entry->at_ms = clock_wall_ms();
    alerts->newest = next;
    alerts->count += alerts->count < RECENT_ALERTS_MAX;
}

void recent_alerts_add(struct recent_alerts *alerts, churn_str json)
{
    if (json.len == 0 || json.len > RECENT_ALERTS_BYTES) {
        return;
    }
    (void)pthread_mutex_lock(&alerts->lock);
    if (!is_there(alerts, json)) {
        keep(alerts, json);
    }
    (void)pthread_mutex_unlock(&alerts->lock);
}

unsigned recent_alerts_each(struct recent_alerts *alerts, void (*fn)(void *ctx, churn_str json, int64_t at_ms),
                            void *ctx)
{
    (void)pthread_mutex_lock(&alerts->lock);
    for (unsigned i = 0; i < alerts->count; i++) {
        const struct entry *entry = entry_at(alerts, i);
        fn(ctx, (churn_str){.ptr = entry->json, .len = entry->len}, entry->at_ms);
    }
    unsigned count = alerts->count;
    (void)pthread_mutex_unlock(&alerts->lock);
    return count;
}
