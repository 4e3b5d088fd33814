/* The file source through the ABI: lines, their positions, seeking, following, and lines without end. */
#include "cunit_main.h"
#include "fake_host.h"

#include <churn/source.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX 64

static const churn_plugin *plugin;
static const churn_source_ops *ops;
static struct fake_host fake;
static char folder[256];
static char path[512];
static void *source;
static churn_error err;
static unsigned assigned;
static char assigned_topic[512];

static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    (void)ctx;
    assigned += count;
    CU_ASSERT_EQUAL(positions->partition, 0);
    CU_ASSERT_EQUAL(positions->offset, 0);
    (void)snprintf(assigned_topic, sizeof assigned_topic, "%s", positions->topic);
}

static void write_file(const char *mode, const char *text, size_t len)
{
    FILE *file = fopen(path, mode);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(text, 1, len, file), len);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

static void create(const char *from, const char *follow)
{
    fake_host_init(&fake);
    err = (churn_error){.size = sizeof err};
    assigned = 0;
    source = fake_instance_new(plugin, "path", from, "follow", follow, "max_line", "2MiB", NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(source, &fake.host, &err), CHURN_OK);
}

static void start(void)
{
    churn_source_listener listener = {.size = sizeof listener, .assigned = on_assigned};
    CU_ASSERT_EQUAL_FATAL(ops->start(source, &listener, &err), CHURN_OK);
}

static void begin(const char *text, const char *follow)
{
    write_file("w", text, strlen(text));
    create(path, follow);
    start();
}

static void end(void)
{
    ops->stop(source);
    ops->destroy(source);
    fake_instance_free(plugin, source);
    (void)unlink(path);
}

/* One poll; what it gave as "offset:line|…", and its result. */
static int32_t poll_text(uint32_t max, uint32_t timeout_ms, char *text)
{
    churn_record records[MAX];
    uint32_t count = 99;
    int32_t result = ops->poll(source, records, max, timeout_ms, &count, &err);
    *text = '\0';
    for (uint32_t i = 0; i < count && result >= 0; i++) {
        text +=
            sprintf(text, "%jd:%.*s|", (intmax_t)records[i].offset, (int)records[i].value.len, records[i].value.ptr);
        CU_ASSERT_EQUAL(records[i].partition, 0);
        CU_ASSERT_EQUAL(records[i].kind, CHURN_RECORD_EVENT);
        CU_ASSERT_PTR_NULL(records[i].key.ptr);
    }
    return result;
}

static void check_poll(uint32_t max, int32_t result, const char *expected)
{
    char text[8192];
    CU_ASSERT_EQUAL(poll_text(max, 20, text), result);
    CU_ASSERT_STRING_EQUAL(text, expected);
}

static void check_lag(uint32_t known, int64_t messages, int64_t total)
{
    churn_lag lag = {.size = sizeof lag};
    ops->lag(source, &lag);
    CU_ASSERT_EQUAL(lag.known, known);
    CU_ASSERT_EQUAL(lag.messages, messages);
    CU_ASSERT_EQUAL(lag.total, total);
}

static void check_end(int64_t expected)
{
    int64_t low = -1, last = -1;
    CU_ASSERT_EQUAL(ops->bounds(source, path, 0, &low, &last, &err), CHURN_OK);
    CU_ASSERT(low == 0 && last == expected);
}

static void seek_to(int64_t offset, int32_t result)
{
    churn_position position = {.topic = path, .offset = offset};
    CU_ASSERT_EQUAL(ops->seek(source, &position, &err), result);
}

static void reads_lines_and_their_positions(void)
{
    begin("one\ntwo\r\n\n\r\nfive\nlast", "false");
    CU_ASSERT_EQUAL(ops->single_worker, 1);
    check_lag(0, 0, -1);
    check_poll(0, CHURN_PENDING, "");
    CU_ASSERT_EQUAL(assigned, 1);
    CU_ASSERT_STRING_EQUAL(assigned_topic, path);
    check_poll(2, CHURN_OK, "0:one|4:two|");
    check_lag(1, 3, 5); /* an estimate */
    check_poll(MAX, CHURN_OK, "12:five|");
    check_poll(MAX, CHURN_OK, "17:last|");
    check_lag(1, 0, 4);
    check_end(21);
    check_poll(MAX, CHURN_END, "");
    check_poll(MAX, CHURN_END, "");
    CU_ASSERT_EQUAL(assigned, 1);
    write_file("a", "more\n", 5);
    check_end(26);
    end();
}

