#include "plugin/loader.h"

#include "base/printable.h"
#include "base/refuse.h"
#include "base/suggest.h"
#include "plugin/elf_file.h"
#include "plugin/judge.h"
#include "plugin/plugin_fault.h"
#include "plugin/plugin_trial.h"
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME_SIZE LOADER_NAME_SIZE

static bool add_dir(struct loader *loader, const char *dir, unsigned at)
{
    char **dirs = realloc(loader->dirs, (loader->dir_count + 1) * sizeof *dirs);
    char *copy = strdup(dir);
    if (dirs != NULL) {
        loader->dirs = dirs;
    }
    if (dirs == NULL || copy == NULL) {
        free(copy);
        return false;
    }
    memmove(dirs + at + 1, dirs + at, (loader->dir_count - at) * sizeof *dirs);
    dirs[at] = copy;
    loader->dir_count++;
    return true;
}

bool loader_add_dir(struct loader *loader, const char *dir)
{
    unsigned at = 0;
    while (at < loader->dir_count && strcmp(loader->dirs[at], dir) != 0) {
        at++;
    }
    if (at == loader->dir_count) {
        return add_dir(loader, dir, 0);
    }
    char *known = loader->dirs[at];
    memmove(loader->dirs + 1, loader->dirs, at * sizeof *loader->dirs);
    loader->dirs[0] = known;
    return true;
}

/* The file that this code runs from; *ret_library: it is no program. */
static bool find_own_file(char file[PATH_MAX], bool *ret_library)
{
    struct link_map *map = NULL;
    Dl_info info;
    ssize_t len = 0;
    *ret_library = dladdr1((const void *)find_own_file, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 && map != NULL &&
                   map->l_name[0] != '\0'; /* the program's is empty */
    if (*ret_library) {
        return realpath(map->l_name, file) != NULL;
    }
    len = readlink("/proc/self/exe", file, PATH_MAX - 1);
    file[len > 0 ? len : 0] = '\0';
    return len > 0;
}

static bool find_own_dir(char dir[PATH_MAX], bool *ret_library)
{
    bool ok = find_own_file(dir, ret_library);
    char *slash = ok ? strrchr(dir, '/') : NULL;
    if (slash != NULL) {
        *slash = '\0';
    }
    return ok;
}

bool loader_own_dir(char dir[PATH_MAX])
{
    bool library;
    return find_own_dir(dir, &library);
}

/* The build tree's `plugins` when the program lies in it, else those that were installed with the program, wherever
 * that is, else the folder that was configured. */
static bool add_own_dir(struct loader *loader)
{
    char own[PATH_MAX], dir[PATH_MAX + 256];
    bool library;
    if (find_own_dir(own, &library)) {
        (void)snprintf(dir, sizeof dir, "%s/plugins/event/.libs", own);
        if (access(dir, F_OK) == 0) {
            (void)snprintf(dir, sizeof dir, "%s/plugins", own);
            return add_dir(loader, dir, loader->dir_count);
        }
        (void)snprintf(dir, sizeof dir, "%s/%s", own, library ? CHURN_PLUGINS_FROM_LIB : CHURN_PLUGINS_FROM_BIN);
        if (access(dir, F_OK) == 0) {
            return add_dir(loader, dir, loader->dir_count);
        }
    }
    return add_dir(loader, CHURN_PLUGIN_DIR, loader->dir_count);
}

bool loader_init(struct loader *loader, const char *const *extra, unsigned extra_count)
{
    const char *path = getenv("CHURN_PLUGIN_PATH");
    bool ok = true;
    *loader = (struct loader){0};
    for (unsigned i = 0; i < extra_count; i++) {
        ok = ok && add_dir(loader, extra[i], loader->dir_count);
    }
    while (path != NULL && *path != '\0') {
        char dir[PATH_MAX];
        size_t len = strcspn(path, ":");
        (void)snprintf(dir, sizeof dir, "%.*s", (int)len, path);
        ok = ok && (len == 0 || add_dir(loader, dir, loader->dir_count));
        path += len + (path[len] == ':');
    }
    return ok && add_own_dir(loader);
}

void loader_free(struct loader *loader)
{
    for (unsigned i = 0; i < loader->dir_count; i++) {
        free(loader->dirs[i]);
    }
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        free((char *)(uintptr_t)loader->plugins[i]->path);
        free(loader->plugins[i]);
    }
    free(loader->dirs);
    free(loader->plugins);
    loader_rest(loader);
    *loader = (struct loader){0};
}

