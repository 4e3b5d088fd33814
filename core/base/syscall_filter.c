#include "base/syscall_filter.h"

#include "base/refuse.h"
#include "base/sanitized.h"
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What pipelines were seen to make, with Kafka, Redis, HTTP, LMDB and files, and what the C library of another version
 * or machine makes in its place. Names that a machine does not have are passed over. */
static const char *const allowed[] = {
    /* memory */
    "brk",
    "madvise",
    "mlock",
    "mlock2",
    "mmap",
    "mmap2",
    "mprotect",
    "mremap",
    "msync",
    "munlock",
    "munmap",
    "get_mempolicy",
    "membarrier",
    "mincore",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    /* files */
    "access",
    "chdir",
    "close",
    "close_range",
    "copy_file_range",
    "creat",
    "dup",
    "dup2",
    "dup3",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fadvise64_64",
    "fallocate",
    "fchmod",
    "fchown",
    "fcntl",
    "fcntl64",
    "fdatasync",
    "fgetxattr",
    "flock",
    "fstat",
    "fstat64",
    "fstatat64",
    "fstatfs",
    "fstatfs64",
    "fsync",
    "ftruncate",
    "ftruncate64",
    "getcwd",
    "getdents",
    "getdents64",
    "getxattr",
    "ioctl",
    "lgetxattr",
    "link",
    "linkat",
    "_llseek",
    "lseek",
    "lstat",
    "lstat64",
    "memfd_create",
    "mkdir",
    "mkdirat",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readahead",
    "readlink",
    "readlinkat",
    "readv",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "sendfile64",
    "splice",
    "stat",
    "stat64",
    "statfs",
    "statfs64",
    "statx",
    "symlink",
    "symlinkat",
    "sync_file_range",
    "truncate",
    "truncate64",
    "umask",
    "unlink",
    "unlinkat",
    "write",
    "writev",
    "name_to_handle_at",
    /* waiting */
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd",
    "eventfd2",
    "futex",
    "futex_time64",
    "futex_wait",
    "futex_waitv",
    "futex_wake",
    "inotify_add_watch",
    "inotify_init",
    "inotify_init1",
    "inotify_rm_watch",
    "_newselect",
    "pause",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "ppoll_time64",
    "pselect6",
    "pselect6_time64",
    "select",
    "signalfd",
    "signalfd4",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    "wait4",
    "waitid",
    "waitpid",
    /* sockets; `socket` by its families */
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmmsg_time64",
    "recvmsg",
    "send",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socketpair",
    /* threads, and processes that are forks of this one, in which new plugins are tried */
    "arch_prctl",
    "exit",
    "exit_group",
    "fork",
    "get_robust_list",
    "get_thread_area",
    "getcpu",
    "gettid",
    "prctl",
    "rseq",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_setaffinity",
    "sched_yield",
    "set_robust_list",
    "set_thread_area",
    "set_tid_address",
    "vfork",
    /* signals */
    "kill",
    "restart_syscall",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigqueueinfo",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo",
    "sigaltstack",
    "sigreturn",
    "tgkill",
    "tkill",
    /* clocks */
    "clock_getres",
    "clock_getres_time64",
    "clock_gettime",
    "clock_gettime64",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "getitimer",
    "gettimeofday",
    "nanosleep",
    "setitimer",
    "time",
    "timer_create",
    "timer_delete",
    "timer_getoverrun",
    "timer_gettime",
    "timer_gettime64",
    "timer_settime",
    "timer_settime64",
    "times",
    /* what the process knows of itself and the machine */
    "capget",
    "getegid",
    "getegid32",
    "geteuid",
    "geteuid32",
    "getgid",
    "getgid32",
    "getgroups",
    "getgroups32",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresgid32",
    "getresuid",
    "getresuid32",
    "getrlimit",
    "getrusage",
    "getsid",
    "getuid",
    "getuid32",
    "ioprio_get",
    "sysinfo",
    "ugetrlimit",
    "uname",
#if SANITIZED
    "personality",
    "process_vm_readv",
    "ptrace",
    "setrlimit", /* what looks for leaks stops all threads by ptrace */
#endif
};

#define NAMESPACES                                                                                                     \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static int allow(scmp_filter_ctx filter, const char *name)
{
    int number = seccomp_syscall_resolve_name(name);
    return number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
}

/* Of an argument that the kernel takes as 32 bits; what a caller leaves in the others says nothing. */
static struct scmp_arg_cmp is(unsigned arg, uint32_t bits, uint32_t value)
{
    return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = bits, .datum_b = value};
}

/* Only where an argument is as it should be. */
static int allow_if(scmp_filter_ctx filter, int number, struct scmp_arg_cmp arg)
{
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &arg);
}

