#include "engine/passing_over.h"

#include "base/json_parse.h"
#include "engine/forgetting.h"
#include "event/owner.h"
#include <json-c/json.h>

#define MAX_DEPTH 512

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
