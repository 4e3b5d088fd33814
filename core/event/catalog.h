/* The loaded event types, checked and with every name resolved to a number, and the profile fields they make up. */
#ifndef CATALOG_H
#define CATALOG_H

#include "event/registry.h"
#include "plugin/loader.h"

struct effect_plan {
    uint32_t field;   /* of the registry */
    uint32_t merge;   /* CHURN_MERGE_… */
    uint32_t from;    /* CHURN_FROM_… */
    uint32_t operand; /* row of the type's field table */
    int64_t constant;
};

struct event_type {
    churn_str name;              /* NUL-terminated */
    const char *version;         /* of the plugin */
    churn_event_type table;      /* a copy: members beyond the plugin's own size are zero */
    uint32_t *data_names;        /* for each row of the field table, its id among the catalog's data names */
    struct effect_plan *effects; /* without those that only declare */
    uint32_t effect_count;
};

/* Built by main before the workers start, then only read. */
struct catalog {
    struct event_type *types; /* sorted by name */
    uint32_t type_count;
    uint32_t max_field_count;     /* of one type */
    struct name_index type_names; /* id = index */
    struct name_index data_names; /* the names of all types' data fields */
    struct registry registry;
};

/* Takes the event types of the loader, all of them or those that `only` names. False with a message, and
 * with those that are good where some could not be loaded. Free in either case. */
bool catalog_build(struct catalog *catalog, struct loader *loader, const churn_list *only, char *message, size_t size);
void catalog_free(struct catalog *catalog);

static inline const churn_field *event_type_field(const struct event_type *type, uint32_t i)
{
    return (const churn_field *)(const void *)((const char *)type->table.fields + (size_t)i * type->table.field_stride);
}

static inline const churn_effect *event_type_effect(const struct event_type *type, uint32_t i)
{
    return (const churn_effect *)(const void *)((const char *)type->table.effects +
                                                (size_t)i * type->table.effect_stride);
}

static inline const churn_derived *event_type_derived(const struct event_type *type, uint32_t i)
{
    return (const churn_derived *)(const void *)((const char *)type->table.derived +
                                                 (size_t)i * type->table.derived_stride);
}

static inline const churn_severity_rule *event_type_rule(const struct event_type *type, uint32_t i)
{
    return (const churn_severity_rule *)(const void *)((const char *)type->table.severity_rules +
                                                       (size_t)i * type->table.severity_rule_stride);
}

#endif
