/* What the counted events make, beside what the store has. */
#include "cli/explain_compare.h"

#include "base/decimal.h"
#include "cli/explain_change.h"
#include "profile/profile_render.h"
#include <inttypes.h>

const char *explain_compare_gap(const struct explain *e, uint32_t part, char *buffer, size_t size)
{
    const struct explain_part *p = &e->parts[part];
    const struct part *name = &e->worker->parts.items[part];
    int64_t mark = e->stored.profile != NULL ? profile_mark(e->stored.profile, part) : 0;
    if (mark > 0 && !p->assigned) {
        (void)snprintf(buffer, size, "%s/%d: the profile has counted events of it, and the source does not read it now",
                       name->topic, name->partition);
    } else if (mark > 0 && p->bounded && p->low > 0) {
        (void)snprintf(buffer, size,
                       "%s/%d begins at offset %" PRId64 " now: what was counted before it is no longer there",
                       name->topic, name->partition, p->low);
    } else if (p->bounded && mark > p->end) {
        (void)snprintf(buffer, size,
                       "%s/%d ends at offset %" PRId64 ", and the profile has counted up to %" PRId64
                       ": it is not what was counted",
                       name->topic, name->partition, p->end, mark);
    } else {
        return NULL;
    }
    return buffer;
}

/* Whether records that were counted are gone from the begin of a partition, or a partition is another one. */
static void look_for_gaps(const struct explain *e, struct comparison *c)
{
    char buffer[512];
    for (uint32_t i = 0; i < e->part_room && i < e->worker->parts.count; i++) {
        const struct explain_part *p = &e->parts[i];
        if (explain_compare_gap(e, i, buffer, sizeof buffer) != NULL) {
            c->gap = true;
            c->another = c->another || !p->assigned || p->low <= 0;
        }
    }
}

uint64_t explain_compare_passed(const struct explain *e)
{
    uint64_t passed = 0;
    for (size_t i = 0; i < e->kept.count; i++) {
        passed += e->kept.items[i]->fate == FATE_EVENT && e->kept.items[i]->standing == STANDS_PASSED;
    }
    return passed;
}

/* The value by the events; a ptr of NULL: absent. */
static churn_str value_here(const struct explain *e, uint32_t i, struct text *out)
{
    const struct registry *registry = e->registry;
    const struct fields *fields = &e->whole->fields;
    bool present = true;
    out->len = 0;
    (void)text_reserve(out, 1);
    if (i >= registry->field_count) {
        present = profile_append_derived(out, fields, &registry->derived[i - registry->field_count]);
    } else if ((present = bit_get(fields->present, i))) {
        profile_append_field(out, fields, registry, i);
    }
    return present ? (churn_str){.ptr = out->bytes, .len = (uint32_t)out->len} : (churn_str){0};
}

static bool is_asked(const struct explain *e, uint32_t i)
{
    uint32_t fields = e->registry->field_count;
    if (e->derived >= 0) {
        return i == fields + (uint32_t)e->derived || (i < fields && explain_change_asks_for(e, i));
    }
    return e->field < 0 || (uint32_t)e->field == i;
}

static int128 stored_events(const struct explain *e)
{
    const churn_str *text =
        profile_find_pair(e->stored.text.pairs, e->stored.text.count, e->registry->fields[FIELD_EVENTS_TOTAL].name);
    int128 number = 0;
    return text != NULL && decimal_parse_int128(text->ptr, text->len, &number) ? number : 0;
}

bool explain_compare(struct explain *e, struct comparison *ret, compare_fn fn, void *ctx)
{
    struct text bytes = {0};
    bool failed;
    *ret = (struct comparison){.passed = explain_compare_passed(e)};
    look_for_gaps(e, ret);
    for (uint32_t i = 0; i < e->registry->field_count + e->registry->derived_count; i++) {
        churn_str name = i < e->registry->field_count ? e->registry->fields[i].name
                                                      : e->registry->derived[i - e->registry->field_count].name;
        const churn_str *stored = profile_find_pair(e->stored.text.pairs, e->stored.text.count, name);
        churn_str here;
        if (!is_asked(e, i)) {
            continue;
        }
        here = value_here(e, i, &bytes);
        if (here.ptr != NULL || stored != NULL) {
            ret->fields++;
            ret->differing += here.ptr == NULL || stored == NULL || !churn_equal(here, *stored);
            fn(ctx, name, here.ptr != NULL ? &here : NULL, stored);
        }
    }
    ret->missing = stored_events(e) - (bit_get(e->whole->fields.present, FIELD_EVENTS_TOTAL)
                                           ? fields_number(&e->whole->fields, FIELD_EVENTS_TOTAL)
                                           : 0);
    ret->same = ret->differing == 0 && ret->passed == 0;
    failed = bytes.failed;
    text_free(&bytes);
    return !failed;
}
