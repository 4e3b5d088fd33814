/* Where reading begins: what is waited for while store or source do not answer, what can never be, and what the log is
 * told of it. */
#include "core/engine/placing.h"
#include "core/engine/reach.h"
#include "core/engine/redrive_scope.h"
#include "core/engine/rounds.h"
#include "core/pipeline/host.h"

#include "log_fixture.h"
#include "no_leaks.h"
#include "worker_fixture.h"

/* ---- a store and a source that answer what a test says ---- */

static struct {
    int32_t checkpoint_result, letters_result, put_result, flush_result, write_result; /* of calls */
    int32_t bounds_result, offset_at_result;
    const char *letters;             /* what "below" holds; NULL: nothing is stored */
    const char *answered;            /* of the checkpoint; NULL: it has no such field */
    const char *only, *only_value;   /* the name of the checkpoint's only field; NULL: it has others */
    const char *owned, *owned_doubt; /* the checkpoint of the pipeline that is rebuilt; NULL: nothing is stored */
    int32_t owned_result;
    const char *name; /* of the partition whose letters are asked for; NULL: t/0 */
    int64_t found;    /* by offset_at */
    bool wordless;    /* refusals have no message */
} says;
static char put_names[128]; /* the fields of the newest put */
static churn_store_ops ops_of_store;
static churn_source_ops ops_of_source;

static int32_t get_owned(churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    churn_pair pairs[] = {pair_of("offset", says.owned), pair_of("doubted", says.owned_doubt)};
    note("get old; ");
    return says.owned_result != CHURN_OK ? churn_fail(err, says.owned_result, "no old one today")
                                         : fn(ctx, key, pairs, says.owned != NULL ? 2 : 0);
}

static int32_t get_answered(churn_str key, churn_fields_fn fn, void *ctx)
{
    uint32_t count;
    churn_pair *pairs = store_pairs(&count);
    pairs[count++] = pair_of("answered", says.answered);
    pairs[count++] = pair_of("_v", "7");
    note("get; ");
    return fn(ctx, key, pairs, count);
}

static int32_t get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    if (strcmp(key.ptr, "churnd:checkpoint:old:t/0") == 0) {
        return get_owned(key, fn, ctx, err);
    }
    if (says.answered != NULL && strcmp(key.ptr, "churnd:checkpoint:profile:t/0") == 0) {
        return get_answered(key, fn, ctx);
    }
    if (says.only != NULL && strcmp(key.ptr, "churnd:checkpoint:profile:t/0") == 0) {
        churn_pair only = pair_of(says.only, says.only_value);
        return fn(ctx, key, &only, 1);
    }
    if (strncmp(key.ptr, "churnd:letters:", strlen("churnd:letters:")) != 0) {
        return says.checkpoint_result == CHURN_OK
                   ? store_get(session, key, fn, ctx, err)
                   : churn_fail(err, says.checkpoint_result, "%s", says.wordless ? "" : "no checkpoint today");
    }
    if (says.letters_result != CHURN_OK) {
        return churn_fail(err, says.letters_result, "no letters today");
    }
    churn_pair pairs[] = {pair_of("below", says.letters != NULL ? says.letters : ""), pair_of("another", "7")};
    check_text(key.ptr + strlen("churnd:letters:"), says.name != NULL ? says.name : "profile:t/0", "the key");
    return fn(ctx, key, pairs, says.letters != NULL ? 2 : 0);
}

static int32_t put(void *session, const churn_put *given, churn_error *err)
{
    CU_ASSERT_NSTRING_EQUAL(given->key.ptr, "churnd:checkpoint:profile:t/0", given->key.len);
    CU_ASSERT(given->ttl_ms == 0 && given->size == sizeof *given);
    put_names[0] = '\0';
    for (uint32_t i = 0; i < given->count; i++) {
        size_t len = strlen(put_names);
        (void)snprintf(put_names + len, sizeof put_names - len, "%.*s ", (int)given->fields[i].name.len,
                       given->fields[i].name.ptr);
    }
    return says.put_result == CHURN_OK ? store_put(session, given, err)
                                       : churn_fail(err, says.put_result, "the put breaks it");
}

static int32_t flush_it(void *session, uint64_t id, churn_error *err)
{
    return says.flush_result == CHURN_OK ? store_flush(session, id, err)
                                         : churn_fail(err, says.flush_result, "the flush breaks it");
}

static int32_t write_it(void *session, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    (void)session;
    CU_ASSERT_EQUAL(count, 1);
    note("write %.*s", (int)hashes->key.len, hashes->key.ptr);
    for (uint32_t i = 0; i < hashes->count; i++) {
        const churn_pair *field = &hashes->fields[i];
        note(" %.*s=%.*s", (int)field->name.len, field->name.ptr, (int)field->value.len, field->value.ptr);
    }
    note("; ");
    return says.write_result == CHURN_OK ? CHURN_OK : churn_fail(err, says.write_result, "no write today");
}

static int32_t bounds(void *self, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_end,
                      churn_error *err)
{
    return says.bounds_result == CHURN_OK ? source_bounds(self, topic, partition, ret_low, ret_end, err)
                                          : churn_fail(err, says.bounds_result, "no bounds today");
}

static int32_t seek_it(void *self, const churn_position *to, churn_error *err)
{
    int32_t result = source_seek(self, to, err);
    return result == CHURN_OK ? CHURN_OK : churn_fail(err, result, "no seek today");
}

static int32_t offset_at(void *self, const char *topic, int32_t partition, int64_t timestamp_ms, int64_t *ret_offset,
                         churn_error *err)
{
    (void)self;
    note("offset_at %s/%d %lld; ", topic, partition, (long long)timestamp_ms);
    *ret_offset = says.found;
    return says.offset_at_result == CHURN_OK ? CHURN_OK : churn_fail(err, says.offset_at_result, "no time today");
}

static void open_here(int64_t checkpoint)
{
    memset(&says, 0, sizeof says);
    open_worker(checkpoint);
    ops_of_store = fake_store_ops;
    ops_of_store.get = get;
    ops_of_store.put = put;
    ops_of_store.flush = flush_it;
    ops_of_store.write = write_it;
    ops_of_source = fake_source_ops;
    ops_of_source.bounds = bounds;
    ops_of_source.seek = seek_it;
    ops_of_source.offset_at = offset_at;
    loaded_store.plugin.ops = &ops_of_store;
    loaded_source.plugin.ops = &ops_of_source;
    log_free(pipeline.log);
    pipeline.log = log_open();
}

static void close_here(void)
{
    close_worker();
    log_closed();
    loaded_store.plugin.ops = &fake_store_ops;
    loaded_source.plugin.ops = &fake_source_ops;
}

static void append_stall(void *ctx, const struct stall_report *report)
{
    size_t len = strlen(ctx);
    (void)snprintf((char *)ctx + len, 256 - len, "%s: %s: %s", report->plugin, report->what, report->message);
}

