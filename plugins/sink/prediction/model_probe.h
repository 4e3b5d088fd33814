/* Asks a server about its model: for `check --connect`. */
#ifndef PREDICTION_MODEL_PROBE_H
#define PREDICTION_MODEL_PROBE_H

#include "http_settings.h"
#include "model.h"
#include <churn/target.h>

/* Asks for the model's metadata, where the form has such a call (KServe v2), and tells of the model as a target. A
 * server that does not answer is told by http_probe. */
void model_probe(const struct model *model, const struct http_settings *http, uint32_t timeout_ms, churn_target_fn fn,
                 void *ctx);

#endif
