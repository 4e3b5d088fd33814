/* `churnd check`: all that is wrong or doubtful about a pipeline, each with its place. */
#include "cli/commands.h"

#include "base/printable.h"
#include "cli/acl.h"
#include "pipeline/instance.h"
#include "pipeline/load.h"
#include "pipeline/needs.h"
#include "pipeline/targets.h"
#include <json-c/json.h>
#include <stdlib.h>

#define CONNECT_TIMEOUT_MS 5000
#define SHORT_TTL_MS (INT64_C(24) * 3600 * 1000)

/* ---- what works, though hardly as it is meant ---- */

static bool takes(const struct pipeline *pipeline, uint32_t kind)
{
    return (pipeline->outputs & kind) != 0;
}

/* An override that nobody would notice. */
static void check_override(struct pipeline *pipeline, const struct node *type, const struct node *given)
{
    const struct node *predict = config_get(given, "predict"), *alert = config_get(given, "alert");
    int32_t id = name_index_find(&pipeline->catalog.type_names, type->text, strlen(type->text));
    const struct type_rules *rules = id >= 0 ? &pipeline->rules[id] : NULL;
    if (rules != NULL && predict != NULL && rules->predicts && !takes(pipeline, CHURN_RECORD_TRIGGER)) {
        config_warning(&pipeline->config, predict,
                       "events: override: %s: predict has no effect: no sink asks for predictions; add one, such as "
                       "'plugin: prediction'",
                       type->text);
    }
    if (rules != NULL && alert != NULL && rules->severity != 0 && !takes(pipeline, CHURN_RECORD_ALERT)) {
        config_warning(&pipeline->config, alert,
                       "events: override: %s: alert has no effect: no sink takes alerts; add one, such as "
                       "'plugin: alert'",
                       type->text);
    }
}

static void check_overrides(struct pipeline *pipeline)
{
    const struct node *overrides = config_get(config_get(&pipeline->config.root, "events"), "override");
    for (unsigned i = 0; overrides != NULL && overrides->kind == NODE_MAP && i < overrides->count; i++) {
        check_override(pipeline, &overrides->keys[i], &overrides->items[i]);
    }
}

static bool any_type_predicts(const struct pipeline *pipeline)
{
    for (uint32_t i = 0; i < pipeline->catalog.type_count; i++) {
        if (pipeline->rules[i].predicts) {
            return true;
        }
    }
    return false;
}

/* A callback of the type may raise alerts too. */
static bool any_type_alerts(const struct pipeline *pipeline)
{
    for (uint32_t i = 0; i < pipeline->catalog.type_count; i++) {
        const struct event_type *type = &pipeline->catalog.types[i];
        if (pipeline->rules[i].severity != 0 || type->table.severity_rule_count > 0 || type->table.apply != NULL) {
            return true;
        }
    }
    return false;
}

static void check_idle_sinks(struct pipeline *pipeline)
{
    bool predicts = any_type_predicts(pipeline), alerts = any_type_alerts(pipeline);
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        const struct section *sink = &pipeline->sinks[i];
        if (sink->input == CHURN_RECORD_TRIGGER && !predicts) {
            config_warning(&pipeline->config, sink->node, "%s: no event type of this pipeline asks for a prediction",
                           sink->label);
        }
        if (sink->input == CHURN_RECORD_ALERT && !alerts && pipeline->processor_count == 0) {
            config_warning(&pipeline->config, sink->node, "%s: no event type of this pipeline raises an alert",
                           sink->label);
        }
    }
}

static void check_ttl(struct pipeline *pipeline)
{
    int64_t ttl_ms = pipeline->store_settings.ttl_ms;
    if (pipeline->store.loaded != NULL && ttl_ms > 0 && ttl_ms < SHORT_TTL_MS) {
        config_warning(&pipeline->config, section_place(&pipeline->store, "ttl"),
                       "%s: ttl: profiles expire within a day of their last event; an event that is read again after "
                       "that begins a new profile, so ttl must be longer than the source can go back",
                       pipeline->store.label);
    }
}

