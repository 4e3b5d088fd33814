#include "engine/passing_over.h"

#include "engine/forgetting.h"

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

bool passing_over_record(struct worker *worker, const churn_record *record, uint32_t part)
{
    int64_t time_ms = record->timestamp_ms > 0 ? record->timestamp_ms : INT64_MAX;
    return record->key.ptr != NULL && passing_over_event(worker, record, record->key, part, time_ms);
}
