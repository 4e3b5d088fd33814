#include "base/bus_error.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* Everything here may be called within a signal handler. */

static void say(const char *text)
{
    size_t len = strlen(text);
    ssize_t n = write(STDERR_FILENO, text, len);
    (void)n; /* nothing can be done about it */
}

/* A line of /proc/self/maps begins with "from-to", in hexadecimal. */
static bool holds(const char *line, uintptr_t address)
{
    uintptr_t ends[2] = {0};
    unsigned end = 0;
    for (; *line != '\0' && *line != ' '; line++) {
        if (*line == '-') {
            end = 1;
        } else {
            ends[end] = ends[end] * 16 + (uintptr_t)(*line <= '9' ? *line - '0' : *line - 'a' + 10);
        }
    }
    return address >= ends[0] && address < ends[1];
}

/* One line, cut where it does not fit; false at the end. */
static bool read_line(int fd, char *line, size_t size)
{
    size_t len = 0;
    char c = '\0';
    ssize_t n;
    while ((n = read(fd, &c, 1)) == 1 && c != '\n') {
        if (len + 1 < size) {
            line[len++] = c;
        }
    }
    line[len] = '\0';
    return n == 1;
}

/* The path of the file that is mapped there; NULL: none. */
static const char *mapped_file(uintptr_t address, char *line, size_t size)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    bool found = false;
    while (fd >= 0 && !found && read_line(fd, line, size)) {
        found = holds(line, address);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return found ? strchr(line, '/') : NULL;
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
    char line[PATH_MAX + 128];
    const char *file = info->si_code > 0 ? mapped_file((uintptr_t)info->si_addr, line, sizeof line) : NULL;
    (void)context;
    if (file == NULL) { /* sent by somebody, or not about a file: what it does without us */
        (void)signal(signal_number, SIG_DFL);
        (void)raise(signal_number);
        return;
    }
    say("churnd: ");
    say(file);
    say(" was cut while it was in use, or its disk fails or is full; the process ends. Restore the file from a backup; "
        "a "
        "store without one is moved away, and what the source still holds is counted anew\n");
    _exit(1);
}

void bus_error_explain(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_RESETHAND};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, NULL);
}
