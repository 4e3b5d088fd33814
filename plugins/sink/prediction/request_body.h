/* The body of a request, in the form that the model's server takes. */
#ifndef PREDICTION_REQUEST_BODY_H
#define PREDICTION_REQUEST_BODY_H

#include "request_parts.h"

/* Writes the body about `count` rows, at least one. */
void request_body_write(const struct model *model, const struct request_row *rows, uint32_t count,
                        struct text_buffer *body);

#endif