void loader_rest(struct loader *loader)
{
    plugin_trial_end(&loader->trial);
}

bool loader_check_dir(const char *dir, char *message, size_t size)
{
    DIR *open_dir = opendir(dir);
    if (open_dir == NULL) {
        return refuse(message, size,
                      "%s: %s; no plugin can be looked for there: name a folder that holds NAME.so files", dir,
                      strerror(errno));
    }
    (void)closedir(open_dir);
    return true;
}

/* Every table of operations begins with its size. */
static void copy_ops(struct loaded *loaded)
{
    static const size_t known[] = {[CHURN_KIND_SOURCE] = sizeof(churn_source_ops),
                                   [CHURN_KIND_PROCESSOR] = sizeof(churn_processor_ops),
                                   [CHURN_KIND_STORE] = sizeof(churn_store_ops),
                                   [CHURN_KIND_SINK] = sizeof(churn_sink_ops)};
    uint32_t size;
    if (loaded->plugin.kind == CHURN_KIND_EVENT) {
        return; /* the catalog copies those */
    }
    memcpy(&size, loaded->plugin.ops, sizeof size);
    memcpy(&loaded->ops, loaded->plugin.ops, size < known[loaded->plugin.kind] ? size : known[loaded->plugin.kind]);
    loaded->plugin.ops = &loaded->ops;
}

static const struct loaded *keep(struct loader *loader, const churn_plugin *plugin, const char *path)
{
    struct loaded **all = realloc(loader->plugins, (loader->plugin_count + 1) * sizeof(*all));
    struct loaded *loaded = calloc(1, sizeof *loaded);
    char *copy = strdup(path);
    if (all != NULL) {
        loader->plugins = all;
    }
    if (all == NULL || loaded == NULL || copy == NULL) {
        free(loaded);
        free(copy);
        return NULL;
    }
    loaded->plugin = *plugin;
    copy_ops(loaded);
    loaded->path = copy;
    all[loader->plugin_count++] = loaded;
    return loaded;
}

static const struct loaded *find_loaded(const struct loader *loader, uint32_t kind, const char *name)
{
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        if (loader->plugins[i]->plugin.kind == kind && strcmp(loader->plugins[i]->plugin.name, name) == 0) {
            return loader->plugins[i];
        }
    }
    return NULL;
}

/* What the dynamic linker says, and what to do about it. */
static const char *explain(const char *path, const char *why, char *message, size_t size)
{
    static const char undefined[] = "undefined symbol: ", library[] = ": cannot open shared object file";
    const char *symbol = strstr(why, undefined), *end = strstr(why, library);
    if (symbol != NULL) {
        symbol += sizeof undefined - 1;
        return plugin_fault("undefined_symbol", message, size,
                            "%s: nothing provides the symbol `%.*s`; define it, or link the library that has it (-l…)",
                            path, (int)strcspn(symbol, " ,\t"), symbol);
    }
    if (end != NULL && strncmp(why, path, strlen(path)) != 0) {
        return plugin_fault("missing_library", message, size,
                            "%s: the library %.*s is not found; install it, or name its folder in LD_LIBRARY_PATH",
                            path, (int)(end - why), why);
    }
    if (strncmp(why, path, strlen(path)) == 0 && strncmp(why + strlen(path), ": ", 2) == 0) {
        why += strlen(path) + 2; /* said already */
    }
    return plugin_fault("cannot_load", message, size, "%s: cannot be loaded: %s", path, why);
}

static const char *no_entry(const char *path, char *message, size_t size)
{
    return plugin_fault("no_entry", message, size, "%s: no symbol churn_plugin_entry; define it with CHURN_PLUGIN",
                        path);
}

