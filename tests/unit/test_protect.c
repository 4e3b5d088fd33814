/* What becomes of personal data in events, alerts and profiles: masked, hashed, encrypted, and opened again. */
#include "core/event/protect.h"

#include "core/profile/fold.h"
#include "core/profile/profile_render.h"
#include "core/profile/profile_view.h"
#include "types_fixture.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define EVENT(data)                                                                                                            \
    "{\"event_id\":\"e1\",\"event_type\":\"own\",\"customer_id\":\"c1\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"data\":" data \
    "}"
#define OWN PLACE_ALERTS

enum { ROW_NAME, ROW_AGE, ROW_PAID, ROW_KIND, ROW_CITY, ROWS };

static const churn_field rows[ROWS] = {
    [ROW_NAME] = {"name", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_PII},
    [ROW_AGE] = {"age", .type = CHURN_FIELD_INT, .max = 200, .flags = CHURN_FIELD_PII},
    [ROW_PAID] = {"paid", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_PII},
    [ROW_KIND] = {"kind", .type = CHURN_FIELD_STRING},
    [ROW_CITY] = {"city", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_PII},
};
static const churn_effect effects[] = {
    {"last_name", .type = CHURN_PROFILE_STRING, .merge = CHURN_MERGE_LATEST, .from = CHURN_FROM_FIELD,
     .operand = "name"},
    {"last_kind", .type = CHURN_PROFILE_STRING, .merge = CHURN_MERGE_LATEST, .from = CHURN_FROM_FIELD,
     .operand = "kind"},
    {"oldest", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_FIELD, .operand = "age"},
    {"note", .type = CHURN_PROFILE_STRING, .merge = CHURN_MERGE_LATEST, .from = CHURN_FROM_NOTHING},
    {"count", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1},
};

static int32_t apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    (void)err;
    return delta->merge_text(delta, "note", churn_event_value(event, "name")->text);
}

static const churn_event_type own_type = {.size = sizeof own_type,
                                          CHURN_FIELDS(rows),
                                          CHURN_EFFECTS(effects),
                                          .apply = apply,
                                          .alert_message = "{customer_id}: {name} of {city} is {age}, paid {paid}"};

static struct types_fixture types;
static struct protect *protect;
static struct protector *protector;
static struct arena_pool pool;
static struct arena arena = {.pool = &pool};

static churn_str padded(const char *json)
{
    const char *copy = arena_copy(&arena, json, strlen(json));
    CU_ASSERT_FATAL(copy != NULL);
    return (churn_str){.ptr = copy, .len = (uint32_t)strlen(json)};
}

static uint32_t own_number(void)
{
    return (uint32_t)name_index_find(&types.catalog.type_names, "own", 3);
}

/* The actions of the four rows. */
static void set_plan(const uint8_t actions[ROWS])
{
    memcpy(protect_plan(protect, OWN, own_number()), actions, ROWS);
}

static const char *shown(churn_str text)
{
    static char copies[4][2048];
    static unsigned turn;
    char *copy = copies[turn++ % 4];
    (void)snprintf(copy, sizeof copies[0], "%.*s", (int)text.len, text.ptr);
    return copy;
}

/* What a line becomes; NULL: it stays as it is. */
static const char *line(const char *json)
{
    churn_str ret;
    enum protect_result result = protect_line(protector, OWN, padded(json), &ret);
    CU_ASSERT(result == PROTECT_DONE || result == PROTECT_SAME);
    return result == PROTECT_DONE ? shown(ret) : NULL;
}

static const char *opened(const char *json, struct reject *reject)
{
    churn_str ret;
    enum protect_result result = protect_open(protector, padded(json), &ret, reject);
    return result == PROTECT_DONE ? shown(ret) : result == PROTECT_SAME ? "same" : NULL;
}

static void test_which_profile_fields_are_personal(void)
{
    static const struct {
        const char *name;
        bool pii;
    } fields[] = {{"last_name", true}, {"last_kind", false},    {"oldest", true},      {"note", true},
                  {"count", false},    {"events_total", false}, {"total_spent", false}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        int32_t index = name_index_find(&types.catalog.registry.names, fields[i].name, strlen(fields[i].name));
        check(index >= 0 && types.catalog.registry.fields[index].pii == fields[i].pii, "%s", fields[i].name);
    }
}

