#include "plugin/plugin_trial.h"

#include "plugin/plugin_fault.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 10000 /* constructors take microseconds, on a busy machine milliseconds */

/* The child: opens what it is told to, until it is told no more. */
static void open_files(int talk, int output, pid_t parent)
{
    char path[PATH_MAX];
    ssize_t len;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0) {
        _exit(1);
    }
    while ((len = recv(talk, path, sizeof path - 1, 0)) > 0) {
        path[len] = '\0';
        (void)dlopen(path, RTLD_NOW | RTLD_LOCAL);
        (void)fflush(stdout);
        if (send(talk, "", 1, MSG_NOSIGNAL) != 1) {
            break;
        }
    }
    _exit(0);
}

static bool start(struct plugin_trial *trial)
{
    int ends[2], output = memfd_create("standard output", MFD_CLOEXEC);
    pid_t parent = getpid(), pid;
    if (output < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        (void)(output >= 0 && close(output));
        return false;
    }
    (void)fflush(stdout); /* or the child would have it to write too */
    pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        open_files(ends[1], output, parent);
    }
    (void)close(ends[1]);
    *trial = (struct plugin_trial){.pid = pid, .talk = ends[0], .output = output};
    if (pid < 0) {
        (void)close(ends[0]);
        (void)close(output);
        *trial = (struct plugin_trial){0};
    }
    return pid > 0;
}

/* Returns how it ended; it is killed unless it has. */
static int end(struct plugin_trial *trial)
{
    int status = 0;
    (void)kill(trial->pid, SIGKILL);
    while (waitpid(trial->pid, &status, 0) < 0 && errno == EINTR) {
    }
    (void)close(trial->talk);
    (void)close(trial->output);
    *trial = (struct plugin_trial){0};
    return status;
}

/* Tells it the path, to a new process where the one there is has ended since the last. */
static bool tell(struct plugin_trial *trial, const char *path)
{
    for (unsigned tries = 0; tries < 2; tries++) {
        if (trial->pid == 0 && !start(trial)) {
            return false;
        }
        if (send(trial->talk, path, strlen(path), MSG_NOSIGNAL) >= 0) {
            return true;
        }
        (void)end(trial);
    }
    return false;
}

/* 1: the file is open, 0: the process ended before that, -1: neither comes. */
static int wait_for_it(const struct plugin_trial *trial)
{
    struct pollfd wait = {.fd = trial->talk, .events = POLLIN};
    char byte;
    int ready;
    do {
        ready = poll(&wait, 1, PATIENCE_MS);
    } while (ready < 0 && errno == EINTR);
    return ready > 0 ? recv(trial->talk, &byte, 1, 0) == 1 : -1;
}

static bool has_printed(struct plugin_trial *trial)
{
    struct stat about;
    off_t before = trial->prints;
    trial->prints = fstat(trial->output, &about) == 0 ? about.st_size : before;
    return trial->prints > before;
}

const char *plugin_trial_open(struct plugin_trial *trial, const char *path, bool *ret_prints, char *message,
                              size_t size)
{
    static const char what[] = "while it is opened, which runs its constructors and those of its libraries";
    int opened, status;
    *ret_prints = false;
    if (!tell(trial, path)) {
        return NULL; /* there can be no other process now: it is opened untried */
    }
    opened = wait_for_it(trial);
    if (opened > 0) {
        *ret_prints = has_printed(trial);
        return NULL;
    }
    status = end(trial);
    if (opened < 0) {
        return plugin_fault("hang", message, size, "%s: does not return for %d s %s", path, PATIENCE_MS / 1000, what);
    }
    if (WIFSIGNALED(status)) {
        return plugin_fault("crash", message, size, "%s: crashes (%s) %s; `churnd plugin-check %s` tells more", path,
                            strsignal(WTERMSIG(status)), what, path);
    }
    return plugin_fault("exit", message, size, "%s: ends the process (exit status %d) %s; a plugin must never do that",
                        path, WEXITSTATUS(status), what);
}

void plugin_trial_end(struct plugin_trial *trial)
{
    if (trial->pid > 0) {
        (void)end(trial);
    }
}
