/* Dead letters into the intake of a redrive: which are put back, as what, and what becomes of those that are not. */
#include "core/engine/original.h"

#include "intake_fixture.h"

/* ---- the pipeline's own source, in which the records stand that the letters were ---- */

#define MOST_RECORDS 4

static churn_record standing[MOST_RECORDS]; /* in t/3 */
static uint32_t standing_count;
static int32_t reread_result;

static int32_t origin_reread(void *self, const churn_position *positions, uint32_t count, uint32_t timeout_ms,
                             churn_reread_fn fn, void *ctx, churn_error *err)
{
    (void)self;
    (void)timeout_ms;
    for (uint32_t i = 0; i < count; i++) {
        const churn_record *found = NULL;
        CU_ASSERT(strcmp(positions[i].topic, TOPIC) == 0 && positions[i].partition == PARTITION);
        for (uint32_t k = 0; k < standing_count; k++) {
            found = standing[k].offset == positions[i].offset ? &standing[k] : found;
        }
        if (fn(ctx, i, found) != CHURN_OK) {
            break;
        }
    }
    return reread_result == CHURN_OK ? CHURN_OK : churn_fail(err, reread_result, "the test says so");
}

static const churn_source_ops origin_ops = {.size = sizeof origin_ops, .reread = origin_reread};
static struct loaded loaded_origin = {.plugin = {.ops = &origin_ops}};
static struct instance instance_of_origin;
static struct original originals[32];
static char *topics[] = {(char *)(uintptr_t)TOPIC};
static struct redrive redrive;

static void stands(int64_t offset, const char *value)
{
    standing[standing_count++] = record_at(offset, value);
}

/* A redrive of the letters in dead/0, whose source reads the topic t. */
static void open_redrive(void)
{
    open_intake();
    standing_count = 0;
    reread_result = CHURN_OK;
    redrive = (struct redrive){
        .topics = topics, .topic_count = 1, .end = INT64_MAX, .since_ms = INT64_MIN, .until_ms = INT64_MAX};
    pipeline.redrive = &redrive;
    pipeline.origin = (struct section){.loaded = &loaded_origin, .label = "origin"};
    worker.origin.instance = &instance_of_origin;
    worker.origin.originals = originals;
}

/* ---- letters ---- */

#define PLACED(offset) "churn.topic", "t", "churn.partition", "3", "churn.offset", offset
#define MOST_HEADERS 12

/* A letter with these headers, "name", "value", …, NULL. */
static churn_record letter_at(int64_t offset, const char *value, churn_header made[MOST_HEADERS],
                              const char *const *headers)
{
    churn_record record = record_at(offset, value);
    record.topic = "dead";
    record.partition = 0;
    record.timestamp_ms = 5;
    record.headers = made;
    for (; *headers != NULL; headers += 2) {
        made[record.header_count++] = (churn_header){.name = headers[0], .value = text_of(headers[1])};
    }
    return record;
}

#define STILL_BAD "churn.detail=the text is not one JSON value by RFC 8259"
#define LEFT_ALONE(offset, why) "WARN  redrive: left alone: the dead letter dead/0 at offset " offset ": " why
#define LETTER(...) ((const char *const[]){__VA_ARGS__, NULL})

static void take_letter(int64_t offset, const char *value, const char *const *headers)
{
    churn_header made[MOST_HEADERS];
    const churn_record record = letter_at(offset, value, made, headers);
    CU_ASSERT(intake_take(&worker, &record, 1));
}

/* ---- events ---- */

static void test_an_event_is_put_back(void)
{
    static const churn_header own = {"trace", {.ptr = "7", .len = 1}};
    open_redrive();
    pipeline.store.loaded = &loaded_store;
    const struct window *window = window_filling(&worker);
    stands(41, QUIET);
    stands(42, QUIET);
    standing[1].headers = &own;
    standing[1].header_count = 1;
    take_letter(7, QUIET, LETTER("churn.reason", "crashed_plugin", PLACED("41")));
    check_outcome("as it stands there", "event t/3@41 c " QUIET " at 12", "events +1, letters +1");
    take_letter(8, QUIET, LETTER("churn.reason", "crashed_plugin", PLACED("42"), "churn.replayed", "true"));
    check_outcome("with its headers", "event t/3@42 c " QUIET " at 12", "events +1, letters +1");
    CU_ASSERT_EQUAL_FATAL(window->event_count, 2);
    CU_ASSERT(window->events[0].offset == 41 && window->events[0].late == LATE_REDRIVEN);
    CU_ASSERT(window->events[1].offset == 42 && window->events[1].late == LATE_DOUBTED);
    CU_ASSERT(window->events[0].received == NULL && window->events[1].received->header_count == 1);
    check_text(worker.parts.items[window->events[0].part].topic, "t", "its place");
    CU_ASSERT_EQUAL_FATAL(window->position_count, 1);
    check_text(worker.parts.items[window->positions[0].part].topic, "dead", "where reading goes on");
    CU_ASSERT(window->positions[0].next == 9 && window->positions[0].last.offset == 8);
    close_intake();
}

/* ---- when they were written ---- */

#define WRITTEN(time) "churn.written_at", "2026-01-01T" time "Z"
#define TEN INT64_C(1767261600000)
#define NOON (TEN + 7200000)

