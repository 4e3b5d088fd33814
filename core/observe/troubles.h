/* What keeps a run from being ready, as /readyz lists it: an entry for each cause, with the workers that it is of. */
#ifndef TROUBLES_H
#define TROUBLES_H

#include "pipeline/stalls.h"
#include <json-c/json.h>
#include <limits.h>

#define TROUBLES_WHO_SIZE 128
#define TROUBLES_OF_RUN UINT_MAX /* in the place of a worker: it is of none */

/* Adds it to `list`, a JSON array; to the entry that is there where several workers say the same, be it with other
 * numbers. For stalls_each. */
void troubles_add(void *list, const struct stall_report *report);
/* "worker 2", or "workers 0-3, 5"; "" where the entry names none. */
void troubles_who(const struct json_object *trouble, char text[TROUBLES_WHO_SIZE]);

#endif
