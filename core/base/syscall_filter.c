#include "base/syscall_filter.h"

#include "base/refuse.h"
#include "base/sanitized.h"
#include <errno.h>
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
    "chmod",
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
    "fchmodat",
    "fchmodat2",
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
    "utimensat",
    "utimensat_time64",
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
    "socketcall",
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
    "prlimit64",
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

/* Only where an argument is as it should be. */
static int allow_if(scmp_filter_ctx filter, int number, struct scmp_arg_cmp is)
{
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &is);
}

/* Calls that are good or bad by what they are given. */
static int allow_some(scmp_filter_ctx filter, bool internet)
{
    static const scmp_datum_t families[] = {AF_UNIX, AF_NETLINK, AF_INET, AF_INET6};
    unsigned count = internet ? 4 : 2;
    int failed = 0;
    for (unsigned i = 0; i < count && failed == 0; i++) {
        failed = allow_if(filter, SCMP_SYS(socket), (struct scmp_arg_cmp){.op = SCMP_CMP_EQ, .datum_a = families[i]});
    }
    if (failed == 0) { /* no terminal's input is forged */
        failed =
            allow_if(filter, SCMP_SYS(ioctl), (struct scmp_arg_cmp){.arg = 1, .op = SCMP_CMP_NE, .datum_a = TIOCSTI});
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
    return strcmp(name, "socket") == 0 || strcmp(name, "ioctl") == 0 || strcmp(name, "clone") == 0;
}

static int make(scmp_filter_ctx filter, const char *const *more, bool internet)
{
    int failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0] && failed == 0; i++) {
        failed = allow(filter, allowed[i]);
    }
    for (; more != NULL && *more != NULL && failed == 0; more++) {
        failed = is_some(*more) ? 0 : allow(filter, *more);
    }
    return failed != 0 ? failed : allow_some(filter, internet);
}

bool syscall_filter_knows(const char *name)
{
    return seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR;
}

bool syscall_filter_enforce(const char *const *more, bool internet, char *message, size_t size)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed = filter != NULL ? make(filter, more, internet) : -ENOMEM;
    if (failed == 0) {
        failed = seccomp_load(filter);
    }
    if (filter != NULL) {
        seccomp_release(filter);
    }
    return failed == 0 || refuse(message, size, "seccomp: %s", strerror(-failed));
}
