/* What the plugins of a pipeline read and write outside of the process, as they name it themselves (<churn/target.h>).
 */
#ifndef TARGETS_H
#define TARGETS_H

#include "pipeline/pipeline.h"
#include <churn/target.h>

/* Adds those of an instance that was created; `timeout_ms` as for `probe`. */
void targets_ask(struct targets *targets, const struct instance *instance, uint32_t timeout_ms);
void targets_free(struct targets *targets);

/* What was found out about all of them later. */
void targets_fail(struct targets *targets, int32_t result, const char *message);

/* Where the file names it. */
const struct node *targets_place(const struct target *target);

/* What sections together do wrong: a loop, a file written by two, keys that are another's. False, with an error for
 * each. */
bool targets_check(struct pipeline *pipeline);

/* Whether the store's key_prefix leaves the engine's own keys alone. False, with an error. */
bool targets_check_prefix(struct pipeline *pipeline);

/* For stores that have `allowed`: may the session do all that is needed with the keys of this pipeline? CHURN_FATAL
 * with what is forbidden. */
int32_t targets_try_keys(const struct pipeline *pipeline, void *session, churn_error *err);

/* Whether the files and folders could be opened, as far as that can be told without opening them. `tried`: now, and not
 * some day. */
void targets_check_paths(struct pipeline *pipeline, bool tried);

#endif
