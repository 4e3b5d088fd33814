/* EXPECT 24 | 72 */
#include <churn/plugin.h>

/* Only the first members exist; what the host would read behind them is not the plugin's. */
struct short_plugin {
    uint32_t magic;
    uint32_t size;
    uint16_t abi_major;
    uint16_t abi_minor;
    uint32_t kind;
    const char *name;
};

extern CHURN_EXPORT const struct short_plugin churn_plugin_entry;
const struct short_plugin churn_plugin_entry = {.magic = CHURN_PLUGIN_MAGIC,
                                                .size = sizeof(struct short_plugin),
                                                .abi_major = CHURN_ABI_MAJOR,
                                                .abi_minor = CHURN_ABI_MINOR,
                                                .kind = CHURN_KIND_EVENT,
                                                .name = "short_struct"};
