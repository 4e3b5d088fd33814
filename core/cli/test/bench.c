#include "cli/test/bench.h"

#include "base/json_parse.h"
#include "base/printable.h"
#include "cli/test/predicting.h"
#include "cli/test/sinks.h"
#include "engine/generation.h"
#include "engine/worker.h"
#include "pipeline/instance.h"
#include "profile/store_keys.h"
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RESULT_DEPTH 2048   /* deeper than any event may be */
#define STORE_SIZE "256MiB" /* address space */
#define LOOK_US 50          /* between looks at a test */
#define LIMIT_MS 10000      /* that a test may take */

/* ---- the pipeline on the bench ---- */

static bool out_of_memory(void)
{
    (void)fputs("churnd: test: out of memory\n", stderr);
    return false;
}

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
        printable_line(stderr, "churnd: test: profiles are kept in the embedded store meanwhile: %s", message);
        return false;
    }
    pipeline->store.node = &bench->store;
    return put_text(&bench->store, "sync", "false") && put_text(&bench->store, "map_size", STORE_SIZE);
}

bool test_bench_init(struct test_bench *bench, struct pipeline *pipeline, const struct test_plugins *plugins,
                     int32_t log_level)
{
    *bench = (struct test_bench){.pipeline = pipeline,
                                 .nothing = config_map(&pipeline->config.root),
                                 .store = config_map(&pipeline->config.root),
                                 .sinks = calloc(pipeline->sink_count + 1u, sizeof *bench->sinks),
                                 .log_level = log_level};
    if (bench->sinks == NULL) {
        return out_of_memory();
    }
    pipeline->bench = bench;
    pipeline->until_end = true;
    pipeline->settings.workers = 1;
    pipeline->source.loaded = plugins->source;
    pipeline->source.node = &bench->nothing;
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        bench->sinks[i] = pipeline->sinks[i];
        pipeline->sinks[i].loaded = plugins->sink;
        pipeline->sinks[i].node = &bench->nothing;
    }
    return replace_store(bench);
}

void test_bench_free(struct test_bench *bench)
{
    config_free_node(&bench->store);
    free(bench->sinks);
    free(bench->records);
}

/* ---- the store of one test ---- */

static const churn_store_ops *store_of(const struct test_bench *bench)
{
    return store_ops(&bench->pipeline->store);
}

