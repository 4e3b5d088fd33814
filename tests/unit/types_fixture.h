/* The event types of $TEST_PLUGIN_DIR, loaded as the host loads them, and others that a test declares itself. */
#ifndef TESTS_UNIT_TYPES_FIXTURE_H
#define TESTS_UNIT_TYPES_FIXTURE_H

#include "core/event/catalog.h"

#include "check.h"

struct types_fixture {
    struct loader loader;
    struct catalog catalog;
    char message[1024]; /* of a catalog that was refused */
};

/* Puts an entry among the loaded plugins, as if it had come from a file. */
static inline void types_add(struct types_fixture *types, const churn_plugin *plugin)
{
    struct loader *loader = &types->loader;
    struct loaded **all = realloc(loader->plugins, (loader->plugin_count + 1) * sizeof(struct loaded *));
    struct loaded *loaded = calloc(1, sizeof *loaded);
    if (all == NULL || loaded == NULL) {
        abort();
    }
    loader->plugins = all;
    loaded->plugin = *plugin;
    loaded->path = strdup(plugin->name);
    all[loader->plugin_count++] = loaded;
}

/* A catalog of all plugins and the `count` entries given; false with `message` set when they do not fit together. */
static inline bool types_load(struct types_fixture *types, const churn_plugin *const *own, size_t count)
{
    const char *dir = getenv("TEST_PLUGIN_DIR");
    memset(types, 0, sizeof *types);
    if (setenv("CHURN_PLUGIN_PATH", dir != NULL ? dir : "plugins", 1) != 0 || !loader_init(&types->loader, NULL, 0)) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        types_add(types, own[i]);
    }
    return catalog_build(&types->catalog, &types->loader, NULL, types->message, sizeof types->message);
}

static inline void types_free(struct types_fixture *types)
{
    catalog_free(&types->catalog);
    loader_free(&types->loader);
}

/* The entry of an event type that a test declares. */
#define TYPE_ENTRY(name_, ops_)                                                                                        \
    (churn_plugin)                                                                                                     \
    {                                                                                                                  \
        .magic = CHURN_PLUGIN_MAGIC, .size = sizeof(churn_plugin), .abi_major = CHURN_ABI_MAJOR,                       \
        .abi_minor = CHURN_ABI_MINOR, .kind = CHURN_KIND_EVENT, .name = (name_), .version = "1.0.0",                   \
        .summary = "declared by a test", .ops = (ops_)                                                                 \
    }

#endif
