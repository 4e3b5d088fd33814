/* Customers whose profile cannot be read or written, whose events go to the dead letters. */
#ifndef DAMAGE_H
#define DAMAGE_H

#include "engine/state.h"

/* Sets a delta's events aside, but for those that are known to be counted. False when the worker failed. */
bool damage_set_aside(struct worker *worker, struct window *window, struct delta *delta, const struct reject *reject);
/* A put of the customer's was acknowledged. */
void damage_mended(struct worker *worker, struct customer *customer);

#endif
