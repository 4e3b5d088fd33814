/* Records into the intake, and everything that follows from each: what is said, counted, set aside and logged. */
#include "core/base/clock.h"
#include "core/engine/plugin_call.h"

#include "intake_fixture.h"

#define WHEN "\"timestamp\":\"2026-01-01T00:00:00.000Z\""
#define EVENT_OUT(offset, value) "event t/3@" offset " c " value " at 12"
#define ALERT_OUT(offset, part, severity, message, data)                                                               \
    "alert t/3@" offset " c {\"alert_id\":\"t/3/" offset part "\",\"severity\":\"" severity                            \
    "\",\"event_id\":\"e\",\"event_type\":\"sale\"," WHEN ",\"customer_id\":\"c\",\"message\":\"" message              \
    "\",\"data\":" data "} at " AT_MS
#define SALE_ALERT(offset) ALERT_OUT(offset, "", "info", "sale of c", "{\"amount\":5}") " severity 1"
#define HIGH_ALERT(offset)                                                                                             \
    ALERT_OUT(offset, "", "critical", "sale of c", "{\"amount\":5,\"level\":\"high\"}") " severity 3"
#define RAISED(offset) ALERT_OUT(offset, "/second", "warning", "look", "{\"amount\":5}") " severity 2"
#define TRIGGER_OUT(offset)                                                                                            \
    "trigger t/3@" offset " c {\"request_id\":\"t/3/" offset                                                           \
    "\",\"customer_id\":\"c\",\"trigger\":{\"event_id\":\"e\","                                                        \
    "\"event_type\":\"sale\"," WHEN "}} at " AT_MS
#define LETTER_OUT(offset, value, reason, detail)                                                                      \
    "dead_letter t/3@" offset " c " value " churn.reason=" reason " churn.detail=" detail                              \
    " churn.topic=t churn.partition=3 churn.offset=" offset

#define CONDEMNED(plugin)                                                                                              \
    "ERROR churnd: t/3 offset 41 ended the process 2 times while " plugin                                              \
    " had it; it goes to the dead letters, from "                                                                      \
    "where `churnd redrive` sends it again once the plugin is mended"

static void test_what_follows_from_an_event(void)
{
    open_intake();
    take(41, SALE);
    check_outcome("a sale", EVENT_OUT("41", SALE), SALE_ALERT("41"), TRIGGER_OUT("41"),
                  "events +1, triggers +1, alerts +1");
    take(42, HIGH);
    check_outcome("one that is urgent", EVENT_OUT("42", HIGH), HIGH_ALERT("42"), TRIGGER_OUT("42"),
                  "events +1, triggers +1, alerts +1");
    take(43, QUIET);
    check_outcome("one from which nothing follows", EVENT_OUT("43", QUIET), "events +1");
    pipeline.outputs = CHURN_RECORD_ALERT;
    take(44, SALE);
    check_outcome("sinks for alerts alone", SALE_ALERT("44"), "events +1, alerts +1");
    pipeline.outputs = CHURN_RECORD_TRIGGER;
    take(45, SALE);
    check_outcome("for triggers alone", TRIGGER_OUT("45"), "events +1, triggers +1");
    pipeline.outputs = CHURN_RECORD_EVENT;
    take(46, SALE);
    check_outcome("for events alone", EVENT_OUT("46", SALE), "events +1");
    CU_ASSERT_EQUAL(window_filling(&worker)->event_count, 0);
    close_intake();
}

/* What was sent before a replay is not sent again, of the kinds that were. */
static void test_muted(void)
{
    open_intake();
    struct partition *partition = assign();
    partition->muted_below = 50;
    partition->muted = CHURN_RECORD_EVENT | CHURN_RECORD_ALERT;
    take(49, SALE);
    check_outcome("below", TRIGGER_OUT("49"), "events +1, triggers +1");
    take(50, SALE);
    check_outcome("from there on", EVENT_OUT("50", SALE), SALE_ALERT("50"), TRIGGER_OUT("50"),
                  "events +1, triggers +1, alerts +1");
    partition->muted = CHURN_RECORD_DEAD_LETTER;
    take(49, "x");
    check_outcome("a letter below", "events +1, dead_letters +1, invalid_json +1");
    pipeline.decodes = false;
    partition->muted = CHURN_RECORD_EVENT;
    take(49, "x");
    check_outcome("as it is, below", "events +1");
    take(50, "x");
    check_outcome("as it is, from there on", "event t/3@50 c x at 12", "events +1");
    close_intake();
}

/* Sinks with conditions: of two for alerts one takes the urgent ones, of two for events one the high ones. */
static void test_conditions_of_sinks(void)
{
    struct section sinks[] = {{.input = CHURN_RECORD_EVENT, .bit = 1},
                              {.input = CHURN_RECORD_EVENT, .bit = 2},
                              {.input = CHURN_RECORD_ALERT, .bit = 4},
                              {.input = CHURN_RECORD_TRIGGER, .bit = 8}};
    open_intake();
    sinks[0].when = condition_of("data.level == \"high\"", false);
    sinks[2].when = condition_of("severity != \"info\"", true);
    sinks[3].when = condition_of("has(data.level)", false);
    pipeline.sinks = sinks;
    pipeline.sink_count = 4;
    pipeline.routed = true;
    pipeline.processor_count = PROCESSORS;
    probes[SECOND].alerts = true;
    take(41, SALE);
    check_outcome("a sale", "first t/3@41; second 41", EVENT_OUT("41", SALE) " not for 1", RAISED("41"),
                  "events +1, triggers +1, alerts +2");
    probes[SECOND].alerts = false;
    take(42, HIGH);
    check_outcome("one that is urgent", "first t/3@42; second 42", EVENT_OUT("42", HIGH), HIGH_ALERT("42"),
                  TRIGGER_OUT("42"), "events +1, triggers +1, alerts +1");
    condition_free(sinks[0].when);
    sinks[0].when = condition_of("data.amount > 5", false);
    sinks[1].input = CHURN_RECORD_ALERT;
    take(43, SALE);
    check_outcome("nobody takes its event", "first t/3@43; second 43", SALE_ALERT("43") " not for 4",
                  "events +1, triggers +1, alerts +1");
    for (size_t i = 0; i < COUNT(sinks); i++) {
        condition_free(sinks[i].when);
    }
    close_intake();
}