static void check_stalled(const char *expected)
{
    char got[256] = "";
    stalls_each(pipeline.stalls, append_stall, got);
    check_text(got, expected, "stalled");
}

static void open_again(void)
{
    worker.session.next_open_ms = 0;
    CU_ASSERT(session_step(&worker) && worker.session.handle != NULL);
    trace[0] = '\0';
}

/* To everything, from here on. */
static void listen_closely(void)
{
    log_free(pipeline.log);
    pipeline.log = log_new(fileno(log_file), CHURN_LOG_DEBUG, LOG_FORMAT_TEXT);
    log_pass_over();
}

static void place_at(int64_t committed)
{
    assign(committed, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    trace[0] = '\0';
    log_pass_over();
}

/* ---- what is not answered ---- */

static void test_a_checkpoint_that_cannot_be_read(void)
{
    open_here(20);
    assign(20, 0);
    says.checkpoint_result = CHURN_RETRY;
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker) && worker.session.handle == NULL);
    check_trace("close; ", "the session is broken");
    check_stalled("store: store: no checkpoint today; waiting, nothing is lost");
    says.checkpoint_result = CHURN_OK;
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker));
    check_trace("", "nothing without a session");
    open_again();
    says.checkpoint_result = CHURN_REJECT;
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    check_contains(
        worker.failure,
        "store: the checkpoint churnd:checkpoint:profile:t/0 cannot be used: no checkpoint today. Delete that "
        "key",
        "why");
    close_here();
    open_here(20);
    assign(20, 0);
    says.checkpoint_result = CHURN_REJECT;
    says.wordless = true;
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    check_contains(worker.failure, "cannot be used: the store does not say why. Delete that key", "without a word");
    close_here();
}

/* What is wrong with it is named, and what it costs to begin without it. */
static void test_a_checkpoint_that_is_none(void)
{
#define NOT_OURS(name) "its field '" name "' holds what this program did not write"
    static const struct {
        const char *name, *value, *why;
    } cases[] = {
        {"offset", "x", NOT_OURS("offset")},
        {"offset", "", NOT_OURS("offset")},
        {"_v", "x", NOT_OURS("_v")},
        {"doubted", "-1", NOT_OURS("doubted")},
        {"last", "", "it has no field 'offset'"},
        {"_v", "7", "it has no field 'offset'"},
        {"of a later version", "1", "it has no field 'offset'"},
    };
    char wanted[512];
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_here(20);
        says.only = cases[i].name;
        says.only_value = cases[i].value;
        assign(20, 0);
        CU_ASSERT(!placing_step(&worker) && worker.failed);
        (void)snprintf(wanted, sizeof wanted,
                       "store: the checkpoint churnd:checkpoint:profile:t/0 cannot be used: %s. Delete that key, or "
                       "`churnd rebuild` under another key_prefix: what the source still has is then read again, and "
                       "no event counts twice",
                       cases[i].why);
        check_text(worker.failure, wanted, cases[i].name);
        close_here();
    }
    open_here(20);
    loaded_source.plugin.ops = &forgetful_source_ops;
    source.resume_result = CHURN_REJECT;
    CU_ASSERT(progress_assign(&worker, &(const churn_position){.topic = "t"}, 1));
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    check_text(worker.failure,
               "store: the checkpoint churnd:checkpoint:profile:t/0 cannot be used: the test says so. Delete that key, "
               "or `churnd rebuild` under another key_prefix: what the source still has is then read again, alerts and "
               "dead letters are sent again, and no event counts twice",
               "the source knows of no such place");
    close_here();
}

static void test_letters_that_cannot_be_read(void)
{
    open_here(20);
    assign(20, 0);
    says.letters_result = CHURN_RETRY;
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker) && worker.session.handle == NULL);
    check_trace("get; close; ", "the session is broken");
    check_stalled("store: store: no letters today; waiting, nothing is lost");
    open_again();
    says.letters_result = CHURN_REJECT;
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    check_text(worker.failure, "store: churnd:letters:profile:t/0 cannot be read: no letters today", "why");
    close_here();
}

/* Dead letters of what was read before may be there: as far as was announced, or, where the store came back older than
 * the source had read, as far as that, or as this process has announced; and no further than there are records. */
static void test_what_may_have_letters(void)
{
    static const struct {
        const char *letters;
        int64_t end, committed, lettered, below;
    } cases[] = {{NULL, 100, 20, 0, 0},   {"70", 100, 20, 0, 70},  {"170", 100, 20, 0, 100}, {"100", 100, 20, 0, 100},
                 {NULL, 100, 50, 0, 50},  {"40", 100, 50, 0, 50},  {"70", 100, 50, 0, 70},   {NULL, 100, 20, 60, 60},
                 {"40", 100, 50, 60, 60}, {"70", 100, 50, 60, 70}, {NULL, 100, 50, 170, 100}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_here(20);
        says.letters = cases[i].letters;
        source.end = cases[i].end;
        assign(cases[i].committed, 0);
        worker.progress.partitions[0].lettered = cases[i].lettered;
        CU_ASSERT(placing_step(&worker));
        CU_ASSERT(cases[i].below == 0 || partitions_is_lettered(&worker, 0, cases[i].below - 1));
        CU_ASSERT(!partitions_is_lettered(&worker, 0, cases[i].below));
        CU_ASSERT(partitions_is_replayed(&worker, 0, 19) && !partitions_is_replayed(&worker, 0, 20));
        CU_ASSERT(!partitions_is_lettered(&worker, 1000, 0) && !partitions_is_replayed(&worker, 1000, 0));
        trace[0] = '\0';
        log_pass_over();
        close_here();
    }
}

static void test_bounds_that_are_not_known(void)
{
    open_here(20);
    assign(20, 0);
    says.bounds_result = CHURN_RETRY;
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker));
    check_stalled("source: place: no bounds today; waiting");
    says.bounds_result = CHURN_FATAL; /* likewise */
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker) && !worker.failed);
    check_stalled("source: place: no bounds today; waiting");
    says.bounds_result = CHURN_OK;
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_stalled("");
    close_here();
}

static void test_seeks(void)
{
    open_here(10);
    assign(20, 0);
    worker.reading.at_end = true;
    worker.moved = false;
    source.seek_result = CHURN_RETRY;
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker) && worker.reading.at_end && !worker.moved);
    listen_closely();
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker));
    check_logged("DEBUG source: no seek today\n", "why it takes so long");
    source.seek_result = CHURN_OK;
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker) && !worker.reading.at_end && worker.moved);
    partitions_seek_back(&worker, 0, 15);
    source.seek_result = CHURN_FATAL;
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    check_text(worker.failure, "source source: no seek today", "why");
    close_here();

    open_here(10);
    ops_of_source.seek = NULL;
    assign(20, 0);
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    check_text(worker.failure, "source: t/0 cannot be read again from offset 10: the source has no way back", "why");
    close_here();
}

