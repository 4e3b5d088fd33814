#include "cli/test/cases.h"

#include "base/suggest.h"
#include "cli/test/json.h"
#include "cli/test/sinks.h"
#include "engine/letter.h"
#include "event/event.h"
#include "event/severity.h"
#include "profile/profile.h"
#include <churn/time.h>
#include <stddef.h>
#include <stdlib.h>

#define MAX_CUSTOMER_ID 128

/* What is being read. */
struct reader {
    struct config *config;
    const struct pipeline *pipeline;
};

static bool out_of_memory(const struct reader *r)
{
    config_error(r->config, NULL, "out of memory");
    return false;
}

static bool is_absent(const struct node *node)
{
    return node == NULL || (node->kind == NODE_SCALAR && node->null);
}

/* Reports what is neither absent nor of the kind that belongs there. */
static bool check_kind(const struct reader *r, const struct node *node, enum node_kind kind, const char *what,
                       const char *wanted)
{
    if (is_absent(node) || node->kind == kind) {
        return true;
    }
    config_error(r->config, node, "%s: %s", what, wanted);
    return false;
}

static bool check_keys(const struct reader *r, const struct node *map, const char *what, const char *const *known)
{
    return options_read(r->config, map, map, what, NULL, 0, known);
}

/* ---- events ---- */

struct place {
    const char *topic;
    int64_t partition;
    int64_t offset;
    const char *timestamp;
};

static const churn_option place_options[] = {
    {.name = "topic", .type = CHURN_OPTION_STRING, .offset = offsetof(struct place, topic), .help = ""},
    {.name = "partition",
     .type = CHURN_OPTION_INT,
     .default_text = "0",
     .min = 0,
     .max = INT32_MAX,
     .offset = offsetof(struct place, partition),
     .help = ""},
    {.name = "offset",
     .type = CHURN_OPTION_INT,
     .default_text = "0",
     .min = 0,
     .max = INT64_MAX - 1,
     .offset = offsetof(struct place, offset),
     .help = ""},
    {.name = "timestamp", .type = CHURN_OPTION_STRING, .offset = offsetof(struct place, timestamp), .help = ""},
};

static const char *const payload_keys[] = {"key", "key_base64", "value", "value_base64", NULL};

/* The first topic of the pipeline's own source, as far as that has any. */
static char *default_topic(const struct reader *r)
{
    const struct node *topics = config_get(config_get(&r->pipeline->config.root, "source"), "topics");
    if (topics != NULL && topics->kind == NODE_LIST && topics->count > 0) {
        topics = &topics->items[0];
    }
    if (topics == NULL || topics->kind != NODE_SCALAR || *topics->text == '\0') {
        return strdup("test");
    }
    return strndup(topics->text, strcspn(topics->text, ", \t"));
}

/* The offset after the partition's newest one in this test. */
static int64_t next_offset(const struct test_case *test, const struct test_event *event)
{
    for (const struct test_event *earlier = event; earlier-- > test->events;) {
        if (earlier->partition == event->partition && strcmp(earlier->topic, event->topic) == 0) {
            return earlier->offset + 1;
        }
    }
    return 0;
}

static bool place_event(const struct reader *r, const struct test_case *test, const struct node *node,
                        const struct place *place, struct test_event *event)
{
    const struct node *offset = config_get(node, "offset");
    int64_t next;
    event->topic = place->topic != NULL ? strdup(place->topic) : default_topic(r);
    if (event->topic == NULL) {
        return out_of_memory(r);
    }
    event->partition = (int32_t)place->partition;
    next = next_offset(test, event);
    event->offset = offset != NULL ? place->offset : next;
    if (event->offset < next) {
        config_error(r->config, offset,
                     "events: offset: %s/%d has come to %lld already, and within a partition offsets "
                     "only grow",
                     event->topic, event->partition, (long long)next);
        return false;
    }
    return true;
}

