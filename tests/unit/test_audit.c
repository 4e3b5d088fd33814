/* The chain of an audit's lines, the file that they are appended to, and the judge of whether it is whole. */
#include "core/audit/audit.h"
#include "core/audit/difference.h"
#include "core/audit/trail.h"
#include "core/audit/verify.h"

#include "check.h"
#include "core/base/clock.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct key key = {.bytes = {1, 2, 3}}, other_key = {.bytes = {3, 2, 1}};
static char path[] = "/tmp/churn-audit-XXXXXX/audit.jsonl";

/* ---- helpers ---- */

static void append_lines(int count)
{
    for (int i = 0; i < count; i++) {
        struct chain_head head;
        enum trail_found found;
        char message[TRAIL_MESSAGE_SIZE] = "";
        check(trail_append(path, &key, "\"action\":\"read\"", &head, &found, message, sizeof message), "%s", message);
    }
}

static enum trail_found append_one(struct chain_head *ret_head)
{
    enum trail_found found = TRAIL_WHOLE;
    char message[TRAIL_MESSAGE_SIZE] = "";
    check(trail_append(path, &key, "\"action\":\"read\"", ret_head, &found, message, sizeof message), "%s", message);
    return found;
}

static char *head_name(void)
{
    static char name[sizeof path + 8];
    (void)snprintf(name, sizeof name, "%s.head", path);
    return name;
}

static void begin(void)
{
    (void)unlink(path);
    (void)unlink(head_name());
}

static struct text read_all(void)
{
    struct text text = {0};
    FILE *in = fopen(path, "re");
    char room[4096];
    size_t n;
    while (in != NULL && (n = fread(room, 1, sizeof room, in)) > 0) {
        text_append(&text, room, n);
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    return text;
}

static void write_all(const char *bytes, size_t len, const char *mode)
{
    FILE *out = fopen(path, mode);
    CU_ASSERT_FATAL(out != NULL);
    CU_ASSERT(fwrite(bytes, 1, len, out) == len);
    CU_ASSERT(fclose(out) == 0);
}

static void note_fault(void *ctx, const char *fault)
{
    struct text *told = ctx;
    text_append_string(told, fault);
    text_append_string(told, "\n");
}

/* How many faults there are; with what is said of them. */
static int64_t judge(const struct key *with, struct text *ret_told)
{
    const char *paths[] = {path};
    struct verify_ends ends = {0};
    struct verify_report report;
    char message[TRAIL_MESSAGE_SIZE] = "";
    *ret_told = (struct text){0};
    check(trail_head(path, &ends.head, message, sizeof message) &&
              verify_files(paths, 1, with, &ends, note_fault, ret_told, &report, message, sizeof message),
          "%s", message);
    text_append(ret_told, "", 1);
    return report.faults;
}

static bool is_whole(void)
{
    struct text told;
    int64_t faults = judge(&key, &told);
    check(faults == 0, "%s", told.bytes);
    text_free(&told);
    return faults == 0;
}

/* ---- the chain ---- */

static void test_a_line_is_read_as_it_was_written(void)
{
    struct chain_head head = chain_begin(), first, read;
    struct text out = {0};
    char prev[CHAIN_MAC_LEN + 1];
    size_t end;
    chain_append(&key, &head, "\"a\":1", &out);
    first = head;
    end = out.len;
    chain_append(&key, &head, "\"a\":2", &out);
    CU_ASSERT(chain_read(&key, (churn_str){.ptr = out.bytes, .len = (uint32_t)(end - 1)}, &read, prev));
    CU_ASSERT(read.number == 1 && strcmp(read.mac, first.mac) == 0 && strspn(prev, "0") == CHAIN_MAC_LEN);
    CU_ASSERT(chain_read(&key, (churn_str){.ptr = out.bytes + end, .len = (uint32_t)(out.len - end - 1)}, &read, prev));
    CU_ASSERT(read.number == 2 && strcmp(read.mac, head.mac) == 0 && strcmp(prev, first.mac) == 0);
    CU_ASSERT(!chain_read(&other_key, (churn_str){.ptr = out.bytes, .len = (uint32_t)(end - 1)}, &read, prev));
    text_free(&out);
}

/* Each byte counts, and so does the length. */
static void test_no_byte_of_a_line_can_be_changed(void)
{
    struct chain_head head = chain_begin(), read;
    struct text out = {0};
    char prev[CHAIN_MAC_LEN + 1];
    uint32_t len;
    chain_append(&key, &head, "\"a\":\"b\"", &out);
    len = (uint32_t)out.len - 1;
    for (uint32_t i = 0; i < len; i++) {
        char *copy = exact_copy(out.bytes, len);
        copy[i] ^= 1;
        check(!chain_read(&key, (churn_str){.ptr = copy, .len = len}, &read, prev), "byte %u", i);
        free(copy);
        copy = exact_copy(out.bytes, i);
        check(!chain_read(&key, (churn_str){.ptr = copy, .len = i}, &read, prev), "cut at %u", i);
        free(copy);
    }
    text_free(&out);
}

static void test_heads(void)
{
    static const char *const bad[] = {"",
                                      ":",
                                      "x",
                                      "-1",
                                      "1:g",
                                      "1;a",
                                      ":ab",
                                      "99999999999999999999:a",
                                      "1:00000000000000000000000000000000000000000000000000000000000000000"};
    struct chain_head head = chain_begin(), read;
    char text[CHAIN_HEAD_SIZE];
    head.number = INT64_MAX;
    chain_head_format(&head, text);
    CU_ASSERT(chain_head_parse(text, &read) && read.number == INT64_MAX && strcmp(read.mac, head.mac) == 0);
    CU_ASSERT(chain_head_parse("7", &read) && read.number == 7 && read.mac[0] == '\0');
    CU_ASSERT(chain_head_parse("7:0a", &read) && strcmp(read.mac, "0a") == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check(!chain_head_parse(bad[i], &read), "\"%s\"", bad[i]);
    }
}

/* ---- the file ---- */

static void test_files_are_not_everybodys(void)
{
    struct stat st;
    begin();
    append_lines(1);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 07777) == (0640 & ~022));
    CU_ASSERT(stat(head_name(), &st) == 0 && (st.st_mode & 07777) == 0600);
}

