/* A pipeline's file as a whole: what each section alone cannot tell, and that every mistake is told in one go. */
#define _GNU_SOURCE
#include "core/pipeline/load.h"

#include "config_fixture.h"
#include "core/pipeline/pipeline.h"
#include <churn/ext/storage.h>
#include <sched.h>

static struct log *no_log;
static struct loader loader;
static struct pipeline pipeline;
static bool loaded;
static char *said; /* with the file called FILE */

static void close_pipeline(void)
{
    pipeline_free(&pipeline);
    loader_free(&loader);
}

static void load_edited(const char *yaml, pipeline_edit_fn edit, void *ctx)
{
    char *file = write_file(yaml, strlen(yaml)), *text = NULL;
    size_t size = 0;
    FILE *errors = open_memstream(&text, &size);
    unsigned count;
    if (errors == NULL || !loader_init(&loader, NULL, 0)) {
        abort();
    }
    loaded =
        pipeline_load_edited(&pipeline, (struct pipeline_files){.pipeline = file}, &loader, no_log, errors, edit, ctx);
    count = pipeline.config.error_count;
    (void)fclose(errors);
    free(said);
    said = without_name(text, file);
    check(loaded == (count == 0), "%s with %u errors: %s", loaded ? "taken" : "refused", count, said);
    free(text);
    remove_file(file);
}

static void load(const char *yaml)
{
    load_edited(yaml, NULL, NULL);
}

static void check_taken(const char *yaml)
{
    load(yaml);
    check(loaded && *said == '\0', "%s: %s", yaml, said);
    close_pipeline();
}

/* Exactly these lines. */
static void check_refused(const char *yaml, const char *expected)
{
    load(yaml);
    check_text(said, expected, yaml);
    close_pipeline();
}

static void check_refused_with(const char *yaml, const char *part)
{
    load(yaml);
    check(!loaded, "taken: %s", yaml);
    check_contains(said, part, yaml);
    close_pipeline();
}

#define SOURCE "source: {plugin: generate, events: 1}\n"
#define STORE "store: {plugin: lmdb, path: /nonexistent/store}\n"
#define DEAD "dead_letters: {plugin: file, path: /nonexistent/dead.jsonl}\n"
#define SINK "sinks: [{plugin: file, path: /nonexistent/out.jsonl}]\n"

static void test_whole_pipelines(void)
{
    load(SOURCE SINK);
    CU_ASSERT(loaded && !pipeline.decodes && pipeline.store.loaded == NULL && pipeline.store_instance == NULL);
    CU_ASSERT(pipeline.sink_count == 1 && !pipeline.has_dead_letters && pipeline.sinks[0].input == CHURN_RECORD_EVENT);
    CU_ASSERT_EQUAL(pipeline.outputs, CHURN_RECORD_EVENT);
    close_pipeline();
    load(SOURCE STORE DEAD);
    CU_ASSERT(loaded && pipeline.decodes && pipeline.store_instance != NULL && pipeline.has_dead_letters);
    CU_ASSERT(pipeline.sink_count == 1 && pipeline.sinks[0].input == CHURN_RECORD_DEAD_LETTER);
    CU_ASSERT_EQUAL(pipeline.outputs, CHURN_RECORD_DEAD_LETTER);
    CU_ASSERT_EQUAL(pipeline.catalog.type_count, 12);
    close_pipeline();
    load(SOURCE STORE DEAD
         "sinks:\n- plugin: prediction_local\n- plugin: alert\n- {plugin: file, path: /x, input: alerts}\n"
         "processors:\n- plugin: filter\n");
    CU_ASSERT(loaded && pipeline.sink_count == 4 && pipeline.processor_count == 1);
    CU_ASSERT(pipeline.sinks[0].input == CHURN_RECORD_TRIGGER && pipeline.sinks[1].input == CHURN_RECORD_ALERT &&
              pipeline.sinks[2].input == CHURN_RECORD_ALERT && pipeline.sinks[3].input == CHURN_RECORD_DEAD_LETTER);
    CU_ASSERT_EQUAL(pipeline.outputs, CHURN_RECORD_TRIGGER | CHURN_RECORD_ALERT | CHURN_RECORD_DEAD_LETTER);
    close_pipeline();
    check_taken(SOURCE DEAD "sinks: [{plugin: alert}]\n");
    check_taken(SOURCE DEAD SINK "processors: [{plugin: filter}]\n");
    check_taken(SOURCE SINK "store:\nprocessors:\ndead_letters: ~\nevents:\nlog:\n");
}

static int64_t usable_processors(void)
{
    cpu_set_t usable;
    CU_ASSERT_EQUAL_FATAL(sched_getaffinity(0, sizeof usable, &usable), 0);
    return CPU_COUNT(&usable);
}

static void test_settings(void)
{
    load("name: my pipeline\nworkers: 3\nshutdown_timeout: 2m\nlog: {level: debug, format: json}\n" SOURCE SINK);
    CU_ASSERT(loaded);
    check_text(pipeline.settings.name, "my pipeline", "name");
    CU_ASSERT(pipeline.settings.workers == 3 && pipeline.settings.shutdown_timeout_ms == 120000);
    CU_ASSERT(strcmp(pipeline.log_settings.level, "debug") == 0 && pipeline.log_settings.format == LOG_FORMAT_JSON);
    close_pipeline();
    load("workers: auto\n" SOURCE SINK);
    CU_ASSERT(loaded && pipeline.settings.workers == usable_processors());
    close_pipeline();
    load("workers: auto\nsource: {plugin: file, path: /x}\n" SINK);
    CU_ASSERT(loaded && pipeline.settings.workers == 1);
    close_pipeline();
    load(SOURCE SINK);
    CU_ASSERT(loaded);
    CU_ASSERT(strncmp(pipeline.settings.name, "churn-unit-", 11) == 0 && strchr(pipeline.settings.name, '/') == NULL);
    CU_ASSERT(pipeline.settings.workers == 1 && pipeline.settings.shutdown_timeout_ms == 30000);
    CU_ASSERT(strcmp(pipeline.log_settings.level, "INFO") == 0 && pipeline.log_settings.format == LOG_FORMAT_TEXT);
    CU_ASSERT(strcmp(pipeline.store_settings.key_prefix, "profile:") == 0 &&
              pipeline.store_settings.window_events == 28000);
    close_pipeline();
    load(
        SOURCE DEAD
        "store: {plugin: lmdb, path: /x, key_prefix: 'p', window_events: 5, window_age: 1s, ttl: 7d, cache_size: 0}\n");
    CU_ASSERT(loaded);
    CU_ASSERT(strcmp(pipeline.store_settings.key_prefix, "p") == 0 && pipeline.store_settings.window_events == 5 &&
              pipeline.store_settings.window_age_ms == 1000 && pipeline.store_settings.ttl_ms == INT64_C(604800000) &&
              pipeline.store_settings.cache_bytes == 0);
    close_pipeline();
}