/* Names the event by its place in the test where it has no `event_id`, since few tests care. */
static void append_event(struct text *out, const struct node *map, unsigned number)
{
    if (config_get(map, "event_id") != NULL) {
        test_append_json(out, map);
        return;
    }
    text_printf(out, "{\"event_id\":\"event-%u\"%s", number, map->count > 0 ? "," : "");
    struct text rest = {0};
    test_append_json(&rest, map);
    text_append(out, rest.bytes + 1, rest.failed ? 0 : rest.len - 1);
    out->failed = out->failed || rest.failed;
    text_free(&rest);
}

/* Records are keyed by customer, as producers do. */
static void key_by_customer(struct test_event *event, const struct node *map)
{
    const struct node *customer = config_get(map, "customer_id");
    if (!event->has_key && customer != NULL && customer->kind == NODE_SCALAR && !customer->null) {
        event->has_key = true;
        text_append_string(&event->key, customer->text);
    }
}

static bool take_base64(const struct reader *r, const struct node *node, const char *what, struct text *to)
{
    uint32_t len = 0;
    churn_str coded = {.ptr = node->text, .len = node->kind == NODE_SCALAR ? (uint32_t)strlen(node->text) : 0};
    char *bytes = node->kind == NODE_SCALAR ? letter_decode_base64(coded, &len) : NULL;
    if (bytes == NULL) {
        config_error(r->config, node, "events: %s: this is no base64", what);
        return false;
    }
    text_append(to, bytes, len);
    free(bytes);
    return true;
}

/* `key` or `value` of a record that is given as such. */
static bool take_payload(const struct reader *r, const struct node *map, const char *name, const char *coded_name,
                         unsigned number, struct text *to, bool *ret_has)
{
    const struct node *node = config_get(map, name), *coded = config_get(map, coded_name);
    if (node != NULL && coded != NULL) {
        config_error(r->config, coded, "events: write %s or %s, not both", name, coded_name);
        return false;
    }
    *ret_has = coded != NULL || !is_absent(node);
    if (coded != NULL) {
        return take_base64(r, coded, coded_name, to);
    }
    if (*ret_has && node->kind == NODE_MAP && strcmp(name, "value") == 0) {
        append_event(to, node, number);
    } else if (*ret_has && node->kind == NODE_SCALAR) {
        text_append_string(to, node->text);
    } else if (*ret_has) {
        config_error(r->config, node, "events: %s: a text belongs here%s", name,
                     strcmp(name, "value") == 0 ? ", or an event" : "");
        return false;
    }
    return true;
}

/* A map with `value` is a record: its place, key and value. Any other is an event. */
static bool is_record(const struct node *node)
{
    return config_get(node, "value") != NULL || config_get(node, "value_base64") != NULL;
}

/* A time that a test states; unchanged where `text` is NULL. */
static bool read_moment(const struct reader *r, const struct node *map, const char *what, const char *name,
                        const char *text, int64_t *ret_ms)
{
    if (text == NULL || (churn_time_parse(text, strlen(text), ret_ms) && *ret_ms > 0)) {
        return true;
    }
    config_error(r->config, config_get(map, name), "%s: %s: '%s' is no time such as 2026-01-01T00:00:00Z", what, name,
                 text);
    return false;
}

static bool read_record(const struct reader *r, const struct test_case *test, const struct node *node, unsigned number,
                        struct test_event *event)
{
    struct place place = {0};
    struct option_target target = OPTION_TARGET(place_options, &place);
    bool ok = options_read(r->config, node, node, "events", &target, 1, payload_keys);
    ok = ok && place_event(r, test, node, &place, event);
    ok = ok && read_moment(r, node, "events", "timestamp", place.timestamp, &event->timestamp_ms);
    ok = ok && take_payload(r, node, "key", "key_base64", number, &event->key, &event->has_key);
    ok = ok && take_payload(r, node, "value", "value_base64", number, &event->value, &event->has_value);
    options_free(&target, 1);
    if (ok && config_get(node, "key") == NULL) {
        key_by_customer(event, config_get(node, "value"));
    }
    return ok;
}