static void test_a_source_that_does_not_know_yet(void)
{
    open_here(20);
    listen_closely();
    loaded_source.plugin.ops = &forgetful_source_ops;
    source.resume_result = CHURN_RETRY;
    CU_ASSERT(progress_assign(&worker, &(const churn_position){.topic = "t"}, 1));
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker) && !worker.failed);
    check_logged("DEBUG source: the test says so\n", "why it takes so long");
    close_here();
}

/* Asked once, before the first checkpoint, of the rebuilt pipeline's profiles too. */
static void test_profiles_whose_customers_were_forgotten(void)
{
    for (unsigned i = 0; i < 2; i++) {
        open_here(20);
        (void)snprintf(pipeline.rebuilt, sizeof pipeline.rebuilt, "old:");
        worker.forgetting.none = false;
        store.mark_name = i == 0 ? NULL : "id";
        store.mark = "x";
        assign(20, 0);
        CU_ASSERT(placing_step(&worker) == (i == 0) && worker.failed == (i == 1));
        check_contains(trace, i == 0 ? "get churnd:forgotten:profile:/1; get churnd:forgotten:old:/1; get" : "/1; ",
                       "what is asked");
        CU_ASSERT(worker.forgetting.none == (i == 0));
        if (i == 1) {
            check_contains(worker.failure, "this pipeline has no `forget:`", "why");
        }
        close_here();
    }
}

/* The store has one thing to do at a time: a partition that comes while checkpoints are put waits for that. */
static void test_a_partition_that_comes_in_a_round(void)
{
    const churn_position another = {.topic = "t", .partition = 1, .offset = 20, .flags = CHURN_POSITION_RESUMED};
    open_here(20);
    place_at(20);
    finish(30);
    rounds_step(&worker, true);
    CU_ASSERT(progress_assign(&worker, &another, 1) && placing_step(&worker) && !partitions_ready(&worker));
    check_trace("put 30; ", "nothing is read meanwhile");
    take_answers();
    CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker));
    rounds_step(&worker, true);
    check_trace("flush; commit 30; ", "the round is over");
    says.name = "profile:t/1";
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("get; ", "its turn");
    close_here();
}

/* The lowest of what is wanted again; nothing of what is not ours. */
static void test_seeking_back(void)
{
    open_here(20);
    place_at(20);
    partitions_seek_back(&worker, 0, 35);
    CU_ASSERT(!partitions_ready(&worker));
    partitions_seek_back(&worker, 0, 30);
    partitions_seek_back(&worker, 0, 33);
    partitions_seek_back(&worker, 1000, 1);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("seek 30; ", "the lowest");
    partitions_seek_back(&worker, 0, 40); /* the place before does not count any more */
    CU_ASSERT(placing_step(&worker));
    check_trace("seek 40; ", "further on");
    CU_ASSERT(partitions_own(&worker, "t", 0) && !partitions_own(&worker, "t", 1));
    progress_revoke(&worker);
    CU_ASSERT(!partitions_own(&worker, "t", 0));
    partitions_seek_back(&worker, 0, 30);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("", "not ours");
    close_here();
}

/* ---- a replay from a time ---- */

static void test_a_replay_from_a_time(void)
{
    static const struct {
        int64_t found;
        const char *asked, *logged;
    } cases[] = {
        {12, "get; offset_at t/0 1234; seek 12; ",
         "INFO  source: t/0 is replayed from offset 12; what was sent before is not sent again\n"},
        {3, "get; offset_at t/0 1234; seek 5; ",
         "INFO  source: t/0 is replayed from offset 5; what was sent before is not sent again\n"},
        {20, "get; offset_at t/0 1234; ", "INFO  source: t/0: nothing to replay, reading goes on from offset 20\n"},
        {25, "get; offset_at t/0 1234; ", "INFO  source: t/0: nothing to replay, reading goes on from offset 20\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_here(20);
        source.low = 5;
        pipeline.replay = (struct replay){.from = REPLAY_FROM_TIME, .value = 1234};
        says.found = cases[i].found;
        says.offset_at_result = CHURN_RETRY;
        assign(20, 0);
        CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker));
        check_trace("get; offset_at t/0 1234; ", "not known yet");
        check_stalled("source: place: no time today; waiting");
        log_pass_over();
        says.offset_at_result = CHURN_OK;
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_trace(cases[i].asked, "known");
        check_logged(cases[i].logged, "known");
        check_stalled("");
        CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "rewinds"), 0);
        progress_rewind(&worker); /* it was not through: it begins anew, if there was something to replay */
        trace[0] = '\0';
        CU_ASSERT(placing_step(&worker));
        check_contains(trace, "get; ", "again");
        close_here();
    }
    open_here(20);
    ops_of_source.offset_at = NULL;
    pipeline.replay = (struct replay){.from = REPLAY_FROM_TIME, .value = 1234};
    assign(20, 0);
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    check_text(worker.failure, "source cannot tell which record was written when: use --replay-from with an offset",
               "why");
    close_here();
}

