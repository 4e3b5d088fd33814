/* A prediction as it is published. */
#ifndef PREDICTION_RECORD_H
#define PREDICTION_RECORD_H

#include "prediction_cache.h"
#include "text_buffer.h"
#include "trigger.h"

/* Appends the JSON object of a trigger's prediction. */
void prediction_record_append(struct text_buffer *text, const struct trigger *trigger,
                              const struct cached_prediction *prediction);
/* Shows it to whoever looks at predictions of the run. */
void prediction_record_show(const churn_host *host, const struct trigger *trigger,
                            const struct cached_prediction *prediction);

#endif