static void test_conditions_of_a_type(void)
{
    open_intake();
    struct type_rules *rules = rules_of("sale");
    rules->alert_when = condition_of("data.amount > 5", false);
    take(41, SALE);
    check_outcome("no alert", EVENT_OUT("41", SALE), TRIGGER_OUT("41"), "events +1, triggers +1");
    condition_free(rules->alert_when);
    rules->alert_when = NULL;
    rules->predict_when = condition_of("data.amount > 5", false);
    take(42, SALE);
    check_outcome("no trigger", EVENT_OUT("42", SALE), SALE_ALERT("42"), "events +1, alerts +1");
    close_intake();
}

static void test_what_is_no_event(void)
{
    static const churn_header own[] = {
        {"trace", {.ptr = "7", .len = 1}}, {"none", {.ptr = NULL}}, {"churn.x", {.ptr = ""}}};
    open_intake();
    take(41, "{");
    check_outcome("no JSON",
                  LETTER_OUT("41", "{", "invalid_json", "the text is not one JSON value by RFC 8259") " at 12",
                  "events +1, dead_letters +1, invalid_json +1");
    churn_record record = record_at(42, NULL);
    record.key = (churn_str){0};
    record.headers = own;
    record.header_count = COUNT(own);
    CU_ASSERT(intake_take(&worker, &record, 1));
    check_outcome("a tombstone with headers",
                  "dead_letter t/3@42 - - churn.reason=empty churn.detail=the record has no value churn.topic=t "
                  "churn.partition=3 churn.offset=42 trace=7 none churn.original.churn.x= at 12",
                  "events +1, dead_letters +1, empty +1");
    take(43, EVENT("other", "{}"));
    check_outcome("of an unknown type",
                  LETTER_OUT("43", EVENT("other", "{}"), "unknown_event_type",
                             "no plugin is loaded for event_type 'other'") " at 12",
                  "events +1, dead_letters +1, unknown_event_type +1");
    take(43, EVENT("login\\u0000\\u001b", "{}")); /* its first bytes alone would be a known one's */
    check_outcome("with control characters",
                  LETTER_OUT("43", EVENT("login\\u0000\\u001b", "{}"), "unknown_event_type",
                             "no plugin is loaded for event_type 'login\\u0000\\u001b'") " at 12",
                  "events +1, dead_letters +1, unknown_event_type +1");
    pipeline.event_settings.ignore_unknown = 1;
    take(44, EVENT("other", "{}"));
    check_outcome("ignored", "events +1, ignored +1");
    take(45, "{");
    check_outcome("no JSON is not ignored",
                  LETTER_OUT("45", "{", "invalid_json", "the text is not one JSON value by RFC 8259") " at 12",
                  "events +1, dead_letters +1, invalid_json +1");
    close_intake();
}

#define AHEAD_DETAIL(by, most) "timestamp is " by " later than the record's own, and events: max_ahead allows " most

/* An event's time may be later than its record's own by so much, whenever it is read. */
static void test_ahead_of_its_record(void)
{
    open_intake();
    churn_record record = record_at(41, QUIET);
    pipeline.outputs = CHURN_RECORD_EVENT;
    pipeline.event_settings.max_ahead_ms = 3600000;
    record.timestamp_ms = INT64_C(1767225600000) - 3600000;
    CU_ASSERT(intake_take(&worker, &record, 1));
    check_outcome("as far as may be", "event t/3@41 c " QUIET " at 1767222000000", "events +1");
    record.offset++;
    record.timestamp_ms--;
    CU_ASSERT(intake_take(&worker, &record, 1));
    check_outcome(
        "further",
        LETTER_OUT("42", QUIET, "timestamp_ahead",
                   AHEAD_DETAIL("60 min", "60 min")) " churn.timestamp=2025-12-31T22:59:59.999Z at 1767221999999",
        "events +1, dead_letters +1, timestamp_ahead +1");
    record.offset++;
    record.timestamp_ms = 0;
    CU_ASSERT(intake_take(&worker, &record, 1));
    check_outcome("of a record without a time", "event t/3@43 c " QUIET " at 0", "events +1");
    record.offset++;
    record.timestamp_ms = 12;
    pipeline.event_settings.max_ahead_ms = 0;
    CU_ASSERT(intake_take(&worker, &record, 1));
    check_outcome("where there is no bound", "event t/3@44 c " QUIET " at 12", "events +1");
    close_intake();
}

/* … below the checkpoint, where it had been judged once, and may have been counted then. */
static void test_read_again(void)
{
    open_counting_intake();
    struct partition *partition = assign();
    const struct window *window = window_filling(&worker);
    partition->replayed_below = 42;
    partition->lettered_below = 43;
    take(41, "{");
    check_outcome("judged before",
                  LETTER_OUT("41", "{", "invalid_json",
                             "the text is not one JSON value by RFC 8259") " churn.replayed=true at 12",
                  "events +1, dead_letters +1, invalid_json +1");
    take(42, "{");
    check_outcome("not judged before",
                  LETTER_OUT("42", "{", "invalid_json", "the text is not one JSON value by RFC 8259") " at 12",
                  "events +1, dead_letters +1, invalid_json +1");
    for (int64_t offset = 41; offset < 44; offset++) {
        take(offset, QUIET);
    }
    CU_ASSERT_EQUAL_FATAL(window->event_count, 3);
    CU_ASSERT(window->events[0].late == LATE_REPLAYED && window->events[1].late == LATE_REPLAYED);
    CU_ASSERT(window->events[2].late == NOT_LATE);
    CU_ASSERT_EQUAL(partition->end, 44);
    close_intake();
}

