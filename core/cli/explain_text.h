/* The explanation for people. */
#ifndef EXPLAIN_TEXT_H
#define EXPLAIN_TEXT_H

#include "cli/explain_state.h"

/* Prints everything; returns the exit status, or -1 when memory ran out. */
int explain_text_print(struct explain *e);

#endif
