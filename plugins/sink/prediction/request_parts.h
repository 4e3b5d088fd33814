/* A request's rows with their values told apart, as the writers of a body take them. */
#ifndef PREDICTION_REQUEST_PARTS_H
#define PREDICTION_REQUEST_PARTS_H

#include "model.h"
#include "text_buffer.h"
#include "trigger.h"

struct request_row {
    const struct trigger *trigger;
    churn_str row; /* request_row_write's */
};

struct request_parts {
    const struct model *model;
    const struct request_row *rows;
    uint32_t count;
    churn_str *values;   /* of row r and feature f: [r * features + f] */
    churn_str *profiles; /* of each row; empty where the form has none */
};

static inline churn_str request_value(const struct request_parts *parts, uint32_t row, uint32_t feature)
{
    return parts->values[(size_t)row * parts->model->features.count + feature];
}

/* Writes [value, …] of a row. */
void request_parts_row(const struct request_parts *parts, uint32_t row, struct text_buffer *body);

/* Writes the names of the features, [name, …]. */
void request_parts_names(const struct model *model, struct text_buffer *body);

#endif
