#include "profile/fields.h"

#include <stdlib.h>

void fields_clear(struct fields *fields)
{
    memset(fields->present, 0, sizeof fields->present);
    memset(fields->changed, 0, sizeof fields->changed);
    fields->wide = NULL;
}

static struct wide_number *find_wide(const struct fields *fields, uint32_t field)
{
    struct wide_number *wide = fields->wide;
    while (wide != NULL && wide->field != field) {
        wide = wide->next;
    }
    return wide;
}

int128 fields_wide_number(const struct fields *fields, uint32_t field)
{
    return find_wide(fields, field)->number;
}

/* Keeps what does not fit; a number that was wide before has its place still. */
static bool set_wide(struct fields *fields, uint32_t field, int128 number, struct arena *arena)
{
    struct wide_number *wide = find_wide(fields, field);
    if (wide == NULL) {
        wide = arena != NULL ? arena_alloc(arena, sizeof *wide) : malloc(sizeof *wide);
        if (wide == NULL) {
            return false;
        }
        wide->field = field;
        wide->next = fields->wide;
        fields->wide = wide;
    }
    wide->number = number;
    fields->values[field].number = FIELD_WIDE;
    return true;
}

bool fields_merge_number(struct fields *fields, uint32_t field, uint32_t merge, int128 operand, struct arena *arena)
{
    int128 number = operand;
    if (bit_get(fields->present, field)) {
        int128 before = fields_number(fields, field);
        if (merge == CHURN_MERGE_ADD) {
            number = before + operand;
        } else if (merge == CHURN_MERGE_MIN ? operand >= before : operand <= before) {
            return true;
        }
    }
    if (number > INT64_MIN && number <= INT64_MAX) {
        fields->values[field].number = (int64_t)number;
    } else if (!set_wide(fields, field, number, arena)) {
        return false;
    }
    bit_set(fields->present, field);
    bit_set(fields->changed, field);
    return true;
}

/* A text value with room for `len` bytes; the old one is reused where it suffices. */
static struct text_value *make_room(struct text_value *old, uint32_t len, struct arena *arena)
{
    uint32_t room = (len + 15u) & ~15u;
    struct text_value *value;
    if (old != NULL && old->room >= len) {
        return old;
    }
    value = arena != NULL ? arena_alloc(arena, sizeof *value + room) : realloc(old, sizeof *value + room);
    if (value != NULL) {
        value->room = room;
    }
    return value;
}

bool fields_merge_text(struct fields *fields, uint32_t field, churn_str text, const struct event_origin *origin,
                       const struct parts *parts, struct arena *arena)
{
    struct text_value *value = bit_get(fields->present, field) ? fields->values[field].text : NULL;
    if (value != NULL && (origin->time_ms < value->time_ms ||
                          (origin->time_ms == value->time_ms &&
                           parts_compare(parts, origin->part, origin->offset, value->part, value->offset) <= 0))) {
        return true;
    }
    value = make_room(value, text.len, arena);
    if (value == NULL) {
        return false;
    }
    memcpy(value->bytes, text.ptr, text.len);
    value->len = text.len;
    value->time_ms = origin->time_ms;
    value->offset = origin->offset;
    value->part = origin->part;
    fields->values[field].text = value;
    bit_set(fields->present, field);
    bit_set(fields->changed, field);
    return true;
}

static bool merge_text_of(struct fields *into, const struct fields *from, uint32_t field, const struct parts *parts,
                          struct arena *arena)
{
    const struct text_value *text = from->values[field].text;
    struct event_origin origin = {.time_ms = text->time_ms, .offset = text->offset, .part = text->part};
    return fields_merge_text(into, field, (churn_str){.ptr = text->bytes, .len = text->len}, &origin, parts, arena);
}

bool fields_merge_all(struct fields *into, const struct fields *from, const struct registry *registry,
                      const struct parts *parts, struct arena *arena)
{
    bool ok = true;
    for (uint32_t word = 0; word < REGISTRY_WORDS; word++) {
        for (uint64_t bits = from->present[word]; bits != 0; bits &= bits - 1) {
            uint32_t field = word * 64 + (uint32_t)__builtin_ctzll(bits);
            const struct registry_field *meta = &registry->fields[field];
            if (meta->merge == CHURN_MERGE_LATEST) {
                ok = merge_text_of(into, from, field, parts, arena) && ok;
            } else {
                ok = fields_merge_number(into, field, meta->merge, fields_number(from, field), arena) && ok;
            }
        }
    }
    return ok;
}

void fields_free_owned(struct fields *fields, const struct registry *registry)
{
    for (struct wide_number *wide = fields->wide, *next; wide != NULL; wide = next) {
        next = wide->next;
        free(wide);
    }
    for (uint32_t i = 0; i < registry->field_count; i++) {
        if (registry->fields[i].merge == CHURN_MERGE_LATEST && bit_get(fields->present, i)) {
            free(fields->values[i].text);
        }
    }
}
