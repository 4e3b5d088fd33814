#include "engine/sandbox.h"

#include "base/json_text.h"
#include "base/run_as.h"
#include "base/sanitized.h"
#include "base/syscall_filter.h"
#include "plugin/journal_file.h"
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char part[] = "sandbox";

/* ---- the user ---- */

static bool is_user(const char *user)
{
    const struct passwd *self = getpwuid(geteuid());
    char number[24];
    (void)snprintf(number, sizeof number, "%u", (unsigned)geteuid());
    return strcmp(user, number) == 0 || (self != NULL && strcmp(user, self->pw_name) == 0);
}

/* The kernel turns core dumps off for who changes users; where there is no secret they are as they were. */
static void keep_core_dumps(bool were_on)
{
    if (were_on) {
        (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    }
}

/* What is lacking is said loudly to who asked for a sandbox, and softly where that is only how runs are. */
static int32_t tone(const struct sandbox *sandbox, const struct pipeline *pipeline)
{
    if (sandbox->of_command) {
        return CHURN_LOG_DEBUG;
    }
    return needs_sandbox_said(pipeline) ? CHURN_LOG_WARN : CHURN_LOG_INFO;
}

static bool leave_root(const struct sandbox *sandbox, const struct pipeline *pipeline)
{
    const char *user = pipeline->settings.user;
    bool dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1, given = user != NULL && *user != '\0';
    char message[512];
    if (geteuid() != 0) {
        if (given && !is_user(user) && !sandbox->of_command) {
            log_printf(pipeline->log, CHURN_LOG_ERROR, part,
                       "user: this process is not root's and cannot become '%s'; start it as root or as that user, or "
                       "leave `user` out",
                       user);
            return false;
        }
        return true;
    }
    if (!given) {
        if (pipeline->settings.sandbox != SANDBOX_OFF) {
            log_line(pipeline->log, tone(sandbox, pipeline), part,
                     "this run is root's, which no sandbox makes harmless: start it as another user, or name one with "
                     "`user: NAME`");
        }
        return true;
    }
    if (!run_as(user, message, sizeof message)) {
        log_printf(pipeline->log, CHURN_LOG_ERROR, part, "user: %s", message);
        return false;
    }
    keep_core_dumps(dumpable);
    log_printf(pipeline->log, sandbox->of_command ? CHURN_LOG_DEBUG : CHURN_LOG_INFO, part,
               "root was left for the user %s", user);
    return true;
}

/* ---- the rules ---- */

/* Threads that run already would not be bound by Landlock. */
static bool is_alone(void)
{
#if !SANITIZED /* whose runtime may have one */
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;
    while (tasks != NULL && readdir(tasks) != NULL) {
        count++;
    }
    if (tasks != NULL) {
        (void)closedir(tasks);
    }
    return count <= 3; /* itself, `.` and `..` */
#else
    return true;
#endif
}

static bool bind_files(const struct needs *needs, char *message, size_t size)
{
    const struct landlock_rules rules = {.paths = needs->paths,
                                         .path_count = needs->path_count,
                                         .executes = needs_call(needs, "execve") || needs_call(needs, "execveat"),
                                         .any_network = needs->discovers != NULL,
                                         .ports = needs->ports,
                                         .port_count = needs->port_count,
                                         .listened = needs->listened};
    return landlock_enforce(&rules, message, size);
}

static struct syscall_sockets sockets_of(const struct needs *needs)
{
    return (struct syscall_sockets){
        .tcp = needs->connects || needs->listened != 0, .udp = needs->resolves, .local = needs->local};
}

/* Says what of it is lacking on this kernel. */
static void tell_lacking(const struct sandbox *sandbox, const struct pipeline *pipeline, int version)
{
    char lacking[256];
    if (landlock_lacks(version, lacking, sizeof lacking) != NULL) {
        log_printf(pipeline->log, tone(sandbox, pipeline), part, "this kernel's Landlock (version %d) does not bind %s",
                   version, lacking);
    }
}

static void tell_risk(void *ctx, const char *text)
{
    log_line(ctx, CHURN_LOG_WARN, part, text);
}

static void tell_entered(const struct sandbox *sandbox, const struct pipeline *pipeline)
{
    const struct needs *needs = &sandbox->needs;
    struct text text = {0};
    for (unsigned i = 0; i < needs->path_count; i++) {
        log_printf(pipeline->log, CHURN_LOG_DEBUG, part, "may %s %s", needs->paths[i].written ? "write" : "read",
                   needs->paths[i].path);
    }
    needs_describe(needs, &text);
    text_append(&text, "", 1);
    log_printf(pipeline->log, sandbox->of_command ? CHURN_LOG_DEBUG : CHURN_LOG_INFO, part, "entered: %s",
               text.failed ? "" : text.bytes);
    text_free(&text);
}

static bool enforce(struct sandbox *sandbox, const struct pipeline *pipeline)
{
    bool demanded = pipeline->settings.sandbox == SANDBOX_ON, alone = is_alone();
    int version = landlock_version();
    int32_t level = demanded ? CHURN_LOG_ERROR : tone(sandbox, pipeline);
    char message[512] = "this kernel does not let go of new privileges";
    if (!alone || version == 0) {
        log_printf(pipeline->log, level, part, "files are not bound: %s%s",
                   alone ? "this kernel has no Landlock, or it is turned off"
                         : "a plugin has started a thread of its own",
                   demanded ? "; `sandbox: warn` runs all the same" : "");
    }
    if ((!alone || version == 0) && demanded) {
        return false;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        (alone && version > 0 && !bind_files(&sandbox->needs, message, sizeof message)) ||
        !syscall_filter_enforce(sandbox->needs.syscalls, sockets_of(&sandbox->needs), message, sizeof message)) {
        log_printf(pipeline->log, level, part, "cannot be entered: %s", message);
        return !demanded;
    }
    sandbox->entered = true;
    tell_lacking(sandbox, pipeline, version);
    tell_entered(sandbox, pipeline);
    if (needs_sandbox_said(pipeline) && !sandbox->of_command) {
        needs_tell_risks(&sandbox->needs, tell_risk, pipeline->log);
    }
    return true;
}

/* The folder for state must be there to be named by a rule. */
static void make_state(const struct pipeline *pipeline)
{
    char folder[PATH_MAX], message[512];
    (void)journal_folder(pipeline->settings.state_dir, folder, message, sizeof message);
}

bool sandbox_enter(struct sandbox *sandbox, struct pipeline *pipeline, struct pipeline_files files)
{
    const struct section *undeclared;
    if (!leave_root(sandbox, pipeline)) {
        return false;
    }
    if (pipeline->settings.sandbox == SANDBOX_OFF) {
        return true;
    }
    if (!sandbox->of_command) {
        make_state(pipeline);
    }
    needs_find(pipeline, files, &sandbox->needs);
    needs_written(&sandbox->needs, sandbox->written);
    if (sandbox->needs.failed) {
        log_line(pipeline->log, CHURN_LOG_ERROR, "churnd", "out of memory");
        return false;
    }
    if (!needs_check(pipeline)) {
        return false;
    }
    undeclared = sandbox->needs.undeclared;
    if (undeclared != NULL && pipeline->settings.sandbox == SANDBOX_WARN) {
        log_printf(
            pipeline->log, tone(sandbox, pipeline), part,
            "none is entered: %s does not declare what it needs (<churn/needs.h>); `sandbox: on` binds it to what "
            "any pipeline may do",
            undeclared->label);
        return true;
    }
    return enforce(sandbox, pipeline);
}

bool sandbox_allows(const struct sandbox *sandbox, struct pipeline *next, struct pipeline_files files)
{
    const struct node *at = config_get(&next->config.root, "sandbox");
    struct needs needs;
    char message[PATH_MAX + 256];
    bool ok = true;
    if (!sandbox->entered) {
        return true;
    }
    needs_find(next, files, &needs);
    if (needs.failed || !needs_cover(&sandbox->needs, &needs, message, sizeof message)) {
        config_error(&next->config, at,
                     "sandbox: %s, which the run's sandbox does not allow; restart churnd to change it",
                     needs.failed ? "memory ran out" : message);
        ok = false;
    }
    needs_free(&needs);
    return needs_check(next) && ok;
}

void sandbox_free(struct sandbox *sandbox)
{
    needs_free(&sandbox->needs);
    sandbox->entered = false;
}