/* Letters of another time are not read again in the source, and add nothing. */
static void test_when_they_were_written(void)
{
    open_redrive();
    redrive.since_ms = TEN;
    redrive.until_ms = NOON;
    CU_ASSERT_FATAL(progress_assign(&worker, &(const churn_position){.topic = "dead", .offset = 0}, 1));
    worker.progress.partitions[0].place = PLACE_READY;
    stands(41, QUIET);
    take_letter(1, QUIET, LETTER("churn.reason", "empty", PLACED("41"), WRITTEN("09:59:59.999")));
    check_outcome("before", "events +1, letters +1, older +1");
    CU_ASSERT(!originals[0].found);
    take_letter(2, QUIET, LETTER("churn.reason", "empty", PLACED("41"), WRITTEN("10:00:00.000")));
    check_outcome("at the first moment", "event t/3@41 c " QUIET " at 12", "events +1, letters +1");
    take_letter(3, QUIET, LETTER("churn.reason", "empty", WRITTEN("09:00:00.000")));
    check_outcome("before, and lacks something", "events +1, letters +1, older +1");
    churn_header made[MOST_HEADERS];
    churn_record record = letter_at(4, QUIET, made, LETTER("churn.reason", "empty", PLACED("41")));
    record.timestamp_ms = 0;
    CU_ASSERT(intake_take(&worker, &record, 1));
    check_outcome(
        "it does not say", "events +1, letters +1, left_alone +1",
        LEFT_ALONE("4",
                   "it does not say when it was written (churn.written_at), as those of earlier versions in a file"));
    record.timestamp_ms = TEN;
    CU_ASSERT(intake_take(&worker, &record, 1));
    check_outcome("as old as its record", "event t/3@41 c " QUIET " at 12", "events +1, letters +1");
    take_letter(5, QUIET, LETTER("other", "no letter"));
    check_outcome("no letter", "events +1, letters +1, left_alone +1",
                  LEFT_ALONE("5", "it lacks the headers churn.reason, churn.topic, churn.partition, churn.offset"));
    CU_ASSERT_EQUAL(window_filling(&worker)->positions[0].next, 6);
    take_letter(6, QUIET, LETTER("churn.reason", "empty", PLACED("41"), WRITTEN("12:00:00.000")));
    check_outcome("after", "events +1, letters +1, newer +1");
    take_letter(7, QUIET, LETTER("churn.reason", "empty", PLACED("41"), WRITTEN("11:59:59.999")));
    check_outcome("at the last moment", "event t/3@41 c " QUIET " at 12", "events +1, letters +1");
    CU_ASSERT(progress_note_passed(&worker, 0, 9)); /* as a mark of a transaction */
    CU_ASSERT(window_filling(&worker)->position_count == 1 && window_filling(&worker)->positions[0].next == 6);
    CU_ASSERT_FATAL(progress_assign(&worker, &(const churn_position){.topic = "dead", .offset = 6}, 1));
    take_letter(8, QUIET, LETTER("churn.reason", "empty", PLACED("41"), WRITTEN("11:00:00.000")));
    check_outcome("assigned anew", "event t/3@41 c " QUIET " at 12", "events +1, letters +1");
    CU_ASSERT_EQUAL(window_filling(&worker)->positions[0].next, 9);
    close_intake();
}

/* What is set aside once more is so now; what is only kept was so when it was. */
static void test_when_they_are_written_again(void)
{
    open_redrive();
    stands(41, "{");
    take_letter(1, "{", LETTER("churn.reason", "empty", PLACED("41"), WRITTEN("10:00:00.000")));
    check_outcome("still bad",
                  "dead_letter t/3@41 c { churn.reason=invalid_json " STILL_BAD
                  " churn.topic=t churn.partition=3 churn.offset=41 at 12",
                  "events +1, dead_letters +1, letters +1, invalid_json +1");
    const churn_record *again = &window_filling(&worker)->outputs[0];
    CU_ASSERT(again->header_count == 6 && says_now(&again->headers[2]));
    take_letter(2, QUIET, LETTER("churn.reason", "empty", WRITTEN("10:00:00.000")));
    check_outcome("kept",
                  "dead_letter dead/0@2 c " QUIET " churn.reason=empty churn.written_at=2026-01-01T10:00:00.000Z at 5",
                  "events +1, letters +1, left_alone +1, written_again +1",
                  LEFT_ALONE("2", "it lacks the headers churn.topic, churn.partition, churn.offset"));
    close_intake();
}

/* Counted wherever the mark is, unless it was counted late before; a doubted one not below it. */
static void test_what_counts(void)
{
    open_redrive();
    pipeline.store.loaded = &loaded_store;
    pipeline.outputs = 0;
    struct customer *customer = cache_get(&worker.cache, text_of("c"));
    struct profile *profile = profile_new(&pipeline.catalog.registry);
    uint32_t part = parts_find_text(&worker.parts, text_of("t"), PARTITION);
    CU_ASSERT_FATAL(profile != NULL && profile_set_mark(profile, part, 50) && profile_add_late(profile, part, 43));
    cache_set_profile(&worker.cache, customer, profile);
    stands(41, QUIET);
    stands(42, QUIET);
    stands(43, QUIET);
    take_letter(7, QUIET, LETTER("churn.reason", "crashed_plugin", PLACED("41")));
    check_outcome("below the mark", "events +1, letters +1");
    take_letter(8, QUIET, LETTER("churn.reason", "crashed_plugin", PLACED("42"), "churn.replayed", "true"));
    check_outcome("doubted", "events +1, already_counted +1, letters +1");
    take_letter(9, QUIET, LETTER("churn.reason", "crashed_plugin", PLACED("43")));
    check_outcome("counted late", "events +1, already_counted +1, letters +1");
    CU_ASSERT_EQUAL(window_filling(&worker)->event_count, 1);
    close_intake();
}

