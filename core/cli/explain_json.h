/* The explanation for programs. */
#ifndef EXPLAIN_JSON_H
#define EXPLAIN_JSON_H

#include "cli/explain_state.h"

/* Prints everything; returns the exit status, or -1 when memory ran out. */
int explain_json_print(struct explain *e);

#endif
