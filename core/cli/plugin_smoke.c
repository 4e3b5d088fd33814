/* The smoke run of `churnd plugin-check`: an instance is made and destroyed; an event type decodes and folds samples.
 */
#include "cli/plugin_smoke.h"

#include "base/clock.h"
#include "cli/plugin_run.h"
#include "cli/plugin_samples.h"
#include "cli/plugin_section.h"
#include "event/event.h"
#include "pipeline/instance.h"
#include "profile/fold.h"
#include "profile/profile.h"
#include "profile/profile_render.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A pipeline of nothing but what instances need. */
struct bench {
    struct pipeline pipeline;
    char *text; /* what the engine says about a section */
    size_t len;
};

static void bench_init(struct bench *bench, struct plugin_check *check)
{
    *bench = (struct bench){.pipeline = {.loader = check->loader,
                                         .log = check->log,
                                         .metrics = metrics_new(),
                                         .stalls = stalls_new(check->log, clock_monotonic_ms)}};
    bench->pipeline.settings = (struct pipeline_settings){.name = "plugin-check", .workers = 1};
    bench->pipeline.config = (struct config){.file = "", .errors = open_memstream(&bench->text, &bench->len)};
    if (bench->pipeline.metrics == NULL || bench->pipeline.stalls == NULL || bench->pipeline.config.errors == NULL) {
        _exit(1);
    }
}

static void bench_free(struct bench *bench)
{
    (void)fclose(bench->pipeline.config.errors);
    free(bench->text);
    catalog_free(&bench->pipeline.catalog);
    metrics_free(bench->pipeline.metrics);
    stalls_free(bench->pipeline.stalls);
}

/* The first thing that the engine said since the last call, without its place, which is in no file. */
static const char *bench_said(struct bench *bench)
{
    char *said, *end;
    (void)fflush(bench->pipeline.config.errors);
    said = bench->text != NULL ? strstr(bench->text, ": ") : NULL;
    if (said == NULL) {
        return "no reason";
    }
    end = strchr(said, '\n');
    if (end != NULL) {
        *end = '\0';
    }
    return said + 2;
}

/* ---- instances ---- */

/* The section's options, from NAME=VALUE. */
static struct node options_node(struct plugin_check *check)
{
    struct node map = {.kind = NODE_MAP};
    for (unsigned i = 0; i < check->option_count; i++) {
        const char *equals = strchr(check->options[i], '=');
        char *name = strndup(check->options[i], (size_t)(equals - check->options[i]));
        if (name == NULL || !config_put(&map, name, config_scalar(&map, equals + 1))) {
            _exit(1);
        }
        free(name);
    }
    return map;
}

/* The first required option that nobody has set, or NULL. */
static const char *missing_option(const churn_plugin *plugin, const struct node *node)
{
    struct option_target target = {
        .rows = plugin->options, .count = plugin->option_count, .stride = plugin->option_stride};
    for (uint32_t i = 0; i < target.count; i++) {
        const churn_option *row = option_row(&target, i);
        bool set = row->default_text != NULL && *row->default_text != '\0';
        if ((row->flags & CHURN_OPTION_REQUIRED) != 0 && !set && config_get(node, row->name) == NULL) {
            return row->name;
        }
    }
    return NULL;
}

/* Twice, as a pipeline does: `churnd check` makes one of each and throws it away. */
static bool make_and_destroy(struct plugin_check *check, struct bench *bench, const struct section *section)
{
    for (unsigned i = 0; i < 2; i++) {
        plugin_report_stage(check, i == 0 ? "calling create" : "calling create a second time");
        struct instance *instance = instance_new(&bench->pipeline, section, 0);
        if (instance == NULL) {
            plugin_report_warning(check, "create_refused",
                                  "create refused these options: %s; give others with --option NAME=VALUE",
                                  bench_said(bench));
            return false;
        }
        plugin_report_stage(check, i == 0 ? "calling destroy" : "calling destroy a second time");
        instance_free(instance);
    }
    plugin_report_note(check, "created", "made and destroyed twice");
    return true;
}

/* Processors and sinks may ask for the pipeline's store; one that needs no server stands there. */
static void add_store(struct bench *bench, struct node *node)
{
    char message[512];
    struct section *store = &bench->pipeline.store;
    *node = (struct node){.kind = NODE_MAP};
    store->loaded = loader_get(bench->pipeline.loader, CHURN_KIND_STORE, "lmdb", message, sizeof message);
    if (store->loaded == NULL || !config_put(node, "path", config_scalar(node, "/dev/null"))) {
        store->loaded = NULL;
        return;
    }
    store->node = node;
    store->label = store->loaded->plugin.name;
    bench->pipeline.store_settings.key_prefix = PIPELINE_KEY_PREFIX;
    bench->pipeline.store_instance = instance_new(&bench->pipeline, store, 0);
}

