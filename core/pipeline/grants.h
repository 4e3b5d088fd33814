/* What the plugins of a pipeline have to be allowed by the systems that they use, as they name it themselves
 * (<churn/grant.h>). */
#ifndef GRANTS_H
#define GRANTS_H

#include "pipeline/pipeline.h"
#include <churn/grant.h>

struct grant {
    char *system, *at, *user, *resource, *name, *operation, *why; /* all but the first and `resource` may be NULL */
    uint32_t flags;
    const char *command; /* that needs it, besides what the first one does; as grants_ask was told */
};

struct grants {
    struct grant *items; /* each right once */
    unsigned count;
    bool failed; /* memory ran out */
};

/* Adds what an instance that was created needs for `use`, CHURN_USE_…, in `command`, whose text is constant. A store is
 * asked about the keys of its pipeline. */
void grants_ask(struct grants *grants, const struct instance *instance, uint32_t use, const char *command);
void grants_free(struct grants *grants);

#endif