static void test_settings_that_are_wrong(void)
{
    check_refused("workers: 0\n" SOURCE SINK, "FILE:1:10: pipeline: workers: must be auto, or between 1 and 64\n");
    check_refused("workers: 65\n" SOURCE SINK, "FILE:1:10: pipeline: workers: must be auto, or between 1 and 64\n");
    check_refused("log: {level: LOUD}\n" SOURCE SINK, "FILE:1:14: log: level: must be ERROR, WARN, INFO or DEBUG\n");
    check_refused_with("log: {format: xml}\n" SOURCE SINK, "FILE:1:15: log: format: 'xml' is not one of text, json");
    check_refused("log: text\n" SOURCE SINK, "FILE:1:6: log: options belong here, as 'name: value' lines\n");
    check_refused("sink: []\n" SOURCE SINK, "FILE:1:1: pipeline: unknown option 'sink' (did you mean 'sinks'?)\n");
    check_refused("shutdown_timeout: 99ms\n" SOURCE SINK,
                  "FILE:1:19: pipeline: shutdown_timeout: must be at least 100 ms\n");
    check_refused_with(SOURCE DEAD "store: {plugin: lmdb, path: /x, window_events: 0}\n",
                       "lmdb: window_events: must be between 1 and 1000000");
    {
        char yaml[1024], prefix[300];
        memset(prefix, 'p', sizeof prefix);
        (void)snprintf(yaml, sizeof yaml, SOURCE DEAD "store: {plugin: lmdb, path: /x, key_prefix: %.255s}\n", prefix);
        check_taken(yaml);
        (void)snprintf(yaml, sizeof yaml, SOURCE DEAD "store: {plugin: lmdb, path: /x, key_prefix: %.256s}\n", prefix);
        check_refused_with(yaml, "store: key_prefix: at most 255 bytes are possible");
    }
    check_refused_with(SOURCE DEAD "store: {plugin: lmdb, path: /x, window_event: 1}\n",
                       "(did you mean 'window_events'?)");
}

static void test_sections_that_are_missing(void)
{
    check_refused(STORE DEAD, "FILE: a section 'source:' is required; see churnd-pipeline(5)\n");
    check_refused(SOURCE, "FILE: this pipeline leads nowhere: add a section 'store:' or 'sinks:'\n");
    check_refused(SOURCE DEAD, "FILE: this pipeline leads nowhere: add a section 'store:' or 'sinks:'\n");
    check_refused(SOURCE "sinks: []\n", "FILE: this pipeline leads nowhere: add a section 'store:' or 'sinks:'\n");
    check_refused(
        SOURCE STORE,
        "FILE: a section 'dead_letters:' is required, for events that break a rule (plugin: file or kafka)\n");
    check_refused(
        SOURCE "sinks: [{plugin: alert}]\n",
        "FILE: a section 'dead_letters:' is required, for events that break a rule (plugin: file or kafka)\n");
    check_refused(
        SOURCE SINK "processors: [{plugin: filter}]\n",
        "FILE: a section 'dead_letters:' is required, for events that break a rule (plugin: file or kafka)\n");
    check_refused(SOURCE DEAD "sinks: [{plugin: prediction_local}]\n",
                  "FILE:3:8: predictions need profiles: add a section 'store:'\n");
}

static void test_plugins_that_are_not_named(void)
{
    check_refused("source: {events: 1}\n" SINK,
                  "FILE:1:9: source: 'plugin: NAME' is missing; `churnd plugins` lists the names\n");
    check_refused("source:\n" SINK, "FILE:1:8: source: 'plugin: NAME' is missing; `churnd plugins` lists the names\n");
    check_refused("source: generate\n" SINK,
                  "FILE:1:9: source: 'plugin: NAME' is missing; `churnd plugins` lists the names\n");
    check_refused("source: {plugin: ''}\n" SINK,
                  "FILE:1:9: source: 'plugin: NAME' is missing; `churnd plugins` lists the names\n");
    check_refused("source: {plugin: [generate]}\n" SINK,
                  "FILE:1:9: source: 'plugin: NAME' is missing; `churnd plugins` lists the names\n");
    check_refused_with(SOURCE "sinks: [file]\n", "FILE:2:9: sinks: 'plugin: NAME' is missing");
    check_refused_with("source: {plugin: genrate}\n" SINK,
                       "FILE:1:18: source: there is no source plugin 'genrate' (did you mean 'generate'?)");
    check_refused_with("source: {plugin: lmdb}\n" SINK, "there is no source plugin 'lmdb'");
    check_refused_with("source: {plugin: ../source/file}\n" SINK, "is not a plugin's name");
    check_refused_with(SOURCE "sinks: {plugin: file}\n",
                       "FILE:2:8: sinks: a list belongs here, each item beginning with '- plugin: NAME'");
    check_refused_with(SOURCE SINK "processors: filter\n", "FILE:3:13: processors: a list belongs here");
}

