/* A window: which offsets it holds, which events each customer's delta is made of, and that it can be used again. */
#include "core/engine/output.h"

#include "no_leaks.h"

static struct registry registry;
static struct arena_pool pool;
static struct cache cache = {.registry = &registry, .limit = SIZE_MAX};
static struct window window;

static void open_window(void)
{
    if (!window_init(&window, &pool, 2)) {
        abort();
    }
}

static void close_window(void)
{
    window_free(&window);
    cache_free(&cache);
}

static struct customer *customer(const char *id)
{
    struct customer *found = cache_get(&cache, (churn_str){.ptr = id, .len = (uint32_t)strlen(id)});
    if (found == NULL) {
        abort();
    }
    return found;
}

static bool add_event(struct delta *delta, const char *payload, uint32_t len, uint32_t part, int64_t offset,
                      enum lateness late)
{
    const struct window_event event = {
        .payload = payload, .len = len, .part = part, .offset = offset, .late = (uint8_t)late};
    return window_add_event(&window, delta, &event);
}

static int64_t position(uint32_t part)
{
    int64_t next = -1;
    for (uint32_t i = 0; i < window.position_count; i++) {
        if (window.positions[i].part == part) {
            CU_ASSERT_EQUAL(next, -1); /* once */
            next = window.positions[i].next;
        }
    }
    return next;
}

static void test_positions(void)
{
    open_window();
    CU_ASSERT(window_note_position(&window, 3, 10));
    CU_ASSERT(window_note_position(&window, 3, 11));
    CU_ASSERT(window_note_position(&window, 5, 0));
    CU_ASSERT(window_note_position(&window, 3, 20)); /* a gap: compacted or ignored records */
    CU_ASSERT(window_note_position(&window, 5, 1));
    CU_ASSERT(window_note_position(&window, 5, 0)); /* again */
    CU_ASSERT_EQUAL(window.record_count, 6);
    CU_ASSERT_EQUAL(window.position_count, 2);
    CU_ASSERT_EQUAL(position(3), 21);
    CU_ASSERT_EQUAL(position(5), 2);
    for (uint32_t part = 100; part < 400; part++) {
        CU_ASSERT(window_note_position(&window, part, part));
    }
    for (uint32_t part = 100; part < 400; part++) {
        CU_ASSERT_EQUAL(position(part), part + 1);
    }
    CU_ASSERT_EQUAL(position(3), 21);
    close_window();
}

static void test_events_of_each_customer(void)
{
    static const int customers = 7, events = 1000;
    open_window();
    for (int i = 0; i < events; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "c%d", i % customers);
        struct delta *delta = window_delta(&window, customer(id), &registry);
        CU_ASSERT_PTR_NOT_NULL_FATAL(delta);
        CU_ASSERT_PTR_EQUAL(window_delta(&window, customer(id), &registry), delta);
        CU_ASSERT(add_event(delta, "payload", (uint32_t)i, (uint32_t)(i % 3), 100 + i, NOT_LATE));
    }
    CU_ASSERT_EQUAL(window.event_count, (uint32_t)events);
    CU_ASSERT_EQUAL_FATAL(window.delta_count, (uint32_t)customers);
    for (int c = 0; c < customers; c++) {
        const struct delta *delta = window.deltas[c];
        int expected = c;
        CU_ASSERT_PTR_EQUAL(delta->customer->filling, delta);
        CU_ASSERT_EQUAL(delta->state, DELTA_FOLDED);
        for (uint32_t i = delta->first_event; i != NO_EVENT; i = window.events[i].next) { /* in their order */
            const struct window_event *event = &window.events[i];
            CU_ASSERT(event->len == (uint32_t)expected && event->offset == 100 + expected &&
                      event->part == (uint32_t)(expected % 3));
            expected += customers;
        }
        CU_ASSERT(expected >= events && expected < events + customers);
    }
    close_window();
}

