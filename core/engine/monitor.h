/* What a run shows of itself while it runs: over HTTP, and of its records to `churnd tap`. Main thread only. */
#ifndef MONITOR_H
#define MONITOR_H

#include "engine/generation.h"
#include "observe/health.h"
#include "observe/listener.h"
#include "observe/metrics_page.h"
#include "observe/page.h"
#include "observe/tap_server.h"

/* Starts zeroed. */
struct monitor {
    struct listener *listener; /* NULL: not asked for */
    struct health *health;
    struct page *page;
    struct taps *taps;      /* NULL: nobody can look at records */
    struct tap_server *tap; /* NULL: likewise, or it has ended */
    struct metrics_page *metrics;
};

/* Starts the listener where the pipeline asks for one. What runs beside the pipeline itself, a redrive or a rebuild,
 * leaves the address to that. False, with a message in the log, when it cannot be listened on. */
bool monitor_start(struct monitor *monitor, struct pipeline *pipeline);
/* The workers of that pipeline have started, and before they end: it is shown in between. */
void monitor_attach(const struct monitor *monitor, struct pipeline *pipeline);
void monitor_detach(const struct monitor *monitor);
/* Publishes how the workers are. */
void monitor_tell(const struct monitor *monitor, const struct generation *generation);
/* Nobody is shown anything from here on. */
/* Another pipeline takes the place of `from`, with what was counted; no worker runs. */
void monitor_change(const struct monitor *monitor, const struct pipeline *from, struct pipeline *to);
/* What came of a reload. */
void monitor_reloaded(const struct monitor *monitor, enum reload_result result);
void monitor_stop(struct monitor *monitor);
/* After that, once no worker runs. */
void monitor_free(struct monitor *monitor);

#endif
