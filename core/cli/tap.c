/* `churnd tap`: live records of a run, from its socket (observe/tap_server.h). */
#include "cli/commands.h"

#include "base/json_build.h"
#include "base/json_parse.h"
#include "base/json_text.h"
#include "base/printable.h"
#include "base/unix_socket.h"
#include "cli/watching.h"
#include "pipeline/tap_socket.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_NOTE_DEPTH 4

struct tap {
    int fd;
    int signals; /* a signalfd */
    int64_t limit;
    int64_t shown;
    int64_t passed_over;
    struct text in; /* what came of a line that is not whole yet */
    bool done;
    bool failed;
};

/* ---- the request ---- */

/* A run that has no place for it may have closed the connection; then its reason is there to be read. */
static void send_request(const struct tap *tap, const struct arguments *a)
{
    struct json_object *wish = json_object_new_object();
    const char *text;
    json_add_text(wish, "at", a->at != NULL ? a->at : "events");
    if (a->when != NULL) {
        json_add_text(wish, "when", a->when);
    }
    if (a->customer != NULL) {
        json_add_text(wish, "customer", a->customer);
    }
    json_add_text(wish, "format", a->json ? "json" : "text");
    text = json_object_to_json_string_ext(wish, JSON_C_TO_STRING_PLAIN);
    (void)send(tap->fd, text, strlen(text), MSG_NOSIGNAL);
    (void)send(tap->fd, "\n", 1, MSG_NOSIGNAL);
    (void)json_object_put(wish);
}

/* ---- what is answered ---- */

/* A line that is no record. */
static void take_note(struct tap *tap, const char *line, size_t len)
{
    bool ok;
    struct json_object *note = json_parse(line, len, MAX_NOTE_DEPTH, &ok), *value;
    if (json_object_object_get_ex(note, "passed_over", &value)) {
        tap->passed_over = json_object_get_int64(value);
        (void)fprintf(stderr, "churnd: %" PRId64 " record%s passed over so far: more came than could be looked at\n",
                      tap->passed_over, tap->passed_over == 1 ? "" : "s");
    } else if (json_object_object_get_ex(note, "watching", &value) && isatty(STDERR_FILENO)) {
        printable_line(stderr, "churnd: looking at %s", json_object_get_string(value));
    } else if (json_object_object_get_ex(note, "end", &value)) {
        printable_line(stderr, "churnd: %s", json_object_get_string(value));
        tap->done = true;
    } else if (json_object_object_get_ex(note, "error", &value)) {
        printable_line(stderr, "churnd: %s", json_object_get_string(value));
        tap->done = tap->failed = true;
    }
    (void)json_object_put(note);
}

static void take_line(struct tap *tap, const char *line, size_t len)
{
    if (len == 0 || *line != '+') {
        take_note(tap, line + (len > 0), len - (len > 0));
        return;
    }
    tap->shown++;
    tap->done = fwrite(line + 1, 1, len - 1, stdout) != len - 1 || putchar('\n') == EOF || tap->shown == tap->limit;
}

/* Takes the whole lines of what came. */
static void take_lines(struct tap *tap)
{
    const char *at = tap->in.bytes, *end = tap->in.bytes + tap->in.len, *line_end;
    while (!tap->done && at < end && (line_end = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        take_line(tap, at, (size_t)(line_end - at));
        at = line_end + 1;
    }
    tap->in.len = (size_t)(end - at);
    memmove(tap->in.bytes, at, tap->in.len);
}

static void take_bytes(struct tap *tap)
{
    ssize_t n = -1;
    if (text_reserve(&tap->in, 65536)) {
        n = recv(tap->fd, tap->in.bytes + tap->in.len, tap->in.room - tap->in.len, 0);
    }
    if (n > 0) {
        tap->in.len += (size_t)n;
        take_lines(tap);
    } else if (n == 0 || errno != EINTR) {
        (void)fputs("churnd: the run has let go of this tap: it ended, or nothing was read here for long\n", stderr);
        tap->done = tap->failed = true;
    }
}

/* Until the limit, a signal, the end of the run, or that of whoever reads. */
static void follow(struct tap *tap)
{
    while (!tap->done) {
        struct pollfd fds[] = {{.fd = tap->fd, .events = POLLIN},
                               {.fd = tap->signals, .events = POLLIN},
                               {.fd = STDOUT_FILENO}}; /* only POLLERR: a pipe that nobody reads any more */
        if (poll(fds, sizeof fds / sizeof fds[0], -1) < 0) {
            continue;
        }
        if (fds[0].revents != 0) {
            take_bytes(tap);
            tap->done = fflush(stdout) != 0 || tap->done;
        }
        tap->done = tap->done || fds[1].revents != 0 || (fds[2].revents & POLLERR) != 0;
    }
}

/* ---- the command ---- */

static bool open_tap(struct tap *tap, const char *path)
{
    tap->fd = unix_socket_connect(path);
    if (tap->fd >= 0) {
        return true;
    }
    if (errno == ENOENT || errno == ECONNREFUSED) {
        printable_line(stderr,
                       "churnd: no run can be looked at by %s: is the pipeline running, on this machine, with this "
                       "state_dir and `tap: enabled`? --socket names another path",
                       path);
    } else {
        printable_line(stderr, "churnd: %s: %s%s", path, strerror(errno),
                       errno == EACCES ? "; only the user who runs the pipeline may look at its records" : "");
    }
    return false;
}

static int tap_run(const struct arguments *a, const char *path)
{
    struct tap tap = {.fd = -1, .limit = a->limit, .signals = watching_signals()};
    if (!open_tap(&tap, path)) {
        tap.failed = true;
    } else {
        send_request(&tap, a);
        follow(&tap);
    }
    if (tap.signals >= 0) {
        (void)close(tap.signals);
    }
    if (tap.fd >= 0) {
        (void)close(tap.fd);
    }
    text_free(&tap.in);
    return tap.failed;
}

/* Where the pipeline's run listens. */
static bool find_path(const struct arguments *a, struct loader *loader, struct log *log, char path[PATH_MAX])
{
    struct pipeline pipeline;
    bool ok = pipeline_load_edited(&pipeline, arguments_files(a), loader, log, stderr, pipeline_only_look, NULL);
    if (!ok) {
        (void)fputs("churnd: tap: a run that was started before the file was broken is tapped all the same: churnd tap "
                    "--socket PATH, with the path of `tap: {socket: PATH}`, else NAME.tap in the run's state_dir\n",
                    stderr);
    } else if (!pipeline.tap_settings.enabled) {
        printable_line(stderr, "churnd: %s says `tap: {enabled: false}`", a->config);
        ok = false;
    } else if (!tap_socket_path(&pipeline, path)) {
        (void)fputs("churnd: the path of the socket is too long; `tap: {socket: PATH}` names another\n", stderr);
        ok = false;
    }
    pipeline_free(&pipeline);
    return ok;
}

int command_tap(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    char path[PATH_MAX];
    if (arguments->socket != NULL) {
        return tap_run(arguments, arguments->socket);
    }
    if (arguments->config == NULL) {
        (void)fputs("churnd: tap: `-c FILE` or `--socket FILE` is missing\n", stderr);
        return 1;
    }
    return find_path(arguments, loader, log, path) ? tap_run(arguments, path) : 1;
}