static bool report_store(const char *what)
{
    printable_line(stderr, "churnd: test: the store of the tests: %s", what);
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

/* For the store, where the pipeline has one. */
static bool make_folder(struct test_bench *bench)
{
    bench->folder[0] = '\0';
    if (bench->pipeline->store.loaded == NULL) {
        return true;
    }
    (void)snprintf(bench->folder, sizeof bench->folder, "%s/churnd-test-XXXXXX", folder_for_stores());
    if (mkdtemp(bench->folder) == NULL) {
        printable_line(stderr, "churnd: test: no folder can be made in %s: %s (set TMPDIR)", folder_for_stores(),
                       strerror(errno));
        return false;
    }
    return true;
}

static void remove_folder(const struct test_bench *bench)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[PATH_MAX + 16];
    if (bench->folder[0] == '\0') {
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", bench->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(bench->folder);
}

static bool open_store(struct test_bench *bench)
{
    struct pipeline *pipeline = bench->pipeline;
    churn_error err = {.size = sizeof err, .message = "out of memory"};
    int32_t result = CHURN_FATAL;
    if (pipeline->store.loaded == NULL) {
        return true;
    }
    if (put_text(&bench->store, "path", bench->folder)) {
        pipeline->store_instance = instance_new(pipeline, &pipeline->store, 0);
    }
    if (pipeline->store_instance != NULL) {
        result = store_of(bench)->open(pipeline->store_instance->self, &bench->session, &err);
    }
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
    char key[STORE_KEY_SIZE];
    churn_pair pairs[REGISTRY_MAX_FIELDS + 1];
    churn_str id = churn_text(customer->text);
    churn_put put = {.size = sizeof put, .fields = pairs};
    churn_put_reply reply;
    uint32_t count;
    for (; put.count < fields->count && put.count < REGISTRY_MAX_FIELDS; put.count++) {
        const char *name = fields->keys[put.count].text, *value = fields->items[put.count].text;
        pairs[put.count] = (churn_pair){.name = churn_text(name), .value = churn_text(value)};
    }
    put.key = (churn_str){.ptr = key, .len = store_keys_profile(bench->pipeline->store_settings.key_prefix, id, key)};
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
    char name[STORE_KEY_SIZE];
    bool ok = true;
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

/* What sinks that predict made of it; a test without answers asks nobody. */
static bool add_predictions(struct json_object *all, struct predicting *predicting)
{
    return predicting == NULL ? add_member(all, "predictions", json_object_new_array())
                              : add_member(all, "predictions", predicting_predictions(predicting)) &&
                                    add_member(all, "answers", predicting_answers(predicting));
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
        add_predictions(all, bench->predicting) &&
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

/* ---- the run, in a process of its own ---- */

/* False when the engine gave up; the log says why. */
static bool run_worker(struct test_bench *bench)
{
    static const struct timespec look = {.tv_nsec = LOOK_US * 1000L};
    struct worker *worker = bench->worker = worker_new(bench->pipeline, 0);
    enum worker_state state = WORKER_FAILED;
    if (worker != NULL) {
        worker_order(worker, WORKER_FINISH_AT_END);
    }
    if (worker != NULL && worker_start(worker)) {
        while ((state = worker_state(worker)) != WORKER_FINISHED && state != WORKER_FAILED) {
            (void)nanosleep(&look, NULL);
        }
    }
    worker_free(worker);
    return state == WORKER_FINISHED;
}

static bool write_text(int fd, const char *text)
{
    size_t len = strlen(text);
    return write(fd, text, len) == (ssize_t)len; /* to a file in memory: at once, or there is no room */
}

static int64_t now_of_test(const churn_host *host)
{
    const struct instance *instance = host->ctx;
    return instance->pipeline->bench->test->now_ms;
}

static void adapt_host(churn_host *host)
{
    const struct test_bench *bench = ((const struct instance *)host->ctx)->pipeline->bench;
    if (bench->test->now_ms != 0) {
        host->now_ms = now_of_test;
    }
    if (bench->predicting != NULL) {
        predicting_adapt(bench->predicting, host);
    }
}

/* Exit statuses that no plugin is likely to have. */
enum { CHILD_ENDED = 0, CHILD_GAVE_UP = 101, CHILD_FAILED = 102 };

/* For a test that has answers. */
static bool begin_predicting(struct test_bench *bench)
{
    if (bench->test->answers.node != NULL) {
        bench->predicting = predicting_new(bench->pipeline, bench->sinks, bench->test);
        return bench->predicting != NULL;
    }
    return true;
}

/* Returns the exit status. */
static int run_child(struct test_bench *bench, const struct test_case *test, int out)
{
    struct pipeline *pipeline = bench->pipeline;
    struct json_object *all = NULL;
    int status = CHILD_FAILED;
    bench->test = test;
    pipeline->adapt_host = adapt_host;
    if (begin_predicting(bench) && open_store(bench) && put_profiles(bench, test->profiles)) {
        status = run_worker(bench) ? CHILD_ENDED : CHILD_GAVE_UP;
    }
    if (status == CHILD_ENDED) {
        all = show_all(bench, test);
        status = all != NULL && write_text(out, json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN))
                     ? CHILD_ENDED
                     : CHILD_FAILED;
    }
    json_object_put(all);
    close_store(bench);
    forget_records(bench);
    predicting_free(bench->predicting);
    return status;
}

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* What a test may take: more than one call of a plugin may would be too long anyway. */
static int64_t limit_ms(const struct pipeline *pipeline)
{
    int64_t plugin_ms = pipeline->settings.plugin_timeout_ms;
    return plugin_ms > 0 && plugin_ms < LIMIT_MS ? plugin_ms : LIMIT_MS;
}

/* Those that would end us, and leave the folder of the store behind. */
static sigset_t ending_signals(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    sigset_t signals;
    (void)sigemptyset(&signals);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action;
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
            (void)sigaddset(&signals, numbers[i]);
        }
    }
    return signals;
}

/* Whether one of these, which are blocked, has come. */
static bool has_come(const sigset_t *signals)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigandset(&pending, &pending, signals) == 0 && sigisemptyset(&pending) == 0;
}

/* Waits for the child, and ends it when it takes too long, which *ret_late tells, or somebody ends us. */
static int wait_for_child(pid_t child, int64_t limit, const sigset_t *ending, bool *ret_late)
{
    static const struct timespec look = {.tv_nsec = LOOK_US * 1000L};
    int64_t deadline = now_us() + limit * 1000;
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        *ret_late = *ret_late || now_us() >= deadline;
        if (*ret_late || has_come(ending)) {
            (void)kill(child, SIGKILL);
        }
        (void)nanosleep(&look, NULL);
    }
    return status;
}

