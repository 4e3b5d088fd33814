#include "event/catalog.h"

#include "base/refuse.h"
#include "base/suggest.h"
#include <stdlib.h>

/* What must hold of a type's tables before any row is read. */
static bool check_shape(const churn_event_type *t, const char *name, char *message, size_t size)
{
    if ((t->field_count > 0 && (t->fields == NULL || t->field_stride < sizeof(churn_field))) ||
        (t->effect_count > 0 && (t->effects == NULL || t->effect_stride < sizeof(churn_effect))) ||
        (t->derived_count > 0 && (t->derived == NULL || t->derived_stride < sizeof(churn_derived))) ||
        (t->severity_rule_count > 0 &&
         (t->severity_rules == NULL || t->severity_rule_stride < sizeof(churn_severity_rule)))) {
        return refuse(message, size, "event type %s: a table is missing or its stride is too small", name);
    }
    if (strcmp(name, "score") == 0 || strcmp(name, "inactivity") == 0) {
        return refuse(message, size, "event type %s: the engine's own alerts are of that type; call it otherwise",
                      name);
    }
    if (t->severity > CHURN_SEVERITY_CRITICAL) {
        return refuse(message, size, "event type %s: severity %u is unknown", name, t->severity);
    }
    return true;
}

static int32_t find_field(const struct event_type *type, const char *name)
{
    for (uint32_t i = 0; name != NULL && i < type->table.field_count; i++) {
        if (strcmp(event_type_field(type, i)->name, name) == 0) {
            return (int32_t)i;
        }
    }
    return -1;
}

static bool resolve_fields(struct catalog *catalog, struct event_type *type, char *message, size_t size)
{
    type->data_names = calloc(type->table.field_count + 1, sizeof *type->data_names);
    if (type->data_names == NULL) {
        return refuse(message, size, "out of memory");
    }
    for (uint32_t i = 0; i < type->table.field_count; i++) {
        const churn_field *field = event_type_field(type, i);
        if (field->name == NULL || *field->name == '\0' || field->type < CHURN_FIELD_STRING ||
            field->type > CHURN_FIELD_TIME || find_field(type, field->name) != (int32_t)i) {
            return refuse(message, size, "event type %s: row %u of its fields has no name or type, or repeats a name",
                          type->name.ptr, i);
        }
        int32_t id = name_index_add(&catalog->data_names, field->name);
        if (id < 0) {
            return refuse(message, size, "out of memory");
        }
        type->data_names[i] = (uint32_t)id;
    }
    for (uint32_t i = 0; i < type->table.severity_rule_count; i++) {
        const churn_severity_rule *rule = event_type_rule(type, i);
        int32_t field = find_field(type, rule->field);
        if (field < 0 || event_type_field(type, (uint32_t)field)->type != CHURN_FIELD_STRING || rule->equals == NULL ||
            rule->severity > CHURN_SEVERITY_CRITICAL) {
            return refuse(message, size, "event type %s: severity rule %u names no text field, value or severity",
                          type->name.ptr, i);
        }
    }
    return true;
}

/* Does an operand of a data field's type fit a profile field's? */
static bool operand_fits(uint32_t field_type, uint32_t profile_type)
{
    return (field_type == CHURN_FIELD_INT && profile_type == CHURN_PROFILE_INT) ||
           (field_type == CHURN_FIELD_MONEY && profile_type == CHURN_PROFILE_MONEY) ||
           (field_type == CHURN_FIELD_TIME && profile_type == CHURN_PROFILE_TIME) ||
           (field_type == CHURN_FIELD_STRING && profile_type == CHURN_PROFILE_STRING);
}

static bool effect_fits(const struct event_type *type, const churn_effect *effect, int32_t operand)
{
    switch (effect->from) {
    case CHURN_FROM_CONSTANT:
        return effect->type == CHURN_PROFILE_INT || effect->type == CHURN_PROFILE_MONEY ||
               effect->type == CHURN_PROFILE_STATE;
    case CHURN_FROM_FIELD:
        return operand >= 0 && operand_fits(event_type_field(type, (uint32_t)operand)->type, effect->type);
    case CHURN_FROM_EVENT_TIME:
        return effect->type == CHURN_PROFILE_TIME;
    case CHURN_FROM_EVENT_TYPE:
        return effect->type == CHURN_PROFILE_STRING;
    default:
        return effect->from == CHURN_FROM_NOTHING;
    }
}

