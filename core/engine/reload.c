#include "engine/reload.h"

#include "base/input_file.h"
#include "pipeline/section_view.h"
#include <stdlib.h>

/* Why this run keeps the pipeline that it began with; NULL: it need not. `text` is room for it. */
static const char *why_not(struct pipeline_files files, const struct pipeline *now, char *text, size_t size)
{
    const churn_source_ops *source = source_ops(&now->source);
    churn_error err = {.size = sizeof err};
    if (now->until_end) {
        return "this run ends by itself";
    }
    if (now->replay.from != REPLAY_OFF) {
        return "this run was started with --replay-from";
    }
    if (input_file_is_pipe(files.pipeline)) {
        return "it is a pipe, whose text came when the run was started";
    }
    if (section_view_again(source, now->source.node, &err) == CHURN_FATAL) {
        (void)snprintf(text, size, "what its source has read cannot be handed over: %s", err.message);
        return text;
    }
    if (source->commit == NULL && source->seek == NULL) {
        return "its source can neither remember nor be told where to go on";
    }
    return NULL;
}

static const char restart[] = "it stays while the process runs; restart churnd to change it";

/* An option of `health:`, NULL where it is not given. */
static bool check_listener(struct config *config, const char *option, const char *was, const char *is)
{
    const struct node *health = config_get(&config->root, "health"), *at = config_get(health, option);
    bool same = strcmp(was != NULL ? was : "", is != NULL ? is : "") == 0;
    if (!same) {
        config_error(config, at != NULL ? at : health, "health: %s: was '%s', and %s", option, was != NULL ? was : "",
                     restart);
    }
    return same;
}

static bool is_same(const char *was, const char *is)
{
    return strcmp(was != NULL ? was : "", is != NULL ? is : "") == 0;
}

static bool check_audit(const struct pipeline *now, struct pipeline *next)
{
    const struct audit_settings *was = &now->audit_settings, *is = &next->audit_settings;
    struct config *config = &next->config;
    const struct node *audit = config_get(&config->root, "audit");
    bool ok = is_same(was->path, is->path) && is_same(was->key, is->key);
    if (!ok) {
        config_error(config, audit, "audit: it was another file or key, and %s", restart);
    }
    return ok;
}

/* With another key, or none, whoever was forgotten would count again. */
static bool check_forget(const struct pipeline *now, struct pipeline *next)
{
    const char *was = now->forget_settings.key;
    bool ok = was == NULL || is_same(was, next->forget_settings.key);
    if (!ok) {
        config_error(&next->config, config_get(&next->config.root, "forget"), "forget: it was another key, and %s",
                     restart);
    }
    return ok;
}

static bool check_process(const struct pipeline *now, struct pipeline *next)
{
    const struct pipeline_settings *was = &now->settings, *is = &next->settings;
    const struct {
        const char *option;
        bool same;
    } fixed[] = {{"core_dumps", was->core_dumps == is->core_dumps},
                 {"sandbox", was->sandbox == is->sandbox},
                 {"user", is_same(was->user, is->user)}};
    bool ok = true;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (!fixed[i].same) {
            config_error(&next->config, config_get(&next->config.root, fixed[i].option), "%s: it was another, and %s",
                         fixed[i].option, restart);
            ok = false;
        }
    }
    return ok;
}

/* What the process as a whole has from its first pipeline. */
static bool check_fixed(const struct pipeline *now, struct pipeline *next)
{
    const char *old_socket = now->tap_settings.socket, *socket = next->tap_settings.socket;
    const struct health_settings *was = &now->health_settings, *is = &next->health_settings;
    struct config *config = &next->config;
    bool ok = true;
    if (strcmp(now->settings.name, next->settings.name) != 0) {
        config_error(config, config_get(&config->root, "name"), "name: was '%s', and %s", now->settings.name, restart);
        ok = false;
    }
    if (strcmp(old_socket != NULL ? old_socket : "", socket != NULL ? socket : "") != 0 ||
        now->tap_settings.enabled != next->tap_settings.enabled) {
        const struct node *tap = config_get(&config->root, "tap"), *at = config_get(tap, "socket");
        config_error(config, at != NULL ? at : tap, "tap: it was another, and %s", restart);
        ok = false;
    }
    ok = check_process(now, next) && ok;
    ok = check_audit(now, next) && ok;
    ok = check_forget(now, next) && ok;
    ok = check_listener(config, "listen", was->listen, is->listen) && ok;
    ok = check_listener(config, "cert_file", was->cert_file, is->cert_file) && ok;
    return check_listener(config, "key_file", was->key_file, is->key_file) && ok;
}

static void log_lines(struct log *log, char *text)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        log_line(log, CHURN_LOG_ERROR, "churnd", line);
    }
}

/* The same to `errors`. */
static bool load(struct pipeline_files files, const struct pipeline *now, struct pipeline *next,
                 const struct sandbox *sandbox, FILE *errors)
{
    bool ok;
    now->loader->running = true;
    ok = pipeline_load(next, files, now->loader, now->log, errors) && check_fixed(now, next) &&
         sandbox_allows(sandbox, next, files);
    next->config.errors = stderr; /* whatever is wrong later */
    return ok;
}

bool reload_load(struct pipeline_files files, const struct pipeline *now, struct pipeline *next,
                 const struct sandbox *sandbox)
{
    char text[sizeof(churn_error)];
    const char *reason = why_not(files, now, text, sizeof text);
    char *mistakes = NULL;
    size_t size = 0;
    FILE *errors;
    bool ok;
    if (reason != NULL) {
        log_printf(now->log, CHURN_LOG_WARN, "churnd", "SIGHUP: %s is not read again: %s", files.pipeline, reason);
        return false;
    }
    errors = open_memstream(&mistakes, &size);
    ok = errors != NULL && load(files, now, next, sandbox, errors);
    if (errors == NULL || fclose(errors) != 0) {
        log_line(now->log, CHURN_LOG_ERROR, "churnd", "out of memory");
        ok = false;
    } else {
        log_lines(now->log, mistakes);
    }
    free(mistakes);
    if (!ok) {
        log_printf(now->log, CHURN_LOG_ERROR, "churnd",
                   "SIGHUP: %s is not taken into use; the pipeline runs on as it was%s", files.pipeline,
                   sandbox->entered ? " (in a sandbox: what needs more than it did at the start needs a restart)" : "");
        pipeline_free(next);
    }
    return ok;
}
