#include "engine/forgetting_calls.h"

#include "engine/forgetting.h"
#include "profile/store_keys.h"
#include <stdio.h>

static struct forgetting *forgetting_of(const churn_host *host)
{
    const struct instance *instance = host->ctx;
    return instance->pipeline->forgetting;
}

static int64_t on_known(const churn_host *host, int64_t *ret_looked_ms)
{
    const struct forgetting *forgetting = forgetting_of(host);
    *ret_looked_ms = forgetting_looked_ms(forgetting); /* first: what that look found is known by now */
    return forgetting_known(forgetting);
}

static int32_t on_covers(const churn_host *host, const churn_forgettable *what)
{
    struct forgetting *forgetting = forgetting_of(host);
    char name[STORE_KEY_SIZE];
    churn_str source = {.ptr = name};
    if (forgetting_lapsed(forgetting)) {
        return CHURN_PENDING;
    }
    if (what->topic.len > 0) {
        source.len = (uint32_t)snprintf(name, sizeof name, "%.*s/%d", (int)what->topic.len, what->topic.ptr,
                                        (int)what->partition);
        source.len = source.len < sizeof name ? source.len : 0;
    }
    return forgetting_covers(forgetting, what->customer_id, source, what->offset, what->timestamp_ms);
}

static void on_adopted(const churn_host *host, int64_t known)
{
    forgetting_adopt_instance(forgetting_of(host), host, known);
}

const churn_forgetting forgetting_calls = {
    .size = sizeof forgetting_calls, .known = on_known, .covers = on_covers, .adopted = on_adopted};
