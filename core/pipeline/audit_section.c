#include "pipeline/audit_section.h"

#include "pipeline/key_option.h"
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SUFFIX 8 /* bytes that names beside the file's own may have more */

static bool is_given(const char *text)
{
    return text != NULL && *text != '\0';
}

static void warn_of_folder(struct config *config, const struct node *section, const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    struct stat st;
    (void)snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
                   slash != NULL ? path : ".");
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)) {
        config_warning(config, config_get(section, "path"),
                       "audit: path: there is no folder '%s'; while acts cannot be written the run is not ready, and "
                       "customers are shown to nobody",
                       folder);
    }
}

bool audit_section_load(struct pipeline *pipeline)
{
    struct config *config = &pipeline->config;
    struct audit_settings *settings = &pipeline->audit_settings;
    struct option_target target = settings_target(SETTINGS_AUDIT, settings);
    const struct node *node = config_get(&config->root, "audit");
    bool ok = options_read(config, node, node, "audit", &target, 1, NULL);
    if (!is_given(settings->path)) { /* of a variable that is not set */
        free((char *)(uintptr_t)settings->path);
        settings->path = NULL;
    }
    if (!ok || settings->path == NULL) {
        if (ok && is_given(settings->key)) {
            config_error(config, node, "audit: path: it is needed beside the key: the file that acts are written to");
            ok = false;
        }
        return ok;
    }
    if (strlen(settings->path) > PATH_MAX - SUFFIX) {
        config_error(config, config_get(node, "path"), "audit: path: at most %d bytes are possible", PATH_MAX - SUFFIX);
        ok = false;
    }
    warn_of_folder(config, node, settings->path);
    return key_option_check(config, node, "audit", settings->key, "the hashes that nobody else can make") && ok;
}