const char *loader_judge_file(const struct elf_file *elf, const char *path, churn_plugin *ret_words, char *message,
                              size_t size)
{
    churn_plugin words = {0};
    if (!elf_read_object(elf, "churn_plugin_entry", &words, offsetof(churn_plugin, kind))) {
        return no_entry(path, message, size);
    }
    *ret_words = words;
    return judge_words(&words, path, message, size);
}

const char *loader_open_entry(const char *path, const churn_plugin **ret_entry, char *message, size_t size)
{
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (so == NULL) {
        return explain(path, dlerror(), message, size);
    }
    *ret_entry = dlsym(so, "churn_plugin_entry");
    return *ret_entry != NULL ? NULL : no_entry(path, message, size);
}

/* The same for a plugin that prints while it is opened: our standard output may be somebody's input. */
static const char *open_aside(const char *path, const churn_plugin **ret_entry, char *message, size_t size)
{
    int ours = dup(STDOUT_FILENO);
    const char *code;
    (void)fflush(stdout);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    code = loader_open_entry(path, ret_entry, message, size);
    (void)fflush(stdout);
    (void)(ours >= 0 && dup2(ours, STDOUT_FILENO) >= 0 && close(ours));
    return code;
}

static void warn_of_prints(const struct loader *loader, const char *path)
{
    if (loader->log != NULL) {
        log_printf(
            loader->log, CHURN_LOG_WARN, "plugins",
            "%s writes to standard output while it is opened; that is churnd's own, so it goes to standard error",
            path);
    }
}

/* Judges a file by what it says, then by what opening it does, and opens it. While workers run, standard output is
 * theirs. */
static const char *open_file(struct loader *loader, const char *path, const churn_plugin **ret_entry, char *message,
                             size_t size)
{
    struct elf_file elf;
    churn_plugin words;
    bool prints;
    const char *code = elf_open(&elf, path, message, size);
    if (code != NULL) {
        return code;
    }
    code = loader_judge_file(&elf, path, &words, message, size);
    elf_close(&elf);
    code = code != NULL ? code : plugin_trial_open(&loader->trial, path, &prints, message, size);
    if (code != NULL) {
        return code;
    }
    if (!prints) {
        return loader_open_entry(path, ret_entry, message, size);
    }
    if (loader->running) {
        return plugin_fault("prints", message, size,
                            "%s: writes to standard output while it is opened, which is churnd's own", path);
    }
    warn_of_prints(loader, path);
    return open_aside(path, ret_entry, message, size);
}

/* Opens one file; it is never closed again, because threads or exit handlers of its libraries may outlive any use. */
static const struct loaded *open_plugin(struct loader *loader, const char *path, const char *name, char *message,
                                        size_t size)
{
    churn_plugin copy;
    const struct loaded *loaded;
    const churn_plugin *entry;
    if (open_file(loader, path, &entry, message, size) != NULL ||
        judge_entry(entry, path, name, &copy, message, size) != NULL || judge_ops(&copy, path, message, size) != NULL) {
        return NULL;
    }
    loaded = find_loaded(loader, copy.kind, copy.name); /* a flat folder may repeat what an earlier one has */
    if (loaded != NULL) {
        return loaded;
    }
    loaded = keep(loader, &copy, path);
    if (loaded == NULL) {
        (void)refuse(message, size, "out of memory");
    }
    return loaded;
}

#define LAYOUTS 3

/* Where a plugin may lie below a folder: by role, by role in a build tree (libtool's .libs), or flat. */
static void layout_dir(unsigned layout, const char *dir, const char *role, char *out, size_t size)
{
    switch (layout) {
    case 0:
        (void)snprintf(out, size, "%s/%s", dir, role);
        break;
    case 1:
        (void)snprintf(out, size, "%s/%s/.libs", dir, role);
        break;
    default:
        (void)snprintf(out, size, "%s", dir);
    }
}