static int allow_socket(scmp_filter_ctx filter, int family, int type, int protocol)
{
    const struct scmp_arg_cmp args[] = {is(0, UINT32_MAX, (uint32_t)family),
                                        is(1, ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), (uint32_t)type),
                                        is(2, UINT32_MAX, (uint32_t)protocol)};
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, args);
}

/* Landlock binds no other protocol than TCP: MPTCP, for one, would go by its rules. */
static int allow_sockets(scmp_filter_ctx filter, struct syscall_sockets sockets)
{
    const struct {
        bool given;
        int family, type, protocol;
    } rows[] = {
        {true, AF_NETLINK, SOCK_RAW, 0}, /* the C library asks for this machine's addresses */
        {true, AF_NETLINK, SOCK_DGRAM, 0},
        {sockets.local, AF_UNIX, SOCK_STREAM, 0},
        {sockets.local, AF_UNIX, SOCK_DGRAM, 0},
        {sockets.tcp, AF_INET, SOCK_STREAM, 0},
        {sockets.tcp, AF_INET, SOCK_STREAM, IPPROTO_TCP},
        {sockets.tcp, AF_INET6, SOCK_STREAM, 0},
        {sockets.tcp, AF_INET6, SOCK_STREAM, IPPROTO_TCP},
        {sockets.udp, AF_INET, SOCK_DGRAM, 0},
        {sockets.udp, AF_INET, SOCK_DGRAM, IPPROTO_UDP},
        {sockets.udp, AF_INET6, SOCK_DGRAM, 0},
        {sockets.udp, AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && failed == 0; i++) {
        failed = rows[i].given ? allow_socket(filter, rows[i].family, rows[i].type, rows[i].protocol) : 0;
    }
    return failed;
}

/* Calls that are good or bad by what they are given. */
static int allow_some(scmp_filter_ctx filter, struct syscall_sockets sockets)
{
    int failed = allow_sockets(filter, sockets);
    if (failed == 0) { /* of this process alone */
        failed = allow_if(filter, SCMP_SYS(prlimit64), is(0, UINT32_MAX, 0));
    }
    if (failed == 0) { /* threads and forks, in no namespace of their own */
        failed = allow_if(filter, SCMP_SYS(clone),
                          (struct scmp_arg_cmp){.op = SCMP_CMP_MASKED_EQ, .datum_a = NAMESPACES, .datum_b = 0});
    }
    /* what cannot be looked into: the C library then takes the call before it */
    return failed != 0 ? failed : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static bool is_some(const char *name)
{
    static const char *const some[] = {"socket", "prlimit64", "clone", "clone3"};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        if (strcmp(name, some[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int make_allowed(scmp_filter_ctx filter, const char *const *more, struct syscall_sockets sockets)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0] && failed == 0; i++) {
        failed = allow(filter, allowed[i]);
    }
    for (; more != NULL && *more != NULL && failed == 0; more++) {
        failed = is_some(*more) ? 0 : allow(filter, *more);
    }
    return failed != 0 ? failed : allow_some(filter, sockets);
}

/* What is bad of calls that are good otherwise. */
static int make_refused(scmp_filter_ctx filter)
{
    const struct {
        int number;
        struct scmp_arg_cmp arg;
    } rows[] = {
        /* no terminal's input is forged */
        {SCMP_SYS(ioctl), is(1, UINT32_MAX, TIOCSTI)},
        {SCMP_SYS(ioctl), is(1, UINT32_MAX, TIOCLINUX)},
        /* a connection that no rule for connections sees */
        {SCMP_SYS(sendto), is(3, MSG_FASTOPEN, MSG_FASTOPEN)},
        {SCMP_SYS(sendmsg), is(2, MSG_FASTOPEN, MSG_FASTOPEN)},
        {SCMP_SYS(sendmmsg), is(3, MSG_FASTOPEN, MSG_FASTOPEN)},
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && failed == 0; i++) {
        failed = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), rows[i].number, 1, &rows[i].arg);
    }
    return failed;
}

/* Takes `filter`, which binds all threads from here on if it could be made. */
static int load(scmp_filter_ctx filter, int failed)
{
    failed = failed != 0 ? failed : seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    failed = failed != 0 ? failed : seccomp_load(filter);
    if (filter != NULL) {
        seccomp_release(filter);
    }
    return failed;
}

bool syscall_filter_knows(const char *name)
{
    return seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR;
}

bool syscall_filter_enforce(const char *const *more, struct syscall_sockets sockets, char *message, size_t size)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW); /* two filters: of their answers the harder one counts */
    int failed = load(filter, filter != NULL ? make_refused(filter) : -ENOMEM);
    if (failed == 0) {
        filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        failed = load(filter, filter != NULL ? make_allowed(filter, more, sockets) : -ENOMEM);
    }
    return failed == 0 || refuse(message, size, "seccomp: %s", strerror(-failed));
}
