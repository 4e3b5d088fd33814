#include "plugin/elf_file.h"

#include "base/input_file.h"
#include "plugin/plugin_fault.h"
#include <churn/result.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The linker puts it where this program's own header is. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/* Of the header's first bytes, which lie alike in files of every class and byte order. */
struct machine {
    unsigned char class, order; /* ELFCLASS…, ELFDATA… */
    unsigned number;            /* EM_… */
};

static struct machine machine_of(const unsigned char *header)
{
    const unsigned char *number = header + offsetof(ElfW(Ehdr), e_machine);
    bool big = header[EI_DATA] == ELFDATA2MSB;
    return (struct machine){.class = header[EI_CLASS],
                            .order = header[EI_DATA],
                            .number = (unsigned)number[big ? 0 : 1] << 8 | number[big ? 1 : 0]};
}

#define MACHINE_SIZE 64

/* "x86-64", "AArch64 (big-endian)": what goes without saying is left out. */
static const char *machine_name(struct machine machine, char room[MACHINE_SIZE])
{
    static const struct {
        unsigned number;
        const char *name;
        unsigned char class, order;
    } known[] = {{EM_X86_64, "x86-64", ELFCLASS64, ELFDATA2LSB},
                 {EM_386, "32-bit x86", ELFCLASS32, ELFDATA2LSB},
                 {EM_AARCH64, "AArch64", ELFCLASS64, ELFDATA2LSB},
                 {EM_ARM, "32-bit ARM", ELFCLASS32, ELFDATA2LSB},
                 {EM_PPC64, "PPC64", 0, 0},
                 {EM_PPC, "32-bit PowerPC", ELFCLASS32, ELFDATA2MSB},
                 {EM_S390, "S/390", 0, ELFDATA2MSB},
                 {EM_RISCV, "RISC-V", 0, ELFDATA2LSB},
                 {EM_MIPS, "MIPS", 0, 0},
                 {EM_SPARCV9, "SPARC", ELFCLASS64, ELFDATA2MSB},
                 {258, "LoongArch", 0, ELFDATA2LSB}};
    char number[24];
    const char *name = number, *bits, *order;
    unsigned char class = 0, usual = 0;
    (void)snprintf(number, sizeof number, "machine %u", machine.number);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].number == machine.number) {
            name = known[i].name;
            class = known[i].class;
            usual = known[i].order;
        }
    }
    bits = machine.class == class        ? ""
           : machine.class == ELFCLASS64 ? "64 bits"
           : machine.class == ELFCLASS32 ? "32 bits"
                                         : "bits unknown";
    order = machine.order == usual         ? ""
            : machine.order == ELFDATA2LSB ? "little-endian"
            : machine.order == ELFDATA2MSB ? "big-endian"
                                           : "byte order unknown";
    (void)snprintf(room, MACHINE_SIZE, "%s%s%s%s%s%s", name, *bits != '\0' || *order != '\0' ? " (" : "", bits,
                   *bits != '\0' && *order != '\0' ? ", " : "", order, *bits != '\0' || *order != '\0' ? ")" : "");
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

static const char *cut_off(const struct elf_file *elf, const char *path, char *message, size_t size)
{
    return plugin_fault("truncated", message, size, "%s: is cut off after %zu bytes; build or copy it again", path,
                        elf->size);
}

static const char *judge_machine(const struct elf_file *elf, const char *path, char *message, size_t size)
{
    struct machine theirs = machine_of(elf->bytes), ours = machine_of((const void *)&__ehdr_start);
    char their_name[MACHINE_SIZE], our_name[MACHINE_SIZE];
    if (theirs.class == ours.class && theirs.order == ours.order && theirs.number == ours.number) {
        return NULL;
    }
    return plugin_fault("wrong_architecture", message, size,
                        "%s: is built for %s, this churnd for %s; build it for this machine", path,
                        machine_name(theirs, their_name), machine_name(ours, our_name));
}

