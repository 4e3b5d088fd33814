#include "kafka_grants.h"
#include "kafka_login.h"

/* The principal's name, where the login tells it. */
static const char *user_of(const churn_map *properties)
{
    const char *user = kafka_login_property(properties, "sasl.username");
    user = user[0] != '\0' ? user : kafka_login_property(properties, "sasl.oauthbearer.client.id");
    return user[0] != '\0' ? user : NULL;
}

static void tell(const struct kafka_grants *g, const char *resource, const char *name, const char *operation,
                 uint32_t flags, const char *why)
{
    const churn_grant grant = {.size = sizeof grant,
                               .flags = flags,
                               .system = CHURN_GRANT_KAFKA,
                               .at = g->brokers,
                               .user = user_of(g->properties),
                               .resource = resource,
                               .name = name,
                               .operation = operation,
                               .why = why};
    g->fn(g->ctx, &grant);
}

void kafka_grants_read(const struct kafka_grants *g, const char *topic)
{
    tell(g, "topic", topic, "Read", 0, NULL);
}

void kafka_grants_write(const struct kafka_grants *g, const char *topic, int is_made)
{
    tell(g, "topic", topic, "Write", 0, NULL);
    if (is_made) {
        tell(g, "topic", topic, "Create", CHURN_GRANT_SOMETIMES, "where the topic is not made before");
    }
    tell(g, "cluster", NULL, "IdempotentWrite", CHURN_GRANT_SOMETIMES, "with brokers before Kafka 3.0");
}

void kafka_grants_describe(const struct kafka_grants *g, const char *topic)
{
    tell(g, "topic", topic, "DescribeConfigs", 0, NULL);
}

void kafka_grants_group(const struct kafka_grants *g, const char *group)
{
    tell(g, "group", group, "Read", 0, NULL);
}

void kafka_grants_groups(const struct kafka_grants *g, const char *prefix)
{
    tell(g, "group", prefix, "Read", CHURN_GRANT_PREFIX, NULL);
}
