#include "elf_file.h"

#include "plugin_fault.h"
#include <churn/result.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The linker puts it where this program's own header is. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static const char *machine_name(unsigned machine, char *room, size_t size)
{
    static const struct {
        unsigned machine;
        const char *name;
    } known[] = {{EM_X86_64, "x86-64"}, {EM_386, "32-bit x86"}, {EM_AARCH64, "AArch64"}, {EM_ARM, "32-bit ARM"},
                 {EM_PPC64, "PPC64"},   {EM_S390, "S/390"},     {EM_RISCV, "RISC-V"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].machine == machine) {
            return known[i].name;
        }
    }
    (void)snprintf(room, size, "machine %u", machine);
    return room;
}

/* A part of the file, or NULL where the file ends before it does or a table is not aligned. */
static const void *part(const struct elf_file *elf, uint64_t offset, uint64_t count, uint64_t each)
{
    uint64_t len;
    if (__builtin_mul_overflow(count, each, &len) || offset > elf->size || len > elf->size - offset ||
        (each > 1 && offset % sizeof(void *) != 0)) {
        return NULL;
    }
    return elf->bytes + offset;
}

static const ElfW(Ehdr) * header_of(const struct elf_file *elf)
{
    return (const void *)elf->bytes;
}

static const ElfW(Phdr) * segments_of(const struct elf_file *elf)
{
    const ElfW(Ehdr) *header = header_of(elf);
    return header->e_phentsize == sizeof(ElfW(Phdr)) ? part(elf, header->e_phoff, header->e_phnum, sizeof(ElfW(Phdr)))
                                                     : NULL;
}

static const ElfW(Shdr) * sections_of(const struct elf_file *elf)
{
    const ElfW(Ehdr) *header = header_of(elf);
    return header->e_shentsize == sizeof(ElfW(Shdr)) ? part(elf, header->e_shoff, header->e_shnum, sizeof(ElfW(Shdr)))
                                                     : NULL;
}

static const char *judge_header(const struct elf_file *elf, const char *path, char *message, size_t size)
{
    const ElfW(Ehdr) *header = header_of(elf);
    char theirs[32], ours[32];
    if (elf->size < SELFMAG || memcmp(elf->bytes, ELFMAG, SELFMAG) != 0) {
        return plugin_fault("not_elf", message, size,
                            "%s: is not a shared object (ELF); build it with `cc -shared -fPIC`, see churnd-plugin(7)",
                            path);
    }
    if (elf->size < sizeof *header) {
        return plugin_fault("truncated", message, size, "%s: is cut off after %zu bytes; build or copy it again", path,
                            elf->size);
    }
    if (header->e_machine != __ehdr_start.e_machine || memcmp(header->e_ident, __ehdr_start.e_ident, EI_VERSION) != 0) {
        return plugin_fault("wrong_architecture", message, size,
                            "%s: is built for %s, this churnd for %s; build it for this machine", path,
                            machine_name(header->e_machine, theirs, sizeof theirs),
                            machine_name(__ehdr_start.e_machine, ours, sizeof ours));
    }
    if (header->e_type != ET_DYN) {
        return plugin_fault("not_shared_object", message, size,
                            "%s: is an object file or a program, no shared object; link it with `cc -shared`", path);
    }
    return NULL;
}

static const char *judge_length(const struct elf_file *elf, const char *path, char *message, size_t size)
{
    const ElfW(Phdr) *segments = segments_of(elf);
    bool whole = segments != NULL && (header_of(elf)->e_shnum == 0 || sections_of(elf) != NULL);
    for (unsigned i = 0; whole && i < header_of(elf)->e_phnum; i++) {
        whole = part(elf, segments[i].p_offset, segments[i].p_filesz, 1) != NULL;
    }
    return whole ? NULL
                 : plugin_fault("truncated", message, size, "%s: is cut off after %zu bytes; build or copy it again",
                                path, elf->size);
}

