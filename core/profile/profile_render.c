#include "profile/profile_render.h"

#include "event/protect.h"
#include <churn/time.h>
#include <inttypes.h>
#include <stdlib.h>

#define DAY_MS 86400000

/* Adds a pair whose value is the text from `start` on; pointers into `bytes` are set at the end, since it may move. */
static void add_pair(struct profile_text *out, churn_str name, size_t start)
{
    if (out->count == out->room) {
        uint32_t room = out->room != 0 ? out->room * 2 : 64;
        churn_pair *pairs = realloc(out->pairs, room * sizeof *pairs);
        if (pairs == NULL) {
            out->failed = true;
            return;
        }
        out->pairs = pairs;
        out->room = room;
    }
    out->pairs[out->count++] = (churn_pair){.name = name, .value = {.len = (uint32_t)(out->bytes.len - start)}};
}

static void append_number(struct text *out, const struct registry_field *field, int128 number)
{
    char buffer[DECIMAL_SIZE];
    switch (field->type) {
    case CHURN_PROFILE_INT:
        text_append(out, buffer, decimal_format_int128(number, buffer));
        break;
    case CHURN_PROFILE_MONEY:
        text_append(out, buffer, decimal_format_money(number, buffer));
        break;
    case CHURN_PROFILE_TIME:
        churn_time_format((int64_t)number, buffer);
        text_append(out, buffer, CHURN_TIME_SIZE - 1);
        break;
    default:
        text_append_string(out, field->states[(size_t)number]);
    }
}

void profile_append_field(struct text *out, const struct fields *fields, const struct registry *registry,
                          uint32_t index)
{
    const struct registry_field *field = &registry->fields[index];
    if (field->merge == CHURN_MERGE_LATEST) {
        text_append(out, fields->values[index].text->bytes, fields->values[index].text->len);
    } else {
        append_number(out, field, fields_number(fields, index));
    }
}

/* What tells the event that a text is of from all others. */
static void append_tag(struct text *out, const struct text_value *text, const struct parts *parts)
{
    churn_str name = parts_name(&parts->items[text->part]);
    char buffer[DECIMAL_SIZE];
    text_append(out, buffer, decimal_format_int128(text->time_ms, buffer));
    text_append(out, " ", 1);
    text_append(out, buffer, decimal_format_int128(text->offset, buffer));
    text_append(out, " ", 1);
    text_append(out, name.ptr, name.len);
}

static bool is_sealed(const struct registry *registry, const struct registry_field *field)
{
    return registry->protect != NULL && registry->protect->ring.count > 0 && field->stored == PROTECT_ENCRYPT;
}

static void append_sealed(struct text *out, const struct registry *registry, const struct registry_field *field,
                          churn_str customer, const struct text_value *text, const struct parts *parts)
{
    struct text tag = {0};
    struct seal_place place;
    append_tag(&tag, text, parts);
    place = protect_profile_place(field, customer, (churn_str){.ptr = tag.bytes, .len = (uint32_t)tag.len});
    protect_append(out, registry->protect, PROTECT_ENCRYPT, &place, (churn_str){.ptr = text->bytes, .len = text->len});
    out->failed = out->failed || tag.failed;
    text_free(&tag);
}

/* That a text is encrypted is told by its tag alone: an event's own text may look as if it were. */
static void render_text(const struct registry *registry, const struct registry_field *field, churn_str customer,
                        const struct text_value *text, const struct parts *parts, struct profile_text *out)
{
    bool sealed = is_sealed(registry, field);
    size_t start = out->bytes.len;
    if (sealed) {
        append_sealed(&out->bytes, registry, field, customer, text, parts);
    } else {
        text_append(&out->bytes, text->bytes, text->len);
    }
    add_pair(out, field->name, start);
    start = out->bytes.len;
    text_append_string(&out->bytes, sealed ? PROTECT_SEALED_MARK : "");
    append_tag(&out->bytes, text, parts);
    add_pair(out, field->tag, start);
}

static void render_fields(const struct profile *profile, const struct registry *registry, const struct parts *parts,
                          churn_str customer, struct profile_text *out)
{
    for (uint32_t word = 0; word < REGISTRY_WORDS; word++) {
        for (uint64_t bits = profile->fields.changed[word]; bits != 0; bits &= bits - 1) {
            uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(bits);
            const struct registry_field *field = &registry->fields[index];
            size_t start = out->bytes.len;
            if (field->merge == CHURN_MERGE_LATEST) {
                render_text(registry, field, customer, profile->fields.values[index].text, parts, out);
            } else {
                append_number(&out->bytes, field, fields_number(&profile->fields, index));
                add_pair(out, field->name, start);
            }
        }
    }
}

static int128 number_or_zero(const struct fields *fields, uint32_t field)
{
    return bit_get(fields->present, field) ? fields_number(fields, field) : 0;
}

