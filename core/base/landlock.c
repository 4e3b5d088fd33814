#include "base/landlock.h"

#include "base/refuse.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of <linux/landlock.h>, whose copy in Debian 12 ends with version 3. */
struct ruleset {
    uint64_t files, network, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

struct port_rule {
    uint64_t allowed, port;
};

enum { RULE_PATH = 1, RULE_PORT = 2, CREATE_VERSION = 1 };

#define RIGHT(number) (UINT64_C(1) << (number))
#define EXECUTE RIGHT(0)
#define WRITE_FILE RIGHT(1)
#define READ_FILE RIGHT(2)
#define READ_DIR RIGHT(3)
#define REFER RIGHT(13)
#define TRUNCATE RIGHT(14)
#define IOCTL_DEV RIGHT(15)
#define FIRST_FILES (RIGHT(13) - 1) /* of version 1 */
#define OF_A_FILE (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV)
#define MAKE_DEVICES (RIGHT(6) | RIGHT(11)) /* characters and blocks */
#define BIND_TCP RIGHT(0)
#define CONNECT_TCP RIGHT(1)

enum { VERSION_REFER = 2, VERSION_TRUNCATE = 3, VERSION_NETWORK = 4, VERSION_IOCTL = 5, VERSION_SCOPE = 6 };

int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    return version > 0 ? (int)version : 0;
}

const char *landlock_lacks(int version, char *text, size_t size)
{
    static const struct {
        int since;
        const char *what;
    } parts[] = {{1, "files"},
                 {VERSION_TRUNCATE, "the truncation of files that may be opened"},
                 {VERSION_NETWORK, "TCP connections"},
                 {VERSION_IOCTL, "ioctl calls on devices"},
                 {VERSION_SCOPE, "signals to other processes, and abstract Unix sockets"}};
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (version < parts[i].since && used < size) {
            int len = snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", parts[i].what);
            used += len > 0 ? (size_t)len : 0;
        }
    }
    return used > 0 ? text : NULL;
}

static uint64_t known_files(int version)
{
    return FIRST_FILES | (version >= VERSION_REFER ? REFER : 0) | (version >= VERSION_TRUNCATE ? TRUNCATE : 0) |
           (version >= VERSION_IOCTL ? IOCTL_DEV : 0);
}

/* A thing that is reached by a descriptor; what the kernel has no rules for, such as a pipe, is free anyhow. */
static void allow_descriptor(int ruleset, int fd, bool written, uint64_t known)
{
    struct stat about;
    uint64_t allowed = READ_FILE | READ_DIR | (written ? known & ~(EXECUTE | MAKE_DEVICES) : 0);
    if (fstat(fd, &about) != 0) {
        return;
    }
    allowed &= S_ISDIR(about.st_mode) ? UINT64_MAX : OF_A_FILE;
    (void)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &(struct path_rule){.allowed = allowed, .parent = fd}, 0);
}

static void allow_path(int ruleset, const struct landlock_path *path, uint64_t known)
{
    int fd = open(path->path, O_PATH | O_CLOEXEC);
    if (fd >= 0) {
        allow_descriptor(ruleset, fd, path->written, known);
        (void)close(fd);
    }
}

static bool allow_port(int ruleset, uint64_t right, uint16_t port)
{
    struct port_rule rule = {.allowed = right, .port = port};
    return syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) == 0;
}

static bool allow_ports(int ruleset, const struct landlock_rules *rules)
{
    bool ok = rules->listened == 0 || allow_port(ruleset, BIND_TCP, rules->listened);
    for (unsigned i = 0; i < rules->port_count; i++) {
        ok = allow_port(ruleset, CONNECT_TCP, rules->ports[i]) && ok;
    }
    return ok;
}

bool landlock_enforce(const struct landlock_rules *rules, char *message, size_t size)
{
    int version = landlock_version(), fd;
    bool network = version >= VERSION_NETWORK && !rules->any_network, ok = true;
    struct ruleset handled = {.files = known_files(version) & ~(rules->executes ? EXECUTE : 0),
                              .network = network ? BIND_TCP | CONNECT_TCP : 0,
                              .scoped = version >= VERSION_SCOPE ? RIGHT(0) | RIGHT(1) : 0};
    size_t bytes = version >= VERSION_SCOPE     ? sizeof handled
                   : version >= VERSION_NETWORK ? offsetof(struct ruleset, scoped)
                                                : sizeof handled.files;
    if (version == 0) {
        return refuse(message, size, "this kernel has no Landlock, or it is turned off");
    }
    fd = (int)syscall(SYS_landlock_create_ruleset, &handled, bytes, 0);
    if (fd < 0) {
        return refuse(message, size, "Landlock: %s", strerror(errno));
    }
    for (unsigned i = 0; i < rules->path_count; i++) {
        allow_path(fd, &rules->paths[i], handled.files);
    }
    for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; standard++) {
        allow_descriptor(fd, standard, true, handled.files);
    }
    ok = (!network || allow_ports(fd, rules)) && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
    ok = ok || refuse(message, size, "Landlock: %s", strerror(errno));
    (void)close(fd);
    return ok;
}
