#include "base/file_place.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_LINKS 40 /* as the kernel follows */

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool file_place_is_standard(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdin") == 0 || strcmp(path, "/dev/stdout") == 0 ||
           strcmp(path, "/dev/stderr") == 0 || begins_with(path, "/dev/fd/") || begins_with(path, "/proc/self/fd/");
}

static void take_stat(struct file_place *place, const struct stat *st)
{
    place->device = st->st_dev;
    place->inode = st->st_ino;
    place->mode = st->st_mode;
}

static bool find(const char *path, unsigned links, struct file_place *ret);

/* Goes from a folder, which may have to be made, to what is called `name` in it. */
static bool go_to(struct file_place *place, const char *name)
{
    char *longer;
    if (*name == '\0' || strcmp(name, ".") == 0) {
        return true;
    }
    if (asprintf(&longer, "%s/%s", place->rest, name) < 0) {
        return false;
    }
    free(place->rest);
    place->rest = longer;
    place->mode = 0;
    return true;
}

/* What does not exist: the place of its folder, and on from there. */
static bool find_by_folder(const char *path, unsigned links, struct file_place *ret)
{
    char folder[PATH_MAX];
    size_t len = strlen(path), end;
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    for (end = len; end > 0 && path[end - 1] != '/'; end--) {
    }
    if (len >= sizeof folder) {
        return false;
    }
    (void)snprintf(folder, sizeof folder, "%.*s", end > 0 ? (int)end : 1, end > 0 ? path : ".");
    if (!find(folder, links, ret)) {
        return false;
    }
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(len - end), path + end);
    return go_to(ret, folder);
}

/* A link to what does not exist. */
static bool find_by_link(const char *path, unsigned links, struct file_place *ret)
{
    char target[PATH_MAX], whole[2 * PATH_MAX];
    const char *slash = strrchr(path, '/');
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len <= 0 || links == MOST_LINKS) {
        return false;
    }
    target[len] = '\0';
    (void)snprintf(whole, sizeof whole, "%.*s%s", target[0] != '/' && slash != NULL ? (int)(slash + 1 - path) : 0, path,
                   target);
    return find(whole, links + 1, ret);
}

static bool find(const char *path, unsigned links, struct file_place *ret)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        take_stat(ret, &st);
        ret->rest = strdup("");
        return ret->rest != NULL;
    }
    if ((errno != ENOENT && errno != ENOTDIR) || strcmp(path, "/") == 0 || strcmp(path, ".") == 0) {
        return false;
    }
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        return find_by_link(path, links, ret);
    }
    return find_by_folder(path, links, ret);
}

/* Takes out what leads into a folder that is not there and out of it again: it is made before the path is followed. */
static bool take_out_detours(const char *path, char ret[PATH_MAX])
{
    char rest[PATH_MAX], *at = rest;
    struct stat st;
    size_t len = 0;
    if (strlen(path) >= sizeof rest) {
        return false;
    }
    (void)snprintf(rest, sizeof rest, "%s", path);
    (void)snprintf(ret, PATH_MAX, "%s", *path == '/' ? "/" : "");
    for (const char *name; (name = strsep(&at, "/")) != NULL;) {
        len = strlen(ret);
        if (strcmp(name, "..") == 0 && len > 0 && lstat(ret, &st) != 0) {
            ret[len - 1] = '\0'; /* its slash */
            ret[strrchr(ret, '/') != NULL ? strrchr(ret, '/') + 1 - ret : 0] = '\0';
        } else if (*name != '\0' && strcmp(name, ".") != 0) {
            (void)snprintf(ret + len, PATH_MAX - len, "%s/", name);
        }
    }
    len = strlen(ret);
    if (len > 1) {
        ret[len - 1] = '\0';
    }
    return true;
}

bool file_place_find(const char *path, bool written, struct file_place *ret)
{
    char direct[PATH_MAX];
    struct stat st;
    *ret = (struct file_place){0};
    if (strcmp(path, "-") != 0) {
        return *path != '\0' && take_out_detours(path, direct) && find(*direct != '\0' ? direct : ".", 0, ret);
    }
    if (fstat(written ? STDOUT_FILENO : STDIN_FILENO, &st) != 0) {
        return false;
    }
    take_stat(ret, &st);
    ret->rest = strdup("");
    return ret->rest != NULL;
}

void file_place_free(struct file_place *place)
{
    free(place->rest);
    *place = (struct file_place){0};
}

static bool is_ones_own(const struct file_place *place)
{
    return place->mode == 0 || S_ISREG(place->mode) || S_ISDIR(place->mode);
}

bool file_place_same(const struct file_place *a, const struct file_place *b)
{
    return a->rest != NULL && b->rest != NULL && is_ones_own(a) && is_ones_own(b) && a->device == b->device &&
           a->inode == b->inode && strcmp(a->rest, b->rest) == 0;
}
