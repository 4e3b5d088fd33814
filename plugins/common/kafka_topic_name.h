/* Which names brokers take for a topic. */
#ifndef KAFKA_TOPIC_NAME_H
#define KAFKA_TOPIC_NAME_H

#include <churn/result.h>
#include <string.h>

/* CHURN_OK, or a refusal with err->option = `option`. */
static inline int32_t kafka_topic_name_check(const char *option, const char *name, churn_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);
    if (len == 0) {
        return churn_fail_option(err, option, "a topic's name is empty");
    }
    if (len > 249 || strspn(name, letters) != len || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return churn_fail_option(err, option,
                                 "`%.80s` is not a topic's name: up to 249 of a-z, A-Z, 0-9, `.`, `_`, `-`", name);
    }
    return CHURN_OK;
}

#endif
