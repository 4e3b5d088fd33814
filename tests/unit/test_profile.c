/* What events make of a profile: the effects of each shipped type in the store's text, merging in any order, marks,
 * reading back, and event types with callbacks. */
#include "core/event/event.h"
#include "core/profile/fold.h"
#include "core/profile/profile.h"
#include "core/profile/profile_render.h"

#include "no_leaks.h"
#include "types_fixture.h"
#include <time.h>

#define BASE_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00.000Z */
#define HOUR_MS 3600000
#define DAY_MS 86400000

/* --- A type of the test's own: everything that its callback merges is declared by a row --- */

static const char *const cb_states[] = {"new", "known", "gone", NULL};

static const churn_field cb_fields[] = {
    {"number", .type = CHURN_FIELD_INT, .min = INT64_MIN, .max = INT64_MAX},
    {"mode", .type = CHURN_FIELD_STRING},
    {"when", .type = CHURN_FIELD_TIME},
    {"note", .type = CHURN_FIELD_STRING},
};

static const churn_effect cb_effects[] = {
    {"cb_sum", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_NOTHING},
    {"cb_least", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_MIN, .from = CHURN_FROM_FIELD, .operand = "number"},
    {"cb_most", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_FIELD, .operand = "number"},
    {"cb_money", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 12345},
    {"cb_when", .type = CHURN_PROFILE_TIME, .merge = CHURN_MERGE_MIN, .from = CHURN_FROM_FIELD, .operand = "when"},
    {"cb_time", .type = CHURN_PROFILE_TIME, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_NOTHING},
    {"cb_note", .type = CHURN_PROFILE_STRING, .merge = CHURN_MERGE_LATEST, .from = CHURN_FROM_FIELD, .operand = "note"},
    {"cb_text", .type = CHURN_PROFILE_STRING, .merge = CHURN_MERGE_LATEST, .from = CHURN_FROM_NOTHING},
    {"cb_state", .type = CHURN_PROFILE_STATE, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_NOTHING,
     .states = cb_states},
};

static const churn_derived cb_derived[] = {
    {"cb_rate", .kind = CHURN_DERIVE_RATIO, .numerator = "cb_sum", .denominator = "cb_most", .decimals = 3},
};

/* What a callback is answered, in the order of its calls. */
static int32_t answers[16];
static size_t answer_count;

static void note_answer(int32_t answer)
{
    if (answer_count < COUNT(answers)) {
        answers[answer_count++] = answer;
    }
}

static void merge(churn_delta *delta, const char *field, int64_t operand)
{
    note_answer(delta->merge(delta, field, operand));
}

static void merge_text(churn_delta *delta, const char *field, const char *text)
{
    note_answer(delta->merge_text(delta, field, (churn_str){.ptr = text, .len = (uint32_t)strlen(text)}));
}

static bool has_mode(const churn_event *event, const char *mode)
{
    const churn_value *value = churn_event_value(event, "mode");
    return value != NULL && value->text.len == strlen(mode) && memcmp(value->text.ptr, mode, strlen(mode)) == 0;
}

/* Each call that is refused, and what is said of it. */
#define WRONG_MERGES 14
static const char *const wrong_words[WRONG_MERGES] = {
    "apply merges into 'no_such_field', which its effects do not declare (a row with CHURN_FROM_NOTHING does)",
    "apply merges into 'events_total', which its effects do not declare", /* the core's */
    "apply merges into 'login_count', which its effects do not declare",  /* another plugin's */
    "apply merges into 'cb_rate', which is derived: it is computed from other fields",
    "apply merges into 'cb_text', a text, with `merge`; texts take `merge_text`",
    "apply merges into 'cb_sum', of type int, with `merge_text`; it takes `merge`",
    "apply merges into 'events_total', which its effects do not declare",
    "apply merges into 'cb_state', whose states are 0 to 2, what is none of them",
    "apply merges into 'cb_state', whose states are 0 to 2, what is none of them",
    "apply merges into 'cb_time', a time, what is not of the years 0 to 9999",
    "apply merges into 'cb_time', a time, what is not of the years 0 to 9999",
    "apply merges into '(NULL)', which its effects do not declare",
    "apply merges into 'cb_text', a text that is NULL",
    "apply merges into '', which its effects do not declare",
};

static void wrong_merge(churn_delta *delta, int64_t which)
{
    static const struct {
        const char *field;
        const char *text; /* NULL: `number` */
        int64_t number;
    } calls[] = {{"no_such_field", NULL, 1},
                 {"events_total", NULL, 1},
                 {"login_count", NULL, 1},
                 {"cb_rate", NULL, 1},
                 {"cb_text", NULL, 1},
                 {"cb_sum", "1", 0},
                 {"events_total", "1", 0},
                 {"cb_state", NULL, 3},
                 {"cb_state", NULL, -1},
                 {"cb_time", NULL, INT64_C(253402300800000)}, /* the year 10000 */
                 {"cb_time", NULL, INT64_C(-62167219200001)},
                 {NULL, NULL, 1},
                 {"cb_text", "", 0},
                 {"", NULL, 1}};
    if (calls[which].text == NULL) {
        merge(delta, calls[which].field, calls[which].number);
    } else if (*calls[which].text == '\0') {
        note_answer(delta->merge_text(delta, calls[which].field, (churn_str){.len = 1}));
    } else {
        merge_text(delta, calls[which].field, calls[which].text);
    }
}

static int32_t cb_apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    answer_count = 0;
    if (has_mode(event, "all") || has_mode(event, "reject") || has_mode(event, "fatal")) {
        merge(delta, "cb_sum", 40);
        merge(delta, "cb_sum", 2);
        merge(delta, "cb_money", 5);
        merge(delta, "cb_time", BASE_MS);
        merge(delta, "cb_state", 1);
        merge_text(delta, "cb_text", "from the callback");
    }
    if (has_mode(event, "wrong") || has_mode(event, "worse")) {
        merge(delta, "cb_sum", 1);
        wrong_merge(delta, churn_event_value(event, "number")->number);
        merge(delta, "cb_sum", 1);
    }
    if (has_mode(event, "worse")) {
        return churn_fail(err, CHURN_FATAL, "another word");
    }
    if (has_mode(event, "reject")) {
        return churn_fail(err, CHURN_REJECT, "not this one");
    }
    return has_mode(event, "fatal") ? churn_fail(err, CHURN_FATAL, "broken") : CHURN_OK;
}

static const churn_event_type cb_type = {.size = sizeof cb_type,
                                         .fields = cb_fields,
                                         .field_count = COUNT(cb_fields),
                                         .field_stride = sizeof(churn_field),
                                         .effects = cb_effects,
                                         .effect_count = COUNT(cb_effects),
                                         .effect_stride = sizeof(churn_effect),
                                         .derived = cb_derived,
                                         .derived_count = COUNT(cb_derived),
                                         .derived_stride = sizeof(churn_derived),
                                         .apply = cb_apply};

/* --- Two worlds: the shipped types alone, and with the test's own --- */

struct world {
    struct types_fixture types;
    struct event_decoder *decoder;
    struct parts parts;
    struct arena_pool pool;
    struct arena arena;
    struct fold_buffer folder;
    struct profile_text rendered;
    struct fields *delta;
    churn_error error;
};

static struct world shipped, extended;

static bool world_init(struct world *w, const churn_plugin *const *own, size_t count)
{
    memset(w, 0, sizeof *w);
    w->arena.pool = &w->pool;
    w->error.size = sizeof w->error;
    if (!types_load(&w->types, own, count)) {
        (void)fprintf(stderr, "%s\n", w->types.message);
        return false;
    }
    w->decoder = event_decoder_new(&w->types.catalog);
    w->delta = malloc(fields_size(&w->types.catalog.registry));
    if (w->delta != NULL) {
        fields_clear(w->delta);
    }
    return w->decoder != NULL && w->delta != NULL && fold_buffer_init(&w->folder, &w->types.catalog, &w->parts);
}

static void world_free(struct world *w)
{
    fold_buffer_free(&w->folder);
    free(w->delta);
    profile_text_free(&w->rendered);
    event_decoder_free(w->decoder);
    parts_free(&w->parts);
    arena_reset(&w->arena);
    arena_pool_free(&w->pool);
    types_free(&w->types);
}

static const struct registry *registry_of(const struct world *w)
{
    return &w->types.catalog.registry;
}

/* An event and where it stood. */
struct given {
    int64_t time_ms;
    const char *type, *data;
    const char *topic;
    int32_t partition;
    int64_t offset;
};

static int32_t fold(struct world *w, const struct given *given, struct fields *into)
{
    char text[2048 + JSON_SCAN_PADDING] = "";
    struct reject reject;
    churn_event event;
    const struct event_type *type;
    int len = snprintf(
        text, sizeof text,
        "{\"event_id\":\"e\",\"event_type\":\"%s\",\"customer_id\":\"c\",\"timestamp\":\"1970-01-01T00:00:00Z\","
        "\"data\":%s}",
        given->type, given->data);
    type = event_decode(w->decoder, text, (size_t)len, &event, &reject);
    if (type == NULL) {
        (void)fprintf(stderr, "%s: %s\n", text, reject.detail);
        abort();
    }
    event.timestamp_ms = given->time_ms;
    event.topic = (churn_str){.ptr = given->topic, .len = (uint32_t)strlen(given->topic)};
    event.partition = given->partition;
    event.offset = given->offset;
    w->error.message[0] = '\0';
    return fold_event(&w->folder, type, &event, parts_find_text(&w->parts, event.topic, given->partition), into,
                      &w->arena, &w->error);
}

