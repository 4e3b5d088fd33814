/* Looks after the group while it has given us nothing. */
#include "watch.h"
#include "client.h"
#include "conf.h"

#define LONE_MS 5000 /* without partitions: by then a group without dead members has given them out */
#define LONE_SAID (-1)

static int all_missing(const struct kafka_source *s)
{
    uint32_t i = 0;
    while (i < s->topic_count && s->topics[i].missing) {
        i++;
    }
    return i == s->topic_count;
}

/* Says once what a start after a crash waits for. */
static void say_waiting(struct kafka_source *s)
{
    int64_t now = source_now_ms(s);
    if (s->lone_ms == 0) {
        s->lone_ms = now;
    } else if (s->lone_ms != LONE_SAID && now - s->lone_ms >= LONE_MS) {
        s->lone_ms = LONE_SAID;
        churn_log(s->host, CHURN_LOG_INFO,
                  "waiting for group `%s` to give out its partitions: it hears from every member first, and waits for "
                  "one that was killed until its session ends (session.timeout.ms, here %lld s)",
                  s->group, (long long)(conf_session_ms(s) / 1000));
    }
}

void watch_group(struct kafka_source *s, int up)
{
    int waits = s->subscribed && !s->assigned && !s->failed && !all_missing(s);
    enum kafka_group_state state = KAFKA_GROUP_FOUND;
    if (waits) {
        state = kafka_client_group(s->client, &s->watch);
    } else {
        s->watch = (struct kafka_group){0};
    }
    if (!waits || !up || !kafka_client_hears(s->client)) {
        s->lone_ms = 0;
    } else if (state == KAFKA_GROUP_FOUND) {
        say_waiting(s);
    }
    if (state == KAFKA_GROUP_FOUND) {
        stall_end(&s->group_stall);
        return;
    }
    stall_begin(&s->group_stall, KAFKA_GROUP_LOST_TEXT, s->group);
    if (state == KAFKA_GROUP_LOST) {
        churn_log(s->host, CHURN_LOG_WARN, KAFKA_GROUP_ANEW_TEXT, s->group);
        client_remake(s);
    }
}