/* That a folder was put on the disk, by a call that stands before the library's. */
static unsigned folders_synced;

int fsync(int fd)
{
    struct stat st;
    folders_synced += fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    return (int)syscall(SYS_fsync, fd);
}

/* A crash of the machine takes no file with it that has lines. */
static void test_a_new_file_is_on_the_disk(void)
{
    char old[sizeof path + 8];
    begin();
    folders_synced = 0;
    append_lines(1);
    CU_ASSERT(folders_synced == 1);
    append_lines(1);
    CU_ASSERT(folders_synced == 1);
    (void)snprintf(old, sizeof old, "%s.1", path);
    CU_ASSERT(rename(path, old) == 0);
    append_lines(1);
    CU_ASSERT(folders_synced == 2);
    CU_ASSERT(unlink(old) == 0);
}

/* Whatever of the newest write a crash leaves, the next line mends it, and nothing that was acknowledged is missing. */
static void test_a_crash_at_any_byte(void)
{
    struct text before, after;
    struct chain_head head;
    begin();
    append_lines(2);
    before = read_all();
    for (size_t left = 0;; left++) {
        write_all(before.bytes, before.len, "we");
        (void)unlink(head_name());
        append_lines(1);
        after = read_all();
        if (left > after.len - before.len) {
            break;
        }
        write_all(after.bytes, before.len + left, "we");
        (void)unlink(head_name()); /* it is written after the line */
        enum trail_found found = append_one(&head);
        check(found == (left == 0 || left == after.len - before.len ? TRAIL_WHOLE : TRAIL_TORN), "%zu bytes", left);
        check(is_whole(), "%zu bytes", left);
        text_free(&after);
    }
    text_free(&before);
    text_free(&after);
}

