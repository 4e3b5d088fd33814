#include "cli/load/others.h"

#include "base/clock.h"
#include "cli/load/sections.h"
#include "pipeline/instance.h"

#define PATIENCE_MS 30000 /* for Kafka to let a group read */
#define ENOUGH 5000       /* records: if so many are of load tests, so are the others */
#define AT_ONCE 500

static void ignore_positions(void *ctx, const churn_position *positions, uint32_t count)
{
    (void)ctx;
    (void)positions;
    (void)count;
}

static void ignore_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    (void)lost;
    ignore_positions(ctx, positions, count);
}

static bool is_of_a_test(const churn_record *record)
{
    const churn_str prefix = churn_text(LOAD_CUSTOMERS);
    return record->key.ptr != NULL && record->key.len >= prefix.len &&
           memcmp(record->key.ptr, prefix.ptr, prefix.len) == 0;
}

static enum whose look(const struct section *section, void *source, churn_error *err)
{
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS, seen = 0;
    int32_t result = CHURN_PENDING;
    while ((result == CHURN_OK || result == CHURN_PENDING) && seen < ENOUGH) {
        churn_record records[AT_ONCE];
        uint32_t count = 0;
        result = source_ops(section)->poll(source, records, AT_ONCE, 100, &count, err);
        for (uint32_t i = 0; i < count; i++) {
            if (!is_of_a_test(&records[i])) {
                return WHOSE_OTHERS;
            }
        }
        seen += count;
        deadline = count > 0 ? clock_monotonic_ms() + PATIENCE_MS : deadline;
        if (result == CHURN_PENDING && clock_monotonic_ms() > deadline) {
            (void)churn_fail(err, CHURN_RETRY, "Kafka has shown no record of the topic for 30 s, and not its end");
            return WHOSE_UNKNOWN;
        }
    }
    if (result != CHURN_OK && result != CHURN_PENDING && result != CHURN_END) {
        return WHOSE_UNKNOWN;
    }
    return seen > 0 ? WHOSE_LOAD_TESTS : WHOSE_NONE;
}

enum whose others_look(struct pipeline *pipeline, struct log *log)
{
    const struct section *section = &pipeline->source;
    const churn_source_listener listener = {
        .size = sizeof listener, .assigned = ignore_positions, .revoked = ignore_revoked, .passed = ignore_positions};
    struct instance *instance = instance_new(pipeline, section, 0);
    churn_error err = {.size = sizeof err};
    enum whose whose = WHOSE_UNKNOWN;
    if (instance == NULL) {
        return whose;
    }
    if (source_ops(section)->start(instance->self, &listener, &err) == CHURN_OK) {
        whose = look(section, instance->self, &err);
        source_ops(section)->stop(instance->self);
    }
    if (whose == WHOSE_UNKNOWN) {
        log_line(log, CHURN_LOG_ERROR, section->label, err.message);
    }
    instance_free(instance);
    return whose;
}
