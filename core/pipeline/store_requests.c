#include "pipeline/store_requests.h"

#include "base/clock.h"

#define POLL_MS 100

int32_t store_get_many(const churn_store_ops *ops, void *session, const churn_str *keys, uint32_t count,
                       churn_fields_fn fn, void *ctx, churn_error *err)
{
    int32_t result = CHURN_OK;
    if (count > 0 && ops->get_many != NULL) {
        return ops->get_many(session, keys, count, fn, ctx, err);
    }
    for (uint32_t i = 0; i < count && result == CHURN_OK; i++) {
        result = ops->get(session, keys[i], fn, ctx, err);
    }
    return result;
}

int32_t store_put_one(const churn_store_ops *ops, void *session, const churn_put *put, uint32_t timeout_ms,
                      churn_error *err)
{
    churn_put_reply reply = {.size = sizeof reply};
    int64_t deadline = clock_monotonic_ms() + timeout_ms;
    uint32_t count = 0;
    int32_t result = ops->put(session, put, err);
    while (result == CHURN_OK && count == 0) {
        result = ops->poll(session, &reply, 1, POLL_MS, &count, err);
        result = result == CHURN_PENDING ? CHURN_OK : result;
        if (result == CHURN_OK && count == 0 && clock_monotonic_ms() > deadline) {
            return churn_fail(err, CHURN_RETRY, "the store does not answer");
        }
    }
    if (result == CHURN_OK && reply.result != CHURN_OK && reply.result != CHURN_CONFLICT) {
        return churn_fail(err, reply.result, "%s", reply.message != NULL ? reply.message : "a put was refused");
    }
    return result == CHURN_OK ? reply.result : result;
}
