#include "base/run_as.h"

#include "base/decimal.h"
#include "base/refuse.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static const struct passwd *find(const char *user)
{
    int64_t number;
    const struct passwd *found = getpwnam(user);
    if (found == NULL && decimal_parse_int64(user, strlen(user), &number) && number >= 0 && number < UINT32_MAX) {
        found = getpwuid((uid_t)number);
    }
    return found;
}

bool run_as_knows(const char *user)
{
    return find(user) != NULL;
}

bool run_as(const char *user, char *message, size_t size)
{
    const struct passwd *to = find(user);
    if (to == NULL) {
        return refuse(message, size, "there is no user '%s' on this machine", user);
    }
    if (initgroups(to->pw_name, to->pw_gid) != 0 || setresgid(to->pw_gid, to->pw_gid, to->pw_gid) != 0 ||
        setresuid(to->pw_uid, to->pw_uid, to->pw_uid) != 0) {
        return refuse(message, size, "this process cannot become '%s': %s", user, strerror(errno));
    }
    return to->pw_uid == 0 || setuid(0) != 0 || refuse(message, size, "root could be had back");
}
