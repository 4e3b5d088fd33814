/* Alerts that sinks raise by themselves: put into a window, whose sinks for alerts take them as those of events. */
#ifndef RAISING_H
#define RAISING_H

#include "engine/state.h"

/* Puts those that wait into a window, as far as there is one that can take them. False when the worker failed. */
bool raising_take(struct worker *worker);
/* Tells who raised them of those that are safe. */
void raising_answer(struct worker *worker);
/* The windows are given up. */
void raising_give_back(struct worker *worker);

#endif
