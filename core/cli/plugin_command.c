/* `churnd plugin-check`: a child for each file, what it tells collected and shown. */
#include "cli/commands.h"

#include "base/environment.h"
#include "base/json_build.h"
#include "base/json_text.h"
#include "base/printable.h"
#include "cli/plugin_check.h"
#include "cli/plugin_report.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SILENCE_MS 5000 /* a step of the child takes milliseconds */

/* What the child has told so far. */
struct report {
    const char *path;
    char stage[128];
    struct json_object *plugin; /* owned, as `findings` */
    struct json_object *findings;
    unsigned errors, warnings;
};

static const char *text_of(struct json_object *object, const char *key)
{
    struct json_object *value;
    return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : "";
}

/* Takes `finding`. */
static void take_finding(struct report *report, struct json_object *finding)
{
    const char *severity = text_of(finding, "severity");
    report->errors += strcmp(severity, "error") == 0;
    report->warnings += strcmp(severity, "warning") == 0;
    (void)json_object_array_add(report->findings, finding);
}

CHURN_PRINTF(4, 5)
static void report_finding(struct report *report, const char *severity, const char *code, const char *format, ...)
{
    struct json_object *finding = json_object_new_object();
    char message[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    json_add_text(finding, "severity", severity);
    json_add_text(finding, "code", code);
    json_add_text(finding, "message", message);
    take_finding(report, finding);
}

/* ---- the child ---- */

/* What plugins print would spoil the report: it goes to `printed`, in memory. */
static void run_child(const struct arguments *arguments, struct report *report, struct loader *loader, struct log *log,
                      int out, int printed)
{
    struct plugin_check check = {.out = out,
                                 .path = report->path,
                                 .loader = loader,
                                 .log = log,
                                 .options = arguments->plugin_options,
                                 .option_count = arguments->plugin_option_count};
    (void)dup2(printed, STDOUT_FILENO);
    plugin_check_file(&check);
    (void)fflush(stdout);
    plugin_report_stage(&check, "");
    _exit(0); /* what a plugin has registered for the end is no part of the check */
}

static pid_t start_child(const struct arguments *arguments, struct report *report, struct loader *loader,
                         struct log *log, int printed, int *ret_fd)
{
    int ends[2];
    pid_t pid;
    if (pipe(ends) != 0) {
        return -1;
    }
    (void)fflush(stdout);
    pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        run_child(arguments, report, loader, log, ends[1], printed);
    }
    (void)close(ends[1]);
    *ret_fd = ends[0];
    if (pid < 0) {
        (void)close(ends[0]);
    }
    return pid;
}

/* ---- listening to it ---- */

static void take_line(struct report *report, const char *line)
{
    struct json_object *object = json_tokener_parse(line), *value;
    if (json_object_object_get_ex(object, "stage", &value)) {
        (void)snprintf(report->stage, sizeof report->stage, "%s", json_object_get_string(value));
    } else if (json_object_object_get_ex(object, "finding", &value)) {
        take_finding(report, json_object_get(value));
    } else if (json_object_object_get_ex(object, "plugin", &value)) {
        json_object_object_foreach(value, key, member)
        {
            (void)json_object_object_add(report->plugin, key, json_object_get(member));
        }
    }
    (void)json_object_put(object);
}

static void take_lines(struct report *report, struct text *received)
{
    char *line = received->bytes, *end;
    size_t left = received->len;
    while (left > 0 && (end = memchr(line, '\n', left)) != NULL) {
        *end = '\0';
        take_line(report, line);
        left -= (size_t)(end + 1 - line);
        line = end + 1;
    }
    if (left > 0) {
        memmove(received->bytes, line, left);
    }
    received->len = left;
}

/* Until the child ends, says that it is done, or has been silent for too long: false. */
static bool listen_to(struct report *report, int fd)
{
    struct text received = {0};
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char bytes[4096];
    ssize_t len = 1;
    int ready = 1;
    while (len > 0 && report->stage[0] != '\0') {
        ready = poll(&wait, 1, SILENCE_MS);
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        len = ready > 0 ? read(fd, bytes, sizeof bytes) : 0;
        if (len > 0) {
            text_append(&received, bytes, (size_t)len);
            take_lines(report, &received);
        }
    }
    text_free(&received);
    return ready > 0;
}

static void judge_end(struct report *report, bool in_time, int status)
{
    if (!in_time) {
        report_finding(report, "error", "hang", "does not return: nothing happened for %d s while %s",
                       SILENCE_MS / 1000, report->stage);
    } else if (report->stage[0] == '\0') {
        return; /* it came to its end */
    } else if (WIFSIGNALED(status)) {
        report_finding(report, "error", "crash",
                       "crashes (%s) while %s; `gdb -ex 'set follow-fork-mode child' --args churnd plugin-check %s` "
                       "shows where",
                       strsignal(WTERMSIG(status)), report->stage, report->path);
    } else {
        report_finding(report, "error", "exit",
                       "ends the process (exit status %d) while %s; a plugin must return an error instead",
                       WEXITSTATUS(status), report->stage);
    }
}

