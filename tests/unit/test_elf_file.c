/* What is read of a shared object before it is opened; files that are cut off or damaged are read too. */
#include "core/plugin/elf_file.h"

#include <churn/plugin.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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
    churn_plugin entry;
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
    (void)elf_read_object(&elf, "churn_plugin_entry", &entry, sizeof entry);
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
    churn_plugin entry;
    memset(&entry, 0xff, sizeof entry);
    CU_ASSERT(elf_read_object(&elf, "churn_plugin_entry", &entry, sizeof entry));
    CU_ASSERT(entry.magic == CHURN_PLUGIN_MAGIC && entry.size == sizeof entry);
    CU_ASSERT(entry.abi_major == CHURN_ABI_MAJOR && entry.abi_minor == CHURN_ABI_MINOR);
    CU_ASSERT(entry.kind == CHURN_KIND_EVENT && entry.option_count == 0);
    CU_ASSERT(!elf_read_object(&elf, "churn_plugin_entr", &entry, sizeof entry));
    CU_ASSERT(!elf_read_object(&elf, "memcpy", &entry, sizeof entry)); /* somebody else's, if it is named at all */
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
    free(bytes);
}

/* What the message says of each: class and byte order as well as the machine, whose number lies in that order. */
static void test_other_machines(void)
{
    static const struct {
        unsigned char class, order, number;
        const char *said;
    } cases[] = {
        {ELFCLASS32, ELFDATA2LSB, EM_386, "is built for 32-bit x86, "},
        {ELFCLASS32, ELFDATA2LSB, EM_X86_64, "is built for x86-64 (32 bits), "}, /* x32 */
        {ELFCLASS64, ELFDATA2MSB, EM_X86_64, "is built for x86-64 (big-endian), "},
        {ELFCLASS32, ELFDATA2MSB, EM_X86_64, "is built for x86-64 (32 bits, big-endian), "},
        {ELFCLASS64, ELFDATA2MSB, EM_AARCH64, "is built for AArch64 (big-endian), "},
        {ELFCLASS32, ELFDATA2LSB, EM_ARM, "is built for 32-bit ARM, "},
        {ELFCLASS64, ELFDATA2MSB, EM_PPC64, "is built for PPC64 (64 bits, big-endian), "},
        {ELFCLASS64, ELFDATA2LSB, EM_PPC64, "is built for PPC64 (64 bits, little-endian), "},
        {ELFCLASS64, ELFDATA2MSB, EM_S390, "is built for S/390 (64 bits), "},
        {ELFCLASS64, ELFDATA2LSB, 250, "is built for machine 250 (64 bits, little-endian), "},
        {9, 9, 250, "is built for machine 250 (bits unknown, byte order unknown), "},
    };
    size_t size;
    char *bytes = read_plugin(&size);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bytes[EI_CLASS] = (char)cases[i].class;
        bytes[EI_DATA] = (char)cases[i].order;
        bytes[offsetof(ElfW(Ehdr), e_machine)] = (char)(cases[i].order == ELFDATA2MSB ? 0 : cases[i].number);
        bytes[offsetof(ElfW(Ehdr), e_machine) + 1] = (char)(cases[i].order == ELFDATA2MSB ? cases[i].number : 0);
        for (size_t len = 20; len <= size; len += size - 20) { /* a header of 32 bits is shorter than one of 64 */
            const char *fault = ask_all(bytes, len);
            check(fault != NULL && strcmp(fault, "wrong_architecture") == 0, "%s: %s", cases[i].said, fault);
            check_contains(message, cases[i].said, "the machine");
        }
    }
    free(bytes);
}

/* None of them is opened, so that none is waited for. */
static void test_what_is_no_file(void)
{
    struct elf_file elf;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)unlink(path);
    CU_ASSERT(mkfifo(path, 0600) == 0);
    CU_ASSERT_STRING_EQUAL(elf_open(&elf, path, message, sizeof message), "not_readable");
    check_contains(message, ": is a FIFO, no file; a plugin is a shared object NAME.so", "a FIFO");
    (void)unlink(path);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    CU_ASSERT(fd >= 0 && bind(fd, (const void *)&address, sizeof address) == 0);
    CU_ASSERT_STRING_EQUAL(elf_open(&elf, path, message, sizeof message), "not_readable");
    check_contains(message, ": is a socket, no file", "a socket");
    (void)close(fd);
    (void)unlink(path);
    CU_ASSERT_STRING_EQUAL(elf_open(&elf, "/dev/null", message, sizeof message), "not_readable");
    check_contains(message, "/dev/null: is a device, no file", "a device");
    CU_ASSERT_STRING_EQUAL(elf_open(&elf, dir, message, sizeof message), "not_readable");
    check_contains(message, ": is a folder, no file", "a folder");
    CU_ASSERT(symlink("/dev/zero", path) == 0);
    CU_ASSERT_STRING_EQUAL(elf_open(&elf, path, message, sizeof message), "not_readable");
    check_contains(message, ": is a device, no file", "a link");
    (void)unlink(path);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_a_plugin),       TEST(test_every_length),
        TEST(test_damaged_files),  TEST(test_what_is_no_shared_object),
        TEST(test_other_machines), TEST(test_what_is_no_file),
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
