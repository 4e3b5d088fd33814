#include "prediction_cache.h"

#include <stdlib.h>

int prediction_cache_key(const char *prefix, churn_str customer_id, churn_str *ret_key)
{
    size_t prefix_len = strlen(prefix);
    char *key = malloc(prefix_len + customer_id.len + 1);
    if (key == NULL) {
        return 0;
    }
    memcpy(key, prefix, prefix_len);
    memcpy(key + prefix_len, customer_id.ptr, customer_id.len);
    key[prefix_len + customer_id.len] = '\0';
    *ret_key = (churn_str){.ptr = key, .len = (uint32_t)(prefix_len + customer_id.len)};
    return 1;
}

static churn_pair pair(const char *name, churn_str value)
{
    return (churn_pair){.name = {.ptr = name, .len = (uint32_t)strlen(name)}, .value = value};
}

int32_t prediction_cache_write(struct store_session *s, const char *prefix, churn_str customer_id,
                               const struct cached_prediction *prediction, int64_t ttl_ms, churn_error *err)
{
    churn_pair fields[5];
    uint32_t count = 0;
    churn_str key;
    int32_t rc;
    if (!prediction_cache_key(prefix, customer_id, &key)) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    fields[count++] = pair("churn_probability", prediction->churn_probability);
    if (prediction->risk_level.len > 0) {
        fields[count++] = pair("risk_level", prediction->risk_level);
    }
    if (prediction->model_version.len > 0) {
        fields[count++] = pair("model_version", prediction->model_version);
    }
    fields[count++] = pair("predicted_at", prediction->predicted_at);
    fields[count++] = pair("event_id", prediction->event_id);
    rc = store_session_result(s, s->ops->write(s->session, key, fields, count, ttl_ms, err), err);
    free((char *)(uintptr_t)key.ptr);
    return rc;
}
