/* The file source through the ABI: lines, their positions, seeking, following, and lines without end. */
#include "cunit_main.h"
#include "fake_host.h"

#include <churn/source.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
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

static void check_lag(uint32_t known, int64_t messages)
{
    churn_lag lag = {.size = sizeof lag};
    ops->lag(source, &lag);
    CU_ASSERT_EQUAL(lag.known, known);
    CU_ASSERT_EQUAL(lag.messages, messages);
    CU_ASSERT_EQUAL(lag.total, -1);
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
    check_lag(0, 0);
    check_poll(0, CHURN_PENDING, "");
    CU_ASSERT_EQUAL(assigned, 1);
    CU_ASSERT_STRING_EQUAL(assigned_topic, path);
    check_poll(2, CHURN_OK, "0:one|4:two|");
    check_lag(1, 3);
    check_poll(MAX, CHURN_OK, "12:five|");
    check_poll(MAX, CHURN_OK, "17:last|");
    check_lag(1, 0);
    check_poll(MAX, CHURN_END, "");
    check_poll(MAX, CHURN_END, "");
    CU_ASSERT_EQUAL(assigned, 1);
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
    check_lag(0, 0);
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
    check_lag(1, 0);
    end();
    (void)dup2(saved, STDIN_FILENO);
    (void)close(saved);
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
