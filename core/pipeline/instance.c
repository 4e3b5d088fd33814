#include "pipeline/instance.h"

#include "pipeline/host.h"
#include "pipeline/targets.h"
#include <ctype.h>
#include <stdlib.h>

static struct option_target plugin_target(const struct section *section, void *self)
{
    const churn_plugin *plugin = &section->loaded->plugin;
    return (struct option_target){
        .rows = plugin->options, .count = plugin->option_count, .stride = plugin->option_stride, .base = self};
}

/* Where the host's own options of a section go. */
struct host_settings {
    struct store_settings *store;
    struct section_settings *section;
    struct sink_settings *sink;
};

#define MAX_TARGETS 3 /* of one section: the plugin's table and the host's */

/* The host's own tables for a section; returns how many. */
static unsigned host_targets(const struct section *section, const struct host_settings *settings,
                             struct option_target *ret)
{
    switch (section->loaded->plugin.kind) {
    case CHURN_KIND_STORE:
        ret[0] = settings_target(SETTINGS_STORE, settings->store);
        return 1;
    case CHURN_KIND_SINK:
        ret[1] = settings_target(SETTINGS_SINK, settings->sink);
        ret[0] = settings_target(SETTINGS_SECTION, settings->section);
        return 2;
    case CHURN_KIND_PROCESSOR:
        ret[0] = settings_target(SETTINGS_SECTION, settings->section);
        return 1;
    default:
        return 0;
    }
}

static const char *const plugin_key[] = {"plugin", NULL};

bool instance_has_option(uint32_t kind, const char *name)
{
    const struct loaded loaded = {.plugin = {.kind = kind}};
    const struct section section = {.loaded = &loaded};
    struct option_target own[MAX_TARGETS];
    unsigned count = host_targets(&section, &(struct host_settings){0}, own);
    for (unsigned t = 0; t < count; t++) {
        for (uint32_t i = 0; i < own[t].count; i++) {
            if (strcmp(option_row(&own[t], i)->name, name) == 0) {
                return true;
            }
        }
    }
    return strcmp(name, plugin_key[0]) == 0;
}

/* Reads a section's options into `self`. The host's own options of a section are read once, with the section. */
static bool read_options(struct pipeline *pipeline, const struct section *section, void *self)
{
    struct option_target targets[MAX_TARGETS] = {plugin_target(section, self)};
    struct store_settings store = {0};
    struct section_settings settings = {0};
    struct sink_settings sink = {0};
    unsigned host = host_targets(section, &(struct host_settings){&store, &settings, &sink}, &targets[1]);
    bool ok =
        options_read(&pipeline->config, section->node, section->node, section->label, targets, 1 + host, plugin_key);
    options_free(&targets[1], host);
    return ok;
}

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += len) {
        bool begins = at == text || (!isalnum((unsigned char)at[-1]) && strchr("_.-", at[-1]) == NULL);
        if (begins && !isalnum((unsigned char)at[len]) && at[len] != '_') {
            return true;
        }
    }
    return false;
}

/* Whether what a plugin says speaks of an option that was refused before, so that it saw the default in its place. */
static bool speaks_of_refused(const struct pipeline *pipeline, const struct section *section, const char *message)
{
    const struct option_target target = plugin_target(section, NULL);
    for (uint32_t i = 0; i < target.count; i++) {
        const struct node *value = config_get(section->node, option_row(&target, i)->name);
        if (value != NULL && config_has_error(&pipeline->config, value) &&
            has_word(message, option_row(&target, i)->name)) {
            return true;
        }
    }
    return false;
}

static void report_create(struct pipeline *pipeline, const struct section *section, const churn_error *err)
{
    const struct node *at = err->option[0] != '\0' ? section_place(section, err->option) : section->node;
    if ((at != section->node && config_has_error(&pipeline->config, at)) ||
        speaks_of_refused(pipeline, section, err->message)) {
        return; /* it follows from what was reported */
    }
    if (err->option[0] != '\0') {
        config_error(&pipeline->config, at, "%s: %.*s: %s", section->label, (int)strcspn(err->option, "."), err->option,
                     err->message);
    } else {
        config_error(&pipeline->config, at, "%s: %s", section->label, err->message);
    }
}