/* What is wrong with where an effect takes its operand from. */
static bool judge_operand(const struct event_type *type, const churn_effect *effect, int32_t operand, char *message,
                          size_t size)
{
    struct suggest suggest = {.typed = effect->operand != NULL ? effect->operand : ""};
    char hint[96];
    if (effect->from < CHURN_FROM_CONSTANT || effect->from > CHURN_FROM_NOTHING) {
        return refuse(message, size,
                      "event type %s: the row for profile field '%s' does not say where its operand comes from: set "
                      ".from to one of CHURN_FROM_…",
                      type->name.ptr, effect->field);
    }
    if (effect->from == CHURN_FROM_FIELD && operand < 0) {
        for (uint32_t i = 0; i < type->table.field_count; i++) {
            suggest_offer(&suggest, event_type_field(type, i)->name);
        }
        return refuse(message, size,
                      "event type %s: the operand for profile field '%s' is no field of its data: '%s'%s",
                      type->name.ptr, effect->field, suggest.typed, suggest_text(&suggest, hint, sizeof hint));
    }
    return effect_fits(type, effect, operand) ||
           refuse(message, size, "event type %s: the operand for profile field '%s' does not fit its type %s",
                  type->name.ptr, effect->field, registry_type_name(effect->type));
}

static bool judge_state(const struct event_type *type, const churn_effect *effect, uint32_t states, char *message,
                        size_t size)
{
    bool constant = effect->type == CHURN_PROFILE_STATE && effect->from == CHURN_FROM_CONSTANT;
    return !constant || (effect->constant >= 0 && effect->constant < states) ||
           refuse(message, size, "event type %s: profile field '%s': constant %lld is none of its states, 0 to %u",
                  type->name.ptr, effect->field, (long long)effect->constant, states - 1);
}

static bool has_pii(const struct event_type *type)
{
    bool has = false;
    for (uint32_t i = 0; i < type->table.field_count; i++) {
        has = has || (event_type_field(type, i)->flags & CHURN_FIELD_PII) != 0;
    }
    return has;
}

/* Whether personal data goes into the profile field of this effect: from the row of its operand, or by a callback,
 * which may take any field for a text that it alone writes. */
static bool is_pii(const struct event_type *type, const churn_effect *effect, int32_t operand)
{
    bool callback = effect->from == CHURN_FROM_NOTHING && type->table.apply != NULL;
    return (effect->from == CHURN_FROM_FIELD &&
            (event_type_field(type, (uint32_t)operand)->flags & CHURN_FIELD_PII) != 0) ||
           (callback && effect->type == CHURN_PROFILE_STRING && has_pii(type));
}

static bool resolve_effects(struct catalog *catalog, struct event_type *type, char *message, size_t size)
{
    type->effects = calloc(type->table.effect_count + 1, sizeof *type->effects);
    if (type->effects == NULL) {
        return refuse(message, size, "out of memory");
    }
    for (uint32_t i = 0; i < type->table.effect_count; i++) {
        const churn_effect *effect = event_type_effect(type, i);
        int32_t operand = find_field(type, effect->operand);
        int32_t field = registry_declare(&catalog->registry, type->name.ptr, effect, message, size);
        if (field < 0) {
            return false;
        }
        if (field < FIELD_CORE_COUNT) {
            return refuse(message, size, "event type %s: profile field '%s' belongs to the core", type->name.ptr,
                          effect->field);
        }
        if (!judge_operand(type, effect, operand, message, size) ||
            !judge_state(type, effect, catalog->registry.fields[field].state_count, message, size)) {
            return false;
        }
        catalog->registry.fields[field].pii = catalog->registry.fields[field].pii || is_pii(type, effect, operand);
        if (effect->from != CHURN_FROM_NOTHING) {
            type->effects[type->effect_count++] = (struct effect_plan){.field = (uint32_t)field,
                                                                       .merge = effect->merge,
                                                                       .from = effect->from,
                                                                       .operand = operand >= 0 ? (uint32_t)operand : 0,
                                                                       .constant = effect->constant};
        }
    }
    return true;
}