/* Finds the tables by their section headers, which linkers write and `strip` keeps. Without them there are none. */
static void find_tables(struct elf_file *elf)
{
    const ElfW(Shdr) *sections = sections_of(elf), *names;
    unsigned count = sections != NULL ? header_of(elf)->e_shnum : 0;
    for (unsigned i = 0; i < count; i++) {
        const ElfW(Shdr) *section = &sections[i];
        if (section->sh_type == SHT_DYNAMIC) {
            elf->dynamic_count = section->sh_size / sizeof *elf->dynamic;
            elf->dynamic = part(elf, section->sh_offset, elf->dynamic_count, sizeof *elf->dynamic);
        } else if (section->sh_type == SHT_DYNSYM && section->sh_link < count) {
            names = &sections[section->sh_link];
            elf->symbol_count = section->sh_size / sizeof *elf->symbols;
            elf->symbols = part(elf, section->sh_offset, elf->symbol_count, sizeof *elf->symbols);
            elf->names_size = names->sh_size;
            elf->names = part(elf, names->sh_offset, names->sh_size, 1);
        }
    }
    if (elf->names == NULL || elf->names_size == 0 || elf->names[elf->names_size - 1] != '\0') {
        elf->symbols = NULL;
        elf->dynamic = NULL;
    }
}

static const char *map_file(struct elf_file *elf, const char *path, char *message, size_t size)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *bytes = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
        if (about.st_size == 0) {
            (void)close(fd);
            return plugin_fault("truncated", message, size, "%s: is empty; build or copy it again", path);
        }
        bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    } else if (fd >= 0) {
        errno = EINVAL;
    }
    if (bytes == MAP_FAILED) {
        (void)plugin_fault("", message, size, "%s: cannot be read: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    *elf = (struct elf_file){.bytes = bytes, .size = bytes != MAP_FAILED ? (size_t)about.st_size : 0};
    return bytes != MAP_FAILED ? NULL : "not_readable";
}

const char *elf_open(struct elf_file *elf, const char *path, char *message, size_t size)
{
    const char *fault = map_file(elf, path, message, size);
    if (fault != NULL) {
        return fault;
    }
    fault = judge_header(elf, path, message, size);
    if (fault == NULL) {
        fault = judge_length(elf, path, message, size);
    }
    if (fault != NULL) {
        elf_close(elf);
        return fault;
    }
    find_tables(elf);
    return NULL;
}

void elf_close(struct elf_file *elf)
{
    (void)munmap((void *)(uintptr_t)elf->bytes, elf->size);
    *elf = (struct elf_file){0};
}

static bool is_weak(const ElfW(Sym) * symbol)
{
    return (symbol->st_info >> 4) == STB_WEAK;
}

const char *elf_next_symbol(const struct elf_file *elf, bool defined, size_t *at)
{
    while (elf->symbols != NULL && *at < elf->symbol_count) {
        const ElfW(Sym) *symbol = &elf->symbols[(*at)++];
        unsigned bind = symbol->st_info >> 4, visibility = symbol->st_other & 3;
        bool is_defined = symbol->st_shndx != SHN_UNDEF;
        if (symbol->st_name == 0 || symbol->st_name >= elf->names_size || bind == STB_LOCAL || is_defined != defined ||
            (defined ? visibility == STV_HIDDEN || visibility == STV_INTERNAL : is_weak(symbol))) {
            continue;
        }
        return elf->names + symbol->st_name;
    }
    return NULL;
}

const char *elf_next_library(const struct elf_file *elf, size_t *at)
{
    while (elf->dynamic != NULL && *at < elf->dynamic_count) {
        const ElfW(Dyn) *entry = &elf->dynamic[(*at)++];
        if (entry->d_tag == DT_NEEDED && entry->d_un.d_val < elf->names_size) {
            return elf->names + entry->d_un.d_val;
        }
    }
    return NULL;
}

bool elf_has_executable_stack(const struct elf_file *elf)
{
    const ElfW(Phdr) *segments = segments_of(elf);
    for (unsigned i = 0; i < header_of(elf)->e_phnum; i++) {
        if (segments[i].p_type == PT_GNU_STACK) {
            return (segments[i].p_flags & PF_X) != 0;
        }
    }
    return true; /* what says nothing gets one */
}

bool elf_has_text_relocations(const struct elf_file *elf)
{
    for (size_t i = 0; elf->dynamic != NULL && i < elf->dynamic_count; i++) {
        const ElfW(Dyn) *entry = &elf->dynamic[i];
        if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0)) {
            return true;
        }
    }
    return false;
}