/* Without a store or a condition nobody looks into records. */
static void test_as_it_is(void)
{
    open_intake();
    pipeline.decodes = false;
    churn_record record = record_at(41, "x y");
    CU_ASSERT(intake_take(&worker, &record, 1));
    record = record_at(42, NULL);
    record.key = (churn_str){0};
    CU_ASSERT(intake_take(&worker, &record, 1));
    record = record_at(43, "");
    CU_ASSERT(intake_take(&worker, &record, 1));
    check_outcome("all of it", "event t/3@41 c x y at 12", "event t/3@42 - - at 12", "event t/3@43 c  at 12",
                  "events +3");
    CU_ASSERT(window_filling(&worker)->outputs[1].value.len == 0);
    close_intake();
}

#define HASH_OF_ZEROS "53b5c76be0c8b90b97cf845a9da57629"

/* One byte more than a dead letter keeps: its place, size and hash are. */
static void test_too_large_to_keep(void)
{
    char *much = calloc(1, OUTPUT_LETTER_MAX + 1);
    CU_ASSERT_FATAL(much != NULL);
    open_intake();
    churn_record record = record_at(41, "");
    record.value = (churn_str){.ptr = much, .len = OUTPUT_LETTER_MAX + 1};
    CU_ASSERT(intake_take(&worker, &record, 1));
    check_outcome(
        "one more",
        LETTER_OUT(
            "41", "-", "too_large_to_keep",
            "33554433 bytes, and dead letters keep at most 33554432") " churn.size=33554433 churn.xxh128=" HASH_OF_ZEROS
                                                                      " at 12",
        "events +1, dead_letters +1, too_large_to_keep +1");
    record.value.len--;
    record.offset++;
    CU_ASSERT(intake_take(&worker, &record, 1));
    const struct window *window = window_filling(&worker);
    CU_ASSERT_EQUAL(window->outputs[1].value.len, OUTPUT_LETTER_MAX);
    told = window->output_count;
    check_outcome("as much as is kept", "events +1, dead_letters +1, too_large +1");
    pipeline.decodes = false;
    record.value.len++;
    CU_ASSERT(intake_take(&worker, &record, 1));
    CU_ASSERT_EQUAL(window->outputs[2].value.len, OUTPUT_LETTER_MAX + 1);
    close_intake();
    free(much);
}

static void test_unreadable(void)
{
    open_intake();
    churn_record record = record_at(41, "its batch is corrupt");
    record.kind = CHURN_RECORD_UNREADABLE;
    CU_ASSERT(intake_take(&worker, &record, 1));
    check_outcome("its reason is its value",
                  LETTER_OUT("41", "-", "unreadable_record", "its batch is corrupt") " at 12",
                  "events +1, dead_letters +1, unreadable_record +1");
    CU_ASSERT_EQUAL(window_filling(&worker)->positions[0].next, 42);
    CU_ASSERT_EQUAL(window_filling(&worker)->positions[0].last.offset, -1);
    close_intake();
}

/* ---- processors ---- */

static void test_answers_of_processors(void)
{
    open_intake();
    pipeline.processor_count = PROCESSORS;
    pipeline.outputs = CHURN_RECORD_EVENT;
    take(41, SALE);
    check_outcome("both let it pass", "first t/3@41; second 41", EVENT_OUT("41", SALE), "events +1");
    probes[FIRST] = (struct probe){.answer = CHURN_DROP, .says = "unheard"};
    take(42, SALE);
    check_outcome("dropped", "first t/3@42", "events +1, filtered +1");
    probes[FIRST] = (struct probe){.answer = CHURN_REJECT, .says = "no sale"};
    take(43, SALE);
    check_outcome("refused", "first t/3@43", LETTER_OUT("43", SALE, "rejected_by_processor", "first: no sale") " at 12",
                  "events +1, dead_letters +1, rejected_by_processor +1");
    probes[FIRST] = (struct probe){.answer = 99, .says = "x"};
    take(44, SALE);
    check_outcome("no verdict", "first t/3@44",
                  LETTER_OUT("44", SALE, "rejected_by_processor", "first answered 99, which is no verdict: x") " at 12",
                  "events +1, dead_letters +1, rejected_by_processor +1");
    probes[FIRST].says = NULL;
    take(45, SALE);
    check_outcome("no verdict, and no word", "first t/3@45",
                  LETTER_OUT("45", SALE, "rejected_by_processor", "first answered 99, which is no verdict") " at 12",
                  "events +1, dead_letters +1, rejected_by_processor +1");
    probes[FIRST] = (struct probe){.answer = CHURN_OK};
    probes[SECOND] = (struct probe){.answer = CHURN_DROP};
    take(46, SALE);
    check_outcome("dropped by the second", "first t/3@46; second 46", "events +1, filtered +1");
    probes[SECOND] = (struct probe){.answer = CHURN_OK, .fattens = true};
    take(47, SALE);
    check_outcome(
        "made too large", "first t/3@47; second 47",
        LETTER_OUT("47", SALE, "rejected_by_processor", "second: 1048696 bytes; at most 1048576 are allowed") " at 12",
        "events +1, dead_letters +1, rejected_by_processor +1");
    CU_ASSERT_PTR_NULL(worker.signs.inside);
    CU_ASSERT_EQUAL(worker.seat.slot->call, 0);
    close_intake();
}

static void test_a_processor_fails(void)
{
    const churn_record records[] = {record_at(41, SALE), record_at(42, SALE)};
    open_intake();
    pipeline.processor_count = PROCESSORS;
    probes[SECOND] = (struct probe){.answer = CHURN_FATAL, .says = "lost its way"};
    CU_ASSERT(!intake_take(&worker, records, 1) && worker.failed);
    check_text(worker.failure, "processor second: lost its way", "why");
    check_outcome("nothing is said", "first t/3@41; second 41", "ERROR worker: processor second: lost its way");
    CU_ASSERT_EQUAL(window_filling(&worker)->record_count, 0);
    close_intake();
}

