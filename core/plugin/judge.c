#include "plugin/judge.h"

#include "base/printable.h"
#include "plugin/plugin_fault.h"
#include "plugin/role.h"
#include <churn/processor.h>
#include <churn/sink.h>
#include <churn/source.h>
#include <churn/store.h>
#include <limits.h>
#include <stdlib.h>

size_t judge_option_size(uint32_t type)
{
    switch (type) {
    case CHURN_OPTION_BOOL:
    case CHURN_OPTION_ENUM:
        return sizeof(int32_t);
    case CHURN_OPTION_LIST:
        return sizeof(churn_list);
    case CHURN_OPTION_MAP:
        return sizeof(churn_map);
    default: /* a pointer, an int64_t or a double */
        return sizeof(int64_t);
    }
}

const char *judge_option(const churn_plugin *p, uint32_t number, char *message, size_t size)
{
    const churn_option *row =
        (const churn_option *)(const void *)((const char *)p->options + (size_t)number * p->option_stride);
    size_t bytes = judge_option_size(row->type);
    if (row->name == NULL || *row->name == '\0') {
        return plugin_fault("option_table", message, size, "row %u of its option table has no name", number);
    }
    if (row->type < CHURN_OPTION_STRING || row->type > CHURN_OPTION_TREE) {
        return plugin_fault("option_table", message, size, "option '%s': type %u is unknown; use one of CHURN_OPTION_…",
                            row->name, row->type);
    }
    if (row->type == CHURN_OPTION_ENUM && (row->choices == NULL || row->choices[0] == NULL)) {
        return plugin_fault("option_table", message, size,
                            "option '%s': an ENUM needs choices, a NULL-terminated array", row->name);
    }
    if (row->offset + bytes > p->instance_size) {
        return plugin_fault(
            "instance_size", message, size,
            "option '%s': its %zu bytes at offset %u end behind the instance's %u; set instance_size to the "
            "size of the struct, as CHURN_OPTIONS(rows, struct) does",
            row->name, bytes, row->offset, p->instance_size);
    }
    if (row->offset % (bytes < sizeof(int64_t) ? sizeof(int32_t) : sizeof(int64_t)) != 0) {
        return plugin_fault("option_table", message, size,
                            "option '%s': offset %u is not aligned for its type; use offsetof(struct, member)",
                            row->name, row->offset);
    }
    return NULL;
}

static const char *judge_body(const churn_plugin *p, const char *path, const char *file_name, char *message,
                              size_t size)
{
    char why[512];
    if (p->kind < CHURN_KIND_EVENT || p->kind > CHURN_KIND_SINK) {
        return plugin_fault("kind", message, size, "%s: plugin kind %u is unknown; this host knows 1 to %d", path,
                            p->kind, CHURN_KIND_SINK);
    }
    if (p->name == NULL || p->version == NULL || p->summary == NULL || p->ops == NULL) {
        return plugin_fault("entry", message, size, "%s: name, version, summary and ops must all be set", path);
    }
    if (strcmp(p->name, file_name) != 0) {
        return plugin_fault("name", message, size,
                            "%s: the plugin calls itself '%s', its file '%s'; rename one of them", path, p->name,
                            file_name);
    }
    if (!printable_is_plain(p->name)) {
        return plugin_fault("name", message, size,
                            "%s: the plugin's name holds control characters; use lower case, digits and `_`", path);
    }
    if (p->option_count > 0 && (p->options == NULL || p->option_stride < sizeof(churn_option))) {
        return plugin_fault("option_table", message, size, "%s: option_stride is %u, this host needs at least %zu",
                            path, p->option_stride, sizeof(churn_option));
    }
    for (uint32_t i = 0; i < p->option_count; i++) {
        const char *code = judge_option(p, i, why, sizeof why);
        if (code != NULL) {
            return plugin_fault(code, message, size, "%s: %s", path, why);
        }
    }
    return NULL;
}

const char *judge_words(const churn_plugin *words, const char *path, char *message, size_t size)
{
    if (words->magic != CHURN_PLUGIN_MAGIC) {
        return plugin_fault("magic", message, size,
                            "%s: magic is 0x%08x, a churn plugin has 0x%08x; define the entry with CHURN_PLUGIN", path,
                            words->magic, CHURN_PLUGIN_MAGIC);
    }
    if (words->abi_major != CHURN_ABI_MAJOR) {
        return plugin_fault("abi_version", message, size,
                            "%s: built for ABI %u.%u, this host has ABI %d.%d; build it again with this host's headers",
                            path, words->abi_major, words->abi_minor, CHURN_ABI_MAJOR, CHURN_ABI_MINOR);
    }
    return NULL;
}

/* What a table held in ABI 1.0, which ended with this member. */
#define UP_TO(table, member) (offsetof(table, member) + sizeof(((table *)0)->member))

static const size_t least_entry = UP_TO(churn_plugin, ops);