static void test_ranges_of_a_delta(void)
{
    open_window();
    struct delta *delta = window_delta(&window, customer("c"), &registry);
    CU_ASSERT_PTR_NOT_NULL_FATAL(delta);
    CU_ASSERT_PTR_NULL(delta_range(delta, 0));
    CU_ASSERT(delta->first_event == NO_EVENT && delta->last_event == NO_EVENT);
    CU_ASSERT(add_event(delta, "", 0, 4, 10, NOT_LATE));
    CU_ASSERT(add_event(delta, "", 0, 9, 3, NOT_LATE));
    CU_ASSERT(add_event(delta, "", 0, 4, 17, NOT_LATE));
    CU_ASSERT(add_event(delta, "", 0, 4, 18, NOT_LATE));
    const struct range *range = delta_range(delta, 4);
    CU_ASSERT(range != NULL && range->low == 10 && range->high == 18);
    range = delta_range(delta, 9);
    CU_ASSERT(range != NULL && range->low == 3 && range->high == 3);
    CU_ASSERT_PTR_NULL(delta_range(delta, 5));
    CU_ASSERT(!delta->has_late);
    CU_ASSERT(add_event(delta, "", 0, 4, 19, LATE_REPLAYED));
    CU_ASSERT(add_event(delta, "", 0, 4, 30, LATE_REDRIVEN)); /* raises no mark */
    CU_ASSERT(add_event(delta, "", 0, 5, 30, LATE_REDRIVEN));
    range = delta_range(delta, 4);
    CU_ASSERT(delta->has_late && range != NULL && range->high == 19 && delta_range(delta, 5) == NULL);
    CU_ASSERT(window.events[delta->last_event].late == LATE_REDRIVEN && delta->event_count == 7);
    close_window();
}

static void test_a_new_delta_is_empty(void)
{
    open_window();
    for (int round = 0; round < 3; round++) {
        struct customer *c = customer("c");
        struct delta *delta = window_delta(&window, c, &registry);
        CU_ASSERT_PTR_NOT_NULL_FATAL(delta);
        for (uint32_t i = 0; i < REGISTRY_WORDS; i++) {
            CU_ASSERT(delta->fields.present[i] == 0 && delta->fields.changed[i] == 0);
        }
        CU_ASSERT_PTR_NULL(delta->ranges);
        fields_merge_number(&delta->fields, FIELD_EVENTS_TOTAL, CHURN_MERGE_ADD, 1, NULL);
        CU_ASSERT(add_event(delta, "", 0, 1, round, NOT_LATE));
        c->filling = NULL;
        window_reset(&window, 2);
    }
    close_window();
}

static void test_outputs(void)
{
    const churn_record from = {.topic = "t",
                               .partition = 4,
                               .offset = 77,
                               .timestamp_ms = 5,
                               .kind = CHURN_RECORD_EVENT,
                               .key = {.ptr = "k", .len = 1},
                               .severity = 3};
    open_window();
    window.number = 9;
    for (uint32_t i = 0; i < 200; i++) {
        const churn_record *output =
            window_add_output(&window, i % 2 == 0 ? CHURN_RECORD_ALERT : CHURN_RECORD_TRIGGER, &from);
        CU_ASSERT_PTR_NOT_NULL_FATAL(output);
        CU_ASSERT(output->size == sizeof *output && output->partition == 4 && output->offset == 77 &&
                  output->timestamp_ms == 5);
        CU_ASSERT(output->key.ptr == NULL && output->value.ptr == NULL && output->severity == 0 &&
                  output->header_count == 0);
    }
    CU_ASSERT_EQUAL(window.output_count, 200);
    for (uint32_t i = 0; i < 200; i++) {
        CU_ASSERT_EQUAL(window.outputs[i].id, (UINT64_C(9) << 32) + i);
        CU_ASSERT_EQUAL(window.outputs[i].kind, i % 2 == 0 ? CHURN_RECORD_ALERT : CHURN_RECORD_TRIGGER);
        CU_ASSERT_STRING_EQUAL(window.outputs[i].topic, "t");
    }
    close_window();
}

