/* Events through the engine: decoded, given to the processor under test, folded into profiles in the store. */
#include "testkit.h"

#include "engine/output.h"
#include "event/severity.h"
#include "profile/profile_render.h"
#include "profile/store_keys.h"
#include <churn/time.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>

#define TOPIC "test"

/* --- Event types --- */

bool testkit_prepare(struct churn_test *t)
{
    churn_list only = {.items = t->types, .count = t->type_count};
    char message[2048] = "";
    if (t->has_catalog) {
        return true;
    }
    t->has_catalog = true;
    if (!catalog_build(&t->pipeline.catalog, &t->loader, &only, message, sizeof message)) {
        (void)testkit_say(t, CHURN_FATAL, "%s", message);
        testkit_forget_types(t);
        return false;
    }
    t->decoder = event_decoder_new(&t->pipeline.catalog);
    if (t->decoder == NULL || !fold_buffer_init(&t->folder, &t->pipeline.catalog, &t->parts) ||
        !window_init(&t->window, &t->pool, 0)) {
        (void)testkit_out_of_memory(t);
        testkit_forget_types(t);
        return false;
    }
    return true;
}

void testkit_forget_types(struct churn_test *t)
{
    if (t->has_catalog) {
        event_decoder_free(t->decoder);
        t->decoder = NULL;
        fold_buffer_free(&t->folder);
        window_free(&t->window);
        edit_free(&t->edit);
        arena_pool_free(&t->pool);
        t->pool = (struct arena_pool){0};
        catalog_free(&t->pipeline.catalog);
        t->has_catalog = false;
    }
}

static void free_counted(struct counted *c)
{
    free(c->payload);
    free(c->customer_id);
}

void testkit_forget_events(struct churn_test *t)
{
    for (uint32_t i = 0; i < t->counted_count; i++) {
        free_counted(&t->counted[i]);
    }
    free(t->counted);
    t->counted = NULL;
    t->counted_count = t->counted_room = 0;
    parts_free(&t->parts);
}

/* --- Folding --- */

static const struct event_type *decode(struct churn_test *t, const struct counted *c, churn_event *event,
                                       struct reject *reject)
{
    const struct event_type *type = event_decode(t->decoder, c->payload, c->len, event, reject);
    if (type != NULL) {
        event->topic = (churn_str){.ptr = TOPIC, .len = sizeof TOPIC - 1};
        event->partition = 0;
        event->offset = c->offset;
    }
    return type;
}

static int32_t fold(struct churn_test *t, const struct counted *c, uint32_t part, struct fields *into,
                    struct arena *arena)
{
    churn_error err = {.size = sizeof err};
    struct reject reject;
    churn_event event;
    const struct event_type *type = decode(t, c, &event, &reject);
    int32_t result;
    if (type == NULL) {
        return testkit_say(t, CHURN_REJECT, "%s", reject.detail);
    }
    result = fold_event(&t->folder, type, &event, part, into, arena, &err);
    if (result == CHURN_REJECT) {
        err.message[sizeof err.message - 1] = '\0';
        return testkit_say(t, result, "%s: %s: %s", reject_reason_name(REJECT_BY_PLUGIN), type->name.ptr, err.message);
    }
    return testkit_answer(t, result, &err);
}

/* Merges what a window adds to a customer's profile into the store. */
static int32_t put_profile(struct churn_test *t, struct memory_store *store, const char *customer_id,
                           const struct fields *delta, uint32_t part, int64_t next)
{
    const struct registry *registry = &t->pipeline.catalog.registry;
    struct profile *profile = profile_new(registry);
    struct profile_text out = {0};
    char key[STORE_KEY_SIZE], message[256] = "out of memory";
    churn_str name = {.ptr = key,
                      .len = store_keys_profile(t->pipeline.store_settings.key_prefix, churn_text(customer_id), key)};
    const struct memory_hash *hash = memory_store_find(store, name);
    bool ok = profile != NULL &&
              (hash == NULL || profile_read(profile, registry, &t->parts, churn_text(customer_id), hash->fields,
                                            hash->count, message, sizeof message) == CHURN_OK) &&
              profile_merge(profile, delta, registry, &t->parts) && profile_set_mark(profile, part, next);
    if (ok) {
        profile_render(profile, registry, &t->parts, churn_text(customer_id), &out);
        ok = !out.failed && memory_store_merge(store, name, out.pairs, out.count);
    }
    profile_text_free(&out);
    if (profile != NULL) {
        profile_free(profile, registry);
    }
    return ok ? CHURN_OK : testkit_say(t, CHURN_FATAL, "%s: %s", key, message);
}