/* Plugins are told what fields profiles have: those of the core, of event types, and what is derived of them. */
static void test_fields_of_profiles_are_told(void)
{
    static const struct {
        const char *name;
        uint32_t type;
    } expected[] = {{"events_total", CHURN_PROFILE_INT},         {"first_event_at", CHURN_PROFILE_TIME},
                    {"last_event_type", CHURN_PROFILE_STRING},   {"order_count", CHURN_PROFILE_INT},
                    {"total_spent", CHURN_PROFILE_MONEY},        {"subscription_status", CHURN_PROFILE_STATE},
                    {"email_click_rate", CHURN_PROFILE_DECIMAL}, {"average_order_value", CHURN_PROFILE_DECIMAL}};
    unsigned found = 0;
    const churn_host *host;
    const churn_storage *storage;
    churn_profile_field field;
    uint32_t count = 0;
    load(SOURCE STORE DEAD SINK);
    host = &pipeline.store_instance->host;
    storage = host->get_extension(host, CHURN_STORAGE_ID);
    for (; storage->field_at(host, count, &field); count++) {
        for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
            if (churn_equal(field.name, churn_text(expected[i].name))) {
                CU_ASSERT_EQUAL(field.type, expected[i].type);
                found++;
            }
        }
    }
    CU_ASSERT_EQUAL(found, sizeof expected / sizeof expected[0]);
    CU_ASSERT_EQUAL(storage->field_at(host, UINT32_MAX, &field), 0);
    close_pipeline();
}

static void test_inputs_of_sinks(void)
{
    check_refused(SOURCE STORE DEAD "sinks: [{plugin: alert, input: events}]\n",
                  "FILE:4:32: alert: this sink does not take events\n");
    check_refused(SOURCE STORE DEAD "sinks: [{plugin: prediction_local, input: alerts}]\n",
                  "FILE:4:43: prediction_local: this sink does not take alerts\n");
    check_refused_with(
        SOURCE STORE DEAD "sinks: [{plugin: alert, input: everything}]\n",
        "FILE:4:32: alert: input: 'everything' is not one of auto, events, triggers, alerts, dead_letters");
    check_refused(SOURCE STORE "dead_letters: {plugin: alert}\n",
                  "FILE:3:15: alert: this sink does not take dead_letters\n");
    load(SOURCE STORE DEAD "sinks: [{plugin: file, path: /x, input: triggers}]\n");
    CU_ASSERT(loaded && pipeline.sinks[0].input == CHURN_RECORD_TRIGGER);
    close_pipeline();
    load(SOURCE STORE DEAD "sinks: [{plugin: file, path: /x, input: dead_letters}]\n");
    CU_ASSERT(loaded && pipeline.sinks[0].input == CHURN_RECORD_DEAD_LETTER &&
              pipeline.sinks[1].input == CHURN_RECORD_DEAD_LETTER);
    close_pipeline();
}

static void test_a_source_for_one_worker(void)
{
    check_taken("source: {plugin: file, path: /x}\n" SINK);
    check_refused("workers: 2\nsource: {plugin: file, path: /x}\n" SINK,
                  "FILE:1:10: the source file can be read by one worker only: write 'workers: 1'\n");
}

static const struct type_rules *rules_of(const char *name)
{
    int32_t id = name_index_find(&pipeline.catalog.type_names, name, strlen(name));
    return id >= 0 ? &pipeline.rules[id] : NULL;
}

/* The contract's defaults, and what a pipeline makes of them. */
static void test_overrides(void)
{
    load(SOURCE STORE DEAD);
    CU_ASSERT_FATAL(loaded);
    CU_ASSERT(!rules_of("login")->predicts && rules_of("login")->severity == CHURN_SEVERITY_NONE);
    CU_ASSERT(rules_of("order_placed")->predicts && rules_of("order_placed")->severity == CHURN_SEVERITY_NONE);
    CU_ASSERT(rules_of("payment_failed")->predicts && rules_of("payment_failed")->severity == CHURN_SEVERITY_CRITICAL);
    CU_ASSERT(rules_of("support_ticket_created")->severity == CHURN_SEVERITY_WARNING);
    CU_ASSERT(!rules_of("refund_requested")->predicts &&
              rules_of("refund_requested")->severity == CHURN_SEVERITY_WARNING);
    CU_ASSERT(rules_of("subscription_cancelled")->predicts &&
              rules_of("subscription_cancelled")->severity == CHURN_SEVERITY_CRITICAL);
    CU_ASSERT(rules_of("cart_abandoned")->predicts && !rules_of("email_opened")->predicts);
    CU_ASSERT_EQUAL(pipeline.event_settings.ignore_unknown, 0);
    close_pipeline();
    load(SOURCE STORE DEAD
         "events:\n  unknown: ignore\n  override:\n    login: {predict: true, alert: info}\n"
         "    order_placed: {predict: false}\n    payment_failed: {alert: none}\n    cart_abandoned:\n");
    check(loaded, "%s", said);
    CU_ASSERT_FATAL(loaded);
    CU_ASSERT(rules_of("login")->predicts && rules_of("login")->severity == CHURN_SEVERITY_INFO);
    CU_ASSERT(!rules_of("order_placed")->predicts && rules_of("order_placed")->severity == CHURN_SEVERITY_NONE);
    CU_ASSERT(rules_of("payment_failed")->predicts && rules_of("payment_failed")->severity == CHURN_SEVERITY_NONE);
    CU_ASSERT(rules_of("cart_abandoned")->predicts);
    CU_ASSERT_EQUAL(pipeline.event_settings.ignore_unknown, 1);
    close_pipeline();
}

static void test_overrides_that_are_wrong(void)
{
    check_refused(SOURCE STORE DEAD "events: {override: {logn: {predict: true}}}\n",
                  "FILE:4:21: events: override: no event type 'logn' is loaded (did you mean 'login'?)\n");
    check_refused(SOURCE STORE DEAD "events: {override: {login: {predict: maybe}}}\n",
                  "FILE:4:38: events: override: login: predict: maybe is neither true nor false\n");
    check_refused(SOURCE STORE DEAD "events: {override: {login: {alert: loud}}}\n",
                  "FILE:4:36: events: override: login: alert: 'loud' is not one of none, info, warning, critical\n");
    check_refused(SOURCE STORE DEAD "events: {override: {login: {alerts: info}}}\n",
                  "FILE:4:29: events: override: login: unknown option 'alerts' (did you mean 'alert'?)\n");
    check_refused(SOURCE STORE DEAD "events: {override: {login: yes}}\n",
                  "FILE:4:28: events: override: login: options belong here, as 'name: value' lines\n");
    check_refused_with(SOURCE STORE DEAD "events: {override: [login]}\n", "FILE:4:20: events: override: ");
    check_refused_with(SOURCE STORE DEAD "events: {override: login}\n", "FILE:4:20: events: override: ");
    check_taken(SOURCE STORE DEAD "events: {override: }\n");
}

/* ---- routing ---- */

