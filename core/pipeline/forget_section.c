#include "pipeline/forget_section.h"

#include "base/key.h"
#include <stdlib.h>

/* An empty one, of a variable that is not set, must not pass for a pipeline that has forgotten nobody. */
bool forget_section_load(struct pipeline *pipeline)
{
    struct config *config = &pipeline->config;
    struct forget_settings *settings = &pipeline->forget_settings;
    struct option_target target = settings_target(SETTINGS_FORGET, settings);
    const struct node *node = config_get(&config->root, "forget");
    struct key key;
    char message[256];
    bool ok = options_read(config, node, node, "forget", &target, 1, NULL);
    if (!ok || node == NULL) {
        return ok;
    }
    if (settings->key == NULL || *settings->key == '\0') {
        config_error(config, node,
                     "forget: key: it is needed for the hashes of forgotten customers; `openssl rand -hex %d` makes "
                     "one, which belongs into a variable or a credential",
                     KEY_SIZE);
        return false;
    }
    ok = key_parse(settings->key, &key, message, sizeof message);
    key_wipe(&key);
    if (!ok) {
        config_error(config, config_get(node, "key"), "forget: key: %s", message);
    }
    return ok;
}
