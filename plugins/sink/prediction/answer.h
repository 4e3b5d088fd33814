/* An answer of the prediction API. */
#ifndef PREDICTION_ANSWER_H
#define PREDICTION_ANSWER_H

#include <churn/result.h>
#include <churn/time.h>
#include <json-c/json.h>

#define ANSWER_TEXT_MAX 256 /* bytes of risk_level and of model_version */

struct answer {
    char churn_probability[48];              /* the number as the API wrote it */
    char risk_level[ANSWER_TEXT_MAX + 1];    /* "": not given */
    char model_version[ANSWER_TEXT_MAX + 1]; /* "": not given */
    char predicted_at[CHURN_TIME_SIZE];      /* set by whoever took the answer */
};

/* Reads the body of a 2xx answer: 1, or 0 with *ret_reason, a constant text. */
int answer_parse(churn_str body, struct answer *answer, const char **ret_reason);

/* Takes a number from 0 to 1: 1, or 0 when it is none. */
int answer_set_probability(json_object *number, struct answer *answer);

/* Copies an optional text, of which absent and null are the same: 1, or 0 when it is none or too long. */
int answer_read_text(json_object *object, const char *name, char room[ANSWER_TEXT_MAX + 1]);

#endif
