#include "kafka_section.h"

#include <stdio.h>
#include <string.h>

int kafka_section_connects(const char *property)
{
    static const char *const prefixes[] = {"security.",    "ssl.",    "sasl.",   "enable.ssl.",
                                           "enable.sasl.", "https.",  "socket.", "broker.",
                                           "reconnect.",   "client.", "debug"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (strncmp(property, prefixes[i], strlen(prefixes[i])) == 0) {
            return 1;
        }
    }
    return 0;
}

struct copying {
    churn_section *to;
    const churn_section *from;
    int (*wanted)(const char *property);
};

static void copy_property(void *ctx, const char *property, const char *value)
{
    const struct copying *copying = ctx;
    char option[256]; /* longer ones are none of librdkafka's */
    (void)value;
    if (copying->wanted(property)) {
        (void)snprintf(option, sizeof option, "properties.%s", property);
        copying->to->copy(copying->to, option, copying->from, option);
    }
}

void kafka_section_copy(churn_section *to, const churn_section *from, int (*wanted)(const char *property))
{
    struct copying copying = {.to = to, .from = from, .wanted = wanted};
    from->each(from, "properties", copy_property, &copying);
}

void kafka_section_connect(churn_section *to, const churn_section *from)
{
    to->copy(to, "brokers", from, "brokers");
    kafka_section_copy(to, from, kafka_section_connects);
}
