/* Values of profile fields: what a window adds to a profile, and the profile itself. Merging is commutative. */
#ifndef FIELDS_H
#define FIELDS_H

#include "base/arena.h"
#include "base/decimal.h"
#include "event/registry.h"
#include "profile/parts.h"
#include <stdint.h>

/* The value of a LATEST field with the event that set it. */
struct text_value {
    int64_t time_ms;
    int64_t offset;
    uint32_t part;
    uint32_t len;
    uint32_t room; /* of `bytes` */
    char bytes[];
};

union field_value {
    int64_t number; /* INT, MONEY (units), TIME (ms), STATE (index); FIELD_WIDE: it is among `wide` */
    struct text_value *text;
};

#define FIELD_WIDE INT64_MIN

/* A number that 64 bits do not hold. Sums can get there, and few do, so that they need not be quick. */
struct wide_number {
    struct wide_number *next;
    uint32_t field;
    int128 number;
};

/* A value counts only where its bit is set; the others are not initialised. */
struct fields {
    uint64_t present[REGISTRY_WORDS];
    uint64_t changed[REGISTRY_WORDS]; /* set by every merge that made a difference */
    struct wide_number *wide;         /* NULL as a rule */
    union field_value values[];       /* one for each field of the registry */
};

/* The event that an operand comes from. */
struct event_origin {
    int64_t time_ms;
    int64_t offset;
    uint32_t part;
};

static inline bool bit_get(const uint64_t *words, uint32_t i)
{
    return (words[i / 64] >> (i % 64) & 1) != 0;
}

static inline void bit_set(uint64_t *words, uint32_t i)
{
    words[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline size_t fields_size(const struct registry *registry)
{
    return sizeof(struct fields) + registry->field_count * sizeof(union field_value);
}

void fields_clear(struct fields *fields);

int128 fields_wide_number(const struct fields *fields, uint32_t field);

/* A number that is present. */
static inline int128 fields_number(const struct fields *fields, uint32_t field)
{
    int64_t number = fields->values[field].number;
    return number != FIELD_WIDE ? number : fields_wide_number(fields, field);
}

/* What the following merge and does not fit a value itself lives in `arena`, or is malloc'ed and owned by `fields`
 * where that is NULL. False when memory ran out. */

/* Merges one number by its field's operator. */
bool fields_merge_number(struct fields *fields, uint32_t field, uint32_t merge, int128 operand, struct arena *arena);

/* Merges one text (LATEST). */
bool fields_merge_text(struct fields *fields, uint32_t field, churn_str text, const struct event_origin *origin,
                       const struct parts *parts, struct arena *arena);

/* Merges everything of `from`. */
bool fields_merge_all(struct fields *into, const struct fields *from, const struct registry *registry,
                      const struct parts *parts, struct arena *arena);

/* Frees what a `fields` that was merged without an arena owns. */
void fields_free_owned(struct fields *fields, const struct registry *registry);

#endif
