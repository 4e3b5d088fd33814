/* What a run shows of itself over HTTP while it runs. Main thread only. */
#ifndef MONITOR_H
#define MONITOR_H

#include "engine/generation.h"
#include "observe/health.h"
#include "observe/listener.h"

/* Starts zeroed. */
struct monitor {
    struct listener *listener; /* NULL: not asked for */
    struct health *health;
};

/* Starts the listener where the pipeline asks for one. What runs beside the pipeline itself, a redrive or a rebuild,
 * leaves the address to that. False, with a message in the log, when it cannot be listened on. */
bool monitor_start(struct monitor *monitor, const struct pipeline *pipeline);
/* Publishes how the workers are. */
void monitor_tell(const struct monitor *monitor, const struct generation *generation);
void monitor_stop(struct monitor *monitor);

#endif
