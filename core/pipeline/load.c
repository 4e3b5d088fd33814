#include "pipeline/load.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "base/environment.h"
#include "base/suggest.h"
#include "base/unix_socket.h"
#include "event/condition.h"
#include "pipeline/audit_section.h"
#include "pipeline/forget_section.h"
#include "pipeline/health_section.h"
#include "pipeline/instance.h"
#include "pipeline/protect_section.h"
#include "pipeline/raised.h"
#include "pipeline/routing.h"
#include "pipeline/targets.h"
#include "profile/store_keys.h"
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Fills a section from its node: finds `plugin:` and loads it. */
static bool load_section(struct pipeline *pipeline, const struct node *node, uint32_t kind, const char *what,
                         struct section *section)
{
    const struct node *name = config_get(node, "plugin");
    char message[2048];
    section->node = node;
    if (name != NULL && name->bad) {
        return false; /* reported before */
    }
    if (node->kind != NODE_MAP || name == NULL || name->kind != NODE_SCALAR || *name->text == '\0') {
        config_error(&pipeline->config, node, "%s: 'plugin: NAME' is missing; `churnd plugins` lists the names", what);
        return false;
    }
    section->loaded = loader_get(pipeline->loader, kind, name->text, message, sizeof message);
    if (section->loaded == NULL) {
        config_error(&pipeline->config, name, "%s: %s", what, message);
        return false;
    }
    section->label = section->loaded->plugin.name;
    return true;
}

static bool load_list(struct pipeline *pipeline, const char *key, uint32_t kind, struct section **ret, unsigned *count,
                      unsigned spare)
{
    const struct node *list = config_get(&pipeline->config.root, key);
    unsigned n = list != NULL && list->kind == NODE_LIST ? list->count : 0;
    bool ok = true;
    *ret = calloc(n + spare + 1, sizeof **ret);
    if (*ret == NULL) {
        return false;
    }
    if (list != NULL && list->kind != NODE_LIST && !(list->kind == NODE_SCALAR && list->null)) {
        config_error(&pipeline->config, list, "%s: a list belongs here, each item beginning with '- plugin: NAME'",
                     key);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        ok = load_section(pipeline, &list->items[i], kind, key, &(*ret)[i]) && ok;
        *count += 1;
    }
    return ok;
}

/* What a sink is given: what `input:` says, else the first kind that it accepts. */
static bool choose_input(struct pipeline *pipeline, struct section *section, bool dead_letters)
{
    uint32_t accepts = sink_ops(section)->accepts;
    const struct node *node = config_get(section->node, "input");
    if (dead_letters) {
        section->input = CHURN_RECORD_DEAD_LETTER;
    } else if (section->sink.input == 0) {
        section->input = accepts & -accepts;
    } else {
        section->input = 1u << (section->sink.input - 1);
    }
    if ((accepts & section->input) == 0) {
        config_error(&pipeline->config, node != NULL ? node : section->node, "%s: this sink does not take %s",
                     section->label, settings_input_name(section->input));
        return false;
    }
    pipeline->outputs |= section->input;
    return true;
}

static bool load_processors(struct pipeline *pipeline)
{
    bool ok =
        load_list(pipeline, "processors", CHURN_KIND_PROCESSOR, &pipeline->processors, &pipeline->processor_count, 0);
    for (unsigned i = 0; i < pipeline->processor_count; i++) {
        struct section *section = &pipeline->processors[i];
        ok = (section->loaded == NULL || instance_read_section(pipeline, section)) && ok;
    }
    return ok;
}

static bool load_sinks(struct pipeline *pipeline)
{
    const struct node *dead = config_get(&pipeline->config.root, "dead_letters");
    bool ok = load_list(pipeline, "sinks", CHURN_KIND_SINK, &pipeline->sinks, &pipeline->sink_count, 1);
    if (pipeline->sinks == NULL) {
        return false;
    }
    if (dead != NULL && !(dead->kind == NODE_SCALAR && dead->null)) {
        ok =
            load_section(pipeline, dead, CHURN_KIND_SINK, "dead_letters", &pipeline->sinks[pipeline->sink_count]) && ok;
        pipeline->sink_count++;
        pipeline->has_dead_letters = true;
    }
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        struct section *sink = &pipeline->sinks[i];
        if (sink->loaded != NULL) {
            ok = instance_read_section(pipeline, sink) &&
                 choose_input(pipeline, sink, pipeline_is_dead_letters(pipeline, sink)) && ok;
        }
    }
    return ok;
}