/* What a plugin writes over the end of its message is cut off there. */
static void test_messages_without_end(void)
{
    churn_error whole;
    const churn_record record = record_at(41, SALE);
    open_intake();
    pipeline.processor_count = PROCESSORS;
    probes[FIRST] = (struct probe){.answer = CHURN_FATAL, .endless = true};
    CU_ASSERT(!intake_take(&worker, &record, 1));
    check(strspn(worker.failure + strlen("processor first: "), "x") == sizeof whole.message - 1 &&
              strlen(worker.failure) == strlen("processor first: ") + sizeof whole.message - 1,
          "failure: %s", worker.failure);
    close_intake();
}

/* The source waits: it is moved back to the first record that was not taken, and nothing of it is noted. */
static void test_a_processor_cannot_tell(void)
{
    const churn_record records[] = {record_at(41, QUIET), record_at(42, QUIET), record_at(43, QUIET)};
    open_intake();
    struct partition *partition = assign();
    partition->place = PLACE_READY;
    pipeline.processor_count = 1;
    loaded_first.plugin.ops = &(const churn_processor_ops){.size = sizeof first_ops, .process = first_process};
    take(40, QUIET);
    check_outcome("one before", "first t/3@40", EVENT_OUT("40", QUIET), "events +1");
    probes[FIRST] = (struct probe){.answer = CHURN_RETRY, .says = "nobody is there"};
    int64_t before = clock_monotonic_ms();
    CU_ASSERT(intake_take(&worker, records, 3));
    check_outcome("the first of three", "first t/3@41",
                  "WARN  first: nobody is there; the source waits (stalled: processor)");
    CU_ASSERT(worker.reading.ask_again_ms >= before + 200 && worker.reading.ask_again_ms <= clock_monotonic_ms() + 200);
    CU_ASSERT(partition->place == PLACE_SEEK && partition->target == 41);
    CU_ASSERT(window_filling(&worker)->record_count == 1 && window_filling(&worker)->positions[0].next == 41);
    CU_ASSERT_PTR_EQUAL(worker.reading.undecided, &pipeline.processors[FIRST]);
    worker.reading.ask_again_ms = 0;
    CU_ASSERT(intake_take(&worker, records, 1));
    check_outcome("still not: said once", "first t/3@41");
    worker.reading.ask_again_ms = 0;
    probes[FIRST] = (struct probe){.answer = CHURN_OK};
    CU_ASSERT(intake_take(&worker, records, 3));
    check_outcome("it can", "first t/3@41; first t/3@42; first t/3@43", EVENT_OUT("41", QUIET), EVENT_OUT("42", QUIET),
                  EVENT_OUT("43", QUIET), "events +3", "INFO  first: goes on after 0 s (was stalled: processor)");
    CU_ASSERT(worker.reading.undecided == NULL && worker.reading.ask_again_ms == 0);
    loaded_first.plugin.ops = &first_ops;
    close_intake();
}

static void test_whom_an_event_concerns(void)
{
    const churn_record records[] = {record_at(41, SALE), record_at(42, QUIET)};
    open_intake();
    pipeline.processor_count = PROCESSORS;
    pipeline.outputs = 0;
    struct condition *condition = condition_of("event_type == \"sale\"", false);
    pipeline.processors[FIRST].when = condition;
    CU_ASSERT(intake_take(&worker, records, 2));
    check_outcome("the second one is for sales", "announced t/3@41; first t/3@41; second 41; second 42", "events +2");
    pipeline.processors[FIRST].when = NULL;
    pipeline.processors[SECOND].when = condition;
    CU_ASSERT(intake_take(&worker, records, 2));
    check_outcome("the first", "announced t/3@41; announced t/3@42; first t/3@41; second 41; first t/3@42",
                  "events +2");
    condition_free(condition);
    close_intake();
}

/* What comes together is announced to the first processor before any of it is taken. */
static void test_announced(void)
{
    churn_record records[] = {record_at(41, SALE), record_at(42, "{"), record_at(43, NULL), record_at(44, "corrupt"),
                              record_at(45, SALE)};
    records[3].kind = CHURN_RECORD_UNREADABLE;
    open_intake();
    pipeline.outputs = 0;
    CU_ASSERT(intake_take(&worker, records, 1));
    check_outcome("nobody is there", "events +1");
    pipeline.processor_count = 1;
    CU_ASSERT(intake_take(&worker, records, 1));
    check_outcome("one by itself", "first t/3@41", "events +1");
    CU_ASSERT(intake_take(&worker, records, COUNT(records)));
    told = window_filling(&worker)->output_count;
    check_outcome("events alone", "announced t/3@41; announced t/3@45; first t/3@41; first t/3@45",
                  "events +5, dead_letters +3, empty +1, invalid_json +1, unreadable_record +1");
    CU_ASSERT_EQUAL(worker.seat.slot->call, 0);
    pipeline.processors[FIRST].loaded = &loaded_second;
    CU_ASSERT(intake_take(&worker, records, 2));
    told = window_filling(&worker)->output_count;
    check_outcome("one that does not ask for it", "second 41", "events +2, dead_letters +1, invalid_json +1");
    close_intake();
}

/* ---- an event that the process died of ---- */

static void test_poison(void)
{
    const churn_record records[] = {record_at(41, SALE), record_at(42, SALE)};
    keep_journal();
    die_at(FIRST, 41);
    open_intake();
    pipeline.processor_count = PROCESSORS;
    pipeline.outputs = CHURN_RECORD_EVENT;
    CU_ASSERT(intake_take(&worker, records, 2));
    check_outcome("suspected: not announced", "announced t/3@42; first t/3@41; second 41; first t/3@42; second 42",
                  EVENT_OUT("41", SALE), EVENT_OUT("42", SALE), "events +2");
    close_intake();
    die_at(FIRST, 41);
    die_at(FIRST, 41);
    open_intake();
    pipeline.processor_count = PROCESSORS;
    pipeline.outputs = CHURN_RECORD_EVENT;
    CU_ASSERT(intake_take(&worker, records, 2));
    check_outcome(
        "never again", "announced t/3@42; first t/3@42; second 42",
        LETTER_OUT("41", SALE, "crashed_plugin", "processor first ended the process 2 times at this event") " at 12",
        EVENT_OUT("42", SALE), "events +2, dead_letters +1, crashed_plugin +1",
        CONDEMNED("processor "
                  "first"));
    close_intake();
    forget_journal();
}

