/* How two profiles compare: field by field, and by how far each side has read. */
#include "cli/verify_compare.h"

#include "base/decimal.h"
#include "profile/parts.h"
#include "profile/profile_render.h"
#include <stdlib.h>

/* The next field at or behind `i` that is not the engine's own. */
static uint32_t next_field(const churn_pair *pairs, uint32_t count, uint32_t i)
{
    while (i < count && pairs[i].name.len > 0 && pairs[i].name.ptr[0] == '_') {
        i++;
    }
    return i;
}

bool verify_same_in_order(const struct copy *a, const churn_pair *b, uint32_t b_count)
{
    uint32_t i = next_field(a->pairs, a->count, 0), j = next_field(b, b_count, 0);
    while (i < a->count && j < b_count && churn_equal(a->pairs[i].name, b[j].name) &&
           churn_equal(a->pairs[i].value, b[j].value)) {
        i = next_field(a->pairs, a->count, i + 1);
        j = next_field(b, b_count, j + 1);
    }
    return i == a->count && j == b_count;
}

static void sort_fields(struct copy *profile)
{
    if (profile->count > 0) {
        qsort(profile->pairs, profile->count, sizeof *profile->pairs, profile_by_name);
    }
}

uint32_t verify_fields(struct copy *here, struct copy *there, difference_fn fn, void *ctx)
{
    uint32_t i, j, differing = 0;
    sort_fields(here);
    sort_fields(there);
    i = next_field(here->pairs, here->count, 0);
    j = next_field(there->pairs, there->count, 0);
    while (i < here->count || j < there->count) {
        const churn_pair *a = i < here->count ? &here->pairs[i] : NULL, *b = j < there->count ? &there->pairs[j] : NULL;
        int order = a == NULL ? 1 : b == NULL ? -1 : profile_by_name(a, b);
        if (order != 0 || !churn_equal(a->value, b->value)) {
            differing++;
            if (fn != NULL) {
                fn(ctx, order <= 0 ? a->name : b->name, order <= 0 ? &a->value : NULL, order >= 0 ? &b->value : NULL);
            }
        }
        i = order <= 0 ? next_field(here->pairs, here->count, i + 1) : i;
        j = order >= 0 ? next_field(there->pairs, there->count, j + 1) : j;
    }
    return differing;
}

/* ---- how far each side has read ---- */

static struct reached *find_reached(struct verify *v, churn_str source)
{
    struct reached *grown;
    for (uint32_t i = 0; i < v->reached_count; i++) {
        if (churn_equal((churn_str){.ptr = v->reached[i].source, .len = v->reached[i].len}, source)) {
            return &v->reached[i];
        }
    }
    grown = realloc(v->reached, (v->reached_count + 1) * sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    v->reached = grown;
    grown += v->reached_count;
    *grown = (struct reached){.source = strndup(source.ptr, source.len), .len = source.len};
    v->reached_count += grown->source != NULL;
    return grown->source != NULL ? grown : NULL;
}

/* The source partition of a field that is a mark. */
static bool read_mark(const churn_pair *field, churn_str *ret_source, int64_t *ret_next)
{
    return part_is_field(field->name, MARK_PREFIX, ret_source) &&
           decimal_parse_int64(field->value.ptr, field->value.len, ret_next);
}

void verify_raise_reached(struct verify *v, int side, churn_str source, int64_t next)
{
    struct reached *reached = find_reached(v, source);
    if (reached == NULL) {
        v->failed = true;
    } else if (next > reached->next[side]) {
        reached->next[side] = next;
    }
}

void verify_note_marks(struct verify *v, int side, const churn_pair *pairs, uint32_t count)
{
    churn_str source;
    int64_t next;
    for (uint32_t i = 0; i < count; i++) {
        if (read_mark(&pairs[i], &source, &next)) {
            verify_raise_reached(v, side, source, next);
        }
    }
}

int64_t verify_mark(const struct copy *profile, const struct reached *reached)
{
    churn_str source, wanted = {.ptr = reached->source, .len = reached->len};
    int64_t next;
    for (uint32_t i = 0; i < profile->count; i++) {
        if (read_mark(&profile->pairs[i], &source, &next) && churn_equal(source, wanted)) {
            return next;
        }
    }
    return 0;
}

enum gap verify_gap(const struct reached *reached, int64_t here, int64_t there)
{
    if (here == there) {
        return GAP_NONE;
    }
    if (here > there) {
        return reached->next[THERE] < here ? GAP_HERE_FURTHER : GAP_REAL;
    }
    return reached->next[HERE] < there ? GAP_THERE_FURTHER : GAP_REAL;
}

bool verify_is_explained(const struct verify *v, const struct copy *here, const struct copy *there)
{
    bool explained = false;
    for (uint32_t i = 0; i < v->reached_count; i++) {
        enum gap gap =
            verify_gap(&v->reached[i], verify_mark(here, &v->reached[i]), verify_mark(there, &v->reached[i]));
        if (gap == GAP_REAL) {
            return false;
        }
        explained = explained || gap != GAP_NONE;
    }
    return explained;
}
