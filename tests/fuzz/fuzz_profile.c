/* Stored profiles: the fields of a hash, whoever wrote them. A line is a field: its name, a blank, its value. */
#include "fuzz.h"

#include "core/profile/profile.h"
#include "core/profile/profile_render.h"
#include "tests/support/strict_json.h"
#include "tests/unit/types_fixture.h"

#define MOST_FIELDS 64

static struct types_fixture types;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    need(types_load(&types, NULL, 0) && types.catalog.type_count > 0, "event types (see TEST_PLUGIN_DIR)");
    loader_rest(&types.loader);
    return 0;
}

static bool is_among(const churn_pair *pairs, uint32_t count, churn_str name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (fuzz_same(pairs[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* A hash has each name once. */
static uint32_t make_pairs(churn_str input, churn_pair pairs[MOST_FIELDS])
{
    uint32_t count = 0;
    while (input.len > 0 && count < MOST_FIELDS) {
        churn_str line = fuzz_take(&input, '\n'), name = fuzz_take(&line, ' ');
        if (!is_among(pairs, count, name)) {
            pairs[count++] = (churn_pair){.name = name, .value = line};
        }
    }
    return count;
}

/* Every field of it is to be written. */
static void touch(struct profile *profile)
{
    memcpy(profile->fields.changed, profile->fields.present, sizeof profile->fields.changed);
    for (uint32_t i = 0; i < profile->mark_count; i++) {
        profile->marks[i].changed = true;
    }
    for (uint32_t i = 0; i < profile->late_count; i++) {
        profile->late[i].changed = true;
    }
}

static void render(struct profile *profile, const struct parts *parts, struct profile_text *text)
{
    touch(profile);
    profile_render(profile, &types.catalog.registry, parts, churn_text("c"), text);
    promise(!text->failed, "there is memory");
    if (text->count > 0) {
        qsort(text->pairs, text->count, sizeof *text->pairs, profile_by_name);
    }
}

/* What is written of a profile is read as the same profile. */
static void check_written(struct profile *profile, const struct parts *parts)
{
    const struct registry *registry = &types.catalog.registry;
    struct profile_text written = {0}, again = {0};
    struct profile *second = profile_new(registry);
    struct parts others = {0};
    char message[256] = "";
    need(second != NULL, "memory");
    render(profile, parts, &written);
    promise(profile_read(second, registry, &others, churn_text("c"), written.pairs, written.count, message,
                         sizeof message) == CHURN_OK,
            "a profile that was written is read again: %s", message);
    render(second, &others, &again);
    promise(written.count == again.count, "%u fields are read again, not %u", written.count, again.count);
    for (uint32_t i = 0; i < written.count; i++) {
        promise(fuzz_same(written.pairs[i].name, again.pairs[i].name) &&
                    fuzz_same(written.pairs[i].value, again.pairs[i].value),
                "%.*s is written as '%.*s' and then as '%.*s'", (int)written.pairs[i].name.len,
                written.pairs[i].name.ptr, (int)written.pairs[i].value.len, written.pairs[i].value.ptr,
                (int)again.pairs[i].value.len, again.pairs[i].value.ptr);
    }
    profile_free(second, registry);
    parts_free(&others);
    profile_text_free(&written);
    profile_text_free(&again);
}

/* Ranges are in order and apart, and each of their ends was counted late. */
static void check_late(const struct profile *profile)
{
    for (uint32_t k = 0; k < profile->late_count; k++) {
        const struct late *late = &profile->late[k];
        promise(late->count > 0, "late offsets are some");
        for (uint32_t i = 0; i < late->count; i++) {
            const struct late_range *range = &late->ranges[i];
            promise(range->first <= range->last && (i == 0 || range->first - 1 > late->ranges[i - 1].last),
                    "ranges of late offsets are in order");
            promise(profile_is_late(profile, late->part, range->first) &&
                        profile_is_late(profile, late->part, range->last) &&
                        (range->first == 0 || !profile_is_late(profile, late->part, range->first - 1)),
                    "what is between the ends of a range is late, and nothing before it");
        }
    }
}

static void check_marks(const struct profile *profile)
{
    for (uint32_t i = 0; i < profile->mark_count; i++) {
        promise(profile_mark(profile, profile->marks[i].part) == profile->marks[i].next && profile->marks[i].next > 0,
                "a mark that was read is found");
    }
}

/* A message names the field, and is silent about its value. */
static void check_message(const char *message, const churn_pair *pairs, uint32_t count)
{
    promise(message[0] != '\0', "a refusal says why");
    for (uint32_t i = 0; i < count; i++) {
        churn_str value = pairs[i].value;
        bool in_a_name = false;
        for (uint32_t k = 0; k < count; k++) {
            in_a_name = in_a_name || memmem(pairs[k].name.ptr, pairs[k].name.len, value.ptr, value.len) != NULL;
        }
        promise(value.len < 10 || in_a_name || memmem(message, strlen(message), value.ptr, value.len) == NULL ||
                    memmem("field '' holds what this program did not write", 46, value.ptr, value.len) != NULL,
                "%s shows no value", message);
    }
}

static void check_json(const churn_pair *pairs, uint32_t count)
{
    struct text json = {0};
    profile_append_json(&json, &types.catalog.registry, pairs, count);
    json_object *judged = strict_json_parse(json.bytes, json.len, 4);
    promise(json_object_is_type(judged, json_type_object), "%.*s is JSON", (int)json.len, json.bytes);
    (void)json_object_put(judged);
    text_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct registry *registry = &types.catalog.registry;
    char *copy = fuzz_copy(data, size), message[256] = "";
    churn_pair pairs[MOST_FIELDS];
    uint32_t count = make_pairs((churn_str){.ptr = copy, .len = (uint32_t)size}, pairs);
    struct profile *profile = profile_new(registry);
    struct parts parts = {0};
    need(profile != NULL, "memory");
    int32_t result = profile_read(profile, registry, &parts, churn_text("c"), pairs, count, message, sizeof message);
    if (result == CHURN_OK) {
        check_late(profile);
        check_marks(profile);
        promise(profile_overflow(profile) < 0, "what was read can be read again");
        check_written(profile, &parts);
    } else {
        promise(result == CHURN_REJECT, "a profile is read, or refused");
        check_message(message, pairs, count);
    }
    check_json(pairs, count);
    profile_free(profile, registry);
    parts_free(&parts);
    free(copy);
    return 0;
}
