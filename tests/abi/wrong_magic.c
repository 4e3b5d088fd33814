/* EXPECT magic | 0x12345678 | 0x4e525543 */
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_event_type type = {.size = sizeof(churn_event_type)};

extern CHURN_EXPORT const churn_plugin churn_plugin_entry;
const churn_plugin churn_plugin_entry = {.magic = 0x12345678u,
                                         .size = sizeof(churn_plugin),
                                         .abi_major = CHURN_ABI_MAJOR,
                                         .abi_minor = CHURN_ABI_MINOR,
                                         .kind = CHURN_KIND_EVENT,
                                         .name = "wrong_magic",
                                         .version = "1.0.0",
                                         .summary = "canary: its magic number is another",
                                         .ops = &type};
