/* A host for plugin tests: no worker, no pipeline, no server. */
#ifndef TESTS_FAKE_HOST_H
#define TESTS_FAKE_HOST_H

#include <churn/event.h>
#include <churn/ext/alerts.h>
#include <churn/ext/answers.h>
#include <churn/ext/forgetting.h>
#include <churn/ext/storage.h>
#include <churn/ext/when.h>
#include <churn/plugin.h>
#include <churn/store.h>
#include <pthread.h>
#include <stdbool.h>

#define FAKE_HOST_COUNTERS 32
#define FAKE_HOST_STALLS 8
#define FAKE_HOST_ALERTS 16

/* Settings that a test may change before it makes a plugin instance, and what the plugin did to the host. */
struct fake_host {
    churn_host host;      /* pass &fake.host to a plugin's create */
    int64_t clock_ms;     /* what now_ms says; 0: the real clock */
    int64_t monotonic_ms; /* … monotonic_ms */
    char last_log[1024];  /* the newest line logged, and its level */
    int32_t last_level;
    unsigned log_lines;
    const churn_store_ops *store; /* what churn.storage/1 offers; NULL: none */
    void *store_self;
    const churn_event_type *types[32]; /* what churn.event_types/1 offers, sorted by name */
    const char *type_names[32];
    uint32_t type_count;
    const churn_profile_field *fields; /* what churn.storage/1 tells of profiles */
    uint32_t field_count;
    uint32_t when_asks;           /* what churn.when/1 says */
    const churn_answers *answers; /* churn.answers/1; NULL: there are none */
    int32_t (*when_holds)(const churn_when_subject *subject);
    int32_t (*forgotten)(const churn_forgettable *what); /* what churn.forgetting/1 says; NULL: there is none */
    _Atomic int64_t forgotten_known, forgotten_looked_ms;
    _Atomic int64_t forgotten_adopted; /* what the plugin said last */
    int32_t alerts_heard;              /* what churn.alerts/1 says */
    struct {
        uint64_t id;
        char text[1024];
        uint32_t severity;
        int answered;           /* the next call of `answers` says so */
    } alerts[FAKE_HOST_ALERTS]; /* raised: "EVENT_ID EVENT_TYPE CUSTOMER_ID MESSAGE DATA" */
    uint32_t alert_count;
    struct {
        char name[64];
        _Atomic int64_t value;
    } counters[FAKE_HOST_COUNTERS];
    pthread_mutex_t stall_lock;
    struct {
        char what[32];
        char message[512]; /* "": over */
    } stalls[FAKE_HOST_STALLS];
};

void fake_host_init(struct fake_host *fake);

/* The value of a counter that a plugin made; 0 when it made none of that name. */
int64_t fake_host_counter(struct fake_host *fake, const char *name);

/* Whether the plugin is in the state `what` of churn.health/1; its message goes to `message`, where that is not NULL.
 */
bool fake_host_stalled(struct fake_host *fake, const char *what, char message[512]);

/* Loads `$TEST_PLUGIN_DIR/ROLE/.libs/NAME.so` (default: plugins/ below the working directory) and returns its entry.
 * Ends the test program with a message when it cannot. */
const churn_plugin *fake_plugin_load(const char *role, const char *name);

/* A zeroed instance with its defaults and the given options set: "key", "value", …, NULL. Lists are `a,b`, maps
 * `k=v,k=v`, durations in any unit (250ms, 5s), sizes plain or with KiB/MiB. Ends the test program on an unknown key.
 * Free with fake_instance_free after the plugin's destroy. */
void *fake_instance_new(const churn_plugin *plugin, ...);
void fake_instance_free(const churn_plugin *plugin, void *instance);

static inline churn_str str(const char *text)
{
    return (churn_str){.ptr = text, .len = (uint32_t)strlen(text)};
}

#endif