static const char *judge_header(const struct elf_file *elf, const char *path, char *message, size_t size)
{
    const ElfW(Ehdr) *header = header_of(elf);
    const char *fault;
    if (elf->size < SELFMAG || memcmp(elf->bytes, ELFMAG, SELFMAG) != 0) {
        return plugin_fault("not_elf", message, size,
                            "%s: is not a shared object (ELF); build it with `cc -shared -fPIC`, see churnd-plugin(7)",
                            path);
    }
    if (elf->size < offsetof(ElfW(Ehdr), e_version)) {
        return cut_off(elf, path, message, size);
    }
    fault = judge_machine(elf, path, message, size);
    if (fault != NULL) {
        return fault;
    }
    if (elf->size < sizeof *header) {
        return cut_off(elf, path, message, size);
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
    return whole ? NULL : cut_off(elf, path, message, size);
}

/* What the file has from an address of the loaded object on; NULL where that is in no segment. *ret_len: bytes up to
 * the end of what the file has of it, 0 where the loader would put zeros. */
static const void *at_address(const struct elf_file *elf, uint64_t address, uint64_t *ret_len)
{
    const ElfW(Phdr) *segments = segments_of(elf);
    for (unsigned i = 0; i < header_of(elf)->e_phnum; i++) {
        const ElfW(Phdr) *segment = &segments[i];
        uint64_t into = address - segment->p_vaddr;
        if (segment->p_type == PT_LOAD && address >= segment->p_vaddr && into < segment->p_memsz) {
            *ret_len = into < segment->p_filesz ? segment->p_filesz - into : 0;
            return elf->bytes + segment->p_offset + (*ret_len > 0 ? into : 0);
        }
    }
    return NULL;
}

/* A table at an address: `count` rows of `each` bytes, or as many as the file has of them (*ret_count); NULL: none. */
static const void *table_at(const struct elf_file *elf, uint64_t address, uint64_t each, size_t *ret_count)
{
    uint64_t len = 0;
    const unsigned char *table = at_address(elf, address, &len);
    *ret_count = table != NULL ? (size_t)(len / each) : 0;
    return *ret_count > 0 && (size_t)(table - elf->bytes) % (each < sizeof(void *) ? each : sizeof(void *)) == 0 ? table
                                                                                                                 : NULL;
}

static uint64_t dynamic_value(const struct elf_file *elf, int64_t tag)
{
    for (size_t i = 0; i < elf->dynamic_count; i++) {
        if (elf->dynamic[i].d_tag == tag) {
            return elf->dynamic[i].d_un.d_val;
        }
    }
    return 0;
}

/* One more than the highest number in the table of GNU's hash: it sorts the symbols by their buckets, the last of which
 * ends at the word whose lowest bit is set. */
static size_t count_by_gnu_hash(const struct elf_file *elf, uint64_t address)
{
    enum { BUCKETS, FIRST, BLOOM, SHIFT, HEADER };
    size_t words, at, end;
    const uint32_t *table = table_at(elf, address, sizeof *table, &words);
    uint32_t last = 0;
    if (table == NULL || words < HEADER) {
        return 0;
    }
    at = HEADER + (size_t)table[BLOOM] * 2;
    end = at + table[BUCKETS];
    if (end > words) {
        return 0;
    }
    for (; at < end; at++) {
        last = table[at] > last ? table[at] : last;
    }
    if (last < table[FIRST]) {
        return table[FIRST];
    }
    for (at = end + (last - table[FIRST]); at < words; at++, last++) {
        if ((table[at] & 1) != 0) {
            return (size_t)last + 1;
        }
    }
    return 0;
}

static size_t count_symbols(const struct elf_file *elf)
{
    uint64_t gnu = dynamic_value(elf, DT_GNU_HASH), old = dynamic_value(elf, DT_HASH);
    size_t words;
    const uint32_t *table = old != 0 ? table_at(elf, old, sizeof *table, &words) : NULL;
    return table != NULL && words >= 2 ? table[1] : gnu != 0 ? count_by_gnu_hash(elf, gnu) : 0;
}

/* Finds the tables as the dynamic linker does: by the dynamic segment, whatever the section headers say. Without it
 * there are none, for the linker either. */
static void find_tables(struct elf_file *elf)
{
    const ElfW(Phdr) *segments = segments_of(elf);
    size_t room, count;
    for (unsigned i = 0; i < header_of(elf)->e_phnum; i++) {
        if (segments[i].p_type == PT_DYNAMIC) {
            elf->dynamic_count = segments[i].p_filesz / sizeof *elf->dynamic;
            elf->dynamic = part(elf, segments[i].p_offset, elf->dynamic_count, sizeof *elf->dynamic);
        }
    }
    elf->dynamic_count = elf->dynamic != NULL ? elf->dynamic_count : 0;
    for (size_t i = 0; i < elf->dynamic_count; i++) {
        if (elf->dynamic[i].d_tag == DT_NULL) {
            elf->dynamic_count = i;
        }
    }
    elf->names_size = dynamic_value(elf, DT_STRSZ);
    elf->names = table_at(elf, dynamic_value(elf, DT_STRTAB), 1, &room);
    elf->symbols = table_at(elf, dynamic_value(elf, DT_SYMTAB), sizeof *elf->symbols, &elf->symbol_count);
    if (elf->names == NULL || elf->names_size == 0 || elf->names_size > room ||
        elf->names[elf->names_size - 1] != '\0') {
        elf->symbols = NULL;
        elf->dynamic = NULL;
    }
    if (elf->symbols != NULL) {
        count = count_symbols(elf);
        elf->symbol_count = count < elf->symbol_count ? count : elf->symbol_count;
    }
}

static const char *open_regular(const char *path, int *ret_fd, size_t *ret_size, char *message, size_t size)
{
    struct stat about;
    int fd = input_file_open(path, &about);
    if (fd < 0 && errno == 0) {
        return plugin_fault("not_readable", message, size, "%s: is %s, no file; a plugin is a shared object NAME.so",
                            path, input_file_kind(about.st_mode));
    }
    if (fd < 0) {
        return plugin_fault("not_readable", message, size, "%s: cannot be read: %s", path, strerror(errno));
    }
    *ret_fd = fd;
    *ret_size = (size_t)about.st_size;
    return NULL;
}

static const char *map_file(struct elf_file *elf, const char *path, char *message, size_t size)
{
    int fd = -1;
    size_t bytes = 0;
    const char *fault = open_regular(path, &fd, &bytes, message, size);
    void *mapped;
    if (fault != NULL) {
        return fault;
    }
    if (bytes == 0) {
        (void)close(fd);
        return plugin_fault("truncated", message, size, "%s: is empty; build or copy it again", path);
    }
    mapped = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (mapped == MAP_FAILED) {
        return plugin_fault("not_readable", message, size, "%s: cannot be read: %s", path, strerror(errno));
    }
    *elf = (struct elf_file){.bytes = mapped, .size = bytes};
    return NULL;
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

static bool is_shown(const struct elf_file *elf, const ElfW(Sym) * symbol, bool defined)
{
    unsigned bind = symbol->st_info >> 4, visibility = symbol->st_other & 3;
    bool is_defined = symbol->st_shndx != SHN_UNDEF;
    return symbol->st_name != 0 && symbol->st_name < elf->names_size && bind != STB_LOCAL && is_defined == defined &&
           !(defined ? visibility == STV_HIDDEN || visibility == STV_INTERNAL : is_weak(symbol));
}

const char *elf_next_symbol(const struct elf_file *elf, bool defined, size_t *at)
{
    while (elf->symbols != NULL && *at < elf->symbol_count) {
        const ElfW(Sym) *symbol = &elf->symbols[(*at)++];
        if (is_shown(elf, symbol, defined)) {
            return elf->names + symbol->st_name;
        }
    }
    return NULL;
}

bool elf_read_object(const struct elf_file *elf, const char *name, void *bytes, size_t size)
{
    for (size_t i = 0; elf->symbols != NULL && i < elf->symbol_count; i++) {
        const ElfW(Sym) *symbol = &elf->symbols[i];
        if (is_shown(elf, symbol, true) && strcmp(elf->names + symbol->st_name, name) == 0) {
            uint64_t len = 0;
            const void *object = at_address(elf, symbol->st_value, &len);
            memset(bytes, 0, size);
            if (object != NULL) {
                memcpy(bytes, object, len < size ? (size_t)len : size);
            }
            return true;
        }
    }
    return false;
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
