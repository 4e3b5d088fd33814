/* Files that hold what is customers' own: nobody but the user that runs churnd and its group reads them, and what
 * others have put in their place is not written through. */
#ifndef OWN_FILE_H
#define OWN_FILE_H

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define OWN_FILE_MODE 0640
#define OWN_FOLDER_MODE 0750

/* Makes the folders that lead to `path`. 0, or an errno. */
static inline int own_file_make_folders(const char *path)
{
    char folder[PATH_MAX];
    if (strlen(path) >= sizeof folder) {
        return ENAMETOOLONG;
    }
    memcpy(folder, path, strlen(path) + 1);
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, OWN_FOLDER_MODE) != 0 && errno != EEXIST) {
            return errno;
        }
        *slash = '/';
    }
    return 0;
}

/* The process' own open files under a name, which are links by nature. */
static inline int own_file_is_standard(const char *path)
{
    return strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
           strncmp(path, "/proc/self/fd/", 14) == 0;
}

/* What to do about an errno of opening or writing, after its text; "": nothing can be said. */
static inline const char *own_file_hint(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return "; give the user that runs churnd the right to, or name another place";
    case ELOOP:
        return "; it is a symbolic link, which is not followed: name what it points to";
    case EFBIG:
        return "; the limit on the size of a file is reached (ulimit -f)";
    case EDQUOT:
        return "; the user's quota is used up";
    default:
        return "";
    }
}

#endif
