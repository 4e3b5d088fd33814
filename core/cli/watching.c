#include "cli/watching.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/signalfd.h>
#include <unistd.h>

int watching_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

void watching_end(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0) {
        __fpurge(stdout);
        clearerr(stdout);
    }
}