/* ---- --connect ---- */

static void report_attempt(struct config *config, const struct target *target)
{
    const struct node *at = targets_place(target);
    char what[1024];
    (void)snprintf(what, sizeof what, "%s: %s %s%s%s", target->section->label, target->kind, target->name,
                   target->at != NULL ? " at " : "", target->at != NULL ? target->at : "");
    if (target->result != CHURN_OK) {
        config_error(config, at, "%s: %s", what, target->message != NULL ? target->message : "cannot be reached");
    } else if (target->message != NULL) {
        config_warning(config, at, "%s: %s", what, target->message);
    } else {
        config_ok(config, at, "%s", what);
    }
}

/* Keys need no connection of their own; files and folders were looked at, and only what else is wrong with them is
 * told. */
static bool is_tried(const struct config *config, const struct target *target)
{
    bool is_path = strcmp(target->kind, CHURN_TARGET_FILE) == 0 || strcmp(target->kind, CHURN_TARGET_FOLDER) == 0;
    return strcmp(target->kind, CHURN_TARGET_KEYS) != 0 &&
           (!is_path || (target->result != CHURN_OK && !config_has_error(config, targets_place(target))));
}

static bool all_answer(const struct targets *tried)
{
    for (unsigned i = 0; i < tried->count; i++) {
        if (tried->items[i].result != CHURN_OK) {
            return false;
        }
    }
    return true;
}

/* What the store lets its user do, once it is known to answer: a server that does not let us work is not good. */
static void try_keys(struct pipeline *pipeline, struct targets *tried)
{
    const churn_store_ops *ops = pipeline->store_instance != NULL ? store_ops(&pipeline->store) : NULL;
    churn_error err = {.size = sizeof err};
    void *session;
    int32_t result;
    if (ops == NULL || ops->allowed == NULL) {
        return;
    }
    log_configure(pipeline->log, CHURN_LOG_ERROR, LOG_FORMAT_TEXT); /* what else its session says was said before */
    result = ops->open(pipeline->store_instance->self, &session, &err);
    if (result == CHURN_OK) {
        result = targets_try_keys(pipeline, session, &err);
        ops->close(session);
    }
    if (result != CHURN_OK) {
        targets_fail(tried, result, err.message);
    }
}

static void try_section(struct pipeline *pipeline, const struct section *section)
{
    struct instance *instance = section->loaded != NULL ? instance_new(pipeline, section, 0) : NULL;
    struct targets tried = {0};
    if (instance != NULL) {
        targets_ask(&tried, instance, CONNECT_TIMEOUT_MS);
    }
    if (section == &pipeline->store && all_answer(&tried)) {
        try_keys(pipeline, &tried);
    }
    for (unsigned i = 0; i < tried.count; i++) {
        if (is_tried(&pipeline->config, &tried.items[i])) {
            report_attempt(&pipeline->config, &tried.items[i]);
        }
    }
    targets_free(&tried);
    instance_free(instance);
}

static void connect_all(struct pipeline *pipeline)
{
    try_section(pipeline, &pipeline->source);
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        try_section(pipeline, &pipeline->sinks[i]);
    }
    try_section(pipeline, &pipeline->store);
}

/* ---- the report ---- */

/* In the order of the file; what is about the whole comes last. */
static int by_place(const void *a, const void *b)
{
    const struct finding *p = a, *q = b;
    if (p->line != q->line) {
        return p->line - 1 < q->line - 1 ? -1 : 1;
    }
    if (p->column != q->column) {
        return p->column < q->column ? -1 : 1;
    }
    return p->kind != q->kind ? (p->kind < q->kind ? -1 : 1) : strcmp(p->message, q->message);
}

