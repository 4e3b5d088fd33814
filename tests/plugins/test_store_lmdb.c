/* The LMDB store through the ABI: versioned puts, expiry, scans, sessions, a full map, damaged records. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "cunit_main.h"
#include "fake_host.h"
#include "open_files.h"

#include <ftw.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 5000

static const churn_plugin *plugin;
static const churn_store_ops *ops;
static struct fake_host fake;
static char folder[256];
static void *store;
static churn_error err;

static int32_t write_one(void *session, churn_str key, const churn_pair *fields, uint32_t count, int64_t ttl_ms,
                         churn_error *why)
{
    churn_hash hash = {.key = key, .fields = fields, .count = count, .ttl_ms = ttl_ms};
    return ops->write(session, &hash, 1, why);
}

/* --- Set-up --- */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void make_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/churn-lmdb-XXXXXX", tmp != NULL ? tmp : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static void open_store(const char *map_size)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/deep/er", folder);
    fake_host_init(&fake);
    err = (churn_error){.size = sizeof err};
    store = fake_instance_new(plugin, "path", path, "map_size", map_size, "sync", "false", NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(store, &fake.host, &err), CHURN_OK);
}

static void close_store(void)
{
    ops->destroy(store);
    fake_instance_free(plugin, store);
}

static void begin(const char *map_size)
{
    make_folder();
    open_store(map_size);
}

static void end(void)
{
    close_store();
    (void)nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void *session_new(void)
{
    void *session = NULL;
    CU_ASSERT_EQUAL_FATAL(ops->open(store, &session, &err), CHURN_OK);
    return session;
}

/* --- Calls in short --- */

static churn_pair pair(const char *name, const char *value)
{
    return (churn_pair){.name = str(name), .value = str(value)};
}

static void put_ttl(void *session, const char *key, uint64_t version, uint64_t id, const char *name, const char *value,
                    int64_t ttl_ms)
{
    churn_pair field = pair(name, value);
    churn_put put = {.size = sizeof put,
                     .count = 1,
                     .key = str(key),
                     .expected_version = version,
                     .fields = &field,
                     .id = id,
                     .ttl_ms = ttl_ms};
    CU_ASSERT_EQUAL_FATAL(ops->put(session, &put, &err), CHURN_OK);
}

static void put(void *session, const char *key, uint64_t version, uint64_t id, const char *name, const char *value)
{
    put_ttl(session, key, version, id, name, value, 0);
}

static churn_put_reply poll_one(void *session)
{
    churn_put_reply reply = {0};
    uint32_t count = 0;
    CU_ASSERT_EQUAL_FATAL(ops->poll(session, &reply, 1, 1000, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    return reply;
}

static int32_t put_now(void *session, const char *key, uint64_t version, const char *name, const char *value)
{
    churn_put_reply reply;
    put(session, key, version, 77, name, value);
    reply = poll_one(session);
    CU_ASSERT_EQUAL(reply.id, 77);
    return reply.result;
}

/* What fn was given, as "key{name=value,…}" for each call. */
struct seen {
    char text[8192];
    size_t len;
    unsigned calls;
    unsigned stop_after;
};

static int32_t note(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct seen *seen = ctx;
    char *at = seen->text + seen->len;
    at += sprintf(at, "%.*s{", (int)key.len, key.ptr);
    for (uint32_t i = 0; i < count; i++) {
        at += sprintf(at, "%s%.*s=%.*s", i > 0 ? "," : "", (int)fields[i].name.len, fields[i].name.ptr,
                      (int)fields[i].value.len, fields[i].value.ptr);
    }
    at += sprintf(at, "}");
    seen->len = (size_t)(at - seen->text);
    return ++seen->calls == seen->stop_after ? CHURN_END : CHURN_OK;
}

static void check_get(void *session, const char *key, const char *expected)
{
    struct seen seen = {0};
    CU_ASSERT_EQUAL(ops->get(session, str(key), note, &seen, &err), CHURN_OK);
    CU_ASSERT_EQUAL(seen.calls, 1);
    CU_ASSERT_STRING_EQUAL(seen.text, expected);
}

static void check_scan(void *session, const char *prefix, const char *after, uint32_t max, const char *expected)
{
    struct seen seen = {0};
    churn_str from = {0};
    if (after != NULL) {
        from = str(after);
    }
    CU_ASSERT_EQUAL(ops->scan(session, str(prefix), from, max, note, &seen, &err), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(seen.text, expected);
}

/* --- Tests --- */

static void puts_merge_and_conflict(void)
{
    void *s;
    churn_put_reply reply;
    uint32_t count;
    begin("64MiB");
    s = session_new();
    CU_ASSERT_EQUAL(ops->embedded, 1);
    CU_ASSERT_EQUAL(ops->poll(s, &reply, 1, 0, &count, &err), CHURN_PENDING);
    check_get(s, "k", "k{}");
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "1"), CHURN_OK);
    CU_ASSERT_EQUAL(put_now(s, "k", 1, "b", "2"), CHURN_OK);
    CU_ASSERT_EQUAL(put_now(s, "k", 2, "a", "longer"), CHURN_OK);
    check_get(s, "k", "k{a=longer,b=2,_v=3}");

    put(s, "k", 1, 9, "a", "x");
    put(s, "new", 4, 10, "a", "x");
    put(s, "new2", 0, 11, "a", "x");
    reply = poll_one(s);
    CU_ASSERT_EQUAL(reply.id, 9);
    CU_ASSERT_EQUAL(reply.result, CHURN_CONFLICT);
    CU_ASSERT_EQUAL(reply.version, 3);
    CU_ASSERT_EQUAL_FATAL(reply.count, 2);
    CU_ASSERT_NSTRING_EQUAL(reply.fields[0].value.ptr, "longer", 6);
    reply = poll_one(s);
    CU_ASSERT_EQUAL(reply.result, CHURN_CONFLICT);
    CU_ASSERT_EQUAL(reply.version, 0);
    CU_ASSERT_EQUAL(reply.count, 0);
    reply = poll_one(s);
    CU_ASSERT_EQUAL(reply.id, 11);
    CU_ASSERT_EQUAL(reply.result, CHURN_OK);
    check_get(s, "k", "k{a=longer,b=2,_v=3}");
    check_get(s, "new", "new{}");
    check_get(s, "new2", "new2{a=x,_v=1}");
    ops->close(s);
    end();
}

static void survives_reopening(void)
{
    void *s;
    begin("64MiB");
    s = session_new();
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "1"), CHURN_OK);
    ops->close(s);
    close_store();
    open_store("32MiB");
    s = session_new();
    check_get(s, "k", "k{a=1,_v=1}");
    ops->close(s);
    end();
}

