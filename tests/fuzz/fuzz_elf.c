/* A plugin's file, judged before anything of it runs: whatever it holds, nothing outside it is read. */
#include "fuzz.h"

#include "core/plugin/elf_file.h"
#include "core/plugin/loader.h"

#include <sys/syscall.h>

static struct fuzz_file file;

/* ---- in place of the C library's: a file is mapped to memory of exactly its size ---- */

static bool maps_exactly;
static void *mapped;

IN_PLACE void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (!maps_exactly) {
        return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
    }
    promise(mapped == NULL, "a file is mapped once");
    mapped = malloc(size);
    need(mapped != NULL && pread(fd, mapped, size, offset) == (ssize_t)size, "a file in memory");
    return mapped;
}

IN_PLACE int munmap(void *at, size_t size)
{
    if (at != mapped) {
        return (int)syscall(SYS_munmap, at, size);
    }
    free(at);
    mapped = NULL;
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_file_open(&file);
    return 0;
}

static bool is_within(const struct elf_file *elf, const char *name)
{
    const unsigned char *at = (const unsigned char *)name;
    return at >= elf->bytes && at < elf->bytes + elf->size &&
           memchr(at, '\0', (size_t)(elf->bytes + elf->size - at)) != NULL;
}

/* Each name that a walk gives is a text of the file; each name that is defined leads to an object. */
static void check_symbols(const struct elf_file *elf, bool defined)
{
    const char *name;
    unsigned char object[64];
    unsigned looked_up = 0;
    for (size_t at = 0; (name = elf_next_symbol(elf, defined, &at)) != NULL;) {
        promise(is_within(elf, name), "a symbol's name is a text of the file");
        if (defined && looked_up++ < 16) {
            promise(elf_read_object(elf, name, object, sizeof object), "%s is found by its name", name);
        }
    }
}

static void check_libraries(const struct elf_file *elf)
{
    const char *name;
    for (size_t at = 0; (name = elf_next_library(elf, &at)) != NULL;) {
        promise(is_within(elf, name), "a library's name is a text of the file");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char message[1024] = "";
    const char *fault;
    struct elf_file elf;
    churn_plugin words;
    fuzz_file_set(&file, data, size);
    maps_exactly = true;
    fault = elf_open(&elf, file.path, message, sizeof message);
    maps_exactly = false;
    if (fault != NULL) {
        promise(*fault != '\0' && message[0] != '\0', "a fault has a name and a message");
        return 0;
    }
    check_symbols(&elf, true);
    check_symbols(&elf, false);
    check_libraries(&elf);
    (void)elf_has_executable_stack(&elf);
    (void)elf_has_text_relocations(&elf);
    fault = loader_judge_file(&elf, file.path, &words, message, sizeof message);
    promise(fault == NULL || message[0] != '\0', "a fault has a message");
    elf_close(&elf);
    return 0;
}
