#include "plugin/role.h"

#include <churn/plugin.h>

static const char *const roles[] = {"plugin", "event", "source", "processor", "store", "sink"};

const char *loader_role(uint32_t kind)
{
    return roles[kind <= CHURN_KIND_SINK ? kind : 0];
}
