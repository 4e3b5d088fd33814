#include "profile/profile.h"

#include "event/protect.h"
#include <churn/time.h>
#include <inttypes.h>
#include <stdlib.h>

struct profile *profile_new(const struct registry *registry)
{
    struct profile *profile = malloc(sizeof(struct profile) + registry->field_count * sizeof(union field_value));
    if (profile != NULL) {
        profile->version = 0;
        profile->marks = &profile->first;
        profile->late = NULL;
        profile->mark_count = profile->late_count = profile->late_room = 0;
        profile->mark_room = 1;
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
        for (uint32_t i = 0; i < profile->late_count; i++) {
            free(profile->late[i].ranges);
        }
        free(profile->late);
        free(profile);
    }
}

size_t profile_bytes(const struct profile *profile, const struct registry *registry)
{
    size_t bytes = sizeof(struct profile) + registry->field_count * sizeof(union field_value) +
                   (profile->mark_room > 1 ? profile->mark_room * sizeof(struct mark) : 0) + sizeof(struct text_value) +
                   64;
    for (const struct wide_number *wide = profile->fields.wide; wide != NULL; wide = wide->next) {
        bytes += sizeof *wide + 16;
    }
    for (uint32_t i = 0; i < profile->late_count; i++) {
        bytes += sizeof *profile->late + profile->late[i].room * sizeof(struct late_range) + 32;
    }
    return bytes;
}

/* ---- marks ---- */

/* Where the mark of a source is, or belongs. */
static uint32_t place_of_mark(const struct profile *profile, uint32_t part)
{
    uint32_t low = 0, high = profile->mark_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (profile->marks[middle].part < part) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct mark *find_mark(const struct profile *profile, uint32_t part)
{
    uint32_t at = profile->mark_count > 1 ? place_of_mark(profile, part) : 0; /* most have one */
    return at < profile->mark_count && profile->marks[at].part == part ? &profile->marks[at] : NULL;
}

int64_t profile_mark(const struct profile *profile, uint32_t part)
{
    const struct mark *mark = find_mark(profile, part);
    return mark != NULL ? mark->next : 0;
}

static bool insert_mark(struct profile *profile, uint32_t at, struct mark mark)
{
    if (profile->mark_count == profile->mark_room) {
        bool inside = profile->marks == &profile->first;
        uint32_t room = profile->mark_room * 2;
        struct mark *marks = realloc(inside ? NULL : profile->marks, room * sizeof *marks);
        if (marks == NULL) {
            return false;
        }
        if (inside) {
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): there is always room for one */
            marks[0] = profile->first;
        }
        profile->marks = marks;
        profile->mark_room = room;
    }
    memmove(profile->marks + at + 1, profile->marks + at, (profile->mark_count - at) * sizeof mark);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the same */
    profile->marks[at] = mark;
    profile->mark_count++;
    return true;
}

bool profile_set_mark(struct profile *profile, uint32_t part, int64_t next)
{
    struct mark *mark = find_mark(profile, part);
    if (mark == NULL) {
        return insert_mark(profile, place_of_mark(profile, part),
                           (struct mark){.part = part, .next = next, .changed = true});
    }
    if (next > mark->next) {
        mark->next = next;
        mark->changed = true;
    }
    return true;
}

/* ---- late offsets ---- */

