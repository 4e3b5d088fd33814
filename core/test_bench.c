#include "test_bench.h"

#include "host.h"
#include "test_plugins.h"
#include "worker.h"
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define STORE_SIZE "256MiB" /* address space */
#define LOOK_US 50          /* between looks at the worker */
#define LIMIT_MS 10000      /* that a test may take */
#define STOP_MS 1000        /* that the engine gets to finish once it is told to stop */
#define GRACE_MS 4000       /* after that a plugin hangs */

/* ---- the pipeline on the bench ---- */

static bool put_text(struct node *map, const char *key, const char *text)
{
    return config_put(map, key, config_scalar(map, text));
}

static bool replace_store(struct test_bench *bench)
{
    struct pipeline *pipeline = bench->pipeline;
    char message[2048];
    if (pipeline->store.loaded == NULL) {
        return true;
    }
    instance_free(pipeline->store_instance);
    pipeline->store_instance = NULL;
    pipeline->store.loaded = loader_get(pipeline->loader, CHURN_KIND_STORE, "lmdb", message, sizeof message);
    if (pipeline->store.loaded == NULL) {
        (void)fprintf(stderr, "churnd: test: profiles are kept in the embedded store meanwhile: %s\n", message);
        return false;
    }
    pipeline->store.node = &bench->store;
    return put_text(&bench->store, "sync", "false") && put_text(&bench->store, "map_size", STORE_SIZE);
}

bool test_bench_init(struct test_bench *bench, struct pipeline *pipeline, int32_t log_level)
{
    *bench = (struct test_bench){.pipeline = pipeline,
                                 .nothing = config_map(&pipeline->config.root),
                                 .store = config_map(&pipeline->config.root),
                                 .log_level = log_level};
    pipeline->bench = bench;
    pipeline->until_end = true;
    pipeline->settings.workers = 1;
    pipeline->settings.shutdown_timeout_ms = STOP_MS;
    pipeline->source.loaded = &test_source;
    pipeline->source.node = &bench->nothing;
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        pipeline->sinks[i].loaded = &test_sink;
        pipeline->sinks[i].node = &bench->nothing;
    }
    return replace_store(bench);
}

void test_bench_free(struct test_bench *bench)
{
    config_free_node(&bench->store);
    free(bench->records);
}

/* ---- the store of one test ---- */

static const churn_store_ops *store_of(const struct test_bench *bench)
{
    return store_ops(&bench->pipeline->store);
}

static bool report_store(const char *what)
{
    (void)fprintf(stderr, "churnd: test: the store of the tests: %s\n", what);
    return false;
}

/* In memory where that is to be had. */
static const char *folder_for_stores(void)
{
    const char *folder = getenv("TMPDIR");
    if (folder != NULL && *folder != '\0') {
        return folder;
    }
    return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

/* The files go as soon as they are open: whatever ends the process, nothing is left behind. */
static void remove_files(const char *folder)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[PATH_MAX + 16];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static bool open_store(struct test_bench *bench)
{
    struct pipeline *pipeline = bench->pipeline;
    char folder[PATH_MAX];
    churn_error err = {.size = sizeof err, .message = "out of memory"};
    int32_t result = CHURN_FATAL;
    if (pipeline->store.loaded == NULL) {
        return true;
    }
    (void)snprintf(folder, sizeof folder, "%s/churnd-test-XXXXXX", folder_for_stores());
    if (mkdtemp(folder) == NULL) {
        (void)fprintf(stderr, "churnd: test: no folder can be made in %s: %s (set TMPDIR)\n", folder_for_stores(),
                      strerror(errno));
        return false;
    }
    if (put_text(&bench->store, "path", folder)) {
        pipeline->store_instance = instance_new(pipeline, &pipeline->store, 0);
    }
    if (pipeline->store_instance != NULL) {
        result = store_of(bench)->open(pipeline->store_instance->self, &bench->session, &err);
    }
    remove_files(folder);
    return result == CHURN_OK || report_store(err.message);
}

static void close_store(struct test_bench *bench)
{
    if (bench->session != NULL) {
        store_of(bench)->close(bench->session);
        bench->session = NULL;
    }
    instance_free(bench->pipeline->store_instance);
    bench->pipeline->store_instance = NULL;
}

static bool put_profile(struct test_bench *bench, const struct node *customer, const struct node *fields,
                        churn_error *err)
{
    char key[HOST_KEY_SIZE];
    churn_pair pairs[REGISTRY_MAX_FIELDS + 1];
    churn_str id = {.ptr = customer->text, .len = (uint32_t)strlen(customer->text)};
    churn_put put = {.size = sizeof put, .fields = pairs};
    churn_put_reply reply;
    uint32_t count;
    for (; put.count < fields->count && put.count < REGISTRY_MAX_FIELDS; put.count++) {
        const char *name = fields->keys[put.count].text, *value = fields->items[put.count].text;
        pairs[put.count] = (churn_pair){.name = {.ptr = name, .len = (uint32_t)strlen(name)},
                                        .value = {.ptr = value, .len = (uint32_t)strlen(value)}};
    }
    put.key = (churn_str){.ptr = key, .len = host_profile_key(bench->pipeline, id, key)};
    return store_of(bench)->put(bench->session, &put, err) == CHURN_OK &&
           store_of(bench)->poll(bench->session, &reply, 1, 0, &count, err) == CHURN_OK && count == 1 &&
           reply.result == CHURN_OK;
}

static bool put_profiles(struct test_bench *bench, const struct node *profiles)
{
    for (unsigned i = 0; profiles != NULL && i < profiles->count; i++) {
        churn_error err = {.size = sizeof err, .message = "a profile cannot be written"};
        if (!put_profile(bench, &profiles->keys[i], &profiles->items[i], &err)) {
            return report_store(err.message);
        }
    }
    return true;
}

/* ---- what happened ---- */

/* Takes `value`; false when memory ran out. */
static bool add_member(struct json_object *object, const char *name, struct json_object *value)
{
    if (value == NULL || json_object_object_add(object, name, value) != 0) {
        json_object_put(value);
        return false;
    }
    return true;
}

struct profile_reader {
    struct json_object *profiles;
    size_t prefix_len;
};

static int32_t take_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct profile_reader *reader = ctx;
    struct json_object *profile;
    char name[HOST_KEY_SIZE];
    bool ok = true;
    if (key.len > strlen(PIPELINE_OWN_KEYS) && memcmp(key.ptr, PIPELINE_OWN_KEYS, strlen(PIPELINE_OWN_KEYS)) == 0) {
        return CHURN_OK; /* the engine's own, where profiles have no prefix */
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(key.len - reader->prefix_len), key.ptr + reader->prefix_len);
    profile = json_object_new_object();
    for (uint32_t i = 0; profile != NULL && i < count; i++) {
        char field[256];
        (void)snprintf(field, sizeof field, "%.*s", (int)fields[i].name.len, fields[i].name.ptr);
        ok = ok &&
             (field[0] == '_' ||
              add_member(profile, field, json_object_new_string_len(fields[i].value.ptr, (int)fields[i].value.len)));
    }
    return add_member(reader->profiles, name, profile) && ok ? CHURN_OK : CHURN_FATAL;
}