bool profile_append_derived(struct text *out, const struct fields *fields, const struct registry_derived *d)
{
    bool per_day = d->kind == CHURN_DERIVE_PER_DAY;
    int128 denominator;
    char buffer[DECIMAL_SIZE];
    if (per_day && !bit_get(fields->present, d->numerator)) {
        return false;
    }
    denominator =
        per_day
            ? 1 + (fields_number(fields, FIELD_LAST_EVENT_AT) - fields_number(fields, FIELD_FIRST_EVENT_AT)) / DAY_MS
            : number_or_zero(fields, d->denominator);
    if (denominator <= 0) {
        return false;
    }
    text_append(out, buffer,
                decimal_format_ratio(number_or_zero(fields, d->numerator), denominator, d->scale, d->decimals, buffer));
    return true;
}

static void render_derived(const struct profile *profile, const struct registry *registry, struct profile_text *out)
{
    const struct fields *fields = &profile->fields;
    bool days_changed = bit_get(fields->changed, FIELD_FIRST_EVENT_AT) || bit_get(fields->changed, FIELD_LAST_EVENT_AT);
    for (uint32_t i = 0; i < registry->derived_count; i++) {
        const struct registry_derived *d = &registry->derived[i];
        bool per_day = d->kind == CHURN_DERIVE_PER_DAY, changed = bit_get(fields->changed, d->numerator);
        size_t start = out->bytes.len;
        changed = changed || (per_day ? days_changed : bit_get(fields->changed, d->denominator));
        if (changed && profile_append_derived(&out->bytes, fields, d)) {
            add_pair(out, d->name, start);
        }
    }
}

static void render_marks(const struct profile *profile, const struct parts *parts, struct profile_text *out)
{
    char buffer[DECIMAL_SIZE];
    for (uint32_t i = 0; i < profile->mark_count; i++) {
        const struct mark *mark = &profile->marks[i];
        if (mark->changed) {
            size_t start = out->bytes.len;
            text_append(&out->bytes, buffer, decimal_format_int128(mark->next, buffer));
            add_pair(out, parts->items[mark->part].mark_name, start);
        }
    }
}

static void render_late(const struct profile *profile, const struct parts *parts, struct profile_text *out)
{
    for (uint32_t k = 0; k < profile->late_count; k++) {
        const struct late *late = &profile->late[k];
        size_t start = out->bytes.len;
        if (!late->changed) {
            continue;
        }
        for (uint32_t i = 0; i < late->count; i++) {
            const struct late_range *range = &late->ranges[i];
            text_printf(&out->bytes, "%s%" PRId64, i > 0 ? "," : "", range->first);
            if (range->last > range->first) {
                text_printf(&out->bytes, "-%" PRId64, range->last);
            }
        }
        add_pair(out, parts->items[late->part].late_name, start);
    }
}

void profile_render(const struct profile *profile, const struct registry *registry, const struct parts *parts,
                    churn_str customer, struct profile_text *out)
{
    const char *at;
    out->count = 0;
    out->bytes.len = 0;
    render_fields(profile, registry, parts, customer, out);
    render_derived(profile, registry, out);
    render_marks(profile, parts, out);
    render_late(profile, parts, out);
    out->failed = out->failed || out->bytes.failed;
    at = out->bytes.bytes;
    for (uint32_t i = 0; i < out->count; i++) {
        out->pairs[i].value.ptr = at;
        at += out->pairs[i].value.len;
    }
}

int profile_by_name(const void *a, const void *b)
{
    const churn_str *x = &((const churn_pair *)a)->name, *y = &((const churn_pair *)b)->name;
    int order = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

void profile_text_free(struct profile_text *text)
{
    free(text->pairs);
    text_free(&text->bytes);
    *text = (struct profile_text){0};
}

static bool is_number_field(const struct registry *registry, churn_str name)
{
    int32_t index = name_index_find(&registry->names, name.ptr, name.len);
    if (index >= 0) {
        return registry->fields[index].type == CHURN_PROFILE_INT || registry->fields[index].type == CHURN_PROFILE_MONEY;
    }
    for (uint32_t i = 0; i < registry->derived_count; i++) {
        if (churn_equal(registry->derived[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void append_member(struct text *out, const struct registry *registry, churn_str name, churn_str value,
                          bool first)
{
    if (!first) {
        text_append(out, ",", 1);
    }
    text_append_json(out, name.ptr, name.len);
    text_append(out, ":", 1);
    if (is_number_field(registry, name) && decimal_is_number(value.ptr, value.len)) {
        text_append(out, value.ptr, value.len);
    } else {
        text_append_json(out, value.ptr, value.len);
    }
}

void profile_append_json(struct text *out, const struct registry *registry, const churn_pair *pairs, uint32_t count)
{
    bool first = true;
    text_append(out, "{", 1);
    for (uint32_t i = 0; i < registry->field_count + registry->derived_count; i++) {
        churn_str name =
            i < registry->field_count ? registry->fields[i].name : registry->derived[i - registry->field_count].name;
        const churn_str *value = profile_find_pair(pairs, count, name);
        if (value != NULL) {
            append_member(out, registry, name, *value, first);
            first = false;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        churn_str name = pairs[i].name;
        bool known = name_index_find(&registry->names, name.ptr, name.len) >= 0 || is_number_field(registry, name);
        if (!known && (name.len == 0 || name.ptr[0] != '_')) {
            append_member(out, registry, name, pairs[i].value, first);
            first = false;
        }
    }
    text_append(out, "}", 1);
}
