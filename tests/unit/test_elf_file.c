/* What is read of a shared object before it is opened; files that are cut off or damaged are read too. */
#include "core/elf_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define DAMAGED_FILES 3000

static char message[512];
static char dir[] = "/tmp/churn-unit-XXXXXX", path[64];

static void plugin_path(char *out, size_t size)
{
    const char *plugins = getenv("TEST_PLUGIN_DIR");
    (void)snprintf(out, size, "%s/event/.libs/login.so", plugins != NULL ? plugins : "plugins");
}

static char *read_plugin(size_t *ret_size)
{
    char name[256], *bytes;
    struct stat about;
    int fd;
    plugin_path(name, sizeof name);
    fd = open(name, O_RDONLY);
    if (fd < 0 || fstat(fd, &about) != 0) {
        abort();
    }
    *ret_size = (size_t)about.st_size;
    bytes = malloc(*ret_size);
    if (bytes == NULL || read(fd, bytes, *ret_size) != about.st_size) {
        abort();
    }
    (void)close(fd);
    return bytes;
}

/* Everything that can be asked, of a file with these bytes. */
static const char *ask_all(const char *bytes, size_t size)
{
    struct elf_file elf;
    const char *fault;
    size_t at = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd) != 0) {
        abort();
    }
    fault = elf_open(&elf, path, message, sizeof message);
    if (fault != NULL) {
        return fault;
    }
    for (unsigned defined = 0; defined < 2; defined++) {
        for (at = 0; elf_next_symbol(&elf, defined != 0, &at) != NULL;) {
        }
    }
    for (at = 0; elf_next_library(&elf, &at) != NULL;) {
    }
    (void)elf_has_executable_stack(&elf);
    (void)elf_has_text_relocations(&elf);
    elf_close(&elf);
    return NULL;
}

static void test_a_plugin(void)
{
    struct elf_file elf;
    char name[256];
    const char *symbol;
    size_t at = 0;
    unsigned entries = 0;
    plugin_path(name, sizeof name);
    CU_ASSERT_PTR_NULL_FATAL(elf_open(&elf, name, message, sizeof message));
    while ((symbol = elf_next_symbol(&elf, true, &at)) != NULL) {
        entries += strcmp(symbol, "churn_plugin_entry") == 0;
    }
    CU_ASSERT_EQUAL(entries, 1);
    CU_ASSERT(!elf_has_executable_stack(&elf));
    CU_ASSERT(!elf_has_text_relocations(&elf));
    elf_close(&elf);
}

static void test_every_length(void)
{
    size_t size;
    char *bytes = read_plugin(&size);
    for (size_t len = 0; len < size; len += len < 512 ? 1 : 61) {
        const char *fault = ask_all(bytes, len);
        check(fault != NULL && strcmp(fault, len == 1 || len == 2 || len == 3 ? "not_elf" : "truncated") == 0,
              "%zu bytes: %s", len, fault != NULL ? fault : "taken");
        check_contains(message, path, "the file");
    }
    CU_ASSERT_PTR_NULL(ask_all(bytes, size));
    free(bytes);
}

/* A byte or two wrong in the header, in its tables or anywhere: no crash, whatever the answer. */
static void test_damaged_files(void)
{
    size_t size;
    char *bytes = read_plugin(&size);
    uint64_t random = 1;
    unsigned refused = 0;
    for (unsigned i = 0; i < DAMAGED_FILES; i++) {
        char *copy = exact_copy(bytes, size);
        for (unsigned n = 0; n < 2; n++) {
            size_t from = offsetof(ElfW(Ehdr), e_entry), room = (i % 2 == 0 ? size : 512) - from;
            copy[from + next_random(&random) % room] = (char)next_random(&random);
        }
        refused += ask_all(copy, size) != NULL;
        free(copy);
    }
    CU_ASSERT(refused > 0 && refused < DAMAGED_FILES);
    free(bytes);
}

static void test_what_is_no_shared_object(void)
{
    struct elf_file elf;
    size_t size;
    char *bytes = read_plugin(&size);
    CU_ASSERT_STRING_EQUAL(elf_open(&elf, "/nowhere/x.so", message, sizeof message), "not_readable");
    check_contains(message, "/nowhere/x.so: cannot be read: No such file or directory", "message");
    CU_ASSERT_STRING_EQUAL(elf_open(&elf, dir, message, sizeof message), "not_readable");
    CU_ASSERT_STRING_EQUAL(ask_all("#!/bin/sh\n", 10), "not_elf");
    bytes[offsetof(ElfW(Ehdr), e_type)] = ET_REL;
    CU_ASSERT_STRING_EQUAL(ask_all(bytes, size), "not_shared_object");
    bytes[offsetof(ElfW(Ehdr), e_machine)] ^= 1;
    CU_ASSERT_STRING_EQUAL(ask_all(bytes, size), "wrong_architecture");
    bytes[offsetof(ElfW(Ehdr), e_machine)] ^= 1;
    bytes[EI_CLASS] ^= 3;
    CU_ASSERT_STRING_EQUAL(ask_all(bytes, size), "wrong_architecture");
    free(bytes);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_a_plugin), TEST(test_every_length), TEST(test_damaged_files), TEST(test_what_is_no_shared_object),
        CU_TEST_INFO_NULL,
    };
    int status;
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/x.so", dir);
    status = run_tests("elf_file", tests);
    (void)unlink(path);
    (void)rmdir(dir);
    return status;
}
