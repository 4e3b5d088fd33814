/* Finds plugins, judges their entries and keeps them loaded until the process ends. Main thread only. */
#ifndef LOADER_H
#define LOADER_H

#include "base/log.h"
#include "plugin/elf_file.h"
#include "plugin/plugin_trial.h"
#include "plugin/role.h"
#include <churn/event.h>
#include <churn/processor.h>
#include <churn/sink.h>
#include <churn/source.h>
#include <churn/store.h>
#include <limits.h>
#include <stdbool.h>

struct loaded {
    churn_plugin plugin; /* a copy of the entry: members beyond the plugin's own size are zero */
    /* What plugin.ops points to, but for event types: a copy too, so that a plugin of an older minor version has NULL
     * where its table ends. */
    union {
        churn_source_ops source;
        churn_processor_ops processor;
        churn_store_ops store;
        churn_sink_ops sink;
    } ops;
    const char *path; /* owned; "": in no file */
};

struct loader {
    char **dirs; /* searched in this order */
    unsigned dir_count;
    unsigned untold;         /* bad files for whose line loader_load_all had no room */
    struct loaded **plugins; /* sorted by kind and name after loader_load_all; each stays where it is */
    unsigned plugin_count;
    struct plugin_trial trial; /* where files are opened first; ends with loader_rest */
    struct log *log;           /* for warnings; NULL: none */
    bool running;              /* there are other threads, which may write to standard output */
    bool has_secrets;          /* so has a pipeline that was loaded with these plugins: the process stays shielded */
};

/* Adds the folders of CHURN_PLUGIN_PATH (colons between them) and, last, those of the installation, or of the build
 * tree when the program runs in it. `extra`: further folders that come first. False when memory ran out. */
bool loader_init(struct loader *loader, const char *const *extra, unsigned extra_count);
/* A folder that a pipeline adds; comes before all others, also where it is known already. */
bool loader_add_dir(struct loader *loader, const char *dir);
void loader_free(struct loader *loader);
/* Nothing is loaded for a while: ends what is only needed for that. */
void loader_rest(struct loader *loader);
/* False with a message of one line when there is no such folder, or its files cannot be listed: it would be passed over
 * without a word. */
bool loader_check_dir(const char *dir, char *message, size_t size);

/* The plugin of that kind and name, loaded on first use: DIR/ROLE/NAME.so or DIR/NAME.so. NULL with a message of one
 * line (what is wrong, what to do) when there is none or it is refused. */
const struct loaded *loader_get(struct loader *loader, uint32_t kind, const char *name, char *message, size_t size);

/* The plugin of one file, whatever its kind. NULL with a message when it is refused. */
const struct loaded *loader_open(struct loader *loader, const char *path, char *message, size_t size);

/* Loads every plugin of `kind` (0: of all kinds) that the folders hold. False with a line of message for each bad one;
 * where there is no room for all, the last one says how many are left. */
bool loader_load_all(struct loader *loader, uint32_t kind, char *message, size_t size);

/* Calls `fn` with the name of each plugin of `kind` that the folders seem to hold, by their files' names alone: none is
 * opened. Those of flat folders, whose kinds only the files tell, are left out; one may come more than once. */
typedef void (*loader_name_fn)(void *ctx, const char *name);
void loader_each_name(const struct loader *loader, uint32_t kind, loader_name_fn fn, void *ctx);

/* The folder of the file that this code runs from, the program or the library of the test harness; false when it cannot
 * be told. */
bool loader_own_dir(char dir[PATH_MAX]);

#define LOADER_NAME_SIZE 128
/* A plugin's name from the path of its file, FOLDER/NAME.so; false for other files. */
bool loader_name_of(const char *path, char name[LOADER_NAME_SIZE]);

/* The steps by which a file is judged. Each returns NULL, or the name of the fault ("abi_version") with a message of
 * one line. */

/* What the file says, before anything of it runs: the words of its entry that are frozen in all versions, which are all
 * that *ret_words gets (where it has an entry). */
const char *loader_judge_file(const struct elf_file *elf, const char *path, churn_plugin *ret_words, char *message,
                              size_t size);
/* Opens a file for as long as the process lives and finds its entry. */
const char *loader_open_entry(const char *path, const churn_plugin **ret_entry, char *message, size_t size);

#endif
