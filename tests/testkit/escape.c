/* A sink that tries what a sandbox is there to refuse, and logs what came of it: `tried NAME: 0`, or the error.
 * DECLARES is what it says that it needs; without, it says nothing. */
#define _GNU_SOURCE
#include <churn/sink.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct escape {
    const char *read, *write; /* paths that are nobody's business */
    int64_t port;
    const churn_host *host;
    uint64_t taken[64];
    uint32_t count;
};

static const churn_option options[] = {
    {"read", .type = CHURN_OPTION_STRING, .default_text = "/etc/shadow", .offset = offsetof(struct escape, read)},
    {"write", .type = CHURN_OPTION_STRING, .offset = offsetof(struct escape, write)},
    {"port", .type = CHURN_OPTION_INT, .offset = offsetof(struct escape, port)},
};

static void tell(const struct escape *e, const char *what, long result)
{
    churn_log(e->host, CHURN_LOG_INFO, "tried %s: %s", what, result >= 0 ? "0" : strerrorname_np(errno));
}

static long open_and_close(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    return fd >= 0 ? close(fd) : -1;
}

static long run_another(void)
{
    int status, error = 0, ends[2];
    pid_t child;
    if (pipe(ends) != 0) {
        return -1;
    }
    child = fork();
    if (child == 0) {
        (void)execl("/bin/true", "true", (char *)NULL);
        error = errno;
        _exit(write(ends[1], &error, sizeof error) < 0);
    }
    (void)close(ends[1]);
    (void)!read(ends[0], &error, sizeof error);
    (void)close(ends[0]);
    (void)waitpid(child, &status, 0);
    errno = error;
    return error == 0 ? 0 : -1;
}

static long fork_apart(void)
{
    long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) {
        _exit(0);
    }
    return child < 0 || waitpid((pid_t)child, NULL, 0) == child ? child : -1;
}

/* Keeps errno. */
static long close_after(int fd, long result)
{
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = error;
    return fd >= 0 ? result : -1;
}

static struct sockaddr_in here(int64_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    (void)inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    return to;
}

static long connect_to(int64_t port)
{
    struct sockaddr_in to = here(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return close_after(fd, fd >= 0 ? connect(fd, (const struct sockaddr *)&to, sizeof to) : -1);
}

/* Connects with the first bytes, by a socket as `connect_to` has it, or, where there may be none, by another. */
static long send_at_once(int64_t port, int calls)
{
    struct sockaddr_in to = here(port);
    char byte = 'x';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct mmsghdr one = {.msg_hdr = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    long sent = fd < 0       ? -1
                : calls == 1 ? sendto(fd, &byte, 1, MSG_FASTOPEN, (const struct sockaddr *)&to, sizeof to)
                : calls == 2 ? sendmsg(fd, &one.msg_hdr, MSG_FASTOPEN)
                             : sendmmsg(fd, &one, 1, MSG_FASTOPEN);
    return close_after(fd, sent);
}

static long make_socket(int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    return close_after(fd, 0);
}

/* The kernel takes the lower half of what it is given alone. */
static long ask_device(unsigned long request)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    char byte = 0;
    return close_after(fd, fd >= 0 ? syscall(SYS_ioctl, fd, request | UINT64_C(1) << 32, &byte) : -1);
}

static int32_t escape_create(void *self, const churn_host *host, churn_error *err)
{
    (void)err;
    ((struct escape *)self)->host = host;
    return CHURN_OK;
}

static int32_t escape_start(void *self, churn_error *err)
{
    const struct escape *e = self;
    uint64_t limits[2];
    (void)err;
    tell(e, "read", open_and_close(e->read, O_RDONLY));
    tell(e, "write", open_and_close(e->write, O_WRONLY | O_CREAT));
    tell(e, "execute", run_another());
    tell(e, "connect", connect_to(e->port));
    tell(e, "packet", socket(AF_PACKET, SOCK_RAW, 0));
    tell(e, "namespace", unshare(CLONE_NEWUSER));
    tell(e, "clone", fork_apart());
    tell(e, "chroot", chroot("/"));
    tell(e, "setuid", syscall(SYS_setuid, 0));
    tell(e, "fastopen", send_at_once(e->port, 1));
    tell(e, "fastopen_message", send_at_once(e->port, 2));
    tell(e, "fastopen_messages", send_at_once(e->port, 3));
    tell(e, "mptcp", make_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
    tell(e, "icmp", make_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
    tell(e, "udp", make_socket(AF_INET, SOCK_DGRAM, 0));
    tell(e, "udp6", make_socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP));
    tell(e, "local", make_socket(AF_UNIX, SOCK_STREAM, 0));
    tell(e, "local_datagram", make_socket(AF_UNIX, SOCK_DGRAM, 0));
    tell(e, "terminal", ask_device(TIOCSTI));
    tell(e, "console", ask_device(TIOCLINUX));
    tell(e, "mode", chmod(e->write, 0600));
    tell(e, "mode_at", fchmodat(AT_FDCWD, e->write, 0600, 0));
    tell(e, "times", utimensat(AT_FDCWD, e->write, NULL, 0));
    tell(e, "limit", syscall(SYS_prlimit64, getppid(), 7, NULL, limits)); /* RLIMIT_NOFILE */
    tell(e, "bpf", syscall(SYS_bpf, 0, NULL, 0));
    return CHURN_OK;
}

static int32_t escape_write(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken,
                            churn_error *err)
{
    struct escape *e = self;
    (void)err;
    for (*ret_taken = 0; *ret_taken < count && e->count < 64; (*ret_taken)++) {
        e->taken[e->count++] = records[*ret_taken].id;
    }
    return CHURN_OK;
}

static int32_t escape_poll(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                           churn_error *err)
{
    struct escape *e = self;
    (void)timeout_ms;
    (void)err;
    for (*ret_count = 0; *ret_count < max && e->count > 0; (*ret_count)++) {
        done[*ret_count] = (churn_done){.id = e->taken[--e->count]};
    }
    return CHURN_OK;
}

static void escape_stop(void *self, int64_t deadline_ms)
{
    (void)self;
    (void)deadline_ms;
}

static void escape_destroy(void *self)
{
    (void)self;
}

static const churn_sink_ops ops = {.size = sizeof ops,
                                   .accepts = CHURN_RECORD_ALERT | CHURN_RECORD_EVENT,
                                   .create = escape_create,
                                   .start = escape_start,
                                   .write = escape_write,
                                   .poll = escape_poll,
                                   .stop = escape_stop,
                                   .destroy = escape_destroy};

#ifdef DECLARES
static const char *const calls[] = {"execve", NULL}, *const read_options[] = {"read", NULL},
                         *const write_options[] = {"write", NULL}, *const programs[] = {"/bin/true", NULL};
static const churn_needs nothing = {.size = sizeof nothing};
static const churn_needs executes = {.size = sizeof executes, .syscalls = calls};
static const churn_needs all = {.size = sizeof all,
                                .flags = CHURN_NEEDS_DISCOVER,
                                .read_options = read_options,
                                .write_options = write_options,
                                .reads = programs,
                                .syscalls = calls};
#define NEEDS .needs = &DECLARES,
#else
#define NEEDS
#endif

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "escape", .version = "1.0.0", .summary = "Tries to get out",
             CHURN_OPTIONS(options, struct escape), NEEDS.ops = &ops);