/* The letters of a poll, each with its own original; nothing is announced, for an event stands elsewhere. */
static void test_several(void)
{
    churn_header made[3][MOST_HEADERS];
    open_redrive();
    pipeline.processor_count = 1;
    stands(42, QUIET);
    stands(41, QUIET);
    const churn_record records[] = {
        letter_at(7, QUIET, made[0], LETTER("churn.reason", "crashed_plugin", PLACED("42"))),
        letter_at(8, "x", made[1], LETTER("churn.reason", "crashed_plugin", PLACED("41"))),
        letter_at(9, QUIET, made[2], LETTER("churn.reason", "crashed_plugin", PLACED("41"))),
    };
    CU_ASSERT(intake_take(&worker, records, COUNT(records)));
    check_outcome("the one between holds something else", "first t/3@42; first t/3@41",
                  "event t/3@42 c " QUIET " at 12", "event t/3@41 c " QUIET " at 12",
                  "events +3, letters +3, left_alone +1",
                  "WARN  redrive: left alone: the dead letter dead/0 at offset 8: it does not hold what stands at t/3 "
                  "offset 41, or what follows from it");
    close_intake();
}

static void test_still_bad(void)
{
    open_redrive();
    stands(41, "{");
    take_letter(7, "{", LETTER("churn.reason", "empty", PLACED("41")));
    check_outcome("a successor",
                  "dead_letter t/3@41 c { churn.reason=invalid_json " STILL_BAD
                  " churn.topic=t churn.partition=3 churn.offset=41 at 12",
                  "events +1, dead_letters +1, letters +1, invalid_json +1");
    take_letter(8, "{", LETTER("churn.reason", "empty", PLACED("41"), "churn.replayed", "true"));
    check_outcome("the doubt stays",
                  "dead_letter t/3@41 c { churn.reason=invalid_json " STILL_BAD
                  " churn.topic=t churn.partition=3 churn.offset=41 churn.replayed=true at 12",
                  "events +1, dead_letters +1, letters +1, invalid_json +1");
    redrive.stay = true;
    uint32_t records = window_filling(&worker)->record_count;
    take_letter(9, "{", LETTER("churn.reason", "empty", PLACED("41")));
    check_outcome("left where the next redrive reads it", "events +1, dead_letters +1, letters +1, invalid_json +1",
                  "INFO  redrive: still bad: the record of t/3 at offset 41: the text is not one JSON value by RFC "
                  "8259");
    CU_ASSERT_EQUAL(window_filling(&worker)->record_count, records + 1);
    CU_ASSERT_EQUAL(window_filling(&worker)->positions[0].next, 9);
    close_intake();
}

static void test_a_processor_cannot_tell(void)
{
    open_redrive();
    pipeline.processor_count = 1;
    probes[FIRST] = (struct probe){.answer = CHURN_RETRY, .says = "nobody is there"};
    stands(41, QUIET);
    take_letter(7, QUIET, LETTER("churn.reason", "empty", PLACED("41")));
    check_outcome("it is not read yet", "first t/3@41",
                  "WARN  first: nobody is there; the source waits (stalled: processor)");
    probes[FIRST] = (struct probe){.answer = CHURN_FATAL, .says = "lost its way"};
    worker.reading.ask_again_ms = 0;
    churn_header made[MOST_HEADERS];
    const churn_record record = letter_at(7, QUIET, made, LETTER("churn.reason", "empty", PLACED("41")));
    CU_ASSERT(!intake_take(&worker, &record, 1));
    check_text(worker.failure, "processor first: lost its way", "failure");
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "letters"), 0);
    close_intake();
}

/* ---- what sinks refused ---- */

#define TRIGGER "{\"request_id\":\"t/3/41\",\"customer_id\":\"c\",\"trigger\":{\"event_id\":\"e\"}}"
#define ALERT "{\"alert_id\":\"t/3/41\",\"severity\":\"critical\",\"event_id\":\"e\"}"
#define REFUSED "churn.reason", "rejected_by_sink", "churn.detail", "no"
#define LETTER_AGAIN(offset, value)                                                                                    \
    "dead_letter dead/0@" offset " c " value " churn.reason=rejected_by_sink churn.detail=no churn.topic=t "           \
    "churn.partition=3 churn.offset=41"

static struct section three_sinks[] = {{.label = "a", .input = CHURN_RECORD_ALERT, .bit = 1},
                                       {.label = "b", .input = CHURN_RECORD_ALERT, .bit = 2},
                                       {.label = "c", .input = CHURN_RECORD_TRIGGER, .bit = 4}};

