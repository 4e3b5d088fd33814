#include "pipeline/key_option.h"

#include "base/key.h"

bool key_option_check(struct config *config, const struct node *node, const char *name, const char *key,
                      const char *use)
{
    struct key parsed;
    char message[256];
    bool ok;
    if (key == NULL || *key == '\0') {
        config_error(config, node,
                     "%s: key: it is needed for %s; `openssl rand -hex %d` makes one, which belongs into a variable or "
                     "a credential",
                     name, use, KEY_SIZE);
        return false;
    }
    ok = key_parse(key, &parsed, message, sizeof message);
    key_wipe(&parsed);
    if (!ok) {
        config_error(config, config_get(node, "key"), "%s: key: %s", name, message);
    }
    return ok;
}
