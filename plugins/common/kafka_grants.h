/* What a Kafka user has to be allowed, as plugins name it for `churnd check --acl`. */
#ifndef KAFKA_GRANTS_H
#define KAFKA_GRANTS_H

#include <churn/grant.h>
#include <churn/option.h>

struct kafka_grants {
    const char *brokers;
    const churn_map *properties;
    churn_grant_fn fn;
    void *ctx;
};

void kafka_grants_read(const struct kafka_grants *grants, const char *topic);
/* Of a topic that is written, and made where it does not exist when `is_made`. */
void kafka_grants_write(const struct kafka_grants *grants, const char *topic, int is_made);
/* Of a topic whose configuration is asked for. */
void kafka_grants_describe(const struct kafka_grants *grants, const char *topic);
/* Of a consumer group that is joined, and commits. */
void kafka_grants_group(const struct kafka_grants *grants, const char *group);
/* Of groups that are joined for a while, whose names begin so. */
void kafka_grants_groups(const struct kafka_grants *grants, const char *prefix);

#endif
