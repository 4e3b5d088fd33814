/* Secrets in files: what is taken of them, and what is said of those that cannot be read. */
#include "core/base/credential.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char dir[] = "/tmp/churn-unit-XXXXXX", path[64], message[512];

static void write_bytes(const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || close(fd) != 0) {
        abort();
    }
}

/* `expected` NULL: there is none. */
static void check_value(const char *expected)
{
    char *value = NULL;
    CU_ASSERT(credential_read("WORD", &value, message, sizeof message));
    check(expected == NULL ? value == NULL : value != NULL && strcmp(value, expected) == 0,
          "expected \"%s\", got \"%s\"", expected != NULL ? expected : "(none)", value != NULL ? value : "(none)");
    free(value);
}

static void test_values(void)
{
    static const char *const texts[][2] = {
        {"word", "word"}, {"word\n", "word"}, {"word\r\n", "word"}, {"word\n\n", "word\n"}, {" a=b # c ", " a=b # c "},
        {"\n", ""},       {"", ""},           {"\r", "\r"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_bytes(texts[i][0], strlen(texts[i][0]));
        check_value(texts[i][1]);
    }
}

static void test_none(void)
{
    (void)unlink(path);
    check_value(NULL);
    CU_ASSERT(setenv("CREDENTIALS_DIRECTORY", "", 1) == 0);
    check_value(NULL);
    CU_ASSERT(unsetenv("CREDENTIALS_DIRECTORY") == 0);
    check_value(NULL);
    CU_ASSERT(setenv("CREDENTIALS_DIRECTORY", dir, 1) == 0);
}

static void check_refused(const char *words)
{
    char *value = NULL;
    CU_ASSERT(!credential_read("WORD", &value, message, sizeof message) && value == NULL);
    check_contains(message, path, "the file");
    check_contains(message, words, "message");
    CU_ASSERT_PTR_NULL(strstr(message, "hunter2"));
}

static void test_what_cannot_be_read(void)
{
    write_bytes("hunter2\0x", 9);
    check_refused("there is a NUL character");
    CU_ASSERT(truncate(path, (off_t)1 << 40) == 0);
    check_refused("more than 64 KiB");
    (void)unlink(path);
    CU_ASSERT(mkdir(path, 0700) == 0);
    check_refused("is a folder");
    (void)rmdir(path);
    CU_ASSERT(mkfifo(path, 0600) == 0);
    check_refused("is a FIFO"); /* and nobody waits for its writer */
    (void)unlink(path);
    CU_ASSERT(symlink("WORD", path) == 0);
    check_refused("Too many levels of symbolic links");
    (void)unlink(path);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_values),
        TEST(test_none),
        TEST(test_what_cannot_be_read),
        CU_TEST_INFO_NULL,
    };
    int status;
    if (mkdtemp(dir) == NULL || setenv("CREDENTIALS_DIRECTORY", dir, 1) != 0) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/WORD", dir);
    status = run_tests("credential", tests);
    (void)rmdir(dir);
    return status;
}
