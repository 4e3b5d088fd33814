/* The life of a test: its services, the plugins it loads, and the instance it starts. */
#include "base/clock.h"
#include "testkit.h"

#include "engine/output.h"
#include <churn/time.h>
#include <curl/curl.h>
#include <stdlib.h>

#define START_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */
#define STOP_MS 1000
#define MESSAGE_SIZE 2048

int32_t testkit_say(struct churn_test *t, int32_t code, const char *format, ...)
{
    char text[MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)testkit_text(&t->message, text, strlen(text));
    return code;
}

int32_t testkit_answer(struct churn_test *t, int32_t code, churn_error *err)
{
    err->message[sizeof err->message - 1] = err->option[sizeof err->option - 1] = '\0';
    if (code != CHURN_OK) {
        (void)testkit_say(t, code, "%s%s%s", err->option, err->option[0] != '\0' ? ": " : "", err->message);
    }
    return code;
}

int32_t testkit_out_of_memory(struct churn_test *t)
{
    return testkit_say(t, CHURN_FATAL, "out of memory");
}

const char *testkit_text(struct text *text, const char *bytes, size_t len)
{
    text->len = 0;
    text->failed = false;
    text_append(text, bytes, len);
    text_append(text, "", 1);
    return text->failed ? NULL : text->bytes;
}

/* --- What the plugin's host does otherwise than churnd's --- */

static struct churn_test *test_of(const churn_host *host)
{
    return (struct churn_test *)((struct instance *)host->ctx)->pipeline;
}

static void on_log(const churn_host *host, int32_t level, const char *message)
{
    static const char *const names[] = {"?", "ERROR", "WARN", "INFO", "DEBUG"};
    struct churn_test *t = test_of(host);
    (void)pthread_mutex_lock(&t->log_lock);
    text_printf(&t->log, "%s ", names[level >= CHURN_LOG_ERROR && level <= CHURN_LOG_DEBUG ? level : 0]);
    text_append_string(&t->log, message);
    text_append(&t->log, "\n", 1);
    (void)pthread_mutex_unlock(&t->log_lock);
}

static int32_t on_log_enabled(const churn_host *host, int32_t level)
{
    (void)host;
    (void)level;
    return 1;
}

static int64_t on_now_ms(const churn_host *host)
{
    return atomic_load(&test_of(host)->now_ms);
}

static int64_t on_monotonic_ms(const churn_host *host)
{
    return clock_monotonic_ms() + atomic_load(&test_of(host)->advanced_ms);
}

static void adapt_host(churn_host *host)
{
    host->log = on_log;
    host->log_enabled = on_log_enabled;
    host->now_ms = on_now_ms;
    host->monotonic_ms = on_monotonic_ms;
}

/* --- Life --- */

static void add_store(struct churn_test *t)
{
    memory_store_init(&t->store);
    t->store_plugin.plugin = (churn_plugin){
        .kind = CHURN_KIND_STORE, .name = "memory", .version = "1", .summary = "", .ops = &t->store_plugin.ops};
    t->store_plugin.ops.store = memory_store_ops;
    t->pipeline.store = (struct section){.loaded = &t->store_plugin, .label = "memory"};
    t->store_instance = (struct instance){.section = &t->pipeline.store, .pipeline = &t->pipeline, .self = &t->store};
    t->pipeline.store_instance = &t->store_instance;
    t->pipeline.store_settings.key_prefix = PIPELINE_KEY_PREFIX;
}

churn_test *churn_test_new(void)
{
    struct churn_test *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    add_store(t);
    (void)pthread_mutex_init(&t->log_lock, NULL);
    atomic_init(&t->now_ms, START_MS);
    t->pipeline.loader = &t->loader;
    t->pipeline.adapt_host = adapt_host;
    t->pipeline.settings.name = "test";
    t->pipeline.settings.workers = 1;
    t->pipeline.metrics = metrics_new();
    t->pipeline.stalls = stalls_new(NULL, clock_monotonic_ms);
    if (t->pipeline.metrics == NULL || t->pipeline.stalls == NULL || !loader_init(&t->loader, NULL, 0) ||
        testkit_text(&t->message, "", 0) == NULL ||
        curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) { /* as the host does for its plugins */
        churn_test_free(t);
        return NULL;
    }
    return t;
}

void churn_test_free(churn_test *t)
{
    if (t == NULL) {
        return;
    }
    churn_test_stop(t);
    testkit_forget_events(t);
    testkit_forget_types(t);
    metrics_free(t->pipeline.metrics);
    stalls_free(t->pipeline.stalls);
    loader_free(&t->loader);
    memory_store_free(&t->store);
    (void)pthread_mutex_destroy(&t->log_lock);
    struct text *texts[] = {&t->message, &t->log,     &t->shown,  &t->field,   &t->profile,
                            &t->alert,   &t->trigger, &t->stored, &t->stalled, &t->value};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        text_free(texts[i]);
    }
    free((void *)t->types);
    free(t);
    curl_global_cleanup();
}