static int32_t call_create(const struct section *section, void *self, const churn_host *host, churn_error *err)
{
    switch (section->loaded->plugin.kind) {
    case CHURN_KIND_SOURCE:
        return source_ops(section)->create(self, host, err);
    case CHURN_KIND_PROCESSOR:
        return processor_ops(section)->create(self, host, err);
    case CHURN_KIND_STORE:
        return store_ops(section)->create(self, host, err);
    default:
        return sink_ops(section)->create(self, host, err);
    }
}

static void call_destroy(const struct section *section, void *self)
{
    switch (section->loaded->plugin.kind) {
    case CHURN_KIND_SOURCE:
        source_ops(section)->destroy(self);
        break;
    case CHURN_KIND_PROCESSOR:
        processor_ops(section)->destroy(self);
        break;
    case CHURN_KIND_STORE:
        store_ops(section)->destroy(self);
        break;
    default:
        sink_ops(section)->destroy(self);
    }
}

/* Not created yet; NULL when memory ran out. */
static struct instance *allocate(struct pipeline *pipeline, const struct section *section, unsigned worker)
{
    struct instance *instance = calloc(1, sizeof *instance);
    uint32_t size = section->loaded->plugin.instance_size;
    if (instance == NULL) {
        return NULL;
    }
    instance->section = section;
    instance->pipeline = pipeline;
    instance->self = calloc(1, size != 0 ? size : 1);
    host_init(instance, worker);
    if (instance->self == NULL) {
        instance_free(instance);
        return NULL;
    }
    return instance;
}

static void create(struct instance *instance, churn_error *err)
{
    instance->created = call_create(instance->section, instance->self, &instance->host, err) == CHURN_OK;
}

struct instance *instance_new(struct pipeline *pipeline, const struct section *section, unsigned worker)
{
    struct instance *instance = allocate(pipeline, section, worker);
    churn_error err = {.size = sizeof err};
    if (instance != NULL && read_options(pipeline, section, instance->self)) {
        create(instance, &err);
        if (!instance->created) {
            report_create(pipeline, section, &err);
        }
    }
    if (instance != NULL && !instance->created) {
        instance_free(instance);
        return NULL;
    }
    return instance;
}

void instance_free(struct instance *instance)
{
    if (instance == NULL) {
        return;
    }
    if (instance->created) {
        call_destroy(instance->section, instance->self);
    }
    stalls_forget(instance->pipeline->stalls, instance->section, instance->host.worker);
    if (instance->self != NULL) {
        struct option_target target = plugin_target(instance->section, instance->self);
        options_free(&target, 1);
        free(instance->self);
    }
    free(instance);
}

bool instance_read_section(struct pipeline *pipeline, struct section *section)
{
    struct option_target targets[MAX_TARGETS] = {plugin_target(section, NULL)};
    struct host_settings own = {&pipeline->store_settings, &section->settings, &section->sink};
    void *scratch = calloc(1, section->loaded->plugin.instance_size + 1u);
    bool ok = false;
    if (scratch != NULL) {
        unsigned host = host_targets(section, &own, &targets[1]);
        targets[0].base = scratch;
        ok = options_read(&pipeline->config, section->node, section->node, section->label, targets, 1 + host,
                          plugin_key);
        options_free(targets, 1);
        free(scratch);
    }
    section->bad = !ok;
    return ok;
}

static bool is_tree(const struct option_target *target, const char *name)
{
    for (uint32_t i = 0; i < target->count; i++) {
        if (strcmp(option_row(target, i)->name, name) == 0) {
            return option_row(target, i)->type == CHURN_OPTION_TREE;
        }
    }
    return false;
}

/* Takes the option out of the section, so that what else is wrong there can be found; the pipeline is refused anyhow.
 * False when nothing is gained by that. */
