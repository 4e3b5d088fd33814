/* The roles of plugins, CHURN_KIND_…, as words. */
#ifndef ROLE_H
#define ROLE_H

#include <stdint.h>

/* "event", "source", …: also the name of the folder. */
const char *role_name(uint32_t kind);

#endif