static bool read_event(const struct reader *r, const struct test_case *test, const struct node *node, unsigned number,
                       struct test_event *event)
{
    static const struct place first = {0};
    if (node->kind == NODE_MAP && is_record(node)) {
        return read_record(r, test, node, number, event);
    }
    event->has_value = true;
    if (node->kind == NODE_MAP) {
        append_event(&event->value, node, number);
        key_by_customer(event, node);
    } else if (node->kind == NODE_SCALAR) {
        text_append_string(&event->value, node->text);
    } else {
        config_error(r->config, node, "events: an event belongs here, as a map, or the text of a record");
        return false;
    }
    return place_event(r, test, NULL, &first, event);
}

static void free_event(struct test_event *event)
{
    free(event->topic);
    text_free(&event->key);
    text_free(&event->value);
    *event = (struct test_event){0};
}

static bool read_events(const struct reader *r, struct test_case *test)
{
    const struct node *list = config_get(test->node, "events");
    bool ok = check_kind(r, list, NODE_LIST, "events", "a list of events belongs here");
    unsigned count = ok && !is_absent(list) ? list->count : 0;
    test->events = calloc(count + 1u, sizeof *test->events);
    if (test->events == NULL) {
        return out_of_memory(r);
    }
    for (unsigned i = 0; i < count; i++) {
        struct test_event *event = &test->events[test->event_count];
        if (!read_event(r, test, &list->items[i], i + 1, event)) {
            free_event(event); /* the next ones are checked all the same */
            ok = false;
        } else if (event->key.failed || event->value.failed) {
            free_event(event);
            return out_of_memory(r);
        } else {
            test->event_count++;
        }
    }
    return ok;
}

/* ---- profiles ---- */

static bool is_derived(const struct registry *registry, const char *name)
{
    for (uint32_t i = 0; i < registry->derived_count; i++) {
        if (str_equals(registry->derived[i].name, name)) {
            return true;
        }
    }
    return false;
}

static bool report_field(const struct reader *r, const struct node *key)
{
    const struct registry *registry = &r->pipeline->catalog.registry;
    struct suggest suggest = {.typed = key->text};
    char hint[128];
    for (uint32_t i = 0; i < registry->field_count; i++) {
        suggest_offer(&suggest, registry->fields[i].name.ptr);
    }
    for (uint32_t i = 0; i < registry->derived_count; i++) {
        suggest_offer(&suggest, registry->derived[i].name.ptr);
    }
    config_error(r->config, key, "profiles: no event type of this pipeline has a profile field '%s'%s", key->written,
                 suggest_text(&suggest, hint, sizeof hint));
    return false;
}

/* Whether the engine could read the value from a store, by asking it to. */
static bool check_value(const struct reader *r, const struct node *key, const struct node *value)
{
    const struct registry *registry = &r->pipeline->catalog.registry;
    churn_pair pair = {.name = churn_text(key->text), .value = churn_text(value->text)};
    int32_t index = name_index_find(&registry->names, pair.name.ptr, pair.name.len);
    struct parts parts = {0};
    struct profile *profile = profile_new(registry);
    char message[256];
    int32_t result = profile != NULL ? profile_read(profile, registry, &parts, (churn_str){.ptr = ""}, &pair, 1,
                                                    message, sizeof message)
                                     : CHURN_FATAL;
    if (result == CHURN_FATAL) {
        (void)out_of_memory(r);
    } else if (result != CHURN_OK) {
        config_error(r->config, value, "profiles: %s: '%s' is no value of type %s", key->written, value->written,
                     index >= 0 ? registry_type_name(registry->fields[index].type) : "?");
    }
    profile_free(profile, registry);
    parts_free(&parts);
    return result == CHURN_OK;
}