static void check_names(const char *yaml, const char *expected)
{
    char names[512] = "";
    load(yaml);
    check(loaded, "%s: %s", yaml, said);
    for (unsigned i = 0; loaded && i < pipeline.processor_count + pipeline.sink_count; i++) {
        const struct section *section =
            i < pipeline.processor_count ? &pipeline.processors[i] : &pipeline.sinks[i - pipeline.processor_count];
        size_t used = strlen(names);
        (void)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? " " : "", section->label);
    }
    check_text(names, expected, yaml);
    close_pipeline();
}

static void test_names(void)
{
    check_names(SOURCE DEAD "sinks: [{plugin: alert}]\n", "alert file");
    check_names(SOURCE DEAD "sinks: [{plugin: alert}, {plugin: alert}, {plugin: file, path: /x}]\n",
                "alert alert-2 file dead_letters");
    check_names(SOURCE DEAD "sinks: [{plugin: alert, name: pager}, {plugin: alert}]\n"
                            "processors: [{plugin: filter}, {plugin: filter, name: odd-ones}, {plugin: filter}]\n",
                "filter odd-ones filter-2 pager alert file");
    check_names(SOURCE DEAD "sinks: [{plugin: alert}, {plugin: alert}, {plugin: alert, name: alert-2}]\n",
                "alert alert-3 alert-2 file");
    check_names(SOURCE "dead_letters: {plugin: file, path: /x, name: lost}\nsinks: [{plugin: file, path: /y}]\n"
                       "processors: [{plugin: filter, name: file}]\n",
                "file file-2 lost");
    check_refused(SOURCE DEAD "sinks: [{plugin: alert, name: a}, {plugin: alert, name: a}]\n",
                  "FILE:3:57: alert: name: 'a' is the name of the section in line 3 already\n");
    check_refused(SOURCE DEAD "sinks: [{plugin: alert, name: a}]\nprocessors: [{plugin: filter, name: a}]\n",
                  "FILE:3:31: alert: name: 'a' is the name of the section in line 4 already\n");
    check_refused(SOURCE DEAD "sinks: [{plugin: alert, name: 'a b'}]\n",
                  "FILE:3:31: alert: name: must be 1 to 32 letters, digits, '_' or '-'\n");
    check_refused(SOURCE DEAD "sinks: [{plugin: alert, name: ''}]\n",
                  "FILE:3:31: alert: name: must be 1 to 32 letters, digits, '_' or '-'\n");
    check_refused_with("source: {plugin: generate, name: a}\n" SINK, "FILE:1:28: generate: unknown option 'name'");
}

#define PREDICTION "sinks: [{plugin: prediction, url: 'http://localhost:1', "

static void check_judged(const char *when, bool by_the_sink)
{
    char yaml[512];
    (void)snprintf(yaml, sizeof yaml, SOURCE STORE DEAD PREDICTION "when: \"%s\"}]\n", when);
    load(yaml);
    check(loaded, "%s", said);
    if (loaded) {
        CU_ASSERT_EQUAL(pipeline.sinks[0].when == NULL, by_the_sink);
        CU_ASSERT_EQUAL(pipeline.sinks[0].when_asked != NULL, by_the_sink);
    }
    close_pipeline();
}

/* One that speaks of the profile is judged by the sink, when a request is made. */
static void test_conditions_on_profiles(void)
{
    check_judged("profile.order_count >= 3", true);
    check_judged("score > 0.5 && profile.subscription_status == 'active'", true);
    check_judged("data.amount > 5", false);
#define ASKED(condition) SOURCE STORE DEAD PREDICTION "when: \"" condition "\"}]\n"
    check_refused_with(ASKED("profile.orders > 3"), "no profile has a field 'orders'");
    check_refused_with(ASKED("profile.order_count > 3 && data.amount > 5"), "a condition on the profile has no data");
    check_refused_with(ASKED("profile.subscription_status == 'gone'"), "only one of active, cancelled");
    check_refused_with(SOURCE STORE DEAD "sinks: [{plugin: alert, when: profile.order_count > 3}]\n",
                       "only `when` of a sink that asks for predictions knows the profile");
    check_refused_with(SOURCE STORE DEAD PREDICTION "min_interval: 2h}]\n",
                       "min_interval: must not be above cache_ttl");
    check_taken(SOURCE STORE DEAD
                "sinks: [{plugin: prediction, url: 'http://localhost:1', min_interval: 2h, cache_ttl: 0s}]\n");
}

static void test_conditions(void)
{
    load(SOURCE DEAD
         "sinks: [{plugin: file, path: /x, when: data.amount > 5}, {plugin: alert, when: severity == 'info'},"
         " {plugin: file, path: /y}]\nprocessors: [{plugin: filter, when: \"!has(data.amount)\"}]\n");
    check(loaded, "%s", said);
    CU_ASSERT_FATAL(loaded);
    CU_ASSERT(pipeline.routed && pipeline.sinks[0].when != NULL && pipeline.sinks[1].when != NULL &&
              pipeline.sinks[2].when == NULL && pipeline.processors[0].when != NULL);
    CU_ASSERT(pipeline.sinks[0].bit == 1 && pipeline.sinks[1].bit == 2 && pipeline.sinks[2].bit == 4 &&
              pipeline.sinks[3].bit == 0);
    CU_ASSERT(pipeline.sinks[0].sink.on_reject == ON_REJECT_DEAD_LETTER &&
              pipeline.sinks[0].sink.give_up_after_ms == 0);
    close_pipeline();
    load(SOURCE DEAD SINK);
    CU_ASSERT(loaded && !pipeline.routed && !pipeline.decodes);
    close_pipeline();
    load(SOURCE DEAD "sinks: [{plugin: file, path: /x, when: 'true'}]\n"); /* what passes records on must look now */
    CU_ASSERT(loaded && pipeline.routed && pipeline.decodes);
    close_pipeline();
    check_refused(
        SOURCE "sinks: [{plugin: file, path: /x, when: 'true'}]\n",
        "FILE: a section 'dead_letters:' is required, for events that break a rule (plugin: file or kafka)\n");
    check_taken(SOURCE DEAD "sinks: [{plugin: alert, on_reject: drop, give_up_after: 5s}]\n");
    check_taken(SOURCE DEAD "events: {override: {login: {predict: true, predict_when: has(data.device), alert: info,"
                            " alert_when: severity == 'info'}}}\nsinks: [{plugin: alert}]\n");
}