static void test_what_is_said_of_a_replay(void)
{
    static const struct {
        int64_t place; /* of source and store; -1: neither has one */
        bool outputs;
        const char *asked, *logged;
    } cases[] = {
        {20, false, "get; seek 0; ",
         "INFO  source: t/0 is replayed from offset 0; what was sent before is not sent again\n"},
        {20, true, "get; seek 0; ", "INFO  source: t/0 is replayed from offset 0\n"},
        {1, false, "get; seek 0; ",
         "INFO  source: t/0 is replayed from offset 0; what was sent before is not sent again\n"},
        {0, false, "get; ", "INFO  source: t/0: nothing to replay, reading goes on from offset 0\n"},
        {-1, false, "get; seek 0; ", "INFO  source: t/0 is replayed from offset 0\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_here(cases[i].place);
        pipeline.replay = (struct replay){.from = REPLAY_FROM_BEGINNING, .outputs = cases[i].outputs};
        assign(cases[i].place, 0);
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_trace(cases[i].asked, cases[i].logged);
        struct text text = {0};
        log_read(&text);
        text_append(&text, "", 1);
        check_contains(text.bytes, cases[i].logged, "the place");
        CU_ASSERT_PTR_NULL(strstr(text.bytes, "WARN")); /* it is what was asked for */
        text_free(&text);
        close_here();
    }
}

/* ---- what is put ---- */

/* A checkpoint names what it says anew, and nothing else: the store keeps that. */
static void test_the_fields_of_a_checkpoint(void)
{
    open_here(20);
    place_at(20);
    finish(30);
    CU_ASSERT(progress_commit(&worker, 5000));
    check_text(put_names, "offset last ", "of what is read");
    worker.progress.partitions[0].doubted_below = 60;
    memcpy(worker.progress.partitions[0].doubter, "b", 2);
    CU_ASSERT(rounds_put_now(&worker, 0, 5000));
    check_text(put_names, "offset last doubted doubter ", "with a doubt");
    CU_ASSERT(rounds_put_now(&worker, 0, 5000));
    check_text(put_names, "offset last ", "the doubt is known");
    for (const char *who = "ac"; *who != '\0'; who++) {
        worker.progress.partitions[0].doubter[0] = *who;
        CU_ASSERT(rounds_put_now(&worker, 0, 5000));
        check_text(put_names, "offset last doubted doubter ", "another one doubts");
        CU_ASSERT(store.doubter[0] == *who && store.doubter[1] == '\0');
        check_text(store.doubted, "60", "the same doubt");
    }
    worker.progress.partitions[0].doubted_below = 61;
    CU_ASSERT(rounds_put_now(&worker, 0, 5000));
    check_text(put_names, "offset last doubted doubter ", "another doubt");
    check_text(store.doubted, "61", "another doubt");
    worker.progress.partitions[0].doubted_below = 62;
    says.put_result = CHURN_RETRY;
    CU_ASSERT(!rounds_put_now(&worker, 0, 5000) && worker.session.handle == NULL && !worker.failed);
    check_text(store.doubted, "61", "it could not be put");
    close_here();
}

/* ---- what the source is told ---- */

/* A commit that nobody waited for may have failed: the next one that is waited for says it again, of each partition. */
static void test_what_is_told_again(void)
{
    for (int64_t next = 1; next <= 2; next++) {
        char wanted[64];
        open_here(0);
        place_at(0);
        finish(next);
        rounds_step(&worker, true);
        take_answers();
        rounds_step(&worker, true);
        (void)snprintf(wanted, sizeof wanted, "put %lld; flush; commit %lld; ", (long long)next, (long long)next);
        check_trace(wanted, "unseen");
        CU_ASSERT(progress_commit(&worker, 5000));
        (void)snprintf(wanted, sizeof wanted, "commit %lld; ", (long long)next);
        check_trace(wanted, "again");
        CU_ASSERT(progress_commit(&worker, 5000));
        check_trace("", "known");
        close_here();
    }
}

/* Nothing was read yet: nothing is told, though the store has a checkpoint of that. */
static void test_nothing_is_told_of_the_beginning(void)
{
    const churn_position others[] = {{.topic = "t", .flags = CHURN_POSITION_RESUMED},
                                     {.topic = "t", .partition = 1, .flags = CHURN_POSITION_RESUMED}};
    struct window_position done[] = {{.next = 0, .last = WITNESS_NONE}, {.part = 1, .next = 5, .last = WITNESS_NONE}};
    struct window window = {.positions = done, .position_count = 2};
    open_here(-1);
    session_close(&worker);
    pipeline.store.loaded = NULL;
    CU_ASSERT(progress_assign(&worker, others, 2) && placing_step(&worker) && partitions_ready(&worker));
    CU_ASSERT(progress_note_done(&worker, &window));
    trace[0] = '\0';
    rounds_step(&worker, true);
    check_trace("commit 5; ", "what was read");
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("commit 5; ", "again");
    close_here();
}

/* ---- what the log is told ---- */

#define GOES_ON(offset)                                                                                                \
    "INFO  source: t/0: reading goes on from offset " offset                                                           \
    ", where an earlier run has come (--replay-from beginning reads all of it again)\n"

static void test_what_is_said_of_a_source_without_positions(void)
{
    static const struct {
        int64_t checkpoint;
        const char *asked, *logged;
    } cases[] = {{-1, "get; ", ""},
                 {0, "get; ", ""},
                 {1, "get; resume t/0 1 ''; seek 1; ", GOES_ON("1")},
                 {2, "get; resume t/0 2 ''; seek 2; ", GOES_ON("2")}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_here(cases[i].checkpoint);
        loaded_source.plugin.ops = &forgetful_source_ops;
        CU_ASSERT(progress_assign(&worker, &(const churn_position){.topic = "t"}, 1));
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_trace(cases[i].asked, "the place");
        check_logged(cases[i].logged, "the place");
        pipeline.replay.from = REPLAY_FROM_BEGINNING;
        CU_ASSERT(progress_assign(&worker, &(const churn_position){.topic = "t"}, 1));
        log_pass_over();
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        struct text text = {0};
        log_read(&text);
        text_append(&text, "", 1);
        CU_ASSERT_PTR_NULL(strstr(text.bytes, "where an earlier run has come"));
        text_free(&text);
        close_here();
    }
}

#define ANEW                                                                                                           \
    "alerts are not sent again, dead letters are. Those of before belong to the lost profiles: `churnd redrive "       \
    "--since` with the time of this line leaves them out\n"

static void test_what_is_said_of_the_place(void)
{
    static const struct {
        int64_t committed, checkpoint, low;
        uint32_t flags;
        int64_t rewinds, gaps;
        const char *logged;
    } cases[] = {
        {20, 20, 0, 0, 0, 0, ""},
        {20, 10, 0, 0, 1, 0,
         "WARN  source: t/0: the store is sure of everything before offset 10 only, the source of 20: going back "
         "there\n"},
        {20, 0, 0, 0, 1, 0,
         "WARN  source: t/0: the store is sure of everything before offset 0 only, the source of 20: going back "
         "there\n"},
        {20, 10, 15, 0, 1, 1,
         "ERROR source: t/0 has lost its records from offset 10 to 15 (5 offsets) to retention, and the store what it had of them: "
         "rebuild required from a backup of the store, for reading goes on without them\n"
         "WARN  source: t/0: the store is sure of everything before offset 15 only, the source of 20: going back "
         "there\n"},
        {20, 0, 15, 0, 1, 1,
         "ERROR source: t/0 has lost its records from offset 0 to 15 (15 offsets) to retention, and the store what it had of them: "
         "rebuild required from a backup of the store, for reading goes on without them\n"
         "WARN  source: t/0: the store is sure of everything before offset 15 only, the source of 20: going back "
         "there\n"},
        {20, 10, 10, 0, 1, 0,
         "WARN  source: t/0: the store is sure of everything before offset 10 only, the source of 20: going back "
         "there\n"},
        {20, -1, 0, 0, 0, 1,
         "ERROR source: t/0 was read up to offset 20, but the store has no checkpoint of it: it lost its profiles, or "
         "is another one. Rebuild required: reading goes on, and the profiles lack what was before\n"},
        {20, -1, 0, CHURN_POSITION_WHOLE, 1, 0,
         "WARN  source: t/0 was read up to offset 20, but the store has no checkpoint of it: rebuild required, so "
         "profiles and predictions are rebuilt from offset 0; " ANEW},
        {20, -1, 1, CHURN_POSITION_WHOLE, 1, 1,
         "WARN  source: t/0 was read up to offset 20, but the store has no checkpoint of it: rebuild required, so "
         "profiles and predictions are rebuilt from offset 1; " ANEW
         "ERROR source: t/0 has lost its records from offset 0 to 1 (1 offsets) to retention, and the store what it had of them: "
         "rebuild required from a backup of the store, for reading goes on without them\n"},
        {20, -1, 20, CHURN_POSITION_WHOLE, 0, 1,
         "ERROR source: t/0 was read up to offset 20, but the store has no checkpoint of it: it lost its profiles, or "
         "is another one; and the 20 offsets before are lost to retention. Rebuild required from a backup of the "
         "store, for reading goes on without them\n"},
        {20, -1, 30, CHURN_POSITION_WHOLE, 0, 0, ""}, /* the source stops, and says why */
        {-1, -1, 20, CHURN_POSITION_WHOLE, 0, 0, ""}, /* a new group on an old topic */
        {0, -1, 0, CHURN_POSITION_WHOLE, 0, 0, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char what[16];
        (void)snprintf(what, sizeof what, "case %zu", i);
        open_here(cases[i].checkpoint);
        source.low = cases[i].low;
        assign(cases[i].committed, cases[i].flags);
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_logged(cases[i].logged, what);
        CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "rewinds"), cases[i].rewinds);
        CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "gaps"), cases[i].gaps);
        close_here();
    }
}