static void test_nothing_to_do(void)
{
    churn_str ret;
    set_plan((const uint8_t[ROWS]){0});
    CU_ASSERT_PTR_NULL(line(EVENT("{\"name\":\"Ann\"}")));
    set_plan((const uint8_t[ROWS]){PROTECT_MASK});
    CU_ASSERT_PTR_NULL(line(EVENT("{\"kind\":\"Ann\"}")));
    CU_ASSERT_PTR_NULL(
        line("{\"event_id\":\"e\",\"event_type\":\"login\",\"customer_id\":\"c\",\"data\":{\"name\":\"Ann\"}}"));
    CU_ASSERT_EQUAL(protect_line(protector, OWN, padded("Ann"), &ret), PROTECT_OPAQUE);
    CU_ASSERT_EQUAL(protect_line(protector, OWN, padded(""), &ret), PROTECT_OPAQUE);
    CU_ASSERT_EQUAL(protect_line(protector, OWN, padded("{\"event_type\":\"own\"}"), &ret), PROTECT_OPAQUE);
}

static void test_masks(void)
{
    set_plan((const uint8_t[ROWS]){PROTECT_MASK, PROTECT_MASK, PROTECT_MASK});
    check_text(line(EVENT("{\"name\":\"Ann\",\"kind\":\"Ann\",\"age\":7,\"paid\":1.5}")),
               EVENT("{\"name\":\"***\",\"kind\":\"Ann\",\"age\":\"***\",\"paid\":\"***\"}"), "masked");
    /* each member of a repeated name, and only the `data` that counts */
    check_text(line("{\"data\":{\"name\":\"Eve\"},\"event_id\":\"e1\",\"event_type\":\"own\",\"customer_id\":\"c1\","
                    "\"data\": {\"name\":\"Ann\", \"name\":\"***\"}}"),
               "{\"event_id\":\"e1\",\"event_type\":\"own\",\"customer_id\":\"c1\","
               "\"data\":{\"name\":\"***\",\"name\":\"***\"}}",
               "repeated");
}

static void test_messages(void)
{
    set_plan((const uint8_t[ROWS]){PROTECT_HASH, PROTECT_MASK, PROTECT_MASK});
    const char *out = line("{\"alert_id\":\"a\",\"severity\":\"info\",\"event_id\":\"e1\",\"event_type\":\"own\","
                           "\"customer_id\":\"c1\",\"message\":\"A\\\"nn paid 1.50, A\\\"nn is 77\\n\","
                           "\"data\":{\"name\":\"A\\u0022nn\",\"age\":77,\"paid\":1.5}}");
    check_contains(out, "\"message\":\"*** paid ***, *** is ***\\n\"", "message");
    /* only an alert has one */
    check_contains(line("{\"event_id\":\"e1\",\"event_type\":\"own\",\"customer_id\":\"c1\",\"message\":\"Ann\","
                        "\"data\":{\"name\":\"Ann\"}}"),
                   "\"message\":\"Ann\"", "event");
}

/* The line of an alert with a message and three fields; what becomes of the message. */
static const char *masked_message(const char *message, const char *data)
{
    static char out[512];
    char json[1024];
    const char *changed, *at, *end;
    (void)snprintf(json, sizeof json,
                   "{\"alert_id\":\"a\",\"event_id\":\"e1\",\"event_type\":\"own\",\"customer_id\":\"c1\","
                   "\"message\":\"%s\",\"data\":%s}",
                   message, data);
    changed = line(json);
    at = changed != NULL ? strstr(changed, "\"message\":\"") : NULL;
    end = at != NULL ? strstr(at, "\",\"data\"") : NULL;
    CU_ASSERT_FATAL(end != NULL);
    at += strlen("\"message\":\"");
    (void)snprintf(out, sizeof out, "%.*s", (int)(end - at), at);
    return out;
}