static void test_conditions_that_are_wrong(void)
{
    check_refused(SOURCE DEAD "sinks:\n- plugin: alert\n  name: pager\n  when: data.amont > 5\n",
                  "FILE:6:9: pager: when: no loaded event type has a field 'amont' (did you mean 'amount'?), "
                  "at 'data.amont > 5'\n");
    check_refused(
        SOURCE DEAD "sinks:\n- plugin: alert\n  when: !has(data.amount)\n",
        "FILE:5:9: YAML tags are not supported ('!has(data.amount)'); a text that begins with '!' wants quotes\n");
    check_refused(SOURCE DEAD "sinks: [{plugin: alert, when: }]\n",
                  "FILE:3:31: alert: when: an expression belongs here, in quotes if it begins with '!'\n");
    check_refused(SOURCE DEAD "sinks: [{plugin: alert, when: [a]}]\n", "FILE:3:31: alert: when: a text belongs here\n");
    check_refused(SOURCE DEAD "sinks: [{plugin: file, path: /x, when: severity == 'info'}]\n",
                  "FILE:3:40: file: when: only alerts have a severity, at 'severity == 'info''\n");
    check_refused(SOURCE DEAD SINK "processors: [{plugin: filter, when: 5}]\n",
                  "FILE:4:37: filter: when: the whole must be true or false; it is a number, at '5'\n");
    CU_ASSERT_EQUAL(setenv("ROUTING_TEST", "sesame", 1), 0);
    check_refused(SOURCE DEAD "sinks:\n- plugin: alert\n  when: customer_id == ${ROUTING_TEST}\n",
                  "FILE:5:9: alert: when: with its variables replaced, this is no expression\n");
    check_taken(SOURCE DEAD "sinks:\n- plugin: alert\n  when: customer_id == '${ROUTING_TEST}'\n");
    check_refused(SOURCE DEAD STORE "events: {override: {login: {predict_when: 'true'}}}\n",
                  "FILE:4:43: events: override: login: predict_when: this type asks for no prediction; add "
                  "'predict: true'\n");
    check_refused(SOURCE DEAD STORE "events: {override: {refund_requested: {alert: none, alert_when: 'true'}}}\n",
                  "FILE:4:65: events: override: refund_requested: alert_when: this type raises no alert; add "
                  "'alert: info', 'warning' or 'critical'\n");
    check_refused(SOURCE DEAD STORE "events: {override: {order_placed: {predict_when: data.amount > 5}}}\n",
                  "FILE:4:50: events: override: order_placed: predict_when: order_placed has no field 'amount', "
                  "at 'data.amount > 5'\n");
    check_refused(SOURCE DEAD STORE "events: {override: {order_placed: {predict_when: [a]}}}\n",
                  "FILE:4:50: events: override: order_placed: predict_when: a text belongs here\n");
}

static void test_policies_that_are_wrong(void)
{
    char yaml[4096] = SOURCE DEAD "sinks:\n";
    check_refused(SOURCE STORE
                  "dead_letters: {plugin: file, path: /x, when: 'true', on_reject: drop, give_up_after: 1s}\n",
                  "FILE:3:46: file: when: not for dead letters: each of them must be kept\n"
                  "FILE:3:65: file: on_reject: not for dead letters: each of them must be kept\n"
                  "FILE:3:86: file: give_up_after: not for dead letters: each of them must be kept\n");
    check_refused(SOURCE STORE DEAD "sinks: [{plugin: file, path: /x, input: dead_letters, on_reject: stop}]\n",
                  "FILE:4:66: file: on_reject: not for dead letters: each of them must be kept\n");
    check_refused_with(SOURCE DEAD "sinks: [{plugin: alert, on_reject: ignore}]\n",
                       "alert: on_reject: 'ignore' is not one of dead_letter, drop, stop");
    check_refused_with(SOURCE DEAD "sinks: [{plugin: alert, give_up_after: 5}]\n",
                       "alert: give_up_after: 5 is not a duration");
    for (unsigned i = 0; i < 31; i++) {
        (void)strcat(yaml, "- {plugin: alert}\n");
    }
    check_taken(yaml);
    (void)strcat(yaml, "- {plugin: alert}\n");
    check_refused(yaml, "FILE:4:1: sinks: at most 31 are possible\n");
}

static void test_types_to_load(void)
{
    load(SOURCE STORE DEAD "events: {types: [login, order_placed]}\n");
    CU_ASSERT(loaded && pipeline.catalog.type_count == 2 && rules_of("email_opened") == NULL);
    close_pipeline();
    load(SOURCE STORE DEAD "events: {types: 'login,login'}\n");
    CU_ASSERT(loaded && pipeline.catalog.type_count == 1);
    close_pipeline();
    check_refused_with(SOURCE STORE DEAD "events: {types: [logn]}\n",
                       "there is no event plugin 'logn' (did you mean 'login'?)");
    check_refused(SOURCE STORE DEAD "events: {types: [login], override: {email_opened: {predict: true}}}\n",
                  "FILE:4:37: events: override: no event type 'email_opened' is loaded\n");
    check_refused_with(SOURCE STORE DEAD "events: [login]\n", "FILE:4:9: events: options belong here");
}

static void test_plugins_check_their_options(void)
{
    check_refused("source: {plugin: file}\n" SINK, "FILE:1:9: file: option 'path' is required (File or named pipe with "
                                                   "one JSON event a line; `-` is standard input.)\n");
    check_refused_with("source: {plugin: generate, event: 1}\n" SINK,
                       "FILE:1:28: generate: unknown option 'event' (did you mean 'events'?)");
    check_refused_with("source: {plugin: generate, start_time: yesterday}\n" SINK, "FILE:1:40: generate: start_time: ");
    check_refused_with(SOURCE SINK DEAD "processors: [{plugin: filter, event_types: [logn]}]\n",
                       "FILE:4:44: filter: event_types: ");
    check_refused_with(SOURCE DEAD STORE "sinks: [{plugin: alert, to: [webhook]}]\n", "alert: ");
    check_refused_with(SOURCE "store: {plugin: lmdb}\n" DEAD, "FILE:2:8: lmdb: option 'path' is required");
    check_refused_with(SOURCE STORE "dead_letters: {plugin: file}\n", "FILE:3:15: file: option 'path' is required");
}