/* Events in the order in which a window folds them. */
struct order {
    const struct counted **events;
    uint32_t count;
};

static bool is_first_of_customer(const struct order *window, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(window->events[k]->customer_id, window->events[i]->customer_id) == 0) {
            return false;
        }
    }
    return true;
}

/* Folds one customer's events of a window, from the one at `first` on. */
static int32_t count_customer(struct churn_test *t, struct memory_store *store, const struct order *window,
                              uint32_t first, struct fields *delta, struct arena *arena)
{
    const char *customer_id = window->events[first]->customer_id;
    uint32_t part = parts_find(&t->parts, TOPIC, 0);
    int64_t next = 0;
    int32_t result = part != PART_NONE ? CHURN_OK : testkit_out_of_memory(t);
    fields_clear(delta);
    for (uint32_t i = first; i < window->count && result == CHURN_OK; i++) {
        const struct counted *c = window->events[i];
        if (strcmp(c->customer_id, customer_id) == 0) {
            result = fold(t, c, part, delta, arena);
            next = c->offset >= next ? c->offset + 1 : next;
        }
    }
    return result == CHURN_OK ? put_profile(t, store, customer_id, delta, part, next) : result;
}

static int32_t count_window(struct churn_test *t, struct memory_store *store, const struct order *window)
{
    struct fields *delta = malloc(fields_size(&t->pipeline.catalog.registry));
    struct arena_pool pool = {0};
    struct arena arena = {.pool = &pool};
    int32_t result = delta != NULL ? CHURN_OK : testkit_out_of_memory(t);
    for (uint32_t i = 0; i < window->count && result == CHURN_OK; i++) {
        if (is_first_of_customer(window, i)) {
            result = count_customer(t, store, window, i, delta, &arena);
        }
    }
    arena_reset(&arena);
    arena_pool_free(&pool);
    free(delta);
    return result;
}

/* --- One event --- */

/* The processor's own answer; what it changed is in *event. */
static int32_t call_processor(struct churn_test *t, churn_event *event, churn_error *err)
{
    const churn_processor_ops *ops = t->section.loaded->plugin.ops;
    struct reject reject;
    int32_t answer;
    if (ops->transform == NULL) {
        return ops->process(t->instance->self, event, err);
    }
    answer = ops->transform(t->instance->self, event, edit_open(&t->edit), err);
    if (answer == CHURN_OK) {
        answer = edit_apply(&t->edit, event, &reject);
        if (answer != CHURN_OK) {
            return churn_fail(err, answer, "%s", answer == CHURN_REJECT ? reject.detail : "out of memory");
        }
    }
    return answer;
}

/* The verdict of the processor under test, as the engine takes it. */
static int32_t run_processor(struct churn_test *t, churn_event *event)
{
    const churn_processor_ops *ops = t->section.loaded != NULL ? t->section.loaded->plugin.ops : NULL;
    churn_error err = {.size = sizeof err};
    int32_t verdict;
    if (ops == NULL || t->section.loaded->plugin.kind != CHURN_KIND_PROCESSOR) {
        return CHURN_OK;
    }
    if (t->instance == NULL) {
        return testkit_say(t, CHURN_FATAL, "churn_test_start comes before the first event");
    }
    if (ops->announce != NULL) {
        ops->announce(t->instance->self, event);
    }
    verdict = call_processor(t, event, &err);
    err.message[sizeof err.message - 1] = '\0';
    switch (verdict) {
    case CHURN_OK:
    case CHURN_DROP:
        return verdict;
    case CHURN_RETRY:
    case CHURN_FATAL:
        return testkit_answer(t, verdict, &err);
    case CHURN_REJECT:
        return testkit_say(t, verdict, "%s: %s: %s", reject_reason_name(REJECT_BY_PROCESSOR), t->section.label,
                           err.message);
    default:
        return testkit_say(t, CHURN_REJECT, "%s: %s answered %d, which is no verdict",
                           reject_reason_name(REJECT_BY_PROCESSOR), t->section.label, verdict);
    }
}

static bool keep_output(struct churn_test *t, uint32_t kind, struct text *text)
{
    for (uint32_t i = 0; i < t->window.output_count; i++) {
        const churn_record *output = &t->window.outputs[i];
        if (output->kind == kind) {
            return testkit_text(text, output->value.ptr, output->value.len) != NULL;
        }
    }
    return true;
}

