/* One file or folder under its many names, and those that only look alike. */
#include "core/base/file_place.h"

#include "check.h"
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static char folder[] = "/tmp/test_file_place.XXXXXX";

static bool same(const char *a, const char *b)
{
    struct file_place one, other;
    bool found = file_place_find(a, true, &one), also = file_place_find(b, true, &other);
    bool ok = found && also && file_place_same(&one, &other);
    file_place_free(&one);
    file_place_free(&other);
    return ok;
}

static void check_names(const char *what, const char *const *names, bool expected)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        for (size_t j = 0; j < i; j++) {
            check(same(names[i], names[j]) == expected, "%s: %s and %s are %s", what, names[i], names[j],
                  expected ? "taken for two" : "taken for one");
        }
    }
}

static void make(const char *path)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fclose(file);
}

/* The folder from its root, as seen from the one that is worked in. */
static const char *whole(const char *name, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return out;
}

static void test_what_exists(void)
{
    char absolute[PATH_MAX];
    const char *names[] = {"file",       "./file",     "sub/../file",           "sub/link",
                           "./sub/hard", ".//file",    "missing/../file",       "missing/deep/../../file",
                           "again/file", "sub/./hard", whole("file", absolute), NULL};
    const char *folders[] = {".", "sub/..", "again", "./", folder, NULL};
    make("file");
    CU_ASSERT(mkdir("sub", 0700) == 0 && symlink("../file", "sub/link") == 0 && link("file", "sub/hard") == 0 &&
              symlink(".", "again") == 0);
    check_names("exists", names, true);
    check_names("folders", folders, true);
}

static void test_what_does_not_exist(void)
{
    char absolute[PATH_MAX];
    const char *names[] = {"new",
                           "./new",
                           "sub/../new",
                           "sub/dangling",
                           "sub/../sub/../new",
                           "again/new",
                           "sub/chain",
                           "made/../new",
                           "made/by/../../new",
                           "new/",
                           ".//new",
                           "again/made/../new",
                           whole("new", absolute),
                           NULL};
    char below[PATH_MAX];
    const char *deeper[] = {"made/by/new",
                            "./made//by/new",
                            "made/./by/new",
                            "sub/../made/by/new",
                            "made/by/it/../new",
                            whole("made/by/new", below),
                            NULL};
    CU_ASSERT(symlink("../new", "sub/dangling") == 0 && symlink("dangling", "sub/chain") == 0);
    check_names("does not exist", names, true);
    check_names("nor does its folder", deeper, true);
}

static void test_what_is_another_thing(void)
{
    const char *names[] = {"file",     "other",       "new", "new2", "sub/new", "sub/file",
                           "made/new", "made/by/new", "sub", ".",    NULL};
    make("other");
    check_names("others", names, false);
    CU_ASSERT(symlink("loop", "loop") == 0);
    check_names("a link to itself is nothing", (const char *const[]){"loop", "./loop", NULL}, false);
    check_names("nor is an empty name", (const char *const[]){"", "", NULL}, false);
}

static void test_what_nobody_has_alone(void)
{
    int saved = dup(STDOUT_FILENO), fd;
    CU_ASSERT(mkfifo("pipe", 0600) == 0);
    check_names("a pipe, a device", (const char *const[]){"pipe", "./pipe", NULL}, false);
    check_names("a pipe, a device", (const char *const[]){"/dev/null", "/dev/../dev/null", NULL}, false);
    (void)fflush(stdout);
    fd = open("file", O_WRONLY);
    (void)dup2(fd, STDOUT_FILENO);
    check_names("redirected", (const char *const[]){"-", "file", "/dev/stdout", "/proc/self/fd/1", NULL}, true);
    (void)dup2(saved, STDOUT_FILENO);
    (void)close(saved);
    (void)close(fd);
    CU_ASSERT(!same("-", "file"));
}

static void test_standard_names(void)
{
    static const char *const standard[] = {"-",           "/dev/stdin", "/dev/stdout",
                                           "/dev/stderr", "/dev/fd/3",  "/proc/self/fd/1"};
    static const char *const others[] = {"", "file", "/dev/shm/x", "/dev/stdout2", "/dev/null", "/proc/self/fdinfo/1"};
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++) {
        check(file_place_is_standard(standard[i]) && !file_place_is_standard(others[i]), "%s, %s", standard[i],
              others[i]);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_what_exists),           TEST(test_what_does_not_exist),
                           TEST(test_what_is_another_thing), TEST(test_what_nobody_has_alone),
                           TEST(test_standard_names),        CU_TEST_INFO_NULL};
    char command[sizeof folder + 16];
    int failed;
    if (mkdtemp(folder) == NULL || chdir(folder) != 0) {
        perror(folder);
        return 1;
    }
    failed = run_tests("file_place", tests);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") != 0 || system(command) != 0 || failed;
}
