#include "form.h"

#include <stdlib.h>

void form_row(const struct service *s, const struct trigger *trigger, const churn_pair *fields, uint32_t count,
              struct text_buffer *row)
{
    const churn_storage *storage = s->store->storage;
    char *profile = storage->customer_json(s->host, trigger->customer_id, fields, count);
    if (profile == NULL) {
        row->failed = 1;
        return;
    }
    trigger_write_open(row, trigger);
    text_puts(row, ",\"profile\":");
    text_puts(row, profile);
    text_puts(row, "}");
    storage->free_text(profile);
}

void form_body(const struct service *s, struct job *const *jobs, uint32_t count, struct text_buffer *body)
{
    (void)s;
    for (uint32_t i = 0; i < count; i++) {
        text_add(body, jobs[i]->row, jobs[i]->row_len);
    }
}

int form_answers(const struct service *s, churn_str body, uint32_t count, struct answer **answers,
                 const char **ret_reason)
{
    struct answer *answer = malloc(sizeof *answer);
    (void)s;
    (void)count;
    *ret_reason = "memory ran out";
    if (answer == NULL || !answer_parse(body, answer, ret_reason)) {
        free(answer);
        return 0;
    }
    answers[0] = answer;
    return 1;
}