const char *churn_test_message(const churn_test *t)
{
    return t == NULL || t->message.failed ? "out of memory" : t->message.bytes;
}

/* --- Loading --- */

static int32_t add_type(struct churn_test *t, const struct loaded *loaded)
{
    const char **grown;
    if (t->counted_count > 0 || t->instance != NULL) {
        return testkit_say(t, CHURN_FATAL, "load event types before the first event and before churn_test_start");
    }
    grown = realloc((void *)t->types, (t->type_count + 1) * sizeof *grown);
    if (grown == NULL) {
        return testkit_out_of_memory(t);
    }
    t->types = grown;
    grown[t->type_count++] = loaded->plugin.name;
    testkit_forget_types(t);
    if (!testkit_prepare(t)) { /* now, so that a wrong table is told here */
        t->type_count--;
        return CHURN_FATAL;
    }
    return CHURN_OK;
}

int32_t churn_test_load(churn_test *t, const char *path)
{
    char message[MESSAGE_SIZE] = "";
    const struct loaded *loaded = loader_open(&t->loader, path, message, sizeof message);
    if (loaded == NULL) {
        return testkit_say(t, CHURN_FATAL, "%s", message);
    }
    if (loaded->plugin.kind == CHURN_KIND_EVENT) {
        return add_type(t, loaded);
    }
    if (loaded->plugin.kind == CHURN_KIND_STORE) {
        return testkit_say(t, CHURN_FATAL, "%s: stores cannot be tested with this harness", path);
    }
    if (t->section.loaded != NULL) {
        return testkit_say(t, CHURN_FATAL, "%s: a test has one plugin beside its event types, and it has %s", path,
                           t->section.label);
    }
    t->section.loaded = loaded;
    t->section.label = loaded->plugin.name;
    return CHURN_OK;
}

/* --- The instance --- */

static bool read_yaml(struct churn_test *t, char *yaml, FILE *errors)
{
    FILE *in = fmemopen(yaml, strlen(yaml), "r");
    bool ok = in != NULL && config_read(&t->pipeline.config, "options", in, errors);
    t->section.node = &t->pipeline.config.root;
    if (in != NULL) {
        (void)fclose(in);
    }
    return ok;
}

/* Everything that is wrong with the options goes into the message, a line for each mistake. */
static int32_t make_instance(struct churn_test *t, char *yaml)
{
    char *report = NULL;
    size_t len = 0;
    FILE *errors = open_memstream(&report, &len);
    if (errors == NULL) {
        return testkit_out_of_memory(t);
    }
    if (read_yaml(t, yaml, errors)) {
        t->instance = instance_new(&t->pipeline, &t->section, 0);
    }
    t->pipeline.config.errors = NULL; /* nothing is read later */
    if (fclose(errors) != 0 || (t->instance == NULL && len == 0)) {
        free(report);
        return testkit_out_of_memory(t);
    }
    if (t->instance == NULL) {
        (void)testkit_text(&t->message, report, len > 0 ? len - 1 : 0);
    }
    free(report);
    return t->instance != NULL ? CHURN_OK : CHURN_FATAL;
}

static int32_t start_instance(struct churn_test *t)
{
    churn_error err = {.size = sizeof err};
    churn_source_listener listener = testkit_listener(t);
    const struct section *s = &t->section;
    int32_t result = CHURN_OK;
    switch (s->loaded->plugin.kind) {
    case CHURN_KIND_SOURCE:
        result = source_ops(s)->start(t->instance->self, &listener, &err);
        break;
    case CHURN_KIND_PROCESSOR:
        result = processor_ops(s)->start != NULL ? processor_ops(s)->start(t->instance->self, &err) : CHURN_OK;
        break;
    default:
        result = sink_ops(s)->start != NULL ? sink_ops(s)->start(t->instance->self, &err) : CHURN_OK;
    }
    return testkit_answer(t, result, &err);
}

static void end_instance(struct churn_test *t)
{
    instance_free(t->instance);
    t->instance = NULL;
    config_free(&t->pipeline.config);
    testkit_forget_records(t);
}

int32_t churn_test_start(churn_test *t, const char *options, ...)
{
    char *yaml = NULL;
    va_list args;
    int len;
    int32_t result;
    if (t->section.loaded == NULL || t->instance != NULL) {
        return testkit_say(t, CHURN_FATAL, "%s",
                           t->instance != NULL ? "it is started; call churn_test_stop first"
                                               : "load a source, a processor or a sink first");
    }
    va_start(args, options);
    len = vasprintf(&yaml, options, args);
    va_end(args);
    if (len < 0) {
        return testkit_out_of_memory(t);
    }
    result = testkit_prepare(t) ? make_instance(t, yaml) : CHURN_FATAL;
    free(yaml);
    if (result == CHURN_OK) {
        result = start_instance(t);
    }
    if (result != CHURN_OK) {
        end_instance(t);
    }
    return result;
}