static void print_json(const struct config *config)
{
    static const char *const severities[] = {"error", "warning", "ok"};
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < config->finding_count; i++) {
        const struct finding *finding = &config->findings[i];
        struct json_object *object = json_object_new_object();
        bool placed = finding->line != 0;
        (void)json_object_object_add(object, "file", json_object_new_string(config->file));
        (void)json_object_object_add(object, "line", placed ? json_object_new_int64(finding->line) : NULL);
        (void)json_object_object_add(object, "column", placed ? json_object_new_int64(finding->column) : NULL);
        (void)json_object_object_add(object, "severity", json_object_new_string(severities[finding->kind]));
        (void)json_object_object_add(object, "message", json_object_new_string(finding->message));
        (void)json_object_array_add(list, object);
    }
    (void)puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(list);
}

static void deny_warnings(struct config *config)
{
    for (unsigned i = 0; i < config->finding_count; i++) {
        if (config->findings[i].kind == FINDING_WARNING) {
            config->findings[i].kind = FINDING_ERROR;
            config->error_count++;
        }
    }
}

static void warn_of_sandbox(void *ctx, const char *text)
{
    struct config *config = ctx;
    config_warning(config, config_get(&config->root, "sandbox"), "sandbox: %s", text);
}

/* What a run's sandbox would leave. */
static void show_sandbox(struct pipeline *pipeline, struct pipeline_files files)
{
    const struct node *at = config_get(&pipeline->config.root, "sandbox");
    const char *silent;
    struct needs needs;
    struct text text = {0};
    if (pipeline->settings.sandbox == SANDBOX_OFF || !needs_check(pipeline) || config_is_absent(at)) {
        return;
    }
    needs_find(pipeline, files, &needs);
    silent = needs.undeclared != NULL ? needs.undeclared->label : NULL;
    needs_describe(&needs, &text);
    text_append(&text, "", 1);
    if (silent != NULL) {
        config_warning(&pipeline->config, at, "sandbox: %s does not declare what it needs (<churn/needs.h>)%s", silent,
                       pipeline->settings.sandbox == SANDBOX_WARN ? ", so a run has no sandbox"
                                                                  : "; it may do what any pipeline may");
    }
    if (!text.failed && !needs.failed) {
        config_ok(&pipeline->config, at, "sandbox: %s", text.bytes);
        needs_tell_risks(&needs, warn_of_sandbox, &pipeline->config);
    }
    text_free(&text);
    needs_free(&needs);
}

/* `quiet`: what is good is not said. */
static void report(const struct pipeline *pipeline, bool json, bool quiet)
{
    const struct config *config = &pipeline->config;
    if (config->finding_count > 0) {
        qsort(config->findings, config->finding_count, sizeof *config->findings, by_place);
    }
    if (json && (!quiet || config->error_count > 0)) {
        print_json(config);
        return;
    }
    for (unsigned i = 0; i < config->finding_count; i++) {
        const struct finding *finding = &config->findings[i];
        if (!quiet || finding->kind != FINDING_OK) {
            config_print_finding(config, finding, finding->kind == FINDING_OK ? stdout : stderr);
        }
    }
    if (config->error_count == 0 && !quiet) {
        printable_line(stdout, "%s: good: %u event types, %u profile fields", config->file,
                       pipeline->catalog.type_count,
                       pipeline->catalog.registry.field_count + pipeline->catalog.registry.derived_count);
    }
}

int command_check(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    bool ok = pipeline_load(&pipeline, arguments_files(arguments), loader, log, NULL);
    struct config *config = &pipeline.config;
    if (config->usable) {
        targets_check_paths(&pipeline, arguments->connect);
    }
    if (ok) {
        check_overrides(&pipeline);
        check_idle_sinks(&pipeline);
        check_ttl(&pipeline);
        show_sandbox(&pipeline, arguments_files(arguments));
    }
    if (ok && arguments->connect) {
        connect_all(&pipeline);
    }
    if (arguments->deny_warnings) {
        deny_warnings(config);
    }
    if (!ok && config->error_count == 0) { /* nothing of the file's: memory ran out */
        config_error(config, NULL, "out of memory");
    }
    report(&pipeline, arguments->json, arguments->acl);
    ok = config->error_count == 0;
    if (ok && arguments->acl) {
        ok = acl_show(arguments, &pipeline, loader, log);
    }
    pipeline_free(&pipeline);
    return ok ? 0 : 1;
}
