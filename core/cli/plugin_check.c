/* The checks themselves, but for the smoke run. */
#include "cli/plugin_check.h"

#include "base/json_build.h"
#include "cli/plugin_smoke.h"
#include "config/option.h"
#include "pipeline/instance.h"
#include "plugin/elf_file.h"
#include "plugin/judge.h"
#include <ctype.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#define ENTRY "churn_plugin_entry"
#define NAMES_SHOWN 8
#define MESSAGE_SIZE 1024

/* ---- the file ---- */

/* "a, b, c and 4 more" */
struct names {
    char text[MESSAGE_SIZE / 2];
    unsigned count;
};

static void add_name(struct names *names, const char *name)
{
    size_t used = strlen(names->text);
    if (names->count++ < NAMES_SHOWN) {
        (void)snprintf(names->text + used, sizeof names->text - used, "%s%s", used > 0 ? ", " : "", name);
    }
}

static const char *names_text(struct names *names)
{
    size_t used = strlen(names->text);
    if (names->count > NAMES_SHOWN) {
        (void)snprintf(names->text + used, sizeof names->text - used, " and %u more", names->count - NAMES_SHOWN);
    }
    return names->text;
}

/* Symbols that old linkers and sanitizers put into every file. */
static bool is_toolchains(const char *name)
{
    static const char *const names[] = {"_init", "_fini", "_end", "_edata", "__bss_start"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return strncmp(name, "__asan", 6) == 0 || strncmp(name, "__odr_asan", 10) == 0 ||
           strncmp(name, "__ubsan", 7) == 0 || strncmp(name, "__tsan", 6) == 0;
}

/* Before the file is open, the only symbols that can be found are those of churnd and its libraries. */
static void check_exports(struct plugin_check *check, const struct elf_file *elf)
{
    struct names leaked = {0}, taken = {0};
    const char *name;
    size_t at = 0;
    while ((name = elf_next_symbol(elf, true, &at)) != NULL) {
        if (strcmp(name, ENTRY) == 0 || is_toolchains(name)) {
            continue;
        }
        add_name(dlsym(RTLD_DEFAULT, name) != NULL ? &taken : &leaked, name);
    }
    if (taken.count > 0) {
        plugin_report_error(check, "symbol_clash",
                            "exports %s, which a library of churnd has too: the plugin would call that one; make it "
                            "static, or build with -fvisibility=hidden",
                            names_text(&taken));
    }
    if (leaked.count > 0) {
        plugin_report_warning(check, "leaked_symbols",
                              "exports more than " ENTRY ": %s; make them static, or build with -fvisibility=hidden%s",
                              names_text(&leaked),
                              strncmp(leaked.text, "_Z", 2) == 0 ? " -fvisibility-inlines-hidden (C++)" : "");
    }
}

static void check_hardening(struct plugin_check *check, const struct elf_file *elf)
{
    if (elf_has_executable_stack(elf)) {
        plugin_report_warning(check, "executable_stack",
                              "asks for an executable stack; link it with -z noexecstack, and assembler files need a "
                              ".note.GNU-stack section");
    }
    if (elf_has_text_relocations(elf)) {
        plugin_report_warning(check, "text_relocations", "its code is patched when it is loaded; build it with -fPIC");
    }
}

/* Opens the libraries that the file asks for; names those that are not there. */
static void check_libraries(struct plugin_check *check, const struct elf_file *elf)
{
    const char *name;
    size_t at = 0;
    while ((name = elf_next_library(elf, &at)) != NULL) {
        if (dlopen(name, RTLD_LAZY | RTLD_LOCAL) == NULL) {
            plugin_report_error(check, "missing_library",
                                "the library %s is not found; install it, or name its folder in LD_LIBRARY_PATH", name);
        }
    }
}

static bool libraries_have(const struct elf_file *elf, const char *symbol)
{
    const char *name;
    size_t at = 0;
    while ((name = elf_next_library(elf, &at)) != NULL) {
        void *library = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
        if (library != NULL && dlsym(library, symbol) != NULL) {
            return true;
        }
    }
    return false;
}

/* The linker tells of the first missing symbol only. What churnd happens to have may be gone in its next version. */
static void check_undefined(struct plugin_check *check, const struct elf_file *elf)
{
    struct names missing = {0}, borrowed = {0};
    const char *name;
    size_t at = 0;
    while ((name = elf_next_symbol(elf, false, &at)) != NULL) {
        if (is_toolchains(name) || libraries_have(elf, name)) {
            continue;
        }
        add_name(dlsym(RTLD_DEFAULT, name) != NULL ? &borrowed : &missing, name);
    }
    if (missing.count > 0) {
        plugin_report_error(check, "undefined_symbol",
                            "nothing provides %s; define it, or link the library that has it (-l…)",
                            names_text(&missing));
    }
    if (borrowed.count > 0) {
        plugin_report_warning(check, "undeclared_library",
                              "uses %s of a library that churnd happens to have loaded; link that library (-l…)",
                              names_text(&borrowed));
    }
}

static const churn_plugin *open_file(struct plugin_check *check, const struct elf_file *elf)
{
    const churn_plugin *entry = NULL;
    char message[MESSAGE_SIZE];
    const char *code = loader_open_entry(check->path, &entry, message, sizeof message);
    unsigned before = check->errors;
    if (code != NULL) {
        check_libraries(check, elf);
    }
    if (check->errors == before) {
        check_undefined(check, elf);
    }
    if (code != NULL && check->errors == before) {
        plugin_report_refused(check, code, message);
    }
    return entry;
}

/* ---- the entry ---- */

/* What programs want to know of it, whether it is good or not; reads no further than the words that never change. */
static void tell_entry(struct plugin_check *check, const churn_plugin *entry)
{
    struct json_object *line = json_object_new_object(), *plugin = json_object_new_object();
    char text[32];
    (void)snprintf(text, sizeof text, "0x%08x", entry->magic);
    json_add_text(plugin, "magic", text);
    json_add(plugin, "size", json_object_new_int64(entry->size));
    (void)snprintf(text, sizeof text, "%u.%u", entry->abi_major, entry->abi_minor);
    json_add_text(plugin, "abi", text);
    json_add(line, "plugin", plugin);
    plugin_report_line(check, line);
}

/* Before anything of the plugin runs. */
static bool check_words(struct plugin_check *check, const struct elf_file *elf)
{
    churn_plugin words = {0};
    char message[MESSAGE_SIZE];
    const char *code = loader_judge_file(elf, check->path, &words, message, sizeof message);
    if (code == NULL || strcmp(code, "no_entry") != 0) {
        tell_entry(check, &words);
    }
    if (code != NULL) {
        plugin_report_refused(check, code, message);
    }
    return code == NULL;
}

static void tell_body(struct plugin_check *check, const churn_plugin *plugin)
{
    struct json_object *line = json_object_new_object(), *body = json_object_new_object();
    json_add_text(body, "kind", role_name(plugin->kind));
    json_add_text(body, "name", plugin->name);
    json_add_text(body, "version", plugin->version);
    json_add_text(body, "summary", plugin->summary);
    json_add(line, "plugin", body);
    plugin_report_line(check, line);
}

/* Of `len` bytes. */
static bool is_part(const char *text, size_t len)
{
    bool good = len > 0 && islower((unsigned char)*text) != 0;
    for (size_t i = 0; i < len; i++) {
        good = good && (islower((unsigned char)text[i]) || isdigit((unsigned char)text[i]) || text[i] == '_');
    }
    return good;
}

static bool is_name(const char *text)
{
    return is_part(text, strlen(text));
}

/* `batch.max` has two parts. */
static bool is_option_name(const char *text)
{
    size_t first = strcspn(text, ".");
    return is_part(text, first) && (text[first] == '\0' || is_name(text + first + 1));
}

static void check_texts(struct plugin_check *check, const churn_plugin *plugin)
{
    if (*plugin->version == '\0' || *plugin->summary == '\0') {
        plugin_report_warning(check, "entry", "its version or summary is empty; `churnd plugins` shows both");
    }
    if (!is_name(plugin->name)) {
        plugin_report_warning(check, "name", "'%s' is no usual name; use lower case, digits and `_`", plugin->name);
    }
    if (plugin->abi_minor > CHURN_ABI_MINOR) {
        plugin_report_note(check, "newer_abi",
                           "built for ABI %u.%u, this host has %d.%d: what came after that is not used",
                           plugin->abi_major, plugin->abi_minor, CHURN_ABI_MAJOR, CHURN_ABI_MINOR);
    }
}

/* ---- the option table ---- */

static const churn_option *row_at(const churn_plugin *plugin, uint32_t i)
{
    struct option_target target = {.rows = plugin->options, .stride = plugin->option_stride};
    return option_row(&target, i);
}

/* The default must be a value that the option itself would take. */
static void check_default(struct plugin_check *check, const churn_plugin *plugin, const churn_option *row)
{
    churn_option optional = *row;
    char *text = NULL;
    size_t len = 0;
    struct config config = {.file = "", .errors = open_memstream(&text, &len)};
    void *instance = calloc(1, plugin->instance_size);
    struct option_target target = {.rows = &optional, .count = 1, .stride = sizeof optional, .base = instance};
    optional.flags &= ~(uint32_t)(CHURN_OPTION_REQUIRED | CHURN_OPTION_OWN_DEFAULT);
    if (config.errors == NULL || instance == NULL) {
        _exit(1);
    }
    (void)options_read(&config, NULL, NULL, "default", &target, 1, NULL);
    options_free(&target, 1);
    free(instance);
    (void)fclose(config.errors);
    if (config.error_count > 0) { /* ": default: NAME: why", where the first part would be a file's name */
        const char *why = text + strlen(": default: ") + strlen(row->name) + strlen(": ");
        plugin_report_error(check, "option_default", "option '%s': its default '%s' is refused: %.*s", row->name,
                            row->default_text, (int)strcspn(why, "\n"), why);
    }
    free(text);
}

static void check_row(struct plugin_check *check, const churn_plugin *plugin, const churn_option *row)
{
    if (!is_option_name(row->name)) {
        plugin_report_error(check, "option_table", "option '%s': use lower case, digits and `_` in a name", row->name);
    }
    if (row->help == NULL || *row->help == '\0') {
        plugin_report_warning(check, "option_help", "option '%s' has no help; `churnd describe` shows it", row->name);
    }
    if (row->min > row->max) {
        plugin_report_error(check, "option_table", "option '%s': its min %lld is above its max %lld", row->name,
                            (long long)row->min, (long long)row->max);
    } else if (row->default_text != NULL) {
        check_default(check, plugin, row);
    }
}

static bool overlap(const churn_option *a, const churn_option *b)
{
    return a->offset < b->offset + judge_option_size(b->type) && b->offset < a->offset + judge_option_size(a->type);
}

static void check_pairs(struct plugin_check *check, const churn_plugin *plugin, uint32_t number)
{
    const churn_option *row = row_at(plugin, number);
    for (uint32_t i = 0; i < number; i++) {
        const churn_option *other = row_at(plugin, i);
        if (strcmp(row->name, other->name) == 0) {
            plugin_report_error(check, "option_table", "option '%s' is there twice", row->name);
        } else if (overlap(row, other)) {
            plugin_report_error(check, "option_table",
                                "options '%s' and '%s' share bytes of the instance; check their offsets", other->name,
                                row->name);
        }
    }
    if (instance_has_option(plugin->kind, row->name)) {
        plugin_report_error(check, "option_table",
                            "option '%s' is churnd's own in the section of a %s; call it otherwise", row->name,
                            role_name(plugin->kind));
    }
}

static void check_options(struct plugin_check *check, const churn_plugin *plugin)
{
    char message[MESSAGE_SIZE];
    if (plugin->kind == CHURN_KIND_EVENT && plugin->option_count > 0) {
        plugin_report_warning(check, "option_table", "an event type has no options: nobody sets them");
    }
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        const char *code = judge_option(plugin, i, message, sizeof message);
        if (code != NULL) {
            plugin_report_refused(check, code, message);
            return; /* what follows would read by offsets that may be wrong too */
        }
    }
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        check_row(check, plugin, row_at(plugin, i));
        check_pairs(check, plugin, i);
    }
}