/* Where only the checkpoint is lost, or a run after the loss broke off before there was one, dead letters of before may
 * be of the profiles that are there. */
static void test_only_a_checkpoint_is_lost(void)
{
    open_here(-1);
    says.letters = "5";
    assign(20, CHURN_POSITION_WHOLE);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_logged("WARN  source: t/0 was read up to offset 20, but the store has no checkpoint of it: rebuild required, "
                 "so profiles and predictions are rebuilt from offset 0; alerts are not sent again, dead letters are\n",
                 "said");
    CU_ASSERT_EQUAL(partitions_muted(&worker, 0, 19), CHURN_RECORD_EVENT | CHURN_RECORD_ALERT);
    trace[0] = '\0';
    close_here();
}

/* What cannot be helped is said once: from then on the store has a checkpoint. */
static void test_a_gap_is_said_once(void)
{
    static const struct {
        int64_t low;
        uint32_t flags;
    } cases[] = {{20, CHURN_POSITION_WHOLE}, {0, 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_here(-1);
        source.low = cases[i].low;
        assign(20, cases[i].flags);
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        CU_ASSERT(progress_commit(&worker, 5000));
        CU_ASSERT_EQUAL(store.offset, 20);
        log_pass_over();
        progress_revoke(&worker);
        assign(20, cases[i].flags);
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_logged("", "no event came");
        CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "gaps"), 1);
        close_here();
    }
}

/* ---- outages in a round ---- */

static void test_a_checkpoint_whose_put_breaks_the_session(void)
{
    open_here(20);
    place_at(20);
    finish(30);
    says.put_result = CHURN_RETRY;
    rounds_step(&worker, true);
    CU_ASSERT(worker.session.handle == NULL && !rounds_wait(&worker));
    check_trace("close; ", "broken");
    check_stalled("store: store: the put breaks it; waiting, nothing is lost");
    says.put_result = CHURN_OK;
    open_again();
    rounds_step(&worker, true);
    check_trace("put 30; ", "begun anew");
    take_answers();
    says.flush_result = CHURN_RETRY;
    rounds_step(&worker, true);
    CU_ASSERT(worker.session.handle == NULL && !progress_settled(&worker));
    check_trace("close; ", "broken by the flush: no commit");
    check_stalled("store: store: the flush breaks it; waiting, nothing is lost");
    says.flush_result = CHURN_OK;
    open_again();
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    check_trace("put 30; flush; commit 30; ", "all of it");
    close_here();
}

static void test_a_store_that_needs_no_flush(void)
{
    open_here(20);
    place_at(20);
    ops_of_store.flush = NULL;
    finish(30);
    rounds_step(&worker, true);
    take_answers();
    worker.moved = false;
    rounds_step(&worker, true);
    CU_ASSERT(worker.moved);
    check_trace("put 30; commit 30; ", "what is answered is durable");
    close_here();
}

/* A write that is refused is told, until one is taken. */
static void test_a_refused_checkpoint_is_a_stall(void)
{
    open_here(20);
    place_at(20);
    finish(30);
    store.put_result = CHURN_RETRY;
    rounds_step(&worker, true);
    take_answers();
    check_stalled("store: checkpoint: the test says so; offsets are not committed until then");
    rounds_step(&worker, true);
    check_stalled("store: checkpoint: the test says so; offsets are not committed until then");
    store.put_result = CHURN_OK;
    rounds_step(&worker, true);
    take_answers();
    rounds_step(&worker, true);
    check_stalled("");
    CU_ASSERT(progress_settled(&worker));
    close_here();
}

/* ---- several partitions, each with a checkpoint of its own ---- */

#define PARTITIONS 3

static struct {
    uint64_t ids[PARTITIONS], versions[PARTITIONS]; /* of what is put, and not answered */
    unsigned puts_before_it_breaks;                 /* 0: it does not */
    churn_put_reply reply;                          /* of the next poll; size 0: none */
} many;

/* Each was read, and counted, up to 20. */
static int32_t get_of_many(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    const churn_pair pairs[] = {pair_of("offset", "20"), pair_of("_v", "7")};
    bool is_checkpoint = strncmp(key.ptr, "churnd:checkpoint:", strlen("churnd:checkpoint:")) == 0;
    (void)session;
    (void)err;
    return fn(ctx, key, pairs, is_checkpoint ? 2 : 0);
}

static int32_t put_of_many(void *session, const churn_put *given, churn_error *err)
{
    unsigned partition = (unsigned)(given->key.ptr[given->key.len - 1] - '0');
    (void)session;
    CU_ASSERT_FATAL(partition < PARTITIONS);
    many.ids[partition] = given->id;
    many.versions[partition] = given->expected_version;
    note("put t/%u %.*s; ", partition, (int)given->fields[0].value.len, given->fields[0].value.ptr);
    return many.puts_before_it_breaks == 0 || --many.puts_before_it_breaks > 0
               ? CHURN_OK
               : churn_fail(err, CHURN_RETRY, "the put breaks it");
}

static int32_t poll_of_many(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                            uint32_t *ret_count, churn_error *err)
{
    (void)session;
    (void)timeout_ms;
    (void)err;
    *ret_count = max > 0 && many.reply.size > 0;
    replies[0] = many.reply;
    many.reply.size = 0;
    return *ret_count > 0 ? CHURN_OK : CHURN_PENDING;
}

static int32_t commit_of_many(void *self, const churn_position *positions, uint32_t count, int32_t wait,
                              churn_error *err)
{
    (void)self;
    (void)wait;
    (void)err;
    note("commit");
    for (uint32_t i = 0; i < count; i++) {
        note(" %s/%d %lld", positions[i].topic, positions[i].partition, (long long)positions[i].offset);
    }
    note("; ");
    return CHURN_OK;
}

