#include "pipeline/forget_section.h"

#include "pipeline/key_option.h"
#include <string.h>

#define MAX_TOPIC_NAME 249

const struct section *pipeline_ledger(const struct pipeline *pipeline)
{
    const struct section *section = pipeline->origin.loaded != NULL ? &pipeline->origin : &pipeline->source;
    return pipeline->forget_settings.key != NULL && pipeline->store.loaded != NULL && section->loaded != NULL &&
                   source_ops(section)->ledger != NULL
               ? section
               : NULL;
}

static bool is_topic_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);
    return len > 0 && len <= MAX_TOPIC_NAME && strspn(name, letters) == len && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

bool forget_section_load(struct pipeline *pipeline)
{
    struct config *config = &pipeline->config;
    struct forget_settings *settings = &pipeline->forget_settings;
    struct option_target target = settings_target(SETTINGS_FORGET, settings);
    const struct node *node = config_get(&config->root, "forget");
    bool ok = options_read(config, node, node, "forget", &target, 1, NULL);
    if (!ok || node == NULL) {
        return ok;
    }
    ok = key_option_check(config, node, "forget", settings->key, "the hashes of forgotten customers");
    if (!is_topic_name(settings->topic)) {
        config_error(config, config_get(node, "topic"),
                     "forget: topic: '%s' is not a topic's name: up to %d of a-z, A-Z, 0-9, '.', '_', '-'",
                     settings->topic, MAX_TOPIC_NAME);
        return false;
    }
    return ok;
}