static void open_redrive_to_sinks(void)
{
    open_redrive();
    pipeline.sinks = three_sinks;
    pipeline.sink_count = COUNT(three_sinks);
    pipeline.outputs = CHURN_RECORD_ALERT | CHURN_RECORD_TRIGGER | CHURN_RECORD_DEAD_LETTER;
    stands(41, QUIET);
}

static void test_outputs_are_offered_again(void)
{
    open_redrive_to_sinks();
    take_letter(7, ALERT, LETTER(REFUSED, PLACED("41"), "churn.kind", "alert", "churn.sink", "b"));
    check_outcome("to the sink that refused it", "alert t/3@41 c " ALERT " at 5 severity 3 not for 80000005",
                  "events +1, letters +1, again +1");
    take_letter(8, ALERT, LETTER(REFUSED, PLACED("41"), "churn.kind", "alert"));
    check_outcome("to those of its kind", "alert t/3@41 c " ALERT " at 5 severity 3 not for 80000000",
                  "events +1, letters +1, again +1");
    take_letter(9, TRIGGER, LETTER(REFUSED, PLACED("41"), "churn.kind", "trigger", "churn.sink", "c"));
    check_outcome("a trigger", "trigger t/3@41 c " TRIGGER " at 5 not for 80000003", "events +1, letters +1, again +1");
    take_letter(10, ALERT, LETTER(REFUSED, "churn.id", "x:1", "churn.kind", "alert", "churn.sink", "a"));
    check_outcome("one that no record caused", "alert x:1/0@-1 c " ALERT " at 5 severity 3 not for 80000006",
                  "events +1, letters +1, again +1");
    close_intake();
}

static void test_outputs_for_nobody(void)
{
    open_redrive_to_sinks();
    take_letter(7, ALERT, LETTER(REFUSED, PLACED("41"), "churn.kind", "alert", "churn.sink", "gone"));
    check_outcome("its sink is gone", LETTER_AGAIN("7", ALERT) " churn.kind=alert churn.sink=gone at 5",
                  "events +1, letters +1, left_alone +1, written_again +1",
                  "WARN  redrive: left alone: the dead letter dead/0 at offset 7: the pipeline has no sink for what "
                  "another one refused");
    take_letter(8, QUIET, LETTER(REFUSED, PLACED("41"), "churn.kind", "event"));
    check_outcome("no sink takes its kind", LETTER_AGAIN("8", QUIET) " churn.kind=event at 5",
                  "events +1, letters +1, left_alone +1, written_again +1",
                  "WARN  redrive: left alone: the dead letter dead/0 at offset 8: the pipeline has no sink for what "
                  "another one refused");
    take_letter(9, QUIET, LETTER(REFUSED, PLACED("41")));
    check_outcome("it does not say what it is", LETTER_AGAIN("9", QUIET) " at 5",
                  "events +1, letters +1, left_alone +1, written_again +1",
                  "WARN  redrive: left alone: the dead letter dead/0 at offset 9: it does not say what kind of record "
                  "a sink refused (churn.kind)");
    CU_ASSERT(window_filling(&worker)->has_letters);
    redrive.stay = true;
    take_letter(10, QUIET, LETTER(REFUSED, PLACED("41")));
    check_outcome("left where the next redrive reads it", "events +1, letters +1, left_alone +1",
                  "WARN  redrive: left alone: the dead letter dead/0 at offset 10: it does not say what kind of record "
                  "a sink refused (churn.kind)");
    close_intake();
}

/* A sink refuses it once more. */
static void test_outputs_refused_again(void)
{
    struct reject reject;
    open_redrive_to_sinks();
    struct window *window = window_filling(&worker);
    take_letter(7, TRIGGER, LETTER(REFUSED, PLACED("41"), "churn.kind", "trigger"));
    told = window->output_count;
    check_outcome("offered", "events +1, letters +1, again +1");
    reject_set(&reject, REJECT_BY_SINK, "still no");
    CU_ASSERT(set_aside_output(&worker, window, &window->outputs[0], "c", &reject));
    check_outcome("a successor",
                  "dead_letter t/3@41 c " TRIGGER " churn.reason=rejected_by_sink churn.detail=still no churn.topic=t "
                  "churn.partition=3 churn.offset=41 churn.kind=trigger churn.sink=c at 5",
                  "dead_letters +1, rejected_by_sink +1");
    redrive.stay = true;
    CU_ASSERT(set_aside_output(&worker, window, &window->outputs[0], "c", &reject));
    check_outcome("its letter stays", "dead_letters +1, rejected_by_sink +1",
                  "INFO  redrive: still bad: the record of t/3 at offset 41: still no");
    window->outputs[0].reserved = 0;
    CU_ASSERT(set_aside_output(&worker, window, &window->outputs[0], "c", &reject));
    check_outcome("of an event that was put back: its first letter",
                  "dead_letter t/3@41 c " TRIGGER " churn.reason=rejected_by_sink churn.detail=still no churn.topic=t "
                  "churn.partition=3 churn.offset=41 churn.kind=trigger churn.sink=c at 5",
                  "dead_letters +1, rejected_by_sink +1");
    close_intake();
}

/* ---- letters that are not put back ---- */