static void ends_may_be_odd(void)
{
    begin("", "false");
    check_poll(MAX, CHURN_END, "");
    end();
    begin("\n\n", "false");
    check_poll(MAX, CHURN_END, "");
    end();
    begin("a\n\r", "false");
    check_poll(MAX, CHURN_OK, "0:a|");
    check_poll(MAX, CHURN_END, "");
    end();
    begin("a\r", "false");
    check_poll(MAX, CHURN_OK, "0:a|");
    check_poll(MAX, CHURN_END, "");
    end();
}

static void keeps_nul_bytes(void)
{
    churn_record records[4];
    uint32_t count;
    write_file("w", "a\0b\n\0", 5);
    create(path, "false");
    start();
    CU_ASSERT_EQUAL(ops->poll(source, records, 4, 0, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    CU_ASSERT_EQUAL(records[0].value.len, 3);
    CU_ASSERT_EQUAL(memcmp(records[0].value.ptr, "a\0b", 3), 0);
    CU_ASSERT_EQUAL(ops->poll(source, records, 4, 0, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL(records[0].value.len, 1);
    end();
}

static void seeks_to_the_next_line(void)
{
    begin("one\ntwo\nthree\n", "false");
    check_poll(MAX, CHURN_OK, "0:one|4:two|8:three|");
    check_poll(MAX, CHURN_END, "");
    seek_to(4, CHURN_OK);
    check_poll(1, CHURN_OK, "4:two|");
    seek_to(5, CHURN_OK); /* one after the offset of a line, as positions are committed */
    check_poll(MAX, CHURN_OK, "8:three|");
    seek_to(0, CHURN_OK);
    check_poll(1, CHURN_OK, "0:one|");
    seek_to(9, CHURN_OK);
    check_poll(MAX, CHURN_END, "");
    seek_to(14, CHURN_OK);
    check_poll(MAX, CHURN_END, "");
    seek_to(15, CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "beyond the end"));
    end();
}

/* Many lines over several buffers; every position leads back to its line. */
static void long_files_keep_their_positions(void)
{
    enum { LINES = 60000 };
    char line[128];
    churn_record records[MAX];
    uint32_t count, seen = 0;
    int64_t where[3] = {0};
    FILE *file = fopen(path, "w");
    for (unsigned i = 0; i < LINES; i++) {
        if (i == 1 || i == LINES / 2 || i == LINES - 1) {
            where[i == 1 ? 0 : i == LINES / 2 ? 1 : 2] = ftell(file);
        }
        (void)fprintf(file, "%u%*s\n", i, (int)(i % 97), "");
    }
    (void)fclose(file);
    create(path, "false");
    start();
    while (ops->poll(source, records, MAX, 0, &count, &err) == CHURN_OK) {
        for (uint32_t i = 0; i < count; i++, seen++) {
            uint32_t len = (uint32_t)sprintf(line, "%u%*s", seen, (int)(seen % 97), "");
            if (records[i].value.len != len || memcmp(records[i].value.ptr, line, len) != 0) {
                CU_FAIL_FATAL("a line was changed");
            }
        }
    }
    CU_ASSERT_EQUAL(seen, LINES);
    for (unsigned i = 0; i < 3; i++) {
        unsigned number = i == 0 ? 1 : i == 1 ? LINES / 2 : LINES - 1;
        seek_to(where[i], CHURN_OK);
        CU_ASSERT_EQUAL(ops->poll(source, records, 1, 0, &count, &err), CHURN_OK);
        CU_ASSERT_EQUAL(records[0].offset, where[i]);
        CU_ASSERT_EQUAL(strtoul(records[0].value.ptr, NULL, 10), number);
    }
    end();
}

static void lines_without_end_are_cut(void)
{
    enum { LONG = 5 * 1024 * 1024, LIMIT = 2 * 1024 * 1024 };
    char *text = malloc(LONG);
    churn_record records[4];
    uint32_t count;
    memset(text, 'x', LONG);
    write_file("w", "first\n", 6);
    write_file("a", text, LONG);
    write_file("a", "\nafter\n", 7);
    write_file("a", text, LONG);
    free(text);
    create(path, "false");
    start();
    check_poll(MAX, CHURN_OK, "0:first|");
    CU_ASSERT_EQUAL(ops->poll(source, records, 4, 5000, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    CU_ASSERT_EQUAL(records[0].offset, 6);
    CU_ASSERT_EQUAL(records[0].value.len, LIMIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "was cut"));
    CU_ASSERT_EQUAL(ops->poll(source, records, 1, 5000, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL(records[0].offset, 5242887);
    CU_ASSERT_NSTRING_EQUAL(records[0].value.ptr, "after", 5);
    CU_ASSERT_EQUAL(ops->poll(source, records, 4, 5000, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL(records[0].value.len, LIMIT);
    check_poll(MAX, CHURN_END, "");
    end();
}

static void follows_a_growing_file(void)
{
    (void)unlink(path);
    create(path, "true");
    start();
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "does not exist yet"));
    check_poll(MAX, CHURN_PENDING, "");
    write_file("w", "one\npar", 7);
    check_poll(MAX, CHURN_OK, "0:one|");
    check_poll(MAX, CHURN_PENDING, "");
    check_lag(1, 0, -1);
    write_file("a", "tial\n", 5);
    check_poll(MAX, CHURN_OK, "4:partial|");
    check_poll(MAX, CHURN_PENDING, "");
    write_file("w", "new\n", 4);
    check_poll(MAX, CHURN_FATAL, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "has become shorter"));
    end();
}

static void until_end_ends_a_followed_file(void)
{
    write_file("w", "one\ntwo", 7);
    create(path, "true");
    fake.host.until_end = 1;
    start();
    check_poll(MAX, CHURN_OK, "0:one|");
    check_poll(MAX, CHURN_OK, "4:two|");
    check_poll(MAX, CHURN_END, "");
    end();
}

static void bad_paths_are_refused(void)
{
    churn_source_listener listener = {.size = sizeof listener, .assigned = on_assigned};
    (void)unlink(path);
    create(path, "false");
    CU_ASSERT_EQUAL(ops->start(source, &listener, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "path");
    ops->destroy(source);
    fake_instance_free(plugin, source);
    create(folder, "true");
    CU_ASSERT_EQUAL(ops->start(source, &listener, &err), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "is a folder"));
    ops->destroy(source);
    fake_instance_free(plugin, source);
}

static void reads_standard_input(void)
{
    int ends[2], saved = dup(STDIN_FILENO);
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    (void)dup2(ends[0], STDIN_FILENO);
    (void)close(ends[0]);
    create("-", "false");
    start();
    check_poll(MAX, CHURN_PENDING, "");
    CU_ASSERT_STRING_EQUAL(assigned_topic, "stdin");
    check_lag(0, 0, -1);
    CU_ASSERT_EQUAL(write(ends[1], "one\ntw", 6), 6);
    check_poll(MAX, CHURN_OK, "0:one|");
    check_poll(MAX, CHURN_PENDING, "");
    CU_ASSERT_EQUAL(write(ends[1], "o\nend", 5), 5);
    check_poll(MAX, CHURN_OK, "4:two|");
    (void)close(ends[1]);
    check_poll(MAX, CHURN_OK, "8:end|");
    check_poll(MAX, CHURN_END, "");
    seek_to(0, CHURN_FATAL);
    end();
    (void)dup2(saved, STDIN_FILENO);
    (void)close(saved);
}

/* Standard input may be a file of which somebody read a part before. */
static void standard_input_may_be_a_file(void)
{
    int saved = dup(STDIN_FILENO), fd;
    write_file("w", "head\none\ntwo\n", 13);
    fd = open(path, O_RDONLY);
    CU_ASSERT_EQUAL(lseek(fd, 5, SEEK_SET), 5);
    (void)dup2(fd, STDIN_FILENO);
    (void)close(fd);
    create("-", "false");
    start();
    check_poll(1, CHURN_OK, "0:one|");
    seek_to(4, CHURN_OK);
    check_poll(MAX, CHURN_OK, "4:two|");
    check_lag(1, 0, 2);
    end();
    (void)dup2(saved, STDIN_FILENO);
    (void)close(saved);
}

/* --- A named pipe --- */

static void write_pipe(const char *text)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

/* Neither the opening nor a poll waits for somebody who writes. */
static void reads_a_named_pipe(void)
{
    for (int follow = 0; follow < 2; follow++) {
        (void)unlink(path);
        CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
        create(path, follow ? "true" : "false");
        start();
        check_poll(MAX, CHURN_PENDING, "");
        check_poll(MAX, CHURN_PENDING, "");
        write_pipe("one\ntw");
        check_poll(MAX, CHURN_OK, "0:one|");
        if (follow) {
            check_poll(MAX, CHURN_PENDING, "");
            write_pipe("o\n"); /* somebody else */
        }
        check_poll(MAX, CHURN_OK, follow ? "4:two|" : "4:tw|");
        check_end(INT64_MAX);
        check_poll(MAX, follow ? CHURN_PENDING : CHURN_END, "");
        end();
    }
}

static void refuse_path(const char *from, const char *message)
{
    churn_source_listener listener = {.size = sizeof listener, .assigned = on_assigned};
    create(from, "true");
    CU_ASSERT_EQUAL(ops->start(source, &listener, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "path");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, message));
    ops->destroy(source);
    fake_instance_free(plugin, source);
}

static void what_has_no_lines_is_refused(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)unlink(path);
    CU_ASSERT_FATAL(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    refuse_path(path, "is a socket");
    (void)close(fd);
    (void)unlink(path);
    refuse_path("/dev/zero", "is a device");
    refuse_path(folder, "is a folder");
}

/* --- What was counted --- */

static char kept[CHURN_FINGERPRINT_SIZE];

static void keep_fingerprint(int64_t offset)
{
    CU_ASSERT_EQUAL(ops->fingerprint(source, path, 0, offset, kept, &err), CHURN_OK);
    CU_ASSERT(strlen(kept) > 0 && strlen(kept) < sizeof kept);
}

/* Reads all, and keeps the fingerprint of it; the offset after the last record is `offset`. */
static void count_file(const char *text, int64_t offset)
{
    char ignored[8192];
    begin(text, "false");
    while (poll_text(MAX, 20, ignored) == CHURN_OK) {
    }
    keep_fingerprint(offset);
    end();
}

static void check_resume(const char *text, int64_t offset, int32_t result, int64_t expected)
{
    int64_t from = offset;
    begin(text, "false");
    CU_ASSERT_EQUAL(ops->resume(source, path, 0, kept, &from, &err), result);
    CU_ASSERT_EQUAL(from, expected);
    if (result != CHURN_OK) {
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "epoch"));
    }
    end();
}

static void knows_what_was_counted(void)
{
    count_file("one\ntwo\n", 5);
    check_resume("one\ntwo\n", 5, CHURN_OK, 5);
    check_resume("one\ntwo\nthree\n", 5, CHURN_OK, 5);
    check_resume("one\ntwo", 5, CHURN_OK, 5);
    check_resume("one\ntwo\r\n", 5, CHURN_OK, 5);
    check_resume("one\ntw", 5, CHURN_FATAL, 5);
    check_resume("one\ntwp\n", 5, CHURN_FATAL, 5);
    check_resume("onf\ntwo\n", 5, CHURN_FATAL, 5);
    check_resume("one\ntwoandmore\n", 5, CHURN_OK, 4); /* read again: there was less of it */
    count_file("one\ntwo", 5);
    check_resume("one\ntwo", 5, CHURN_OK, 5);
    check_resume("one\ntwo\n", 5, CHURN_OK, 5);
    check_resume("one\ntwo\r", 5, CHURN_OK, 5);
    check_resume("one\ntwo\r\nx", 5, CHURN_OK, 5);
    check_resume("one\ntwo, more\n", 5, CHURN_OK, 4);
    kept[0] = '\0'; /* by a version that kept none */
    check_resume("other\n", 5, CHURN_OK, 5);
    check_resume("othe", 5, CHURN_FATAL, 5);
}

/* Of a line that grows while the fingerprint is made, only what was handed out was counted. */
static void what_was_not_read_was_not_counted(void)
{
    begin("one\ntw", "false");
    check_poll(MAX, CHURN_OK, "0:one|");
    check_poll(MAX, CHURN_OK, "4:tw|");
    write_file("a", "o\n", 2);
    keep_fingerprint(5);
    end();
    check_resume("one\ntwo\n", 5, CHURN_OK, 4);
}

static void an_epoch_is_another_topic(void)
{
    write_file("w", "one\n", 4);
    err = (churn_error){.size = sizeof err};
    fake_host_init(&fake);
    source = fake_instance_new(plugin, "path", path, "topic", "orders", "epoch", "3", NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(source, &fake.host, &err), CHURN_OK);
    start();
    check_poll(MAX, CHURN_OK, "0:one|");
    CU_ASSERT_STRING_EQUAL(assigned_topic, "orders@3");
    end();
}

static void follow(const char *text)
{
    char given[8192];
    begin(text, "true");
    (void)poll_text(MAX, 20, given);
    check_poll(MAX, CHURN_PENDING, "");
}

/* Another file takes its place, as `mv` does it. */
static void replace_file(const char *text)
{
    char name[sizeof path];
    memcpy(name, path, sizeof name);
    (void)snprintf(path, sizeof path, "%s/new", folder);
    write_file("w", text, strlen(text));
    CU_ASSERT_EQUAL(rename(path, name), 0);
    memcpy(path, name, sizeof path);
}

static void a_followed_file_may_be_replaced_by_its_copy(void)
{
    follow("one\ntwo\n");
    replace_file("one\ntwo\n");
    check_poll(MAX, CHURN_PENDING, "");
    write_file("a", "three\n", 6);
    check_poll(MAX, CHURN_OK, "8:three|");
    replace_file("one\ntwo\nthree\nfour\n");
    check_poll(MAX, CHURN_OK, "14:four|");
    (void)unlink(path);
    check_poll(MAX, CHURN_PENDING, ""); /* something may come in its place */
    end();
}

static void a_followed_file_may_not_become_another_one(void)
{
    follow("one\ntwo\n");
    replace_file("new\n");
    check_poll(MAX, CHURN_FATAL, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "replaced"));
    end();
    follow("one\ntwo\n");
    write_file("w", "1\n2\n3\n4\n5\n6\n7\n", 14); /* cut and written again, between two looks */
    check_poll(MAX, CHURN_FATAL, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "epoch"));
    end();
}