void churn_test_stop(churn_test *t)
{
    const struct section *s = &t->section;
    if (t->instance == NULL) {
        return;
    }
    switch (s->loaded->plugin.kind) {
    case CHURN_KIND_SOURCE:
        source_ops(s)->stop(t->instance->self);
        break;
    case CHURN_KIND_PROCESSOR:
        if (processor_ops(s)->stop != NULL) {
            processor_ops(s)->stop(t->instance->self);
        }
        break;
    default:
        if (sink_ops(s)->stop != NULL) {
            sink_ops(s)->stop(t->instance->self, STOP_MS);
        }
    }
    end_instance(t);
}

void *testkit_self(struct churn_test *t, uint32_t kind)
{
    if (t->instance != NULL && t->section.loaded->plugin.kind == kind) {
        return t->instance->self;
    }
    (void)testkit_say(t, CHURN_FATAL, "this needs a %s that was loaded and started", role_name(kind));
    return NULL;
}

void *churn_test_instance(churn_test *t)
{
    return t->instance != NULL ? t->instance->self : NULL;
}

const void *churn_test_ops(churn_test *t)
{
    return t->instance != NULL ? t->section.loaded->plugin.ops : NULL;
}

/* --- Services --- */

int32_t churn_test_set_time(churn_test *t, const char *time)
{
    int64_t ms;
    if (!churn_time_parse(time, strlen(time), &ms)) {
        return testkit_say(t, CHURN_REJECT, "'%s' is no RFC 3339 time that exists", time);
    }
    atomic_store(&t->now_ms, ms);
    return CHURN_OK;
}

void churn_test_advance(churn_test *t, int64_t ms)
{
    atomic_fetch_add(&t->now_ms, ms);
    atomic_fetch_add(&t->advanced_ms, ms);
}

const char *churn_test_log(churn_test *t)
{
    const char *shown;
    (void)pthread_mutex_lock(&t->log_lock);
    shown = testkit_text(&t->shown, t->log.bytes, t->log.len);
    (void)pthread_mutex_unlock(&t->log_lock);
    return shown != NULL ? shown : "";
}

int64_t churn_test_counter(churn_test *t, const char *name)
{
    return metrics_sum(t->pipeline.metrics, name);
}

struct sought_histogram {
    const char *name;
    int64_t count;
};

static void count_observed(void *ctx, const struct metric_sample *sample)
{
    struct sought_histogram *sought = ctx;
    if (sample->kind != CHURN_METRIC_HISTOGRAM || strncmp(sample->family, METRIC_PREFIX, strlen(METRIC_PREFIX)) != 0 ||
        strcmp(sample->family + strlen(METRIC_PREFIX), sought->name) != 0) {
        return;
    }
    for (uint32_t i = 0; i <= sample->bounds->count; i++) {
        sought->count += sample->observed->counts[i];
    }
}

int64_t churn_test_observed(churn_test *t, const char *name)
{
    struct sought_histogram sought = {.name = name};
    (void)metrics_show(t->pipeline.metrics, count_observed, &sought);
    return sought.count;
}

struct sought_stall {
    struct churn_test *t;
    const char *what;
    const char *found;
};

static void look_at_stall(void *ctx, const struct stall_report *report)
{
    struct sought_stall *sought = ctx;
    if (strcmp(report->what, sought->what) == 0) {
        sought->found = testkit_text(&sought->t->stalled, report->message, strlen(report->message));
    }
}

const char *churn_test_stalled(churn_test *t, const char *what)
{
    struct sought_stall sought = {.t = t, .what = what};
    stalls_each(t->pipeline.stalls, look_at_stall, &sought);
    return sought.found;
}

const char *churn_test_stored(churn_test *t, const char *key, const char *field)
{
    const struct memory_hash *hash = memory_store_find(&t->store, churn_text(key));
    for (uint32_t i = 0; hash != NULL && i < hash->count; i++) {
        if (str_equals(hash->fields[i].name, field)) {
            return testkit_text(&t->stored, hash->fields[i].value.ptr, hash->fields[i].value.len);
        }
    }
    return NULL;
}

int32_t churn_test_store(churn_test *t, const char *key, const char *field, const char *value)
{
    churn_pair pair = {.name = churn_text(field), .value = churn_text(value)};
    return memory_store_merge(&t->store, churn_text(key), &pair, 1) ? CHURN_OK : testkit_out_of_memory(t);
}

void churn_test_store_outage(churn_test *t, int on)
{
    atomic_store(&t->store.out, on != 0);
}
