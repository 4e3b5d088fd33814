/* Looks after the group while it has given us no partitions. */
#ifndef SOURCE_WATCH_H
#define SOURCE_WATCH_H

#include "source.h"

/* After each poll that brought nothing. `up`: a broker is connected. A client that does not find the group's
 * coordinator is made anew. */
void watch_group(struct kafka_source *s, int up);

#endif