static bool check_field(const struct reader *r, const struct node *key, const struct node *value, bool may_be_absent)
{
    const struct registry *registry = &r->pipeline->catalog.registry;
    bool derived = is_derived(registry, key->text);
    if (!derived && name_index_find(&registry->names, key->text, strlen(key->text)) < 0) {
        return report_field(r, key);
    }
    if (value->kind != NODE_SCALAR || (value->null && !may_be_absent)) {
        config_error(r->config, value, "profiles: %s: a value belongs here", key->written);
        return false;
    }
    return value->null || derived || check_value(r, key, value);
}

static bool check_profiles(const struct reader *r, const struct node *profiles, bool expected)
{
    static const char wanted[] = "customers belong here, each with the fields of its profile, as in 'cust_1: "
                                 "{order_count: 2}'";
    bool ok = check_kind(r, profiles, NODE_MAP, "profiles", wanted);
    if (is_absent(profiles) || !ok) {
        return ok;
    }
    if (r->pipeline->store.loaded == NULL) {
        config_error(r->config, profiles, "profiles: this pipeline has no store");
        return false;
    }
    for (unsigned i = 0; i < profiles->count; i++) {
        const struct node *fields = &profiles->items[i];
        size_t len = strlen(profiles->keys[i].text);
        if (len == 0 || len > MAX_CUSTOMER_ID) {
            config_error(r->config, &profiles->keys[i], "profiles: a customer_id has 1 to %d bytes", MAX_CUSTOMER_ID);
            ok = false;
        }
        if (fields->kind != NODE_MAP && !(expected && is_absent(fields))) {
            config_error(r->config, fields, "profiles: %s", wanted);
            ok = false;
        }
        for (unsigned f = 0; fields->kind == NODE_MAP && f < fields->count; f++) {
            ok = check_field(r, &fields->keys[f], &fields->items[f], expected) && ok;
        }
    }
    return ok;
}

/* ---- expected outputs ---- */

static const char *const alert_members[] = {"alert_id",    "severity", "event_id", "event_type", "timestamp",
                                            "customer_id", "message",  "data",     NULL};
static const char *const trigger_members[] = {"request_id", "customer_id", "trigger", NULL};
static const char *const prediction_members[] = {"request_id",
                                                 "customer_id",
                                                 "churn_probability",
                                                 "risk_level",
                                                 "model_version",
                                                 "predicted_at",
                                                 "event_id",
                                                 "event_type",
                                                 "timestamp",
                                                 "sink",
                                                 NULL};
static const char *const letter_members[] = {"reason",    "detail", "timestamp", "kind",  "replayed", "topic",
                                             "partition", "offset", "key",       "value", NULL};

/* The member `name` of an expected record must be one of `choice(0)`, `choice(1)`, … */
static bool check_choice(const struct reader *r, const struct node *record, const char *name, unsigned count,
                         const char *(*choice)(unsigned number))
{
    const struct node *node = config_get(record, name);
    struct suggest suggest = {.typed = node != NULL && node->kind == NODE_SCALAR ? node->text : ""};
    char hint[128];
    for (unsigned i = 0; i < count; i++) {
        if (node == NULL || strcmp(choice(i), suggest.typed) == 0) {
            return true;
        }
        suggest_offer(&suggest, choice(i));
    }
    config_error(r->config, node, "%s: there is no %s '%s'%s", name, name,
                 node->kind == NODE_SCALAR ? node->written : "", suggest_text(&suggest, hint, sizeof hint));
    return false;
}

static const char *severity_choice(unsigned number)
{
    return severity_name(number + 1);
}

static const char *reason_choice(unsigned number)
{
    return reject_reason_name((enum reject_reason)number);
}