static void unanswered_puts_may_be_dropped(void)
{
    void *s, *t;
    begin("64MiB");
    s = session_new();
    put(s, "k", 0, 1, "a", "1");
    ops->close(s);
    t = session_new();
    check_get(t, "k", "k{}");
    CU_ASSERT_EQUAL(put_now(t, "k", 0, "a", "2"), CHURN_OK);
    ops->close(t);
    end();
}

static void expired_counts_as_absent(void)
{
    void *s;
    begin("64MiB");
    s = session_new();
    fake.clock_ms = 1000000;
    put_ttl(s, "k", 0, 1, "a", "1", 500);
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
    fake.clock_ms += 499;
    check_get(s, "k", "k{a=1,_v=1}");
    put_ttl(s, "k", 1, 1, "b", "2", 500);
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
    fake.clock_ms += 499;
    check_get(s, "k", "k{a=1,b=2,_v=2}");
    fake.clock_ms += 1;
    check_get(s, "k", "k{}");
    check_scan(s, "", NULL, 10, "");
    CU_ASSERT_EQUAL(put_now(s, "k", 2, "c", "3"), CHURN_CONFLICT);
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "c", "3"), CHURN_OK);
    check_get(s, "k", "k{c=3,_v=1}");
    ops->close(s);
    end();
}

/* How many records the file holds, expired ones too; the store must be closed. */
static size_t stored_records(void)
{
    char path[512];
    MDB_env *env;
    MDB_stat stat;
    (void)snprintf(path, sizeof path, "%s/deep/er", folder);
    CU_ASSERT_EQUAL_FATAL(mdb_env_create(&env), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_env_open(env, path, MDB_RDONLY, 0), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_env_stat(env, &stat), 0);
    mdb_env_close(env);
    return stat.ms_entries;
}

static void expired_records_are_swept_away(void)
{
    const uint32_t rounds = 40, each = 250;
    churn_put_reply replies[BATCH];
    char key[32], expected[64];
    uint32_t count;
    void *s;
    begin("64MiB");
    s = session_new();
    fake.clock_ms = 1000000;
    for (uint32_t i = 0; i < 100; i++) { /* these stay, before, among and behind the others */
        (void)snprintf(key, sizeof key, "%c%u", "akz"[i % 3], i * 1000);
        CU_ASSERT_EQUAL(put_now(s, key, 0, "f", "v"), CHURN_OK);
    }
    put_ttl(s, "later", 0, 1, "f", "v", INT64_C(1000000000));
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < each; i++) { /* keys all over the range */
            (void)snprintf(key, sizeof key, "k%u", (round * each + i) * 2654435761u);
            put_ttl(s, key, 0, i, "f", "v", 1000);
        }
        CU_ASSERT_EQUAL_FATAL(ops->poll(s, replies, BATCH, 0, &count, &err), CHURN_OK);
        CU_ASSERT_EQUAL(count, each);
        fake.clock_ms += 600; /* two rounds are alive at a time */
    }
    for (uint32_t i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "%c%u", "akz"[i % 3], i * 1000);
        (void)snprintf(expected, sizeof expected, "%s{f=v,_v=1}", key);
        check_get(s, key, expected);
    }
    check_get(s, "later", "later{f=v,_v=1}");
    for (uint32_t i = 0; i < each; i++) {
        (void)snprintf(key, sizeof key, "k%u", ((rounds - 1) * each + i) * 2654435761u);
        (void)snprintf(expected, sizeof expected, "%s{f=v,_v=1}", key);
        check_get(s, key, expected);
    }
    ops->close(s);
    close_store();
    CU_ASSERT(stored_records() >= 101 + each);
    CU_ASSERT(stored_records() < 101 + 8 * each); /* of 40 times as many */
    open_store("64MiB");
    end();
}