/* Whatever one field's text is, it neither hides another's nor grows what replaces it. */
static void test_messages_of_overlapping_texts(void)
{
    static const struct {
        const char *message, *data, *masked;
    } cases[] = {
        {"wrote Joanna Annabel Smith, Ann", "{\"name\":\"Ann\",\"city\":\"Joanna Annabel Smith\"}", "wrote ***, ***"},
        {"wrote Joanna Annabel Smith, Ann", "{\"city\":\"Ann\",\"name\":\"Joanna Annabel Smith\"}", "wrote ***, ***"},
        {"abcdef", "{\"name\":\"abcd\",\"city\":\"cdef\"}", "***"},
        {"xbananay", "{\"name\":\"ana\"}", "xb***y"},
        {"x aabaabaaab y", "{\"name\":\"aabaaa\"}", "x aab***b y"},
        {"a*b**c", "{\"name\":\"*\",\"city\":\"*\",\"age\":7}", "a***b***c"},
        {"is 0 old, 12", "{\"age\":-0}", "is *** old, 12"},
        {"short", "{\"name\":\"shorter\"}", "short"},
        {"", "{\"name\":\"Ann\"}", ""},
    };
    set_plan((const uint8_t[ROWS]){PROTECT_MASK, PROTECT_MASK, PROTECT_MASK, [ROW_CITY] = PROTECT_MASK});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_text(masked_message(cases[i].message, cases[i].data), cases[i].masked, cases[i].message);
    }
}

#define OF_C1(message, data)                                                                                           \
    "{\"alert_id\":\"a\",\"event_id\":\"e1\",\"event_type\":\"own\",\"customer_id\":\"c1\",\"message\":\"" message     \
    "\",\"data\":" data "}"

/* What a template makes is masked where a hidden field stands, and nowhere else, be the value as short as it may; or it
 * would both destroy the message and tell the value by what is left of texts that are known. */
static void test_messages_of_templates(void)
{
    set_plan((const uint8_t[ROWS]){PROTECT_MASK, PROTECT_ENCRYPT, PROTECT_MASK});
    check_contains(line(OF_C1("c1: a of a is 1, paid 1.00", "{\"name\":\"a\",\"city\":\"a\",\"age\":1,\"paid\":1}")),
                   "\"message\":\"c1: *** of a is ***, paid ***\"", "short values");
    check_contains(line(OF_C1("c1: A\\\"n of unknown is -5, paid unknown", "{\"name\":\"A\\u0022n\",\"age\":-5}")),
                   "\"message\":\"c1: *** of unknown is ***, paid unknown\"", "what is not there");
    check_contains(line(OF_C1("c1: *** of x is 7, paid unknown", "{\"name\":\"***\",\"city\":\"x\",\"age\":7}")),
                   "\"message\":\"c1: *** of x is ***, paid unknown\"", "masked before");
    /* another's words: wherever they say it */
    check_contains(line(OF_C1("c1: a of a is 1, paid 1.00!", "{\"name\":\"a\",\"city\":\"a\",\"age\":1,\"paid\":1}")),
                   "\"message\":\"c***: *** of *** is ***, p***id ***!\"", "a message of a processor's");
    set_plan((const uint8_t[ROWS]){0, 0, 0, 0, PROTECT_MASK});
    check_contains(line(OF_C1("c1: a of a is unknown, paid unknown", "{\"name\":\"a\",\"city\":\"a\"}")),
                   "\"message\":\"c1: a of *** is unknown, paid unknown\"", "another plan");
}

static void test_hashes(void)
{
    char first[512];
    set_plan((const uint8_t[ROWS]){PROTECT_HASH});
    (void)snprintf(first, sizeof first, "%s", line(EVENT("{\"name\":\"Ann\"}")));
    check_contains(first, "\"name\":\"churnd:h:", "hash");
    check_text(line(EVENT("{\"name\":\"\\u0041nn\"}")), first,
               "the same text has the same hash, however it is written");
    CU_ASSERT_STRING_NOT_EQUAL(line(EVENT("{\"name\":\"Anm\"}")), first);
    CU_ASSERT_PTR_NULL(line(first)); /* hashed once */
}

