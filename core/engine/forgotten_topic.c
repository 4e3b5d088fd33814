/* A record's key is the tombstone's id, its value a JSON object of its fields, each a text. */
#include "engine/forgotten_topic.h"

#include "base/clock.h"
#include "base/json_build.h"
#include "base/json_parse.h"
#include "base/json_text.h"
#include "pipeline/forget_section.h"
#include "pipeline/instance.h"
#include "profile/profile.h"
#include <inttypes.h>
#include <stdlib.h>

#define DEPTH 2

/* A record that is no tombstone of ours. It counts until its key is written again, as a deleted one too. */
struct stray {
    struct stray *next;
    int32_t partition, why; /* as tombstones_add says */
    int64_t offset;
    uint32_t len;
    char key[];
};

struct forgotten_topic {
    struct pipeline *pipeline;
    struct instance *instance;
    const churn_ledger_ops *ops;
    const char *name;
    struct stray *strays;
    bool exists;
};

/* What a read hands over. */
struct taking {
    struct forgotten_topic *topic;
    struct tombstones *set;
    bool failed; /* memory ran out */
};

bool forgotten_topic_open(struct pipeline *pipeline, struct forgotten_topic **ret)
{
    const struct section *section = pipeline_ledger(pipeline);
    struct forgotten_topic *topic;
    *ret = NULL;
    if (section == NULL) {
        return true;
    }
    topic = calloc(1, sizeof *topic);
    if (topic == NULL) {
        config_error(&pipeline->config, NULL, "out of memory");
        return false;
    }
    topic->pipeline = pipeline;
    topic->ops = source_ops(section)->ledger;
    topic->name = pipeline->forget_settings.topic;
    topic->instance = instance_new(pipeline, section, 0);
    if (topic->instance == NULL) {
        free(topic);
        return false;
    }
    *ret = topic;
    return true;
}

static void drop_strays(struct forgotten_topic *topic)
{
    while (topic->strays != NULL) {
        struct stray *next = topic->strays->next;
        free(topic->strays);
        topic->strays = next;
    }
}

void forgotten_topic_close(struct forgotten_topic *topic)
{
    if (topic != NULL) {
        drop_strays(topic);
        instance_free(topic->instance);
        free(topic);
    }
}

bool forgotten_topic_exists(const struct forgotten_topic *topic)
{
    return topic->exists;
}

/* ---- reading ---- */

static void drop_stray(struct forgotten_topic *topic, churn_str key)
{
    for (struct stray **at = &topic->strays; *at != NULL;) {
        struct stray *stray = *at;
        if (churn_equal(key, (churn_str){.ptr = stray->key, .len = stray->len})) {
            *at = stray->next;
            free(stray);
        } else {
            at = &stray->next;
        }
    }
}

static bool keep_stray(struct forgotten_topic *topic, const churn_record *record, int32_t why)
{
    uint32_t len = record->key.ptr != NULL ? record->key.len : 0;
    struct stray *stray = malloc(sizeof *stray + len);
    if (stray == NULL) {
        return false;
    }
    *stray = (struct stray){
        .next = topic->strays, .partition = record->partition, .offset = record->offset, .why = why, .len = len};
    memcpy(stray->key, record->key.ptr != NULL ? record->key.ptr : "", len);
    topic->strays = stray;
    return true;
}

/* CHURN_OK, or as tombstones_add. */
static int32_t add_fields(struct tombstones *set, churn_str key, struct json_object *object)
{
    uint32_t count = 0, room = (uint32_t)json_object_object_length(object);
    churn_pair *pairs = calloc(room + 1u, sizeof *pairs);
    const churn_str *id;
    int32_t result;
    if (pairs == NULL) {
        return CHURN_FATAL;
    }
    json_object_object_foreach(object, name, value)
    {
        if (json_object_is_type(value, json_type_string)) {
            pairs[count++] = (churn_pair){
                churn_text(name),
                {.ptr = json_object_get_string(value), .len = (uint32_t)json_object_get_string_len(value)}};
        }
    }
    id = profile_find_pair(pairs, count, churn_text(TOMBSTONE_ID));
    result = id != NULL && churn_equal(*id, key) && count == room
                 ? tombstones_add(set, pairs, count, clock_monotonic_ms())
                 : CHURN_REJECT;
    free(pairs);
    return result;
}

