#include "profile.h"

#include <churn/time.h>
#include <inttypes.h>
#include <stdlib.h>

#define DAY_MS 86400000

struct profile *profile_new(const struct registry *registry)
{
    struct profile *profile = malloc(sizeof(struct profile) + registry->field_count * sizeof(union field_value));
    if (profile != NULL) {
        profile->version = 0;
        profile->marks = &profile->first;
        profile->late = NULL;
        profile->mark_count = 0;
        fields_clear(&profile->fields);
    }
    return profile;
}

void profile_free(struct profile *profile, const struct registry *registry)
{
    if (profile != NULL) {
        fields_free_owned(&profile->fields, registry);
        if (profile->marks != &profile->first) {
            free(profile->marks);
        }
        for (struct late *late = profile->late, *next; late != NULL; late = next) {
            next = late->next;
            free(late->ranges);
            free(late);
        }
        free(profile);
    }
}

size_t profile_bytes(const struct profile *profile, const struct registry *registry)
{
    size_t bytes = sizeof(struct profile) + registry->field_count * sizeof(union field_value) +
                   (profile->mark_count > 1 ? profile->mark_count * sizeof(struct mark) : 0) +
                   sizeof(struct text_value) + 64;
    for (const struct wide_number *wide = profile->fields.wide; wide != NULL; wide = wide->next) {
        bytes += sizeof *wide + 16;
    }
    for (const struct late *late = profile->late; late != NULL; late = late->next) {
        bytes += sizeof *late + late->room * sizeof *late->ranges + 32;
    }
    return bytes;
}

int64_t profile_mark(const struct profile *profile, uint32_t source)
{
    for (uint32_t i = 0; i < profile->mark_count; i++) {
        if (profile->marks[i].source == source) {
            return profile->marks[i].next;
        }
    }
    return 0;
}

static bool add_mark(struct profile *profile, uint32_t source, int64_t next, bool changed)
{
    if (profile->mark_count > 0) {
        bool inside = profile->marks == &profile->first;
        struct mark *marks = realloc(inside ? NULL : profile->marks, (profile->mark_count + 1) * sizeof *marks);
        if (marks == NULL) {
            return false;
        }
        if (inside) {
            marks[0] = profile->first;
        }
        profile->marks = marks;
    }
    profile->marks[profile->mark_count++] = (struct mark){.source = source, .next = next, .changed = changed};
    return true;
}

bool profile_set_mark(struct profile *profile, uint32_t source, int64_t next)
{
    for (uint32_t i = 0; i < profile->mark_count; i++) {
        struct mark *mark = &profile->marks[i];
        if (mark->source == source) {
            if (next > mark->next) {
                mark->next = next;
                mark->changed = true;
            }
            return true;
        }
    }
    return add_mark(profile, source, next, true);
}

static struct late *find_late(const struct profile *profile, uint32_t source)
{
    struct late *late = profile->late;
    while (late != NULL && late->source != source) {
        late = late->next;
    }
    return late;
}

