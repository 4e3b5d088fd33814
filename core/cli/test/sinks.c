#include "cli/test/sinks.h"

#include "base/decimal.h"
#include "config/option.h"

unsigned test_sink_count(const struct pipeline *pipeline)
{
    return pipeline->sink_count - (pipeline->has_dead_letters ? 1 : 0);
}

int test_sink_find(const struct pipeline *pipeline, const char *name)
{
    const struct node *list = config_get(&pipeline->config.root, "sinks");
    unsigned count = test_sink_count(pipeline), by_name = 0, by_plugin = 0;
    int named = -1, of_plugin = -1;
    int64_t number;
    if (decimal_parse_int64(name, strlen(name), &number)) {
        return number >= 1 && number <= count ? (int)number - 1 : -1;
    }
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(pipeline->sinks[i].label, name) == 0) {
            named = (int)i;
            by_name++;
        } else if (strcmp(config_get(&list->items[i], "plugin")->text, name) == 0) {
            of_plugin = (int)i;
            by_plugin++;
        }
    }
    if (by_name > 1 || (by_name == 0 && by_plugin > 1)) {
        return -2;
    }
    return by_name == 1 ? named : of_plugin;
}

bool test_sink_predicts(const struct section *sink)
{
    const churn_plugin *plugin = &sink->loaded->plugin;
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        if (strcmp(plugin_option(plugin, i)->name, "alert.above") == 0) {
            return true;
        }
    }
    return false;
}
