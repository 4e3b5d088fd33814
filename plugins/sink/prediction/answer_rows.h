/* An answer of a model server: for each row of the request a prediction, where the form or `answer` says. */
#ifndef PREDICTION_ANSWER_ROWS_H
#define PREDICTION_ANSWER_ROWS_H

#include "answer.h"
#include "model.h"

/* Reads the body of a 2xx answer about `count` rows. 1: answers[i] is that to the i-th row, made by malloc, or NULL
 * where that one's is none; at least one is there. 0: no answer to any of them. *ret_reason says what is wrong, if
 * anything is: a constant text. */
int answer_rows_read(const struct model *model, churn_str body, uint32_t count, struct answer **answers,
                     const char **ret_reason);

#endif