/* An event that a processor could not judge yet has not passed it: its death stays on record until it has. */
static void test_a_death_is_forgiven(void)
{
    keep_journal();
    die_at(FIRST, 41);
    open_intake();
    pipeline.processor_count = 1;
    probes[FIRST].answer = CHURN_RETRY;
    take(41, SALE);
    CU_ASSERT_EQUAL(journal_deaths(&worker.seat, FIRST, TOPIC, PARTITION, 41), 1);
    worker.reading.ask_again_ms = 0;
    probes[FIRST].answer = CHURN_OK;
    take(41, SALE);
    CU_ASSERT_EQUAL(journal_deaths(&worker.seat, FIRST, TOPIC, PARTITION, 41), 0);
    close_intake();
    die_at(ODD_NUMBER, 41);
    open_counting_intake();
    take(41, ODD);
    CU_ASSERT_EQUAL(journal_deaths(&worker.seat, ODD_NUMBER, TOPIC, PARTITION, 41), 1); /* it may be folded again */
    close_intake();
    forget_journal();
}

static void test_poison_of_a_callback(void)
{
    keep_journal();
    die_at(ODD_NUMBER, 41);
    die_at(ODD_NUMBER, 41);
    open_counting_intake();
    pipeline.outputs = 0;
    take(41, ODD);
    check_outcome(
        "never again",
        LETTER_OUT("41", ODD, "crashed_plugin", "event type odd ended the process 2 times at this event") " at 12",
        "events +1, dead_letters +1, crashed_plugin +1", CONDEMNED("event type odd"));
    take(42, ODD);
    check_outcome("another", "odd 42", "events +1");
    take(43, SALE);
    check_outcome("a type without callback", "events +1");
    close_intake();
    forget_journal();
}

static void test_one_death(void)
{
    struct reject reject;
    keep_journal();
    die_at(SECOND, 41);
    open_intake();
    plugin_poison(&worker, SECOND, TOPIC, PARTITION, 41, &reject);
    CU_ASSERT_EQUAL(reject.reason, REJECT_CRASHED_PLUGIN);
    check_text(reject.detail, "processor second ended the process 1 time at this event", "once");
    close_intake();
    forget_journal();
}

/* ---- counting ---- */

static void test_counted(void)
{
    open_counting_intake();
    const struct window *window = window_filling(&worker);
    pipeline.outputs = 0;
    take(41, SALE);
    take(42, ODD);
    check_outcome("two", "odd 42", "events +2");
    check_delta("events_total=2 first_event_at=" AT_MS " last_event_at=" AT_MS
                " last_event_type=odd odd_sum=7 sale_sum=5 sale_type=sale ",
                "both");
    CU_ASSERT_EQUAL_FATAL(window->event_count, 2);
    CU_ASSERT(window->events[0].offset == 41 && window->events[0].received == NULL && window->events[0].next == 1);
    CU_ASSERT(window->events[0].len == strlen(SALE) && strcmp(window->events[0].payload, SALE) == 0);
    CU_ASSERT(window->events[0].first_output == 0 && !window->events[0].counted);
    CU_ASSERT(worker.seat.slot->call == 0);
    odd_answer = CHURN_REJECT;
    take(43, ODD);
    check_outcome("refused", "odd 43", LETTER_OUT("43", ODD, "rejected_by_plugin", "odd: the test says so") " at 12",
                  "events +1, dead_letters +1, rejected_by_plugin +1");
    odd_answer = 99;
    take(44, ODD);
    check_outcome("whatever it answers", "odd 44",
                  LETTER_OUT("44", ODD, "rejected_by_plugin", "odd: the test says so") " at 12",
                  "events +1, dead_letters +1, rejected_by_plugin +1");
    CU_ASSERT(window->event_count == 2 && window->record_count == 4);
    CU_ASSERT(window->position_count == 1 && window->positions[0].next == 45);
    CU_ASSERT(window->positions[0].last.offset == 44 && window->opened_ms > 0);
    close_intake();
}

/* Whatever a callback answers and says. */
static void test_what_a_callback_says(void)
{
    static const struct {
        int32_t answer;
        const char *says, *detail;
    } cases[] = {{CHURN_REJECT, "x", "odd: x"},
                 {CHURN_REJECT, "", "odd: apply answered -2"},
                 {CHURN_FATAL, "no", "odd: no"},
                 {CHURN_DROP, "", "odd: apply answered 3"},
                 {99, "", "odd: apply answered 99"}};
    open_counting_intake();
    pipeline.outputs = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char expected[512];
        odd_answer = cases[i].answer;
        odd_says = cases[i].says;
        take((int64_t)i, ODD);
        (void)snprintf(expected, sizeof expected,
                       "dead_letter t/3@%zu c " ODD
                       " churn.reason=rejected_by_plugin churn.detail=%s churn.topic=t churn.partition=3 "
                       "churn.offset=%zu at 12",
                       i, cases[i].detail, i);
        plugins_saw[0] = '\0';
        check_outcome(cases[i].detail, expected, "events +1, dead_letters +1, rejected_by_plugin +1");
    }
    close_intake();
}