static struct event_type *find_type(struct pipeline *pipeline, const struct node *key)
{
    struct suggest suggest = {.typed = key->text};
    int32_t id = name_index_find(&pipeline->catalog.type_names, key->text, strlen(key->text));
    char hint[96];
    if (id >= 0) {
        return &pipeline->catalog.types[id];
    }
    for (uint32_t i = 0; i < pipeline->catalog.type_count; i++) {
        suggest_offer(&suggest, pipeline->catalog.types[i].name.ptr);
    }
    config_error(&pipeline->config, key, "events: override: no event type '%s' is loaded%s", key->text,
                 suggest_text(&suggest, hint, sizeof hint));
    return NULL;
}

static bool set_override(struct pipeline *pipeline, const struct node *key, const struct node *value)
{
    struct event_type *type = find_type(pipeline, key);
    struct type_rules *rules;
    struct override_settings given = {0};
    struct option_target target = settings_target(SETTINGS_OVERRIDE, &given);
    char section[160];
    bool ok;
    if (type == NULL) {
        return false;
    }
    rules = pipeline_rules(pipeline, type);
    given.predict = rules->predicts;
    given.alert = (int32_t)rules->severity;
    (void)snprintf(section, sizeof section, "events: override: %s", key->text);
    ok = options_read(&pipeline->config, value, value, section, &target, 1, NULL);
    options_free(&target, 1);
    if (!ok) {
        return false;
    }
    rules->predicts = given.predict != 0;
    rules->severity = (uint32_t)given.alert;
    return routing_override(pipeline, value, section, type);
}

/* Each wrong name is reported where it stands, and left out, so that the rest can be checked. */
static bool check_types(struct pipeline *pipeline, const struct node *types)
{
    churn_list *list = &pipeline->event_settings.types;
    const char **items = (const char **)(uintptr_t)list->items;
    char message[2048];
    uint32_t kept = 0, count = list->count;
    for (uint32_t i = 0; i < count; i++) {
        const struct node *at =
            types != NULL && types->kind == NODE_LIST && i < types->count ? &types->items[i] : types;
        if (loader_get(pipeline->loader, CHURN_KIND_EVENT, items[i], message, sizeof message) != NULL) {
            items[kept++] = items[i];
        } else {
            config_error(&pipeline->config, at, "events: types: %s", message);
            free((char *)(uintptr_t)items[i]);
        }
    }
    list->count = kept;
    return kept == count;
}

static bool load_events(struct pipeline *pipeline)
{
    static const char *const override_key[] = {"override", NULL};
    const struct node *node = config_get(&pipeline->config.root, "events");
    const struct node *overrides = config_get(node, "override");
    struct option_target target = settings_target(SETTINGS_EVENTS, &pipeline->event_settings);
    char message[2048];
    bool built, ok = options_read(&pipeline->config, node, node, "events", &target, 1, override_key);
    ok = check_types(pipeline, config_get(node, "types")) && ok;
    built =
        catalog_build(&pipeline->catalog, pipeline->loader, &pipeline->event_settings.types, message, sizeof message);
    pipeline->rules = type_rules_new(&pipeline->catalog);
    if (!built || pipeline->rules == NULL) {
        config_error_lines(&pipeline->config, node, built ? "out of memory" : message);
        return false;
    }
    pipeline->has_types = true;
    if (overrides != NULL && overrides->kind != NODE_MAP && !(overrides->kind == NODE_SCALAR && overrides->null)) {
        config_error(&pipeline->config, overrides,
                     "events: override: event types belong here, as in 'login: {predict: true}'");
        return false;
    }
    for (unsigned i = 0; overrides != NULL && i < overrides->count; i++) {
        ok = set_override(pipeline, &overrides->keys[i], &overrides->items[i]) && ok;
    }
    return ok;
}

static bool is_auto(const struct pipeline *pipeline)
{
    const char *text = pipeline->settings.workers_text;
    return text != NULL && strcmp(text, "auto") == 0;
}

