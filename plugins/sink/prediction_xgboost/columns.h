/* Which field of a profile stands in which column of a model. */
#ifndef COLUMNS_H
#define COLUMNS_H

#include "model_features.h"

struct column {
    churn_str field;
    float missing; /* in place of a field that the profile lacks; NaN: the model decides */
};

/* Finds the field of each of the model's features, by its name or as the list of the option `features` (NULL: it is not
 * given) says. Fields are borrowed of the host and the list; *ret is freed with free(). CHURN_OK, or CHURN_FATAL at the
 * option. */
int32_t columns_bind(const churn_host *host, const churn_node *option, const char *const *names, uint32_t count,
                     struct column **ret, churn_error *err);

/* Fills a row of `count` columns from a profile. */
void columns_fill(const struct column *columns, uint32_t count, const churn_pair *fields, uint32_t field_count,
                  float *row);

#endif
