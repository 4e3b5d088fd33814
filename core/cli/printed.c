#include "cli/printed.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <unistd.h>

void printed_begin(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

static bool has_reader(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) != 1 || (out.revents & POLLERR) == 0;
}

bool printed_end(void)
{
    bool ok = fflush(stdout) == 0 && ferror(stdout) == 0;
    if (!ok && (errno == EPIPE || !has_reader())) {
        __fpurge(stdout);
        clearerr(stdout);
        ok = true;
    }
    if (!ok) {
        (void)fputs("churnd: standard output cannot be written\n", stderr);
    }
    return ok;
}
