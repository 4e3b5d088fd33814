#include "pipeline.h"

#include "condition.h"
#include "decimal.h"
#include "health.h"
#include "host.h"
#include "routing.h"
#include "suggest.h"
#include <libgen.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>

static const char *const log_formats[] = {"text", "json", NULL};
static const char *const unknown_policies[] = {"dead_letter", "ignore", NULL};
static const char *const reject_policies[] = {"dead_letter", "drop", "stop", NULL};
static const char *const inputs[] = {"auto", "events", "triggers", "alerts", "dead_letters", NULL};

static const churn_option pipeline_options[] = {
    {.name = "name",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct pipeline_settings, name),
     .help = "name of the pipeline in logs and group names; default: the file's base name"},
    {.name = "workers",
     .type = CHURN_OPTION_STRING,
     .default_text = "1",
     .offset = offsetof(struct pipeline_settings, workers_text),
     .help = "threads, each a member of the consumer group; auto: one for each processor that the process may use"},
    {.name = "shutdown_timeout",
     .type = CHURN_OPTION_DURATION,
     .default_text = "30s",
     .min = 100,
     .max = INT64_MAX,
     .offset = offsetof(struct pipeline_settings, shutdown_timeout_ms),
     .help = "how long a stop may take; what is unfinished then is read again at the next start"},
    {.name = "plugin_timeout",
     .type = CHURN_OPTION_DURATION,
     .default_text = "60s",
     .min = 0,
     .max = 240000, /* a member that Kafka has not heard of for 5 minutes loses its partitions */
     .offset = offsetof(struct pipeline_settings, plugin_timeout_ms),
     .help = "how long a plugin may take for an event before the process ends to get out of it; 0s: for ever"},
    {.name = "crash_limit",
     .type = CHURN_OPTION_INT,
     .default_text = "3",
     .min = 1,
     .max = 100,
     .offset = offsetof(struct pipeline_settings, crash_limit),
     .help = "runs that may end in a plugin at one event before it goes to the dead letters"},
    {.name = "state_dir",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct pipeline_settings, state_dir),
     .help = "folder for the journal of crashes; default: $STATE_DIRECTORY, $XDG_STATE_HOME/churnd or "
             "~/.local/state/churnd"},
    {.name = "plugin_path",
     .type = CHURN_OPTION_LIST,
     .offset = offsetof(struct pipeline_settings, plugin_path),
     .help = "further folders to look for plugins in"},
};

static const churn_option log_options[] = {
    {.name = "level",
     .type = CHURN_OPTION_STRING,
     .default_text = "INFO",
     .offset = offsetof(struct log_settings, level),
     .help = "ERROR, WARN, INFO or DEBUG"},
    {.name = "format",
     .type = CHURN_OPTION_ENUM,
     .default_text = "text",
     .choices = log_formats,
     .offset = offsetof(struct log_settings, format),
     .help = "text for people, json for machines"},
};

static const churn_option health_options[] = {
    {.name = "listen",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct health_settings, listen),
     .help = "address that answers /healthz and /readyz over HTTP, such as 127.0.0.1:8080; default: none"},
};

static const churn_option event_options[] = {
    {.name = "types",
     .type = CHURN_OPTION_LIST,
     .offset = offsetof(struct event_settings, types),
     .help = "event types to load; default: all that are installed"},
    {.name = "unknown",
     .type = CHURN_OPTION_ENUM,
     .default_text = "dead_letter",
     .choices = unknown_policies,
     .offset = offsetof(struct event_settings, ignore_unknown),
     .help = "what becomes of events of other types"},
};