static bool forget_option(const struct section *section, const char *option)
{
    struct node *map = (struct node *)(uintptr_t)section->node;
    struct option_target target = plugin_target(section, NULL);
    const char *dot = strchr(option, '.');
    char name[CHURN_ERROR_OPTION_SIZE];
    (void)snprintf(name, sizeof name, "%.*s", dot != NULL ? (int)(dot - option) : (int)strlen(option), option);
    for (uint32_t i = 0; i < target.count; i++) {
        const churn_option *row = option_row(&target, i);
        if (strcmp(row->name, name) == 0 && (row->flags & CHURN_OPTION_REQUIRED) != 0) {
            return false;
        }
    }
    struct node *value = (struct node *)(uintptr_t)config_get(map, name);
    if (value != NULL && dot != NULL && config_get(value, dot + 1) != NULL) {
        config_remove(value, dot + 1);
        return true;
    }
    if (value != NULL && dot != NULL && is_tree(&target, name)) {
        return config_remove_item(value, dot + 1);
    }
    if (value != NULL) {
        config_remove(map, name);
    }
    return value != NULL;
}

#define FORGOTTEN_MAX 16

/* Options that were taken out of the section that is checked, or lack a part of what it says. */
struct forgotten {
    unsigned count;
    char names[FORGOTTEN_MAX][CHURN_ERROR_OPTION_SIZE];
};

static void remember(struct forgotten *forgotten, const char *option)
{
    (void)snprintf(forgotten->names[forgotten->count++], CHURN_ERROR_OPTION_SIZE, "%.*s", (int)strcspn(option, "."),
                   option);
}

/* Whether what is said of the option as a whole, as that it is missing, is because of that. */
static bool is_forgotten(const struct forgotten *forgotten, const char *option)
{
    for (unsigned i = 0; i < forgotten->count; i++) {
        if (strcmp(forgotten->names[i], option) == 0) {
            return true;
        }
    }
    return false;
}

/* Tries what the section says now. False, with the option at fault in `err`, when the plugin refuses it. */
static bool try_create(struct pipeline *pipeline, const struct section *section, const struct forgotten *forgotten,
                       bool *ret_read, churn_error *err)
{
    struct instance *instance = allocate(pipeline, section, 0);
    bool created;
    if (instance == NULL) {
        *ret_read = false;
        return true;
    }
    struct option_target target = plugin_target(section, instance->self);
    pipeline->config.muted = section->bad;
    *ret_read = read_options(pipeline, section, instance->self);
    pipeline->config.muted = false;
    if (*ret_read || options_complete(&target)) {
        create(instance, err);
        if (!instance->created && !is_forgotten(forgotten, err->option)) {
            report_create(pipeline, section, err);
        }
    }
    created = instance->created;
    if (created && *ret_read) {
        targets_ask(&pipeline->targets, instance, 0);
    }
    instance_free(instance);
    return created;
}

/* An instance is made and thrown away, for the plugin's own checks of its options. These stop at the first mistake, so
 * they are asked again without the option at fault. */
static bool check(struct pipeline *pipeline, const struct section *section)
{
    churn_error err = {.size = sizeof err};
    struct forgotten forgotten = {0};
    bool good, read;
    good = try_create(pipeline, section, &forgotten, &read, &err) && read;
    if (!good) {
        while (forgotten.count < FORGOTTEN_MAX && forget_option(section, err.option)) {
            remember(&forgotten, err.option);
            err = (churn_error){.size = sizeof err};
            if (try_create(pipeline, section, &forgotten, &read, &err)) {
                break;
            }
        }
    }
    return good;
}

bool instance_check(struct pipeline *pipeline, const struct section *section)
{
    struct metrics *kept = pipeline->metrics;
    bool good;
    if (section->loaded == NULL) {
        return true; /* reported before */
    }
    pipeline->metrics = metrics_new(); /* what is thrown away has counted nothing that anybody is to see */
    if (pipeline->metrics == NULL) {
        pipeline->metrics = kept;
        config_error(&pipeline->config, section->node, "out of memory");
        return false;
    }
    good = check(pipeline, section);
    metrics_free(pipeline->metrics);
    pipeline->metrics = kept;
    return good;
}