static void smoke_instance(struct plugin_check *check, const struct loaded *loaded)
{
    struct node node = options_node(check), store_node;
    struct section section = {.loaded = loaded, .node = &node, .label = loaded->plugin.name};
    const char *missing = missing_option(&loaded->plugin, &node);
    struct bench bench;
    char message[512];
    plugin_section(check, loaded, &node);
    if (missing != NULL) {
        plugin_report_note(check, "not_created",
                           "no instance was made, since option '%s' is required; give it with --option %s=VALUE",
                           missing, missing);
        config_free_node(&node);
        return;
    }
    bench_init(&bench, check);
    if (!catalog_build(&bench.pipeline.catalog, check->loader, NULL, message, sizeof message)) {
        plugin_report_note(check, "installed", "no event type could be loaded for it: %s", message);
    }
    add_store(&bench, &store_node);
    if (make_and_destroy(check, &bench, &section)) {
        plugin_run(check, &bench.pipeline, &section);
    }
    instance_free(bench.pipeline.store_instance);
    config_free_node(&store_node);
    config_free_node(&node);
    bench_free(&bench);
}

/* ---- event types ---- */

/* Folds each event twice, at two times and into two profiles, which tell whether the same events always give the same.
 */
struct folding {
    struct plugin_check *check;
    const struct registry *registry;
    struct event_decoder *decoder;
    struct fold_buffer folder;
    struct parts parts;
    struct profile *profiles[2];
    unsigned folded, rejected;
};

static void folding_init(struct folding *f, struct plugin_check *check, const struct catalog *catalog)
{
    *f = (struct folding){.check = check, .registry = &catalog->registry, .decoder = event_decoder_new(catalog)};
    f->profiles[0] = profile_new(f->registry);
    f->profiles[1] = profile_new(f->registry);
    if (f->decoder == NULL || f->profiles[0] == NULL || f->profiles[1] == NULL ||
        !fold_buffer_init(&f->folder, catalog, &f->parts)) {
        _exit(1);
    }
}

static void folding_free(struct folding *f)
{
    profile_free(f->profiles[0], f->registry);
    profile_free(f->profiles[1], f->registry);
    fold_buffer_free(&f->folder);
    parts_free(&f->parts);
    event_decoder_free(f->decoder);
}

/* False once it broke a rule: one event of its kind says it all. */
static bool fold_sample(struct folding *f, const struct sample *sample, unsigned time)
{
    churn_error err = {.size = sizeof err};
    struct reject reject = {0};
    churn_event event;
    const struct event_type *type = samples_decode(f->decoder, sample, &event, &reject);
    int32_t result;
    if (type == NULL) {
        plugin_report_error(f->check, "sample_invalid",
                            "an event made from its tables breaks its own rules (%s: %s); check its samples",
                            reject_reason_name(reject.reason), reject.detail);
        return false;
    }
    result = fold_event(&f->folder, type, &event, parts_find(&f->parts, event.topic.ptr, event.partition),
                        &f->profiles[time]->fields, NULL, &err);
    if (f->folder.misused) {
        plugin_report_error(f->check, "wrong_merge", "%s", err.message);
        return false;
    }
    f->folded += result == CHURN_OK && time == 0;
    if (result != CHURN_OK && f->rejected++ == 0) {
        plugin_report_warning(f->check, "sample_refused",
                              "apply refuses an event that the tables allow: %s; say it in the tables, so that JSON "
                              "Schema and samples know it too",
                              err.message);
    }
    return true;
}

static bool fold_samples_at(struct folding *f, const struct samples *samples, unsigned time)
{
    for (unsigned i = 0; i < samples->count; i++) {
        if (!fold_sample(f, &samples->items[i], time)) {
            return false;
        }
    }
    return true;
}

/* Until clocks show another second. */
static void let_time_pass(void)
{
    struct timespec pause = {.tv_sec = 1, .tv_nsec = 100000000};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {
    }
}

static bool same_pairs(const struct profile_text *a, const struct profile_text *b)
{
    bool same = a->count == b->count;
    for (uint32_t i = 0; same && i < a->count; i++) {
        same = churn_equal(a->pairs[i].value, b->pairs[i].value);
    }
    return same;
}

/* Without those of the engine's own. */
static unsigned user_fields(const struct profile_text *text)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < text->count; i++) {
        count += text->pairs[i].name.ptr[0] != '_';
    }
    return count;
}