/* A store with a mistake is not also said to be missing. */
static void test_what_needs_a_store(void)
{
    const char *dedup = "processors: [{plugin: dedup}]\n";
    char yaml[512];
    (void)snprintf(yaml, sizeof yaml, SOURCE STORE DEAD "%s", dedup);
    check_taken(yaml);
    (void)snprintf(yaml, sizeof yaml, SOURCE SINK DEAD "%s", dedup);
    check_refused(yaml, "FILE:4:14: dedup: needs a store, and the pipeline has none: add a `store:` section to the "
                        "pipeline\n");
    (void)snprintf(yaml, sizeof yaml, SOURCE "store: {plugin: redis, prot: 1}\n" DEAD "%s", dedup);
    check_refused(yaml, "FILE:2:24: redis: unknown option 'prot' (did you mean 'port'?)\n");
}

static unsigned lines_of(const char *text)
{
    unsigned n = 0;
    for (; *text != '\0'; text++) {
        n += *text == '\n';
    }
    return n;
}

/* One mistake in each section: all are told, once. */
static void test_every_mistake_is_reported(void)
{
    static const char *const parts[] = {
        "FILE:1:10: pipeline: workers: must be auto, or between 1 and 64\n",
        "FILE:2:1: pipeline: unknown option 'sorce' (did you mean 'source'?)\n",
        "FILE:3:14: log: level: must be ERROR, WARN, INFO or DEBUG\n",
        "FILE:4:19: generate: events: x is not a whole number\n",
        "FILE:5:19: events: unknown: 'drop' is not one of dead_letter, ignore\n",
        "FILE:5:36: events: override: no event type 'logn' is loaded (did you mean 'login'?)\n",
        "FILE:6:33: lmdb: map_size: 5 s is not a size",
        "FILE:7:23: sinks: there is no sink plugin 'nothing'",
        "FILE:8:11: file: option 'path' is required",
        "FILE:9:34: alert: webhook_timeout: 5 is not a duration",
        "FILE:10:28: filter: unknown option 'form' (did you mean 'from'?)\n",
        "FILE:11:47: file: format: 'xml' is not one of ",
    };
    load("workers: 0\n"
         "sorce: x\n"
         "log: {level: LOUD}\n"
         "source: {events: x, plugin: generate}\n"
         "events: {unknown: drop, override: {logn: {}}}\n"
         "store: {plugin: lmdb, map_size: 5 s, path: /x}\n"
         "sinks: [    {plugin:  nothing},\n"
         "          {plugin: file},\n"
         "  {plugin: alert, webhook_timeout: 5}]\n"
         "processors: [{plugin: filter, form: x}]\n"
         "dead_letters: {plugin: file, path: /x, format: xml}\n");
    CU_ASSERT(!loaded);
    for (size_t i = 0; i < COUNT(parts); i++) {
        const char *line = strchr(parts[i], ' ') + 1; /* places are checked elsewhere */
        check_contains(said, line, "all mistakes");
    }
    check(lines_of(said) == COUNT(parts), "%u lines: %s", lines_of(said), said);
    close_pipeline();
}

static void test_a_store_is_checked_beside_other_mistakes(void)
{
    load("source: {plugin: generate, start_time: yesterday}\nstore: {plugin: redis, port: 6379, cluster_mode: "
         "x}\n" DEAD);
    CU_ASSERT(!loaded);
    check_contains(said, "generate: start_time", "source");
    check_contains(said, "redis: unknown option 'cluster_mode'", "store");
    close_pipeline();
    load("source: {plugin: generate, start_time: yesterday}\nstore: {plugin: redis, username: somebody}\n" DEAD);
    check_contains(said, "generate: start_time", "source");
    check_contains(said, "redis: username: needs a `password`", "what the store says itself");
    close_pipeline();
}

static void test_files_that_are_no_pipelines(void)
{
    check_refused("", "FILE: a pipeline is a map of sections (source, store, sinks …); see churnd-pipeline(5)\n");
    check_refused_with("source: [\n", "YAML: ");
    check_refused_with("source: {plugin: generate}\nsource: {plugin: file}\n", "'source' was given before");
}

/* Without sinks, with another prefix; refuses when `ctx` is not NULL. */
static bool profiles_only(struct pipeline *edited, void *ctx)
{
    edited->profiles_only = true;
    if (ctx != NULL) {
        config_error(&edited->config, NULL, "%s", (const char *)ctx);
    }
    return ctx == NULL && config_set(&edited->config, "store", "key_prefix", "other:");
}

static void test_changes_before_the_checks(void)
{
    load_edited(SOURCE "store: {plugin: lmdb, path: /x, key_prefix: [bad]}\n", profiles_only, NULL);
    CU_ASSERT(loaded && pipeline.sink_count == 0 && pipeline.outputs == 0 && pipeline.decodes);
    check_text(pipeline.store_settings.key_prefix, "other:", "prefix");
    close_pipeline();
    load_edited(SOURCE STORE DEAD "sinks: [{plugin: alert}, {plugin: nothing}]\n", profiles_only, NULL);
    CU_ASSERT(loaded && pipeline.sink_count == 0 && !pipeline.has_dead_letters && pipeline.outputs == 0);
    close_pipeline();
    load_edited(SOURCE STORE "workers: none\n", profiles_only, (void *)(uintptr_t)"not like this");
    check_text(said, "FILE: not like this\n", "refused by the change");
    close_pipeline();
}

static void test_one_cluster_under_several_names(void)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {{"h:1", "h:1", true},
                 {"h:1", "h:2", false},
                 {"h:1,i:1", "i:1, j:1", true},
                 {"h", "h:9092", true},
                 {"H.example:9092", "h.EXAMPLE", true},
                 {"localhost:7", "127.0.0.1:7", true},
                 {"localhost:7", "[::1]:7", true},
                 {"[::1]", "localhost", true},
                 {"[fe80::1]", "[fe80::1]:9092", true},
                 {"PLAINTEXT://h:1", "h:1", true},
                 {"h:1,SSL://i:2", "i:2", true},
                 {"localhost:7", "127.0.0.1:8", false},
                 {"127.0.0.10:7", "127.0.0.1:7", false}};
    char text[512];
    for (size_t i = 0; i < COUNT(cases); i++) {
        (void)snprintf(text, sizeof text,
                       "source: {plugin: kafka, topics: [a], group_id: g, brokers: '%s'}\n" STORE
                       "dead_letters: {plugin: kafka, topic: a, brokers: '%s'}\n",
                       cases[i].a, cases[i].b);
        load(text);
        check(loaded != cases[i].same, "%s and %s: %s", cases[i].a, cases[i].b, said);
        close_pipeline();
    }
}