/* Where those of a source are, or belong. */
static uint32_t place_of_late(const struct profile *profile, uint32_t part)
{
    uint32_t low = 0, high = profile->late_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (profile->late[middle].part < part) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct late *find_late(const struct profile *profile, uint32_t part)
{
    uint32_t at = place_of_late(profile, part);
    return at < profile->late_count && profile->late[at].part == part ? &profile->late[at] : NULL;
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

bool profile_is_late(const struct profile *profile, uint32_t part, int64_t offset)
{
    const struct late *late = find_late(profile, part);
    uint32_t at = late != NULL ? find_range(late, offset) : 0;
    return late != NULL && at < late->count && late->ranges[at].first <= offset;
}

bool profile_has_late_from(const struct profile *profile, uint32_t part, int64_t offset)
{
    const struct late *late = find_late(profile, part);
    return late != NULL && find_range(late, offset) < late->count;
}

/* None yet of this source; NULL when memory ran out. */
static struct late *insert_late(struct profile *profile, uint32_t at, uint32_t part)
{
    if (profile->late_count == profile->late_room) {
        uint32_t room = profile->late_room != 0 ? profile->late_room * 2 : 1;
        struct late *grown = realloc(profile->late, room * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        profile->late = grown;
        profile->late_room = room;
    }
    memmove(profile->late + at + 1, profile->late + at, (profile->late_count - at) * sizeof *profile->late);
    profile->late[at] = (struct late){.part = part};
    profile->late_count++;
    return &profile->late[at];
}

static struct late *late_of(struct profile *profile, uint32_t part)
{
    struct late *late = find_late(profile, part);
    return late != NULL ? late : insert_late(profile, place_of_late(profile, part), part);
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

bool profile_add_late(struct profile *profile, uint32_t part, int64_t offset)
{
    struct late *late = late_of(profile, part);
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

/* ---- reading what is stored ---- */

/* Each part answers CHURN_OK, CHURN_REJECT (the field holds what this program did not write) or CHURN_FATAL (memory ran
 * out). */
struct reader {
    struct profile *profile;
    const struct registry *registry;
    struct parts *parts;
    churn_str customer;
    const churn_pair *pairs;
    uint32_t count;
    char *message; /* of `size` bytes: why a field is refused, where its part says so */
    size_t size;
};

static int32_t good(bool is)
{
    return is ? CHURN_OK : CHURN_REJECT;
}

static int32_t memory(bool is_there)
{
    return is_there ? CHURN_OK : CHURN_FATAL;
}

/* "<topic>/<partition>" */
static int32_t read_part(const struct reader *reader, churn_str text, uint32_t *ret_source)
{
    const char *slash = memrchr(text.ptr, '/', text.len);
    int64_t partition;
    if (slash == NULL || memchr(text.ptr, '\0', text.len) != NULL || /* a topic is a text that a NUL would end */
        !decimal_parse_int64(slash + 1, text.len - (size_t)(slash + 1 - text.ptr), &partition) || partition < 0 ||
        partition > INT32_MAX) {
        return CHURN_REJECT;
    }
    *ret_source = parts_find_text(reader->parts, (churn_str){.ptr = text.ptr, .len = (uint32_t)(slash - text.ptr)},
                                  (int32_t)partition);
    return memory(*ret_source != PART_NONE);
}

/* Marks and late offsets are sorted once all are read. */
static int32_t read_mark(const struct reader *reader, churn_str name, churn_str value)
{
    struct mark mark = {0};
    int32_t result = good(decimal_parse_int64(value.ptr, value.len, &mark.next) && mark.next > 0);
    result = result == CHURN_OK ? read_part(reader, name, &mark.part) : result;
    return result == CHURN_OK ? memory(insert_mark(reader->profile, reader->profile->mark_count, mark)) : result;
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
static int32_t read_ranges(struct late *late, churn_str value)
{
    const char *at = value.ptr, *end = value.ptr + value.len;
    for (;;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        struct late_range range;
        if (!read_range(at, (size_t)((comma != NULL ? comma : end) - at), &range) ||
            (late->count > 0 && range.first - 1 <= late->ranges[late->count - 1].last)) {
            return CHURN_REJECT;
        }
        if (!insert_range(late, late->count, range)) {
            return CHURN_FATAL;
        }
        if (comma == NULL) {
            return CHURN_OK;
        }
        at = comma + 1;
    }
}

static int32_t read_late(const struct reader *reader, churn_str name, churn_str value)
{
    uint32_t part;
    struct late *late;
    int32_t result = value.len > 0 ? read_part(reader, name, &part) : CHURN_REJECT;
    if (result != CHURN_OK) {
        return result;
    }
    late = insert_late(reader->profile, reader->profile->late_count, part);
    return late != NULL ? read_ranges(late, value) : CHURN_FATAL;
}

static int by_mark(const void *a, const void *b)
{
    uint32_t x = ((const struct mark *)a)->part, y = ((const struct mark *)b)->part;
    return (x > y) - (x < y);
}

static int by_late(const void *a, const void *b)
{
    uint32_t x = ((const struct late *)a)->part, y = ((const struct late *)b)->part;
    return (x > y) - (x < y);
}

/* False when two are of one source, which the names of their fields can tell in two ways. */
static bool sort_positions(struct profile *profile)
{
    bool unique = true;
    qsort(profile->marks, profile->mark_count, sizeof *profile->marks, by_mark);
    for (uint32_t i = 1; i < profile->mark_count; i++) {
        unique = unique && profile->marks[i - 1].part != profile->marks[i].part;
    }
    if (profile->late_count > 0) {
        qsort(profile->late, profile->late_count, sizeof *profile->late, by_late);
    }
    for (uint32_t i = 1; i < profile->late_count; i++) {
        unique = unique && profile->late[i - 1].part != profile->late[i].part;
    }
    return unique;
}

/* "<ms> <offset> <topic>/<partition>" */
static int32_t read_origin(const struct reader *reader, churn_str tag, struct event_origin *origin)
{
    const char *end = tag.ptr + tag.len, *space = memchr(tag.ptr, ' ', tag.len), *second;
    if (space == NULL) {
        return CHURN_REJECT;
    }
    second = memchr(space + 1, ' ', (size_t)(end - space - 1));
    if (second == NULL || !decimal_parse_int64(tag.ptr, (size_t)(space - tag.ptr), &origin->time_ms) ||
        !decimal_parse_int64(space + 1, (size_t)(second - space - 1), &origin->offset)) {
        return CHURN_REJECT;
    }
    return read_part(reader, (churn_str){.ptr = second + 1, .len = (uint32_t)(end - second - 1)}, &origin->part);
}

const churn_str *profile_find_pair(const churn_pair *pairs, uint32_t count, churn_str name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (churn_equal(pairs[i].name, name)) {
            return &pairs[i].value;
        }
    }
    return NULL;
}

static bool read_state(const struct registry_field *field, churn_str value, int128 *ret)
{
    for (uint32_t i = 0; i < field->state_count; i++) {
        if (churn_equal(value, churn_text(field->states[i]))) {
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

/* A text that somebody else wrote, without `tag`, gives way to any event. */
static int32_t read_clear_text(const struct reader *reader, uint32_t index, const churn_str *tag, churn_str value)
{
    struct event_origin origin = {.time_ms = INT64_MIN};
    int32_t result;
    if (tag != NULL) {
        result = read_origin(reader, *tag, &origin);
    } else {
        origin.part = parts_find_text(reader->parts, (churn_str){.ptr = "", .len = 0}, 0);
        result = memory(origin.part != PART_NONE);
    }
    return result == CHURN_OK
               ? memory(fields_merge_text(&reader->profile->fields, index, value, &origin, reader->parts, NULL))
               : result;
}

/* A text that is encrypted in the store. CHURN_REJECT with the reader's message. */
static int32_t open_text(const struct reader *reader, const struct registry_field *field, churn_str tag,
                         churn_str sealed, struct text *clear)
{
    const struct protect *protect = reader->registry->protect;
    struct seal_place place = protect_profile_place(field, reader->customer, tag);
    churn_str id = {.ptr = ""};
    (void)seal_is(sealed, &id);
    switch (seal_open(clear, protect != NULL ? &protect->ring : NULL, &place, sealed)) {
    case SEAL_OPENED:
        return CHURN_OK;
    case SEAL_NO_MEMORY:
        return CHURN_FATAL;
    case SEAL_KEY_UNKNOWN:
        (void)snprintf(reader->message, reader->size,
                       "field '%.*s' is encrypted with the key '%.*s', which is not among protect: keys:",
                       (int)field->name.len, field->name.ptr, (int)id.len, id.ptr);
        return CHURN_REJECT;
    default:
        (void)snprintf(reader->message, reader->size,
                       "field '%.*s' is encrypted and cannot be opened: it was changed, or belongs elsewhere",
                       (int)field->name.len, field->name.ptr);
        return CHURN_REJECT;
    }
}

static int32_t read_text(const struct reader *reader, const struct registry_field *field, uint32_t index,
                         churn_str value)
{
    const churn_str *stored = profile_find_pair(reader->pairs, reader->count, field->tag);
    churn_str tag = stored != NULL ? *stored : (churn_str){.ptr = ""};
    struct text clear = {0};
    int32_t result;
    if (!protect_cut_mark(&tag)) {
        return read_clear_text(reader, index, stored, value); /* whatever it looks like */
    }
    result = open_text(reader, field, tag, value, &clear);
    if (result == CHURN_OK) {
        value = (churn_str){.ptr = clear.len > 0 ? clear.bytes : "", .len = (uint32_t)clear.len};
        result = read_clear_text(reader, index, &tag, value);
    }
    text_free(&clear);
    return result;
}

static int32_t read_field(const struct reader *reader, uint32_t index, churn_str value)
{
    const struct registry_field *field = &reader->registry->fields[index];
    int128 number;
    if (field->merge == CHURN_MERGE_LATEST) {
        return read_text(reader, field, index, value);
    }
    if (!read_number(field, value, &number)) {
        return CHURN_REJECT;
    }
    return memory(fields_merge_number(&reader->profile->fields, index, field->merge, number, NULL));
}

static int32_t read_pair(const struct reader *reader, const churn_pair *pair)
{
    churn_str rest;
    int32_t index;
    if (part_is_field(pair->name, MARK_PREFIX, &rest)) {
        return read_mark(reader, rest, pair->value);
    }
    if (part_is_field(pair->name, LATE_PREFIX, &rest)) {
        return read_late(reader, rest, pair->value);
    }
    index = name_index_find(&reader->registry->names, pair->name.ptr, pair->name.len);
    return index < 0 ? CHURN_OK : read_field(reader, (uint32_t)index, pair->value);
}

int32_t profile_read(struct profile *profile, const struct registry *registry, struct parts *parts, churn_str customer,
                     const churn_pair *pairs, uint32_t count, char *message, size_t size)
{
    char why[256];
    const struct reader reader = {.profile = profile,
                                  .registry = registry,
                                  .parts = parts,
                                  .customer = customer,
                                  .pairs = pairs,
                                  .count = count,
                                  .message = why,
                                  .size = sizeof why};
    int32_t result = CHURN_OK;
    for (uint32_t i = 0; i < count; i++) {
        int32_t one;
        *why = '\0';
        one = read_pair(&reader, &pairs[i]);
        if (one == CHURN_FATAL) {
            return CHURN_FATAL;
        }
        if (one != CHURN_OK && result == CHURN_OK) {
            churn_str name = pairs[i].name;
            if (*why != '\0') {
                (void)snprintf(message, size, "%s", why);
            } else {
                (void)snprintf(message, size, "field '%.*s' holds what this program did not write",
                               name.len < 128 ? (int)name.len : 128, name.ptr);
            }
            result = CHURN_REJECT;
        }
    }
    if (!sort_positions(profile) && result == CHURN_OK) {
        (void)snprintf(message, size, "two fields _m: or _r: are of one partition");
        result = CHURN_REJECT;
    }
    memset(profile->fields.changed, 0, sizeof profile->fields.changed);
    return result;
}

/* ---- merging ---- */

int32_t profile_overflow(const struct profile *profile)
{
    const struct wide_number *wide = profile->fields.wide;
    while (wide != NULL && (decimal_fits(wide->number) || profile->fields.values[wide->field].number != FIELD_WIDE)) {
        wide = wide->next;
    }
    return wide != NULL ? (int32_t)wide->field : -1;
}

bool profile_merge(struct profile *profile, const struct fields *delta, const struct registry *registry,
                   const struct parts *parts)
{
    for (uint32_t word = 0; word < REGISTRY_WORDS; word++) {
        for (uint64_t bits = registry->states[word] & ~profile->fields.present[word]; bits != 0; bits &= bits - 1) {
            uint32_t field = word * 64 + (uint32_t)__builtin_ctzll(bits);
            (void)fields_merge_number(&profile->fields, field, CHURN_MERGE_MAX, 0, NULL); /* 0 needs no memory */
        }
    }
    return fields_merge_all(&profile->fields, delta, registry, parts, NULL);
}

void profile_saved(struct profile *profile)
{
    profile->version++;
    memset(profile->fields.changed, 0, sizeof profile->fields.changed);
    for (uint32_t i = 0; i < profile->mark_count; i++) {
        profile->marks[i].changed = false;
    }
    for (uint32_t i = 0; i < profile->late_count; i++) {
        profile->late[i].changed = false;
    }
}