static void test_what_is_no_line_of_ours(void)
{
    size_t size = 3 * (size_t)CHAIN_MAX_LINE;
    char *garbage = calloc(size, 1);
    struct chain_head head;
    struct text told;
    CU_ASSERT_FATAL(garbage != NULL);
    memset(garbage, 'x', size);
    for (size_t len = 100; len <= size; len = len < 1000 ? size : size + 1) {
        begin();
        append_lines(2);
        write_all(garbage, len, "ae");
        CU_ASSERT(append_one(&head) == (len == size ? TRAIL_CUT : TRAIL_TORN));
        append_lines(1);
        CU_ASSERT(judge(&key, &told) == (len == size ? 1 : 0)); /* it stays where it is too long to be ours */
        text_free(&told);
        CU_ASSERT(head.number == 4);
    }
    garbage[size - 1] = '\n';
    write_all(garbage, size, "ae");
    CU_ASSERT(append_one(&head) == TRAIL_CUT);
    CU_ASSERT(append_one(&head) == TRAIL_WHOLE);
    free(garbage);
}

/* Each line that is taken out, alone, is missed. */
static void test_each_line_is_missed(void)
{
    struct text all, told;
    begin();
    append_lines(5);
    all = read_all();
    CU_ASSERT(is_whole());
    for (const char *line = all.bytes, *end = all.bytes + all.len, *next; line < end; line = next) {
        next = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
        write_all(all.bytes, (size_t)(line - all.bytes), "we");
        write_all(next, (size_t)(end - next), "ae");
        check(judge(&key, &told) == 1, "without a line: %s", told.bytes);
        check_contains(told.bytes, "missing", "what is said");
        text_free(&told);
    }
    text_free(&all);
}

static void test_the_key_of_another(void)
{
    struct text told;
    begin();
    append_lines(2);
    CU_ASSERT(judge(&other_key, &told) > 2);
    check_contains(told.bytes, "no line of it fits the key", "what is said");
    text_free(&told);
}

/* ---- acts ---- */

/* The actions of the file's lines, each with a blank behind it. */
static void list_actions(char *out, size_t size)
{
    static const char name[] = "\"action\":\"";
    struct text all = read_all();
    size_t used = 0;
    text_append(&all, "", 1);
    *out = '\0';
    for (const char *at = all.bytes; (at = strstr(at, name)) != NULL && used < size;) {
        at += sizeof name - 1;
        used += (size_t)snprintf(out + used, size - used, "%.*s ", (int)strcspn(at, "\""), at);
    }
    text_free(&all);
}

/* What could not be written comes first once that can be, in its order; a read that was refused only as a number. */
static void test_what_happens_while_nothing_can_be_written(void)
{
    char gone[sizeof path + 8], folder[sizeof path], message[TRAIL_MESSAGE_SIZE], actions[200];
    struct pipeline pipeline = {.settings.name = "p",
                                .audit_settings = {.path = gone,
                                                   .key = "000102030405060708090a0b0c0d0e0f"
                                                          "101112131415161718191a1b1c1d1e1f"}};
    const struct audit_act start = {.action = "start"}, reload = {.action = "reload"}, read = {.action = "read"};
    struct audit *audit;
    struct chain_head head;
    begin();
    (void)snprintf(folder, sizeof folder, "%.*s/gone", (int)(strrchr(path, '/') - path), path);
    (void)snprintf(gone, sizeof gone, "%s/a", folder);
    audit = audit_new(&pipeline, message, sizeof message);
    CU_ASSERT_FATAL(audit != NULL);
    audit_note(audit, &start);
    CU_ASSERT(!audit_write(audit, &read, message, sizeof message));
    check_contains(message, "No such file", "why");
    audit_note(audit, &reload);
    CU_ASSERT(!audit_state(audit, &head) && head.number == 0);
    CU_ASSERT(mkdir(folder, 0700) == 0);
    CU_ASSERT(audit_write(audit, &read, message, sizeof message));
    CU_ASSERT(audit_state(audit, &head) && head.number == 4);
    CU_ASSERT(rename(gone, path) == 0);
    list_actions(actions, sizeof actions);
    check_text(actions, "start reload writable read ", "the acts");
    audit_free(audit);
    (void)snprintf(gone, sizeof gone, "%s/a.head", folder);
    (void)unlink(gone);
    (void)rmdir(folder);
}

