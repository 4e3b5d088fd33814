/* A body that the pipeline's file lays out: YAML that becomes JSON, with placeholders such as <customer_id>. A scalar
 * that is one placeholder alone becomes its value, whatever JSON that is; within a text, placeholders that are texts
 * are filled in. `<each>: X`, alone in its map, becomes a list of X for each row. `<<name>` stands for `<name>`.
 *
 * Of the request: <rows>, <records>, <columns>, <count>, <model>. Of a row: <row>, <record>, <features.NAME>,
 * <profile>, <request_id>, <customer_id>, <event_id>, <event_type>, <timestamp>. */
#ifndef PREDICTION_TEMPLATE_H
#define PREDICTION_TEMPLATE_H

#include "request_parts.h"

/* For `create`: every placeholder is known, and where requests have several rows, what is of a row stands below <each>.
 * CHURN_OK or CHURN_FATAL with the place in err->option. */
int32_t template_check(const struct model *model, int64_t batch_max, int *ret_needs_profile, churn_error *err);

void template_write(const struct request_parts *parts, struct text_buffer *body);

#endif