static void open_many(void)
{
    churn_position positions[PARTITIONS];
    open_here(20);
    memset(&many, 0, sizeof many);
    ops_of_store.get = get_of_many;
    ops_of_store.put = put_of_many;
    ops_of_store.poll = poll_of_many;
    ops_of_source.commit = commit_of_many;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        positions[i] = (churn_position){.topic = "t", .partition = i, .offset = 20, .flags = CHURN_POSITION_RESUMED};
    }
    CU_ASSERT(progress_assign(&worker, positions, PARTITIONS));
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("", "each stands there");
}

static void finish_one(uint32_t partition, int64_t next)
{
    struct window_position position = {.part = partition, .next = next, .last = WITNESS_NONE};
    struct window window = {.positions = &position, .position_count = 1};
    CU_ASSERT(progress_note_done(&worker, &window));
}

/* Puts one of each. */
static void put_all(int64_t next)
{
    char wanted[128];
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        finish_one(i, next + i);
    }
    rounds_step(&worker, true);
    (void)snprintf(wanted, sizeof wanted, "put t/0 %lld; put t/1 %lld; put t/2 %lld; ", (long long)next,
                   (long long)next + 1, (long long)next + 2);
    check_trace(wanted, "all");
}

static void answer_one(uint32_t partition, int32_t result)
{
    static const churn_pair others[] = {{.name = {.ptr = "offset", .len = 6}, .value = {.ptr = "25", .len = 2}}};
    many.reply = (churn_put_reply){
        .size = sizeof many.reply, .id = many.ids[partition], .result = result, .message = "the test says so"};
    if (result == CHURN_CONFLICT) {
        many.reply.version = 9;
        many.reply.fields = others;
        many.reply.count = 1;
    }
    take_answers();
}

static void test_each_partition_has_its_checkpoint(void)
{
    open_many();
    finish_one(0, 30);
    finish_one(2, 50);
    rounds_step(&worker, true);
    check_trace("put t/0 30; put t/2 50; ", "where something is done");
    CU_ASSERT(rounds_session_user.owes(&worker, NULL, many.ids[0]) &&
              rounds_session_user.owes(&worker, NULL, many.ids[2]));
    CU_ASSERT(!rounds_session_user.owes(&worker, NULL, CHECKPOINT_ID | 1) &&
              !rounds_session_user.owes(&worker, NULL, CHECKPOINT_ID | PARTITIONS));
    answer_one(2, CHURN_OK);
    CU_ASSERT(rounds_session_user.owes(&worker, NULL, many.ids[0]) &&
              !rounds_session_user.owes(&worker, NULL, many.ids[2]));
    finish_one(1, 40); /* for the next round */
    rounds_step(&worker, true);
    CU_ASSERT(!progress_settled(&worker));
    check_trace("", "not all of them are answered");
    answer_one(0, CHURN_OK);
    rounds_step(&worker, true);
    check_trace("flush; commit t/0 30 t/2 50; ", "all of them are");
    rounds_step(&worker, true);
    check_trace("put t/1 40; ", "the next round");
    answer_one(1, CHURN_OK);
    rounds_step(&worker, true);
    check_trace("flush; commit t/1 40; ", "of one");
    CU_ASSERT(progress_settled(&worker) && progress_commit(&worker, 5000));
    check_trace("commit t/0 30 t/1 40 t/2 50; ", "what may have been missed");
    close_here();
}

/* What is wrong with one checkpoint holds up no other one's commit, and is never taken for durable. */
static void test_one_checkpoint_among_others(void)
{
    for (uint32_t one = 0; one < PARTITIONS; one++) {
        char again[32], rest[64] = "flush; commit", last[64];
        open_many();
        put_all(30);
        for (uint32_t i = 0; i < PARTITIONS; i++) {
            size_t len = strlen(rest);
            answer_one(i, i == one ? CHURN_RETRY : CHURN_OK);
            (void)snprintf(rest + len, sizeof rest - len, i == one ? "" : " t/%u %u", i, 30 + i);
        }
        (void)snprintf(rest + strlen(rest), sizeof rest - strlen(rest), "; ");
        (void)snprintf(again, sizeof again, "put t/%u %u; ", one, 30 + one);
        (void)snprintf(last, sizeof last, "flush; commit t/%u %u; ", one, 30 + one);
        rounds_step(&worker, true);
        check_trace(rest, "one was refused");
        CU_ASSERT(!progress_settled(&worker));
        check_stalled("store: checkpoint: the test says so; offsets are not committed until then");
        rounds_step(&worker, true);
        check_trace(again, "that one again");
        answer_one(one, CHURN_OK);
        rounds_step(&worker, true);
        check_trace(last, "that one");
        CU_ASSERT(progress_settled(&worker));
        check_stalled("");
        put_all(40);
        for (uint32_t i = 0; i < PARTITIONS; i++) {
            answer_one(i, i == one ? CHURN_CONFLICT : CHURN_OK); /* another member was here, and is behind */
        }
        rounds_step(&worker, true);
        (void)snprintf(again, sizeof again, "put t/%u %u; ", one, 40 + one);
        check_trace(again, "over the other member's");
        CU_ASSERT_EQUAL(many.versions[one], 9);
        answer_one(one, CHURN_OK);
        rounds_step(&worker, true);
        check_trace("flush; commit t/0 40 t/1 41 t/2 42; ", "all");
        close_here();
    }
}

/* Nothing of a round that broke is durable, whatever of it was answered: all of it is put again. */
static void test_a_round_of_many_that_breaks(void)
{
    open_many();
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        finish_one(i, 30 + i);
    }
    many.puts_before_it_breaks = 2;
    rounds_step(&worker, true);
    check_trace("put t/0 30; put t/1 31; close; ", "no third one");
    CU_ASSERT(!rounds_wait(&worker) && !rounds_session_user.owes(&worker, NULL, CHECKPOINT_ID));
    open_again();
    put_all(30);
    answer_one(0, CHURN_OK);
    answer_one(2, CHURN_OK);
    session_close(&worker);
    trace[0] = '\0';
    open_again();
    rounds_step(&worker, true);
    check_trace("put t/0 30; put t/1 31; put t/2 32; ", "all of it");
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        answer_one(i, CHURN_OK);
    }
    rounds_step(&worker, true);
    check_trace("flush; commit t/0 30 t/1 31 t/2 32; ", "in the end");
    close_here();
}

/* The store is told of each how far profiles may count it, before they do, and exactly once they have. */
static void test_how_far_each_partition_is_counted(void)
{
    struct window_position positions[PARTITIONS];
    struct window window = {.positions = positions, .position_count = PARTITIONS};
    open_many();
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        positions[i] = (struct window_position){.part = i, .next = 30 + i, .last = WITNESS_NONE};
    }
    CU_ASSERT(reach_announce(&worker, &window));
    check_trace("write churnd:letters:profile:t/0 counted=40; write churnd:letters:profile:t/1 counted=42; "
                "write churnd:letters:profile:t/2 counted=44; ",
                "before");
    put_all(30);
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        answer_one(i, CHURN_OK);
    }
    rounds_step(&worker, true);
    check_trace("flush; commit t/0 30 t/1 31 t/2 32; ", "counted");
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("write churnd:letters:profile:t/0 counted=30; write churnd:letters:profile:t/1 counted=31; "
                "write churnd:letters:profile:t/2 counted=32; commit t/0 30 t/1 31 t/2 32; ",
                "at the end of the run");
    close_here();
}