static const churn_option store_options[] = {
    {.name = "key_prefix",
     .type = CHURN_OPTION_STRING,
     .default_text = PIPELINE_KEY_PREFIX,
     .offset = offsetof(struct store_settings, key_prefix),
     .help = "what stands before the customer_id in a key"},
    {.name = "cache_size",
     .type = CHURN_OPTION_SIZE,
     .default_text = "64MiB",
     .min = 0,
     .max = INT64_MAX,
     .offset = offsetof(struct store_settings, cache_bytes),
     .help = "memory for known profiles, over all workers"},
    {.name = "window_events",
     .type = CHURN_OPTION_INT,
     .default_text = "30000",
     .min = 1,
     .max = 1000000,
     .offset = offsetof(struct store_settings, window_events),
     .help = "most events folded into one write"},
    {.name = "window_bytes",
     .type = CHURN_OPTION_SIZE,
     .default_text = "16MiB",
     .min = 4096,
     .max = INT64_MAX,
     .offset = offsetof(struct store_settings, window_bytes),
     .help = "most memory for the events of one write"},
    {.name = "window_age",
     .type = CHURN_OPTION_DURATION,
     .default_text = "50ms",
     .min = 0,
     .max = 60000,
     .offset = offsetof(struct store_settings, window_age_ms),
     .help = "longest wait for more events while catching up; an idle source never waits"},
    {.name = "ttl",
     .type = CHURN_OPTION_DURATION,
     .default_text = "0s",
     .min = 0,
     .max = INT64_MAX,
     .offset = offsetof(struct store_settings, ttl_ms),
     .help =
         "profiles expire this long after their last event; 0s: never. Longer than the topic's retention, or a replay "
         "resurrects a part of them"},
};

static const churn_option section_options[] = {
    {.name = "name",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct section_settings, name),
     .help = "what it is called in messages, the summary and dead letters; default: the plugin's name"},
    {.name = "when",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct section_settings, when),
     .help = "which events concern it: an expression in CEL, such as data.amount >= 100; default: all"},
};

static const churn_option sink_options[] = {
    {.name = "input",
     .type = CHURN_OPTION_ENUM,
     .default_text = "auto",
     .choices = inputs,
     .offset = offsetof(struct sink_settings, input),
     .help = "which records it is given; auto: what it is made for"},
    {.name = "on_reject",
     .type = CHURN_OPTION_ENUM,
     .default_text = "dead_letter",
     .choices = reject_policies,
     .offset = offsetof(struct sink_settings, on_reject),
     .help = "what becomes of a record that it refuses for good: a dead letter, nothing, or the pipeline stops"},
    {.name = "give_up_after",
     .type = CHURN_OPTION_DURATION,
     .default_text = "0s",
     .min = 0,
     .max = INT64_MAX,
     .offset = offsetof(struct sink_settings, give_up_after_ms),
     .help = "a record that it has not taken or answered for so long is dropped; 0s: never, the source waits"},
};

static const char *const severities[] = {"none", "info", "warning", "critical", NULL};

struct override_settings {
    int32_t predict;
    int32_t alert;
    const char *predict_when, *alert_when; /* compiled to the type's own */
};

static const churn_option override_options[] = {
    {.name = "predict",
     .type = CHURN_OPTION_BOOL,
     .offset = offsetof(struct override_settings, predict),
     .help = "whether events of the type ask for a prediction; default: as the type says"},
    {.name = "predict_when",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct override_settings, predict_when),
     .help = "which of its events do so: an expression in CEL; default: all"},
    {.name = "alert",
     .type = CHURN_OPTION_ENUM,
     .choices = severities,
     .offset = offsetof(struct override_settings, alert),
     .help = "the alert that they raise; default: as the type says"},
    {.name = "alert_when",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct override_settings, alert_when),
     .help = "which of its events do so: an expression in CEL; default: all"},
};

#define TABLE(section_, rows_, help_)                                                                                  \
    {                                                                                                                  \
        .section = (section_), .rows = (rows_), .count = sizeof(rows_) / sizeof((rows_)[0]), .help = (help_)           \
    }

static const struct option_table tables[] = {
    TABLE("pipeline", pipeline_options, "At the top of the file."),
    TABLE("log", log_options, "How log lines are written."),
    TABLE("health", health_options, "Answers to whoever watches over the process."),
    TABLE("events", event_options, "Which events are taken; `override` changes what event types say."),
    TABLE("override", override_options, "Below `events: override:`, under the name of an event type."),
    TABLE("store", store_options, "Beside the options of any store."),
    TABLE("processors", section_options, "Beside the options of any processor."),
    TABLE("sinks", section_options, "Beside the options of any sink: which records are its own."),
    TABLE("sinks", sink_options, "Beside the options of any sink: what it is given, and what it refuses."),
};

