/* Instances of plugins, and the options of their sections: the plugin's own and the host's beside them. */
#ifndef INSTANCE_H
#define INSTANCE_H

#include "pipeline/pipeline.h"

/* Reads the host's own options of a section into it, and checks the plugin's. False when a mistake was reported. */
bool instance_read_section(struct pipeline *pipeline, struct section *section);
/* Makes an instance and throws it away, for the plugin's own checks of its options. False when a mistake was reported.
 */
bool instance_check(struct pipeline *pipeline, const struct section *section);

/* Makes and creates one instance for `worker`; mistakes are reported to the config's `errors`. NULL when there was one.
 */
struct instance *instance_new(struct pipeline *pipeline, const struct section *section, unsigned worker);
/* Destroys and frees; may be NULL. */
void instance_free(struct instance *instance);

/* Whether `name` is an option of the host's own in the sections of a kind. */
bool instance_has_option(uint32_t kind, const char *name);

#endif