/* ---- dead letters to come ---- */

static void test_announcements(void)
{
    struct window_position position = {.next = 30, .last = WITNESS_NONE};
    struct window window = {.positions = &position, .position_count = 1, .has_letters = true};
    open_here(20);
    assign(20, 0);
    source.end = 1000;
    says.letters = "25";
    CU_ASSERT(placing_step(&worker));
    trace[0] = '\0';
    says.write_result = CHURN_RETRY;
    CU_ASSERT(!reach_announce(&worker, &window) && worker.session.handle == NULL && !worker.failed);
    check_trace("write churnd:letters:profile:t/0 counted=40 below=20030; close; ", "the session is broken");
    CU_ASSERT(!reach_announce(&worker, &window));
    check_trace("", "nothing without a session");
    open_again();
    says.write_result = CHURN_OK;
    finish(25);
    rounds_step(&worker, true);
    trace[0] = '\0';
    CU_ASSERT(rounds_wait(&worker) && !reach_announce(&worker, &window));
    check_trace("", "nothing while answers are awaited");
    take_answers();
    worker.session.went_back = true;
    CU_ASSERT(!reach_announce(&worker, &window));
    worker.session.went_back = false;
    check_trace("", "nothing to a store that went back");
    CU_ASSERT(reach_announce(&worker, &window));
    check_trace("write churnd:letters:profile:t/0 counted=40 below=20030; ", "announced");
    position.next = 20030;
    CU_ASSERT(reach_announce(&worker, &window));
    check_trace("write churnd:letters:profile:t/0 counted=40040 below=20030; ", "its letters are covered");
    CU_ASSERT(reach_announce(&worker, &window));
    check_trace("", "all of it is");
    position.next = 20031;
    pipeline.profiles_only = true; /* there are none */
    CU_ASSERT(reach_announce(&worker, &window));
    pipeline.profiles_only = false;
    position.part = 1000; /* not ours */
    CU_ASSERT(reach_announce(&worker, &window));
    position.part = 0;
    check_trace("", "nothing to announce");
    says.write_result = CHURN_FATAL;
    CU_ASSERT(!reach_announce(&worker, &window) && worker.failed);
    check_text(worker.failure, "store: no write today", "why");
    progress_revoke(&worker);
    trace[0] = '\0';
    CU_ASSERT(reach_announce(&worker, &window));
    check_trace("", "revoked");
    close_here();
}

/* ---- a rebuild, and what follows it: profiles have counted more than was sent ---- */

#define REBUILT(from)                                                                                                  \
    "INFO  source: t/0: a rebuild has counted everything before offset 50, and sent nothing: what follows from "       \
    "events "                                                                                                          \
    "from offset " from " on is sent, and no event counts twice\n"

static void test_what_a_rebuild_has_not_sent(void)
{
    static const struct {
        const char *answered, *logged;
        int64_t committed;
    } cases[] = {{"20", REBUILT("20"), 20},
                 {"1", REBUILT("1"), 1},
                 {"0", REBUILT("0"), 0},
                 {"49", REBUILT("49"), 49},
                 {"50", "", 50},
                 {"60", "", 50},
                 {"", "", 50}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_here(50);
        says.answered = cases[i].answered;
        assign(cases[i].committed, 0);
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_logged(cases[i].logged, cases[i].answered);
        CU_ASSERT(partitions_is_replayed(&worker, 0, 49) && !partitions_is_replayed(&worker, 0, 50));
        close_here();
    }
    open_here(50);
    says.answered = "20";
    place_at(20);
    finish(30);
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("put 50 answered=30; flush; commit 30; commit 30; ", "not all of it yet");
    finish(50);
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("put 50 answered=; flush; commit 50; commit 50; ", "all of it");
    finish(60);
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("put 60; flush; commit 60; commit 60; ", "as ever");
    close_here();
    open_here(50);
    says.answered = "x";
    assign(20, 0);
    CU_ASSERT(!placing_step(&worker) && worker.failed);
    check_contains(worker.failure, "its field 'answered' holds what this program did not write", "why");
    close_here();
}

static void test_a_source_without_positions_after_a_rebuild(void)
{
    open_here(50);
    loaded_source.plugin.ops = &forgetful_source_ops;
    says.answered = "20";
    CU_ASSERT(progress_assign(&worker, &(const churn_position){.topic = "t"}, 1));
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("get; resume t/0 50 ''; seek 20; ", "where nothing was sent yet");
    check_logged(GOES_ON("20") REBUILT("20"), "both");
    close_here();
}

static void test_a_replay_after_a_rebuild(void)
{
    open_here(50);
    pipeline.replay.from = REPLAY_FROM_BEGINNING;
    says.answered = "30";
    assign(-1, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    CU_ASSERT(partitions_muted(&worker, 0, 29) != 0 && partitions_muted(&worker, 0, 30) == 0);
    check_logged("INFO  source: t/0 is replayed from offset 0; what was sent before is not sent again\n", "no rebuild");
    close_here();
}

/* What the pipeline that is rebuilt has sent is noted with what the rebuild counts: beyond that nothing was. */
static void test_a_rebuild_notes_what_was_sent(void)
{
    static const struct {
        const char *owned, *doubt;
        int32_t result;
        const char *put;
    } cases[] = {{"30", "", CHURN_OK, "put 40 answered=30; flush; commit 40; commit 40; "},
                 {"40", "", CHURN_OK, "put 40; flush; commit 40; commit 40; "},
                 {"41", "", CHURN_OK, "put 40; flush; commit 40; commit 40; "},
                 {"30", "0", CHURN_OK, "put 40 answered=0; flush; commit 40; commit 40; "},
                 {"x", "", CHURN_OK, "put 40 answered=0; flush; commit 40; commit 40; "},
                 {NULL, NULL, CHURN_OK, "put 40 answered=0; flush; commit 40; commit 40; "},
                 {"30", "", CHURN_REJECT, "put 40 answered=0; flush; commit 40; commit 40; "}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char what[16];
        (void)snprintf(what, sizeof what, "case %zu", i);
        open_here(-1);
        pipeline.profiles_only = true;
        (void)snprintf(pipeline.rebuilt, sizeof pipeline.rebuilt, "old:");
        says.owned = cases[i].owned;
        says.owned_doubt = cases[i].doubt;
        says.owned_result = CHURN_RETRY;
        assign(-1, 0);
        CU_ASSERT(placing_step(&worker) && !partitions_ready(&worker) && worker.session.handle == NULL);
        check_trace("get; get old; close; ", what);
        open_again();
        log_pass_over();
        says.owned_result = cases[i].result;
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker) && !worker.failed);
        check_trace("get; get old; ", what);
        finish(40);
        CU_ASSERT(progress_commit(&worker, 5000));
        check_trace(cases[i].put, what);
        finish(50);
        CU_ASSERT(progress_commit(&worker, 5000));
        check_contains(trace, "put 50", what);
        CU_ASSERT((strstr(trace, "put 50;") != NULL) == (i != 1 && i != 2)); /* it is named where it changes */
        close_here();
    }
}