static void write_replaces(void)
{
    void *s;
    churn_pair both[] = {pair("a", "1"), pair("b", "")}, one[] = {pair("c", "3")};
    churn_hash two[] = {{.key = str("x"), .fields = one, .count = 1}, {.key = str("y"), .fields = both, .count = 2}};
    churn_hash refused[] = {two[0], {.key = str(""), .fields = one, .count = 1}, two[1]};
    churn_put_reply reply;
    begin("64MiB");
    s = session_new();
    CU_ASSERT_EQUAL(write_one(s, str("w"), both, 2, 0, &err), CHURN_OK);
    check_get(s, "w", "w{a=1,b=}");
    CU_ASSERT_EQUAL(write_one(s, str("w"), one, 1, 60000, &err), CHURN_OK);
    check_get(s, "w", "w{c=3}");
    put(s, "w", 0, 1, "a", "1"); /* the fields of somebody else stay */
    reply = poll_one(s);
    CU_ASSERT_EQUAL(reply.result, CHURN_OK);
    check_get(s, "w", "w{c=3,a=1,_v=1}");
    CU_ASSERT_EQUAL(write_one(s, str("w"), NULL, 0, 0, &err), CHURN_OK);
    check_get(s, "w", "w{}");
    CU_ASSERT_EQUAL(ops->write(s, refused, 3, &err), CHURN_FATAL); /* its second key is none */
    check_get(s, "x", "x{}");
    check_get(s, "y", "y{}");
    CU_ASSERT_EQUAL(ops->write(s, two, 2, &err), CHURN_OK);
    check_get(s, "x", "x{c=3}");
    check_get(s, "y", "y{a=1,b=}");
    ops->close(s);
    end();
}

