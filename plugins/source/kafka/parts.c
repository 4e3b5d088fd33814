/* The topics and partitions of the source, and why it cannot go on. */
#include "parts.h"

void source_fail(struct kafka_source *s, const char *format, ...)
{
    va_list args;
    if (s->failed) {
        return;
    }
    s->failed = 1;
    va_start(args, format);
    (void)vsnprintf(s->failure.message, sizeof s->failure.message, format, args);
    va_end(args);
}

#define DENIED_ADVICE "; nothing is lost: allow it, and start again"

void source_fail_topic(struct kafka_source *s, const char *topic, rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        source_fail(s, "topic `%s`: %s: the user may not READ (or DESCRIBE) it" DENIED_ADVICE, topic,
                    rd_kafka_err2str(code));
    } else {
        source_fail(s, "topic `%s`: %s", topic, rd_kafka_err2str(code));
    }
}

void source_fail_group(struct kafka_source *s, rd_kafka_resp_err_t code)
{
    source_fail(s, "group `%s`: %s: the user may not READ it, which is to join it and to commit" DENIED_ADVICE,
                s->group, rd_kafka_err2str(code));
}

struct topic *topic_named(const struct kafka_source *s, const char *name)
{
    for (uint32_t i = 0; i < s->topic_count; i++) {
        if (strcmp(s->topics[i].name, name) == 0) {
            return &s->topics[i];
        }
    }
    return NULL;
}

const struct topic *topic_of_identity(const struct kafka_source *s, const char *identity)
{
    for (uint32_t i = 0; i < s->topic_count; i++) {
        if (strcmp(s->topics[i].identity, identity) == 0) {
            return &s->topics[i];
        }
    }
    return NULL;
}

void topic_missing(const struct kafka_source *s, const char *name)
{
    struct topic *t = topic_named(s, name);
    if (t != NULL && !t->missing) {
        t->missing = t->appeared = 1;
        churn_log(s->host, CHURN_LOG_INFO, "topic `%s` does not exist; waiting for it", name);
    }
}

struct part *part_named(const struct kafka_source *s, const char *topic, int32_t partition)
{
    for (uint32_t i = 0; i < s->part_count; i++) {
        if (s->parts[i].partition == partition && strcmp(s->parts[i].topic, topic) == 0) {
            return &s->parts[i];
        }
    }
    return NULL;
}

struct part *part_of_identity(const struct kafka_source *s, const char *identity, int32_t partition)
{
    const struct topic *t = topic_of_identity(s, identity);
    return t != NULL ? part_named(s, t->name, partition) : NULL;
}

void part_passed(struct kafka_source *s, struct part *p, int64_t offset)
{
    if (offset > 0 && (offset > p->position || (offset == p->position && p->untold))) {
        p->position = p->passed = offset;
        p->untold = 0;
        s->passing = 1;
    }
}

void parts_tell_passed(struct kafka_source *s)
{
    const churn_source_listener *l = s->listener;
    for (uint32_t i = 0; s->passing && i < s->part_count; i++) {
        struct part *p = &s->parts[i];
        churn_position position = {.topic = p->identity, .partition = p->partition, .offset = p->passed};
        if (p->passed != OFFSET_UNKNOWN && l->size >= offsetof(churn_source_listener, passed) + sizeof l->passed &&
            l->passed != NULL) {
            l->passed(l->ctx, &position, 1);
        }
        p->passed = OFFSET_UNKNOWN;
    }
    s->passing = 0;
}

const struct bounds *part_bounds(const struct kafka_source *s, const char *topic, int32_t partition)
{
    for (uint32_t i = 0; i < s->bounds_count; i++) {
        if (s->bounds[i].partition == partition && strcmp(s->bounds[i].topic, topic) == 0) {
            return &s->bounds[i];
        }
    }
    return NULL;
}