/* What is expected of one record, as far as its kind has a fixed form. */
static bool check_record(const struct reader *r, const struct node *record, uint32_t kind)
{
    switch (kind) {
    case CHURN_RECORD_ALERT:
        return check_keys(r, record, "alerts", alert_members) &&
               check_choice(r, record, "severity", CHURN_SEVERITY_CRITICAL, severity_choice);
    case CHURN_RECORD_TRIGGER:
        return check_keys(r, record, "triggers", trigger_members);
    case CHURN_RECORD_DEAD_LETTER:
        return check_keys(r, record, "dead_letters", letter_members) &&
               check_choice(r, record, "reason", REJECT_REASON_COUNT, reason_choice);
    default:
        return true;
    }
}

static bool check_records(const struct reader *r, const struct node *list, uint32_t kind, const char *what)
{
    bool ok = check_kind(r, list, NODE_LIST, what, "a list belongs here, [] where nothing is expected");
    if (!ok || is_absent(list)) {
        return ok;
    }
    for (unsigned i = 0; i < list->count; i++) {
        ok = check_record(r, &list->items[i], kind) && ok;
    }
    if (list->count > 0 && (r->pipeline->outputs & kind) == 0) {
        config_error(r->config, list, "%s: this pipeline has no sink that takes them, so there can be none", what);
        return false;
    }
    return ok;
}

static bool report_sink(const struct reader *r, const struct node *key, bool ambiguous)
{
    struct suggest suggest = {.typed = key->text};
    char hint[128];
    if (ambiguous) {
        config_error(r->config, key,
                     "sinks: the pipeline has several sinks '%s'; write the place in its list, from 1 to %u",
                     key->written, test_sink_count(r->pipeline));
        return false;
    }
    for (unsigned i = 0; i < test_sink_count(r->pipeline); i++) {
        suggest_offer(&suggest, r->pipeline->sinks[i].label);
    }
    config_error(r->config, key, "sinks: the pipeline has no sink '%s'%s", key->written,
                 suggest_text(&suggest, hint, sizeof hint));
    return false;
}

static bool check_sinks(const struct reader *r, const struct node *sinks)
{
    bool ok = check_kind(r, sinks, NODE_MAP, "sinks", "sinks belong here, each with the list of what it gets");
    for (unsigned i = 0; ok && !is_absent(sinks) && i < sinks->count; i++) {
        int found = test_sink_find(r->pipeline, sinks->keys[i].text);
        ok = found >= 0 ? check_records(r, &sinks->items[i], r->pipeline->sinks[found].input, sinks->keys[i].text)
                        : report_sink(r, &sinks->keys[i], found == -2);
    }
    return ok;
}

static bool check_predictions(const struct reader *r, const struct test_case *test, const struct node *list)
{
    bool ok = check_kind(r, list, NODE_LIST, "predictions", "a list belongs here, [] where nothing is expected");
    if (!ok || is_absent(list)) {
        return ok;
    }
    if (test->answers.node == NULL && list->count > 0) {
        config_error(r->config, list,
                     "predictions: nobody is asked in this test; add 'answers:' with what the model answers");
        return false;
    }
    for (unsigned i = 0; i < list->count; i++) {
        ok = check_keys(r, &list->items[i], "predictions", prediction_members) && ok;
    }
    return ok;
}