static void test_repeats_are_written_once(void)
{
    char message[TRAIL_MESSAGE_SIZE], actions[200];
    struct pipeline pipeline = {.settings.name = "p",
                                .audit_settings = {.path = path,
                                                   .key = "000102030405060708090a0b0c0d0e0f"
                                                          "101112131415161718191a1b1c1d1e1f"}};
    const struct audit_act acts[] = {
        {.action = "a", .address = "10.0.0.1", .as_before = true},
        {.action = "a", .address = "10.0.0.1", .as_before = true},
        {.action = "b", .address = "10.0.0.2", .as_before = true},
        {.action = "c", .address = "10.0.0.1", .customer = "x", .as_before = true},
        {.action = "c", .address = "10.0.0.1", .customer = "y", .as_before = true},
        {.action = "a", .address = "10.0.0.1", .as_before = true},
        {.action = "d", .address = "10.0.0.1"},
        {.action = "d", .address = "10.0.0.1"},
    };
    struct audit *audit;
    begin();
    audit = audit_new(&pipeline, message, sizeof message);
    CU_ASSERT_FATAL(audit != NULL);
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        CU_ASSERT(audit_write(audit, &acts[i], message, sizeof message));
    }
    list_actions(actions, sizeof actions);
    check_text(actions, "a b c c d d ", "the acts");
    audit_free(audit);
}

/* In a folder of its own, which a test moves away. */
struct moved {
    char folder[sizeof path], away[sizeof path], file[sizeof path + 8];
    struct pipeline pipeline;
    struct audit *audit;
    struct stalls *stalls;
};

static void begin_moved(struct moved *m)
{
    char message[TRAIL_MESSAGE_SIZE];
    int len = (int)(strrchr(path, '/') - path);
    *m = (struct moved){.pipeline.settings.name = "p",
                        .pipeline.audit_settings = {.path = m->file,
                                                    .key = "000102030405060708090a0b0c0d0e0f"
                                                           "101112131415161718191a1b1c1d1e1f"}};
    (void)snprintf(m->folder, sizeof m->folder, "%.*s/here", len, path);
    (void)snprintf(m->away, sizeof m->away, "%.*s/away", len, path);
    (void)snprintf(m->file, sizeof m->file, "%s/a", m->folder);
    CU_ASSERT_FATAL(mkdir(m->folder, 0700) == 0);
    m->audit = audit_new(&m->pipeline, message, sizeof message);
    m->stalls = stalls_new(NULL, clock_monotonic_ms);
    CU_ASSERT_FATAL(m->audit != NULL && m->stalls != NULL);
}

static void end_moved(struct moved *m)
{
    char head[sizeof m->file + 8];
    audit_free(m->audit);
    stalls_free(m->stalls);
    (void)snprintf(head, sizeof head, "%s.head", m->file);
    CU_ASSERT(unlink(m->file) == 0 && unlink(head) == 0 && rmdir(m->folder) == 0);
}

static void count_stall(void *ctx, const struct stall_report *report)
{
    unsigned *count = ctx;
    *count += strcmp(report->what, "audit") == 0;
}

static const struct audit_act repeat = {.action = "a", .address = "10.0.0.1", .as_before = true};