/* What the event says to the sinks. */
static int32_t raise(struct churn_test *t, const struct counted *c)
{
    struct text scratch = {0};
    struct reject reject;
    churn_event event;
    const struct event_type *type = decode(t, c, &event, &reject);
    churn_record record = {.size = sizeof record, .topic = TOPIC, .offset = c->offset};
    uint32_t severity = severity_of_event(type, &event, type->table.severity);
    bool ok = true;
    for (uint32_t i = 0; i < t->edit.alert_count && ok; i++) {
        ok = output_raised(&t->window, &record, &event, &t->edit.alerts[i], &scratch);
    }
    ok = ok && (severity == CHURN_SEVERITY_NONE || output_alert(&t->window, &record, type, &event, severity, &scratch));
    ok = ok && (type->table.predicts == 0 || output_trigger(&t->window, &record, &event, &scratch));
    ok = ok && keep_output(t, CHURN_RECORD_ALERT, &t->alert) && keep_output(t, CHURN_RECORD_TRIGGER, &t->trigger);
    text_free(&scratch);
    return ok ? CHURN_OK : testkit_out_of_memory(t);
}

/* The event as the processor has changed it takes the place of the one that came. */
static bool keep_changed(struct counted *c, const churn_event *event)
{
    char *copy;
    if (event->payload.ptr == c->payload) {
        return true;
    }
    copy = calloc(1, event->payload.len + JSON_SCAN_PADDING);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, event->payload.ptr, event->payload.len);
    free(c->payload);
    c->payload = copy;
    c->len = event->payload.len;
    return true;
}

/* Decodes the newest record and gives it to the processor. */
static int32_t admit(struct churn_test *t, struct counted *c)
{
    struct reject reject;
    churn_event event;
    const struct event_type *type = decode(t, c, &event, &reject);
    int32_t verdict;
    if (type == NULL) {
        return reject.out_of_memory
                   ? testkit_out_of_memory(t)
                   : testkit_say(t, CHURN_REJECT, "%s: %s", reject_reason_name(reject.reason), reject.detail);
    }
    c->customer_id = strndup(event.customer_id.ptr, event.customer_id.len);
    edit_begin(&t->edit, t->decoder, &t->window.arena, type);
    verdict = run_processor(t, &event);
    return c->customer_id != NULL && keep_changed(c, &event) ? verdict : testkit_out_of_memory(t);
}

