#include "plugin/role.h"

#include <churn/plugin.h>

static const char *const roles[] = {"plugin", "event", "source", "processor", "store", "sink"};

const char *role_name(uint32_t kind)
{
    return roles[kind <= CHURN_KIND_SINK ? kind : 0];
}
