/* EXPECT ABI | 2.7 | 1. */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_event_type type = {.size = sizeof(churn_event_type)};

extern CHURN_EXPORT const churn_plugin churn_plugin_entry;
const churn_plugin churn_plugin_entry = {.magic = CHURN_PLUGIN_MAGIC,
                                         .size = sizeof(churn_plugin),
                                         .abi_major = 2,
                                         .abi_minor = 7,
                                         .kind = CHURN_KIND_EVENT,
                                         .name = "newer_major",
                                         .version = "1.0.0",
                                         .summary = "canary: built for a later ABI",
                                         .ops = &type};