#define ALERT(more) "{plugin: alert, to: kafka, brokers: 'h:1', topic: t" more "}"

static void test_what_sections_do_to_each_other(void)
{
    load("source: {plugin: kafka, topics: [a, b], group_id: g, brokers: 'h:1'}\n" STORE
         "sinks: [{plugin: prediction_local}]\n"
         "dead_letters: {plugin: kafka, topic: b, brokers: 'h:2'}\n"); /* another Kafka */
    check(loaded && *said == '\0', "%s", said);
    CU_ASSERT_EQUAL(pipeline.targets.count, 7); /* two topics, a folder and its two files, keys, a topic */
    close_pipeline();
    check_refused(
        "source: {plugin: kafka, topics: [a, b], group_id: g}\n" STORE "dead_letters: {plugin: kafka, topic: b}\n",
        "FILE:3:38: kafka: the topic 'b' is what the source reads (line 1), so the pipeline would feed itself; "
        "write to another one\n");
    check_refused(SOURCE DEAD "sinks: [{plugin: file, path: /x}, {plugin: file, path: /x}]\n",
                  "FILE:3:56: file-2: '/x' is written by the sink in line 3 too; give each a file of its own\n");
    check_refused(
        SOURCE DEAD "sinks: [{plugin: file, path: /x}, {plugin: file, path: /tmp/../x}]\n",
        "FILE:3:56: file-2: '/tmp/../x' is written by the sink in line 3 too, there as '/x'; give each a file "
        "of its own\n");
    check_refused_with("source: {plugin: file, path: ./x}\n" STORE "dead_letters: {plugin: file, path: x}\n",
                       "file: the file 'x' is what the source reads (line 1, there as './x'), so");
    check_taken(SOURCE "sinks: [{plugin: file, path: '-'}, {plugin: file, path: '-'}]\n");
    check_refused(
        SOURCE DEAD "sinks: [" ALERT("") ", " ALERT("") "]\n",
        "FILE:3:113: alert-2: the topic 't' is given the same records by the sink in line 3; leave one out, or tell "
        "them apart by `when`\n");
    check_taken(SOURCE DEAD "sinks: [" ALERT(", when: 'data.amount > 5'") ", " ALERT("") "]\n");
    check_taken(SOURCE DEAD "sinks: [{plugin: kafka, brokers: 'h:1', topic: t, input: alerts}, " ALERT("") "]\n");
    check_taken(SOURCE "sinks: [{plugin: file, path: '/dev/stdout'}, {plugin: file, path: '-'}]\n");
}

#define CACHE(prefix) "{plugin: prediction_local, cache_prefix: '" prefix "'}"
#define QUEUE "{plugin: prediction, url: 'http://h', brokers: '', cache_prefix: 'x:'}"

/* A customer may be called like the rest of any key. */
static void test_keys_that_can_meet(void)
{
    static const char *const own[] = {"churnd:", "churnd:checkpoint:", "churnd", "c"};
    static const struct {
        const char *prefix, *sinks, *said;
    } refused[] = {
        {"prediction:a", CACHE("prediction:"), "those of profiles ('prediction:a', the store's key_prefix)"},
        {"p", CACHE("prediction:"), "those of profiles ('p'"},
        {"profile:", CACHE("profile:"), "those of profiles"},
        {"profile:", CACHE(""), "keys without a prefix could be the engine's own"},
        {"profile:", CACHE("churnd:x"), "the engine's own ('churnd:')"},
        {"profile:", CACHE("chu"), "the engine's own"},
        {"profile:", CACHE("a:") ", " CACHE("a:b:"), "those of the prediction_local in line 3 ('a:')"},
        {"profile:", CACHE("a:b:") ", " CACHE("a:"), "those of the prediction_local in line 3 ('a:b:')"},
        {"prediction-", QUEUE, "keys that begin with 'prediction-request:' could be those of profiles"},
        {"prediction-f", QUEUE, "keys that begin with 'prediction-failed:' could be those of profiles"},
        {"profile:", QUEUE ", " CACHE("prediction-request:"), "those of the prediction in line 3"},
        {"profile:", QUEUE ", " QUEUE, "those of the prediction in line 3 ('prediction-request:')"},
    };
    char yaml[1024];
    check_refused_with(SOURCE DEAD "store: {plugin: lmdb, path: /x, key_prefix: ''}\n",
                       "store: key_prefix: keys without a prefix could be the engine's own ('churnd:'); choose one");
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        (void)snprintf(yaml, sizeof yaml, SOURCE DEAD "store: {plugin: lmdb, path: /x, key_prefix: '%s'}\n", own[i]);
        check_refused_with(yaml, "could be the engine's own ('churnd:'); neither may begin with the other");
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        (void)snprintf(yaml, sizeof yaml,
                       SOURCE DEAD "sinks: [%s]\nstore: {plugin: lmdb, path: /x, key_prefix: '%s'}\n", refused[i].sinks,
                       refused[i].prefix);
        check_refused_with(yaml, refused[i].said);
    }
    check_taken(SOURCE DEAD STORE "sinks: [" CACHE("a:") ", " CACHE("a:") ", " CACHE("b:") "]\n");
}

/* A word of which little is left is another word. */
static void test_what_was_meant(void)
{
    static const char *const options[][2] = {
        {"prot", "'prot' (did you mean 'port'?)"},
        {"hots", "'hots' (did you mean 'host'?)"},
        {"tt", "(did you mean 'ttl'?)"},
        {"udp", "'udp'\n"},
        {"ssl", "'ssl'\n"},
        {"x", "'x'\n"},
        {"prefix", "'prefix' (did you mean 'key_prefix'?)"},
        {"window", "'window' (did you mean 'window_"},
        {"key_", "'key_'\n"},
        {"ey_prefix_", "'ey_prefix_' (did you mean 'key_prefix'?)"},
    };
    char yaml[256];
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        (void)snprintf(yaml, sizeof yaml, SOURCE DEAD "store: {plugin: redis, %s: 1}\n", options[i][0]);
        check_refused_with(yaml, options[i][1]);
    }
}