static void test_there_and_back(void)
{
    static const char *const events[] = {
        EVENT("{\"name\":\"A\\u0022nn\\n\",\"kind\":\"x\",\"age\":77,\"paid\":1.50}"),
        EVENT("{\"name\":\"\",\"extra\":[1,{\"name\":\"Eve\"}]}"),
        EVENT("{\"age\":0,\"name\":\"\xc3\xa4\"}"),
    };
    set_plan((const uint8_t[ROWS]){PROTECT_ENCRYPT, PROTECT_ENCRYPT, PROTECT_ENCRYPT});
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        struct reject reject;
        const char *sealed = line(events[i]);
        CU_ASSERT_FATAL(sealed != NULL);
        CU_ASSERT_PTR_NULL(strstr(sealed, "nn\\n"));
        CU_ASSERT_PTR_NULL(line(sealed));
        check_text(line(events[i]), sealed, "a repeat has the same bytes");
        check_text(opened(sealed, &reject), events[i], "opened");
        check_text(opened(events[i], &reject), "same", "in clear");
    }
}

static void test_what_cannot_be_opened(void)
{
    char sealed[2048], other[2048], *at;
    struct reject reject;
    set_plan((const uint8_t[ROWS]){PROTECT_ENCRYPT});
    (void)snprintf(sealed, sizeof sealed, "%s", line(EVENT("{\"name\":\"Ann\"}")));
    (void)snprintf(other, sizeof other, "%s", sealed);
    at = strstr(other, ":k1:");
    at[2] = '9';
    CU_ASSERT_PTR_NULL(opened(other, &reject));
    CU_ASSERT_EQUAL(reject.reason, REJECT_KEY_UNKNOWN);
    check_text(reject.detail, "data.name is encrypted with the key 'k9', which is not among protect: keys:", "unknown");
    (void)snprintf(other, sizeof other, "%s", sealed);
    memcpy(strstr(other, "\"name\""), "\"nama\"", 6); /* moved to a field that nobody declares */
    CU_ASSERT_PTR_NULL(opened(other, &reject));
    CU_ASSERT_EQUAL(reject.reason, REJECT_INVALID_VALUE);
    CU_ASSERT_PTR_NULL(strstr(reject.detail, "nama"));
    (void)snprintf(other, sizeof other, "%s", sealed);
    memcpy(strstr(other, "\"c1\""), "\"c2\"", 4); /* to another customer */
    CU_ASSERT_PTR_NULL(opened(other, &reject));
    CU_ASSERT_EQUAL(reject.reason, REJECT_INVALID_VALUE);
    check_text(opened(EVENT("{\"name\":\"churnd:1:k9:short\"}"), &reject), "same", "a text");
}

/* ---- profiles ---- */

static struct registry_field *field_of(const char *name)
{
    return &types.catalog.registry.fields[name_index_find(&types.catalog.registry.names, name, strlen(name))];
}

/* A profile after one event, as it is stored. */
static struct profile *profile_of(const char *json, struct parts *parts, struct profile_text *out)
{
    struct event_decoder *decoder = event_decoder_new(&types.catalog);
    struct profile *profile = profile_new(&types.catalog.registry);
    struct fields *delta = malloc(fields_size(&types.catalog.registry));
    struct fold_buffer folder;
    struct reject reject;
    churn_error err = {.size = sizeof err};
    churn_event event = {0};
    const struct event_type *type;
    churn_str text = padded(json);
    CU_ASSERT_FATAL(decoder != NULL && profile != NULL && delta != NULL &&
                    fold_buffer_init(&folder, &types.catalog, parts));
    type = event_decode(decoder, text.ptr, text.len, &event, &reject);
    CU_ASSERT_FATAL(type != NULL);
    fields_clear(delta);
    CU_ASSERT_EQUAL(fold_event(&folder, type, &event, parts_find(parts, "t", 0), delta, &arena, &err), CHURN_OK);
    CU_ASSERT(profile_merge(profile, delta, &types.catalog.registry, parts));
    free(delta);
    profile_render(profile, &types.catalog.registry, parts, churn_text("c1"), out);
    CU_ASSERT_FATAL(!out->failed);
    fold_buffer_free(&folder);
    event_decoder_free(decoder);
    return profile;
}