const char *judge_entry(const churn_plugin *entry, const char *path, const char *file_name, churn_plugin *ret_copy,
                        char *message, size_t size)
{
    const char *code = judge_words(entry, path, message, size);
    if (code != NULL) {
        return code;
    }
    if (entry->size < least_entry) {
        return plugin_fault("entry_size", message, size,
                            "%s: its entry has %u bytes, ABI %d.0 has %zu; build it again with this host's headers",
                            path, entry->size, CHURN_ABI_MAJOR, least_entry);
    }
    *ret_copy = (churn_plugin){0};
    memcpy(ret_copy, entry, entry->size < sizeof *ret_copy ? entry->size : sizeof *ret_copy);
    return judge_body(ret_copy, path, file_name, message, size);
}

/* ---- the calls of each kind ---- */

/* A call that is not optional. */
struct required_call {
    uint32_t kind;
    size_t offset;
    const char *name;
};

#define CALL(kind, ops, name) {kind, offsetof(ops, name), #name}
static const struct required_call required_calls[] = {
    CALL(CHURN_KIND_SOURCE, churn_source_ops, create),
    CALL(CHURN_KIND_SOURCE, churn_source_ops, start),
    CALL(CHURN_KIND_SOURCE, churn_source_ops, poll),
    CALL(CHURN_KIND_SOURCE, churn_source_ops, stop),
    CALL(CHURN_KIND_SOURCE, churn_source_ops, destroy),
    CALL(CHURN_KIND_PROCESSOR, churn_processor_ops, create),
    CALL(CHURN_KIND_PROCESSOR, churn_processor_ops, process),
    CALL(CHURN_KIND_PROCESSOR, churn_processor_ops, destroy),
    CALL(CHURN_KIND_STORE, churn_store_ops, create),
    CALL(CHURN_KIND_STORE, churn_store_ops, open),
    CALL(CHURN_KIND_STORE, churn_store_ops, put),
    CALL(CHURN_KIND_STORE, churn_store_ops, poll),
    CALL(CHURN_KIND_STORE, churn_store_ops, get),
    CALL(CHURN_KIND_STORE, churn_store_ops, write),
    CALL(CHURN_KIND_STORE, churn_store_ops, close),
    CALL(CHURN_KIND_STORE, churn_store_ops, destroy),
    CALL(CHURN_KIND_SINK, churn_sink_ops, create),
    CALL(CHURN_KIND_SINK, churn_sink_ops, start),
    CALL(CHURN_KIND_SINK, churn_sink_ops, write),
    CALL(CHURN_KIND_SINK, churn_sink_ops, poll),
    CALL(CHURN_KIND_SINK, churn_sink_ops, stop),
    CALL(CHURN_KIND_SINK, churn_sink_ops, destroy),
};
static const struct required_call embedded_calls[] = {CALL(CHURN_KIND_STORE, churn_store_ops, remove),
                                                      CALL(CHURN_KIND_STORE, churn_store_ops, scan)};

static const size_t least_ops[] = {[CHURN_KIND_EVENT] = UP_TO(churn_event_type, apply),
                                   [CHURN_KIND_SOURCE] = UP_TO(churn_source_ops, destroy),
                                   [CHURN_KIND_PROCESSOR] = UP_TO(churn_processor_ops, destroy),
                                   [CHURN_KIND_STORE] = UP_TO(churn_store_ops, destroy),
                                   [CHURN_KIND_SINK] = UP_TO(churn_sink_ops, destroy)};

/* A table of an older minor version may end before the call. */
static bool has_call(const churn_plugin *p, size_t offset)
{
    uint32_t size;
    void *address = NULL;
    memcpy(&size, p->ops, sizeof size);
    if (offset + sizeof address <= size) {
        memcpy(&address, (const char *)p->ops + offset, sizeof address);
    }
    return address != NULL;
}

static const char *missing_call(const churn_plugin *p, const struct required_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (calls[i].kind == p->kind && !has_call(p, calls[i].offset)) {
            return calls[i].name;
        }
    }
    return NULL;
}

const char *judge_ops(const churn_plugin *p, const char *path, char *message, size_t size)
{
    const char *missing;
    uint32_t bytes;
    memcpy(&bytes, p->ops, sizeof bytes);
    if (bytes < least_ops[p->kind]) {
        return plugin_fault("ops_size", message, size,
                            "%s: the size in its ops is %u, ABI %d.0 has %zu; begin the table with .size = sizeof ops",
                            path, bytes, CHURN_ABI_MAJOR, least_ops[p->kind]);
    }
    missing = missing_call(p, required_calls, sizeof required_calls / sizeof required_calls[0]);
    if (missing == NULL && p->kind == CHURN_KIND_STORE && ((const churn_store_ops *)p->ops)->embedded != 0) {
        missing = missing_call(p, embedded_calls, sizeof embedded_calls / sizeof embedded_calls[0]);
    }
    if (missing != NULL) {
        return plugin_fault("missing_call", message, size, "%s: its ops have no `%s`, which a %s must have; set .%s",
                            path, missing, role_name(p->kind), missing);
    }
    if (p->kind == CHURN_KIND_SINK && ((const churn_sink_ops *)p->ops)->accepts == 0) {
        return plugin_fault("accepts", message, size, "%s: its ops accept nothing; set .accepts to CHURN_RECORD_…",
                            path);
    }
    return NULL;
}