/* From the first state to the last, and none beyond. */
static void test_states_of_a_callback(void)
{
    open_counting_intake();
    pipeline.outputs = 0;
    odd_state = 0;
    take(41, ODD);
    check_outcome("the first", "odd 41", "events +1");
    check_delta("events_total=1 first_event_at=" AT_MS " last_event_at=" AT_MS
                " last_event_type=odd odd_state=0 odd_sum=7 ",
                "the first");
    odd_state = 1;
    take(42, ODD);
    check_outcome("the last", "odd 42", "events +1");
    odd_state = 2;
    take(43, ODD);
    check_outcome(
        "none", "odd 43",
        LETTER_OUT("43", ODD, "rejected_by_plugin",
                   "odd: apply merges into 'odd_state', whose states are 0 to 1, what is none of them") " at 12",
        "events +1, dead_letters +1, rejected_by_plugin +1");
    check_delta("events_total=2 first_event_at=" AT_MS " last_event_at=" AT_MS
                " last_event_type=odd odd_state=1 odd_sum=14 ",
                "nothing of it is merged");
    close_intake();
}

/* What the stored profile has counted is not counted again, but said again. */
static void test_counted_before(void)
{
    open_counting_intake();
    struct partition *partition = assign();
    struct customer *customer = cache_get(&worker.cache, text_of("c"));
    struct profile *profile = profile_new(&pipeline.catalog.registry);
    pipeline.outputs = CHURN_RECORD_EVENT;
    CU_ASSERT_FATAL(profile != NULL && profile_set_mark(profile, 0, 42) && profile_add_late(profile, 0, 50));
    cache_set_profile(&worker.cache, customer, profile);
    take(41, QUIET);
    check_outcome("below the mark", EVENT_OUT("41", QUIET), "events +1, already_counted +1");
    check_delta("nothing", "below the mark");
    take(50, QUIET);
    check_outcome("its late offsets are for what is read again", EVENT_OUT("50", QUIET), "events +1");
    partition->replayed_below = 60;
    take(51, QUIET);
    take(50, QUIET);
    check_outcome("counted late", EVENT_OUT("51", QUIET), EVENT_OUT("50", QUIET), "events +2, already_counted +1");
    take(51, QUIET);
    check_outcome("counted by this window", EVENT_OUT("51", QUIET), "events +1, already_counted +1");
    take(42, QUIET);
    CU_ASSERT_EQUAL(window_filling(&worker)->event_count, 2);
    close_intake();
}

/* Kept for a dead letter are key, headers and value, where they are not what the event says. */
static void test_what_is_kept_of_a_record(void)
{
    static const churn_header own = {"trace", {.ptr = "7", .len = 1}};
    open_counting_intake();
    const struct window *window = window_filling(&worker);
    pipeline.outputs = 0;
    churn_record records[] = {record_at(41, QUIET), record_at(42, QUIET), record_at(43, QUIET), record_at(44, QUIET),
                              record_at(45, QUIET)};
    records[1].key = text_of("d");
    records[2].key = text_of("cc");
    records[3].key = (churn_str){0};
    records[4].headers = &own;
    records[4].header_count = 1;
    CU_ASSERT(intake_take(&worker, records, COUNT(records)));
    CU_ASSERT_EQUAL_FATAL(window->event_count, COUNT(records));
    CU_ASSERT_PTR_NULL(window->events[0].received);
    for (size_t i = 1; i < COUNT(records); i++) {
        const churn_record *received = window->events[i].received;
        CU_ASSERT_FATAL(received != NULL);
        CU_ASSERT(received->offset == records[i].offset && received->value.len == strlen(QUIET) &&
                  strcmp(received->value.ptr, QUIET) == 0 && received->value.ptr != records[i].value.ptr);
        CU_ASSERT(received->key.len == records[i].key.len && received->header_count == records[i].header_count);
    }
    check_text(window->events[1].received->key.ptr, "d", "key");
    check_text(window->events[2].received->key.ptr, "cc", "key");
    CU_ASSERT_PTR_NULL(window->events[3].received->key.ptr);
    check_text(window->events[4].received->headers[0].name, "trace", "header");
    check_text(window->events[4].received->headers[0].value.ptr, "7", "its value");
    close_intake();
}

/* A customer's events that cannot be counted become dead letters, and what followed from them is taken back. */
static void test_set_aside(void)
{
    struct reject reject;
    open_counting_intake();
    struct window *window = window_filling(&worker);
    take(41, SALE);
    take(42, SALE);
    told = window->output_count;
    check_outcome("two", "events +2, triggers +2, alerts +2");
    reject_set(&reject, REJECT_FIELD_OVERFLOW, "the test says so");
    const struct customer *customer = cache_get(&worker.cache, text_of("c"));
    CU_ASSERT(set_aside_event(&worker, window, customer, &window->events[0], &reject));
    check_outcome("one set aside",
                  "dead_letter t/3@41 c " SALE " churn.reason=field_overflow churn.detail=the test says so "
                  "churn.topic=t churn.partition=3 churn.offset=41 at 0",
                  "triggers -1, alerts -1, dead_letters +1, field_overflow +1");
    for (uint32_t i = 0; i < 6; i++) {
        check(window->outputs[i].reserved == (i < 3 ? ~OUTPUT_AGAIN : 0), "output %u", i);
    }
    CU_ASSERT(set_aside_event(&worker, window, customer, &window->events[1], &reject));
    check_outcome("the other one",
                  "dead_letter t/3@42 c " SALE " churn.reason=field_overflow churn.detail=the test says so "
                  "churn.topic=t churn.partition=3 churn.offset=42 at 0",
                  "triggers -1, alerts -1, dead_letters +1, field_overflow +1");
    CU_ASSERT(window->outputs[5].reserved == ~OUTPUT_AGAIN && window->outputs[6].reserved == 0);
    close_intake();
}