static bool reserve_counted(struct churn_test *t)
{
    uint32_t room = t->counted_room != 0 ? t->counted_room * 2 : 16;
    struct counted *grown;
    if (t->counted_count < t->counted_room) {
        return true;
    }
    grown = realloc(t->counted, room * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    t->counted = grown;
    t->counted_room = room;
    return true;
}

/* `json` has the decoder's padding behind it. Takes it. */
static int32_t take(struct churn_test *t, struct text *json, size_t len)
{
    struct counted c = {.payload = json->bytes, .len = (uint32_t)len, .offset = t->next_offset++};
    const struct counted *event = &c;
    struct order window = {.events = &event, .count = 1};
    int32_t result = reserve_counted(t) ? admit(t, &c) : testkit_out_of_memory(t);
    if (result == CHURN_OK) {
        result = count_window(t, &t->store, &window);
    }
    if (result != CHURN_OK) {
        free_counted(&c);
        return result;
    }
    t->counted[t->counted_count++] = c;
    return raise(t, &c);
}

void testkit_append_json(struct text *text, const char *json)
{
    bool quoted = strchr(json, '"') != NULL;
    for (; *json != '\0'; json++) {
        text_append(text, *json == '\'' && !quoted ? "\"" : json, 1);
    }
}

static int32_t take_text(struct churn_test *t, struct text *json)
{
    static const char padding[JSON_SCAN_PADDING];
    size_t len = json->len;
    if (!testkit_prepare(t)) {
        text_free(json);
        return CHURN_FATAL;
    }
    text_free(&t->alert);
    text_free(&t->trigger);
    window_reset(&t->window, 0);
    text_append(json, padding, sizeof padding);
    if (json->failed) {
        text_free(json);
        return testkit_out_of_memory(t);
    }
    return take(t, json, len);
}

int32_t churn_test_event_json(churn_test *t, const char *json)
{
    struct text text = {0};
    testkit_append_json(&text, json);
    return take_text(t, &text);
}

int32_t churn_test_event(churn_test *t, const char *customer_id, const char *event_type, const char *data)
{
    struct text text = {0};
    char time[CHURN_TIME_SIZE];
    churn_time_format(atomic_load(&t->now_ms), time);
    text_printf(&text, "{\"event_id\":\"e%" PRId64 "\",\"timestamp\":\"%s\",\"customer_id\":", t->next_offset + 1,
                time);
    text_append_json(&text, customer_id, strlen(customer_id));
    text_append_string(&text, ",\"event_type\":");
    text_append_json(&text, event_type, strlen(event_type));
    text_append_string(&text, ",\"data\":");
    testkit_append_json(&text, data);
    text_append_string(&text, "}");
    return take_text(t, &text);
}

const char *churn_test_alert(churn_test *t)
{
    return t->alert.bytes;
}

const char *churn_test_trigger(churn_test *t)
{
    return t->trigger.bytes;
}

/* --- Profiles --- */

static const struct memory_hash *profile_of(struct churn_test *t, const struct memory_store *store,
                                            const char *customer_id)
{
    char key[STORE_KEY_SIZE];
    churn_str id = churn_text(customer_id);
    churn_str name = {.ptr = key, .len = store_keys_profile(t->pipeline.store_settings.key_prefix, id, key)};
    return memory_store_find(store, name);
}

static const churn_str *field_of(const struct memory_hash *hash, const char *field)
{
    for (uint32_t i = 0; hash != NULL && i < hash->count; i++) {
        if (str_equals(hash->fields[i].name, field)) {
            return &hash->fields[i].value;
        }
    }
    return NULL;
}

const char *churn_test_field(churn_test *t, const char *customer_id, const char *field)
{
    const churn_str *value = field_of(profile_of(t, &t->store, customer_id), field);
    return value != NULL ? testkit_text(&t->field, value->ptr, value->len) : NULL;
}

const char *churn_test_profile(churn_test *t, const char *customer_id)
{
    const struct memory_hash *hash = profile_of(t, &t->store, customer_id);
    struct text json = {0};
    const char *shown;
    if (hash == NULL || !testkit_prepare(t)) {
        return NULL;
    }
    profile_append_json(&json, &t->pipeline.catalog.registry, hash->fields, hash->count);
    shown = json.failed ? NULL : testkit_text(&t->profile, json.bytes, json.len);
    text_free(&json);
    return shown;
}

/* A decimal's length without zeros that say nothing. */
static size_t significant(const char *text)
{
    size_t len = strlen(text);
    if (strchr(text, '.') != NULL && strpbrk(text, "eE") == NULL) {
        while (text[len - 1] == '0') {
            len--;
        }
        len -= text[len - 1] == '.';
    }
    return len;
}

static bool same_value(const char *expected, bool is_number, const char *actual)
{
    if (is_number) {
        size_t len = significant(expected);
        return len == significant(actual) && memcmp(expected, actual, len) == 0;
    }
    return strcmp(expected, actual) == 0;
}

/* Adds a line to `diff` unless the profile has what is expected of one field. */
static void compare_field(const struct memory_hash *hash, const char *field, struct json_object *expected,
                          struct text *diff)
{
    const churn_str *stored = field_of(hash, field);
    bool is_number = json_object_is_type(expected, json_type_int) || json_object_is_type(expected, json_type_double);
    const char *wanted = expected != NULL ? json_object_get_string(expected) : NULL;
    const char *actual = stored != NULL ? stored->ptr : NULL;
    if (wanted == NULL ? actual != NULL : actual == NULL || !same_value(wanted, is_number, actual)) {
        text_printf(diff, "\n  %s: expected %s, is %s", field, wanted != NULL ? wanted : "absent",
                    actual != NULL ? actual : "absent");
    }
}

static int32_t compare_profile(struct churn_test *t, const char *customer_id, struct json_object *expected)
{
    const struct memory_hash *hash = profile_of(t, &t->store, customer_id);
    struct text diff = {0};
    json_object_object_foreach(expected, field, value)
    {
        compare_field(hash, field, value, &diff);
    }
    if (diff.len == 0 && !diff.failed) {
        return CHURN_OK;
    }
    t->message.len = 0;
    text_printf(&t->message, "profile of %s%s", customer_id, hash == NULL ? ", which does not exist" : "");
    text_append(&t->message, diff.bytes, diff.len);
    text_append(&t->message, "", 1);
    text_free(&diff);
    return CHURN_REJECT;
}

int32_t churn_test_expect_profile(churn_test *t, const char *customer_id, const char *json)
{
    struct text text = {0};
    struct json_object *expected;
    int32_t result;
    testkit_append_json(&text, json);
    text_append(&text, "", 1);
    expected = text.failed ? NULL : json_tokener_parse(text.bytes);
    text_free(&text);
    if (!json_object_is_type(expected, json_type_object)) {
        json_object_put(expected);
        return testkit_say(t, CHURN_FATAL, "what is expected is no JSON object: %s", json);
    }
    result = compare_profile(t, customer_id, expected);
    json_object_put(expected);
    return result;
}

/* --- Orders --- */

/* One way to fold all events: [split, count) in a first window and [0, split) in a second one, each forwards or not. */
struct arrangement {
    uint32_t split;
    bool reversed;
};

static int32_t count_part(struct churn_test *t, struct memory_store *store, uint32_t from, uint32_t to, bool reversed)
{
    struct order window = {.count = to - from};
    int32_t result;
    if (from == to) {
        return CHURN_OK;
    }
    window.events = calloc(window.count, sizeof(*window.events));
    if (window.events == NULL) {
        return testkit_out_of_memory(t);
    }
    for (uint32_t i = 0; i < window.count; i++) {
        window.events[i] = &t->counted[reversed ? to - 1 - i : from + i];
    }
    result = count_window(t, store, &window);
    free((void *)window.events);
    return result;
}

static int32_t count_arranged(struct churn_test *t, struct memory_store *store, struct arrangement a)
{
    int32_t result = count_part(t, store, a.split, t->counted_count, a.reversed);
    return result == CHURN_OK ? count_part(t, store, 0, a.split, a.reversed) : result;
}

static void describe(struct arrangement a, char *out, size_t size)
{
    const char *order = a.reversed ? " in reverse order" : "";
    if (a.split == 0) {
        (void)snprintf(out, size, "in one window%s", order);
    } else {
        (void)snprintf(out, size, "the first %u in a window of their own after the others%s", a.split, order);
    }
}

/* Compares one profile of two stores, but for the engine's own fields. */
static int32_t compare_hashes(struct churn_test *t, const char *customer_id, const struct memory_store *a,
                              const struct memory_store *b, struct arrangement arrangement)
{
    const struct memory_hash *one = profile_of(t, a, customer_id), *other = profile_of(t, b, customer_id);
    char how[128];
    for (uint32_t turn = 0; turn < 2; turn++) { /* a field may be missing on either side */
        const struct memory_hash *fields = turn == 0 ? one : other;
        for (uint32_t i = 0; fields != NULL && i < fields->count; i++) {
            const char *name = fields->fields[i].name.ptr;
            const churn_str *here = field_of(one, name), *there = field_of(other, name);
            if (name[0] == '_' || (here != NULL && there != NULL && strcmp(here->ptr, there->ptr) == 0)) {
                continue;
            }
            describe(arrangement, how, sizeof how);
            return testkit_say(t, CHURN_REJECT, "profile of %s: %s is %s with the events one by one, %s with them %s",
                               customer_id, name, here != NULL ? here->ptr : "absent",
                               there != NULL ? there->ptr : "absent", how);
        }
    }
    return CHURN_OK;
}

static int32_t try_arrangement(struct churn_test *t, const struct memory_store *expected, struct arrangement a)
{
    struct memory_store store;
    int32_t result;
    memory_store_init(&store);
    result = count_arranged(t, &store, a);
    for (uint32_t i = 0; i < t->counted_count && result == CHURN_OK; i++) {
        result = compare_hashes(t, t->counted[i].customer_id, expected, &store, a);
    }
    memory_store_free(&store);
    return result;
}

int32_t churn_test_commutes(churn_test *t)
{
    struct memory_store expected;
    uint32_t step = t->counted_count / 64 + 1; /* a long list is not divided in every way, which takes its square */
    int32_t result = CHURN_OK;
    memory_store_init(&expected);
    for (uint32_t i = 0; i < t->counted_count && result == CHURN_OK; i++) {
        result = count_part(t, &expected, i, i + 1, false);
    }
    for (uint32_t split = 0; split < t->counted_count && result == CHURN_OK; split += step) {
        result = try_arrangement(t, &expected, (struct arrangement){.split = split});
        if (result == CHURN_OK) {
            result = try_arrangement(t, &expected, (struct arrangement){.split = split, .reversed = true});
        }
    }
    memory_store_free(&expected);
    return result;
}