static void test_a_look_finds_that_nothing_can_be_written(void)
{
    char message[TRAIL_MESSAGE_SIZE];
    struct chain_head head;
    struct moved m;
    unsigned stalled = 0;
    begin_moved(&m);
    CU_ASSERT(audit_write(m.audit, &repeat, message, sizeof message));
    CU_ASSERT(rename(m.folder, m.away) == 0);
    audit_look(m.audit, m.stalls);
    stalls_each(m.stalls, count_stall, &stalled);
    CU_ASSERT(stalled == 1 && !audit_state(m.audit, &head));
    CU_ASSERT(!audit_write(m.audit, &repeat, message, sizeof message));
    CU_ASSERT(rename(m.away, m.folder) == 0);
    CU_ASSERT(audit_write(m.audit, &repeat, message, sizeof message) && audit_state(m.audit, &head) == false);
    CU_ASSERT(head.number == 3); /* with what tells of the time between */
    end_moved(&m);
}

struct writer {
    struct audit *audit;
    bool written;
};

static void *write_one(void *ctx)
{
    char message[TRAIL_MESSAGE_SIZE];
    struct writer *writer = ctx;
    writer->written = audit_write(writer->audit, &repeat, message, sizeof message);
    return NULL;
}

/* How often this process has a file open; asked by name, for they are another thread's. */
static unsigned count_open(const char *name)
{
    struct stat wanted, st;
    unsigned count = 0;
    for (int fd = 0; stat(name, &wanted) == 0 && fd < 256; fd++) {
        char of[32];
        (void)snprintf(of, sizeof of, "/proc/self/fd/%d", fd);
        count += stat(of, &st) == 0 && st.st_ino == wanted.st_ino && st.st_dev == wanted.st_dev;
    }
    return count;
}

/* Another process has the lock, so a line waits up to two seconds. Whoever waited for that line would let go of the
 * lock too late for it. A machine that stands still for so long gets another try. */
static bool looks_beside_a_slow_line(struct moved *m)
{
    char head_name[sizeof m->file + 8];
    struct writer writer = {.audit = m->audit};
    struct chain_head head;
    pthread_t thread;
    int fd;
    (void)snprintf(head_name, sizeof head_name, "%s.head", m->file);
    fd = open(head_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(fd >= 0 && flock(fd, LOCK_EX) == 0);
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, write_one, &writer) == 0);
    while (count_open(head_name) < 2) {
        (void)poll(NULL, 0, 1);
    }
    audit_look(m->audit, m->stalls);
    (void)audit_state(m->audit, &head);
    CU_ASSERT(flock(fd, LOCK_UN) == 0 && close(fd) == 0);
    CU_ASSERT(pthread_join(thread, NULL) == 0);
    return writer.written;
}

static void test_nobody_waits_for_a_slow_line(void)
{
    struct moved m;
    bool ok = false;
    for (unsigned tries = 0; !ok && tries < 5; tries++) {
        begin_moved(&m);
        ok = looks_beside_a_slow_line(&m);
        (void)close(open(m.file, O_RDWR | O_CREAT | O_CLOEXEC, 0600)); /* to be removed where nothing was written */
        end_moved(&m);
    }
    CU_ASSERT(ok);
}

/* What a rotation takes away will be made again. */
static void test_a_look_after_a_rotation(void)
{
    char message[TRAIL_MESSAGE_SIZE], old[sizeof path + 16];
    struct moved m;
    unsigned stalled = 0;
    begin_moved(&m);
    (void)snprintf(old, sizeof old, "%s.1", m.file);
    CU_ASSERT(audit_write(m.audit, &repeat, message, sizeof message) && rename(m.file, old) == 0);
    audit_look(m.audit, m.stalls);
    stalls_each(m.stalls, count_stall, &stalled);
    CU_ASSERT(stalled == 0 && access(m.file, F_OK) != 0);
    CU_ASSERT(rename(old, m.file) == 0);
    end_moved(&m);
}