const struct option_table *pipeline_option_tables(size_t *ret_count)
{
    *ret_count = sizeof tables / sizeof tables[0];
    return tables;
}

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
        ret[0] = OPTION_TARGET(store_options, settings->store);
        return 1;
    case CHURN_KIND_SINK:
        ret[1] = OPTION_TARGET(sink_options, settings->sink);
        ret[0] = OPTION_TARGET(section_options, settings->section);
        return 2;
    case CHURN_KIND_PROCESSOR:
        ret[0] = OPTION_TARGET(section_options, settings->section);
        return 1;
    default:
        return 0;
    }
}

static const char *const plugin_key[] = {"plugin", NULL};

bool pipeline_has_option(uint32_t kind, const char *name)
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

/* `NAME.PART` means an entry of a map, whose own name may hold dots, or an item of a list, counted from 0. */
const struct node *section_place(const struct section *section, const char *option)
{
    const struct node *value = config_get(section->node, option), *key;
    const char *dot = strchr(option, '.');
    char name[CHURN_ERROR_OPTION_SIZE];
    if (value != NULL || dot == NULL) {
        return value != NULL ? value : section->node;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(dot - option), option);
    value = config_get(section->node, name);
    key = config_get_key(value, dot + 1);
    if (key != NULL) {
        return key;
    }
    if (value != NULL && value->kind == NODE_LIST) {
        unsigned long item = strtoul(dot + 1, NULL, 10);
        return item < value->count ? &value->items[item] : value;
    }
    return value != NULL ? value : section->node;
}

