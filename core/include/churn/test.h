/** @file
 * A harness for the unit tests of a plugin: the engine's own loader, options, decoding, folding and profiles around one
 * plugin, without churnd, a pipeline or a server. For programs that link `pkg-config --libs churn-test`, with any test
 * framework or none.
 *
 * This header is not part of the plugin ABI: no plugin includes it.
 *
 *     churn_test *t = churn_test_new();
 *     CHURN_TEST_CHECK(t, churn_test_load(t, "./gift_card_redeemed.so") == CHURN_OK);
 *     CHURN_TEST_CHECK(t, churn_test_event(t, "anna", "gift_card_redeemed", "{'amount': 10.25}") == CHURN_OK);
 *     CHURN_TEST_CHECK(t, churn_test_expect_profile(t, "anna", "{'gift_card_redeemed_amount': 10.25}") == CHURN_OK);
 *     churn_test_free(t);
 *
 * - A call that does not answer CHURN_OK leaves its reason in churn_test_message().
 * - JSON may be written with ' in place of ", where it holds no " at all.
 * - Texts that are returned are the harness's, NUL-terminated, and valid until the next call of the same function.
 * - One test object, one thread; a plugin may use threads of its own.
 */
#ifndef CHURN_TEST_H
#define CHURN_TEST_H

#include <churn/record.h>
#include <churn/result.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CHURN_TEST_API __attribute__((visibility("default")))
#else
#define CHURN_TEST_API
#endif

typedef struct churn_test churn_test;

/* --- Life --- */

/** An empty harness: nothing loaded, an empty store, the clock at 2026-01-01T00:00:00Z. NULL when memory ran out. */
CHURN_TEST_API churn_test *churn_test_new(void);
/** Stops what was started and frees everything; `t` may be NULL. */
CHURN_TEST_API void churn_test_free(churn_test *t);
/** Why the last call that did not answer CHURN_OK did not: one line, or one for each mistake or difference. "" at
 * first. */
CHURN_TEST_API const char *churn_test_message(const churn_test *t);

/** For tests without a framework: unless `condition` holds, shows it and the message, and ends the program with 1. */
#define CHURN_TEST_CHECK(t, condition) ((condition) ? (void)0 : churn_test_fail((t), __FILE__, __LINE__, #condition))

static inline void churn_test_fail(const churn_test *t, const char *file, int line, const char *condition)
{
    (void)fprintf(stderr, "%s:%d: not so: %s\n  %s\n", file, line, condition, churn_test_message(t));
    exit(1);
}

/**
 * Loads a plugin file, judged as churnd judges it. Event types, any number, come before the first event and the start;
 * of other plugins a test has one. Where no event type is loaded, those of the installation are there, found as churnd
 * finds them. CHURN_FATAL: the plugin is refused.
 */
CHURN_TEST_API int32_t churn_test_load(churn_test *t, const char *path);

/**
 * Makes the instance of the source, processor or sink and starts it. `options` is YAML as in a pipeline, made as by
 * printf: "{path: %s, max: 3}"; "{}" for none. CHURN_FATAL: the options are refused, or `create` or `start` failed.
 */
CHURN_PRINTF(2, 3)
CHURN_TEST_API int32_t churn_test_start(churn_test *t, const char *options, ...);
/** Stops and destroys the instance; may be started again, as after a restart of churnd: the store stays. */
CHURN_TEST_API void churn_test_stop(churn_test *t);

/** The instance and its table of operations (such as const churn_sink_ops *), for what the harness has no call for;
 * NULL before the start. */
CHURN_TEST_API void *churn_test_instance(churn_test *t);
CHURN_TEST_API const void *churn_test_ops(churn_test *t);

/* --- Events: event types and processors --- */

/**
 * One event, as churnd treats it: decoded and validated, given to the processor where one was started, folded into the
 * profile in the store. Its event_id is e1, e2, …; its timestamp is the clock's; its place is offset 0, 1, … of
 * `test/0`. CHURN_OK: counted. CHURN_DROP: a processor left it out. CHURN_REJECT: it belongs into the dead letters; the
 * message is "REASON: detail". CHURN_RETRY: the processor cannot tell for now. CHURN_FATAL: the pipeline would stop.
 */
CHURN_TEST_API int32_t churn_test_event(churn_test *t, const char *customer_id, const char *event_type,
                                        const char *data);
/** The same for a whole record, which may break any rule. */
CHURN_TEST_API int32_t churn_test_event_json(churn_test *t, const char *json);

/** A profile field's text as it is stored, or NULL where it is absent. */
CHURN_TEST_API const char *churn_test_field(churn_test *t, const char *customer_id, const char *field);
/** The whole profile as a JSON object; NULL where there is none. */
CHURN_TEST_API const char *churn_test_profile(churn_test *t, const char *customer_id);
/**
 * Compares the fields that `json` names: {"total_spent": 12.5, "plan": "gold", "refunds": null}. Numbers are compared
 * by value, exactly; null: absent. CHURN_REJECT: a message with one line for each difference.
 */