/* The first range that ends at `offset` or behind it; `count` when there is none. */
static uint32_t find_range(const struct late *late, int64_t offset)
{
    uint32_t low = 0, high = late->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (late->ranges[middle].last < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool profile_is_late(const struct profile *profile, uint32_t source, int64_t offset)
{
    const struct late *late = profile->late != NULL ? find_late(profile, source) : NULL;
    uint32_t at = late != NULL ? find_range(late, offset) : 0;
    return late != NULL && at < late->count && late->ranges[at].first <= offset;
}

bool profile_has_late_from(const struct profile *profile, uint32_t source, int64_t offset)
{
    const struct late *late = profile->late != NULL ? find_late(profile, source) : NULL;
    return late != NULL && find_range(late, offset) < late->count;
}

static struct late *late_of(struct profile *profile, uint32_t source)
{
    struct late *late = find_late(profile, source);
    if (late == NULL) {
        late = calloc(1, sizeof *late);
        if (late != NULL) {
            late->source = source;
            late->next = profile->late;
            profile->late = late;
        }
    }
    return late;
}

static bool insert_range(struct late *late, uint32_t at, struct late_range range)
{
    if (late->count == late->room) {
        uint32_t room = late->room != 0 ? late->room * 2 : 4;
        struct late_range *ranges = realloc(late->ranges, room * sizeof *ranges);
        if (ranges == NULL) {
            return false;
        }
        late->ranges = ranges;
        late->room = room;
    }
    memmove(late->ranges + at + 1, late->ranges + at, (late->count - at) * sizeof *late->ranges);
    late->ranges[at] = range;
    late->count++;
    return true;
}

bool profile_add_late(struct profile *profile, uint32_t source, int64_t offset)
{
    struct late *late = late_of(profile, source);
    uint32_t at = late != NULL ? find_range(late, offset) : 0;
    bool follows, precedes;
    if (late == NULL) {
        return false;
    }
    if (at < late->count && late->ranges[at].first <= offset) {
        return true;
    }
    follows = at > 0 && late->ranges[at - 1].last == offset - 1;
    precedes = at < late->count && late->ranges[at].first - 1 == offset;
    if (follows && precedes) {
        late->ranges[at - 1].last = late->ranges[at].last;
        late->count--;
        memmove(late->ranges + at, late->ranges + at + 1, (late->count - at) * sizeof *late->ranges);
    } else if (follows) {
        late->ranges[at - 1].last = offset;
    } else if (precedes) {
        late->ranges[at].first = offset;
    } else if (!insert_range(late, at, (struct late_range){.first = offset, .last = offset})) {
        return false;
    }
    late->changed = true;
    return true;
}

/* "<topic>/<partition>" */
static bool read_source(struct sources *sources, churn_str text, uint32_t *ret_source)
{
    const char *slash = memrchr(text.ptr, '/', text.len);
    int64_t partition;
    if (slash == NULL || !decimal_parse_int64(slash + 1, text.len - (size_t)(slash + 1 - text.ptr), &partition) ||
        partition < 0 || partition > INT32_MAX) {
        return false;
    }
    *ret_source = sources_find_part(sources, (churn_str){.ptr = text.ptr, .len = (uint32_t)(slash - text.ptr)},
                                    (int32_t)partition);
    return *ret_source != SOURCE_NONE;
}

static bool read_mark(struct profile *profile, struct sources *sources, churn_str name, churn_str value)
{
    int64_t next;
    uint32_t source;
    return decimal_parse_int64(value.ptr, value.len, &next) && next > 0 && read_source(sources, name, &source) &&
           add_mark(profile, source, next, false);
}

/* "5" or "12-15" */
static bool read_range(const char *text, size_t len, struct late_range *ret)
{
    const char *dash = memchr(text, '-', len);
    size_t first_len = dash != NULL ? (size_t)(dash - text) : len;
    if (!decimal_parse_int64(text, first_len, &ret->first)) {
        return false;
    }
    ret->last = ret->first;
    return ret->first >= 0 &&
           (dash == NULL || (decimal_parse_int64(dash + 1, len - first_len - 1, &ret->last) && ret->last > ret->first));
}

/* "5,9,12-15" */
static bool read_late(struct profile *profile, struct sources *sources, churn_str name, churn_str value)
{
    const char *at = value.ptr, *end = value.ptr + value.len;
    uint32_t source;
    struct late *late = read_source(sources, name, &source) ? late_of(profile, source) : NULL;
    if (late == NULL || late->count > 0 || value.len == 0) {
        return false;
    }
    for (;;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        struct late_range range;
        if (!read_range(at, (size_t)((comma != NULL ? comma : end) - at), &range) ||
            (late->count > 0 && range.first - 1 <= late->ranges[late->count - 1].last) ||
            !insert_range(late, late->count, range)) {
            return false;
        }
        if (comma == NULL) {
            return true;
        }
        at = comma + 1;
    }
}

/* "<ms> <offset> <topic>/<partition>" */
static bool read_origin(struct sources *sources, churn_str tag, struct event_origin *origin)
{
    const char *end = tag.ptr + tag.len, *space = memchr(tag.ptr, ' ', tag.len), *second;
    if (space == NULL) {
        return false;
    }
    second = memchr(space + 1, ' ', (size_t)(end - space - 1));
    return second != NULL && decimal_parse_int64(tag.ptr, (size_t)(space - tag.ptr), &origin->time_ms) &&
           decimal_parse_int64(space + 1, (size_t)(second - space - 1), &origin->offset) &&
           read_source(sources, (churn_str){.ptr = second + 1, .len = (uint32_t)(end - second - 1)}, &origin->source);
}

static const churn_str *find_pair(const churn_pair *pairs, uint32_t count, churn_str name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (pairs[i].name.len == name.len && memcmp(pairs[i].name.ptr, name.ptr, name.len) == 0) {
            return &pairs[i].value;
        }
    }
    return NULL;
}

static bool read_state(const struct registry_field *field, churn_str value, int128 *ret)
{
    for (uint32_t i = 0; i < field->state_count; i++) {
        if (strlen(field->states[i]) == value.len && memcmp(field->states[i], value.ptr, value.len) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool read_number(const struct registry_field *field, churn_str value, int128 *ret)
{
    int64_t ms;
    switch (field->type) {
    case CHURN_PROFILE_INT:
        return decimal_parse_int128(value.ptr, value.len, ret);
    case CHURN_PROFILE_MONEY:
        return decimal_parse_units(value.ptr, value.len, ret);
    case CHURN_PROFILE_TIME:
        if (!churn_time_parse(value.ptr, value.len, &ms)) {
            return false;
        }
        *ret = ms;
        return true;
    default:
        return read_state(field, value, ret);
    }
}

static bool read_field(struct profile *profile, const struct registry *registry, uint32_t index,
                       struct sources *sources, const churn_pair *pairs, uint32_t count, churn_str value)
{
    const struct registry_field *field = &registry->fields[index];
    int128 number;
    if (field->merge == CHURN_MERGE_LATEST) {
        const churn_str *tag = find_pair(pairs, count, field->tag);
        struct event_origin origin = {.time_ms =
                                          INT64_MIN}; /* a text that somebody else wrote gives way to any event */
        return (tag == NULL ? sources_find_part(sources, (churn_str){.ptr = "", .len = 0}, 0) != SOURCE_NONE
                            : read_origin(sources, *tag, &origin)) &&
               fields_merge_text(&profile->fields, index, value, &origin, sources, NULL);
    }
    if (!read_number(field, value, &number)) {
        return false;
    }
    return fields_merge_number(&profile->fields, index, field->merge, number, NULL);
}

bool profile_read(struct profile *profile, const struct registry *registry, struct sources *sources,
                  const churn_pair *pairs, uint32_t count, char *message, size_t size)
{
    for (uint32_t i = 0; i < count; i++) {
        churn_str name = pairs[i].name, value = pairs[i].value;
        bool ok = true;
        if (name.len > 3 && memcmp(name.ptr, "_m:", 3) == 0) {
            ok = read_mark(profile, sources, (churn_str){.ptr = name.ptr + 3, .len = name.len - 3}, value);
        } else if (name.len > 3 && memcmp(name.ptr, "_r:", 3) == 0) {
            ok = read_late(profile, sources, (churn_str){.ptr = name.ptr + 3, .len = name.len - 3}, value);
        } else {
            int32_t index = name_index_find(&registry->names, name.ptr, name.len);
            ok = index < 0 || read_field(profile, registry, (uint32_t)index, sources, pairs, count, value);
        }
        if (!ok) {
            (void)snprintf(message, size, "field '%.*s' holds '%.*s', which this program did not write", (int)name.len,
                           name.ptr, value.len > 64 ? 64 : (int)value.len, value.ptr);
            return false;
        }
    }
    memset(profile->fields.changed, 0, sizeof profile->fields.changed);
    return true;
}

bool profile_merge(struct profile *profile, const struct fields *delta, const struct registry *registry,
                   const struct sources *sources)
{
    for (uint32_t word = 0; word < REGISTRY_WORDS; word++) {
        for (uint64_t bits = registry->states[word] & ~profile->fields.present[word]; bits != 0; bits &= bits - 1) {
            uint32_t field = word * 64 + (uint32_t)__builtin_ctzll(bits);
            (void)fields_merge_number(&profile->fields, field, CHURN_MERGE_MAX, 0, NULL); /* 0 needs no memory */
        }
    }
    return fields_merge_all(&profile->fields, delta, registry, sources, NULL);
}

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

static void render_text(const struct registry_field *field, const struct text_value *text,
                        const struct sources *sources, struct profile_text *out)
{
    churn_str name = sources_name(&sources->items[text->source]);
    char buffer[DECIMAL_SIZE];
    size_t start = out->bytes.len;
    text_append(&out->bytes, text->bytes, text->len);
    add_pair(out, field->name, start);
    start = out->bytes.len;
    text_append(&out->bytes, buffer, decimal_format_int128(text->time_ms, buffer));
    text_append(&out->bytes, " ", 1);
    text_append(&out->bytes, buffer, decimal_format_int128(text->offset, buffer));
    text_append(&out->bytes, " ", 1);
    text_append(&out->bytes, name.ptr, name.len);
    add_pair(out, field->tag, start);
}

static void render_fields(const struct profile *profile, const struct registry *registry, const struct sources *sources,
                          struct profile_text *out)
{
    for (uint32_t word = 0; word < REGISTRY_WORDS; word++) {
        for (uint64_t bits = profile->fields.changed[word]; bits != 0; bits &= bits - 1) {
            uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(bits);
            const struct registry_field *field = &registry->fields[index];
            size_t start = out->bytes.len;
            if (field->merge == CHURN_MERGE_LATEST) {
                render_text(field, profile->fields.values[index].text, sources, out);
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

static void render_derived(const struct profile *profile, const struct registry *registry, struct profile_text *out)
{
    const struct fields *fields = &profile->fields;
    bool days_changed = bit_get(fields->changed, FIELD_FIRST_EVENT_AT) || bit_get(fields->changed, FIELD_LAST_EVENT_AT);
    for (uint32_t i = 0; i < registry->derived_count; i++) {
        const struct registry_derived *d = &registry->derived[i];
        bool per_day = d->kind == CHURN_DERIVE_PER_DAY, changed = bit_get(fields->changed, d->numerator);
        int128 denominator;
        char buffer[DECIMAL_SIZE];
        size_t start = out->bytes.len;
        changed = changed || (per_day ? days_changed : bit_get(fields->changed, d->denominator));
        if (!changed || (per_day && !bit_get(fields->present, d->numerator))) {
            continue;
        }
        denominator =
            per_day ? 1 + (fields_number(fields, FIELD_LAST_EVENT_AT) - fields_number(fields, FIELD_FIRST_EVENT_AT)) /
                              DAY_MS
                    : number_or_zero(fields, d->denominator);
        if (denominator <= 0) {
            continue;
        }
        text_append(
            &out->bytes, buffer,
            decimal_format_ratio(number_or_zero(fields, d->numerator), denominator, d->scale, d->decimals, buffer));
        add_pair(out, d->name, start);
    }
}

static void render_marks(const struct profile *profile, const struct sources *sources, struct profile_text *out)
{
    char buffer[DECIMAL_SIZE];
    for (uint32_t i = 0; i < profile->mark_count; i++) {
        const struct mark *mark = &profile->marks[i];
        if (mark->changed) {
            size_t start = out->bytes.len;
            text_append(&out->bytes, buffer, decimal_format_int128(mark->next, buffer));
            add_pair(out, sources->items[mark->source].mark_name, start);
        }
    }
}

static void render_late(const struct profile *profile, const struct sources *sources, struct profile_text *out)
{
    for (const struct late *late = profile->late; late != NULL; late = late->next) {
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
        add_pair(out, sources->items[late->source].late_name, start);
    }
}

void profile_render(const struct profile *profile, const struct registry *registry, const struct sources *sources,
                    struct profile_text *out)
{
    const char *at;
    out->count = 0;
    out->bytes.len = 0;
    render_fields(profile, registry, sources, out);
    render_derived(profile, registry, out);
    render_marks(profile, sources, out);
    render_late(profile, sources, out);
    out->failed = out->failed || out->bytes.failed;
    at = out->bytes.bytes;
    for (uint32_t i = 0; i < out->count; i++) {
        out->pairs[i].value.ptr = at;
        at += out->pairs[i].value.len;
    }
}

void profile_saved(struct profile *profile)
{
    profile->version++;
    memset(profile->fields.changed, 0, sizeof profile->fields.changed);
    for (uint32_t i = 0; i < profile->mark_count; i++) {
        profile->marks[i].changed = false;
    }
    for (struct late *late = profile->late; late != NULL; late = late->next) {
        late->changed = false;
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
        if (registry->derived[i].name.len == name.len &&
            memcmp(registry->derived[i].name.ptr, name.ptr, name.len) == 0) {
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
        const churn_str *value = find_pair(pairs, count, name);
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