/* The newest record of each partition that can be told again. */
static void test_witnesses(void)
{
    open_window();
    window_note_witness(&window, 3, (struct witness){.offset = 10, .hash = 1}); /* nothing is noted of it */
    CU_ASSERT(window.position_count == 0 && window_is_empty(&window));
    CU_ASSERT(window_note_position(&window, 3, 10) && window_note_position(&window, 4, 10));
    CU_ASSERT(window.positions[0].last.offset == -1 && window.positions[1].last.offset == -1);
    window_note_witness(&window, 3, (struct witness){.offset = 0, .hash = 1});
    CU_ASSERT(window.positions[0].last.offset == 0 && window.positions[0].last.hash == 1);
    window_note_witness(&window, 3, (struct witness){.offset = 10, .hash = 2});
    window_note_witness(&window, 3, (struct witness){.offset = 10, .hash = 3});
    window_note_witness(&window, 3, (struct witness){.offset = 9, .hash = 4});
    CU_ASSERT(window.positions[0].last.offset == 10 && window.positions[0].last.hash == 2);
    CU_ASSERT_EQUAL(window.positions[1].last.offset, -1);
    close_window();
}

/* What a source passes over counts as read, and as no record. */
static void test_passed(void)
{
    open_window();
    CU_ASSERT(window_is_empty(&window));
    CU_ASSERT(window_note_passed(&window, 3, 10));
    CU_ASSERT(position(3) == 10 && window.record_count == 0 && !window_is_empty(&window));
    CU_ASSERT(window_note_passed(&window, 3, 9) && position(3) == 10);
    CU_ASSERT(window_note_passed(&window, 3, 11) && position(3) == 11 && window.record_count == 0);
    window_reset(&window, 2);
    window.record_count = 1;
    CU_ASSERT(!window_is_empty(&window));
    close_window();
}

static void test_bare_letters(void)
{
    const churn_record from = {.topic = "t"};
    open_window();
    for (uint32_t i = 0; i < 200; i++) {
        CU_ASSERT_PTR_NOT_NULL(window_add_output(&window, CHURN_RECORD_EVENT, &from));
        CU_ASSERT_PTR_NOT_NULL(window_add_output(&window, CHURN_RECORD_DEAD_LETTER, &from));
        CU_ASSERT(window_note_bare(&window));
    }
    CU_ASSERT_EQUAL(window.bare_count, 200);
    for (uint32_t i = 0; i < 200; i++) {
        CU_ASSERT_EQUAL(window.bare[i], 2 * i + 1);
    }
    window_reset(&window, 2);
    CU_ASSERT_EQUAL(window.bare_count, 0);
    close_window();
}

/* Which of a delta's events count is known by the mark, but for those that were late. */
/* A stranger's letter may say of any value that it is encrypted, also to a pipeline without keys. */
static void test_a_cut_letter_that_says_it_is_encrypted(void)
{
    static const char sealed[] = "churnd:1:x:" /* of the form, by a key that nobody has */
                                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const churn_header encrypted = {.name = "churn.encrypted", .value = churn_text("true")};
    const churn_record letter = {.size = sizeof letter,
                                 .topic = "dead",
                                 .offset = 7,
                                 .value = churn_text(sealed),
                                 .headers = &encrypted,
                                 .header_count = 1};
    char hash[OUTPUT_HASH_SIZE];
    bool same = false;
    open_window();
    output_hash(letter.value, hash);
    CU_ASSERT_FATAL(output_letter_again(&window, &letter) && output_cut_letter(&window, 0, "too large", NULL));
    CU_ASSERT_EQUAL_FATAL(window.output_count, 2);
    CU_ASSERT_PTR_NULL(window.outputs[1].value.ptr);
    for (uint32_t i = 0; i < window.outputs[1].header_count; i++) {
        const churn_header *header = &window.outputs[1].headers[i];
        CU_ASSERT_STRING_NOT_EQUAL(header->name, encrypted.name);
        same = same || (strcmp(header->name, "churn.xxh128") == 0 && str_equals(header->value, hash));
    }
    CU_ASSERT(same && output_is_cut(&window.outputs[1]));
    close_window();
}

