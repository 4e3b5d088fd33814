#include "engine/passing_over.h"

#include "base/json_parse.h"
#include "engine/forgetting.h"
#include "engine/session.h"
#include "engine/tombstone_log.h"
#include "event/owner.h"
#include <json-c/json.h>

#define MAX_DEPTH 512

/* Of the profiles under a prefix. */
static int32_t look_for_tombstones(struct worker *worker, const char *prefix)
{
    const struct tombstone_log log = {.ops = store_of(worker), .session = worker->session.handle, .prefix = prefix};
    const char *label = worker->pipeline->store.label;
    churn_error err = {.size = sizeof err};
    bool began;
    int32_t result = tombstone_log_began(&log, &began, &err);
    if (result == CHURN_RETRY) {
        session_lose(worker, err.message);
        return result;
    }
    if (result != CHURN_OK) {
        (void)worker_fail(worker, "%s: whether customers of `%s` were forgotten cannot be read: %s", label, prefix,
                          err.message);
        return CHURN_FATAL;
    }
    if (began) {
        (void)worker_fail(worker,
                          "%s: customers of `%s` were forgotten, and this pipeline has no `forget:`, so it would count "
                          "again what was erased: give it the `forget: {key: …}` of the pipeline that forgot them",
                          label, prefix);
        return CHURN_FATAL;
    }
    return CHURN_OK;
}

int32_t passing_over_begin(struct worker *worker)
{
    const struct pipeline *pipeline = worker->pipeline;
    int32_t result = CHURN_OK;
    if (pipeline->forgetting != NULL || worker->forgetting.none) {
        return CHURN_OK;
    }
    result = look_for_tombstones(worker, pipeline->store_settings.key_prefix);
    if (result == CHURN_OK && pipeline->rebuilt[0] != '\0') {
        result = look_for_tombstones(worker, pipeline->rebuilt);
    }
    worker->forgetting.none = result == CHURN_OK;
    return result;
}

bool passing_over_covers(const struct worker *worker, const churn_record *record, churn_str customer, uint32_t part,
                         int64_t time_ms)
{
    return worker->forgetting.known > 0 && part != PART_NONE &&
           forgetting_covers(worker->pipeline->forgetting, customer, parts_name(&worker->parts.items[part]),
                             record->offset, time_ms);
}

bool passing_over_event(struct worker *worker, const churn_record *record, churn_str customer, uint32_t part,
                        int64_t time_ms)
{
    bool covered = passing_over_covers(worker, record, customer, part, time_ms);
    if (covered) {
        metrics_add_own(worker->counters.forgotten, 1);
    }
    return covered;
}

/* A record may be keyed by something else than its customer. */
bool passing_over_covers_record(const struct worker *worker, const churn_record *record, uint32_t part)
{
    int64_t time_ms = record->timestamp_ms > 0 ? record->timestamp_ms : INT64_MAX;
    struct json_object *object = NULL;
    churn_str customer = record->key;
    bool ok, covered;
    if (worker->forgetting.known <= 0) {
        return false;
    }
    if (record->value.ptr != NULL) {
        object = json_parse(record->value.ptr, record->value.len, MAX_DEPTH, &ok);
    }
    if (json_object_is_type(object, json_type_object)) {
        time_ms = owner_time(object, time_ms);
        (void)owner_in(object, &customer);
    }
    covered = customer.ptr != NULL && passing_over_covers(worker, record, customer, part, time_ms);
    (void)json_object_put(object);
    return covered;
}

bool passing_over_record(struct worker *worker, const churn_record *record, uint32_t part)
{
    bool covered = passing_over_covers_record(worker, record, part);
    if (covered) {
        metrics_add_own(worker->counters.forgotten, 1);
    }
    return covered;
}