static bool read_workers(struct pipeline *pipeline)
{
    const char *text = pipeline->settings.workers_text;
    int64_t *workers = &pipeline->settings.workers;
    cpu_set_t usable;
    if (is_auto(pipeline)) {
        int processors = sched_getaffinity(0, sizeof usable, &usable) == 0 ? CPU_COUNT(&usable) : 1;
        *workers = processors < PIPELINE_MAX_WORKERS ? processors : PIPELINE_MAX_WORKERS;
        return true;
    }
    if (text == NULL) {
        return false; /* reported before */
    }
    if (decimal_parse_int64(text, strlen(text), workers) && *workers >= 1 && *workers <= PIPELINE_MAX_WORKERS) {
        return true;
    }
    config_error(&pipeline->config, config_get(&pipeline->config.root, "workers"),
                 "pipeline: workers: must be auto, or between 1 and %d", PIPELINE_MAX_WORKERS);
    return false;
}

static bool load_source(struct pipeline *pipeline)
{
    const struct node *node = config_get(&pipeline->config.root, "source");
    if (node == NULL) {
        config_error(&pipeline->config, NULL, "a section 'source:' is required; see churnd-pipeline(5)");
        return false;
    }
    if (!load_section(pipeline, node, CHURN_KIND_SOURCE, "source", &pipeline->source)) {
        return false;
    }
    bool single = source_ops(&pipeline->source)->single_worker;
    if (single && is_auto(pipeline)) {
        pipeline->settings.workers = 1;
    } else if (single && pipeline->settings.workers > 1) {
        config_error(&pipeline->config, config_get(&pipeline->config.root, "workers"),
                     "the source %s can be read by one worker only: write 'workers: 1'", pipeline->source.label);
        return false;
    }
    return true;
}

static bool load_origin(struct pipeline *pipeline)
{
    return pipeline->origin.node == NULL ||
           load_section(pipeline, pipeline->origin.node, CHURN_KIND_SOURCE, "source", &pipeline->origin);
}

static bool load_store(struct pipeline *pipeline)
{
    const struct node *node = config_get(&pipeline->config.root, "store");
    if (node == NULL || (node->kind == NODE_SCALAR && node->null)) { /* windows are bounded without a store too */
        struct option_target defaults = settings_target(SETTINGS_STORE, &pipeline->store_settings);
        return options_read(&pipeline->config, NULL, NULL, "store", &defaults, 1, NULL);
    }
    if (!load_section(pipeline, node, CHURN_KIND_STORE, "store", &pipeline->store) ||
        !instance_read_section(pipeline, &pipeline->store)) {
        return false;
    }
    if (strlen(pipeline->store_settings.key_prefix) > STORE_KEYS_MAX_PREFIX) {
        config_error(&pipeline->config, config_get(node, "key_prefix"),
                     "store: key_prefix: at most %d bytes are possible", STORE_KEYS_MAX_PREFIX);
        return false;
    }
    return targets_check_prefix(pipeline);
}

/* What each section alone cannot tell. */
static bool check_whole(struct pipeline *pipeline)
{
    bool store = !config_is_absent(config_get(&pipeline->config.root, "store")); /* its mistakes were reported */
    uint32_t needs_decoding = CHURN_RECORD_TRIGGER | CHURN_RECORD_ALERT;
    bool ok = true;
    pipeline->decodes = store || pipeline->processor_count > 0 || pipeline->routed ||
                        (pipeline->outputs & needs_decoding) != 0 || pipeline->protection != NULL;
    if (pipeline->decodes && !pipeline->has_dead_letters && !pipeline->profiles_only) {
        config_error(&pipeline->config, NULL,
                     "a section 'dead_letters:' is required, for events that break a rule "
                     "(plugin: file or kafka)");
        ok = false;
    }
    if ((pipeline->outputs & CHURN_RECORD_TRIGGER) != 0 && !store) {
        config_error(&pipeline->config, config_get(&pipeline->config.root, "sinks"),
                     "predictions need profiles: add a section 'store:'");
        ok = false;
    }
    if (!store && pipeline->sink_count == (unsigned)pipeline->has_dead_letters) {
        config_error(&pipeline->config, NULL, "this pipeline leads nowhere: add a section 'store:' or 'sinks:'");
        ok = false;
    }
    return ok;
}