static void test_left_alone(void)
{
    char long_topic[201], why[512];
    open_redrive();
    stands(41, QUIET);
    take_letter(1, QUIET,
                LETTER("churn.reason", "empty", "churn.topic", "u", "churn.partition", "3", "churn.offset", "41"));
    check_outcome("of another's topic", "events +1, letters +1, left_alone +1",
                  LEFT_ALONE("1", "its event is of u, which this pipeline does not read"));
    memset(long_topic, 'u', sizeof long_topic - 1);
    long_topic[sizeof long_topic - 1] = '\0';
    take_letter(
        2, QUIET,
        LETTER("churn.reason", "empty", "churn.topic", long_topic, "churn.partition", "3", "churn.offset", "41"));
    (void)snprintf(why, sizeof why, LEFT_ALONE("2", "its event is of %.128s, which this pipeline does not read"),
                   long_topic);
    check_outcome("of another's long topic", "events +1, letters +1, left_alone +1", why);
    take_letter(3, QUIET, LETTER("trace", "7"));
    check_outcome("no letter at all", "events +1, letters +1, left_alone +1",
                  LEFT_ALONE("3", "it lacks the headers churn.reason, churn.topic, churn.partition, churn.offset"));
    churn_header made[MOST_HEADERS];
    churn_record record = letter_at(4, "corrupt", made, LETTER("churn.reason", "empty", PLACED("41")));
    record.kind = CHURN_RECORD_UNREADABLE;
    CU_ASSERT(intake_take(&worker, &record, 1));
    check_outcome("one that cannot be read", "events +1, left_alone +1", LEFT_ALONE("4", "it cannot be read"));
    CU_ASSERT_EQUAL(window_filling(&worker)->positions[0].next, 5);
    CU_ASSERT_EQUAL(window_filling(&worker)->event_count, 0);
    close_intake();
}

#define UNCHECKED                                                                                                      \
    "its record cannot be read again, to be compared: the source has it no more (retention), or does not say; "        \
    "--unverified puts it back unchecked"

static void test_kept_for_later(void)
{
    open_redrive();
    take_letter(1, QUIET, LETTER("churn.reason", "empty"));
    check_outcome("one that lacks something", "dead_letter dead/0@1 c " QUIET " churn.reason=empty at 5",
                  "events +1, letters +1, left_alone +1, written_again +1",
                  LEFT_ALONE("1", "it lacks the headers churn.topic, churn.partition, churn.offset"));
    take_letter(2, NULL, LETTER("churn.reason", "unreadable_record", PLACED("41")));
    check_outcome("one that still cannot be read",
                  "dead_letter dead/0@2 c - churn.reason=unreadable_record churn.topic=t churn.partition=3 "
                  "churn.offset=41 at 5",
                  "events +1, letters +1, left_alone +1, written_again +1",
                  LEFT_ALONE("2", "its record cannot be read yet; once it can be, it is put back, or `churnd rebuild` "
                                  "counts it"));
    take_letter(3, QUIET, LETTER("churn.reason", "empty", PLACED("41")));
    check_outcome("one whose record is gone",
                  "dead_letter dead/0@3 c " QUIET " churn.reason=empty churn.topic=t churn.partition=3 "
                  "churn.offset=41 at 5",
                  "events +1, letters +1, left_alone +1, written_again +1", LEFT_ALONE("3", UNCHECKED));
    redrive.stay = true;
    take_letter(4, QUIET, LETTER("churn.reason", "empty", PLACED("41")));
    check_outcome("it stays", "events +1, letters +1, left_alone +1", LEFT_ALONE("4", UNCHECKED));
    redrive.stay = false;
    redrive.unverified = true;
    take_letter(5, QUIET, LETTER("churn.reason", "empty", PLACED("41"), "trace", "7"));
    check_outcome("by what the letter says", "event t/3@41 c " QUIET " at 5", "events +1, letters +1");
    take_letter(6, NULL, LETTER("churn.reason", "unreadable_record", PLACED("41")));
    told = window_filling(&worker)->output_count;
    check_outcome("nothing to count in it", "events +1, letters +1, left_alone +1, written_again +1",
                  LEFT_ALONE("6", "its record cannot be read yet; once it can be, it is put back, or `churnd rebuild` "
                                  "counts it"));
    close_intake();
}

/* … and what an unchecked letter says of its record is kept for the letter that may follow. */
static void test_unchecked_headers_are_kept(void)
{
    open_redrive();
    redrive.unverified = true;
    take_letter(5, "{", LETTER("churn.reason", "empty", PLACED("41"), "trace", "7"));
    check_outcome("still bad",
                  "dead_letter t/3@41 c { churn.reason=invalid_json " STILL_BAD
                  " churn.topic=t churn.partition=3 churn.offset=41 trace=7 at 5",
                  "events +1, dead_letters +1, letters +1, invalid_json +1");
    close_intake();
}

#define AHEAD "timestamp is 60 min later than the record's own, and events: max_ahead allows 59 min"