/* A plugin's name from a file name "NAME.so"; false for other files. */
static bool plugin_name(const char *file, char name[NAME_SIZE])
{
    size_t len = strlen(file);
    if (len < 4 || len - 3 >= NAME_SIZE || strcmp(file + len - 3, ".so") != 0) {
        return false;
    }
    (void)snprintf(name, NAME_SIZE, "%.*s", (int)(len - 3), file);
    return true;
}

bool loader_name_of(const char *path, char name[NAME_SIZE])
{
    const char *slash = strrchr(path, '/');
    return plugin_name(slash != NULL ? slash + 1 : path, name);
}

void loader_each_name(const struct loader *loader, uint32_t kind, loader_name_fn fn, void *ctx)
{
    for (unsigned d = 0; d < loader->dir_count; d++) {
        for (unsigned l = 0; l < 2; l++) { /* a flat folder does not tell the role of its files */
            char dir[PATH_MAX], name[NAME_SIZE];
            layout_dir(l, loader->dirs[d], role_name(kind), dir, sizeof dir);
            DIR *open_dir = opendir(dir);
            struct dirent *entry;
            while (open_dir != NULL && (entry = readdir(open_dir)) != NULL) {
                if (plugin_name(entry->d_name, name) && printable_is_plain(name)) {
                    fn(ctx, name);
                }
            }
            if (open_dir != NULL) {
                (void)closedir(open_dir);
            }
        }
    }
}

/* Names that are offered, kept until the best of them is shown. */
struct offered {
    struct suggest suggest;
    char names[64][NAME_SIZE];
    unsigned count;
};

static void offer_name(void *ctx, const char *name)
{
    struct offered *offered = ctx;
    if (offered->count < sizeof offered->names / sizeof offered->names[0]) {
        (void)snprintf(offered->names[offered->count], NAME_SIZE, "%s", name);
        suggest_offer(&offered->suggest, offered->names[offered->count++]);
    }
}

static void not_found(const struct loader *loader, uint32_t kind, const char *name, char *message, size_t size)
{
    struct offered offered = {.suggest = {.typed = name}};
    char hint[NAME_SIZE + 32];
    size_t used;
    loader_each_name(loader, kind, offer_name, &offered);
    (void)snprintf(message, size, "there is no %s plugin '%s'%s; looked in", role_name(kind), name,
                   suggest_text(&offered.suggest, hint, sizeof hint));
    for (unsigned d = 0; d < loader->dir_count; d++) {
        used = strlen(message);
        (void)snprintf(message + used, size - used, "%s %s", d > 0 ? "," : "", loader->dirs[d]);
    }
}

const struct loaded *loader_get(struct loader *loader, uint32_t kind, const char *name, char *message, size_t size)
{
    const struct loaded *loaded = find_loaded(loader, kind, name);
    if (loaded != NULL) {
        return loaded;
    }
    if (strchr(name, '/') != NULL) {
        (void)refuse(message, size,
                     "'%s' is not a plugin's name; add its folder to plugin_path and name it without .so", name);
        return NULL;
    }
    for (unsigned d = 0; d < loader->dir_count; d++) {
        for (unsigned l = 0; l < LAYOUTS; l++) {
            char dir[PATH_MAX], path[PATH_MAX + NAME_SIZE];
            layout_dir(l, loader->dirs[d], role_name(kind), dir, sizeof dir);
            (void)snprintf(path, sizeof path, "%s/%s.so", dir, name);
            if (access(path, F_OK) != 0) {
                continue;
            }
            loaded = open_plugin(loader, path, name, message, size);
            if (loaded != NULL && loaded->plugin.kind != kind) {
                (void)refuse(message, size, "%s is a %s plugin; a %s plugin is needed here", path,
                             role_name(loaded->plugin.kind), role_name(kind));
                return NULL;
            }
            return loaded;
        }
    }
    not_found(loader, kind, name, message, size);
    return NULL;
}

