/* The source read apart, record by record. */
#ifndef EXPLAIN_READ_H
#define EXPLAIN_READ_H

#include "cli/explain_state.h"

/* Reads the source from its beginning to its end as it stands, apart. False with a failure. */
bool explain_read(struct explain *e);

#endif