static bool add_type(struct catalog *catalog, const churn_plugin *plugin, char *message, size_t size)
{
    const churn_event_type *given = plugin->ops;
    struct event_type *type = &catalog->types[catalog->type_count];
    size_t len = strlen(plugin->name);
    catalog->type_count++;
    memcpy(&type->table, given, given->size < sizeof type->table ? given->size : sizeof type->table);
    type->name = (churn_str){.ptr = plugin->name, .len = (uint32_t)len};
    type->version = plugin->version;
    if (!check_shape(&type->table, plugin->name, message, size) || !resolve_fields(catalog, type, message, size) ||
        !resolve_effects(catalog, type, message, size)) {
        return false;
    }
    if (type->table.field_count > catalog->max_field_count) {
        catalog->max_field_count = type->table.field_count;
    }
    return name_index_add(&catalog->type_names, plugin->name) >= 0 || refuse(message, size, "out of memory");
}

static bool wanted(const churn_plugin *plugin, const churn_list *only)
{
    bool all = only == NULL || only->count == 0;
    for (uint32_t i = 0; !all && i < only->count; i++) {
        if (strcmp(only->items[i], plugin->name) == 0) {
            return true;
        }
    }
    return all;
}

static bool load_types(struct loader *loader, const churn_list *only, char *message, size_t size)
{
    for (uint32_t i = 0; only != NULL && i < only->count; i++) {
        if (loader_get(loader, CHURN_KIND_EVENT, only->items[i], message, size) == NULL) {
            return false;
        }
    }
    return (only != NULL && only->count > 0) || loader_load_all(loader, CHURN_KIND_EVENT, message, size);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const churn_plugin *const *)a)->name, (*(const churn_plugin *const *)b)->name);
}

static bool add_types(struct catalog *catalog, const churn_plugin **plugins, unsigned count, char *message, size_t size)
{
    if (count > 0) {
        qsort(plugins, count, sizeof(const churn_plugin *), by_name);
    }
    for (unsigned i = 0; i < count; i++) {
        if (!add_type(catalog, plugins[i], message, size)) {
            return false;
        }
    }
    for (unsigned t = 0; t < catalog->type_count; t++) { /* operands may be another type's fields */
        const struct event_type *type = &catalog->types[t];
        for (uint32_t i = 0; i < type->table.derived_count; i++) {
            if (!registry_derive(&catalog->registry, type->name.ptr, event_type_derived(type, i), message, size)) {
                return false;
            }
        }
    }
    return true;
}

bool catalog_build(struct catalog *catalog, struct loader *loader, const churn_list *only, char *message, size_t size)
{
    const churn_plugin **plugins;
    char unsaid[256];
    unsigned count = 0;
    bool ok, loaded;
    memset(catalog, 0, sizeof *catalog);
    loaded = load_types(loader, only, message, size);
    plugins = calloc(loader->plugin_count + 1, sizeof(const churn_plugin *));
    catalog->types = calloc(loader->plugin_count + 1, sizeof *catalog->types);
    if (plugins == NULL || catalog->types == NULL || !registry_init(&catalog->registry)) {
        free((void *)plugins);
        return refuse(message, size, "out of memory");
    }
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        const churn_plugin *plugin = &loader->plugins[i]->plugin;
        if (plugin->kind == CHURN_KIND_EVENT && wanted(plugin, only)) {
            plugins[count++] = plugin;
        }
    }
    ok = loaded ? add_types(catalog, plugins, count, message, size)
                : add_types(catalog, plugins, count, unsaid, sizeof unsaid); /* what is wrong beside that can wait */
    free((void *)plugins);
    return ok && loaded;
}

void catalog_free(struct catalog *catalog)
{
    for (uint32_t i = 0; i < catalog->type_count; i++) {
        free(catalog->types[i].data_names);
        free(catalog->types[i].effects);
    }
    free(catalog->types);
    name_index_free(&catalog->type_names);
    name_index_free(&catalog->data_names);
    registry_free(&catalog->registry);
    memset(catalog, 0, sizeof *catalog);
}
