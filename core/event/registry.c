#include "event/registry.h"

#include "base/refuse.h"
#include <stdlib.h>

#define TAG_SIZE 96

static const char *const type_names[] = {"?", "int", "money", "time", "text", "state"};
static const char *const merge_names[] = {"?", "add", "min", "max", "latest"};

const char *registry_type_name(uint32_t type)
{
    return type_names[type <= CHURN_PROFILE_STATE ? type : 0];
}

const char *registry_merge_name(uint32_t merge)
{
    return merge_names[merge <= CHURN_MERGE_LATEST ? merge : 0];
}

static uint32_t count_states(const char *const *states)
{
    uint32_t n = 0;
    while (states != NULL && states[n] != NULL) {
        n++;
    }
    return n;
}

static bool same_states(const char *const *a, const char *const *b)
{
    uint32_t n = count_states(a);
    if (n != count_states(b)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(a[i], b[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* Which operators each type has, as in <churn/profile.h>. */
static bool merge_fits(uint32_t type, uint32_t merge)
{
    switch (type) {
    case CHURN_PROFILE_INT:
    case CHURN_PROFILE_MONEY:
        return merge == CHURN_MERGE_ADD || merge == CHURN_MERGE_MIN || merge == CHURN_MERGE_MAX;
    case CHURN_PROFILE_TIME:
        return merge == CHURN_MERGE_MIN || merge == CHURN_MERGE_MAX;
    case CHURN_PROFILE_STRING:
        return merge == CHURN_MERGE_LATEST;
    case CHURN_PROFILE_STATE:
        return merge == CHURN_MERGE_MAX;
    default:
        return false;
    }
}

static int32_t add_field(struct registry *registry, const char *owner, const churn_effect *effect)
{
    struct registry_field *field = &registry->fields[registry->field_count];
    int32_t index = name_index_add(&registry->names, effect->field);
    if (index < 0) {
        return -1;
    }
    *field = (struct registry_field){.name = churn_text(effect->field),
                                     .owner = owner,
                                     .help = effect->help != NULL ? effect->help : "",
                                     .states = effect->states,
                                     .state_count = count_states(effect->states),
                                     .type = effect->type,
                                     .merge = effect->merge};
    if (effect->merge == CHURN_MERGE_LATEST) {
        char *tag = registry->tags + (size_t)registry->field_count * TAG_SIZE;
        field->tag = (churn_str){.ptr = tag, .len = (uint32_t)snprintf(tag, TAG_SIZE, "_l:%s", effect->field)};
    }
    if (effect->type == CHURN_PROFILE_STATE) {
        registry->states[registry->field_count / 64] |= UINT64_C(1) << registry->field_count % 64;
    }
    registry->field_count++;
    return index;
}

int32_t registry_declare(struct registry *registry, const char *owner, const churn_effect *effect, char *message,
                         size_t size)
{
    const char *name = effect->field;
    const struct registry_field *known;
    int32_t index;
    if (name == NULL || *name == '\0' || *name == '_' || strlen(name) > TAG_SIZE - 8) {
        (void)refuse(message, size,
                     "%s: profile field '%s': a name of up to %d bytes that does not begin with '_' is needed", owner,
                     name != NULL ? name : "", TAG_SIZE - 8);
        return -1;
    }
    if (!merge_fits(effect->type, effect->merge) ||
        (effect->type == CHURN_PROFILE_STATE && count_states(effect->states) == 0)) {
        (void)refuse(message, size, "%s: profile field '%s': type %s has no operator %s, or its states are missing",
                     owner, name, registry_type_name(effect->type), registry_merge_name(effect->merge));
        return -1;
    }
    index = name_index_find(&registry->names, name, strlen(name));
    if (index < 0) {
        if (registry->field_count == REGISTRY_MAX_FIELDS) {
            (void)refuse(message, size, "%s: more than %d profile fields", owner, REGISTRY_MAX_FIELDS);
            return -1;
        }
        index = add_field(registry, owner, effect);
        if (index < 0) {
            (void)refuse(message, size, "out of memory");
        }
        return index;
    }
    known = &registry->fields[index];
    if (known->type != effect->type || known->merge != effect->merge || !same_states(known->states, effect->states)) {
        (void)refuse(message, size,
                     "profile field '%s': %s declares it as %s/%s, %s as %s/%s; one of the two must change", name,
                     known->owner, registry_type_name(known->type), registry_merge_name(known->merge), owner,
                     registry_type_name(effect->type), registry_merge_name(effect->merge));
        return -1;
    }
    return index;
}

static bool same_derived(const struct registry_derived *a, const struct registry_derived *b)
{
    return a->kind == b->kind && a->decimals == b->decimals && a->numerator == b->numerator &&
           a->denominator == b->denominator;
}

static int32_t find_operand(const struct registry *registry, const char *owner, const churn_derived *derived,
                            const char *operand, bool money_too, char *message, size_t size)
{
    int32_t index = operand != NULL ? name_index_find(&registry->names, operand, strlen(operand)) : -1;
    uint32_t type = index >= 0 ? registry->fields[index].type : 0;
    if (type != CHURN_PROFILE_INT && !(money_too && type == CHURN_PROFILE_MONEY)) {
        (void)refuse(message, size, "%s: derived field '%s': operand '%s' is not a declared number", owner,
                     derived->field, operand != NULL ? operand : "");
        return -1;
    }
    return index;
}

bool registry_derive(struct registry *registry, const char *owner, const churn_derived *derived, char *message,
                     size_t size)
{
    bool ratio = derived->kind == CHURN_DERIVE_RATIO;
    struct registry_derived *all, row = {.owner = owner, .kind = derived->kind, .decimals = derived->decimals};
    int32_t numerator, denominator = 0;
    if (derived->field == NULL || *derived->field == '\0' || *derived->field == '_' || derived->decimals > 9 ||
        (!ratio && derived->kind != CHURN_DERIVE_PER_DAY) ||
        name_index_find(&registry->names, derived->field, strlen(derived->field)) >= 0) {
        return refuse(message, size,
                      "%s: derived field '%s': its name is taken or not allowed, or its kind or decimals are wrong",
                      owner, derived->field != NULL ? derived->field : "");
    }
    numerator = find_operand(registry, owner, derived, derived->numerator, true, message, size);
    if (ratio && numerator >= 0) {
        denominator = find_operand(registry, owner, derived, derived->denominator, false, message, size);
    }
    if (numerator < 0 || denominator < 0) {
        return false;
    }
    row.name = churn_text(derived->field);
    row.help = derived->help != NULL ? derived->help : "";
    row.numerator = (uint32_t)numerator;
    row.denominator = (uint32_t)denominator;
    row.scale = registry->fields[numerator].type == CHURN_PROFILE_MONEY ? 4 : 0;
    for (uint32_t i = 0; i < registry->derived_count; i++) {
        const struct registry_derived *known = &registry->derived[i];
        if (strcmp(known->name.ptr, derived->field) == 0) {
            return same_derived(known, &row) ||
                   refuse(message, size, "derived field '%s': %s and %s declare it differently", derived->field,
                          known->owner, owner);
        }
    }
    all = realloc(registry->derived, (registry->derived_count + 1) * sizeof *all);
    if (all == NULL) {
        return refuse(message, size, "out of memory");
    }
    registry->derived = all;
    all[registry->derived_count++] = row;
    return true;
}

bool registry_init(struct registry *registry)
{
    static const churn_effect core[FIELD_CORE_COUNT] = {
        [FIELD_EVENTS_TOTAL] = {.field = "events_total",
                                .type = CHURN_PROFILE_INT,
                                .merge = CHURN_MERGE_ADD,
                                .help = "events applied"},
        [FIELD_FIRST_EVENT_AT] = {.field = "first_event_at",
                                  .type = CHURN_PROFILE_TIME,
                                  .merge = CHURN_MERGE_MIN,
                                  .help = "oldest event time"},
        [FIELD_LAST_EVENT_AT] = {.field = "last_event_at",
                                 .type = CHURN_PROFILE_TIME,
                                 .merge = CHURN_MERGE_MAX,
                                 .help = "newest event time"},
        [FIELD_LAST_EVENT_TYPE] = {.field = "last_event_type",
                                   .type = CHURN_PROFILE_STRING,
                                   .merge = CHURN_MERGE_LATEST,
                                   .help = "type of the newest event"},
    };
    memset(registry, 0, sizeof *registry);
    registry->tags = calloc(REGISTRY_MAX_FIELDS, TAG_SIZE);
    if (registry->tags == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < FIELD_CORE_COUNT; i++) {
        if (add_field(registry, "core", &core[i]) != (int32_t)i) {
            return false;
        }
    }
    return true;
}

void registry_free(struct registry *registry)
{
    name_index_free(&registry->names);
    free(registry->derived);
    free(registry->tags);
    memset(registry, 0, sizeof *registry);
}