/* … and of an event from which nothing followed, what stands behind it stays. */
static void test_set_aside_of_one_that_said_nothing(void)
{
    struct reject reject;
    open_counting_intake();
    struct window *window = window_filling(&worker);
    pipeline.outputs = CHURN_RECORD_ALERT;
    take(41, QUIET);
    take(42, SALE);
    churn_record records[] = {record_at(43, QUIET), record_at(43, SALE), record_at(44, QUIET), record_at(44, SALE)};
    records[1].partition = 4;
    records[3].topic = "u";
    CU_ASSERT(intake_take(&worker, records, COUNT(records)) && window->output_count == 3 && window->event_count == 6);
    reject_set(&reject, REJECT_DAMAGED_PROFILE, "the test says so");
    for (uint32_t i = 0; i < 6; i += 2) {
        CU_ASSERT(
            set_aside_event(&worker, window, cache_get(&worker.cache, text_of("c")), &window->events[i], &reject));
    }
    CU_ASSERT(window->outputs[0].reserved == 0 && window->outputs[1].reserved == 0 && window->outputs[2].reserved == 0);
    told = window->output_count;
    check_outcome("nothing is taken back", "events +6, alerts +3, dead_letters +3, damaged_profile +3");
    close_intake();
}

/* ---- a source that gives headers when it is asked ---- */

static int32_t headers_result;
static bool no_headers;

static int32_t source_headers(void *self, churn_record *record, churn_error *err)
{
    static const churn_header own = {"trace", {.ptr = "7", .len = 1}};
    (void)self;
    CU_ASSERT_PTR_EQUAL(worker.signs.inside, &pipeline.source);
    saw("headers of %lld", (long long)record->offset);
    record->headers = no_headers ? NULL : &own;
    record->header_count = 1;
    return headers_result == CHURN_OK ? CHURN_OK : churn_fail(err, headers_result, "the test says so");
}

static const churn_source_ops asked_source = {.size = sizeof asked_source, .headers = source_headers};
static struct loaded loaded_asked_source = {.plugin = {.ops = &asked_source}};

static void open_asking_intake(void)
{
    open_counting_intake();
    pipeline.source.loaded = &loaded_asked_source;
    worker.source = &instances[FIRST];
    worker.reading.listener.asks_headers = 1;
    pipeline.outputs = 0;
    headers_result = CHURN_OK;
    no_headers = false;
}

static void test_headers_are_asked_for(void)
{
    open_asking_intake();
    take(41, "{");
    check_outcome("of what is no event", "headers of 41",
                  LETTER_OUT("41", "{", "invalid_json", "the text is not one JSON value by RFC 8259") " trace=7 at 12",
                  "events +1, dead_letters +1, invalid_json +1");
    odd_answer = CHURN_REJECT;
    take(42, ODD);
    check_outcome("of what a plugin refuses", "odd 42; headers of 42",
                  LETTER_OUT("42", ODD, "rejected_by_plugin", "odd: the test says so") " trace=7 at 12",
                  "events +1, dead_letters +1, rejected_by_plugin +1");
    no_headers = true;
    take(43, "{");
    check_outcome("it has none", "headers of 43",
                  LETTER_OUT("43", "{", "invalid_json", "the text is not one JSON value by RFC 8259") " at 12",
                  "events +1, dead_letters +1, invalid_json +1");
    CU_ASSERT_PTR_NULL(worker.signs.inside);
    churn_record record = record_at(44, "{");
    headers_result = CHURN_RETRY;
    CU_ASSERT(!intake_take(&worker, &record, 1) && worker.failed);
    check_text(worker.failure, "source source: the test says so", "failure");
    close_intake();
}

/* Those of a good event are left with the source, unless its customer is known to be damaged. */
static void test_headers_that_are_left_with_the_source(void)
{
    struct reject reject;
    open_asking_intake();
    struct window *window = window_filling(&worker);
    struct customer *customer = cache_get(&worker.cache, text_of("c"));
    take(41, QUIET);
    check_outcome("left there", "events +1");
    cache_set_damaged(&worker.cache, customer, true);
    take(42, QUIET);
    check_outcome("asked for", "headers of 42", "events +1");
    CU_ASSERT_EQUAL_FATAL(window->event_count, 2);
    CU_ASSERT(window->events[0].received == NULL && !window->events[0].all_known);
    CU_ASSERT(window->events[1].received->header_count == 1 && window->events[1].all_known);
    reject_set(&reject, REJECT_DAMAGED_PROFILE, "the test says so");
    CU_ASSERT(set_aside_event(&worker, window, customer, &window->events[1], &reject));
    CU_ASSERT_EQUAL(window->bare_count, 0);
    CU_ASSERT(set_aside_event(&worker, window, customer, &window->events[0], &reject));
    CU_ASSERT(window->output_count == 2 && window->bare_count == 1 && window->bare[0] == 1);
    headers_result = CHURN_FATAL;
    churn_record record = record_at(43, QUIET);
    CU_ASSERT(!intake_take(&worker, &record, 1));
    check_text(worker.failure, "source source: the test says so", "failure");
    close_intake();
}

static void test_all_is_known_without_asking(void)
{
    open_counting_intake();
    take(41, QUIET);
    CU_ASSERT(window_filling(&worker)->event_count == 1 && window_filling(&worker)->events[0].all_known);
    close_intake();
}

/* ---- runs of records ---- */

/* The newest record of each run of one partition can be told again. */
static void test_positions(void)
{
    open_intake();
    const struct window *window = window_filling(&worker);
    pipeline.decodes = false;
    pipeline.outputs = 0;
    churn_record records[] = {record_at(41, "a"), record_at(42, "b"), record_at(7, "c"), record_at(43, "d"),
                              record_at(8, "e"),  record_at(44, "f"), record_at(45, "g")};
    records[2].partition = 4;
    records[4].topic = "u";
    records[6].kind = CHURN_RECORD_UNREADABLE;
    CU_ASSERT(intake_take(&worker, records, COUNT(records)));
    CU_ASSERT_EQUAL_FATAL(window->position_count, 3);
    CU_ASSERT(window->positions[0].next == 46 && window->positions[1].next == 8 && window->positions[2].next == 9);
    CU_ASSERT(window->positions[0].last.offset == 43 && window->positions[0].last.hash == witness_of(&records[3]).hash);
    CU_ASSERT(window->positions[1].last.offset == 7 && window->positions[2].last.offset == 8);
    CU_ASSERT_EQUAL(window->record_count, COUNT(records));
    records[0].offset = 50;
    records[1].offset = 51;
    CU_ASSERT(intake_take(&worker, records, 1));
    CU_ASSERT_EQUAL(window->positions[0].last.offset, 50); /* whatever stands behind it in memory */
    close_intake();
}