static int feed_stdin(const char *text)
{
    int ends[2], saved = dup(STDIN_FILENO);
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    (void)dup2(ends[0], STDIN_FILENO);
    (void)close(ends[0]);
    CU_ASSERT_EQUAL(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    (void)close(ends[1]);
    return saved;
}

/* What was counted of a pipe comes again and is passed over; something else is noticed. */
static void a_pipe_is_passed_over(void)
{
    static const struct {
        const char *text;
        int32_t result;
        const char *given;
    } cases[] = {{"one\ntwo\nthree\n", CHURN_OK, "8:three|"},
                 {"one\ntwo\n", CHURN_END, ""},
                 {"one\nzwo\nthree\n", CHURN_FATAL, ""},
                 {"one\n", CHURN_FATAL, ""},
                 {"", CHURN_FATAL, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t offset = 5;
        churn_position to = {.topic = "stdin", .offset = 5};
        int saved;
        count_file("one\ntwo\n", 5);
        saved = feed_stdin(cases[i].text);
        create("-", "false");
        start();
        check_poll(0, CHURN_PENDING, "");
        CU_ASSERT_EQUAL(ops->resume(source, "stdin", 0, kept, &offset, &err), CHURN_OK);
        CU_ASSERT_EQUAL(ops->seek(source, &to, &err), CHURN_OK);
        check_poll(MAX, cases[i].result, cases[i].given);
        end();
        (void)dup2(saved, STDIN_FILENO);
        (void)close(saved);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(reads_lines_and_their_positions),
                           TEST(ends_may_be_odd),
                           TEST(keeps_nul_bytes),
                           TEST(seeks_to_the_next_line),
                           TEST(long_files_keep_their_positions),
                           TEST(lines_without_end_are_cut),
                           TEST(follows_a_growing_file),
                           TEST(until_end_ends_a_followed_file),
                           TEST(bad_paths_are_refused),
                           TEST(reads_standard_input),
                           TEST(standard_input_may_be_a_file),
                           TEST(reads_a_named_pipe),
                           TEST(what_has_no_lines_is_refused),
                           TEST(knows_what_was_counted),
                           TEST(what_was_not_read_was_not_counted),
                           TEST(an_epoch_is_another_topic),
                           TEST(a_followed_file_may_be_replaced_by_its_copy),
                           TEST(a_followed_file_may_not_become_another_one),
                           TEST(a_pipe_is_passed_over),
                           CU_TEST_INFO_NULL};
    const char *tmp = getenv("TMPDIR");
    int failed;
    plugin = fake_plugin_load("source", "file");
    ops = plugin->ops;
    (void)snprintf(folder, sizeof folder, "%s/churn-file-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/events.jsonl", folder);
    failed = run_tests("source/file", tests);
    (void)rmdir(folder);
    return failed;
}
