/* What a server says of its model (KServe v2), compared with what it will be asked. */
#ifndef PREDICTION_MODEL_METADATA_H
#define PREDICTION_MODEL_METADATA_H

#include "model.h"

/* Compares the features with the inputs that the metadata names: 1 alike; 0: *ret says how they differ; -1: it names
 * none, as *ret says. */
int model_metadata_compare(const struct model *model, churn_str metadata, char *ret, size_t size);

#endif
