/* What a run writes to the audit of its pipeline: that it starts, reloads and stops. Main thread only. */
#ifndef RUN_AUDIT_H
#define RUN_AUDIT_H

#include "audit/audit.h"
#include "observe/metrics_page.h"

struct ucred;

/* Makes the pipeline's audit and writes that the run starts, or what else it is for: a replay, redrive or rebuild,
 * which must not be without. False with a message in the log. */
bool run_audit_start(struct pipeline *pipeline);
/* A reload of `to` in place of `from`; NULL: its file was refused. `by`: who asked for it, with pid 0 where that is not
 * known. */
void run_audit_reload(struct audit *audit, const struct ucred *by, enum reload_result result,
                      const struct pipeline *from, const struct pipeline *to);
/* The run ends, `by` whom likewise, or NULL by itself. All that writes has ended before; frees the audit. */
void run_audit_stop(struct audit *audit, const struct ucred *by, struct log *log, bool ok);

#endif
