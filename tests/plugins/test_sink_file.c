/* The sink `file`: what a line is, and that none is lost, halved or repeated when the disk fails. */
#include "cunit_main.h"
#include "fake_host.h"

#include <churn/sink.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fake_host fake;
static const churn_plugin *plugin;
static char folder[] = "/tmp/test_sink_file.XXXXXX";
static char path[256];

static const churn_sink_ops *ops(void)
{
    return plugin->ops;
}

static void *start(const char *format, const char *sync)
{
    churn_error err = {.size = sizeof err};
    void *self = fake_instance_new(plugin, "path", path, "format", format, "sync", sync, NULL);
    CU_ASSERT_EQUAL_FATAL(ops()->create(self, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(ops()->start(self, &err), CHURN_OK);
    return self;
}

static void end(void *self)
{
    ops()->stop(self, 100);
    ops()->destroy(self);
    fake_instance_free(plugin, self);
}

static uint32_t take(void *self, const churn_record *records, uint32_t count)
{
    churn_error err = {.size = sizeof err};
    uint32_t taken = 0;
    CU_ASSERT_EQUAL(ops()->write(self, records, count, &taken, &err), CHURN_OK);
    return taken;
}

static uint32_t answers(void *self, churn_done *done, uint32_t max)
{
    churn_error err = {.size = sizeof err};
    uint32_t count = 0;
    CU_ASSERT_EQUAL(ops()->poll(self, done, max, 10, &count, &err), CHURN_OK);
    return count;
}

static char *content(void)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    if (file != NULL) {
        text[fread(text, 1, (1 << 20) - 1, file)] = '\0';
        (void)fclose(file);
    }
    return text;
}

static void expect_content(const char *expected)
{
    char *text = content();
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
}

static void test_lines_are_appended(void)
{
    void *self = start("auto", "true");
    churn_done done[8];
    const churn_record records[] = {
        {.kind = CHURN_RECORD_EVENT, .value = str("{\"a\":1}"), .id = 7},
        {.kind = CHURN_RECORD_EVENT, .value = str("{\n\"b\":\r\n2}"), .id = 8},
        {.kind = CHURN_RECORD_ALERT, .value = {0}, .id = 9},
    };
    CU_ASSERT_EQUAL(answers(self, done, 8), 0);
    CU_ASSERT_EQUAL(take(self, records, 3), 3);
    expect_content("");
    CU_ASSERT_EQUAL(answers(self, done, 2), 2);
    CU_ASSERT_EQUAL(take(self, records, 1), 0); /* not all is answered yet */
    CU_ASSERT_EQUAL(answers(self, done + 2, 8), 1);
    CU_ASSERT_EQUAL(done[0].id + done[1].id + done[2].id, 24);
    CU_ASSERT_EQUAL(done[2].result, CHURN_OK);
    CU_ASSERT_EQUAL(take(self, records, 1), 1);
    CU_ASSERT_EQUAL(answers(self, done, 8), 1);
    expect_content("{\"a\":1}\n{ \"b\":  2}\n\n{\"a\":1}\n");
    end(self);
    (void)unlink(path);
}

static json_object *write_one(const churn_record *record, const char *format)
{
    void *self = start(format, "false");
    churn_done done[1];
    json_object *object;
    char *text;
    CU_ASSERT_EQUAL(take(self, record, 1), 1);
    CU_ASSERT_EQUAL(answers(self, done, 1), 1);
    end(self);
    text = content();
    CU_ASSERT_EQUAL(strcspn(text, "\n") + 1, strlen(text));
    object = json_tokener_parse(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(object);
    free(text);
    (void)unlink(path);
    return object;
}

static const char *member(json_object *object, const char *name)
{
    json_object *value;
    return json_object_object_get_ex(object, name, &value) ? json_object_get_string(value) : "(none)";
}

static void test_dead_letter_is_an_envelope(void)
{
    static const char key[] = "C\0\x01\"\\\x7f", value[] = "{\"caf\xc3\xa9\":\xff\xfe";
    const churn_header headers[] = {{"churn.reason", str("invalid_utf8")},
                                    {"churn.detail", str("byte 8")},
                                    {"churn.topic", str("user-events")},
                                    {"churn.partition", str("3")},
                                    {"churn.offset", str("123456789012")},
                                    {"churn.kind", str("alert")},
                                    {"churn.sink", str("pager")},
                                    {"churn.replayed", str("true")},
                                    {"churn.written_at", str("2026-01-01T00:00:00.000Z")}};
    const churn_record record = {.kind = CHURN_RECORD_DEAD_LETTER,
                                 .key = {.ptr = key, .len = sizeof key - 1},
                                 .value = {.ptr = value, .len = sizeof value - 1},
                                 .topic = "own",
                                 .headers = headers,
                                 .header_count = 9};
    json_object *object = write_one(&record, "auto"), *stored;
    CU_ASSERT_STRING_EQUAL(member(object, "written_at"), "2026-01-01T00:00:00.000Z");
    CU_ASSERT_STRING_EQUAL(member(object, "reason"), "invalid_utf8");
    CU_ASSERT_STRING_EQUAL(member(object, "kind"), "alert");
    CU_ASSERT_STRING_EQUAL(member(object, "sink"), "pager");
    CU_ASSERT_STRING_EQUAL(member(object, "replayed"), "true");
    CU_ASSERT_STRING_EQUAL(member(object, "detail"), "byte 8");
    CU_ASSERT_STRING_EQUAL(member(object, "topic"), "user-events");
    CU_ASSERT_STRING_EQUAL(member(object, "partition"), "3");
    CU_ASSERT_STRING_EQUAL(member(object, "offset"), "123456789012");
    CU_ASSERT_STRING_EQUAL(member(object, "value"), "(none)");
    CU_ASSERT_STRING_EQUAL(member(object, "value_base64"), "eyJjYWbDqSI6//4=");
    CU_ASSERT_TRUE(json_object_object_get_ex(object, "key", &stored));
    CU_ASSERT_EQUAL(json_object_get_string_len(stored), (int)sizeof key - 1);
    CU_ASSERT_EQUAL(memcmp(json_object_get_string(stored), key, sizeof key - 1), 0);
    json_object_put(object);
}

static void test_envelope_of_a_tombstone(void)
{
    const churn_record record = {
        .kind = CHURN_RECORD_EVENT, .key = str("C1"), .topic = "t\xff", .partition = 2, .offset = 44};
    json_object *object = write_one(&record, "envelope"), *value;
    CU_ASSERT_TRUE(json_object_object_get_ex(object, "value", &value) && value == NULL);
    CU_ASSERT_STRING_EQUAL(member(object, "topic_base64"), "dP8=");
    CU_ASSERT_STRING_EQUAL(member(object, "partition"), "2");
    CU_ASSERT_STRING_EQUAL(member(object, "offset"), "44");
    CU_ASSERT_STRING_EQUAL(member(object, "reason"), "(none)");
    json_object_put(object);
}

static void test_full_disk_loses_nothing(void)
{
    void *self = start("value", "true");
    struct rlimit limit, old;
    churn_done done[200];
    churn_record records[100];
    char *text, said[512];
    for (int i = 0; i < 100; i++) {
        records[i] = (churn_record){.value = str("0123456789"), .id = (uint64_t)i};
    }
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 505; /* within the 46th line */
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    CU_ASSERT_EQUAL(take(self, records, 100), 100);
    CU_ASSERT_EQUAL(answers(self, done, 200), 0);
    CU_ASSERT(fake_host_stalled(&fake, "file", said) && strstr(said, "File too large") && strstr(said, "ulimit -f"));
    CU_ASSERT_EQUAL(take(self, records, 1), 0);
    text = content();
    CU_ASSERT_EQUAL(strlen(text), 495); /* whole lines only */
    free(text);
    (void)setrlimit(RLIMIT_FSIZE, &old);
    (void)usleep(1100 * 1000);
    CU_ASSERT_EQUAL(answers(self, done, 200), 100);
    CU_ASSERT_EQUAL(fake.last_level, CHURN_LOG_INFO);
    text = content();
    CU_ASSERT_EQUAL(strlen(text), 1100);
    free(text);
    end(self);
    (void)unlink(path);
}

/* --- Files that are rotated --- */

static void write_line(void *self, const char *text)
{
    const churn_record record = {.value = str(text), .id = 1};
    churn_done done[1];
    unsigned polls = 0;
    CU_ASSERT_EQUAL(take(self, &record, 1), 1);
    while (answers(self, done, 1) == 0 && ++polls < 1000) {
    }
    CU_ASSERT(polls < 1000);
}

static void read_and_remove(const char *from, const char *expected)
{
    char text[256] = "";
    FILE *file = fopen(from, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    CU_ASSERT_STRING_EQUAL(text, expected);
    (void)unlink(from);
}

static void test_what_is_rotated_is_begun_anew(void)
{
    char old[sizeof path + 2], inner[sizeof path], outer[sizeof path];
    void *self = start("value", "true");
    (void)snprintf(old, sizeof old, "%s.1", path);
    write_line(self, "one");
    CU_ASSERT_EQUAL(rename(path, old), 0);
    write_line(self, "two");
    read_and_remove(old, "one\n");
    expect_content("two\n");
    (void)unlink(path);
    write_line(self, "three");
    expect_content("three\n");
    CU_ASSERT_EQUAL(truncate(path, 0), 0); /* copytruncate */
    write_line(self, "four");
    expect_content("four\n");
    (void)snprintf(inner, sizeof inner, "%s/a/b", folder);
    (void)snprintf(outer, sizeof outer, "%s/a", folder);
    CU_ASSERT(unlink(path) == 0 && rmdir(inner) == 0 && rmdir(outer) == 0);
    write_line(self, "five");
    expect_content("five\n");
    write_line(self, "six");
    expect_content("five\nsix\n"); /* and nothing is begun without need */
    end(self);
    (void)unlink(path);
}

static void test_what_cannot_be_made_anew_waits(void)
{
    void *self = start("value", "true");
    const churn_record record = {.value = str("late"), .id = 1};
    churn_done done[1];
    char said[512];
    unsigned polls = 0;
    write_line(self, "one");
    CU_ASSERT(unlink(path) == 0 && mkdir(path, 0700) == 0);
    CU_ASSERT_EQUAL(take(self, &record, 1), 1);
    CU_ASSERT_EQUAL(answers(self, done, 1), 0);
    CU_ASSERT(fake_host_stalled(&fake, "file", said) && strstr(said, "cannot be made anew") != NULL);
    CU_ASSERT_EQUAL(rmdir(path), 0);
    while (answers(self, done, 1) == 0 && ++polls < 1000) {
    }
    CU_ASSERT(!fake_host_stalled(&fake, "file", said));
    expect_content("late\n");
    end(self);
    (void)unlink(path);
}

/* A disk that was full in the middle of what is in hand, and the file is deleted then: all of it is written again. */
static void test_what_was_partly_written_is_written_again(void)
{
    void *self = start("value", "true");
    struct rlimit limit, old;
    churn_record records[20];
    churn_done done[20];
    unsigned polls = 0;
    char *text;
    for (int i = 0; i < 20; i++) {
        records[i] = (churn_record){.value = str("0123456789"), .id = (uint64_t)i};
    }
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 100;
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    CU_ASSERT_EQUAL(take(self, records, 20), 20);
    CU_ASSERT_EQUAL(answers(self, done, 20), 0);
    (void)setrlimit(RLIMIT_FSIZE, &old);
    (void)unlink(path);
    while (answers(self, done, 20) == 0 && ++polls < 1000) {
    }
    text = content();
    CU_ASSERT_EQUAL(strlen(text), 220);
    free(text);
    end(self);
    (void)unlink(path);
}

static unsigned mode_of(const char *name)
{
    struct stat info;
    return stat(name, &info) == 0 ? info.st_mode & 0777 : 0;
}

static void test_nobody_else_reads_it(void)
{
    char name[sizeof path];
    mode_t mask = umask(0);
    void *self;
    (void)snprintf(name, sizeof name, "%s/a", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/own/folder/lines", folder);
    self = start("value", "true");
    CU_ASSERT_EQUAL(mode_of(path), 0640);
    write_line(self, "one");
    (void)unlink(path);
    write_line(self, "two");
    CU_ASSERT_EQUAL(mode_of(path), 0640);
    (void)snprintf(name, sizeof name, "%s/own/folder", folder);
    CU_ASSERT_EQUAL(mode_of(name), 0750);
    (void)snprintf(name, sizeof name, "%s/own", folder);
    CU_ASSERT_EQUAL(mode_of(name), 0750);
    end(self);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/a/b/lines", folder);
    (void)umask(mask);
}

static void refuse_path(const char *name, const char *said)
{
    churn_error err = {.size = sizeof err};
    void *self = fake_instance_new(plugin, "path", name, NULL);
    CU_ASSERT_EQUAL(ops()->create(self, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops()->start(self, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, "path");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, said));
    ops()->destroy(self);
    fake_instance_free(plugin, self);
}

static void test_links_are_not_followed(void)
{
    char target[sizeof path];
    end(start("value", "true"));
    (void)unlink(path);
    (void)snprintf(target, sizeof target, "%s/target", folder);
    CU_ASSERT_EQUAL(symlink(target, path), 0);
    refuse_path(path, "symbolic link");
    CU_ASSERT(access(target, F_OK) != 0);
    (void)unlink(path);
}

/* A link by nature, to a file or to a pipe. */
static void test_standard_output_by_its_name(void)
{
    int saved = dup(STDOUT_FILENO), ends[2], file;
    char got[16] = "";
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    end(start("value", "true")); /* which makes the file */
    file = open(path, O_WRONLY);
    (void)fflush(stdout);
    for (int i = 0; i < 2; i++) {
        void *self = fake_instance_new(plugin, "path", "/dev/stdout", NULL);
        churn_error err = {.size = sizeof err};
        (void)dup2(i == 0 ? file : ends[1], STDOUT_FILENO);
        CU_ASSERT_EQUAL(ops()->create(self, &fake.host, &err), CHURN_OK);
        CU_ASSERT_EQUAL(ops()->start(self, &err), CHURN_OK);
        write_line(self, "one");
        end(self);
    }
    (void)dup2(saved, STDOUT_FILENO);
    expect_content("one\n");
    CU_ASSERT_EQUAL(read(ends[0], got, sizeof got), 4);
    CU_ASSERT_STRING_EQUAL(got, "one\n");
    (void)close(saved);
    (void)close(file);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)unlink(path);
}

static void test_half_line_is_ended(void)
{
    void *self = start("value", "true");
    const churn_record record = {.value = str("whole"), .id = 1};
    churn_done done[1];
    FILE *file;
    end(self);
    file = fopen(path, "w");
    (void)fputs("one\nha", file);
    (void)fclose(file);
    self = start("value", "true");
    CU_ASSERT_EQUAL(take(self, &record, 1), 1);
    CU_ASSERT_EQUAL(answers(self, done, 1), 1);
    end(self);
    expect_content("one\nha\nwhole\n");
    (void)unlink(path);
}

static void *append_many(void *arg)
{
    char line[300];
    churn_record record = {.value = {.ptr = line, .len = sizeof line}};
    churn_done done[64];
    memset(line, *(char *)arg, sizeof line);
    for (void *self = start("value", "false"); self != NULL; end(self), self = NULL) {
        for (uint32_t i = 0, n; i < 3000; i += n) {
            n = take(self, &record, 1);
            while (answers(self, done, 64) == 0 && n > 0) {
            }
        }
    }
    return NULL;
}

static void test_workers_share_a_file(void)
{
    pthread_t threads[4];
    char letters[] = "abcd", line[512];
    int counts[4] = {0}, wrong = 0;
    FILE *file;
    for (int i = 0; i < 4; i++) {
        (void)pthread_create(&threads[i], NULL, append_many, &letters[i]);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    file = fopen(path, "r");
    while (fgets(line, sizeof line, file) != NULL) {
        if (strlen(line) == 301 && line[0] >= 'a' && line[0] <= 'd' && strspn(line, (char[]){line[0], '\0'}) == 300) {
            counts[line[0] - 'a']++;
        } else {
            wrong++;
        }
    }
    (void)fclose(file);
    CU_ASSERT_EQUAL(wrong, 0);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(counts[i], 3000);
    }
    (void)unlink(path);
}

static void test_bad_paths(void)
{
    refuse_path(folder, folder);
    refuse_path("/dev/null/x", "/dev/null");
}

/* A pipe whose reader is slow: what it does not take waits, and the worker goes on. */
static void test_standard_output_to_a_slow_pipe(void)
{
    int ends[2], saved = dup(STDOUT_FILENO);
    char *big = malloc(4000), *got = calloc(1, 400001);
    const churn_record record = {.value = str("end"), .id = 2};
    churn_done done[2];
    churn_error err = {.size = sizeof err};
    void *self = fake_instance_new(plugin, "path", "-", NULL);
    size_t len = 0;
    uint32_t answered = 1;
    memset(big, 'x', 4000);
    (void)fflush(stdout);
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    (void)dup2(ends[1], STDOUT_FILENO);
    (void)close(ends[1]);
    CU_ASSERT_EQUAL_FATAL(ops()->create(self, &fake.host, &err), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(ops()->start(self, &err), CHURN_OK);
    (void)dup2(saved, STDOUT_FILENO);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    CU_ASSERT_EQUAL(take(self, &record, 1), 1);
    CU_ASSERT_EQUAL(answers(self, done, 2), 1);
    for (int i = 0; i < 30 && answered == 1; i++) { /* short lines until the pipe is full */
        const churn_record line = {.value = {.ptr = big, .len = 3999}, .id = 5};
        CU_ASSERT_EQUAL(take(self, &line, 1), 1);
        answered = answers(self, done, 2);
    }
    CU_ASSERT_EQUAL(answered, 0);
    for (ssize_t n; (n = read(ends[0], got + len, 400000 - len)) > 0; len += (size_t)n) {
    }
    CU_ASSERT_EQUAL(answers(self, done, 2), 1);
    CU_ASSERT_EQUAL(strncmp(got, "end\nxxx", 7), 0);
    CU_ASSERT_EQUAL((len - 4) % 4000, 0); /* whole lines */
    (void)close(ends[0]);
    end(self);
    (void)close(saved);
    free(big);
    free(got);
}

/* ---- what it keeps ---- */

static const char *get_path(const churn_section *section, const char *name)
{
    (void)section;
    return strcmp(name, "path") == 0 ? path : NULL;
}

struct seen {
    const char *doomed; /* lines that begin so are erased; NULL: none */
    unsigned lines, erased, half, unreadable;
    int last_fails; /* the third one ends it all */
    char places[8][256];
};

static int32_t judge(void *ctx, const churn_kept *kept)
{
    struct seen *seen = ctx;
    if (kept->value.ptr == NULL) {
        CU_ASSERT_PTR_NOT_NULL(kept->why);
        (void)snprintf(seen->places[seen->unreadable++ % 8], sizeof seen->places[0], "%s", kept->place);
        return CHURN_OK;
    }
    seen->lines++;
    seen->half += (kept->flags & CHURN_KEPT_HALF) != 0;
    if (seen->last_fails && seen->lines == 3) {
        return CHURN_FATAL;
    }
    if (seen->doomed != NULL &&
        ((kept->flags & CHURN_KEPT_HALF) != 0 || strncmp(kept->value.ptr, seen->doomed, strlen(seen->doomed)) == 0)) {
        seen->erased++;
        return CHURN_REJECT;
    }
    return CHURN_OK;
}

static int32_t search(struct seen *seen)
{
    const churn_section section = {.size = sizeof section, .get = get_path};
    churn_error err = {.size = sizeof err};
    return ops()->search(&section, judge, seen, &err);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

#define LINE_A "{\"customer_id\":\"a\",\"n\":1}"
#define GONE_A "{\"forgotten\":true       }"

static void test_lines_are_erased_where_they_stand(void)
{
    char rotated[300], packed[300], copied[300], dated[300], other[300];
    struct seen seen = {.doomed = "{\"customer_id\":\"a\""}, again = {0};
    CU_ASSERT_EQUAL(search(&seen), CHURN_OK); /* there is no file yet */
    CU_ASSERT_EQUAL(seen.lines, 0);
    end(start("auto", "true"));
    (void)snprintf(rotated, sizeof rotated, "%s.1", path);
    (void)snprintf(dated, sizeof dated, "%s-20260131", path);
    (void)snprintf(packed, sizeof packed, "%s.2.gz", path);
    (void)snprintf(copied, sizeof copied, "%s.old", path);
    (void)snprintf(other, sizeof other, "%s2", path);
    write_file(path, "b\n" LINE_A "\n\n\"c\"\n" LINE_A);
    write_file(rotated, LINE_A "\n");
    write_file(dated, LINE_A "\n");
    write_file(packed, LINE_A "\n");
    write_file(copied, LINE_A "\n");
    write_file(other, LINE_A "\n");
    CU_ASSERT_EQUAL(search(&seen), CHURN_OK);
    expect_content("b\n" GONE_A "\n\n\"c\"\n" GONE_A);
    CU_ASSERT_EQUAL(seen.lines, 6);
    CU_ASSERT_EQUAL(seen.erased, 4);
    CU_ASSERT_EQUAL(seen.unreadable, 2); /* the packed one and the copy; another file is another's */
    CU_ASSERT_EQUAL(search(&again), CHURN_OK);
    CU_ASSERT_EQUAL(again.lines, 2);
    (void)unlink(rotated);
    (void)unlink(dated);
    (void)unlink(packed);
    (void)unlink(copied);
    (void)unlink(other);
    (void)unlink(path);
}

/* As a crash leaves it: the sign is there, and the rest is not gone. */
static void test_a_half_erased_line_is_erased(void)
{
    struct seen looked = {0}, seen = {.doomed = "x"}, stopped = {.last_fails = 1};
    end(start("auto", "true"));
    write_file(path, "a\n{\"forgotten\":truestomer_id\":\"a\",\"n\":1}\nb\nc\n");
    CU_ASSERT_EQUAL(search(&looked), CHURN_OK);
    CU_ASSERT_EQUAL(looked.half, 1);
    CU_ASSERT_EQUAL(search(&stopped), CHURN_FATAL);
    CU_ASSERT_EQUAL(search(&seen), CHURN_OK);
    CU_ASSERT_EQUAL(seen.erased, 1);
    expect_content("a\n{\"forgotten\":true                    }\nb\nc\n");
    (void)unlink(path);
}

static int32_t erase_below(void *ctx, const churn_kept *kept)
{
    struct seen other = {.doomed = "{\"customer_id\":\"a\""};
    (void)ctx;
    (void)kept;
    CU_ASSERT_EQUAL(search(&other), CHURN_OK);
    return CHURN_REJECT;
}

static int32_t cut_below(void *ctx, const churn_kept *kept)
{
    (void)ctx;
    (void)kept;
    write_file(path, "another\n");
    return CHURN_REJECT;
}

/* What was judged is looked at once more before it is overwritten. */
static void test_others_who_change_the_file(void)
{
    const churn_section section = {.size = sizeof section, .get = get_path};
    churn_error err = {.size = sizeof err};
    end(start("auto", "true"));
    write_file(path, LINE_A "\n");
    CU_ASSERT_EQUAL(ops()->search(&section, erase_below, NULL, &err), CHURN_OK);
    expect_content(GONE_A "\n");
    write_file(path, LINE_A "\n");
    CU_ASSERT_EQUAL(ops()->search(&section, cut_below, NULL, &err), CHURN_RETRY);
    expect_content("another\n");
    (void)unlink(path);
}

static void test_a_part_that_cannot_be_opened_is_named(void)
{
    char part[300];
    struct seen seen = {.doomed = "{\"customer_id\":\"a\""};
    end(start("auto", "true"));
    write_file(path, LINE_A "\n");
    (void)snprintf(part, sizeof part, "%s.1", path);
    CU_ASSERT_EQUAL_FATAL(symlink("lines", part), 0);
    CU_ASSERT_EQUAL(search(&seen), CHURN_OK);
    CU_ASSERT_EQUAL(seen.erased, 1);
    CU_ASSERT_EQUAL(seen.unreadable, 1);
    CU_ASSERT_STRING_EQUAL(seen.places[0], part);
    (void)unlink(part);
    (void)unlink(path);
}

/* Of the file's folder and those above it. */
static void allow_listing(mode_t mode)
{
    static const char *const names[] = {"", "/a", "/a/b"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[300];
        (void)snprintf(name, sizeof name, "%s%s", folder, names[i]);
        CU_ASSERT_EQUAL_FATAL(chmod(name, mode), 0);
    }
}

/* The file can be reached by its name, what lies beside it cannot be found. */
static void test_a_folder_that_cannot_be_listed_is_named(void)
{
    uid_t self = geteuid();
    char part[300];
    struct seen seen = {.doomed = "{\"customer_id\":\"a\""};
    end(start("auto", "true"));
    write_file(path, LINE_A "\n");
    (void)snprintf(part, sizeof part, "%s.1", path);
    write_file(part, LINE_A "\n");
    CU_ASSERT_EQUAL_FATAL(chmod(path, 0666), 0);
    allow_listing(0311);
    CU_ASSERT_EQUAL_FATAL(self == 0 ? seteuid(65534) : 0, 0); /* root may list any */
    CU_ASSERT_EQUAL(search(&seen), CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(seteuid(self), 0);
    allow_listing(0700);
    CU_ASSERT_EQUAL(seen.erased, 1);
    CU_ASSERT_EQUAL(seen.unreadable, 1);
    CU_ASSERT_STRING_EQUAL(seen.places[0], path);
    (void)unlink(part);
    (void)unlink(path);
}

static void test_erasing_while_workers_write(void)
{
    pthread_t threads[3];
    char letters[] = "abc", line[512];
    int counts[3] = {0}, wrong = 0;
    struct seen seen = {.doomed = "c"};
    FILE *file;
    end(start("auto", "true"));
    for (int i = 0; i < 3; i++) {
        (void)pthread_create(&threads[i], NULL, append_many, &letters[i]);
    }
    for (int i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(search(&seen), CHURN_OK);
    }
    for (int i = 0; i < 3; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    CU_ASSERT_EQUAL(search(&seen), CHURN_OK);
    CU_ASSERT_EQUAL(seen.erased, 3000);
    file = fopen(path, "r");
    while (fgets(line, sizeof line, file) != NULL) {
        int is_gone = strncmp(line, "{\"forgotten\":true ", 18) == 0 && line[299] == '}';
        char first = is_gone ? 'c' : line[0];
        if (strlen(line) == 301 && (is_gone || strspn(line, (char[]){first, '\0'}) == 300) && first >= 'a' &&
            first <= 'c') {
            counts[first - 'a']++;
        } else {
            wrong++;
        }
    }
    (void)fclose(file);
    CU_ASSERT_EQUAL(wrong, 0);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(counts[i], 3000);
    }
    (void)unlink(path);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_lines_are_appended),
                           TEST(test_dead_letter_is_an_envelope),
                           TEST(test_envelope_of_a_tombstone),
                           TEST(test_full_disk_loses_nothing),
                           TEST(test_what_is_rotated_is_begun_anew),
                           TEST(test_what_cannot_be_made_anew_waits),
                           TEST(test_what_was_partly_written_is_written_again),
                           TEST(test_nobody_else_reads_it),
                           TEST(test_links_are_not_followed),
                           TEST(test_standard_output_by_its_name),
                           TEST(test_half_line_is_ended),
                           TEST(test_workers_share_a_file),
                           TEST(test_bad_paths),
                           TEST(test_standard_output_to_a_slow_pipe),
                           TEST(test_lines_are_erased_where_they_stand),
                           TEST(test_a_half_erased_line_is_erased),
                           TEST(test_others_who_change_the_file),
                           TEST(test_a_part_that_cannot_be_opened_is_named),
                           TEST(test_a_folder_that_cannot_be_listed_is_named),
                           TEST(test_erasing_while_workers_write),
                           CU_TEST_INFO_NULL};
    char command[64];
    int status;
    fake_host_init(&fake);
    plugin = fake_plugin_load("sink", "file");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/a/b/lines", folder);
    status = run_tests("sink file", tests);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0 || status;
}