static void test_given_back(void)
{
    const churn_record records[] = {record_at(42, SALE), record_at(41, SALE), record_at(43, SALE)};
    open_intake();
    struct partition *partition = assign();
    partition->place = PLACE_READY;
    intake_give_back(&worker, records, 0);
    CU_ASSERT_EQUAL(partition->place, PLACE_READY);
    intake_give_back(&worker, records, COUNT(records));
    CU_ASSERT(partition->place == PLACE_SEEK && partition->target == 41);
    close_intake();
}

/* ---- what a sink refused ---- */

static void test_refused_by_a_sink(void)
{
    struct reject reject;
    open_intake();
    struct window *window = window_filling(&worker);
    take(41, SALE);
    told = window->output_count;
    check_outcome("a sale", "events +1, triggers +1, alerts +1");
    reject_set(&reject, REJECT_BY_SINK, "the test says so");
    CU_ASSERT(set_aside_output(&worker, window, &window->outputs[2], "model", &reject));
    check_outcome(
        "its trigger",
        "dead_letter t/3@41 c "
        "{\"request_id\":\"t/3/41\",\"customer_id\":\"c\",\"trigger\":{\"event_id\":\"e\",\"event_type\":\"sale\"," WHEN
        "}} churn.reason=rejected_by_sink churn.detail=the test says so churn.topic=t churn.partition=3 "
        "churn.offset=41 churn.kind=trigger churn.sink=model at " AT_MS,
        "dead_letters +1, rejected_by_sink +1");
    CU_ASSERT(window->has_letters);
    close_intake();
}

/* ---- no memory ---- */

static size_t room;
static const char *const *wanted_values;

static void begin_taking(void)
{
    open_counting_intake();
    pipeline.processors[FIRST].loaded = &loaded_second; /* nothing is announced: that does without */
    pipeline.processor_count = 1;
    probes[FIRST].alerts = true;
    warm_up();
    leave_room(room);
}

/* One record with headers and a key of its own, and others. */
static bool take_all(void)
{
    static const churn_header own[] = {{"trace", {.ptr = "7", .len = 1}}, {"churn.x", {.ptr = "8", .len = 1}}};
    churn_record records[4];
    uint32_t count = 0;
    for (; wanted_values[count] != NULL; count++) {
        records[count] = record_at(41 + count, wanted_values[count]);
        records[count].key = text_of("another");
        records[count].headers = own;
        records[count].header_count = COUNT(own);
    }
    return intake_take(&worker, records, count);
}

static void end_taking(bool ok)
{
    check_no_memory(ok);
    close_intake();
}

static void begin_passing_on(void)
{
    begin_taking();
    pipeline.decodes = false;
    pipeline.processor_count = 0;
    pipeline.store.loaded = NULL;
}

/* Wherever memory ends, the worker fails. */
static void test_no_memory(void)
{
    static const char *const counted[] = {HIGH, ODD, NULL}, *const bad[] = {"{", EVENT("sale", "{}"), NULL};
    for (room = 0; room < 2048; room += 96) {
        wanted_values = counted;
        check_allocations("events", begin_taking, take_all, end_taking);
        wanted_values = bad;
        check_allocations("no events", begin_taking, take_all, end_taking);
        check_allocations("as they are", begin_passing_on, take_all, end_taking);
    }
}

static void begin_setting_aside(void)
{
    begin_taking();
    wanted_values = (const char *const[]){SALE, NULL};
    CU_ASSERT(take_all());
}

static bool set_one_aside(void)
{
    struct window *window = window_filling(&worker);
    struct reject reject;
    reject_set(&reject, REJECT_DAMAGED_PROFILE, "the test says so");
    return set_aside_event(&worker, window, cache_get(&worker.cache, text_of("c")), &window->events[0], &reject) &&
           set_aside_output(&worker, window, &window->outputs[0], "a", &reject);
}

static void test_no_memory_to_set_aside(void)
{
    for (size_t more = 0; more < 1024; more += 48) {
        room = 4096 + more;
        check_allocations("set aside", begin_setting_aside, set_one_aside, end_taking);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_what_follows_from_an_event),
        TEST(test_muted),
        TEST(test_conditions_of_sinks),
        TEST(test_conditions_of_a_type),
        TEST(test_what_is_no_event),
        TEST(test_read_again),
        TEST(test_as_it_is),
        TEST(test_too_large_to_keep),
        TEST(test_ahead_of_its_record),
        TEST(test_unreadable),
        TEST(test_answers_of_processors),
        TEST(test_a_processor_fails),
        TEST(test_messages_without_end),
        TEST(test_a_processor_cannot_tell),
        TEST(test_whom_an_event_concerns),
        TEST(test_announced),
        TEST(test_poison),
        TEST(test_a_death_is_forgiven),
        TEST(test_poison_of_a_callback),
        TEST(test_one_death),
        TEST(test_counted),
        TEST(test_what_a_callback_says),
        TEST(test_states_of_a_callback),
        TEST(test_counted_before),
        TEST(test_what_is_kept_of_a_record),
        TEST(test_set_aside),
        TEST(test_set_aside_of_one_that_said_nothing),
        TEST(test_headers_are_asked_for),
        TEST(test_headers_that_are_left_with_the_source),
        TEST(test_all_is_known_without_asking),
        TEST(test_positions),
        TEST(test_given_back),
        TEST(test_refused_by_a_sink),
        TEST(test_no_memory),
        TEST(test_no_memory_to_set_aside),
        CU_TEST_INFO_NULL,
    };
    int status = load_types() ? run_tests_without_leaks("intake_events", tests) : 1;
    types_free(&types);
    return status;
}