/* An event is judged by its record's own time, not by its letter's: as it stands there, or as the letter says. */
static void test_ahead_of_its_record(void)
{
    open_redrive();
    redrive.unverified = true;
    pipeline.event_settings.max_ahead_ms = 3540000;
    stands(41, QUIET);
    take_letter(5, QUIET, LETTER("churn.reason", "timestamp_ahead", PLACED("41"), "churn.timestamp", AT));
    told = window_filling(&worker)->output_count;
    check_outcome("by what stands there", "events +1, dead_letters +1, letters +1, timestamp_ahead +1");
    take_letter(6, QUIET,
                LETTER("churn.reason", "timestamp_ahead", PLACED("42"), "churn.timestamp", "2025-12-31T23:00:00Z"));
    check_outcome("by what the letter says",
                  "dead_letter t/3@42 c " QUIET " churn.reason=timestamp_ahead churn.detail=" AHEAD
                  " churn.topic=t churn.partition=3 churn.offset=42 churn.timestamp=2025-12-31T23:00:00.000Z at "
                  "1767222000000",
                  "events +1, dead_letters +1, letters +1, timestamp_ahead +1");
    take_letter(7, QUIET, LETTER("churn.reason", "unknown_event_type", PLACED("43")));
    told = window_filling(&worker)->output_count;
    check_outcome("by the letter's own time", "events +1, dead_letters +1, letters +1, timestamp_ahead +1");
    pipeline.event_settings.max_ahead_ms = 3600000;
    take_letter(8, QUIET,
                LETTER("churn.reason", "timestamp_ahead", PLACED("42"), "churn.timestamp", "2025-12-31T23:00:00Z"));
    check_outcome("after the fix", "event t/3@42 c " QUIET " at 1767222000000", "events +1, letters +1");
    close_intake();
}

/* What can be read now stands there whole, whatever its letter held. */
static void test_readable_now(void)
{
    open_redrive();
    stands(41, QUIET);
    take_letter(1, NULL, LETTER("churn.reason", "unreadable_record", PLACED("41")));
    check_outcome("unreadable then", "event t/3@41 c " QUIET " at 12", "events +1, letters +1");
    close_intake();
}

static void test_without_its_value(void)
{
    char hash[OUTPUT_HASH_SIZE];
    open_redrive();
    stands(41, QUIET);
    output_hash(text_of(QUIET), hash);
    take_letter(1, NULL, LETTER("churn.reason", "too_large_to_keep", PLACED("41"), "churn.xxh128", hash));
    check_outcome("it stands there", "event t/3@41 c " QUIET " at 12", "events +1, letters +1");
    take_letter(2, NULL, LETTER("churn.reason", "too_large_to_keep", PLACED("42"), "churn.xxh128", hash));
    told = window_filling(&worker)->output_count;
    check_outcome("it is gone", "events +1, letters +1, left_alone +1, written_again +1",
                  LEFT_ALONE("2", "its value was too large to keep"));
    take_letter(3, NULL,
                LETTER("churn.reason", "rejected_by_sink", PLACED("41"), "churn.kind", "event", "churn.xxh128", hash));
    told = window_filling(&worker)->output_count;
    CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "again"), 0);
    close_intake();
}

static void test_many_are_counted_and_not_shown(void)
{
    open_redrive();
    redrive.stay = true;
    stands(41, "{");
    for (int64_t offset = 1; offset < 20; offset++) {
        take_letter(offset, QUIET, LETTER("trace", "7"));
    }
    log_pass_over();
    check_outcome("nineteen", "events +19, letters +19, left_alone +19");
    take_letter(20, "{", LETTER("churn.reason", "empty", PLACED("41")));
    check_outcome("the last one that is shown", "events +1, dead_letters +1, letters +1, invalid_json +1",
                  "INFO  redrive: still bad: the record of t/3 at offset 41: the text is not one JSON value by RFC "
                  "8259; more are counted, not shown");
    take_letter(21, QUIET, LETTER("trace", "7"));
    check_outcome("one more", "events +1, letters +1, left_alone +1");
    close_intake();
}

/* Lines of JSON; those that were written since the start are not read. */
static void test_a_file(void)
{
    static const char line[] = "{\"reason\":\"empty\",\"topic\":\"t\",\"partition\":3,\"offset\":41,\"key\":\"c\","
                               "\"value\":\"{\"}";
    open_redrive();
    redrive.envelope = redrive.stay = true;
    redrive.end = 100;
    stands(41, "{");
    take_letter(99, line, LETTER("trace", "7"));
    check_outcome("the last one", "events +1, dead_letters +1, letters +1, invalid_json +1",
                  "INFO  redrive: still bad: the record of t/3 at offset 41: the text is not one JSON value by RFC "
                  "8259");
    take_letter(100, line, LETTER("trace", "7"));
    check_outcome("written since", "events +1");
    CU_ASSERT(window_filling(&worker)->position_count == 0 && window_filling(&worker)->record_count == 2);
    close_intake();
}

static void test_the_source_fails(void)
{
    churn_header made[MOST_HEADERS];
    open_redrive();
    reread_result = CHURN_FATAL;
    stands(41, QUIET);
    const churn_record record = letter_at(1, QUIET, made, LETTER("churn.reason", "empty", PLACED("41")));
    CU_ASSERT(!intake_take(&worker, &record, 1) && worker.failed);
    check_text(worker.failure,
               "source origin: the records that the dead letters were cannot be read: the test says so; `redrive "
               "--unverified` puts back unchecked what cannot be checked",
               "failure");
    CU_ASSERT_EQUAL(window_filling(&worker)->record_count, 0);
    close_intake();
}