static const char *pair(const churn_pair *pairs, uint32_t count, const char *name)
{
    const churn_str *value = profile_find_pair(pairs, count, churn_text(name));
    return value != NULL ? shown(*value) : "(none)";
}

static void test_profiles_encrypted(void)
{
    struct parts parts = {0};
    struct profile_text stored = {0}, again = {0};
    struct profile_view view;
    struct profile *profile, *read = profile_new(&types.catalog.registry);
    char message[256];
    field_of("last_name")->stored = PROTECT_ENCRYPT;
    profile = profile_of(EVENT("{\"name\":\"Ann\",\"kind\":\"x\",\"age\":7}"), &parts, &stored);
    CU_ASSERT(seal_is(churn_text(pair(stored.pairs, stored.count, "last_name")), NULL));
    check_text(pair(stored.pairs, stored.count, "last_kind"), "x", "not personal");
    CU_ASSERT_EQUAL(profile_read(read, &types.catalog.registry, &parts, churn_text("c1"), stored.pairs, stored.count,
                                 message, sizeof message),
                    CHURN_OK);
    memset(read->fields.changed, 0xff, sizeof read->fields.changed);
    for (uint32_t i = 0; i < types.catalog.registry.field_count; i++) {
        if (!bit_get(read->fields.present, i)) {
            read->fields.changed[i / 64] &= ~(UINT64_C(1) << i % 64);
        }
    }
    for (uint32_t i = types.catalog.registry.field_count; i < REGISTRY_MAX_FIELDS; i++) {
        read->fields.changed[i / 64] &= ~(UINT64_C(1) << i % 64);
    }
    profile_render(read, &types.catalog.registry, &parts, churn_text("c1"), &again);
    check_text(pair(again.pairs, again.count, "last_name"), pair(stored.pairs, stored.count, "last_name"),
               "read and written again it has the same bytes");
    CU_ASSERT(
        profile_view_make(&view, &types.catalog.registry, churn_text("c1"), stored.pairs, stored.count, VIEW_CLEAR));
    check_text(pair(view.pairs, stored.count, "last_name"), "Ann", "clear");
    profile_view_free(&view);
    protect->profile[PLACE_PAGE][field_of("last_name") - types.catalog.registry.fields] = PROTECT_MASK;
    protect->profile[PLACE_PAGE][field_of("oldest") - types.catalog.registry.fields] = PROTECT_MASK;
    CU_ASSERT(
        profile_view_make(&view, &types.catalog.registry, churn_text("c1"), stored.pairs, stored.count, PLACE_PAGE));
    check_text(pair(view.pairs, stored.count, "last_name"), "***", "masked");
    check_text(pair(view.pairs, stored.count, "oldest"), "***", "a number masked");
    check_text(pair(view.pairs, stored.count, "last_kind"), "x", "not personal");
    profile_view_free(&view);
    field_of("last_name")->stored = PROTECT_CLEAR;
    profile_free(profile, &types.catalog.registry);
    profile_free(read, &types.catalog.registry);
    profile_text_free(&stored);
    profile_text_free(&again);
    parts_free(&parts);
}

/* Whether a run could read what is stored. */
static int32_t judge(const struct profile_text *stored, char *message, size_t size)
{
    struct profile *profile = profile_new(&types.catalog.registry);
    struct parts parts = {0};
    int32_t result = profile_read(profile, &types.catalog.registry, &parts, churn_text("c1"), stored->pairs,
                                  stored->count, message, size);
    profile_free(profile, &types.catalog.registry);
    parts_free(&parts);
    return result;
}