static void remove_needs_the_value(void)
{
    void *s;
    churn_pair field = pair("id", "7"), several[] = {pair("first", "7"), pair("id", "7"), pair("last", "8")};
    begin("64MiB");
    s = session_new();
    CU_ASSERT_EQUAL(write_one(s, str("q"), &field, 1, 0, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops->remove(s, str("none"), str("id"), str("7"), &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops->remove(s, str("q"), str("id"), str("8"), &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops->remove(s, str("q"), str("other"), str("7"), &err), CHURN_OK);
    check_get(s, "q", "q{id=7}");
    CU_ASSERT_EQUAL(ops->remove(s, str("q"), str("id"), str("7"), &err), CHURN_OK);
    check_get(s, "q", "q{}");
    CU_ASSERT_EQUAL(write_one(s, str("q"), several, 3, 0, &err), CHURN_OK); /* whichever of its fields it is */
    CU_ASSERT_EQUAL(ops->remove(s, str("q"), str("id"), str("6"), &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops->remove(s, str("q"), str("other"), str("7"), &err), CHURN_OK);
    check_get(s, "q", "q{first=7,id=7,last=8}");
    CU_ASSERT_EQUAL(ops->remove(s, str("q"), str("id"), str("7"), &err), CHURN_OK);
    check_get(s, "q", "q{}");
    CU_ASSERT_EQUAL(write_one(s, str("q"), several, 3, 0, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops->remove(s, str("q"), str("last"), str("8"), &err), CHURN_OK);
    check_get(s, "q", "q{}");
    CU_ASSERT_EQUAL(put_now(s, "q", 0, "id", "7"), CHURN_OK);
    CU_ASSERT_EQUAL(ops->remove(s, str("q"), str("_v"), str("2"), &err), CHURN_OK);
    check_get(s, "q", "q{id=7,_v=1}");
    CU_ASSERT_EQUAL(ops->remove(s, str("q"), str("_v"), str("1"), &err), CHURN_OK);
    check_get(s, "q", "q{}");
    ops->close(s);
    end();
}

static void scans_in_byte_order(void)
{
    static const char *const keys[] = {"b:2", "a", "b:1", "b:10", "c", "b:\xff"};
    struct seen seen = {.stop_after = 2};
    churn_pair field = pair("f", "1");
    void *s;
    begin("64MiB");
    s = session_new();
    check_scan(s, "", NULL, 10, "");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        CU_ASSERT_EQUAL(write_one(s, str(keys[i]), &field, 1, 0, &err), CHURN_OK);
    }
    CU_ASSERT_EQUAL(put_now(s, "b:2v", 0, "g", "2"), CHURN_OK);
    check_scan(s, "b:", NULL, 10, "b:1{f=1}b:10{f=1}b:2{f=1}b:2v{g=2,_v=1}b:\xff{f=1}");
    check_scan(s, "b:", NULL, 2, "b:1{f=1}b:10{f=1}");
    check_scan(s, "b:", "b:10", 1, "b:2{f=1}");
    check_scan(s, "b:", "b:100", 1, "b:2{f=1}");
    check_scan(s, "b:", "a", 1, "b:1{f=1}");
    check_scan(s, "b:", "b:\xff", 1, "");
    check_scan(s, "", "b:\xff", 5, "c{f=1}");
    check_scan(s, "", NULL, 1, "a{f=1}");
    check_scan(s, "zzz", NULL, 5, "");
    check_scan(s, "", NULL, 0, "");
    CU_ASSERT_EQUAL(ops->scan(s, str(""), (churn_str){0}, 10, note, &seen, &err), CHURN_OK);
    CU_ASSERT_EQUAL(seen.calls, 2);
    ops->close(s);
    end();
}

struct listed {
    char text[512];
    unsigned count;
    unsigned stop_after;
};

static int32_t list_key(void *ctx, churn_str key)
{
    struct listed *listed = ctx;
    size_t used = strlen(listed->text);
    (void)snprintf(listed->text + used, sizeof listed->text - used, "%.*s ", (int)key.len, key.ptr);
    return ++listed->count == listed->stop_after ? CHURN_END : CHURN_OK;
}

static void check_keys(void *session, const char *prefix, unsigned stop_after, const char *expected)
{
    struct listed listed = {.stop_after = stop_after};
    CU_ASSERT_EQUAL(ops->keys(session, str(prefix), list_key, &listed, &err), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(listed.text, expected);
}

static void keys_are_those_with_the_prefix(void)
{
    void *s;
    begin("64MiB");
    s = session_new();
    check_keys(s, "", 0, "");
    fake.clock_ms = 1000000;
    put_ttl(s, "p:old", 0, 1, "a", "1", 500);
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
    CU_ASSERT_EQUAL(put_now(s, "p:b", 0, "a", "1"), CHURN_OK);
    CU_ASSERT_EQUAL(put_now(s, "p:", 0, "a", "1"), CHURN_OK);
    CU_ASSERT_EQUAL(put_now(s, "p;", 0, "a", "1"), CHURN_OK);
    CU_ASSERT_EQUAL(put_now(s, "o", 0, "a", "1"), CHURN_OK);
    check_keys(s, "p:", 0, "p: p:b p:old ");
    fake.clock_ms += 500;
    check_keys(s, "p:", 0, "p: p:b ");
    check_keys(s, "p", 2, "p: p:b ");
    check_keys(s, "", 0, "o p: p:b p; ");
    check_keys(s, "q", 0, "");
    ops->close(s);
    end();
}

static void refuses_keys_that_do_not_fit(void)
{
    char key[600];
    void *s;
    churn_put_reply reply;
    struct seen seen = {0};
    memset(key, 'k', sizeof key);
    key[512] = '\0';
    begin("64MiB");
    s = session_new();
    put(s, key, 0, 1, "a", "1");
    put(s, "short", 0, 2, "a", "1");
    put(s, "", 0, 3, "a", "1");
    reply = poll_one(s);
    CU_ASSERT_EQUAL(reply.result, CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(reply.message, "a key of 512 bytes does not fit: LMDB takes 1 to 511");
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_FATAL);
    CU_ASSERT_EQUAL(ops->get(s, str(key), note, &seen, &err), CHURN_FATAL);
    key[511] = '\0';
    CU_ASSERT_EQUAL(put_now(s, key, 0, "a", "1"), CHURN_OK);
    ops->close(s);
    end();
}

/* Large values in one window, and replies collected a few at a time. */
static void writes_a_window_at_once(void)
{
    static char value[4096];
    churn_put_reply replies[7];
    char key[32];
    uint32_t count, answered = 0;
    void *s;
    memset(value, 'v', sizeof value - 1);
    begin("256MiB");
    s = session_new();
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < BATCH; i++) {
            (void)snprintf(key, sizeof key, "k%u", i);
            put(s, key, round, i, round == 0 ? "first" : "second", value);
        }
        for (answered = 0; answered < BATCH; answered += count) {
            CU_ASSERT_EQUAL_FATAL(ops->poll(s, replies, 7, 0, &count, &err), CHURN_OK);
            for (uint32_t i = 0; i < count; i++) {
                CU_ASSERT_EQUAL_FATAL(replies[i].result, CHURN_OK);
                CU_ASSERT_EQUAL_FATAL(replies[i].id, answered + i);
            }
        }
        CU_ASSERT_EQUAL(ops->poll(s, replies, 7, 0, &count, &err), CHURN_PENDING);
    }
    ops->close(s);
    end();
}

static void a_full_map_asks_for_more(void)
{
    static char value[100000];
    churn_put_reply replies[64];
    char key[32];
    uint32_t count;
    void *s;
    memset(value, 'v', sizeof value - 1);
    begin("1MiB");
    s = session_new();
    CU_ASSERT_EQUAL(put_now(s, "k0", 0, "a", "kept"), CHURN_OK);
    for (unsigned i = 0; i < 64; i++) {
        (void)snprintf(key, sizeof key, "k%u", i);
        put(s, key, 0, i, "a", value);
    }
    CU_ASSERT_EQUAL_FATAL(ops->poll(s, replies, 64, 0, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(count, 64);
    CU_ASSERT_EQUAL(replies[0].result, CHURN_CONFLICT);
    for (unsigned i = 1; i < 64; i++) {
        CU_ASSERT_EQUAL(replies[i].result, CHURN_RETRY);
        CU_ASSERT_PTR_NOT_NULL(strstr(replies[i].message, "raise map_size"));
    }
    check_get(s, "k0", "k0{a=kept,_v=1}");
    check_get(s, "k1", "k1{}");
    CU_ASSERT_EQUAL(write_one(s, str("w"), (churn_pair[]){pair("a", "1")}, 1, 0, &err), CHURN_OK);
    ops->close(s);
    end();
}

static void damage_is_reported(void)
{
    static const char *const bad[] = {"", "\x02", "\x01", "\x01\x80", "\x01\x01\x01\x05", "\x01\x01\x01\x01\x01\x09z"};
    char path[512], key[8];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    void *s;
    make_folder();
    (void)snprintf(path, sizeof path, "%s/deep", folder);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/deep/er", folder);
    (void)mkdir(path, 0700);
    CU_ASSERT_EQUAL_FATAL(mdb_env_create(&env), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_env_open(env, path, 0, 0600), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(env, NULL, 0, &txn), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        MDB_val k = {.mv_data = key, .mv_size = (size_t)sprintf(key, "bad%zu", i)};
        MDB_val v = {.mv_data = (void *)(uintptr_t)bad[i], .mv_size = strlen(bad[i])};
        CU_ASSERT_EQUAL_FATAL(mdb_put(txn, dbi, &k, &v, 0), 0);
    }
    CU_ASSERT_EQUAL_FATAL(mdb_txn_commit(txn), 0);
    mdb_env_close(env);

    open_store("64MiB");
    s = session_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct seen seen = {0};
        churn_put_reply reply;
        (void)sprintf(key, "bad%zu", i);
        put(s, key, 0, 1, "a", "1");
        reply = poll_one(s);
        CU_ASSERT_EQUAL(reply.result, CHURN_REJECT);
        CU_ASSERT_PTR_NOT_NULL(strstr(reply.message, key));
        CU_ASSERT_EQUAL(ops->get(s, str(key), note, &seen, &err), CHURN_REJECT);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "damaged"));
    ops->close(s);
    end();
}

/* --- Files that are not what they should be --- */

#define RECORDS 600
#define PAGE 4096

static const char *in_store(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/deep/er/%s", folder, name);
    return path;
}

static void fill_store(void)
{
    char key[32], large[3000];
    void *s;
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    begin("64MiB");
    s = session_new();
    for (unsigned round = 0; round < 3; round++) { /* which leaves pages free in between */
        for (unsigned i = 0; i < RECORDS; i++) {
            (void)snprintf(key, sizeof key, "key%04u", i);
            put(s, key, round, i, "name", i % 100 == 7 ? large : "a value of some bytes");
        }
        for (unsigned i = 0; i < RECORDS; i++) {
            CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
        }
    }
    ops->close(s);
    close_store();
}

static char *read_data(long *ret_size)
{
    FILE *file = fopen(in_store("data.mdb"), "r");
    char *bytes;
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fseek(file, 0, SEEK_END);
    *ret_size = ftell(file);
    rewind(file);
    bytes = malloc((size_t)*ret_size);
    CU_ASSERT_EQUAL_FATAL(fread(bytes, 1, (size_t)*ret_size, file), (size_t)*ret_size);
    (void)fclose(file);
    return bytes;
}

static void write_data(const char *bytes, long size)
{
    FILE *file = fopen(in_store("data.mdb"), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, (size_t)size, file), (size_t)size);
    (void)fclose(file);
}

static int32_t count_record(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    (void)key;
    *(unsigned *)ctx += count == 2 && fields[0].name.len == 4;
    return CHURN_OK;
}

/* Opened as it is now: refused, in words that help, or nothing is missing. */
static bool is_refused(void)
{
    void *s = NULL;
    unsigned records = 0;
    open_store("64MiB");
    bool refused = ops->open(store, &s, &err) != CHURN_OK;
    if (refused) {
        CU_ASSERT_EQUAL(err.code, CHURN_FATAL);
        CU_ASSERT(strstr(err.message, "deep/er/data.mdb") != NULL && strstr(err.message, "from a backup") != NULL);
    } else {
        CU_ASSERT_EQUAL(ops->scan(s, str("key"), (churn_str){0}, UINT32_MAX, count_record, &records, &err), CHURN_OK);
        CU_ASSERT_EQUAL(records, RECORDS);
        ops->close(s);
    }
    close_store();
    return refused;
}

static void pages_that_hold_something_else(void)
{
    long size;
    unsigned refused = 0, pages;
    char *bytes, kept[PAGE];
    fill_store();
    bytes = read_data(&size);
    pages = (unsigned)(size / PAGE);
    CU_ASSERT(!is_refused());
    for (unsigned way = 0; way < 3; way++) {
        refused = 0;
        for (unsigned i = 0; i < pages; i++) {
            char *page = bytes + (size_t)i * PAGE;
            memcpy(kept, page, PAGE);
            for (unsigned at = 0; at < PAGE; at++) {
                page[at] = way == 0   ? 0
                           : way == 1 ? (char)((at * 31 + i) * 17)
                                      : bytes[(size_t)(i + 7) % pages * PAGE + at];
            }
            write_data(bytes, size);
            refused += is_refused();
            memcpy(page, kept, PAGE);
        }
        CU_ASSERT(refused > pages / 3 && refused < pages);
    }
    free(bytes);
    open_store("64MiB");
    end();
}

/* LMDB divides by what either of the first two pages says. */
static void sizes_that_no_page_has(void)
{
    static const uint32_t sizes[] = {0, 1, 255, 2 * PAGE, 4095, 12288, 131072, UINT32_MAX};
    enum { SIZE_AT = 40 };
    long size;
    char *bytes;
    uint32_t kept;
    fill_store();
    bytes = read_data(&size);
    for (unsigned page = 0; page < 2; page++) {
        char *at = bytes + (size_t)page * PAGE + SIZE_AT;
        memcpy(&kept, at, sizeof kept);
        CU_ASSERT_EQUAL(kept, PAGE);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            memcpy(at, &sizes[i], sizeof sizes[i]);
            write_data(bytes, size);
            CU_ASSERT(is_refused());
        }
        memcpy(at, &kept, sizeof kept);
    }
    write_data(bytes, size);
    CU_ASSERT(!is_refused());
    free(bytes);
    open_store("64MiB");
    end();
}

/* LMDB believes the page that the newest id leads to, even ids to the first, whichever page holds that id. */
static void transactions_out_of_turn(void)
{
    enum { TXN_AT = 16 + 128 };
    long size;
    char *bytes;
    uint64_t newest, ids[2];
    fill_store();
    bytes = read_data(&size);
    for (size_t page = 0; page < 2; page++) {
        memcpy(&ids[page], bytes + page * PAGE + TXN_AT, sizeof ids[page]);
    }
    newest = ids[0] > ids[1] ? ids[0] : ids[1];
    CU_ASSERT(newest > 2 && ids[0] + ids[1] == 2 * newest - 1);
    for (size_t page = 0; page < 2; page++) {
        const uint64_t wrong[] = {newest + 8, newest + 9, ids[1 - page], 34181, UINT64_MAX, UINT64_MAX - 1};
        char *at = bytes + page * PAGE + TXN_AT;
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            memcpy(at, &wrong[i], sizeof wrong[i]);
            write_data(bytes, size);
            CU_ASSERT(is_refused());
        }
        memcpy(at, &ids[page], sizeof ids[page]);
    }
    write_data(bytes, size);
    CU_ASSERT(!is_refused());
    free(bytes);
    open_store("64MiB");
    end();
}