/* ---- a redrive: t/0 has dead letters, u/0 is what they are of ---- */

static struct redrive redrive;

/* A topic of dead letters that was made anew begins where it begins; nothing is known of letters of letters. */
static void test_a_redrive_of_a_new_topic(void)
{
    open_here(1001);
    pipeline.redrive = &redrive;
    says.letters_result = CHURN_REJECT; /* which is not asked */
    assign(-1, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("get; ", "it stands there");
    check_logged("", "nothing to say");
    CU_ASSERT(!partitions_is_replayed(&worker, 0, 0) && !partitions_is_lettered(&worker, 0, 0));
    close_here();
    open_here(1000); /* as far as it reaches it is the same */
    pipeline.redrive = &redrive;
    assign(-1, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    CU_ASSERT(partitions_is_replayed(&worker, 0, 999) && !partitions_is_replayed(&worker, 0, 1000));
    close_here();
}

/* Letters that were put back before the store lost that: which time leaves out those of lost profiles is that of the
 * pipeline's own loss, not of this one. */
static void test_a_redrive_goes_back(void)
{
#define BACK                                                                                                           \
    "WARN  source: t/0 was put back up to offset 20, but the store has no checkpoint of it: its dead letters are put " \
    "back again from offset 0, and none counts twice in profiles that came back"
    static const struct {
        int64_t since_ms;
        const char *logged;
    } cases[] = {{5, BACK "\n"},
                 {INT64_MIN, BACK ". Where all profiles were lost, stop this and give `--since` with the time of the "
                                  "first \"rebuild required\" in the pipeline's own log\n"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_here(-1);
        struct redrive here = {.since_ms = cases[i].since_ms, .until_ms = INT64_MAX};
        pipeline.redrive = &here;
        assign(20, CHURN_POSITION_WHOLE);
        CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
        check_logged(cases[i].logged, "it goes back");
        CU_ASSERT_EQUAL(metrics_sum(pipeline.metrics, "rewinds"), 1);
        trace[0] = '\0';
        close_here();
    }
#undef BACK
}

/* A file of dead letters is read from its beginning each time, and what it holds is nobody's to prove. */
static void test_a_redrive_of_a_file(void)
{
    open_here(30);
    loaded_source.plugin.ops = &forgetful_source_ops;
    pipeline.redrive = &redrive;
    CU_ASSERT(progress_assign(&worker, &(const churn_position){.topic = "t"}, 1));
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    check_trace("get; ", "from the beginning");
    check_logged("", "nothing to say");
    finish(40);
    CU_ASSERT(progress_commit(&worker, 5000));
    check_trace("put 40; flush; ", "without the source's words");
    close_here();
}

/* How far others count is learned before anything is added to profiles, and nobody is told anything. */
static void test_a_redrive_learns_how_far_others_count(void)
{
    struct window window = {.has_letters = true};
    struct window_position position = {.next = 500, .last = WITNESS_NONE};
    open_here(20);
    pipeline.redrive = &redrive;
    assign(-1, 0);
    CU_ASSERT(placing_step(&worker) && partitions_ready(&worker));
    CU_ASSERT_EQUAL(parts_find(&worker.parts, "u", 0), 1);
    window.positions = &position;
    window.position_count = 1;
    says.name = "profile:u/0";
    says.letters = "70";
    trace[0] = '\0';
    says.checkpoint_result = CHURN_RETRY;
    CU_ASSERT(!reach_announce(&worker, &window) && worker.session.handle == NULL && !worker.failed);
    check_trace("close; ", "not its checkpoint");
    CU_ASSERT(!reach_announce(&worker, &window));
    check_trace("", "nothing without a session");
    open_again();
    says.checkpoint_result = CHURN_OK;
    says.letters_result = CHURN_RETRY;
    CU_ASSERT(!reach_announce(&worker, &window) && worker.session.handle == NULL && !worker.failed);
    check_trace("get; close; ", "not what it was told");
    open_again();
    says.letters_result = CHURN_OK;
    CU_ASSERT(reach_announce(&worker, &window));
    check_trace("get; ", "of u/0 alone, and nothing is written");
    CU_ASSERT_EQUAL(worker.progress.partitions[1].stored.offset, 20);
    CU_ASSERT_EQUAL(worker.progress.partitions[1].announced, 70);
    CU_ASSERT_EQUAL(worker.progress.partitions[0].written, 0);
    CU_ASSERT_EQUAL(worker.progress.partitions[1].place, PLACE_NONE);
    close_here();
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_a_checkpoint_that_cannot_be_read),
        TEST(test_a_checkpoint_that_is_none),
        TEST(test_letters_that_cannot_be_read),
        TEST(test_what_may_have_letters),
        TEST(test_only_a_checkpoint_is_lost),
        TEST(test_bounds_that_are_not_known),
        TEST(test_seeks),
        TEST(test_a_source_that_does_not_know_yet),
        TEST(test_profiles_whose_customers_were_forgotten),
        TEST(test_a_partition_that_comes_in_a_round),
        TEST(test_seeking_back),
        TEST(test_a_replay_from_a_time),
        TEST(test_what_is_said_of_a_replay),
        TEST(test_the_fields_of_a_checkpoint),
        TEST(test_what_is_told_again),
        TEST(test_nothing_is_told_of_the_beginning),
        TEST(test_what_is_said_of_a_source_without_positions),
        TEST(test_what_is_said_of_the_place),
        TEST(test_a_gap_is_said_once),
        TEST(test_a_checkpoint_whose_put_breaks_the_session),
        TEST(test_a_store_that_needs_no_flush),
        TEST(test_a_refused_checkpoint_is_a_stall),
        TEST(test_each_partition_has_its_checkpoint),
        TEST(test_one_checkpoint_among_others),
        TEST(test_a_round_of_many_that_breaks),
        TEST(test_how_far_each_partition_is_counted),
        TEST(test_announcements),
        TEST(test_what_a_rebuild_has_not_sent),
        TEST(test_a_source_without_positions_after_a_rebuild),
        TEST(test_a_replay_after_a_rebuild),
        TEST(test_a_rebuild_notes_what_was_sent),
        TEST(test_a_redrive_of_a_new_topic),
        TEST(test_a_redrive_goes_back),
        TEST(test_a_redrive_of_a_file),
        TEST(test_a_redrive_learns_how_far_others_count),
        CU_TEST_INFO_NULL,
    };
    return run_tests_without_leaks("placing", tests);
}
