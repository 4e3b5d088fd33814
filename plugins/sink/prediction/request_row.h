/* What a request carries of one trigger's profile: the values of the features, as JSON writes them, each with a newline
 * behind it; and behind those, where the form wants it, the profile. */
#ifndef PREDICTION_REQUEST_ROW_H
#define PREDICTION_REQUEST_ROW_H

#include "model.h"
#include "text_buffer.h"

/* Writes the row of a customer with its stored profile. */
void request_row_write(const struct model *model, const churn_host *host, const churn_storage *storage,
                       churn_str customer_id, const churn_pair *fields, uint32_t count, struct text_buffer *row);

/* Sets ret_values[i] to that of the i-th feature; returns what stands behind them. */
churn_str request_row_split(const struct model *model, churn_str row, churn_str *ret_values);

/* 1: the row itself is the object below. */
int request_row_is_features(const struct model *model);

/* Appends the features that were sent, as a JSON object: for who trains a model with them. */
void request_row_features(const struct model *model, churn_str row, struct text_buffer *text);

#endif