/* ---- a source that keeps no positions is asked by seek and poll ---- */

static struct {
    int32_t start_result, seek_result;
    unsigned starts, seeks, stops, polls;
    unsigned pauses; /* polls that bring nothing, before … */
    int32_t poll_result;
    uint32_t count; /* … the one with so many records; what it leaves there is `record` in any case */
    churn_record record;
} seeking;

static int32_t seeking_start(void *self, const churn_source_listener *to, churn_error *err)
{
    (void)self;
    seeking.starts++;
    to->assigned(to->ctx, NULL, 0);
    to->revoked(to->ctx, NULL, 0, 0);
    return seeking.start_result == CHURN_OK ? CHURN_OK : churn_fail(err, seeking.start_result, "not now");
}

static int32_t seeking_seek(void *self, const churn_position *to, churn_error *err)
{
    (void)self;
    seeking.seeks++;
    CU_ASSERT(strcmp(to->topic, TOPIC) == 0 && to->partition == PARTITION && to->offset == 41);
    return seeking.seek_result == CHURN_OK ? CHURN_OK : churn_fail(err, seeking.seek_result, "not there");
}

static int32_t seeking_poll(void *self, churn_record *ret, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                            churn_error *err)
{
    (void)self;
    (void)timeout_ms;
    CU_ASSERT_EQUAL(max, 1);
    *ret = seeking.record;
    *ret_count = 0;
    if (seeking.polls++ < seeking.pauses) {
        return CHURN_PENDING;
    }
    *ret_count = seeking.count;
    return seeking.poll_result < 0 ? churn_fail(err, seeking.poll_result, "no way") : seeking.poll_result;
}

static void seeking_stop(void *self)
{
    (void)self;
    seeking.stops++;
}

static int32_t seeking_commit(void *self, const churn_position *positions, uint32_t count, int32_t wait,
                              churn_error *err)
{
    (void)self;
    (void)positions;
    (void)count;
    (void)wait;
    (void)err;
    return CHURN_OK;
}

static churn_source_ops seeking_ops;
static struct loaded loaded_seeking = {.plugin = {.ops = &seeking_ops}};

static void open_seeking(void)
{
    open_redrive();
    redrive.stay = true;
    pipeline.store.loaded = &loaded_store;
    pipeline.origin.loaded = &loaded_seeking;
    seeking_ops = (churn_source_ops){.size = sizeof seeking_ops,
                                     .start = seeking_start,
                                     .seek = seeking_seek,
                                     .poll = seeking_poll,
                                     .stop = seeking_stop};
    memset(&seeking, 0, sizeof seeking);
    seeking.poll_result = CHURN_OK;
    seeking.count = 1;
    seeking.record = record_at(41, QUIET);
}

static void check_letter(const char *what, bool found)
{
    take_letter(1, QUIET, LETTER("churn.reason", "crashed_plugin", PLACED("41")));
    if (found) {
        check_outcome(what, "event t/3@41 c " QUIET " at 12", "events +1, letters +1");
    } else {
        check_outcome(what, "events +1, letters +1, left_alone +1", LEFT_ALONE("1", UNCHECKED));
    }
}

static void test_a_source_that_is_sought(void)
{
    static const struct {
        const char *what;
        unsigned pauses;
        int32_t result;
        uint32_t count;
        bool found;
    } polls[] = {{"at once", 0, CHURN_OK, 1, true},
                 {"after a while", 19, CHURN_OK, 1, true},
                 {"too late", 20, CHURN_OK, 1, false},
                 {"behind the last one", 0, CHURN_END, 0, false},
                 {"the last one", 0, CHURN_END, 1, true},
                 {"out of reach", 0, CHURN_RETRY, 0, false},
                 {"it cannot be read", 0, CHURN_FATAL, 0, false}};
    for (size_t i = 0; i < COUNT(polls); i++) {
        open_seeking();
        seeking.pauses = polls[i].pauses;
        seeking.poll_result = polls[i].result;
        seeking.count = polls[i].count;
        check_letter(polls[i].what, polls[i].found);
        CU_ASSERT_EQUAL(seeking.polls, polls[i].pauses + 1 - (polls[i].pauses == 20));
        close_intake();
    }
}

/* What is handed out is not what stands there. */
static void test_another_record_is_handed_out(void)
{
    churn_record others[] = {record_at(42, QUIET), record_at(40, QUIET), record_at(41, QUIET), record_at(41, QUIET),
                             record_at(41, QUIET)};
    others[2].topic = "u";
    others[3].partition = PARTITION + 1;
    others[4].kind = CHURN_RECORD_UNREADABLE;
    for (size_t i = 0; i < COUNT(others); i++) {
        open_seeking();
        seeking.record = others[i];
        check_letter("another one", false);
        close_intake();
    }
}