/* Merges what was folded so far into the profile. */
static void merge_delta(struct world *w, struct profile *profile)
{
    CU_ASSERT(profile_merge(profile, w->delta, registry_of(w), &w->parts));
    fields_clear(w->delta);
    arena_reset(&w->arena);
}

static void apply(struct world *w, struct profile *profile, const struct given *given)
{
    CU_ASSERT_EQUAL(fold(w, given, w->delta), CHURN_OK);
    merge_delta(w, profile);
}

static void apply_at(struct world *w, struct profile *profile, int64_t time_ms, const char *type, const char *data)
{
    apply(w, profile, &(struct given){time_ms, type, data, "t", 0, 1});
}

static int by_name(const void *a, const void *b)
{
    const churn_pair *x = a, *y = b;
    size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = memcmp(x->name.ptr, y->name.ptr, len);
    return order != 0 ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

enum shown { ALL, NO_TAGS, NO_CORE };

static bool is_shown(const struct world *w, churn_str name, enum shown shown)
{
    bool tag = name.len >= 3 && memcmp(name.ptr, "_l:", 3) == 0;
    int32_t field = name_index_find(&registry_of(w)->names, name.ptr, name.len);
    return shown == ALL || (!tag && (shown == NO_TAGS || field < 0 || field >= FIELD_CORE_COUNT));
}

/* What a write of the profile would hold now, sorted: "name=value name=value". */
static const char *changes(struct world *w, const struct profile *profile, enum shown shown)
{
    static char text[16384];
    char *at = text;
    profile_render(profile, registry_of(w), &w->parts, churn_text("c1"), &w->rendered);
    CU_ASSERT(!w->rendered.failed);
    qsort(w->rendered.pairs, w->rendered.count, sizeof *w->rendered.pairs, by_name);
    *at = '\0';
    for (uint32_t i = 0; i < w->rendered.count; i++) {
        const churn_pair *pair = &w->rendered.pairs[i];
        if (is_shown(w, pair->name, shown)) {
            at += sprintf(at, "%s%.*s=%.*s", at == text ? "" : " ", (int)pair->name.len, pair->name.ptr,
                          (int)pair->value.len, pair->value.ptr);
        }
    }
    return text;
}

static struct profile *empty_profile(const struct world *w)
{
    struct profile *profile = profile_new(registry_of(w));
    if (profile == NULL) {
        abort();
    }
    return profile;
}

static void check_effect(const char *type, const char *data, const char *expected)
{
    struct profile *profile = empty_profile(&shipped);
    apply_at(&shipped, profile, BASE_MS + 1, type, data);
    check_text(changes(&shipped, profile, NO_CORE), expected, type);
    profile_free(profile, registry_of(&shipped));
}

/* --- What each type does --- */

#define ACTIVE "subscription_status=active"

static void test_effects_of_each_type(void)
{
    check_effect(
        "order_placed", "{\"order_id\":\"o\",\"order_value\":99.99,\"items_count\":3,\"payment_method\":\"card\"}",
        "average_order_value=99.99 items_purchased=3 last_order_at=2026-01-01T00:00:00.001Z order_count=1 " ACTIVE
        " total_spent=99.99");
    check_effect("order_cancelled", "{\"order_id\":\"o\",\"reason\":\"r\"}", "orders_cancelled=1 " ACTIVE);
    check_effect("payment_failed", "{\"amount\":0.1234}",
                 "failed_amount=0.1234 last_payment_failure_at=2026-01-01T00:00:00.001Z payment_failures=1 " ACTIVE);
    check_effect("support_ticket_created", "{\"ticket_id\":\"t\",\"priority\":\"urgent\"}",
                 ACTIVE " support_tickets=1");
    check_effect("email_opened", "{\"campaign_id\":\"c\"}", "email_click_rate=0.0000 emails_opened=1 " ACTIVE);
    check_effect("email_clicked", "{\"campaign_id\":\"c\"}", "emails_clicked=1 " ACTIVE);
    check_effect("login", "{}", "last_login_at=2026-01-01T00:00:00.001Z login_count=1 logins_per_day=1.0000 " ACTIVE);
    check_effect("product_viewed", "{\"product_id\":\"p\",\"seconds\":5}", "products_viewed=1 " ACTIVE);
    check_effect("cart_abandoned", "{\"cart_id\":\"c\",\"cart_value\":0.1,\"items_count\":7}",
                 "abandoned_value=0.10 carts_abandoned=1 " ACTIVE);
    check_effect("review_submitted", "{\"product_id\":\"p\",\"rating\":4}", "rating_sum=4 reviews_submitted=1 " ACTIVE);
    check_effect("refund_requested", "{\"order_id\":\"o\",\"amount\":100}",
                 "refund_amount=100.00 refunds_requested=1 " ACTIVE);
    check_effect("subscription_cancelled", "{\"plan\":\"p\"}",
                 "subscription_cancelled_at=2026-01-01T00:00:00.001Z subscription_status=cancelled");
}

static void test_fields_of_every_event(void)
{
    struct profile *profile = empty_profile(&shipped);
    apply(&shipped, profile,
          &(struct given){BASE_MS + 1, "order_cancelled", "{\"order_id\":\"o\"}", "user-events", 7, 41});
    check_text(
        changes(&shipped, profile, ALL),
        "_l:last_event_type=1767225600001 41 user-events/7 events_total=1 first_event_at=2026-01-01T00:00:00.001Z "
        "last_event_at=2026-01-01T00:00:00.001Z last_event_type=order_cancelled orders_cancelled=1 " ACTIVE,
        "order_cancelled");
    profile_free(profile, registry_of(&shipped));
}

#define ORDER(value, items)                                                                                            \
    "{\"order_id\":\"o\",\"order_value\":" value ",\"items_count\":" items ",\"payment_method\":\"card\"}"

static void test_times_are_event_times(void)
{
    struct profile *profile = empty_profile(&shipped);
    apply_at(&shipped, profile, BASE_MS + 5000, "order_placed", ORDER("10", "1"));
    apply_at(&shipped, profile, BASE_MS + 9000, "login", "{}");
    apply_at(&shipped, profile, BASE_MS - 1, "order_placed", ORDER("0.10", "2"));
    check_text(changes(&shipped, profile, NO_TAGS),
               "average_order_value=5.05 events_total=3 first_event_at=2025-12-31T23:59:59.999Z items_purchased=3 "
               "last_event_at=2026-01-01T00:00:09.000Z last_event_type=login last_login_at=2026-01-01T00:00:09.000Z "
               "last_order_at=2026-01-01T00:00:05.000Z login_count=1 logins_per_day=1.0000 order_count=2 "
               "subscription_status=active total_spent=10.10",
               "profile");
    profile_free(profile, registry_of(&shipped));
}

static void test_cancelled_stays_cancelled(void)
{
    struct profile *profile = empty_profile(&shipped);
    apply_at(&shipped, profile, BASE_MS + 5000, "subscription_cancelled", "{}");
    apply_at(&shipped, profile, BASE_MS + 9000, "login", "{}");
    apply_at(&shipped, profile, BASE_MS + 1000, "subscription_cancelled", "{}");
    check_contains(changes(&shipped, profile, NO_TAGS),
                   " subscription_cancelled_at=2026-01-01T00:00:05.000Z subscription_status=cancelled", "profile");
    profile_free(profile, registry_of(&shipped));
}

/* --- Derived fields --- */

static void check_has(struct world *w, const struct profile *profile, const char *part)
{
    check_contains(changes(w, profile, NO_TAGS), part, "changes");
}

static void check_has_not(struct world *w, const struct profile *profile, const char *part)
{
    const char *text = changes(w, profile, NO_TAGS);
    check(strstr(text, part) == NULL, "\"%s\" is in \"%s\"", part, text);
}

static void test_average_rounds_half_to_even(void)
{
    static const struct {
        const char *value, *expected;
    } cases[] = {
        {"0.005", "average_order_value=0.00 "},  {"0.015", "average_order_value=0.02 "},
        {"0.0251", "average_order_value=0.03 "}, {"2.675", "average_order_value=2.68 "},
        {"1.005", "average_order_value=1.00 "},  {"999999999999.9999", "average_order_value=1000000000000.00 "}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char data[256];
        struct profile *profile = empty_profile(&shipped);
        (void)snprintf(data, sizeof data, ORDER("%s", "1"), cases[i].value);
        apply_at(&shipped, profile, BASE_MS, "order_placed", data);
        check_has(&shipped, profile, cases[i].expected);
        profile_free(profile, registry_of(&shipped));
    }
    struct profile *profile = empty_profile(&shipped);
    for (int i = 0; i < 3; i++) {
        apply_at(&shipped, profile, BASE_MS, "order_placed", i == 0 ? ORDER("100", "1") : ORDER("0", "1"));
    }
    check_has(&shipped, profile, "average_order_value=33.33 ");
    profile_free(profile, registry_of(&shipped));
}

static void test_click_rate(void)
{
    struct profile *profile = empty_profile(&shipped);
    apply_at(&shipped, profile, BASE_MS, "email_clicked", "{\"campaign_id\":\"c\"}");
    apply_at(&shipped, profile, BASE_MS, "email_clicked", "{\"campaign_id\":\"c\"}");
    check_has_not(&shipped, profile, "email_click_rate");
    for (int i = 0; i < 3; i++) {
        apply_at(&shipped, profile, BASE_MS, "email_opened", "{\"campaign_id\":\"c\"}");
    }
    check_has(&shipped, profile, "email_click_rate=0.6667 emails_clicked=2 emails_opened=3 ");
    profile_saved(profile);
    apply_at(&shipped, profile, BASE_MS, "email_opened", "{\"campaign_id\":\"c\"}");
    check_has(&shipped, profile, "email_click_rate=0.5000 emails_opened=4 events_total=6");
    profile_saved(profile);
    apply_at(&shipped, profile, BASE_MS, "email_clicked", "{\"campaign_id\":\"c\"}");
    check_has(&shipped, profile, "email_click_rate=0.7500 emails_clicked=3 events_total=7");
    profile_free(profile, registry_of(&shipped));
}

/* From the first event to the last, whole days, plus one; other events stretch the time too. */
static void test_logins_per_day(void)
{
    static const struct {
        int64_t ms;
        const char *expected;
    } spans[] = {{0, "=3.0000 "},
                 {DAY_MS - 1, "=3.0000 "},
                 {DAY_MS, "=1.5000 "},
                 {2 * (int64_t)DAY_MS - 1, "=1.5000 "},
                 {2 * (int64_t)DAY_MS, "=1.0000 "},
                 {6 * (int64_t)DAY_MS, "=0.4286 "},
                 {365 * (int64_t)DAY_MS, "=0.0082 "},
                 {59999 * (int64_t)DAY_MS, "=0.0000 "}, /* 3/60000 = 0.00005: a tie, to even */
                 {59998 * (int64_t)DAY_MS, "=0.0001 "}};
    for (size_t i = 0; i < COUNT(spans); i++) {
        struct profile *profile = empty_profile(&shipped);
        char expected[64];
        apply_at(&shipped, profile, BASE_MS + spans[i].ms, "product_viewed", "{\"product_id\":\"p\"}");
        check_has_not(&shipped, profile, "logins_per_day");
        for (int k = 0; k < 3; k++) {
            apply_at(&shipped, profile, BASE_MS, "login", "{}");
        }
        (void)snprintf(expected, sizeof expected, "logins_per_day%s", spans[i].expected);
        check_has(&shipped, profile, expected);
        profile_free(profile, registry_of(&shipped));
    }
}

static void test_logins_per_day_follows_the_span(void)
{
    struct profile *profile = empty_profile(&shipped);
    apply_at(&shipped, profile, BASE_MS, "login", "{}");
    profile_saved(profile);
    apply_at(&shipped, profile, BASE_MS + HOUR_MS, "product_viewed", "{\"product_id\":\"p\"}");
    check_has_not(&shipped, profile, "login_count");
    check_has(&shipped, profile, "logins_per_day=1.0000");
    profile_saved(profile);
    apply_at(&shipped, profile, BASE_MS - 3 * (int64_t)DAY_MS, "product_viewed", "{\"product_id\":\"p\"}");
    check_has(&shipped, profile, "logins_per_day=0.2500");
    profile_saved(profile);
    apply_at(&shipped, profile, BASE_MS, "product_viewed", "{\"product_id\":\"p\"}");
    check_has_not(&shipped, profile, "logins_per_day");
    profile_free(profile, registry_of(&shipped));
}

/* --- Sums --- */

static void test_sums_beyond_64_bits(void)
{
    struct profile *profile = empty_profile(&shipped);
    for (int i = 0; i < 2000; i++) {
        struct given given = {BASE_MS, "order_placed", ORDER("999999999999.9999", "9223372036854775807"), "t", 0, i};
        CU_ASSERT_EQUAL(fold(&shipped, &given, shipped.delta), CHURN_OK);
        if (i % 3 == 0) {
            merge_delta(&shipped, profile);
        }
    }
    merge_delta(&shipped, profile);
    check_has(&shipped, profile, "items_purchased=18446744073709551614000 ");
    check_has(&shipped, profile, "total_spent=1999999999999999.80");
    check_has(&shipped, profile, "average_order_value=1000000000000.00 ");
    profile_free(profile, registry_of(&shipped));
}

/* --- Order of events --- */

static void check_winner(const struct given *a, const struct given *b, const char *winner, const char *what)
{
    char expected[64], tag[128];
    const struct given *won = strcmp(a->type, winner) == 0 ? a : b;
    (void)snprintf(expected, sizeof expected, "last_event_type=%s ", winner);
    (void)snprintf(tag, sizeof tag, "_l:last_event_type=%lld %lld %s/%d ", (long long)won->time_ms,
                   (long long)won->offset, won->topic, won->partition);
    for (int way = 0; way < 4; way++) { /* either order, in one window and in two */
        struct profile *profile = empty_profile(&shipped);
        CU_ASSERT_EQUAL(fold(&shipped, way & 1 ? a : b, shipped.delta), CHURN_OK);
        if (way & 2) {
            merge_delta(&shipped, profile);
        }
        CU_ASSERT_EQUAL(fold(&shipped, way & 1 ? b : a, shipped.delta), CHURN_OK);
        merge_delta(&shipped, profile);
        check_contains(changes(&shipped, profile, ALL), expected, what);
        check_contains(changes(&shipped, profile, ALL), tag, what);
        profile_free(profile, registry_of(&shipped));
    }
}

static void test_ties_of_the_last_type(void)
{
    static const char view[] = "{\"product_id\":\"p\"}";
    check_winner(&(struct given){BASE_MS, "login", "{}", "z", 9, 99},
                 &(struct given){BASE_MS + 1, "product_viewed", view, "a", 0, 0}, "product_viewed", "a later time");
    check_winner(&(struct given){BASE_MS, "login", "{}", "a", 9, 99},
                 &(struct given){BASE_MS, "product_viewed", view, "b", 0, 0}, "product_viewed", "a higher topic");
    check_winner(&(struct given){BASE_MS, "login", "{}", "topic", 9, 99},
                 &(struct given){BASE_MS, "product_viewed", view, "topic2", 0, 0}, "product_viewed", "a longer topic");
    check_winner(&(struct given){BASE_MS, "login", "{}", "Z", 9, 99},
                 &(struct given){BASE_MS, "product_viewed", view, "a", 0, 0}, "product_viewed",
                 "topics by their bytes");
    check_winner(&(struct given){BASE_MS, "login", "{}", "z", 9, 99},
                 &(struct given){BASE_MS, "product_viewed", view, "\xc3\xa9", 0, 0}, "product_viewed",
                 "bytes are unsigned");
    check_winner(&(struct given){BASE_MS, "login", "{}", "t", 2, 99},
                 &(struct given){BASE_MS, "product_viewed", view, "t", 10, 0}, "product_viewed", "a higher partition");
    check_winner(&(struct given){BASE_MS, "login", "{}", "t", 1, 9},
                 &(struct given){BASE_MS, "product_viewed", view, "t", 1, 10}, "product_viewed", "a higher offset");
    check_winner(&(struct given){-1, "login", "{}", "t", 1, 9}, &(struct given){0, "product_viewed", view, "t", 1, 2},
                 "product_viewed", "times before 1970");
}

#define SHUFFLED 300

static struct given random_event(uint64_t *state, int64_t offset)
{
    static const struct given kinds[] = {
        {.type = "order_placed", .data = ORDER("12.3456", "2")},
        {.type = "order_placed", .data = ORDER("999999999999.9999", "1")},
        {.type = "login", .data = "{}"},
        {.type = "email_opened", .data = "{\"campaign_id\":\"c\"}"},
        {.type = "email_clicked", .data = "{\"campaign_id\":\"c\"}"},
        {.type = "subscription_cancelled", .data = "{}"},
        {.type = "payment_failed", .data = "{\"amount\":0.0001}"},
        {.type = "product_viewed", .data = "{\"product_id\":\"p\"}"},
        {.type = "cb", .data = "{\"mode\":\"all\",\"number\":-5,\"note\":\"one\",\"when\":\"2020-01-01T00:00:00Z\"}"},
        {.type = "cb", .data = "{\"number\":9223372036854775807,\"note\":\"another, longer than the one before it\"}"}};
    static const char *const topics[] = {"user-events", "customer-events"};
    struct given given = kinds[next_random(state) % COUNT(kinds)];
    given.time_ms = BASE_MS + (int64_t)(next_random(state) % 40) * HOUR_MS * 7; /* many ties */
    given.topic = topics[next_random(state) % 2];
    given.partition = (int32_t)(next_random(state) % 3);
    given.offset = offset;
    return given;
}

/* Whatever the order and however cut into windows: one result. */
static void test_any_order_and_any_windows(void)
{
    static struct given events[SHUFFLED];
    uint64_t state = 4;
    char first[8192] = "";
    for (int i = 0; i < SHUFFLED; i++) {
        events[i] = random_event(&state, i);
    }
    for (int round = 0; round < 200; round++) {
        struct profile *profile = empty_profile(&extended);
        uint64_t window = 1 + next_random(&state) % 50;
        for (int i = SHUFFLED - 1; i > 0 && round > 0; i--) {
            size_t other = next_random(&state) % ((size_t)i + 1);
            struct given swapped = events[i];
            events[i] = events[other];
            events[other] = swapped;
        }
        for (int i = 0; i < SHUFFLED; i++) {
            CU_ASSERT_EQUAL(fold(&extended, &events[i], extended.delta), CHURN_OK);
            if (next_random(&state) % window == 0) {
                merge_delta(&extended, profile);
            }
        }
        merge_delta(&extended, profile);
        const char *text = changes(&extended, profile, ALL);
        if (round == 0) {
            (void)snprintf(first, sizeof first, "%s", text);
        }
        check_text(text, first, "shuffled");
        profile_free(profile, registry_of(&extended));
    }
    check_contains(first, "events_total=300 ", "profile");
}

/* --- Writing what changed, reading it back --- */

static void test_only_changes_are_written(void)
{
    struct profile *profile = empty_profile(&shipped);
    apply_at(&shipped, profile, BASE_MS, "order_placed", ORDER("10", "1"));
    CU_ASSERT(profile_set_mark(profile, parts_find_text(&shipped.parts, (churn_str){.ptr = "t", .len = 1}, 0), 8));
    check_contains(changes(&shipped, profile, ALL), "_m:t/0=8 ", "mark");
    CU_ASSERT_EQUAL(profile->version, 0);
    profile_saved(profile);
    CU_ASSERT_EQUAL(profile->version, 1);
    check_text(changes(&shipped, profile, ALL), "", "after it was saved");
    apply(&shipped, profile, &(struct given){BASE_MS - 5, "product_viewed", "{\"product_id\":\"p\"}", "t", 0, 9});
    check_text(changes(&shipped, profile, ALL),
               "events_total=2 first_event_at=2025-12-31T23:59:59.995Z products_viewed=1", "an older event");
    profile_saved(profile);
    apply(&shipped, profile, &(struct given){BASE_MS, "product_viewed", "{\"product_id\":\"p\"}", "t", 0, 10});
    check_text(
        changes(&shipped, profile, ALL),
        "_l:last_event_type=1767225600000 10 t/0 events_total=3 last_event_type=product_viewed products_viewed=2",
        "an event of the same time");
    profile_saved(profile);
    CU_ASSERT_EQUAL(profile->version, 3);
    profile_free(profile, registry_of(&shipped));
}

static void test_marks(void)
{
    struct profile *profile = empty_profile(&shipped);
    struct parts *parts = &shipped.parts;
    uint32_t a = parts_find_text(parts, (churn_str){.ptr = "user-events", .len = 11}, 3);
    uint32_t b = parts_find_text(parts, (churn_str){.ptr = "user-events", .len = 11}, 12);
    CU_ASSERT_EQUAL(profile_mark(profile, a), 0);
    CU_ASSERT(profile_set_mark(profile, a, 100));
    CU_ASSERT(profile_set_mark(profile, b, INT64_MAX));
    CU_ASSERT_EQUAL(profile_mark(profile, a), 100);
    CU_ASSERT_EQUAL(profile_mark(profile, b), INT64_MAX);
    check_text(changes(&shipped, profile, ALL), "_m:user-events/12=9223372036854775807 _m:user-events/3=100", "marks");
    profile_saved(profile);
    CU_ASSERT(profile_set_mark(profile, a, 99)); /* never back */
    CU_ASSERT(profile_set_mark(profile, a, 100));
    check_text(changes(&shipped, profile, ALL), "", "no mark moved");
    CU_ASSERT_EQUAL(profile_mark(profile, a), 100);
    CU_ASSERT(profile_set_mark(profile, a, 101));
    check_text(changes(&shipped, profile, ALL), "_m:user-events/3=101", "one mark moved");
    profile_free(profile, registry_of(&shipped));
}

static void check_late(const struct profile *profile, uint32_t part, const bool *late, int64_t count)
{
    int64_t last = -1;
    for (int64_t i = 0; i < count; i++) {
        check(profile_is_late(profile, part, i) == late[i], "offset %lld", (long long)i);
        last = late[i] ? i : last;
    }
    for (int64_t i = 0; i < count; i++) {
        check(profile_has_late_from(profile, part, i) == (last >= i), "from offset %lld", (long long)i);
    }
}

static void test_late_offsets(void)
{
    struct profile *profile = empty_profile(&shipped);
    size_t bytes = profile_bytes(profile, registry_of(&shipped));
    uint32_t a = parts_find_text(&shipped.parts, (churn_str){.ptr = "user-events", .len = 11}, 3);
    uint32_t b = parts_find_text(&shipped.parts, (churn_str){.ptr = "user-events", .len = 11}, 12);
    CU_ASSERT(profile->late == NULL && !profile_is_late(profile, a, 0) && !profile_has_late_from(profile, a, 0));
    CU_ASSERT(profile_add_late(profile, a, 5) && profile_add_late(profile, a, 12) && profile_add_late(profile, a, 14));
    check_text(changes(&shipped, profile, ALL), "_r:user-events/3=5,12,14", "single offsets");
    CU_ASSERT(profile_add_late(profile, a, 13) && profile_add_late(profile, a, 9) && profile_add_late(profile, a, 15));
    check_text(changes(&shipped, profile, ALL), "_r:user-events/3=5,9,12-15", "a gap closes");
    CU_ASSERT(profile_bytes(profile, registry_of(&shipped)) > bytes);
    profile_saved(profile);
    CU_ASSERT(profile_add_late(profile, a, 13) && profile_add_late(profile, a, 5));
    check_text(changes(&shipped, profile, ALL), "", "nothing new");
    CU_ASSERT(profile_add_late(profile, b, INT64_MAX - 1) && profile_add_late(profile, b, 0));
    check_text(changes(&shipped, profile, ALL), "_r:user-events/12=0,9223372036854775806", "another partition");
    CU_ASSERT(profile_add_late(profile, a, 4));
    check_text(changes(&shipped, profile, ALL), "_r:user-events/12=0,9223372036854775806 _r:user-events/3=4-5,9,12-15",
               "both");
    profile_free(profile, registry_of(&shipped));
}

/* A copy of what is rendered, since the next rendering takes its place. */
struct stored {
    churn_pair pairs[128];
    uint32_t count;
    char bytes[16384];
};

static void store(struct stored *stored, const struct world *w)
{
    char *at = stored->bytes;
    stored->count = w->rendered.count;
    for (uint32_t i = 0; i < stored->count; i++) {
        const churn_pair *from = &w->rendered.pairs[i];
        stored->pairs[i].name = (churn_str){.ptr = memcpy(at, from->name.ptr, from->name.len), .len = from->name.len};
        at += from->name.len;
        stored->pairs[i].value =
            (churn_str){.ptr = memcpy(at, from->value.ptr, from->value.len), .len = from->value.len};
        at += from->value.len;
    }
}

static bool read_pairs(const struct world *w, struct profile *profile, struct parts *parts, const churn_pair *pairs,
                       uint32_t count, char message[256])
{
    return profile_read(profile, registry_of(w), parts, churn_text("c1"), pairs, count, message, 256) == CHURN_OK;
}

/* Two profiles, each with source numbers of its own. */
static bool same_profiles(const struct registry *registry, const struct profile *a, const struct parts *parts_a,
                          const struct profile *b, const struct parts *parts_b)
{
    if (memcmp(a->fields.present, b->fields.present, sizeof a->fields.present) != 0 || a->mark_count != b->mark_count) {
        return false;
    }
    for (uint32_t i = 0; i < registry->field_count; i++) {
        const union field_value *x = &a->fields.values[i], *y = &b->fields.values[i];
        if (!bit_get(a->fields.present, i)) {
            continue;
        }
        if (registry->fields[i].merge != CHURN_MERGE_LATEST
                ? fields_number(&a->fields, i) != fields_number(&b->fields, i)
                : x->text->len != y->text->len || memcmp(x->text->bytes, y->text->bytes, x->text->len) != 0 ||
                      x->text->time_ms != y->text->time_ms || x->text->offset != y->text->offset) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->mark_count; i++) {
        const struct part *of = &parts_a->items[a->marks[i].part];
        bool found = false;
        for (uint32_t k = 0; k < b->mark_count; k++) {
            const struct part *other = &parts_b->items[b->marks[k].part];
            found = found || (strcmp(of->topic, other->topic) == 0 && of->partition == other->partition &&
                              a->marks[i].next == b->marks[k].next);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static void test_what_is_written_reads_back(void)
{
    uint64_t state = 5;
    for (int round = 0; round < 300; round++) {
        struct profile *profile = empty_profile(&extended), *again = empty_profile(&extended);
        struct parts parts = {0};
        static struct stored stored;
        char message[256] = "", before[8192];
        for (uint64_t n = next_random(&state) % 30; n > 0; n--) {
            struct given given = random_event(&state, (int64_t)(next_random(&state) >> 1));
            apply(&extended, profile, &given);
            CU_ASSERT(profile_set_mark(
                profile,
                parts_find_text(&extended.parts, (churn_str){.ptr = given.topic, .len = (uint32_t)strlen(given.topic)},
                                given.partition),
                given.offset + 1));
        }
        (void)snprintf(before, sizeof before, "%s", changes(&extended, profile, ALL));
        store(&stored, &extended);
        check(read_pairs(&extended, again, &parts, stored.pairs, stored.count, message), "%s", message);
        check(same_profiles(registry_of(&extended), profile, &extended.parts, again, &parts), "%s", before);
        profile_render(again, registry_of(&extended), &parts, churn_text("c1"), &extended.rendered);
        CU_ASSERT_EQUAL(extended.rendered.count, 0); /* what was read is no change */
        profile_free(profile, registry_of(&extended));
        profile_free(again, registry_of(&extended));
        parts_free(&parts);
    }
}

/* A value under a name with a number, and nothing else. */
static bool read_one(const char *name, const char *value)
{
    const churn_pair pairs[] = {{.name = {.ptr = name, .len = (uint32_t)strlen(name)},
                                 .value = {.ptr = value, .len = (uint32_t)strlen(value)}}};
    struct profile *profile = empty_profile(&shipped);
    char message[256];
    bool ok = read_pairs(&shipped, profile, &shipped.parts, pairs, 1, message);
    if (!ok) {
        CU_ASSERT_PTR_NOT_NULL(strstr(message, name)); /* and never the value */
        CU_ASSERT_PTR_NULL(strstr(message, value));
    }
    profile_free(profile, registry_of(&shipped));
    return ok;
}

static void test_names_of_marks_and_late_offsets(void)
{
    static const char *const good[][2] = {{"_m:t/0", "77"}, {"_m:a/b/2147483647", "77"},
                                          {"_r:t/0", "77"}, {"_r:a/b/1", "77-78"},
                                          {"_r:", "zzz"},   {"_m:", "zzz"},
                                          {"_rank", "zzz"}, {"_r", "zzz"},
                                          {"_mark", "zzz"}};
    static const char *const bad[][2] = {{"_m:t", "77"},      {"_m:t/", "77"},           {"_m:t/x", "77"},
                                         {"_m:t/-1", "77"},   {"_m:t/2147483648", "77"}, {"_m:t/0", "zzz"},
                                         {"_r:t", "77"},      {"_r:t/", "77"},           {"_r:t/x", "77"},
                                         {"_r:t/-1", "77"},   {"_r:t/2147483648", "77"}, {"_r:t/0", "zzz"},
                                         {"_r:t/0", "78-77"}, {"_r:t/0", "77,77"}};
    for (size_t i = 0; i < COUNT(good); i++) {
        check(read_one(good[i][0], good[i][1]), "%s %s", good[i][0], good[i][1]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        check(!read_one(bad[i][0], bad[i][1]), "%s %s", bad[i][0], bad[i][1]);
    }
}

static void test_two_of_one_partition(void)
{
    static const char *const names[][2] = {{"_m:t/0", "_m:t/00"}, {"_r:t/0", "_r:t/00"}};
    for (size_t i = 0; i < COUNT(names); i++) {
        const churn_pair pairs[] = {{.name = {.ptr = names[i][0], .len = 6}, .value = {.ptr = "5", .len = 1}},
                                    {.name = {.ptr = names[i][1], .len = 7}, .value = {.ptr = "9", .len = 1}}};
        struct profile *profile = empty_profile(&shipped);
        char message[256];
        CU_ASSERT(!read_pairs(&shipped, profile, &shipped.parts, pairs, 2, message));
        profile_free(profile, registry_of(&shipped));
    }
}

/* Of a profile that cannot be read the marks are still of use. */
static void test_marks_of_a_damaged_profile(void)
{
    static const churn_pair pairs[] = {{.name = {.ptr = "_m:u/1", .len = 6}, .value = {.ptr = "5", .len = 1}},
                                       {.name = {.ptr = "events_total", .len = 12}, .value = {.ptr = "zzz", .len = 3}},
                                       {.name = {.ptr = "_m:u/0", .len = 6}, .value = {.ptr = "7", .len = 1}},
                                       {.name = {.ptr = "_r:u/0", .len = 6}, .value = {.ptr = "8", .len = 1}}};
    struct profile *profile = empty_profile(&shipped);
    churn_str topic = {.ptr = "u", .len = 1};
    char message[256];
    CU_ASSERT(!read_pairs(&shipped, profile, &shipped.parts, pairs, COUNT(pairs), message));
    CU_ASSERT_EQUAL(profile_mark(profile, parts_find_text(&shipped.parts, topic, 0)), 7);
    CU_ASSERT_EQUAL(profile_mark(profile, parts_find_text(&shipped.parts, topic, 1)), 5);
    CU_ASSERT(profile_is_late(profile, parts_find_text(&shipped.parts, topic, 0), 8));
    profile_free(profile, registry_of(&shipped));
}

#define MANY 400000
#define PROCESSOR_SECONDS 40 /* it takes one, and where the time grows with the square, minutes */

static void test_very_many_marks(void)
{
    churn_pair *pairs = calloc(2 * MANY, sizeof *pairs);
    char (*names)[24] = calloc(2 * MANY, sizeof *names), message[256] = "";
    struct profile *profile = empty_profile(&shipped);
    struct parts parts = {0};
    clock_t began = clock();
    CU_ASSERT_FATAL(pairs != NULL && names != NULL);
    for (uint32_t i = 0; i < 2 * MANY; i++) { /* in an order that is nobody's */
        uint32_t number = (uint32_t)((uint64_t)(i / 2) * 7919 % MANY);
        int len = snprintf(names[i], sizeof names[i], "%s:t/%u", i % 2 == 0 ? "_m" : "_r", number);
        pairs[i] = (churn_pair){.name = {.ptr = names[i], .len = (uint32_t)len}, .value = {.ptr = "12", .len = 2}};
    }
    check(read_pairs(&shipped, profile, &parts, pairs, 2 * MANY, message), "%s", message);
    CU_ASSERT_EQUAL(profile->mark_count, MANY);
    for (int32_t i = 0; i < MANY; i++) {
        uint32_t part = parts_find_text(&parts, (churn_str){.ptr = "t", .len = 1}, i);
        if (profile_mark(profile, part) != 12 || !profile_is_late(profile, part, 12)) {
            CU_FAIL("a mark is lost");
        }
    }
    check((clock() - began) / CLOCKS_PER_SEC < PROCESSOR_SECONDS, "took %ld s",
          (long)((clock() - began) / CLOCKS_PER_SEC));
    profile_free(profile, registry_of(&shipped));
    parts_free(&parts);
    free(pairs);
    free(names);
}

static void test_late_offsets_read_back(void)
{
    uint64_t state = 11;
    uint32_t part = parts_find_text(&shipped.parts, (churn_str){.ptr = "t", .len = 1}, 0);
    for (int round = 0; round < 300; round++) {
        struct profile *profile = empty_profile(&shipped), *again = empty_profile(&shipped);
        static struct stored stored;
        bool late[70] = {false};
        char message[256] = "", before[4096];
        for (uint64_t n = 1 + next_random(&state) % 100; n > 0; n--) {
            uint64_t offset = next_random(&state) % COUNT(late);
            late[offset] = true;
            CU_ASSERT(profile_add_late(profile, part, (int64_t)offset));
        }
        check_late(profile, part, late, COUNT(late));
        (void)snprintf(before, sizeof before, "%s", changes(&shipped, profile, ALL));
        store(&stored, &shipped);
        check(read_pairs(&shipped, again, &shipped.parts, stored.pairs, stored.count, message), "%s", message);
        check_late(again, part, late, COUNT(late));
        check_text(changes(&shipped, again, ALL), "", before); /* what was read is no change */
        profile_free(profile, registry_of(&shipped));
        profile_free(again, registry_of(&shipped));
    }
}

static void test_stored_late_offsets_that_are_none(void)
{
    static const char *const bad[] = {"",      "x",     "-1",    "5-",   "-",    "5-5",
                                      "6-5",   "5,5",   "5,6",   "5,",   ",5",   "6,5",
                                      "5-7,8", "5-7,6", "1-2-3", "1,,2", "1, 2", "9223372036854775808"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct profile *profile = empty_profile(&shipped);
        const churn_pair pair = {.name = {.ptr = "_r:t/0", .len = 6},
                                 .value = {.ptr = bad[i], .len = (uint32_t)strlen(bad[i])}};
        char message[256] = "";
        check(!read_pairs(&shipped, profile, &shipped.parts, &pair, 1, message), "taken: '%s'", bad[i]);
        check_contains(message, "_r:t/0", bad[i]);
        profile_free(profile, registry_of(&shipped));
    }
}

/* A profile that was read goes on as the one in memory does. */
static void test_reading_and_going_on(void)
{
    struct profile *profile = empty_profile(&shipped), *again = empty_profile(&shipped);
    static struct stored stored;
    char message[256] = "", expected[4096];
    apply_at(&shipped, profile, BASE_MS, "order_placed", ORDER("10", "1"));
    (void)changes(&shipped, profile, ALL);
    store(&stored, &shipped);
    profile_saved(profile);
    CU_ASSERT(read_pairs(&shipped, again, &shipped.parts, stored.pairs, stored.count, message));
    for (int i = 0; i < 2; i++) {
        apply_at(&shipped, i == 0 ? profile : again, BASE_MS + DAY_MS, "order_placed", ORDER("5.005", "2"));
    }
    (void)snprintf(expected, sizeof expected, "%s", changes(&shipped, profile, ALL));
    check_text(changes(&shipped, again, ALL), expected, "after the same event");
    check_contains(expected, "average_order_value=7.50 ", "7.5025");
    check_contains(expected, "total_spent=15.005", "the sum");
    profile_free(profile, registry_of(&shipped));
    profile_free(again, registry_of(&shipped));
}

#define PAIR(name_, value_)                                                                                            \
    {.name = {.ptr = (name_), .len = sizeof(name_) - 1}, .value = {.ptr = (value_), .len = sizeof(value_) - 1}}

static void test_stored_values_that_are_no_values(void)
{
    static const churn_pair bad[] = {
        PAIR("events_total", ""),
        PAIR("events_total", "x"),
        PAIR("events_total", "1.5"),
        PAIR("events_total", " 1"),
        PAIR("events_total", "1000000000000000000000000000000000000000"),
        PAIR("total_spent", "12,50"),
        PAIR("total_spent", "1.23456"),
        PAIR("total_spent", "9999999999999999999999999999999999999.00"),
        PAIR("total_spent", "NaN"),
        PAIR("first_event_at", "1767225600000"),
        PAIR("first_event_at", "2026-02-30T00:00:00.000Z"),
        PAIR("last_order_at", ""),
        PAIR("subscription_status", "paused"),
        PAIR("subscription_status", ""),
        PAIR("subscription_status", "active "),
        PAIR("_m:t/0", ""),
        PAIR("_m:t/0", "0"),
        PAIR("_m:t/0", "-1"),
        PAIR("_m:t/0", "1.5"),
        PAIR("_m:t/0", "9223372036854775808"),
        PAIR("_m:t", "1"),
        PAIR("_m:t/", "1"),
        PAIR("_m:t/x", "1"),
        PAIR("_m:t/-1", "1"),
        PAIR("_m:t/2147483648", "1"),
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct profile *profile = empty_profile(&shipped);
        churn_pair pairs[] = {PAIR("login_count", "5"), bad[i]};
        char message[256] = "", name[64];
        (void)snprintf(name, sizeof name, "%.*s", (int)bad[i].name.len, bad[i].name.ptr);
        check(!read_pairs(&shipped, profile, &shipped.parts, pairs, 2, message), "%s=%.*s was taken", name,
              (int)bad[i].value.len, bad[i].value.ptr);
        check_contains(message, name, "message");
        profile_free(profile, registry_of(&shipped));
    }
}

/* What a NUL cuts is another topic, whose mark would be written over. */
static void test_topics_with_a_nul(void)
{
    const churn_pair pairs[][2] = {
        {PAIR("_m:t\0x/0", "4"), PAIR("_m:t/0", "5")},
        {PAIR("_r:\0/0", "4"), PAIR("_m:t/0", "5")},
        {PAIR("last_event_type", "login"), PAIR("_l:last_event_type", "1 2 t\0/3")},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct profile *profile = empty_profile(&shipped);
        char message[256] = "";
        check(!read_pairs(&shipped, profile, &shipped.parts, pairs[i], 2, message), "case %zu was taken", i);
        check_contains(message, "holds what this program did not write", "message");
        profile_free(profile, registry_of(&shipped));
    }
}

static void test_stored_tags_that_are_no_tags(void)
{
    static const char *const bad[] = {"",       "x",       "1767225600000", "1 2",      "1 2 t",    "1 2 t/x",
                                      "1  t/0", "x 2 t/0", "1 x t/0",       "1 2 t/-1", " 1 2 t/0", "1.0 2 t/0"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct profile *profile = empty_profile(&shipped);
        churn_pair pairs[] = {PAIR("last_event_type", "login"), PAIR("_l:last_event_type", "")};
        char message[256] = "";
        pairs[1].value = (churn_str){.ptr = bad[i], .len = (uint32_t)strlen(bad[i])};
        check(!read_pairs(&shipped, profile, &shipped.parts, pairs, 2, message), "tag '%s' was taken", bad[i]);
        profile_free(profile, registry_of(&shipped));
    }
    struct profile *profile = empty_profile(&shipped);
    churn_pair good[] = {PAIR("_l:last_event_type", "-5 7 a/b c/3"), PAIR("last_event_type", "login")};
    char message[256] = "";
    CU_ASSERT(read_pairs(&shipped, profile, &shipped.parts, good, 2, message));
    const struct text_value *text = profile->fields.values[FIELD_LAST_EVENT_TYPE].text;
    CU_ASSERT(text->time_ms == -5 && text->offset == 7);
    check_text(shipped.parts.items[text->part].topic, "a/b c", "a topic with a slash and a space");
    CU_ASSERT_EQUAL(shipped.parts.items[text->part].partition, 3);
    profile_free(profile, registry_of(&shipped));
}

/* A text that another program wrote has no tag: it stays until the first event, however old that is. */
static void test_a_text_without_tag_gives_way(void)
{
    struct profile *profile = empty_profile(&shipped);
    static const churn_pair pairs[] = {PAIR("last_event_type", "imported"), PAIR("login_count", "5")};
    char message[256] = "";
    CU_ASSERT(read_pairs(&shipped, profile, &shipped.parts, pairs, COUNT(pairs), message));
    check_text(changes(&shipped, profile, ALL), "", "nothing to write");
    apply_at(&shipped, profile, INT64_C(-62167219200000), "login", "{}");
    check_contains(changes(&shipped, profile, ALL), "_l:last_event_type=-62167219200000 1 t/0 ", "tag");
    check_has(&shipped, profile, " last_event_type=login ");
    profile_free(profile, registry_of(&shipped));
}

static void test_unknown_fields_are_left_alone(void)
{
    struct profile *profile = empty_profile(&shipped);
    static const churn_pair pairs[] = {PAIR("of_another_plugin", "anything"),    PAIR("_x", "?"),
                                       PAIR("_l:of_another_plugin", "?"),        PAIR("_m:", "?"),
                                       PAIR("average_order_value", "not read"),  PAIR("login_count", "5"),
                                       PAIR("subscription_status", "cancelled"), PAIR("total_spent", "-1.5")};
    char message[256] = "";
    CU_ASSERT(read_pairs(&shipped, profile, &shipped.parts, pairs, COUNT(pairs), message));
    check_text(changes(&shipped, profile, ALL), "", "nothing to write");
    apply_at(&shipped, profile, BASE_MS, "login", "{}");
    check_has(&shipped, profile, "login_count=6 ");
    check_has_not(&shipped, profile, "subscription_status");
    profile_free(profile, registry_of(&shipped));
}

/* A profile older than the plugin that declares a state gets its first state with the next event. */
static void test_states_begin_with_their_first(void)
{
    struct profile *profile = empty_profile(&shipped);
    static const churn_pair pairs[] = {PAIR("login_count", "5")};
    char message[256] = "";
    CU_ASSERT(read_pairs(&shipped, profile, &shipped.parts, pairs, 1, message));
    apply_at(&shipped, profile, BASE_MS, "product_viewed", "{\"product_id\":\"p\"}");
    check_has(&shipped, profile, " subscription_status=active");
    profile_saved(profile);
    apply_at(&shipped, profile, BASE_MS, "product_viewed", "{\"product_id\":\"p\"}");
    check_has_not(&shipped, profile, "subscription_status");
    profile_free(profile, registry_of(&shipped));
}

/* --- Callbacks --- */

static void test_callback(void)
{
    struct profile *profile = empty_profile(&extended);
    apply_at(&extended, profile, BASE_MS, "cb",
             "{\"mode\":\"all\",\"number\":-7,\"note\":\"n\",\"when\":\"1969-12-31T23:59:59.999Z\"}");
    for (size_t i = 0; i < answer_count; i++) {
        CU_ASSERT_EQUAL(answers[i], CHURN_OK);
    }
    CU_ASSERT_EQUAL(answer_count, 6);
    check_text(changes(&extended, profile, NO_TAGS),
               "cb_least=-7 cb_money=1.235 cb_most=-7 cb_note=n cb_state=known cb_sum=42 cb_text=from the callback "
               "cb_time=2026-01-01T00:00:00.000Z cb_when=1969-12-31T23:59:59.999Z events_total=1 "
               "first_event_at=2026-01-01T00:00:00.000Z last_event_at=2026-01-01T00:00:00.000Z last_event_type=cb "
               "subscription_status=active",
               "tables and callback"); /* no cb_rate: its denominator is negative */
    profile_saved(profile);
    apply_at(&extended, profile, BASE_MS, "cb", "{\"mode\":\"all\",\"number\":16}");
    check_has(&extended, profile, "cb_money=2.47 cb_most=16 cb_rate=5.250 cb_sum=84 "); /* 84 / 16 */
    profile_free(profile, registry_of(&extended));
}

static void test_callback_that_refuses_leaves_nothing(void)
{
    static const char *const modes[] = {"{\"mode\":\"reject\",\"number\":1,\"note\":\"n\"}",
                                        "{\"mode\":\"fatal\",\"number\":1}"};
    static const char *const messages[] = {"not this one", "broken"};
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct profile *profile = empty_profile(&extended);
        char before[4096];
        apply_at(&extended, profile, BASE_MS, "cb", "{\"mode\":\"all\"}");
        (void)snprintf(before, sizeof before, "%s", changes(&extended, profile, ALL));
        struct given given = {BASE_MS + 1, "cb", modes[i], "t", 0, 2};
        CU_ASSERT_EQUAL(fold(&extended, &given, extended.delta), CHURN_REJECT);
        check_text(extended.error.message, messages[i], "message");
        for (uint32_t word = 0; word < REGISTRY_WORDS; word++) {
            CU_ASSERT_EQUAL(extended.delta->present[word], 0);
        }
        merge_delta(&extended, profile);
        check_text(changes(&extended, profile, ALL), before, "after a refusal");
        apply_at(&extended, profile, BASE_MS, "cb", "{}"); /* nothing of it is left for the next event either */
        check_has(&extended, profile, " cb_sum=42 ");
        profile_free(profile, registry_of(&extended));
    }
}

/* What a callback merges and may not is no part of any profile: its event is refused, whatever it answers, and the word
 * names the field. */
static void test_callback_merges_only_what_it_declares(void)
{
    static const char *const modes[] = {"wrong", "worse"};
    for (int i = 0; i < 2 * WRONG_MERGES; i++) {
        char data[64];
        struct profile *profile = empty_profile(&extended);
        struct given given = {BASE_MS, "cb", data, "t", 0, 1};
        (void)snprintf(data, sizeof data, "{\"mode\":\"%s\",\"number\":%d}", modes[i / WRONG_MERGES], i % WRONG_MERGES);
        CU_ASSERT_EQUAL(fold(&extended, &given, extended.delta), CHURN_REJECT);
        check_contains(extended.error.message, wrong_words[i % WRONG_MERGES], data);
        check(answer_count == 3 && answers[0] == CHURN_OK && answers[1] == CHURN_FATAL && answers[2] == CHURN_OK,
              "%s: the second of three calls is refused", data);
        CU_ASSERT(extended.folder.misused);
        merge_delta(&extended, profile);
        check_text(changes(&extended, profile, NO_TAGS), "cb_state=new subscription_status=active", "profile");
        profile_free(profile, registry_of(&extended));
    }
    struct profile *profile = empty_profile(&extended); /* the next event is none the worse */
    apply_at(&extended, profile, BASE_MS, "cb", "{\"mode\":\"all\"}");
    CU_ASSERT(!extended.folder.misused);
    check_has(&extended, profile, " cb_sum=42 ");
    profile_free(profile, registry_of(&extended));
}

/* --- Declarations --- */

static struct registry registry;
static char refusal[512];

static int32_t declare(const char *owner, churn_effect effect)
{
    refusal[0] = '\0';
    return registry_declare(&registry, owner, &effect, refusal, sizeof refusal);
}

static bool derive(churn_derived derived)
{
    refusal[0] = '\0';
    return registry_derive(&registry, "a", &derived, refusal, sizeof refusal);
}

static void test_fields_have_operators_that_fit(void)
{
    static const char names[] = "?imtss";
    CU_ASSERT(registry_init(&registry));
    CU_ASSERT_EQUAL(registry.field_count, FIELD_CORE_COUNT);
    for (uint32_t type = 0; type <= 6; type++) {
        for (uint32_t how = 0; how <= 5; how++) {
            bool number = type == CHURN_PROFILE_INT || type == CHURN_PROFILE_MONEY;
            bool fits = (number && how >= CHURN_MERGE_ADD && how <= CHURN_MERGE_MAX) ||
                        (type == CHURN_PROFILE_TIME && (how == CHURN_MERGE_MIN || how == CHURN_MERGE_MAX)) ||
                        (type == CHURN_PROFILE_STRING && how == CHURN_MERGE_LATEST) ||
                        (type == CHURN_PROFILE_STATE && how == CHURN_MERGE_MAX);
            static char field[64][8];
            char *name = field[type * 6 + how];
            (void)snprintf(name, 8, "%c%u%u", names[type < 6 ? type : 0], type, how);
            int32_t index =
                declare("a", (churn_effect){.field = name, .type = type, .merge = how, .states = cb_states});
            check((index >= 0) == fits, "type %u, operator %u: %d %s", type, how, index, refusal);
            check((refusal[0] == '\0') == fits, "message '%s'", refusal);
        }
    }
    registry_free(&registry);
}

static void test_declarations_that_differ(void)
{
    static const char *const fewer[] = {"new", "known", NULL}, *const other[] = {"new", "known", "lost", NULL},
                             *const same[] = {"new", "known", "gone", NULL}, *const none[] = {NULL};
    CU_ASSERT(registry_init(&registry));
    int32_t sum = declare("a", (churn_effect){.field = "sum", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD});
    int32_t state = declare(
        "a",
        (churn_effect){.field = "state", .type = CHURN_PROFILE_STATE, .merge = CHURN_MERGE_MAX, .states = cb_states});
    CU_ASSERT(sum == FIELD_CORE_COUNT && state == FIELD_CORE_COUNT + 1);
    CU_ASSERT_EQUAL(
        declare("b", (churn_effect){.field = "sum", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .help = "x"}),
        sum);
    CU_ASSERT_EQUAL(
        declare(
            "b",
            (churn_effect){.field = "state", .type = CHURN_PROFILE_STATE, .merge = CHURN_MERGE_MAX, .states = same}),
        state);
    CU_ASSERT_EQUAL(declare("b", (churn_effect){.field = "sum", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD}),
                    -1);
    check_contains(refusal, "'sum': a declares it as int/add, b as money/add", "types differ");
    CU_ASSERT_EQUAL(declare("b", (churn_effect){.field = "sum", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_MAX}),
                    -1);
    check_contains(refusal, "int/add, b as int/max", "operators differ");
    CU_ASSERT_EQUAL(
        declare(
            "b",
            (churn_effect){.field = "state", .type = CHURN_PROFILE_STATE, .merge = CHURN_MERGE_MAX, .states = fewer}),
        -1);
    CU_ASSERT_EQUAL(
        declare(
            "b",
            (churn_effect){.field = "state", .type = CHURN_PROFILE_STATE, .merge = CHURN_MERGE_MAX, .states = other}),
        -1);
    CU_ASSERT_EQUAL(
        declare("b",
                (churn_effect){.field = "new", .type = CHURN_PROFILE_STATE, .merge = CHURN_MERGE_MAX, .states = none}),
        -1);
    CU_ASSERT_EQUAL(declare("b", (churn_effect){.field = "new", .type = CHURN_PROFILE_STATE, .merge = CHURN_MERGE_MAX}),
                    -1);
    CU_ASSERT_EQUAL(registry.field_count, FIELD_CORE_COUNT + 2);
    registry_free(&registry);
}

static void test_names_of_fields(void)
{
    char longest[96];
    CU_ASSERT(registry_init(&registry));
    CU_ASSERT_EQUAL(declare("a", (churn_effect){.field = NULL, .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD}),
                    -1);
    CU_ASSERT_EQUAL(declare("a", (churn_effect){.field = "", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD}), -1);
    CU_ASSERT_EQUAL(declare("a", (churn_effect){.field = "_own", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD}),
                    -1);
    check_contains(refusal, "'_own'", "message");
    memset(longest, 'x', sizeof longest);
    longest[89] = '\0';
    CU_ASSERT_EQUAL(
        declare("a", (churn_effect){.field = longest, .type = CHURN_PROFILE_STRING, .merge = CHURN_MERGE_LATEST}), -1);
    longest[88] = '\0';
    int32_t index =
        declare("a", (churn_effect){.field = longest, .type = CHURN_PROFILE_STRING, .merge = CHURN_MERGE_LATEST});
    CU_ASSERT(index >= 0 && registry.fields[index].tag.len == 91 &&
              memcmp(registry.fields[index].tag.ptr, "_l:xxx", 6) == 0);
    registry_free(&registry);
}

static void test_at_most_256_fields(void)
{
    static char names[REGISTRY_MAX_FIELDS + 1][8];
    CU_ASSERT(registry_init(&registry));
    for (uint32_t i = FIELD_CORE_COUNT; i <= REGISTRY_MAX_FIELDS; i++) {
        (void)snprintf(names[i], sizeof names[i], "f%u", i);
        int32_t index =
            declare("a", (churn_effect){.field = names[i], .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD});
        check(index == (i < REGISTRY_MAX_FIELDS ? (int32_t)i : -1), "field %u became %d", i, index);
    }
    check_contains(refusal, "256", "message");
    CU_ASSERT_EQUAL(declare("b", (churn_effect){.field = "f255", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD}),
                    255);
    registry_free(&registry);
}

static void test_derived_declarations(void)
{
    const churn_derived ratio = {
        .field = "rate", .kind = CHURN_DERIVE_RATIO, .numerator = "money", .denominator = "count", .decimals = 2};
    const churn_derived daily = {.field = "daily", .kind = CHURN_DERIVE_PER_DAY, .numerator = "count", .decimals = 9};
    churn_derived bad;
    CU_ASSERT(registry_init(&registry));
    CU_ASSERT(declare("a", (churn_effect){.field = "money", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD}) >=
              0);
    CU_ASSERT(declare("a", (churn_effect){.field = "count", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD}) >= 0);
    CU_ASSERT(declare("a", (churn_effect){.field = "time", .type = CHURN_PROFILE_TIME, .merge = CHURN_MERGE_MAX}) >= 0);
    CU_ASSERT(derive(ratio) && derive(daily) && derive(ratio));
    CU_ASSERT_EQUAL(registry.derived_count, 2);
    CU_ASSERT_EQUAL(registry.derived[0].scale, 4);
    CU_ASSERT_EQUAL(registry.derived[1].scale, 0);
#define REFUSES(from, member, value)                                                                                   \
    do {                                                                                                               \
        bad = (from);                                                                                                  \
        bad.member = (value);                                                                                          \
        check(!derive(bad) && refusal[0] != '\0', "%s = %s was taken", #member, #value);                               \
    } while (0)
    REFUSES(ratio, decimals, 3); /* declared otherwise before */
    REFUSES(ratio, numerator, "count");
    REFUSES(ratio, kind, CHURN_DERIVE_PER_DAY);
    bad = ratio;
    bad.field = "another";
    const churn_derived fresh = bad;
    REFUSES(fresh, decimals, 10);
    REFUSES(fresh, kind, 0);
    REFUSES(fresh, kind, 3);
    REFUSES(fresh, numerator, NULL);
    REFUSES(fresh, numerator, "nothing");
    REFUSES(fresh, numerator, "time");
    REFUSES(fresh, numerator, "last_event_type");
    REFUSES(fresh, denominator, NULL);
    REFUSES(fresh, denominator, "money");
    REFUSES(fresh, denominator, "rate");
    REFUSES(fresh, field, NULL);
    REFUSES(fresh, field, "");
    REFUSES(fresh, field, "_own");
    REFUSES(fresh, field, "money");
    REFUSES(fresh, field, "events_total");
    CU_ASSERT_EQUAL(registry.derived_count, 2);
    CU_ASSERT(derive(fresh));
    registry_free(&registry);
}

/* --- JSON for prediction requests and people --- */

static void test_json(void)
{
    static const churn_pair pairs[] = {
        PAIR("_v", "7"),
        PAIR("zz_other", "a\"b\n\xc3\xa9"),
        PAIR("total_spent", "1844674407370955161.6160"),
        PAIR("average_order_value", "0.10"),
        PAIR("last_event_type", "login"),
        PAIR("_m:t/0", "8"),
        PAIR("first_event_at", "2026-01-01T00:00:00.000Z"),
        PAIR("events_total", "18446744073709551616"),
        PAIR("subscription_status", "active"),
        PAIR("login_count", "not a number"),
        PAIR("aa_other", "5"),
        PAIR("_l:last_event_type", "1 2 t/0"),
    };
    struct text json = {0};
    profile_append_json(&json, registry_of(&shipped), pairs, COUNT(pairs));
    text_append(&json, "", 1);
    CU_ASSERT(!json.failed);
    check_contains(json.bytes,
                   "{\"events_total\":18446744073709551616,\"first_event_at\":\"2026-01-01T00:00:00.000Z\","
                   "\"last_event_type\":\"login\",",
                   "the core's fields come first");
    check_contains(json.bytes, "\"total_spent\":1844674407370955161.6160", "money keeps its text");
    check_contains(json.bytes, "\"average_order_value\":0.10", "derived");
    check_contains(json.bytes, "\"subscription_status\":\"active\"", "state");
    check_contains(json.bytes, "\"login_count\":\"not a number\"", "what is no number is text");
    check_contains(json.bytes, ",\"zz_other\":\"a\\\"b\\n\xc3\xa9\",\"aa_other\":\"5\"}", "unknown fields come last");
    CU_ASSERT_PTR_NULL(strstr(json.bytes, "\"_"));
    for (size_t i = 0; i < COUNT(pairs); i++) {
        char member[64];
        (void)snprintf(member, sizeof member, "\"%.*s\":", (int)pairs[i].name.len, pairs[i].name.ptr);
        const char *at = strstr(json.bytes, member);
        check(at == NULL || strstr(at + 1, member) == NULL, "%s is there twice", member);
    }
    json.len = 0;
    profile_append_json(&json, registry_of(&shipped), pairs, 1);
    text_append(&json, "", 1);
    check_text(json.bytes, "{}", "only engine fields");
    json.len = 0;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        if (str_equals(pairs[i].name, "aa_other")) {
            profile_append_json(&json, registry_of(&shipped), pairs + i, 1);
        }
    }
    text_append(&json, "", 1);
    check_text(json.bytes, "{\"aa_other\":\"5\"}", "only an unknown one");
    text_free(&json);
}

/* ---- memory ---- */

/* What a profile takes, to the byte: the cache's bound relies on it. */
static void test_bytes(void)
{
    const struct registry *fields = registry_of(&shipped);
    struct profile *profile = empty_profile(&shipped);
    uint32_t a = parts_find_text(&shipped.parts, (churn_str){.ptr = "t", .len = 1}, 0);
    uint32_t b = parts_find_text(&shipped.parts, (churn_str){.ptr = "t", .len = 1}, 1);
    uint32_t c = parts_find_text(&shipped.parts, (churn_str){.ptr = "t", .len = 1}, 2);
    size_t empty =
        sizeof(struct profile) + fields->field_count * sizeof(union field_value) + sizeof(struct text_value) + 64;
    CU_ASSERT_EQUAL(profile_bytes(profile, fields), empty);
    CU_ASSERT(profile_set_mark(profile, a, 1));
    CU_ASSERT_EQUAL(profile_bytes(profile, fields), empty); /* within the profile itself */
    CU_ASSERT(profile_set_mark(profile, b, 1));
    CU_ASSERT_EQUAL(profile_bytes(profile, fields), empty + 2 * sizeof(struct mark));
    CU_ASSERT(profile_set_mark(profile, c, 1));
    CU_ASSERT_EQUAL(profile_bytes(profile, fields), empty + 4 * sizeof(struct mark));
    empty += 4 * sizeof(struct mark);
    CU_ASSERT(profile_add_late(profile, a, 1));
    CU_ASSERT_EQUAL(profile_bytes(profile, fields),
                    empty + sizeof(struct late) + profile->late[0].room * sizeof(struct late_range) + 32);
    profile_free(profile, fields);
}

static churn_pair pair_of(const char *name, const char *value)
{
    return (churn_pair){.name = {.ptr = name, .len = (uint32_t)strlen(name)},
                        .value = {.ptr = value, .len = (uint32_t)strlen(value)}};
}

static struct profile *poor;
static struct parts poor_sources;
static struct profile_text poor_text;
static int32_t poor_result;

/* Everything that needs memory: marks, late offsets, texts, wide numbers; read, grown, and rendered. */
static bool read_and_render(void)
{
    const churn_pair pairs[] = {pair_of("events_total", "99999999999999999999999"),
                                pair_of("last_event_type", "login"),
                                pair_of("_l:last_event_type", "1767225600000 5 t/0"),
                                pair_of("_m:t/0", "8"),
                                pair_of("_m:t/1", "9"),
                                pair_of("_m:s/0", "10"),
                                pair_of("_r:t/0", "2,4-5,7"),
                                pair_of("_r:t/1", "1")};
    char message[256] = "";
    poor = profile_new(registry_of(&shipped));
    if (poor == NULL) {
        return false;
    }
    poor_result = profile_read(poor, registry_of(&shipped), &poor_sources, churn_text("c1"), pairs, COUNT(pairs),
                               message, sizeof message);
    if (poor_result != CHURN_OK || !profile_add_late(poor, 1, 5) || !profile_set_mark(poor, 3, 7)) {
        return false;
    }
    profile_render(poor, registry_of(&shipped), &poor_sources, churn_text("c1"), &poor_text);
    return !poor_text.failed;
}

static void end_poor(bool ok)
{
    CU_ASSERT(poor == NULL || poor_result == CHURN_OK || poor_result == CHURN_FATAL);
    CU_ASSERT(!ok || (poor->mark_count == 4 && poor->late_count == 2 && poor_text.count == 2));
    profile_free(poor, registry_of(&shipped));
    profile_text_free(&poor_text);
    parts_free(&poor_sources);
    poor_result = CHURN_OK;
    poor_text = (struct profile_text){0};
}

static void test_without_memory(void)
{
    check_allocations("a profile", NULL, read_and_render, end_poor);
}

static void test_pairs_by_name(void)
{
    static const char *const names[] = {"", "A", "a", "a0", "aa", "b", "\xc3\xa9"};
    for (size_t i = 0; i < COUNT(names); i++) {
        for (size_t k = 0; k < COUNT(names); k++) {
            const churn_pair a = pair_of(names[i], "x"), b = pair_of(names[k], "y");
            int order = profile_by_name(&a, &b);
            CU_ASSERT_EQUAL((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_effects_of_each_type),
        TEST(test_fields_of_every_event),
        TEST(test_times_are_event_times),
        TEST(test_cancelled_stays_cancelled),
        TEST(test_average_rounds_half_to_even),
        TEST(test_click_rate),
        TEST(test_logins_per_day),
        TEST(test_logins_per_day_follows_the_span),
        TEST(test_sums_beyond_64_bits),
        TEST(test_ties_of_the_last_type),
        TEST(test_any_order_and_any_windows),
        TEST(test_only_changes_are_written),
        TEST(test_marks),
        TEST(test_late_offsets),
        TEST(test_names_of_marks_and_late_offsets),
        TEST(test_two_of_one_partition),
        TEST(test_topics_with_a_nul),
        TEST(test_marks_of_a_damaged_profile),
        TEST(test_very_many_marks),
        TEST(test_late_offsets_read_back),
        TEST(test_stored_late_offsets_that_are_none),
        TEST(test_what_is_written_reads_back),
        TEST(test_reading_and_going_on),
        TEST(test_stored_values_that_are_no_values),
        TEST(test_stored_tags_that_are_no_tags),
        TEST(test_a_text_without_tag_gives_way),
        TEST(test_unknown_fields_are_left_alone),
        TEST(test_states_begin_with_their_first),
        TEST(test_callback),
        TEST(test_callback_that_refuses_leaves_nothing),
        TEST(test_callback_merges_only_what_it_declares),
        TEST(test_fields_have_operators_that_fit),
        TEST(test_declarations_that_differ),
        TEST(test_names_of_fields),
        TEST(test_at_most_256_fields),
        TEST(test_derived_declarations),
        TEST(test_json),
        TEST(test_bytes),
        TEST(test_without_memory),
        TEST(test_pairs_by_name),
        CU_TEST_INFO_NULL,
    };
    const churn_plugin cb = TYPE_ENTRY("cb", &cb_type);
    const churn_plugin *const own[] = {&cb};
    int status = world_init(&shipped, NULL, 0) && world_init(&extended, own, COUNT(own))
                     ? run_tests_without_leaks("profile", tests)
                     : 1;
    world_free(&extended);
    world_free(&shipped);
    return status;
}