/* Shows on standard error what the plugin wrote to standard output. */
static void judge_prints(struct report *report, int printed)
{
    char bytes[4096];
    ssize_t len;
    bool any = false;
    for (off_t at = 0; (len = pread(printed, bytes, sizeof bytes, at)) > 0; at += len) {
        any = true;
        (void)fwrite(bytes, 1, (size_t)len, stderr);
    }
    if (any) {
        report_finding(report, "warning", "prints",
                       "writes to standard output, which is the host's own: tell the log instead, once there is an "
                       "instance");
    }
}

static void check_file(const struct arguments *arguments, struct report *report, struct loader *loader, struct log *log)
{
    int fd = -1, status = 0, printed = memfd_create("standard output", MFD_CLOEXEC);
    pid_t pid = printed >= 0 ? start_child(arguments, report, loader, log, printed, &fd) : -1;
    bool in_time;
    if (pid < 0) {
        report_finding(report, "error", "no_process", "cannot be checked: %s", strerror(errno));
        (void)(printed >= 0 && close(printed));
        return;
    }
    in_time = listen_to(report, fd);
    (void)close(fd);
    if (!in_time) {
        (void)kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    judge_end(report, in_time, status);
    judge_prints(report, printed);
    (void)close(printed);
}

/* ---- showing it ---- */

static void print_text(const struct report *report)
{
    for (size_t i = 0; i < json_object_array_length(report->findings); i++) {
        struct json_object *finding = json_object_array_get_idx(report->findings, i);
        printable_line(stdout, "%s: %s: %s [%s]", report->path, text_of(finding, "severity"),
                       text_of(finding, "message"), text_of(finding, "code"));
    }
    if (report->errors > 0) {
        printable_line(stdout, "%s: bad", report->path);
    } else {
        printable_line(stdout, "%s: good: %s %s %s, built for ABI %s", report->path, text_of(report->plugin, "kind"),
                       text_of(report->plugin, "name"), text_of(report->plugin, "version"),
                       text_of(report->plugin, "abi"));
    }
}

static struct json_object *report_to_json(const struct report *report)
{
    struct json_object *object = json_object_new_object();
    char abi[32];
    json_add_text(object, "path", report->path);
    json_add(object, "good", json_object_new_boolean(report->errors == 0));
    (void)snprintf(abi, sizeof abi, "%d.%d", CHURN_ABI_MAJOR, CHURN_ABI_MINOR);
    json_add_text(object, "host_abi", abi);
    json_add(object, "plugin", json_object_get(report->plugin));
    json_add(object, "findings", json_object_get(report->findings));
    return object;
}

/* A name alone would be looked for in the system's library folders. */
static char *with_folder(const char *path)
{
    char *copy = NULL;
    if (asprintf(&copy, "%s%s", strchr(path, '/') != NULL ? "" : "./", path) < 0) {
        return NULL;
    }
    return copy;
}

static bool check_option_texts(const struct arguments *arguments)
{
    for (unsigned i = 0; i < arguments->plugin_option_count; i++) {
        const char *equals = strchr(arguments->plugin_options[i], '=');
        if (equals == NULL || equals == arguments->plugin_options[i]) {
            printable_line(stderr, "churnd: --option: write NAME=VALUE, not '%s'", arguments->plugin_options[i]);
            return false;
        }
    }
    return true;
}

static bool check_one(const struct arguments *arguments, const char *file, struct loader *loader, struct log *log,
                      struct json_object *list)
{
    char *path = with_folder(file);
    struct report report = {
        .path = path, .stage = "starting", .plugin = json_object_new_object(), .findings = json_object_new_array()};
    if (path == NULL) {
        report.path = file;
        report_finding(&report, "error", "no_process", "cannot be checked: out of memory");
    } else {
        check_file(arguments, &report, loader, log);
    }
    if (list != NULL) {
        (void)json_object_array_add(list, report_to_json(&report));
    } else {
        print_text(&report);
    }
    (void)json_object_put(report.plugin);
    (void)json_object_put(report.findings);
    free(path);
    return report.errors == 0;
}

int command_plugin_check(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct json_object *list = arguments->json ? json_object_new_array() : NULL;
    /* for the debugger that a crash calls for; what the plugin is given stands on the command line */
    bool sensible = check_option_texts(arguments) && environment_unshield(), good = sensible;
    for (unsigned i = 0; sensible && i < arguments->operand_count; i++) {
        good = check_one(arguments, arguments->operands[i], loader, log, list) && good;
    }
    if (list != NULL) {
        (void)puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
        (void)json_object_put(list);
    }
    return good ? 0 : 1;
}
