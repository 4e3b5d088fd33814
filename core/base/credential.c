#include "base/credential.h"

#include "base/refuse.h"
#include "base/secret_file.h"
#include <limits.h>
#include <stdlib.h>

bool credential_read(const char *name, char **ret_value, char *message, size_t size)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char path[PATH_MAX], why[PATH_MAX + 256];
    struct stat about;
    *ret_value = NULL;
    if (folder == NULL || *folder == '\0') {
        return true;
    }
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        return refuse(message, size, "CREDENTIALS_DIRECTORY: the folder's name is too long");
    }
    return secret_file_read(path, ret_value, &about, why, sizeof why) || about.st_mode == 0 ||
           refuse(message, size, "the credential %s", why);
}