static bool read_expect(const struct reader *r, struct test_case *test)
{
    static const char *const known[] = {"profiles", "alerts", "triggers", "predictions", "dead_letters", "sinks", NULL};
    int32_t exactly = 0;
    const churn_option row = {.name = "exactly", .type = CHURN_OPTION_BOOL, .default_text = "false", .help = ""};
    struct option_target target = {.rows = &row, .count = 1, .stride = sizeof row, .base = &exactly};
    const struct node *expect = test->expect = config_get(test->node, "expect");
    bool ok;
    if (is_absent(expect)) {
        config_error(r->config, expect != NULL ? expect : test->node,
                     "tests: a test must expect something: add 'expect:'");
        return false;
    }
    ok = options_read(r->config, expect, expect, "expect", &target, 1, known);
    test->exactly = exactly != 0;
    ok = check_profiles(r, config_get(expect, "profiles"), true) && ok;
    ok = check_records(r, config_get(expect, "alerts"), CHURN_RECORD_ALERT, "alerts") && ok;
    ok = check_records(r, config_get(expect, "triggers"), CHURN_RECORD_TRIGGER, "triggers") && ok;
    ok = check_predictions(r, test, config_get(expect, "predictions")) && ok;
    ok = check_records(r, config_get(expect, "dead_letters"), CHURN_RECORD_DEAD_LETTER, "dead_letters") && ok;
    return check_sinks(r, config_get(expect, "sinks")) && ok;
}

/* ---- tests ---- */

static const churn_option test_options[] = {
    {.name = "name",
     .type = CHURN_OPTION_STRING,
     .flags = CHURN_OPTION_REQUIRED,
     .offset = offsetof(struct test_settings, name),
     .help = "what the test shows"},
    {.name = "now",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct test_settings, now),
     .help = "what plugins are told is the time"},
};

static bool check_name(const struct reader *r, const struct test_cases *cases, const struct test_case *test)
{
    for (const struct test_case *other = cases->items; other < test && test->settings.name != NULL; other++) {
        if (other->config == test->config && other->settings.name != NULL &&
            strcmp(other->settings.name, test->settings.name) == 0) {
            config_error(r->config, config_get(test->node, "name"), "tests: the test in line %u has this name too",
                         other->node->line);
            return false;
        }
    }
    return true;
}

static bool read_case(const struct reader *r, const struct test_cases *cases, const struct node *node,
                      struct test_case *test)
{
    static const char *const known[] = {"profiles", "events", "answers", "expect", NULL};
    struct option_target target = OPTION_TARGET(test_options, &test->settings);
    bool ok;
    test->config = r->config;
    test->node = node;
    test->profiles = config_get(node, "profiles");
    ok = options_read(r->config, node, node, "tests", &target, 1, known);
    ok = check_name(r, cases, test) && ok;
    ok = read_moment(r, node, "tests", "now", test->settings.now, &test->now_ms) && ok;
    ok = check_profiles(r, test->profiles, false) && ok;
    ok = read_events(r, test) && ok;
    ok = test_answers_read(&test->answers, r->pipeline, r->config, node) && ok;
    return read_expect(r, test) && ok;
}

bool test_cases_read(struct test_cases *cases, const struct pipeline *pipeline, struct config *config)
{
    struct reader r = {.config = config, .pipeline = pipeline};
    const struct node *list = config_get(&config->root, "tests");
    bool ok = check_kind(&r, list, NODE_LIST, "tests", "a list of tests belongs here, each beginning with '- name:'");
    struct test_case *items;
    if (!ok || is_absent(list)) {
        return ok;
    }
    items = realloc(cases->items, (cases->count + list->count + 1) * sizeof *items);
    if (items == NULL) {
        return out_of_memory(&r);
    }
    cases->items = items;
    for (unsigned i = 0; i < list->count; i++) {
        struct test_case *test = &cases->items[cases->count++];
        *test = (struct test_case){0};
        ok = read_case(&r, cases, &list->items[i], test) && ok;
    }
    return ok;
}

static void free_case(struct test_case *test)
{
    struct option_target target = OPTION_TARGET(test_options, &test->settings);
    for (unsigned i = 0; i < test->event_count; i++) {
        free_event(&test->events[i]);
    }
    free(test->events);
    test_answers_free(&test->answers);
    options_free(&target, 1);
}

void test_cases_free(struct test_cases *cases)
{
    for (unsigned i = 0; i < cases->count; i++) {
        free_case(&cases->items[i]);
    }
    free(cases->items);
    *cases = (struct test_cases){0};
}