/* A text that was moved, changed, or is by another key makes the profile damaged; it never counts as a text. */
static void test_profiles_that_cannot_be_opened(void)
{
    struct parts parts = {0};
    struct profile_text stored = {0};
    struct profile *profile;
    char message[256];
    field_of("last_name")->stored = PROTECT_ENCRYPT;
    profile = profile_of(EVENT("{\"name\":\"Ann\"}"), &parts, &stored);
    for (uint32_t i = 0; i < stored.count; i++) {
        if (str_equals(stored.pairs[i].name, "_l:last_name")) {
            stored.pairs[i].value = churn_text("e 1 2 t/0");
        }
    }
    CU_ASSERT_EQUAL(judge(&stored, message, sizeof message), CHURN_REJECT);
    check_text(message, "field 'last_name' is encrypted and cannot be opened: it was changed, or belongs elsewhere",
               "moved");
    for (uint32_t i = 0; i < stored.count; i++) {
        if (str_equals(stored.pairs[i].name, "last_name")) {
            ((char *)(uintptr_t)stored.pairs[i].value.ptr)[strlen("churnd:1:k")] = '9';
        }
    }
    CU_ASSERT_EQUAL(judge(&stored, message, sizeof message), CHURN_REJECT);
    check_text(message,
               "field 'last_name' is encrypted with the key 'k9', which is not among protect: keys:", "unknown");
    field_of("last_name")->stored = PROTECT_CLEAR;
    profile_free(profile, &types.catalog.registry);
    profile_text_free(&stored);
    parts_free(&parts);
}

#define MANY_AS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

/* A stored text belongs to its customer, and its tag tells whether it is encrypted. */
static void test_profiles_of_another_customer(void)
{
    struct parts parts = {0};
    struct profile_text stored = {0};
    struct profile_view view;
    struct profile *profile, *other = profile_new(&types.catalog.registry);
    char message[256], sealed[512];
    field_of("last_name")->stored = PROTECT_ENCRYPT;
    profile = profile_of(EVENT("{\"name\":\"Ann\"}"), &parts, &stored);
    check_text(pair(stored.pairs, stored.count, "_l:last_name"), "e 1767225600000 0 t/0", "marked");
    (void)snprintf(sealed, sizeof sealed, "%s", pair(stored.pairs, stored.count, "last_name"));
    CU_ASSERT_EQUAL(profile_read(other, &types.catalog.registry, &parts, churn_text("c2"), stored.pairs, stored.count,
                                 message, sizeof message),
                    CHURN_REJECT);
    check_text(message, "field 'last_name' is encrypted and cannot be opened: it was changed, or belongs elsewhere",
               "moved to another customer");
    CU_ASSERT(
        profile_view_make(&view, &types.catalog.registry, churn_text("c2"), stored.pairs, stored.count, VIEW_CLEAR));
    check_text(pair(view.pairs, stored.count, "last_name"), sealed, "not shown");
    profile_view_free(&view);
    CU_ASSERT(
        profile_view_make(&view, &types.catalog.registry, churn_text("c1"), stored.pairs, stored.count, VIEW_CLEAR));
    check_text(pair(view.pairs, stored.count, "_l:last_name"), "1767225600000 0 t/0", "what is in clear has no mark");
    profile_view_free(&view);
    field_of("last_name")->stored = PROTECT_CLEAR;
    profile_free(profile, &types.catalog.registry);
    profile_free(other, &types.catalog.registry);
    profile_text_free(&stored);
    parts_free(&parts);
}

/* Stored before there were keys, or without them: its tag has no mark, so it is a text; and one with the mark is none,
 * whether there are keys or not. */
static void test_profiles_before_and_after_keys(void)
{
    struct profile_text stored = {0};
    struct parts parts = {0};
    struct profile *profile;
    char message[256];
    churn_pair pairs[] = {{.name = churn_text("last_name"), .value = churn_text("churnd:1:zz:" MANY_AS "A")},
                          {.name = churn_text("_l:last_name"), .value = churn_text("1767225600000 0 t/0")}};
    struct profile_text before = {.pairs = pairs, .count = 2};
    CU_ASSERT_EQUAL(judge(&before, message, sizeof message), CHURN_OK);
    field_of("last_name")->stored = PROTECT_ENCRYPT;
    profile = profile_of(EVENT("{\"name\":\"Ann\"}"), &parts, &stored);
    types.catalog.registry.protect = NULL;
    CU_ASSERT_EQUAL(judge(&stored, message, sizeof message), CHURN_REJECT);
    check_text(message, "field 'last_name' is encrypted with the key 'k1', which is not among protect: keys:",
               "without protect:");
    types.catalog.registry.protect = protect;
    field_of("last_name")->stored = PROTECT_CLEAR;
    profile_free(profile, &types.catalog.registry);
    profile_text_free(&stored);
    parts_free(&parts);
}