static struct json_object *show_profiles(struct test_bench *bench)
{
    const char *prefix = bench->pipeline->store_settings.key_prefix;
    struct profile_reader reader = {.profiles = json_object_new_object(), .prefix_len = strlen(prefix)};
    churn_error err = {.size = sizeof err};
    if (reader.profiles != NULL && bench->session != NULL &&
        store_of(bench)->scan(bench->session, (churn_str){.ptr = prefix, .len = (uint32_t)reader.prefix_len},
                              (churn_str){0}, UINT32_MAX, take_profile, &reader, &err) != CHURN_OK) {
        json_object_put(reader.profiles);
        return NULL;
    }
    return reader.profiles;
}

static int by_id(const void *a, const void *b)
{
    const struct test_record *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

#define ANY_SINK UINT32_MAX

/* The records of one kind, each once, or of one sink. */
static struct json_object *show_records(const struct test_bench *bench, uint32_t kind, unsigned sink)
{
    struct json_object *list = json_object_new_array();
    uint64_t last = 0;
    for (uint32_t i = 0; list != NULL && i < bench->record_count; i++) {
        const struct test_record *record = &bench->records[i];
        bool wanted = sink == ANY_SINK
                          ? record->kind == kind && (json_object_array_length(list) == 0 || record->id != last)
                          : record->sink == sink;
        if (!wanted) {
            continue;
        }
        last = record->id;
        if (json_object_array_add(list, json_object_get(record->shown)) != 0) {
            json_object_put(record->shown);
            json_object_put(list);
            return NULL;
        }
    }
    return list;
}

/* Under the names that the test calls them by. */
static struct json_object *show_sinks(const struct test_bench *bench, const struct node *named)
{
    struct json_object *sinks = json_object_new_object();
    bool ok = sinks != NULL;
    for (unsigned i = 0; ok && named != NULL && i < named->count; i++) {
        unsigned sink = (unsigned)test_sink_find(bench->pipeline, named->keys[i].text);
        ok = add_member(sinks, named->keys[i].text, show_records(bench, 0, sink));
    }
    if (!ok) {
        json_object_put(sinks);
        return NULL;
    }
    return sinks;
}

static struct json_object *show_all(struct test_bench *bench, const struct test_case *test)
{
    struct json_object *all = json_object_new_object();
    if (bench->record_count > 0) {
        qsort(bench->records, bench->record_count, sizeof *bench->records, by_id);
    }
    if (all != NULL && add_member(all, "profiles", show_profiles(bench)) &&
        add_member(all, "alerts", show_records(bench, CHURN_RECORD_ALERT, ANY_SINK)) &&
        add_member(all, "triggers", show_records(bench, CHURN_RECORD_TRIGGER, ANY_SINK)) &&
        add_member(all, "dead_letters", show_records(bench, CHURN_RECORD_DEAD_LETTER, ANY_SINK)) &&
        add_member(all, "sinks", show_sinks(bench, config_get(test->expect, "sinks")))) {
        return all;
    }
    json_object_put(all);
    return NULL;
}

static void forget_records(struct test_bench *bench)
{
    for (uint32_t i = 0; i < bench->record_count; i++) {
        json_object_put(bench->records[i].shown);
    }
    bench->record_count = 0;
}

/* ---- the run ---- */

/* Waits until the worker has ended, at most until the deadline. */
static bool wait_for_end(const struct worker *worker, int64_t deadline_ms)
{
    static const struct timespec look = {.tv_nsec = LOOK_US * 1000L};
    for (;;) {
        enum worker_state state = worker_state(worker);
        if (state == WORKER_FINISHED || state == WORKER_FAILED) {
            return true;
        }
        if (host_monotonic_ms() >= deadline_ms) {
            return false;
        }
        (void)nanosleep(&look, NULL);
    }
}

/* False when the worker could not even be started. */
static bool run_worker(struct test_bench *bench, enum test_end *ret_end)
{
    struct pipeline *pipeline = bench->pipeline;
    struct worker *worker = worker_new(pipeline, 0);
    if (worker == NULL) {
        return false;
    }
    worker_order(worker, WORKER_FINISH_AT_END);
    if (!worker_start(worker)) {
        worker_free(worker);
        return false;
    }
    *ret_end = TEST_ENDED;
    if (!wait_for_end(worker, host_monotonic_ms() + LIMIT_MS)) {
        log_printf(pipeline->log, CHURN_LOG_ERROR, "test", "it takes more than %d seconds: stopped", LIMIT_MS / 1000);
        worker_order(worker, WORKER_STOP);
        *ret_end = wait_for_end(worker, host_monotonic_ms() + STOP_MS + GRACE_MS) ? TEST_STOPPED : TEST_HUNG;
    }
    if (*ret_end == TEST_HUNG) {
        log_line(pipeline->log, CHURN_LOG_ERROR, "test", "a plugin does not return; no further test can be run");
        return true; /* its thread still uses everything */
    }
    *ret_end = worker_state(worker) == WORKER_FAILED ? TEST_STOPPED : *ret_end;
    worker_free(worker);
    return true;
}

static bool run_with_store(struct test_bench *bench, const struct test_case *test, struct test_outcome *outcome)
{
    struct pipeline *pipeline = bench->pipeline;
    pipeline->metrics = metrics_new();
    pipeline->journal = journal_new(pipeline->log, 1, (unsigned)pipeline->settings.crash_limit);
    if (pipeline->metrics == NULL || pipeline->journal == NULL) {
        return report_store("out of memory");
    }
    if (!open_store(bench) || !put_profiles(bench, test->profiles) || !run_worker(bench, &outcome->end)) {
        return false;
    }
    if (outcome->end == TEST_ENDED) {
        outcome->actual = show_all(bench, test);
        return outcome->actual != NULL || report_store("out of memory");
    }
    return true;
}

static double now_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *read_log(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    ssize_t len = text != NULL ? pread(fd, text, (size_t)size, 0) : -1;
    if (text != NULL) {
        text[len > 0 ? len : 0] = '\0';
    }
    return text;
}

bool test_bench_run(struct test_bench *bench, const struct test_case *test, struct test_outcome *outcome)
{
    struct pipeline *pipeline = bench->pipeline;
    struct log *own_log = pipeline->log;
    struct metrics *own_metrics = pipeline->metrics;
    int fd = memfd_create("churnd-test-log", MFD_CLOEXEC);
    double began = now_seconds();
    bool ok;
    *outcome = (struct test_outcome){0};
    pipeline->log = log_new(fd, bench->log_level, LOG_FORMAT_TEXT);
    if (fd < 0 || pipeline->log == NULL) {
        (void)fputs("churnd: test: out of memory\n", stderr);
        pipeline->log = own_log;
        return false;
    }
    bench->test = test;
    pipeline->now_ms = test->now_ms;
    ok = run_with_store(bench, test, outcome);
    outcome->seconds = now_seconds() - began;
    if (ok && outcome->end == TEST_HUNG) {
        outcome->log = read_log(fd);
        return true;
    }
    close_store(bench);
    forget_records(bench);
    journal_close(pipeline->journal, true);
    pipeline->journal = NULL;
    metrics_free(pipeline->metrics);
    pipeline->metrics = own_metrics;
    log_free(pipeline->log);
    pipeline->log = own_log;
    outcome->log = read_log(fd);
    (void)close(fd);
    return ok;
}

void test_outcome_free(struct test_outcome *outcome)
{
    json_object_put(outcome->actual);
    free(outcome->log);
    *outcome = (struct test_outcome){0};
}
