/* Secrets in files and among credentials: what a pipeline's file takes of them, and what it says of them. */
#include <sys/stat.h>

#include "loaded_fixture.h"

static char folder[] = "/tmp/churn-unit-XXXXXX";
static void check_loads(const char *yaml, const char *key, const char *expected)
{
    load(yaml);
    check(loaded && *said == '\0', "%s: %s", yaml, said);
    check_text(loaded ? config_get(&config.root, key)->text : "(none)", expected, yaml);
}

static void put(const char *name, const char *bytes, size_t len, mode_t mode)
{
    FILE *out;
    (void)unlink(name);
    out = fopen(name, "w");
    if (out == NULL || fwrite(bytes, 1, len, out) != len || fclose(out) != 0 || chmod(name, mode) != 0) {
        abort();
    }
}

static void put_text(const char *name, const char *text, mode_t mode)
{
    put(name, text, strlen(text), mode);
}

/* Relative paths begin in the working directory, as all paths of a pipeline. */
static void test_secrets_in_files(void)
{
    put_text("word", "hunter2-file\n", 0600);
    check_loads("a: ${file:word}\n", "a", "hunter2-file");
    check_loads("a: x${file:./word}y${file:word}\n", "a", "xhunter2-fileyhunter2-file");
    check_loads("'${file:word}': c\n", "hunter2-file", "c");
    check_loads("a: ['${file:word}']\nb: $${file:word}\n", "b", "${file:word}");
    put_text("word", "hunter2 # : {x} ${NOT}\n\n", 0600);
    check_loads("a: ${file:word}\n", "a", "hunter2 # : {x} ${NOT}\n"); /* one end of line alone is cut */
}

static void test_a_file_is_a_secret(void)
{
    put_text("word", "hunter2-file\n", 0600);
    load("a: x-${file:word}\n");
    CU_ASSERT(config_get(&config.root, "a")->secret && config.has_secrets);
    config_error(&config, NULL, "'%s' is refused", config_get(&config.root, "a")->text);
    check_text(config.findings[0].message, "'x-${file:word}' is refused", "a message");
    put_text("word", "\n", 0600);
    check_loads("a: ${file:word}\n", "a", "");
    CU_ASSERT(!config.has_secrets);
}

static void test_files_that_hold_no_secret(void)
{
    static char large[(64 << 10) + 1];
    (void)unlink("word");
    check_refused("a: x\nb:\n  c:   ${file:word}\n", "FILE:3:8: word: No such file or directory\n");
    check_refused("a: ${file:.}\n", "FILE:1:4: .: is a folder, no file\n");
    CU_ASSERT(mkfifo("word", 0600) == 0);
    check_refused("a: ${file:word}\n", "FILE:1:4: word: is a FIFO, no file\n"); /* and its writer is not waited for */
    (void)memset(large, 'x', sizeof large);
    put("word", large, sizeof large, 0600);
    check_refused("a: ${file:word}\n", "FILE:1:4: word: more than 64 KiB; this is no secret\n");
    put("word", large, sizeof large - 1, 0600);
    load("a: ${file:word}\n");
    CU_ASSERT(loaded);
    put("word", "hunter2\0x", 9, 0600);
    check_refused("a: ${file:word}\n", "FILE:1:4: word: there is a NUL character\n");
    (void)unlink("word");
}

static void test_references_that_are_none(void)
{
    check_refused(
        "a: ${file:$CREDENTIALS_DIRECTORY/x}\n",
        "FILE:1:4: file:$CREDENTIALS_DIRECTORY/x: the path stands as it is, nothing in it is replaced; a file "
        "of $CREDENTIALS_DIRECTORY is ${credential:NAME}\n");
    check_refused_with("a: ${file:}\n", "is not a reference to a variable");
    check_refused_with("a: ${file:x\n", "is not a reference to a variable");
    check_refused_with("a: ${credential:}\n", "is not a reference to a variable");
    check_loads("a: ${file:-x}\n", "a", "x"); /* variables may be called so */
    check_loads("a: ${credential:-x}\n", "a", "x");
}

static void test_files_that_others_reach(void)
{
    put_text("word", "hunter2-file", 0604);
    load("a: ${file:word}\n");
    check_text(said,
               "FILE:1:4: warning: word: other users can read it (mode 604), and a secret is in it; `chmod o= word`\n",
               "read");
    put_text("word", "hunter2-file", 0602);
    load("a: ${file:word}\n");
    check_contains(said, "word: other users can write it (mode 602)", "written");
    CU_ASSERT(loaded);
    put_text("word", "hunter2-file", 0640);
    check_loads("a: ${file:word}\n", "a", "hunter2-file");
}

static void test_credentials_by_name(void)
{
    put_text("redis-password", "hunter2-credential\n", 0600);
    check_refused("a: ${credential:redis-password}\n",
                  "FILE:1:4: there is no credential redis-password: CREDENTIALS_DIRECTORY is not set, as systemd does "
                  "for a service with LoadCredential=\n");
    CU_ASSERT(setenv("CREDENTIALS_DIRECTORY", folder, 1) == 0);
    check_loads("a: ${credential:redis-password}\n", "a", "hunter2-credential");
    CU_ASSERT(config_get(&config.root, "a")->secret);
    check_refused_with("a: ${credential:other}\n", "FILE:1:4: there is no credential other in the folder");
    check_refused_with("a: ${credential:../other}\n",
                       "FILE:1:4: credential:../other: a credential's name has no folder");
    CU_ASSERT(unsetenv("CREDENTIALS_DIRECTORY") == 0);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_secrets_in_files),
        TEST(test_a_file_is_a_secret),
        TEST(test_files_that_hold_no_secret),
        TEST(test_references_that_are_none),
        TEST(test_files_that_others_reach),
        TEST(test_credentials_by_name),
        CU_TEST_INFO_NULL,
    };
    int status;
    (void)unsetenv("CREDENTIALS_DIRECTORY");
    if (mkdtemp(folder) == NULL || chdir(folder) != 0) {
        return 1;
    }
    status = run_tests("secrets", tests);
    free_loaded();
    (void)unlink("word");
    (void)unlink("redis-password");
    (void)rmdir(folder);
    return status;
}
