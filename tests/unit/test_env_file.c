/* Files of NAME=VALUE lines: what is taken from them, and which are not trusted. */
#include "core/base/env_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char dir[] = "/tmp/churn-unit-XXXXXX", path[64], message[512];
static struct env_file env;

static void write_bytes(const char *bytes, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || fchmod(fd, mode) != 0 || close(fd) != 0) {
        abort();
    }
}

static bool read_file(const char *file)
{
    env_file_free(&env);
    message[0] = '\0';
    return env_file_read(&env, file, message, sizeof message);
}

static bool read_text(const char *text)
{
    write_bytes(text, strlen(text), 0600);
    return read_file(path);
}

static void check_env(const char *name, const char *expected)
{
    const char *value = env_file_get(&env, name);
    check(value != NULL && strcmp(value, expected) == 0, "%s: expected \"%s\", got \"%s\"", name, expected,
          value != NULL ? value : "(none)");
}

static void test_lines(void)
{
    CU_ASSERT(read_text("# a comment\n"
                        "\n"
                        "   \n"
                        "  # another\n"
                        "E1=plain\n"
                        "export E2=exported\n"
                        "  E3 = spaces around  \n"
                        "E4=\"double 'quotes'\"\n"
                        "E5='single \"quotes\"'\n"
                        "E6=\n"
                        "E7=\"\"\n"
                        "E8=a=b=c\n"
                        "E9=ev.jsonl # dev\n"
                        "E10=a#b\n"
                        "E11='  kept  '\n"
                        "E12=windows\r\n"
                        "E13=${E1}\n"
                        "E1=plain at last\n"
                        "E15=\"a # b\" # c\n"
                        "E16=# nothing\n"
                        "E14=no end of line"));
    static const char *const expected[] = {
        "plain at last", "exported", "spaces around", "double 'quotes'", "single \"quotes\"", "",      "",
        "a=b=c",         "ev.jsonl", "a#b",           "  kept  ",        "windows",           "${E1}", "no end of line",
        "a # b",         ""};
    for (unsigned i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "E%u", i + 1);
        check_env(name, expected[i]);
        CU_ASSERT(getenv(name) == NULL);
    }
    CU_ASSERT(env.count == 17 && env_file_get(&env, "E17") == NULL && env_file_get(&env, "E") == NULL);
    CU_ASSERT(read_text("") && env.count == 0);
}

/* Editors on Windows begin a file with it; anywhere else it is a part of the text. */
static void test_byte_order_mark(void)
{
    CU_ASSERT(read_text("\xef\xbb\xbfONE=1\n\xef\xbb\xbfTWO=2\nTHREE=\xef\xbb\xbf\n"));
    check_env("ONE", "1");
    check_env("THREE", "\xef\xbb\xbf");
    CU_ASSERT(env_file_get(&env, "TWO") == NULL);
    CU_ASSERT(read_text("\xef\xbb\xbf# a comment\nONE=1\n"));
    check_env("ONE", "1");
    CU_ASSERT(read_text("\xef\xbb\xbf") && env.count == 0);
    CU_ASSERT(read_text("\xef\xbb\xbf\nexport # NONE=1\nexport ONE=1"));
    check_env("ONE", "1");
}

static void check_refused(const char *words)
{
    CU_ASSERT(!read_file(path));
    check_contains(message, path, "the file");
    check_contains(message, words, "message");
    check(strchr(message, '\n') == NULL, "%s: more than a line", words);
}

/* No value is shown. */
static void test_mistakes(void)
{
    static const char zero[] = "A=1\0 2\n";
    CU_ASSERT(!read_text("A=1\nno assignment hunter2\nB=2\n"));
    check_contains(message, ".env:2: write NAME=VALUE", "message");
    CU_ASSERT_PTR_NULL(strstr(message, "hunter2"));
    CU_ASSERT(!read_text("=x\n"));
    check_contains(message, ".env:1: write NAME=VALUE", "message");
    CU_ASSERT(!read_text("A=\"hunter2\n"));
    check_contains(message, ".env:1: the closing quote is missing", "message");
    CU_ASSERT(!read_text("A='hunter2' more\n"));
    check_contains(message, ".env:1: something follows the closing quote", "message");
    CU_ASSERT(!read_text("A='\n") && !read_text("export\n") && !read_text("export =x\n"));
    write_bytes(zero, sizeof zero - 1, 0600);
    check_refused(":1: there is a NUL character");
}

static void test_what_is_no_file(void)
{
    CU_ASSERT(!read_file("/nonexistent/.env"));
    check_text(message, "/nonexistent/.env: No such file or directory", "message");
    CU_ASSERT(!read_file("/dev/null"));
    check_contains(message, "/dev/null: is a device, no file of NAME=VALUE lines", "message");
    CU_ASSERT(!read_file(dir));
    check_contains(message, "is a folder, no file of NAME=VALUE lines", "message");
    (void)unlink(path);
    CU_ASSERT(mkfifo(path, 0600) == 0);
    check_refused("is a FIFO, no file of NAME=VALUE lines"); /* and nobody waits for its writer */
    (void)unlink(path);
    write_bytes("A=1\n", 4, 0600); /* and then nothing but a hole, which would not fit into memory */
    CU_ASSERT(truncate(path, (off_t)1 << 40) == 0);
    check_refused("more than 4 MiB; this is no file of NAME=VALUE lines");
    (void)unlink(path);
}

static void test_files_that_others_can_write(void)
{
    static const mode_t good[] = {0600, 0400, 0644, 0640, 0755}, bad[] = {0620, 0602, 0666, 0664, 0777};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        write_bytes("A=1\n", 4, good[i]);
        check(read_file(path), "mode %o: %s", (unsigned)good[i], message);
        check_env("A", "1");
        (void)unlink(path);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_bytes("A=1\n", 4, bad[i]);
        check_refused("is not taken, for others can write it (mode ");
        CU_ASSERT(env_file_get(&env, "A") == NULL);
    }
}

/* Only root can give a file away. */
static void test_a_file_of_somebody_else(void)
{
    if (geteuid() == 0) {
        write_bytes("A=1\n", 4, 0644);
        CU_ASSERT(chown(path, 12345, 12345) == 0);
        check_refused("belongs to another user (12345)");
        CU_ASSERT(env_file_get(&env, "A") == NULL);
        (void)unlink(path);
    }
}

/* By these a program finds code to run. */
static void test_names_that_are_never_taken(void)
{
    CU_ASSERT(read_text("CHURN_PLUGIN_PATH=/tmp\nLD_PRELOAD=x.so\nLD_LIBRARY_PATH=.\nCHURN_PLUGIN_PATHS=1\nLDX=2\n"));
    CU_ASSERT(env_file_get(&env, "CHURN_PLUGIN_PATH") == NULL && env_file_get(&env, "LD_PRELOAD") == NULL &&
              env_file_get(&env, "LD_LIBRARY_PATH") == NULL);
    check_env("CHURN_PLUGIN_PATHS", "1");
    check_env("LDX", "2");
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_lines),
        TEST(test_byte_order_mark),
        TEST(test_mistakes),
        TEST(test_what_is_no_file),
        TEST(test_files_that_others_can_write),
        TEST(test_a_file_of_somebody_else),
        TEST(test_names_that_are_never_taken),
        CU_TEST_INFO_NULL,
    };
    int status;
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/x.env", dir);
    status = run_tests("env_file", tests);
    env_file_free(&env);
    (void)unlink(path);
    (void)rmdir(dir);
    return status;
}