/* It is started once, for the first letter, and stopped where it was started. */
static void test_a_source_is_started_and_stopped(void)
{
    open_seeking();
    originals_stop(&worker);
    CU_ASSERT(seeking.starts == 0 && seeking.stops == 0);
    seeking.seek_result = CHURN_RETRY;
    check_letter("it cannot go there", false);
    seeking.seek_result = CHURN_OK;
    check_letter("there it can", true);
    CU_ASSERT(seeking.starts == 1 && seeking.seeks == 2 && seeking.polls == 1 && seeking.stops == 0);
    originals_stop(&worker);
    originals_stop(&worker);
    CU_ASSERT(seeking.starts == 1 && seeking.stops == 1);
    close_intake();
    open_seeking();
    seeking.start_result = CHURN_RETRY;
    check_letter("it cannot be started", false);
    originals_stop(&worker);
    CU_ASSERT(seeking.starts == 1 && seeking.seeks == 0 && seeking.polls == 0 && seeking.stops == 0);
    close_intake();
    open_seeking();
    seeking_ops.seek = NULL;
    check_letter("it cannot be sought", false);
    CU_ASSERT(seeking.starts == 0);
    close_intake();
    open_seeking();
    seeking_ops.commit = seeking_commit;
    check_letter("others read in its place", false);
    CU_ASSERT(seeking.starts == 0 && seeking.seeks == 0);
    close_intake();
}

/* ---- no memory ---- */

static size_t room;

static void begin_putting_back(void)
{
    static const churn_header own = {"trace", {.ptr = "7", .len = 1}};
    open_redrive();
    pipeline.outputs = CHURN_RECORD_EVENT | CHURN_RECORD_TRIGGER;
    stands(41, EVENT("other", "{}"));
    stands(42, QUIET);
    standing[0].headers = standing[1].headers = &own;
    standing[0].header_count = standing[1].header_count = 1;
    warm_up();
    leave_room(room);
}

static bool put_back(void)
{
    churn_header made[4][MOST_HEADERS];
    const churn_record records[] = {
        letter_at(1, EVENT("other", "{}"), made[0], LETTER("churn.reason", "empty", PLACED("41"))),
        letter_at(2, "x", made[1], LETTER("churn.reason", "rejected_by_sink", PLACED("41"))),
        letter_at(3, "x", made[2],
                  LETTER("churn.reason", "rejected_by_sink", "churn.id", "x:1", "churn.kind", "trigger")),
        letter_at(4, "x", made[3], LETTER("churn.reason", "empty")),
    };
    return intake_take(&worker, records, COUNT(records));
}

/* The worker fails, unless it was a letter that could not be read: that is left for the next redrive. */
static void test_no_memory(void)
{
    for (room = 0; room < 2048; room += 48) {
        bool failed = true;
        for (long k = 1; failed; k++) {
            begin_putting_back();
            fails_in = k;
            bool ok = put_back();
            failed = fails_in == 0;
            fails_in = 0;
            CU_ASSERT(ok || failed);
            check_no_memory(ok);
            close_intake();
        }
    }
}

/* How many of the allocations that comparing one output with its event takes are missed, when each in its turn fails.
 * The letter has no value: the library that would read it does not bear it. */
static unsigned missed_in_comparing(bool warm)
{
    static char wide[8192] = QUIET; /* more than the decoder has memory for at first */
    churn_header made[MOST_HEADERS];
    const churn_record record = letter_at(7, NULL, made, LETTER(REFUSED, PLACED("41"), "churn.kind", "trigger"));
    unsigned missed = 0;
    bool failed = true;
    memset(wide + strlen(QUIET), ' ', sizeof wide - sizeof QUIET);
    for (long k = 1; failed; k++) {
        churn_event event;
        struct reject reject;
        open_redrive_to_sinks();
        standing[0].value = text_of(wide);
        CU_ASSERT(!warm ||
                  event_decode(worker.intake.decoder, wide, strlen(wide) - JSON_SCAN_PADDING, &event, &reject) != NULL);
        fails_in = k;
        bool ok = intake_take(&worker, &record, 1);
        failed = fails_in == 0;
        fails_in = 0;
        missed += !ok;
        told = window_filling(&worker)->output_count;
        check_no_memory(ok);
        close_intake();
    }
    return missed;
}

/* An original that cannot be decoded for want of memory is not something else: its letter is read again. */
static void test_no_memory_to_compare(void)
{
    unsigned cold = missed_in_comparing(false);
    CU_ASSERT(cold == 0 || cold > missed_in_comparing(true)); /* none fails under a sanitizer */
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_an_event_is_put_back),
        TEST(test_what_counts),
        TEST(test_when_they_were_written),
        TEST(test_when_they_are_written_again),
        TEST(test_several),
        TEST(test_still_bad),
        TEST(test_a_processor_cannot_tell),
        TEST(test_outputs_are_offered_again),
        TEST(test_outputs_for_nobody),
        TEST(test_outputs_refused_again),
        TEST(test_left_alone),
        TEST(test_kept_for_later),
        TEST(test_unchecked_headers_are_kept),
        TEST(test_ahead_of_its_record),
        TEST(test_readable_now),
        TEST(test_without_its_value),
        TEST(test_many_are_counted_and_not_shown),
        TEST(test_a_file),
        TEST(test_the_source_fails),
        TEST(test_a_source_that_is_sought),
        TEST(test_another_record_is_handed_out),
        TEST(test_a_source_is_started_and_stopped),
        TEST(test_no_memory),
        TEST(test_no_memory_to_compare),
        CU_TEST_INFO_NULL,
    };
    int status = load_types() ? run_tests_without_leaks("redrive", tests) : 1;
    types_free(&types);
    return status;
}