/* One bit that the disk has turned is never a wrong profile. */
static void each_bit_of_a_record(void)
{
    static const char key[] = "profile:c1";
    static const char shown[] = "profile:c1{events_total=17,_m:in.jsonl/=00ff,_v=1}";
    const size_t header = 8, len = 4 + (2 + 12 + 2) + (2 + 12 + 4) + 8; /* LMDB's before the key; the record */
    churn_pair fields[] = {pair("events_total", "17"), pair("_m:in.jsonl/", "00ff")};
    churn_put put_both = {.size = sizeof put_both, .count = 2, .key = str(key), .fields = fields, .id = 1};
    unsigned met = 0, refused = 0;
    char *bytes, *at = NULL;
    long size;
    void *s;
    begin("64MiB");
    s = session_new();
    CU_ASSERT_EQUAL_FATAL(ops->put(s, &put_both, &err), CHURN_OK);
    CU_ASSERT_EQUAL(poll_one(s).result, CHURN_OK);
    ops->close(s);
    close_store();
    bytes = read_data(&size);
    for (long i = 0; i + (long)sizeof key < size; i++) {
        if (memcmp(bytes + i, key, sizeof key - 1) == 0) {
            CU_ASSERT_PTR_NULL(at); /* the only copy */
            at = bytes + i + sizeof key - 1;
        }
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    for (size_t bit = 0; bit < len * 8; bit++) {
        struct seen seen = {0};
        at[bit / 8] = (char)(at[bit / 8] ^ 1 << bit % 8);
        write_data(bytes, size);
        open_store("64MiB");
        s = session_new();
        CU_ASSERT_EQUAL(ops->get(s, str(key), note, &seen, &err), CHURN_REJECT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "damaged record"));
        put(s, key, 1, 77, "events_total", "18");
        met += poll_one(s).result == CHURN_REJECT;
        ops->close(s);
        close_store();
        at[bit / 8] = (char)(at[bit / 8] ^ 1 << bit % 8);
    }
    CU_ASSERT_EQUAL(met, len * 8);
    at -= sizeof key - 1 + header;
    for (size_t bit = 0; bit < 6 * 8; bit++) { /* its size and flags */
        struct seen seen = {0};
        at[bit / 8] = (char)(at[bit / 8] ^ 1 << bit % 8);
        write_data(bytes, size);
        open_store("64MiB");
        if (ops->open(store, &s, &err) != CHURN_OK) {
            refused++;
        } else {
            CU_ASSERT_EQUAL(ops->get(s, str(key), note, &seen, &err), CHURN_REJECT);
            ops->close(s);
        }
        close_store();
        at[bit / 8] = (char)(at[bit / 8] ^ 1 << bit % 8);
    }
    CU_ASSERT(refused >= 16);
    write_data(bytes, size);
    open_store("64MiB");
    s = session_new();
    check_get(s, key, shown);
    ops->close(s);
    free(bytes);
    end();
}

