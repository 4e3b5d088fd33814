/* What a shared object's file says of itself, read before anything of it runs: the dynamic linker crashes at files that
 * are cut off, and names one missing symbol at a time. */
#ifndef ELF_FILE_H
#define ELF_FILE_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>

struct elf_file {
    const unsigned char *bytes;
    size_t size;
    const ElfW(Sym) * symbols; /* of the dynamic symbol table; NULL where the file has none */
    size_t symbol_count;
    const char *names; /* the symbols' and libraries' */
    size_t names_size;
    const ElfW(Dyn) * dynamic; /* NULL: as `symbols` */
    size_t dynamic_count;
};

/* Opens a shared object that this program could load. NULL, or else the code of what is wrong (`not_elf`, …) with a
 * message of one line. Close after success only. */
const char *elf_open(struct elf_file *elf, const char *path, char *message, size_t size);
void elf_close(struct elf_file *elf);

/* The names of symbols that others see (`defined`), or that somebody must provide; NULL behind the last. Starts with
 * *at 0. */
const char *elf_next_symbol(const struct elf_file *elf, bool defined, size_t *at);
/* Reads the first `size` bytes of an object of that name that others see, as the file has them, with zeros behind what
 * it has. False where there is none. */
bool elf_read_object(const struct elf_file *elf, const char *name, void *bytes, size_t size);
/* The names of the libraries that it asks for; as elf_next_symbol. */
const char *elf_next_library(const struct elf_file *elf, size_t *at);

bool elf_has_executable_stack(const struct elf_file *elf);
bool elf_has_text_relocations(const struct elf_file *elf);

#endif
