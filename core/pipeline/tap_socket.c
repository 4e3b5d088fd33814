#include "pipeline/tap_socket.h"

#include "plugin/journal_file.h"

bool tap_socket_path(const struct pipeline *pipeline, char ret_path[PATH_MAX])
{
    const char *given = pipeline->tap_settings.socket;
    char folder[PATH_MAX];
    bool shared;
    int len;
    if (given != NULL) {
        len = snprintf(ret_path, PATH_MAX, "%s", given);
        return len > 0 && len < PATH_MAX;
    }
    if (!journal_folder_name(pipeline->settings.state_dir, folder, &shared)) {
        return false;
    }
    len = snprintf(ret_path, PATH_MAX, "%s/%s.tap", folder, pipeline->settings.name);
    for (char *at = ret_path + strlen(folder) + 1; len > 0 && len < PATH_MAX && *at != '\0'; at++) {
        *at = *at == '/' ? '_' : *at;
    }
    return len > 0 && len < PATH_MAX;
}
