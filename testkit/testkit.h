/* What a churn_test consists of: the engine's own pipeline and host around one plugin, with a store in memory, a clock
 * that the test moves, and a log that it reads. */
#ifndef TESTKIT_H
#define TESTKIT_H

#include "engine/window.h"
#include "event/edit.h"
#include "event/event.h"
#include "memory_store.h"
#include "pipeline/instance.h"
#include "profile/fold.h"
#include <churn/test.h>

/* A record that was counted, so that it can be folded again. */
struct counted {
    char *payload; /* padded for the decoder */
    uint32_t len;
    int64_t offset;
    char *customer_id;
};

/* A partition that the source under test has announced. */
struct assigned {
    char *topic;
    int32_t partition;
    int64_t from; /* as announced */
    int64_t last; /* offset of the newest record; -1: none */
};

struct churn_test {
    struct pipeline pipeline; /* the first member: from a host to its test */
    struct loader loader;
    struct section section; /* of the plugin under test; loaded NULL: there is none */
    struct instance *instance;
    struct text message;

    struct memory_store store;
    struct loaded store_plugin;
    struct instance store_instance;

    atomic_llong now_ms;
    atomic_llong advanced_ms; /* what the monotonic clock is ahead */
    pthread_mutex_t log_lock;
    struct text log;
    struct text shown; /* the copy of it that was handed out */

    const char **types; /* event types that were loaded by name; empty: all */
    uint32_t type_count;
    bool has_catalog;
    struct event_decoder *decoder;
    struct fold_buffer folder;
    struct parts parts;
    struct arena_pool pool;
    struct window window; /* of the newest event */
    struct edit edit;     /* … likewise */
    int64_t next_offset;
    struct counted *counted;
    uint32_t counted_count, counted_room;
    struct text field, profile, alert, trigger, stored, stalled; /* handed out */

    uint8_t *answered; /* one for each record that the sink has taken, by id - 1 */
    uint32_t taken, unanswered;
    struct assigned *assigned;
    uint32_t assigned_count;
    churn_record *records; /* of the newest read */
    uint32_t record_count;
    bool listener_failed; /* memory ran out in a listener, which cannot say so */
    struct text value;
};

/* Sets the message and returns `code`. */
CHURN_PRINTF(3, 4) int32_t testkit_say(struct churn_test *t, int32_t code, const char *format, ...);
/* The same for what a plugin's call answered. */
int32_t testkit_answer(struct churn_test *t, int32_t code, churn_error *err);
int32_t testkit_out_of_memory(struct churn_test *t);

/* A text with a NUL behind it; NULL when memory ran out. */
const char *testkit_text(struct text *text, const char *bytes, size_t len);

/* The plugin's instance, if it is of that kind and started; else NULL with a message. */
void *testkit_self(struct churn_test *t, uint32_t kind);

/* Has the catalog built, where it is not. */
bool testkit_prepare(struct churn_test *t);
/* Ends what belongs to the catalog. */
void testkit_forget_types(struct churn_test *t);
void testkit_forget_events(struct churn_test *t);
/* Ends what belongs to a started source or sink. */
void testkit_forget_records(struct churn_test *t);

/* The listener for a source under test. */
churn_source_listener testkit_listener(struct churn_test *t);

/* Appends `json` with its quotes made JSON's. */
void testkit_append_json(struct text *text, const char *json);

#endif
