#include "form.h"

#include "answer_rows.h"
#include "request_body.h"
#include "request_row.h"
#include <stdlib.h>

void form_row(const struct service *s, const struct trigger *trigger, const churn_pair *fields, uint32_t count,
              struct text_buffer *row)
{
    request_row_write(&s->settings->model, s->host, s->store->storage, trigger->customer_id, fields, count, row);
}

void form_body(const struct service *s, struct job *const *jobs, uint32_t count, struct text_buffer *body)
{
    struct request_row *rows = malloc(count * sizeof *rows);
    if (rows == NULL) {
        body->failed = 1;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = (struct request_row){.trigger = jobs[i]->trigger,
                                       .row = {.ptr = jobs[i]->row, .len = (uint32_t)jobs[i]->row_len}};
    }
    request_body_write(&s->settings->model, rows, count, body);
    free(rows);
}

static int churnd_answer(churn_str body, struct answer **ret, const char **ret_reason)
{
    struct answer *answer = malloc(sizeof *answer);
    *ret_reason = "memory ran out";
    if (answer == NULL || !answer_parse(body, answer, ret_reason)) {
        free(answer);
        return 0;
    }
    *ret = answer;
    return 1;
}

int form_answers(const struct service *s, churn_str body, uint32_t count, struct answer **answers,
                 const char **ret_reason)
{
    return s->settings->model.format == FORMAT_CHURND
               ? churnd_answer(body, answers, ret_reason)
               : answer_rows_read(&s->settings->model, body, count, answers, ret_reason);
}

void form_keep_features(const struct service *s, struct job *job)
{
    struct text_buffer text = {0};
    if (job->row == NULL || request_row_is_features(&s->settings->model)) {
        return;
    }
    request_row_features(&s->settings->model, (churn_str){.ptr = job->row, .len = (uint32_t)job->row_len}, &text);
    free(job->row);
    job->row = text.ptr;
    job->row_len = text.failed ? 0 : text.len;
}