static void report_create(struct pipeline *pipeline, const struct section *section, const churn_error *err)
{
    const struct node *at = err->option[0] != '\0' ? section_place(section, err->option) : section->node;
    if (at != section->node && config_has_error(&pipeline->config, at)) {
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
    if (!instance->created) {
        report_create(instance->pipeline, instance->section, err);
    }
}

struct instance *instance_new(struct pipeline *pipeline, const struct section *section, unsigned worker)
{
    struct instance *instance = allocate(pipeline, section, worker);
    churn_error err = {.size = sizeof err};
    if (instance != NULL && read_options(pipeline, section, instance->self)) {
        create(instance, &err);
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
    if (instance->self != NULL) {
        struct option_target target = plugin_target(instance->section, instance->self);
        options_free(&target, 1);
        free(instance->self);
    }
    free(instance);
}

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

/* Reads the options of the host's own tables into the section (errors are reported with the plugin's, by instance_new).
 */
static bool read_host_options(struct pipeline *pipeline, struct section *section)
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

static const char *input_name(uint32_t kind)
{
    for (unsigned i = 1; inputs[i] != NULL; i++) {
        if (kind == 1u << (i - 1)) {
            return inputs[i];
        }
    }
    return "nothing";
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
                     section->label, input_name(section->input));
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
        ok = (section->loaded == NULL || read_host_options(pipeline, section)) && ok;
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
            ok = read_host_options(pipeline, sink) &&
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
    struct override_settings given = {0};
    struct option_target target = OPTION_TARGET(override_options, &given);
    char section[160];
    bool ok;
    if (type == NULL) {
        return false;
    }
    given.predict = type->predicts;
    given.alert = (int32_t)type->severity;
    (void)snprintf(section, sizeof section, "events: override: %s", key->text);
    ok = options_read(&pipeline->config, value, value, section, &target, 1, NULL);
    options_free(&target, 1);
    if (!ok) {
        return false;
    }
    type->predicts = given.predict != 0;
    type->severity = (uint32_t)given.alert;
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
    struct option_target target = OPTION_TARGET(event_options, &pipeline->event_settings);
    char message[2048];
    bool ok = options_read(&pipeline->config, node, node, "events", &target, 1, override_key);
    ok = check_types(pipeline, config_get(node, "types")) && ok;
    if (!catalog_build(&pipeline->catalog, pipeline->loader, &pipeline->event_settings.types, message,
                       sizeof message)) {
        config_error_lines(&pipeline->config, node, message);
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

static bool load_store(struct pipeline *pipeline)
{
    const struct node *node = config_get(&pipeline->config.root, "store");
    if (node == NULL || (node->kind == NODE_SCALAR && node->null)) { /* windows are bounded without a store too */
        struct option_target defaults = OPTION_TARGET(store_options, &pipeline->store_settings);
        return options_read(&pipeline->config, NULL, NULL, "store", &defaults, 1, NULL);
    }
    if (!load_section(pipeline, node, CHURN_KIND_STORE, "store", &pipeline->store) ||
        !read_host_options(pipeline, &pipeline->store)) {
        return false;
    }
    if (strlen(pipeline->store_settings.key_prefix) > PIPELINE_MAX_KEY_PREFIX) {
        config_error(&pipeline->config, config_get(node, "key_prefix"),
                     "store: key_prefix: at most %d bytes are possible", PIPELINE_MAX_KEY_PREFIX);
        return false;
    }
    return true;
}

/* What each section alone cannot tell. */
static bool check_whole(struct pipeline *pipeline)
{
    bool store = !config_is_absent(config_get(&pipeline->config.root, "store")); /* its mistakes were reported */
    uint32_t needs_decoding = CHURN_RECORD_TRIGGER | CHURN_RECORD_ALERT;
    bool ok = true;
    pipeline->decodes =
        store || pipeline->processor_count > 0 || pipeline->routed || (pipeline->outputs & needs_decoding) != 0;
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

static const char *const top_keys[] = {"source",       "events", "processors", "store", "sinks",
                                       "dead_letters", "log",    "health",     "tests", NULL};

static bool load_health(struct pipeline *pipeline)
{
    struct config *config = &pipeline->config;
    struct option_target target = OPTION_TARGET(health_options, &pipeline->health_settings);
    const struct node *node = config_get(&config->root, "health");
    bool ok = options_read(config, node, node, "health", &target, 1, NULL);
    const char *listen = pipeline->health_settings.listen;
    if (ok && listen != NULL && !health_check_address(listen)) {
        config_error(config, config_get(node, "listen"),
                     "health: listen: '%s' is not a numeric address with a port, such as 127.0.0.1:8080 or [::1]:8080",
                     listen);
        ok = false;
    }
    return ok;
}

static bool load_settings(struct pipeline *pipeline)
{
    struct config *config = &pipeline->config;
    struct option_target top = OPTION_TARGET(pipeline_options, &pipeline->settings);
    struct option_target logging = OPTION_TARGET(log_options, &pipeline->log_settings);
    const struct node *node = config_get(&config->root, "log");
    bool ok = options_read(config, &config->root, &config->root, "pipeline", &top, 1, top_keys);
    ok = read_workers(pipeline) && ok;
    ok = options_read(config, node, node, "log", &logging, 1, NULL) && ok;
    if (pipeline->log_settings.level != NULL && log_level_parse(pipeline->log_settings.level) == 0) {
        config_error(config, config_get(node, "level"), "log: level: must be ERROR, WARN, INFO or DEBUG");
        ok = false;
    }
    if (pipeline->settings.name == NULL) {
        char *copy = strdup(config->file);
        char *base = copy != NULL ? basename(copy) : NULL;
        pipeline->settings.name = base != NULL ? strndup(base, strcspn(base, ".")) : NULL;
        free(copy);
        ok = pipeline->settings.name != NULL && ok;
    }
    ok = load_health(pipeline) && ok;
    for (uint32_t i = pipeline->settings.plugin_path.count; i-- > 0;) {
        ok = loader_add_dir(pipeline->loader, pipeline->settings.plugin_path.items[i]) && ok;
    }
    if (!ok) { /* the rest of the file is checked all the same */
        pipeline->settings.workers = 1;
    }
    return ok;
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
    if (value != NULL) {
        config_remove(map, name);
    }
    return value != NULL;
}

/* Tries what the section says now. False, with the option at fault in `err`, when the plugin refuses it. */
static bool try_create(struct pipeline *pipeline, const struct section *section, bool *ret_read, churn_error *err)
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
static bool check_instance(struct pipeline *pipeline, const struct section *section)
{
    churn_error err = {.size = sizeof err};
    bool good, read;
    if (section->loaded == NULL) {
        return true; /* reported before */
    }
    good = try_create(pipeline, section, &read, &err) && read;
    if (!good) {
        while (forget_option(section, err.option)) {
            err = (churn_error){.size = sizeof err};
            if (try_create(pipeline, section, &read, &err)) {
                break;
            }
        }
    }
    return good;
}

/* An instance of everything, made and thrown away: each plugin's own checks of its options. */
static bool check_instances(struct pipeline *pipeline)
{
    bool ok = check_instance(pipeline, &pipeline->source);
    ok = check_instance(pipeline, &pipeline->store) && ok;
    for (unsigned i = 0; i < pipeline->processor_count; i++) {
        ok = check_instance(pipeline, &pipeline->processors[i]) && ok;
    }
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        ok = check_instance(pipeline, &pipeline->sinks[i]) && ok;
    }
    return ok;
}

bool pipeline_load(struct pipeline *pipeline, const char *file, struct loader *loader, struct log *log, FILE *errors)
{
    return pipeline_load_edited(pipeline, file, loader, log, errors, NULL, NULL);
}

bool pipeline_load_edited(struct pipeline *pipeline, const char *file, struct loader *loader, struct log *log,
                          FILE *errors, pipeline_edit_fn edit, void *ctx)
{
    bool ok, loaded;
    memset(pipeline, 0, sizeof *pipeline);
    pipeline->loader = loader;
    pipeline->log = log;
    pipeline->metrics = metrics_new();
    loaded = config_load(&pipeline->config, file, errors);
    if (pipeline->metrics == NULL || !(loaded || pipeline->config.usable) ||
        (edit != NULL && (!loaded || !edit(pipeline, ctx)))) {
        return false;
    }
    ok = load_settings(pipeline) && loaded;
    ok = load_events(pipeline) && ok;
    ok = load_source(pipeline) && ok;
    ok = load_processors(pipeline) && ok;
    ok = load_store(pipeline) && ok;
    ok = (pipeline->profiles_only || load_sinks(pipeline)) && ok;
    ok = routing_load(pipeline) && ok;
    ok = check_whole(pipeline) && ok;
    if (pipeline->store.loaded != NULL && !pipeline->store.bad) {
        pipeline->store_instance = instance_new(pipeline, &pipeline->store, 0);
        ok = pipeline->store_instance != NULL && ok;
    }
    ok = check_instances(pipeline) && ok;
    return (edit != NULL || targets_check(pipeline)) && ok; /* what a command changes is its own affair */
}

static void free_sections(struct section *sections, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct option_target target = OPTION_TARGET(section_options, &sections[i].settings);
        options_free(&target, 1);
        condition_free(sections[i].when);
    }
    free(sections);
}

void pipeline_free(struct pipeline *pipeline)
{
    struct option_target targets[] = {OPTION_TARGET(pipeline_options, &pipeline->settings),
                                      OPTION_TARGET(log_options, &pipeline->log_settings),
                                      OPTION_TARGET(event_options, &pipeline->event_settings),
                                      OPTION_TARGET(health_options, &pipeline->health_settings),
                                      OPTION_TARGET(store_options, &pipeline->store_settings)};
    instance_free(pipeline->store_instance);
    targets_free(&pipeline->targets);
    options_free(targets, sizeof targets / sizeof targets[0]);
    free_sections(pipeline->processors, pipeline->processor_count);
    free_sections(pipeline->sinks, pipeline->sink_count);
    catalog_free(&pipeline->catalog);
    config_free(&pipeline->config);
    metrics_free(pipeline->metrics);
    memset(pipeline, 0, sizeof *pipeline);
}
