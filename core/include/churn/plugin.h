/** @file
 * The plugin entry: one exported constant, `churn_plugin_entry`, which the host judges before it calls anything.
 *
 * The first four members are frozen for ever. The major version must match the host's; any minor version loads.
 * Structs of the ABI grow only at their end, and a reader takes min(size, its own sizeof) of them.
 */
#ifndef CHURN_PLUGIN_H
#define CHURN_PLUGIN_H

#include <churn/host.h>
#include <churn/needs.h>
#include <churn/option.h>
#include <churn/result.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_PLUGIN_MAGIC 0x4e525543u /**< "CURN" on a little-endian machine */
#define CHURN_ABI_MAJOR 1
#define CHURN_ABI_MINOR 3

/** The role of a plugin, and the struct that its `ops` points to. */
enum {
    CHURN_KIND_EVENT = 1,     /**< const churn_event_type, <churn/event.h> */
    CHURN_KIND_SOURCE = 2,    /**< const churn_source_ops, <churn/source.h> */
    CHURN_KIND_PROCESSOR = 3, /**< const churn_processor_ops, <churn/processor.h> */
    CHURN_KIND_STORE = 4,     /**< const churn_store_ops, <churn/store.h> */
    CHURN_KIND_SINK = 5       /**< const churn_sink_ops, <churn/sink.h> */
};

typedef struct churn_plugin {
    uint32_t magic;              /**< CHURN_PLUGIN_MAGIC */
    uint32_t size;               /**< sizeof(churn_plugin) of the plugin's headers */
    uint16_t abi_major;          /**< CHURN_ABI_MAJOR */
    uint16_t abi_minor;          /**< CHURN_ABI_MINOR */
    uint32_t kind;               /**< CHURN_KIND_… */
    const char *name;            /**< as YAML's `plugin:` (or an event's event_type) and as the file: NAME.so */
    const char *version;         /**< of the plugin itself */
    const char *summary;         /**< one line for `churnd plugins` */
    const churn_option *options; /**< may be NULL; event types have none */
    uint32_t option_count;
    uint32_t option_stride; /**< sizeof(churn_option) */
    uint32_t instance_size; /**< bytes the host zero-allocates, fills with options and passes as `self` */
    uint32_t reserved;
    const void *ops;
    /* since ABI 1.3: see `size` */
    const churn_needs *needs; /**< what it needs of the system; NULL: it does not say */
} churn_plugin;

#if defined(__GNUC__)
#define CHURN_EXPORT __attribute__((visibility("default")))
#else
#define CHURN_EXPORT
#endif

/** Defines the entry: CHURN_PLUGIN(.kind = …, .name = "…", .version = "…", .summary = "…", .ops = &ops) */
#define CHURN_PLUGIN(...)                                                                                              \
    extern CHURN_EXPORT const churn_plugin churn_plugin_entry;                                                         \
    const churn_plugin churn_plugin_entry = {.magic = CHURN_PLUGIN_MAGIC,                                              \
                                             .size = sizeof(churn_plugin),                                             \
                                             .abi_major = CHURN_ABI_MAJOR,                                             \
                                             .abi_minor = CHURN_ABI_MINOR,                                             \
                                             __VA_ARGS__}

/** The option members of CHURN_PLUGIN from a table `rows` and an instance type: CHURN_OPTIONS(rows, struct x) */
#define CHURN_OPTIONS(rows, instance)                                                                                  \
    .options = (rows), .option_count = sizeof(rows) / sizeof((rows)[0]), .option_stride = sizeof(churn_option),        \
    .instance_size = sizeof(instance)

#ifdef __cplusplus
}
#endif
#endif