CHURN_TEST_API int32_t churn_test_expect_profile(churn_test *t, const char *customer_id, const char *json);

/** The alert or prediction trigger that the last event raised, as sinks get it (JSON); NULL where it raised none. An
 * alert of the processor's comes before the event type's own. */
CHURN_TEST_API const char *churn_test_alert(churn_test *t);
CHURN_TEST_API const char *churn_test_trigger(churn_test *t);

/**
 * Folds all events that were counted so far again, as workers, restarts and replays do: in one window and in two,
 * divided at each place (64 at most) and the later part first, forwards and in reverse order. CHURN_REJECT: some
 * profile came out differently, which only an `apply` callback that is no pure function of its event can cause; the
 * message shows the first difference.
 */
CHURN_TEST_API int32_t churn_test_commutes(churn_test *t);

/* --- Sinks --- */

/** Offers one record of a CHURN_RECORD_… kind to the sink. CHURN_OK: taken. CHURN_PENDING: the sink is full for now.
 * Any other answer is the sink's about this record. */
CHURN_TEST_API int32_t churn_test_write(churn_test *t, uint32_t kind, const char *customer_id, const char *value);
/**
 * Polls until every record that was taken is answered. CHURN_OK: all are safe. CHURN_REJECT: some were refused; the
 * message is the first one's. CHURN_PENDING: `timeout_ms` went by. CHURN_FATAL: the sink's, or it broke the rules of
 * <churn/sink.h>, such as to answer a record twice.
 */
CHURN_TEST_API int32_t churn_test_settle(churn_test *t, uint32_t timeout_ms);

/* --- Sources --- */

/**
 * One poll of the source for up to `max` records. CHURN_OK: there are some. CHURN_PENDING: none now. CHURN_END: the end
 * of a bounded input; records may come with it. CHURN_FATAL: the source's, or it broke the rules of <churn/source.h>,
 * such as to hand out a record of a partition that it had not announced.
 */
CHURN_TEST_API int32_t churn_test_read(churn_test *t, uint32_t max, uint32_t timeout_ms);
/** How many records the last read gave, and each of them, valid until the next read; NULL beyond the last one. */
CHURN_TEST_API uint32_t churn_test_record_count(const churn_test *t);
CHURN_TEST_API const churn_record *churn_test_record(const churn_test *t, uint32_t index);
/** The value of the record at `index` as a text; NULL: none. */
CHURN_TEST_API const char *churn_test_value(churn_test *t, uint32_t index);
/** Where reading of a partition began as the source announced it (-1: it does not know), or -2: it is not assigned. */
CHURN_TEST_API int64_t churn_test_assigned(const churn_test *t, const char *topic, int32_t partition);
/** `commit`, waiting, and `seek` of one position; CHURN_OK where the source has no such call. */
CHURN_TEST_API int32_t churn_test_commit(churn_test *t, const char *topic, int32_t partition, int64_t offset);
CHURN_TEST_API int32_t churn_test_seek(churn_test *t, const char *topic, int32_t partition, int64_t offset);

/* --- The host's services --- */

/** Sets the wall clock, which stands still otherwise, to an RFC 3339 time. CHURN_REJECT: it is none. */
CHURN_TEST_API int32_t churn_test_set_time(churn_test *t, const char *time);
/** Moves both clocks on. The monotonic clock also goes by itself, for plugins that wait by it. */
CHURN_TEST_API void churn_test_advance(churn_test *t, int64_t ms);

/** Everything the plugin has logged so far, as lines "WARN text". */
CHURN_TEST_API const char *churn_test_log(churn_test *t);
/** The counter `name` of churn.metrics/1; 0 where the plugin made none. */
CHURN_TEST_API int64_t churn_test_counter(churn_test *t, const char *name);
/** How many values the histograms `name` (as in churn_metric) have counted; 0 where the plugin made none. */
CHURN_TEST_API int64_t churn_test_observed(churn_test *t, const char *name);
/** The message of the state `what` of churn.health/1 that the plugin is in; NULL: it is not. */
CHURN_TEST_API const char *churn_test_stalled(churn_test *t, const char *what);

/** One field of a stored hash, which "churn.storage/1" offers: keys are such as "profile:anna". NULL: absent. */
CHURN_TEST_API const char *churn_test_stored(churn_test *t, const char *key, const char *field);
CHURN_TEST_API int32_t churn_test_store(churn_test *t, const char *key, const char *field, const char *value);
/** 1: the store is out of reach (CHURN_RETRY, sessions break); 0: it is back. */
CHURN_TEST_API void churn_test_store_outage(churn_test *t, int on);

#ifdef __cplusplus
}
#endif
#endif
