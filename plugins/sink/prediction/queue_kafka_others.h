/* Who else serves the queue, for a run that goes on beside the pipeline's own. */
#ifndef PREDICTION_QUEUE_KAFKA_OTHERS_H
#define PREDICTION_QUEUE_KAFKA_OTHERS_H

#include "queue_kafka_state.h"

/* Of a run beside the pipeline's own: somebody else is in the group, so that what is written to the queue is served
 * without this one. Asks the brokers. Stays 1 from then on. 0: nobody is, or the run is the pipeline's own. -1: it
 * cannot be told now. */
int others_serve(struct back *b);

#endif