/* A record without a checksum is read, and has one once it is written again. */
static void records_of_before_get_a_checksum(void)
{
    static const char old[] = "\1\0\1\1\1\1a1";
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val key = {.mv_data = (char[]){'k'}, .mv_size = 1};
    MDB_val value = {.mv_data = (void *)(uintptr_t)old, .mv_size = sizeof old - 1};
    void *s;
    begin("64MiB");
    s = session_new(); /* makes the folder */
    ops->close(s);
    close_store();
    for (int written = 0; written < 2; written++) {
        CU_ASSERT_EQUAL_FATAL(mdb_env_create(&env), 0);
        CU_ASSERT_EQUAL_FATAL(mdb_env_open(env, in_store(""), 0, 0600), 0);
        CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(env, NULL, 0, &txn), 0);
        CU_ASSERT_EQUAL_FATAL(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
        if (written) {
            CU_ASSERT_EQUAL_FATAL(mdb_get(txn, dbi, &key, &value), 0);
            CU_ASSERT_EQUAL(value.mv_size, sizeof old - 1 + 8);
            CU_ASSERT_EQUAL(*(char *)value.mv_data, 2);
        } else {
            CU_ASSERT_EQUAL_FATAL(mdb_put(txn, dbi, &key, &value, 0), 0);
        }
        CU_ASSERT_EQUAL_FATAL(mdb_txn_commit(txn), 0);
        mdb_env_close(env);
        open_store("64MiB");
        s = session_new();
        check_get(s, "k", written ? "k{a=2,_v=2}" : "k{a=1,_v=1}");
        if (!written) {
            CU_ASSERT_EQUAL(put_now(s, "k", 1, "a", "2"), CHURN_OK);
        }
        ops->close(s);
        if (!written) {
            close_store();
        }
    }
    end();
}