static const char *const top_keys[] = {"source", "events", "processors", "store",   "sinks",  "dead_letters", "log",
                                       "health", "tap",    "audit",      "protect", "forget", "tests",        NULL};

/* What the run would refuse: it replaces sockets alone. */
static bool check_tap_socket(struct config *config, const struct node *tap, const char *socket)
{
    struct stat st;
    if (socket == NULL || lstat(socket, &st) != 0 || S_ISSOCK(st.st_mode)) {
        return true;
    }
    config_error(config, config_get(tap, "socket"),
                 "tap: socket: there is something else than a socket at '%s'; remove it, or name another path", socket);
    return false;
}

static bool load_tap(struct pipeline *pipeline)
{
    struct config *config = &pipeline->config;
    struct option_target target = settings_target(SETTINGS_TAP, &pipeline->tap_settings);
    const struct node *node = config_get(&config->root, "tap");
    bool ok = options_read(config, node, node, "tap", &target, 1, NULL);
    const char *socket = pipeline->tap_settings.socket;
    if (ok && socket != NULL && (*socket == '\0' || strlen(socket) > UNIX_SOCKET_MAX_PATH)) {
        config_error(config, config_get(node, "socket"), "tap: socket: a path of 1 to %d bytes belongs here",
                     UNIX_SOCKET_MAX_PATH);
        ok = false;
    }
    return ok && check_tap_socket(config, node, socket);
}

/* The folders come first, in their order. */
static bool add_dirs(struct loader *loader, const churn_list *dirs)
{
    bool ok = true;
    for (uint32_t i = dirs->count; i-- > 0;) {
        ok = loader_add_dir(loader, dirs->items[i]) && ok;
    }
    return ok;
}

static bool add_plugin_path(struct pipeline *pipeline)
{
    const struct node *node = config_get(&pipeline->config.root, "plugin_path");
    const churn_list *dirs = &pipeline->settings.plugin_path;
    char message[PATH_MAX + 256];
    bool ok = true;
    for (uint32_t i = dirs->count; i-- > 0;) {
        bool listed = node->kind == NODE_LIST && i < node->count;
        if (!loader_check_dir(dirs->items[i], message, sizeof message)) {
            config_error(&pipeline->config, listed ? &node->items[i] : node, "plugin_path: %s", message);
            ok = false;
        }
    }
    return add_dirs(pipeline->loader, dirs) && ok;
}

/* The file's own folders, before the rest of it is read, which tells what is wrong with them. */
static bool learn_plugin_path(struct pipeline *pipeline)
{
    struct pipeline_settings settings = {0};
    struct option_target top = settings_target(SETTINGS_PIPELINE, &settings);
    const struct node *root = &pipeline->config.root;
    bool ok;
    pipeline->config.muted = true;
    (void)options_read(&pipeline->config, root, root, "pipeline", &top, 1, top_keys);
    pipeline->config.muted = false;
    ok = add_dirs(pipeline->loader, &settings.plugin_path);
    options_free(&top, 1);
    return ok;
}

const struct loaded *pipeline_find_plugin(struct pipeline *pipeline, const struct node *section, uint32_t kind,
                                          char *message, size_t size)
{
    const struct node *name = config_get(section, "plugin");
    *message = '\0';
    if (name == NULL || name->kind != NODE_SCALAR || *name->text == '\0') {
        return NULL;
    }
    if (!learn_plugin_path(pipeline)) {
        (void)snprintf(message, size, "out of memory");
        return NULL;
    }
    return loader_get(pipeline->loader, kind, name->text, message, size);
}

/* Given, or the file's base name. */
static bool choose_name(struct pipeline *pipeline)
{
    const char **name = &pipeline->settings.name;
    if (*name == NULL) {
        char *copy = strdup(pipeline->config.file);
        char *base = copy != NULL ? basename(copy) : NULL;
        *name = base != NULL ? strndup(base, strcspn(base, ".")) : NULL;
        free(copy);
    } else if (**name == '\0') {
        config_error(&pipeline->config, config_get(&pipeline->config.root, "name"),
                     "pipeline: name: it is empty; leave it out, and the file's name is taken");
        return false;
    }
    return *name != NULL;
}

