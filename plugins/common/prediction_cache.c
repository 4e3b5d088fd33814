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
    return (churn_pair){.name = churn_text(name), .value = value};
}

uint32_t prediction_cache_fields(const struct cached_prediction *prediction, churn_pair fields[PREDICTION_CACHE_FIELDS])
{
    uint32_t count = 0;
    fields[count++] = pair("churn_probability", prediction->churn_probability);
    if (prediction->risk_level.len > 0) {
        fields[count++] = pair("risk_level", prediction->risk_level);
    }
    if (prediction->model_version.len > 0) {
        fields[count++] = pair("model_version", prediction->model_version);
    }
    fields[count++] = pair("predicted_at", prediction->predicted_at);
    fields[count++] = pair("event_id", prediction->event_id);
    if (prediction->features.len > 0) {
        fields[count++] = pair("features", prediction->features);
    }
    return count;
}