static int32_t add_record(struct tombstones *set, const churn_record *record)
{
    bool ok;
    struct json_object *object = json_parse(record->value.ptr, record->value.len, DEPTH, &ok);
    int32_t result =
        ok && json_object_is_type(object, json_type_object) ? add_fields(set, record->key, object) : CHURN_REJECT;
    (void)json_object_put(object);
    return result;
}

static bool is_known(const struct tombstones *set, churn_str key)
{
    char id[TOMBSTONE_ID_SIZE];
    (void)snprintf(id, sizeof id, "%.*s", (int)key.len, key.ptr);
    return key.len < sizeof id && tombstones_find(set, id) != NULL;
}

static void on_record(void *ctx, const churn_record *record)
{
    struct taking *taking = ctx;
    struct forgotten_topic *topic = taking->topic;
    bool keyed = record->key.ptr != NULL;
    int32_t result = CHURN_OK;
    if (keyed) {
        drop_stray(topic, record->key);
    }
    if (record->value.ptr != NULL && !(keyed && is_known(taking->set, record->key))) {
        result = keyed ? add_record(taking->set, record) : CHURN_REJECT;
    } else if (!keyed) {
        result = CHURN_REJECT;
    }
    taking->failed =
        taking->failed || result == CHURN_FATAL || (result != CHURN_OK && !keep_stray(topic, record, result));
}

static int32_t judge(const struct forgotten_topic *topic, churn_error *err)
{
    const struct stray *stray = topic->strays;
    if (stray == NULL) {
        return CHURN_OK;
    }
    return stray->why == CHURN_CONFLICT
               ? churn_fail(err, CHURN_RETRY,
                            "a tombstone in topic `%s` (%" PRId32 "@%" PRId64 ") was written with another `forget: "
                            "key`; with this one nobody whom it names would be forgotten: give that one, or give "
                            "pipelines with other keys another `forget: topic`",
                            topic->name, stray->partition, stray->offset)
               : churn_fail(err, CHURN_RETRY,
                            "a record in topic `%s` (%" PRId32 "@%" PRId64 ") is no tombstone that this program wrote; "
                            "write its key again without a value, or name another `forget: topic`",
                            topic->name, stray->partition, stray->offset);
}

int32_t forgotten_topic_read(struct forgotten_topic *topic, struct tombstones *set, uint32_t timeout_ms,
                             churn_error *err)
{
    struct taking taking = {.topic = topic, .set = set};
    int32_t exists = 0;
    int32_t result = topic->ops->read(topic->instance->self, topic->name, timeout_ms, on_record, &taking, &exists, err);
    tombstones_by_age(set);
    if (taking.failed) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    if (result != CHURN_OK) {
        return result;
    }
    topic->exists = exists != 0;
    if (!topic->exists) {
        drop_strays(topic);
    }
    return judge(topic, err);
}

/* ---- adding ---- */

int32_t forgotten_topic_add(struct forgotten_topic *topic, const churn_pair *fields, uint32_t count,
                            uint32_t timeout_ms, churn_error *err)
{
    const churn_str *id = profile_find_pair(fields, count, churn_text(TOMBSTONE_ID));
    struct text text = {0};
    int32_t result;
    for (uint32_t i = 0; i < count; i++) {
        text_append_string(&text, i == 0 ? "{" : ",");
        text_append_json(&text, fields[i].name.ptr, fields[i].name.len);
        text_append_string(&text, ":");
        text_append_json(&text, fields[i].value.ptr, fields[i].value.len);
    }
    text_append_string(&text, "}");
    result = text.failed ? churn_fail(err, CHURN_FATAL, "out of memory")
                         : topic->ops->add(topic->instance->self, topic->name, *id,
                                           (churn_str){.ptr = text.bytes, .len = (uint32_t)text.len}, timeout_ms, err);
    text_free(&text);
    return result;
}