static bool load_settings(struct pipeline *pipeline)
{
    struct config *config = &pipeline->config;
    struct option_target top = settings_target(SETTINGS_PIPELINE, &pipeline->settings);
    struct option_target logging = settings_target(SETTINGS_LOG, &pipeline->log_settings);
    const struct node *node = config_get(&config->root, "log");
    bool ok = options_read(config, &config->root, &config->root, "pipeline", &top, 1, top_keys);
    ok = read_workers(pipeline) && ok;
    ok = options_read(config, node, node, "log", &logging, 1, NULL) && ok;
    if (pipeline->log_settings.level != NULL && log_level_parse(pipeline->log_settings.level) == 0) {
        config_error(config, config_get(node, "level"), "log: level: must be ERROR, WARN, INFO or DEBUG");
        ok = false;
    }
    ok = choose_name(pipeline) && ok;
    ok = health_section_load(pipeline) && ok;
    ok = load_tap(pipeline) && ok;
    ok = audit_section_load(pipeline) && ok;
    ok = forget_section_load(pipeline) && ok;
    ok = add_plugin_path(pipeline) && ok;
    if (!ok) { /* the rest of the file is checked all the same */
        pipeline->settings.workers = 1;
    }
    return ok;
}

/* An instance of everything, made and thrown away: each plugin's own checks of its options. */
static bool check_instances(struct pipeline *pipeline)
{
    bool ok = instance_check(pipeline, &pipeline->source);
    ok = instance_check(pipeline, &pipeline->store) && ok;
    for (unsigned i = 0; i < pipeline->processor_count; i++) {
        ok = instance_check(pipeline, &pipeline->processors[i]) && ok;
    }
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        ok = instance_check(pipeline, &pipeline->sinks[i]) && ok;
    }
    return ok;
}

/* Before the file's secrets are read. A reload may bring the first ones. */
static bool shield(struct pipeline *pipeline)
{
    bool ok = environment_shield();
    if (!ok) {
        config_error(&pipeline->config, NULL, "core dumps cannot be turned off: %s", strerror(errno));
    }
    return ok;
}

/* What a pipeline before this one had may still lie in memory. */
static bool unshield_if_harmless(struct pipeline *pipeline)
{
    struct loader *loader = pipeline->loader;
    bool ok;
    loader->has_secrets = loader->has_secrets || pipeline->config.has_secrets;
    ok = (loader->has_secrets && !pipeline->settings.core_dumps) || environment_unshield();
    if (!ok) {
        config_error(&pipeline->config, NULL, "core dumps cannot be turned on: %s", strerror(errno));
    }
    return ok;
}

bool pipeline_load(struct pipeline *pipeline, struct pipeline_files files, struct loader *loader, struct log *log,
                   FILE *errors)
{
    return pipeline_load_edited(pipeline, files, loader, log, errors, NULL, NULL);
}

bool pipeline_load_edited(struct pipeline *pipeline, struct pipeline_files files, struct loader *loader,
                          struct log *log, FILE *errors, pipeline_edit_fn edit, void *ctx)
{
    bool ok, loaded;
    memset(pipeline, 0, sizeof *pipeline);
    pipeline->loader = loader;
    pipeline->log = log;
    pipeline->metrics = metrics_new();
    pipeline->stalls = stalls_new(log, clock_monotonic_ms);
    pipeline->config = (struct config){.file = files.pipeline, .errors = errors};
    loaded = shield(pipeline) && config_load(&pipeline->config, files.pipeline, files.env, errors);
    pipeline->raised = raised_new(PIPELINE_MAX_WORKERS);
    if (pipeline->metrics == NULL || pipeline->stalls == NULL || pipeline->raised == NULL ||
        !(loaded || pipeline->config.usable) || (edit != NULL && (!loaded || !edit(pipeline, ctx)))) {
        return false;
    }
    ok = load_settings(pipeline) && loaded;
    ok = load_events(pipeline) && ok;
    ok = load_source(pipeline) && ok;
    ok = load_origin(pipeline) && ok;
    ok = load_processors(pipeline) && ok;
    ok = load_store(pipeline) && ok;
    ok = (pipeline->profiles_only || load_sinks(pipeline)) && ok;
    ok = routing_load(pipeline) && ok;
    ok = protect_section_load(pipeline) && ok;
    ok = check_whole(pipeline) && ok;
    loader_rest(loader);
    if (pipeline->store.loaded != NULL && !pipeline->store.bad) {
        pipeline->store_instance = instance_new(pipeline, &pipeline->store, 0);
        ok = pipeline->store_instance != NULL && ok;
    }
    ok = check_instances(pipeline) && ok;
    ok = unshield_if_harmless(pipeline) && ok;
    return (edit != NULL || targets_check(pipeline)) && ok; /* what a command changes is its own affair */
}