static void a_file_that_was_cut(void)
{
    long size;
    unsigned refused = 0, cuts = 0;
    char *bytes;
    fill_store();
    bytes = read_data(&size);
    for (long left = 0; left < size; left += PAGE / 2 + 1, cuts++) {
        write_data(bytes, left);
        refused += is_refused();
    }
    CU_ASSERT(refused > cuts * 9 / 10);
    free(bytes);
    open_store("64MiB");
    end();
}

/* A transaction may take pages at the end, give them back and never write them. */
static void a_short_file_may_be_whole(void)
{
    long size;
    char *bytes;
    fill_store();
    bytes = read_data(&size);
    for (size_t page = 0; page < 2; page++) {
        uint64_t last;
        char *at = bytes + page * PAGE + 16 + 120; /* as LMDB 0.9 lays it out */
        memcpy(&last, at, sizeof last);
        CU_ASSERT(last < (uint64_t)size / PAGE);
        last += 5;
        memcpy(at, &last, sizeof last);
    }
    write_data(bytes, size);
    CU_ASSERT(!is_refused());
    free(bytes);
    open_store("64MiB");
    end();
}

static void links_are_not_followed(void)
{
    const char *const names[] = {"", "data.mdb", "lock.mdb"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512], target[512];
        void *s = NULL;
        begin("64MiB");
        ops->close(session_new());
        close_store();
        (void)snprintf(path, sizeof path, "%s", in_store(names[i]));
        if (i == 0) {
            path[strlen(path) - 1] = '\0';
        }
        (void)snprintf(target, sizeof target, "%s/target", folder);
        CU_ASSERT(rename(path, target) == 0 && symlink(target, path) == 0);
        open_store("64MiB");
        CU_ASSERT_EQUAL(ops->open(store, &s, &err), CHURN_FATAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "symbolic link"));
        end();
    }
}

/* Who only looks makes nothing. */
static void a_look_makes_no_store(void)
{
    void *s = NULL;
    begin("64MiB");
    fake.host.read_only = 1;
    CU_ASSERT_EQUAL(ops->open(store, &s, &err), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "there is no store in"));
    CU_ASSERT(access(in_store(""), F_OK) != 0);
    fake.host.read_only = 0;
    s = session_new();
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "1"), CHURN_OK);
    ops->close(s);
    close_store();
    open_store("64MiB");
    fake.host.read_only = 1;
    s = session_new();
    check_get(s, "k", "k{a=1,_v=1}");
    CU_ASSERT(put_now(s, "k", 1, "a", "2") < 0);
    ops->close(s);
    fake.host.read_only = 0;
    end();
}