const struct loaded *loader_open(struct loader *loader, const char *path, char *message, size_t size)
{
    const char *slash = strrchr(path, '/'), *file = slash != NULL ? slash + 1 : path;
    char name[NAME_SIZE], here[PATH_MAX];
    if (!plugin_name(file, name)) {
        (void)refuse(message, size, "%s: a plugin's file is named NAME.so", path);
        return NULL;
    }
    (void)snprintf(here, sizeof here, "%s%s", slash != NULL ? "" : "./", path); /* dlopen looks elsewhere without '/' */
    return open_plugin(loader, here, name, message, size);
}

static bool is_path_loaded(const struct loader *loader, const char *path)
{
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        if (strcmp(loader->plugins[i]->path, path) == 0) {
            return true;
        }
    }
    return false;
}

#define MORE "… and %u more files that cannot be loaded"
#define MORE_SIZE (sizeof MORE + 10)

/* One line more; those for which there is no room are counted. A file may have line ends in its name. */
static bool refuse_too(struct loader *loader, char *message, size_t size, const char *why)
{
    size_t used = strlen(message);
    struct text line = {0};
    printable_append_line(&line, why, strlen(why));
    if (loader->untold > 0 || used + line.len + 2 + MORE_SIZE >= size) {
        loader->untold++;
    } else {
        (void)snprintf(message + used, size - used, "%s%.*s", used > 0 ? "\n" : "", (int)line.len,
                       line.len > 0 ? line.bytes : "");
    }
    text_free(&line);
    return false;
}

/* Loads the .so files of one folder, past bad ones. In a flat folder (`only_kind` 0) the files' kinds are known only
 * once they are open. */
static bool load_dir(struct loader *loader, const char *dir, uint32_t only_kind, char *message, size_t size)
{
    DIR *open_dir = opendir(dir);
    struct dirent *entry;
    bool ok = true;
    if (open_dir == NULL) {
        return true;
    }
    while ((entry = readdir(open_dir)) != NULL) {
        char name[NAME_SIZE], path[PATH_MAX + NAME_SIZE], why[1024] = "";
        if (!plugin_name(entry->d_name, name)) {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (is_path_loaded(loader, path) || (only_kind != 0 && find_loaded(loader, only_kind, name) != NULL)) {
            continue;
        }
        const struct loaded *loaded = open_plugin(loader, path, name, why, sizeof why);
        if (loaded != NULL && only_kind != 0 && loaded->plugin.kind != only_kind) {
            (void)refuse(why, sizeof why, "%s is a %s plugin in the folder of the %s plugins", path,
                         role_name(loaded->plugin.kind), role_name(only_kind));
        }
        ok = (*why == '\0' || refuse_too(loader, message, size, why)) && ok;
    }
    (void)closedir(open_dir);
    return ok;
}

static int by_kind_and_name(const void *a, const void *b)
{
    const churn_plugin *p = &(*(const struct loaded *const *)a)->plugin,
                       *q = &(*(const struct loaded *const *)b)->plugin;
    return p->kind != q->kind ? (p->kind < q->kind ? -1 : 1) : strcmp(p->name, q->name);
}

bool loader_load_all(struct loader *loader, uint32_t kind, char *message, size_t size)
{
    uint32_t first = kind != 0 ? kind : CHURN_KIND_EVENT, last = kind != 0 ? kind : CHURN_KIND_SINK;
    bool ok = true;
    *message = '\0';
    loader->untold = 0;
    for (unsigned d = 0; d < loader->dir_count; d++) {
        char dir[PATH_MAX];
        for (uint32_t k = first; k <= last; k++) {
            for (unsigned l = 0; l < 2; l++) {
                layout_dir(l, loader->dirs[d], role_name(k), dir, sizeof dir);
                ok = load_dir(loader, dir, k, message, size) && ok;
            }
        }
        ok = load_dir(loader, loader->dirs[d], 0, message, size) && ok;
    }
    if (loader->untold > 0) {
        size_t used = strlen(message);
        (void)snprintf(message + used, size - used, "%s" MORE, used > 0 ? "\n" : "", loader->untold);
    }
    if (loader->plugin_count > 0) {
        qsort(loader->plugins, loader->plugin_count, sizeof(struct loaded *), by_kind_and_name);
    }
    return ok;
}