static void judge_folded(struct folding *f)
{
    struct profile_text text[2] = {{0}};
    for (unsigned i = 0; i < 2; i++) {
        profile_render(f->profiles[i], f->registry, &f->parts, (churn_str){.ptr = ""}, &text[i]);
    }
    if (!same_pairs(&text[0], &text[1])) {
        plugin_report_error(f->check, "not_pure",
                            "apply gave two profiles for the same events, folded a second apart; it must be a pure "
                            "function of the event: no "
                            "clock, no random number, no state");
    } else if (f->rejected == 0) {
        plugin_report_note(f->check, "folded", "%u samples decoded and folded into %u profile fields", f->folded,
                           user_fields(&text[0]));
    }
    profile_text_free(&text[0]);
    profile_text_free(&text[1]);
}

/* Without a callback, the engine folds by tables alone. */
static void fold_samples(struct plugin_check *check, const struct catalog *catalog, const struct samples *samples)
{
    struct folding folding;
    bool good;
    folding_init(&folding, check, catalog);
    good = fold_samples_at(&folding, samples, 0);
    if (good && catalog->types[0].table.apply != NULL) {
        let_time_pass();
    }
    if (good && fold_samples_at(&folding, samples, 1)) {
        judge_folded(&folding);
    }
    folding_free(&folding);
}

static bool is_placeholder(const struct event_type *type, churn_str name)
{
    bool known = str_equals(name, "customer_id");
    for (uint32_t i = 0; !known && i < type->table.field_count; i++) {
        known = str_equals(name, event_type_field(type, i)->name);
    }
    return known;
}

/* What is in braces and no field would be shown as "unknown" in every alert. */
static void check_alert_message(struct plugin_check *check, const struct event_type *type)
{
    const char *at = type->table.alert_message, *close;
    while (at != NULL && (at = strchr(at, '{')) != NULL && (close = strchr(at, '}')) != NULL) {
        churn_str name = {.ptr = at + 1, .len = (uint32_t)(close - at - 1)};
        if (!is_placeholder(type, name)) {
            plugin_report_error(
                check, "alert_message",
                "its alert_message names {%.*s}, which is neither customer_id nor a field of its data: it "
                "would read \"unknown\"",
                name.len < 64 ? (int)name.len : 64, name.ptr);
        }
        at = close + 1;
    }
}

/* Ranges that are allowed but can hardly be meant: a range that is not set is 0 to 0. */
static bool check_ranges(struct plugin_check *check, const struct event_type *type)
{
    bool good = true;
    for (uint32_t i = 0; i < type->table.field_count; i++) {
        const churn_field *field = event_type_field(type, i);
        if (field->type == CHURN_FIELD_INT && field->min > field->max) {
            plugin_report_error(check, "field_range",
                                "field '%s': its min %" PRId64 " is above its max %" PRId64
                                ", so that no value is allowed; INT64_MAX is no limit",
                                field->name, field->min, field->max);
            good = false;
        } else if (field->type == CHURN_FIELD_INT && field->min == 0 && field->max == 0) {
            plugin_report_warning(check, "field_range",
                                  "field '%s': only 0 is allowed; set .min and .max (INT64_MIN and INT64_MAX: any)",
                                  field->name);
        }
    }
    return good;
}

static bool check_tables(struct plugin_check *check, const struct event_type *type)
{
    check_alert_message(check, type);
    return check_ranges(check, type);
}

/* Plugins that write one profile field must declare it alike; those that are installed are what it will run with. */
static void compare_with_installed(struct plugin_check *check)
{
    struct catalog all;
    char message[1024];
    plugin_report_stage(check, "comparing it with the event types that are installed");
    if (!catalog_build(&all, check->loader, NULL, message, sizeof message)) {
        plugin_report_warning(check, "installed", "it does not go together with the plugins that are installed: %s",
                              message);
    }
    catalog_free(&all);
}

static void smoke_event_type(struct plugin_check *check, const struct loaded *loaded)
{
    const char *name = loaded->plugin.name;
    const churn_list only = {.items = &name, .count = 1};
    struct samples samples;
    struct bench bench;
    char message[1024];
    bench_init(&bench, check);
    if (!catalog_build(&bench.pipeline.catalog, check->loader, &only, message, sizeof message)) {
        plugin_report_error(check, "event_table", "%s", message);
    } else if (check_tables(check, &bench.pipeline.catalog.types[0])) {
        plugin_report_stage(check, bench.pipeline.catalog.types[0].table.apply != NULL
                                       ? "folding samples of it, which calls apply"
                                       : "folding samples of it");
        samples = samples_make(&bench.pipeline, name);
        if (samples.count > 0) {
            fold_samples(check, &bench.pipeline.catalog, &samples);
        } else {
            plugin_report_warning(check, "no_samples", "no event was made to try it: %s", bench_said(&bench));
        }
        samples_free(&samples);
        compare_with_installed(check);
    }
    bench_free(&bench);
}

void plugin_smoke(struct plugin_check *check, const struct loaded *loaded)
{
    if (loaded->plugin.kind == CHURN_KIND_EVENT) {
        smoke_event_type(check, loaded);
    } else {
        smoke_instance(check, loaded);
    }
}