/* Bytes that a file may have. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_limit_on_files_is_waited_for(void)
{
    static char value[100000];
    struct rlimit old;
    void *s = NULL;
    (void)getrlimit(RLIMIT_FSIZE, &old);
    memset(value, 'v', sizeof value - 1);
    begin("64MiB");
    limit_files(75000); /* enough for the lock file, not for the data */
    (void)ops->open(store, &s, &err);
    if (s == NULL) {
        CU_ASSERT_EQUAL(err.code, CHURN_RETRY);
    } else {
        CU_ASSERT_EQUAL(put_now(s, "big", 0, "a", value), CHURN_RETRY);
        put(s, "big", 0, 1, "a", value);
        CU_ASSERT_PTR_NOT_NULL(strstr(poll_one(s).message, "ulimit -f"));
        ops->close(s);
    }
    limit_files(old.rlim_cur);
    s = session_new();
    CU_ASSERT_EQUAL(put_now(s, "big", 0, "a", value), CHURN_OK);
    ops->close(s);
    end();
    begin("64MiB");
    limit_files(5000); /* not even for its beginning */
    CU_ASSERT_EQUAL(ops->open(store, &s, &err), CHURN_RETRY);
    limit_files(old.rlim_cur);
    s = session_new();
    CU_ASSERT_EQUAL(put_now(s, "k", 0, "a", "1"), CHURN_OK);
    ops->close(s);
    end();
}

static void nothing_stays_open(void)
{
    unsigned before;
    begin("64MiB");
    before = open_files();
    for (int i = 0; i < 3; i++) {
        ops->close(session_new());
        close_store();
        CU_ASSERT_EQUAL(open_files(), before);
        open_store("64MiB");
    }
    end();
}

static void a_path_that_cannot_be_is_refused(void)
{
    char path[512];
    void *s;
    FILE *file;
    make_folder();
    (void)snprintf(path, sizeof path, "%s/deep", folder);
    file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fclose(file);
    open_store("64MiB");
    CU_ASSERT_EQUAL(ops->open(store, &s, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "path");
    end();
}

/* Each thread has a session; all add to the same counters by conflict and retry. */
static void *count_up(void *arg)
{
    void *s = NULL;
    uint64_t version = 0, n = 0;
    (void)arg;
    if (ops->open(store, &s, NULL) != CHURN_OK) {
        return NULL;
    }
    for (unsigned done = 0; done < 200;) {
        char text[24];
        churn_put_reply reply;
        uint32_t count;
        churn_pair field = {.name = str("n"),
                            .value = {.ptr = text, .len = (uint32_t)sprintf(text, "%ju", (uintmax_t)n + 1)}};
        churn_put p = {
            .size = sizeof p, .count = 1, .key = str("shared"), .expected_version = version, .fields = &field};
        (void)ops->put(s, &p, NULL);
        (void)ops->poll(s, &reply, 1, 0, &count, NULL);
        if (reply.result == CHURN_OK) {
            version++;
            n++;
            done++;
        } else {
            version = reply.version;
            n = strtoull(reply.fields[0].value.ptr, NULL, 10);
        }
    }
    ops->close(s);
    return NULL;
}

static void threads_share_a_counter(void)
{
    pthread_t threads[4];
    void *s;
    begin("64MiB");
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL_FATAL(pthread_join(threads[i], NULL), 0);
    }
    s = session_new();
    check_get(s, "shared", "shared{n=800,_v=800}");
    ops->close(s);
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(puts_merge_and_conflict),
                           TEST(survives_reopening),
                           TEST(unanswered_puts_may_be_dropped),
                           TEST(expired_counts_as_absent),
                           TEST(expired_records_are_swept_away),
                           TEST(write_replaces),
                           TEST(remove_needs_the_value),
                           TEST(scans_in_byte_order),
                           TEST(keys_are_those_with_the_prefix),
                           TEST(refuses_keys_that_do_not_fit),
                           TEST(writes_a_window_at_once),
                           TEST(a_full_map_asks_for_more),
                           TEST(damage_is_reported),
                           TEST(pages_that_hold_something_else),
                           TEST(sizes_that_no_page_has),
                           TEST(transactions_out_of_turn),
                           TEST(each_bit_of_a_record),
                           TEST(records_of_before_get_a_checksum),
                           TEST(a_file_that_was_cut),
                           TEST(a_short_file_may_be_whole),
                           TEST(links_are_not_followed),
                           TEST(a_look_makes_no_store),
                           TEST(a_limit_on_files_is_waited_for),
                           TEST(nothing_stays_open),
                           TEST(a_path_that_cannot_be_is_refused),
                           TEST(threads_share_a_counter),
                           CU_TEST_INFO_NULL};
    plugin = fake_plugin_load("store", "lmdb");
    ops = plugin->ops;
    return run_tests("store/lmdb", tests);
}
