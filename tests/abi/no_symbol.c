/* EXPECT churn_plugin_entry */
#include <churn/plugin.h>

extern CHURN_EXPORT const int32_t churn_another_entry;
const int32_t churn_another_entry = CHURN_ABI_MAJOR;
