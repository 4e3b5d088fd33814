/* The fields of a profile: those of the core and those that the loaded event types declare. */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "base/name_index.h"
#include <churn/event.h>
#include <stdbool.h>

/* Fields of every profile, whatever plugins are loaded. */
enum { FIELD_EVENTS_TOTAL, FIELD_FIRST_EVENT_AT, FIELD_LAST_EVENT_AT, FIELD_LAST_EVENT_TYPE, FIELD_CORE_COUNT };

#define REGISTRY_WORDS 4
#define REGISTRY_MAX_FIELDS (REGISTRY_WORDS * 64)

struct registry_field {
    churn_str name;
    const char *owner; /* the plugin that declared it first */
    const char *help;
    const char *const *states; /* STATE */
    uint32_t state_count;
    uint32_t type;  /* CHURN_PROFILE_… */
    uint32_t merge; /* CHURN_MERGE_… */
    churn_str tag;  /* LATEST: "_l:<name>", the field of its tie-break */
    bool pii;       /* personal data goes into it */
    uint8_t stored; /* enum protect_action: what becomes of its texts in the store */
};

struct registry_derived {
    churn_str name;
    const char *owner;
    const char *help;
    uint32_t kind; /* CHURN_DERIVE_… */
    uint32_t decimals;
    uint32_t numerator, denominator; /* fields */
    uint32_t scale;                  /* 4 for a numerator of money, else 0 */
};

struct protect;

/* Built by main before the workers start, then only read. */
struct registry {
    struct registry_field fields[REGISTRY_MAX_FIELDS];
    uint32_t field_count;
    uint64_t states[REGISTRY_WORDS]; /* a bit for each field of type STATE */
    struct registry_derived *derived;
    uint32_t derived_count;
    struct name_index names;       /* of the fields: id = index */
    char *tags;                    /* owns the texts of `tag` */
    const struct protect *protect; /* how texts are protected and opened; NULL: they are not */
};

/* Starts with the core's fields. */
bool registry_init(struct registry *registry);
void registry_free(struct registry *registry);

/* Adds one declaration of a plugin; its index, or -1 with a message when it is wrong or differs from an earlier one. */
int32_t registry_declare(struct registry *registry, const char *owner, const churn_effect *effect, char *message,
                         size_t size);
/* The same for a derived field, once all fields are declared. */
bool registry_derive(struct registry *registry, const char *owner, const churn_derived *derived, char *message,
                     size_t size);

const char *registry_type_name(uint32_t type);
const char *registry_merge_name(uint32_t merge);

#endif
