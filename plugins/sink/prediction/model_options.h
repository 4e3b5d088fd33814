/* What the pipeline's file says of the model and its form, checked. */
#ifndef PREDICTION_MODEL_OPTIONS_H
#define PREDICTION_MODEL_OPTIONS_H

#include "model.h"

/* Checks the options, and reads what is made of them, for a plugin's `create`. CHURN_OK or CHURN_FATAL; frees what it
 * made where it fails. */
int32_t model_options_read(struct model *model, const churn_host *host, int64_t batch_max, churn_error *err);
void model_options_free(struct model *model);

#endif
