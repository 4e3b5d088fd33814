#include "plugin/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes a folder and those above it, for this user alone. */
static bool make_folders(char *path)
{
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            int failed = mkdir(path, 0700) != 0 ? errno : 0;
            *at = '/';
            if (failed != 0 && failed != EEXIST) {
                errno = failed;
                return access(path, W_OK) == 0; /* a folder above may not be ours to look at */
            }
        }
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* Where the user's programs keep such files. *ret_shared: in a folder where anybody may make files. */
static int default_folder(char folder[PATH_MAX], bool *ret_shared)
{
    const char *systemd = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    *ret_shared = false;
    if (systemd != NULL && *systemd != '\0') {
        return snprintf(folder, PATH_MAX, "%.*s", (int)strcspn(systemd, ":"), systemd);
    }
    if (xdg != NULL && *xdg == '/') {
        return snprintf(folder, PATH_MAX, "%s/churnd", xdg);
    }
    if (home != NULL && *home == '/') {
        return snprintf(folder, PATH_MAX, "%s/.local/state/churnd", home);
    }
    *ret_shared = true;
    return snprintf(folder, PATH_MAX, "/tmp/churnd-%u", (unsigned)geteuid());
}

bool journal_folder_name(const char *given, char ret_folder[PATH_MAX], bool *ret_shared)
{
    bool own = given != NULL && *given != '\0';
    int len = own ? snprintf(ret_folder, PATH_MAX, "%s", given) : default_folder(ret_folder, ret_shared);
    *ret_shared = !own && *ret_shared;
    return len > 0 && len < PATH_MAX;
}

bool journal_folder(const char *given, char ret_folder[PATH_MAX], char *message, size_t size)
{
    bool shared;
    struct stat st;
    if (!journal_folder_name(given, ret_folder, &shared)) {
        (void)snprintf(message, size, "the folder's name is too long");
        return false;
    }
    if (!make_folders(ret_folder)) {
        (void)snprintf(message, size, "the folder %s cannot be made: %s", ret_folder, strerror(errno));
        return false;
    }
    if (shared && (lstat(ret_folder, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
                   (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
        (void)snprintf(message, size, "%s is not a folder of this user alone", ret_folder);
        return false;
    }
    message[0] = '\0';
    if (shared) {
        (void)snprintf(
            message, size,
            "no HOME is set, so the crash journal is kept in %s, where a restart of the machine may remove it",
            ret_folder);
    }
    return true;
}

int journal_lock(const char *folder, const char *pipeline, unsigned n, bool make)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s.%u.journal", folder, pipeline, n);
    struct stat st;
    int fd, failed;
    if (len < 0 || (size_t)len >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *at = path + strlen(folder) + 1; *at != '\0'; at++) {
        *at = *at == '/' ? '_' : *at;
    }
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | (make ? O_CREAT : 0), 0600);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        (void)close(fd);
        errno = 0; /* none says that */
        return -1;
    }
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return fd;
    }
    failed = errno;
    (void)close(fd);
    errno = failed;
    return -1;
}
