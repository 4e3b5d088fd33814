#include "queue_kafka_others.h"

/* Another worker of this run, or another run of its kind, is no pipeline. */
static int has_pipeline(const struct rd_kafka_group_info *group)
{
    for (int i = 0; i < group->member_cnt; i++) {
        if (strcmp(group->members[i].client_id, CLIENT_BESIDE) != 0) {
            return 1;
        }
    }
    return 0;
}

/* As others_serve. */
static int ask(struct back *b)
{
    const struct rd_kafka_group_list *list;
    int found = 0;
    if (rd_kafka_list_groups(b->rk, b->group, &list, REQUEST_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return -1;
    }
    for (int i = 0; i < list->group_cnt && found == 0; i++) {
        const struct rd_kafka_group_info *group = &list->groups[i];
        found = group->err != RD_KAFKA_RESP_ERR_NO_ERROR ? -1 : has_pipeline(group);
    }
    rd_kafka_group_list_destroy(list);
    return found;
}

int others_serve(struct back *b)
{
    int found;
    if (b->others || !churn_is_beside(b->host)) {
        return b->others;
    }
    found = ask(b);
    if (found == 1) {
        b->others = 1;
        churn_log(b->host, CHURN_LOG_INFO,
                  "a pipeline that runs serves topic `%s` (group `%s`): it asks the API for the triggers of this run",
                  b->settings->queue_topic, b->group);
    }
    return found;
}