/* What only looks encrypted is a text like any other, also where texts are kept in clear. */
static void test_profiles_of_texts_that_look_encrypted(void)
{
    struct parts parts = {0};
    struct profile_text stored = {0};
    struct profile_view view;
    struct profile *profile;
    char message[256];
    CU_ASSERT_FATAL(seal_is(churn_text("churnd:1:k9:" MANY_AS "A"), NULL));
    profile = profile_of(EVENT("{\"name\":\"Ann\",\"kind\":\"churnd:1:k9:" MANY_AS "\\u0041\"}"), &parts, &stored);
    CU_ASSERT_EQUAL(judge(&stored, message, sizeof message), CHURN_OK);
    CU_ASSERT(
        profile_view_make(&view, &types.catalog.registry, churn_text("c1"), stored.pairs, stored.count, VIEW_CLEAR));
    check_text(pair(view.pairs, stored.count, "last_kind"), "churnd:1:k9:" MANY_AS "A", "as it was");
    profile_view_free(&view);
    profile_free(profile, &types.catalog.registry);
    profile_text_free(&stored);
    parts_free(&parts);
}

/* Texts are hashed before they are merged, those of callbacks too. */
static void test_profiles_hashed(void)
{
    struct parts parts = {0};
    struct profile_text stored = {0};
    struct profile *profile;
    field_of("last_name")->stored = PROTECT_HASH;
    field_of("note")->stored = PROTECT_MASK;
    profile = profile_of(EVENT("{\"name\":\"Ann\"}"), &parts, &stored);
    check_contains(pair(stored.pairs, stored.count, "last_name"), "churnd:h:", "hashed");
    check_text(pair(stored.pairs, stored.count, "note"), "***", "masked");
    field_of("last_name")->stored = field_of("note")->stored = PROTECT_CLEAR;
    profile_free(profile, &types.catalog.registry);
    profile_text_free(&stored);
    parts_free(&parts);
}

int main(void)
{
    static CU_TestInfo tests[] = {TEST(test_which_profile_fields_are_personal),
                                  TEST(test_nothing_to_do),
                                  TEST(test_masks),
                                  TEST(test_messages),
                                  TEST(test_messages_of_overlapping_texts),
                                  TEST(test_messages_of_templates),
                                  TEST(test_hashes),
                                  TEST(test_there_and_back),
                                  TEST(test_what_cannot_be_opened),
                                  TEST(test_profiles_encrypted),
                                  TEST(test_profiles_that_cannot_be_opened),
                                  TEST(test_profiles_of_texts_that_look_encrypted),
                                  TEST(test_profiles_of_another_customer),
                                  TEST(test_profiles_before_and_after_keys),
                                  TEST(test_profiles_hashed),
                                  CU_TEST_INFO_NULL};
    const churn_plugin own = TYPE_ENTRY("own", &own_type), *const all[] = {&own};
    struct key key;
    char message[256];
    int status = 1;
    if (types_load(&types, all, 1) && (protect = protect_new(&types.catalog)) != NULL &&
        (protector = protector_new(protect)) != NULL && key_parse(HEX, &key, message, sizeof message) &&
        seal_ring_add(&protect->ring, "k1", &key)) {
        protect->hash_key = key;
        protect->has_hash_key = true;
        types.catalog.registry.protect = protect;
        status = run_tests("protect", tests);
    }
    protector_free(protector);
    protect_free(protect);
    arena_reset(&arena);
    arena_pool_free(&pool);
    types_free(&types);
    return status;
}