/* One section alone. */
static bool load_part(struct pipeline *pipeline, struct pipeline_files files, bool (*load)(struct pipeline *pipeline),
                      FILE *errors)
{
    struct config *config = &pipeline->config;
    bool ok;
    memset(pipeline, 0, sizeof *pipeline);
    (void)config_load(config, files.pipeline, files.env, NULL);
    ok = config->usable && load(pipeline);
    for (unsigned i = 0; !ok && i < config->finding_count; i++) {
        config_print_finding(config, &config->findings[i], errors);
    }
    return ok;
}

bool pipeline_load_health(struct pipeline *pipeline, struct pipeline_files files, FILE *errors)
{
    return load_part(pipeline, files, health_section_load, errors);
}

bool pipeline_load_audit(struct pipeline *pipeline, struct pipeline_files files, FILE *errors)
{
    return load_part(pipeline, files, audit_section_load, errors);
}

static bool set_prefix(struct pipeline *pipeline, void *into)
{
    return into == NULL || config_set(&pipeline->config, "store", "key_prefix", into);
}

bool pipeline_check(struct pipeline_files files, struct loader *loader, struct log *log, FILE *errors, const char *into)
{
    struct pipeline pipeline;
    char *findings = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&findings, &size);
    bool ok = out != NULL &&
              pipeline_load_edited(&pipeline, files, loader, log, out, set_prefix, (void *)(uintptr_t)into) &&
              targets_check(&pipeline);
    if (out != NULL) {
        (void)fclose(out);
        pipeline_free(&pipeline);
    }
    if (!ok) {
        (void)fputs(findings != NULL ? findings : "churnd: out of memory\n", errors);
    }
    free(findings);
    return ok;
}

bool pipeline_only_look(struct pipeline *pipeline, void *ctx)
{
    (void)ctx;
    pipeline->read_only = true;
    return true;
}

static void free_sections(struct section *sections, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct option_target target = settings_target(SETTINGS_SECTION, &sections[i].settings);
        options_free(&target, 1);
        condition_free(sections[i].when);
        condition_free(sections[i].when_asked);
    }
    free(sections);
}

void pipeline_free(struct pipeline *pipeline)
{
    struct option_target targets[] = {settings_target(SETTINGS_PIPELINE, &pipeline->settings),
                                      settings_target(SETTINGS_LOG, &pipeline->log_settings),
                                      settings_target(SETTINGS_EVENTS, &pipeline->event_settings),
                                      settings_target(SETTINGS_HEALTH, &pipeline->health_settings),
                                      settings_target(SETTINGS_TAP, &pipeline->tap_settings),
                                      settings_target(SETTINGS_AUDIT, &pipeline->audit_settings),
                                      settings_target(SETTINGS_FORGET, &pipeline->forget_settings),
                                      settings_target(SETTINGS_STORE, &pipeline->store_settings)};
    instance_free(pipeline->store_instance);
    targets_free(&pipeline->targets);
    options_free(targets, sizeof targets / sizeof targets[0]);
    free_sections(pipeline->processors, pipeline->processor_count);
    free_sections(pipeline->sinks, pipeline->sink_count);
    type_rules_free(pipeline->rules, &pipeline->catalog);
    protect_section_free(pipeline);
    catalog_free(&pipeline->catalog);
    config_free(&pipeline->config);
    metrics_free(pipeline->metrics);
    raised_free(pipeline->raised);
    stalls_free(pipeline->stalls);
    memset(pipeline, 0, sizeof *pipeline);
}