static char *read_all(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    ssize_t len = text != NULL ? pread(fd, text, (size_t)size, 0) : -1;
    if (text != NULL) {
        text[len > 0 ? len : 0] = '\0';
    }
    return text;
}

/* Why a child left no result. */
static void say_failure(const struct pipeline *pipeline, int status, bool late, struct test_outcome *outcome)
{
    char held[256], what[128];
    bool in_plugin = journal_held(pipeline->journal, 0, held, sizeof held);
    if (late) {
        (void)snprintf(what, sizeof what, "it took more than %g seconds", (double)limit_ms(pipeline) / 1000);
    } else if (WIFSIGNALED(status)) {
        (void)snprintf(what, sizeof what, "the process crashed: %s", strsignal(WTERMSIG(status)));
    } else if (WEXITSTATUS(status) == CHILD_GAVE_UP) {
        (void)snprintf(what, sizeof what, "the engine gave up");
    } else {
        (void)snprintf(what, sizeof what, "the process was ended with exit status %d", WEXITSTATUS(status));
    }
    (void)snprintf(outcome->failure, sizeof outcome->failure, "%s%s%s", what, in_plugin ? " while " : "",
                   in_plugin ? held : "");
}

/* In a process of its own; *ret_status is how it ended. False when there is none. */
static bool fork_test(struct test_bench *bench, const struct test_case *test, int out, bool *ret_late, int *ret_status)
{
    sigset_t ending = ending_signals(), before;
    bool ok = false;
    pid_t child;
    (void)pthread_sigmask(SIG_BLOCK, &ending, &before);
    if (make_folder(bench)) {
        (void)fflush(NULL); /* or the child would write it too */
        child = fork();
        if (child == 0) {
            (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            _exit(run_child(bench, test, out));
        }
        ok = child > 0 || out_of_memory();
        if (ok) {
            *ret_status = wait_for_child(child, limit_ms(bench->pipeline), &ending, ret_late);
        }
        remove_folder(bench);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

/* With the log, the journal and the files in place. */
static bool run_test(struct test_bench *bench, const struct test_case *test, const int fds[2],
                     struct test_outcome *outcome)
{
    int64_t began = now_us();
    bool late = false, parsed = false;
    char *result;
    int status = 0;
    if (!fork_test(bench, test, fds[0], &late, &status)) {
        return false;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_FAILED) {
        return false; /* it said why */
    }
    result = read_all(fds[0]);
    outcome->log = read_all(fds[1]);
    outcome->seconds = (double)(now_us() - began) / 1e6;
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_ENDED && result != NULL) {
        outcome->actual = json_parse(result, strlen(result), RESULT_DEPTH, &parsed);
    }
    free(result);
    if (outcome->actual == NULL) {
        say_failure(bench->pipeline, status, late, outcome);
    }
    return true;
}

bool test_bench_run(struct test_bench *bench, const struct test_case *test, struct test_outcome *outcome)
{
    struct pipeline *pipeline = bench->pipeline;
    struct log *own_log = pipeline->log;
    int fds[2] = {memfd_create("churnd-test-result", MFD_CLOEXEC), memfd_create("churnd-test-log", MFD_CLOEXEC)};
    bool ok;
    *outcome = (struct test_outcome){0};
    pipeline->log = log_new(fds[1], bench->log_level, LOG_FORMAT_TEXT);
    pipeline->journal = pipeline->log != NULL ? journal_new(pipeline->log, 1, 1) : NULL;
    if (pipeline->journal != NULL) {
        generation_name_plugins(pipeline);
    }
    ok =
        fds[0] >= 0 && fds[1] >= 0 && pipeline->journal != NULL ? run_test(bench, test, fds, outcome) : out_of_memory();
    journal_close(pipeline->journal, true);
    pipeline->journal = NULL;
    log_free(pipeline->log);
    pipeline->log = own_log;
    (void)close(fds[0]);
    (void)close(fds[1]);
    return ok;
}

void test_outcome_free(struct test_outcome *outcome)
{
    json_object_put(outcome->actual);
    free(outcome->log);
    *outcome = (struct test_outcome){0};
}