/* ---- all of it ---- */

static void check_entry(struct plugin_check *check, const churn_plugin *entry)
{
    churn_plugin plugin;
    char message[MESSAGE_SIZE], name[LOADER_NAME_SIZE];
    const struct loaded *loaded;
    if (!loader_name_of(check->path, name)) {
        plugin_report_error(check, "name", "a plugin's file is named NAME.so, with the name of its entry");
        return;
    }
    const char *code = judge_entry(entry, check->path, name, &plugin, message, sizeof message);
    if (code != NULL) {
        plugin_report_refused(check, code, message);
        return;
    }
    tell_body(check, &plugin);
    check_texts(check, &plugin);
    check_options(check, &plugin);
    code = judge_ops(&plugin, check->path, message, sizeof message);
    if (code != NULL) {
        plugin_report_refused(check, code, message);
    }
    if (check->errors > 0) {
        return;
    }
    loaded = loader_open(check->loader, check->path, message, sizeof message);
    if (loaded == NULL) {
        plugin_report_refused(check, "cannot_load", message);
        return;
    }
    plugin_smoke(check, loaded);
}

void plugin_check_file(struct plugin_check *check)
{
    struct elf_file elf;
    const churn_plugin *entry;
    char message[MESSAGE_SIZE];
    const char *code;
    plugin_report_stage(check, "reading the file");
    code = elf_open(&elf, check->path, message, sizeof message);
    if (code != NULL) {
        plugin_report_refused(check, code, message);
        return;
    }
    check_exports(check, &elf);
    check_hardening(check, &elf);
    if (check_words(check, &elf)) {
        plugin_report_stage(check, "opening it, which runs its constructors");
        entry = open_file(check, &elf);
        if (entry != NULL) {
            plugin_report_stage(check, "reading its entry");
            check_entry(check, entry);
        }
    }
    elf_close(&elf);
}