static void test_a_mistake_hides_no_other(void)
{
    check_refused("source:\n  plugin: kafka\n  brokers: ${NOT_SET_ANYWHERE}\n  group_id: g\n  topics: [a, 'b c']\n"
                  "  properties: {no.such: 1, acks: x, fetch.wait.max.ms: soon}\n" SINK,
                  "FILE:3:12: environment variable NOT_SET_ANYWHERE is not set (set it, or give a default: "
                  "${NOT_SET_ANYWHERE:-default})\n"
                  "FILE:5:15: kafka: topics: `b c` is not a topic's name: up to 249 of a-z, A-Z, 0-9, `.`, `_`, `-`\n");
    check_refused(
        "source:\n  plugin: kafka\n  buffer: x\n  group_id: g\n  topics: [a]\n"
        "  properties: {no.such: 1, group.id: x, fetch.wait.max.ms: soon}\n" SINK,
        "FILE:3:11: kafka: buffer: x is not a size; write bytes, or a number with KiB, MiB or GiB, such as "
        "64MiB\n"
        "FILE:6:16: kafka: properties: librdkafka has no property `no.such`\n"
        "FILE:6:28: kafka: properties: `group.id` cannot be set here: use `group_id`\n"
        "FILE:6:41: kafka: properties: librdkafka refuses `fetch.wait.max.ms`: Invalid value for configuration "
        "property \"fetch.wait.max.ms\"\n");
    load("events: {types: [loginn, login, odrer_placed], override: {login: {alert: x}}}\n" SOURCE STORE DEAD);
    CU_ASSERT(!loaded && pipeline.config.error_count == 3 && pipeline.catalog.type_count == 1);
    check_contains(said, "FILE:1:18: events: types: there is no event plugin 'loginn' (did you mean 'login'?)",
                   "types");
    check_contains(said, "FILE:1:33: events: types: there is no event plugin 'odrer_placed'", "types");
    close_pipeline();
}

/* In places where no secret belongs: what speaks of them, the host or a plugin, does not know where they come from. */
static void test_no_message_shows_a_secret(void)
{
    static const char *const yaml[] = {
        "source: {plugin: 'gen${UNIT_PASSWORD}'}\n" SINK,
        SOURCE "sinks: [{plugin: 'file${UNIT_PASSWORD}'}]\n",
        SOURCE SINK "health: {listen: '${UNIT_PASSWORD}'}\n",
        SOURCE SINK "plugin_path: ['/nonexistent/${UNIT_PASSWORD}']\n",
        SOURCE SINK "events: {types: ['login${UNIT_PASSWORD}']}\n",
        SOURCE SINK "events: {override: {'login${UNIT_PASSWORD}': {alert: info}}}\n",
        SOURCE SINK "'${UNIT_PASSWORD}': 1\n'${UNIT_PASSWORD}': 1\n",
        SOURCE "sinks: [{plugin: kafka, brokers: 'b:${UNIT_PASSWORD}', topic: t}]\n",
        SOURCE "sinks: [{plugin: kafka, brokers: 'b:1', topic: t, properties: {'${UNIT_PASSWORD}': 1}}]\n",
        "source: {plugin: kafka, brokers: 'b:1', group_id: g, topics: ['a ${UNIT_PASSWORD}']}\n" SINK,
        SOURCE "sinks: [{plugin: file, path: '/x/${UNIT_PASSWORD}'}, {plugin: file, path: '/x/${UNIT_PASSWORD}'}]\n",
        SOURCE "sinks: [{plugin: alert, when: 'size(event_id) > ${UNIT_PASSWORD}'}]\n" DEAD,
    };
    if (setenv("UNIT_PASSWORD", "hunter2", 1) != 0) {
        abort();
    }
    for (size_t i = 0; i < COUNT(yaml); i++) {
        load(yaml[i]);
        check(!loaded && strstr(said, "hunter2") == NULL, "%s: said: %s", yaml[i], said);
        close_pipeline();
    }
    check_refused_with(yaml[2], "listen: '${UNIT_PASSWORD}' is not a numeric address");
    check_refused_with(yaml[7], "`b:${UNIT_PASSWORD}` has no port");
    (void)unsetenv("UNIT_PASSWORD");
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_whole_pipelines),
        TEST(test_settings),
        TEST(test_settings_that_are_wrong),
        TEST(test_sections_that_are_missing),
        TEST(test_plugins_that_are_not_named),
        TEST(test_fields_of_profiles_are_told),
        TEST(test_inputs_of_sinks),
        TEST(test_a_source_for_one_worker),
        TEST(test_overrides),
        TEST(test_overrides_that_are_wrong),
        TEST(test_names),
        TEST(test_conditions_on_profiles),
        TEST(test_conditions),
        TEST(test_conditions_that_are_wrong),
        TEST(test_policies_that_are_wrong),
        TEST(test_types_to_load),
        TEST(test_plugins_check_their_options),
        TEST(test_what_needs_a_store),
        TEST(test_every_mistake_is_reported),
        TEST(test_a_store_is_checked_beside_other_mistakes),
        TEST(test_files_that_are_no_pipelines),
        TEST(test_changes_before_the_checks),
        TEST(test_what_sections_do_to_each_other),
        TEST(test_one_cluster_under_several_names),
        TEST(test_keys_that_can_meet),
        TEST(test_what_was_meant),
        TEST(test_a_mistake_hides_no_other),
        TEST(test_no_message_shows_a_secret),
        CU_TEST_INFO_NULL,
    };
    const char *dir = getenv("TEST_PLUGIN_DIR");
    int status;
    no_log = log_new(STDERR_FILENO, CHURN_LOG_ERROR, LOG_FORMAT_TEXT);
    if (no_log == NULL || setenv("CHURN_PLUGIN_PATH", dir != NULL ? dir : "plugins", 1) != 0) {
        return 1;
    }
    status = run_tests("pipeline", tests);
    free(said);
    log_free(no_log);
    return status;
}