static void test_late_events(void)
{
    static const struct {
        enum lateness late;
        bool has_late, has_range;
    } cases[] = {{NOT_LATE, false, true},
                 {LATE_REPLAYED, true, true},
                 {LATE_REDRIVEN, true, false},
                 {LATE_DOUBTED, true, false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_window();
        const churn_record from = {.topic = "t"};
        struct delta *delta = window_delta(&window, customer("c"), &registry);
        CU_ASSERT_PTR_NOT_NULL_FATAL(delta);
        CU_ASSERT(delta->event_count == 0 && delta->skipped == 0 && !delta->has_late);
        CU_ASSERT_PTR_NOT_NULL(window_add_output(&window, CHURN_RECORD_EVENT, &from));
        const struct window_event event = {
            .payload = "p", .len = 1, .part = 2, .offset = 5, .late = (uint8_t)cases[i].late, .counted = true};
        CU_ASSERT(window_add_event(&window, delta, &event));
        check(delta->has_late == cases[i].has_late && (delta_range(delta, 2) != NULL) == cases[i].has_range,
              "lateness %u", cases[i].late);
        CU_ASSERT(window.events[0].next == NO_EVENT && window.events[0].first_output == 1 && !window.events[0].counted);
        CU_ASSERT(delta->first_event == 0 && delta->last_event == 0 && delta->event_count == 1);
        close_window();
    }
}

static struct customer *somebody;

static void begin_filling(void)
{
    open_window();
    somebody = customer("c");
}

/* As much as makes each of its arrays grow, and ranges of several partitions. */
static bool fill(void)
{
    const churn_record from = {.topic = "t"};
    bool ok = true;
    for (uint32_t i = 0; ok && i < 65; i++) {
        struct delta *delta = window_delta(&window, somebody, &registry);
        ok = delta != NULL && add_event(delta, "", 0, i % 3, i, NOT_LATE) &&
             window_add_output(&window, CHURN_RECORD_DEAD_LETTER, &from) != NULL && window_note_bare(&window) &&
             window_note_position(&window, i, 7);
        somebody->filling = i % 2 == 0 ? somebody->filling : NULL; /* as many deltas */
    }
    return ok;
}

static void end_filling(bool ok)
{
    CU_ASSERT(!ok || (window.event_count == 65 && window.position_count == 65 && window.bare_count == 65));
    somebody->filling = NULL;
    close_window();
}

static bool make(void)
{
    return window_init(&window, &pool, 2);
}

static void end_making(bool ok)
{
    (void)ok;
    window_free(&window);
}

static void test_no_memory(void)
{
    check_allocations("a window", NULL, make, end_making);
    check_allocations("what it holds", begin_filling, fill, end_filling);
}

static void test_reset(void)
{
    const churn_record from = {.topic = "t"};
    open_window();
    struct customer *c = customer("c");
    struct delta *delta = window_delta(&window, c, &registry);
    CU_ASSERT(window_note_position(&window, 1, 1) && add_event(delta, "", 0, 1, 1, NOT_LATE));
    CU_ASSERT_PTR_NOT_NULL(window_add_output(&window, CHURN_RECORD_EVENT, &from));
    window.state = WINDOW_EMITTING;
    window.stored = window.sinks[0].cursor = window.sinks[1].cursor = 1;
    window.sinks[1].unanswered = 1;
    CU_ASSERT(window.arena.bytes > 0);
    c->filling = NULL;
    window_reset(&window, 2);
    CU_ASSERT_EQUAL(window.state, WINDOW_FREE);
    CU_ASSERT(window.event_count == 0 && window.delta_count == 0 && window.output_count == 0 &&
              window.position_count == 0);
    CU_ASSERT(window.record_count == 0 && window.stored == 0 && window.arena.bytes == 0);
    CU_ASSERT(window.sinks[0].cursor == 0 && window.sinks[1].cursor == 0 && window.sinks[1].unanswered == 0);
    close_window();
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_positions),
        TEST(test_events_of_each_customer),
        TEST(test_ranges_of_a_delta),
        TEST(test_a_new_delta_is_empty),
        TEST(test_outputs),
        TEST(test_witnesses),
        TEST(test_passed),
        TEST(test_bare_letters),
        TEST(test_a_cut_letter_that_says_it_is_encrypted),
        TEST(test_late_events),
        TEST(test_no_memory),
        TEST(test_reset),
        CU_TEST_INFO_NULL,
    };
    int status = registry_init(&registry) ? run_tests_without_leaks("window", tests) : 1;
    registry_free(&registry);
    arena_pool_free(&pool);
    return status;
}