/* A note has failed meanwhile. */
static void test_a_repeat_is_none_while_nothing_can_be_written(void)
{
    char message[TRAIL_MESSAGE_SIZE];
    struct moved m;
    begin_moved(&m);
    CU_ASSERT(audit_write(m.audit, &repeat, message, sizeof message));
    CU_ASSERT(rename(m.folder, m.away) == 0);
    CU_ASSERT(!audit_note(m.audit, &(struct audit_act){.action = "reload"}));
    CU_ASSERT(!audit_write(m.audit, &repeat, message, sizeof message));
    CU_ASSERT(rename(m.away, m.folder) == 0);
    CU_ASSERT(audit_write(m.audit, &repeat, message, sizeof message));
    end_moved(&m);
}

/* ---- what a reload changes ---- */

static struct text difference_of(const char *was, const char *is)
{
    struct pipeline from = {0}, to = {0};
    struct text out = {0};
    write_all(was, strlen(was), "we");
    CU_ASSERT_FATAL(config_load(&from.config, path, NULL, stderr));
    write_all(is, strlen(is), "we");
    CU_ASSERT_FATAL(config_load(&to.config, path, NULL, stderr));
    difference_append(&out, &from, &to);
    text_append(&out, "", 1);
    config_free(&from.config);
    config_free(&to.config);
    return out;
}

static void test_what_sounds_like_a_secret_is_not_shown(void)
{
    static const char *const secrets[] = {
        "api_key",    "apikey",      "X-Api-Key",    "pwd",         "redis_pw",        "hmac",
        "sentry_dsn", "private_key", "privateKey",   "access.key",  "sasl.password",   "ssl.key.pem",
        "Cookie",     "auth",        "bearer.token", "credentials", "sasl.jaas.config"};
    static const char *const others[] = {"key_prefix", "tls_key_file", "ssl.key.location", "rate", "linger.ms"};
    char was[200], is[200];
    struct text told;
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        (void)snprintf(was, sizeof was, "properties: {%s: hunter1}\n", secrets[i]);
        (void)snprintf(is, sizeof is, "properties: {%s: hunter2}\n", secrets[i]);
        told = difference_of(was, is);
        check(strstr(told.bytes, secrets[i]) != NULL && strstr(told.bytes, "hunter") == NULL, "%s", told.bytes);
        text_free(&told);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        (void)snprintf(was, sizeof was, "properties: {%s: 1}\n", others[i]);
        (void)snprintf(is, sizeof is, "properties: {%s: 2}\n", others[i]);
        told = difference_of(was, is);
        check_contains(told.bytes, "\"from\":\"1\",\"to\":\"2\"", others[i]);
        text_free(&told);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_a_line_is_read_as_it_was_written),
                           TEST(test_no_byte_of_a_line_can_be_changed),
                           TEST(test_heads),
                           TEST(test_files_are_not_everybodys),
                           TEST(test_a_new_file_is_on_the_disk),
                           TEST(test_a_crash_at_any_byte),
                           TEST(test_what_is_no_line_of_ours),
                           TEST(test_each_line_is_missed),
                           TEST(test_the_key_of_another),
                           TEST(test_what_happens_while_nothing_can_be_written),
                           TEST(test_repeats_are_written_once),
                           TEST(test_a_look_finds_that_nothing_can_be_written),
                           TEST(test_a_look_after_a_rotation),
                           TEST(test_nobody_waits_for_a_slow_line),
                           TEST(test_a_repeat_is_none_while_nothing_can_be_written),
                           TEST(test_what_sounds_like_a_secret_is_not_shown),
                           CU_TEST_INFO_NULL};
    char *slash = strrchr(path, '/');
    int failed;
    (void)umask(022);
    *slash = '\0';
    if (mkdtemp(path) == NULL) {
        perror(path);
        return 1;
    }
    *slash = '/';
    failed = run_tests("audit", tests);
    begin();
    *slash = '\0';
    (void)rmdir(path);
    return failed;
}
