/* What an event changes of the fields that are asked for: those of the registry, and what is derived from them. */
#include "cli/explain_change.h"

#include "profile/profile_render.h"

churn_str explain_change_name(const struct explain *e)
{
    return e->derived >= 0 ? e->registry->derived[e->derived].name
           : e->field >= 0 ? e->registry->fields[e->field].name
                           : (churn_str){0};
}

static bool depends_on(const struct registry_derived *d, uint32_t field)
{
    return field == d->numerator ||
           (d->kind == CHURN_DERIVE_PER_DAY ? field == FIELD_FIRST_EVENT_AT || field == FIELD_LAST_EVENT_AT
                                            : field == d->denominator);
}

bool explain_change_asks_for(const struct explain *e, uint32_t field)
{
    return e->derived >= 0 ? depends_on(&e->registry->derived[e->derived], field)
                           : e->field < 0 || (uint32_t)e->field == field;
}

bool explain_change_concerns(const struct explain *e, const struct explained *one)
{
    if (one->delta == NULL || (e->field < 0 && e->derived < 0)) {
        return true; /* nobody knows what a dead letter would have been */
    }
    for (uint32_t i = 0; i < e->registry->field_count; i++) {
        if (bit_get(one->delta->present, i) && explain_change_asks_for(e, i)) {
            return true;
        }
    }
    return false;
}

/* ---- one field ---- */

/* Values of all fields as texts, to be compared with later ones. */
struct values {
    struct text bytes;
    struct {
        size_t start, len;
        bool present;
    } at[REGISTRY_MAX_FIELDS * 2];
};

static uint32_t value_count(const struct explain *e)
{
    return e->registry->field_count +
           (e->registry->derived_count < REGISTRY_MAX_FIELDS ? e->registry->derived_count : REGISTRY_MAX_FIELDS);
}

static churn_str name_at(const struct explain *e, uint32_t i)
{
    return i < e->registry->field_count ? e->registry->fields[i].name
                                        : e->registry->derived[i - e->registry->field_count].name;
}

static bool asks_at(const struct explain *e, uint32_t i)
{
    return i < e->registry->field_count ? explain_change_asks_for(e, i)
           : e->derived >= 0            ? (uint32_t)e->derived == i - e->registry->field_count
                                        : e->field < 0;
}

static void take_values(const struct explain *e, const struct fields *fields, struct values *values)
{
    values->bytes.len = 0;
    for (uint32_t i = 0; i < value_count(e); i++) {
        size_t start = values->bytes.len;
        values->at[i].present = false;
        if (!asks_at(e, i)) {
            continue;
        }
        if (i >= e->registry->field_count) {
            values->at[i].present =
                profile_append_derived(&values->bytes, fields, &e->registry->derived[i - e->registry->field_count]);
        } else if (bit_get(fields->present, i)) {
            values->at[i].present = true;
            profile_append_field(&values->bytes, fields, e->registry, i);
        }
        values->at[i].start = start;
        values->at[i].len = values->bytes.len - start;
    }
}

/* A ptr of NULL: absent. */
static churn_str value_at(const struct values *values, uint32_t i)
{
    const char *bytes = values->bytes.bytes != NULL ? values->bytes.bytes : "";
    return values->at[i].present ? (churn_str){.ptr = bytes + values->at[i].start, .len = (uint32_t)values->at[i].len}
                                 : (churn_str){0};
}

/* What a sum grows by: "+19.99"; "" where the field is none. */
static const char *grows_by(const struct explain *e, const struct fields *delta, uint32_t field, struct text *out)
{
    const struct registry_field *meta = field < e->registry->field_count ? &e->registry->fields[field] : NULL;
    out->len = 0;
    if (meta != NULL && meta->merge == CHURN_MERGE_ADD && bit_get(delta->present, field)) {
        if (fields_number(delta, field) >= 0) {
            text_append(out, "+", 1);
        }
        profile_append_field(out, delta, e->registry, field);
    }
    text_append(out, "", 1);
    return out->failed ? "" : out->bytes;
}

/* ---- all of them ---- */

static bool same_value(churn_str a, churn_str b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && churn_equal(a, b);
}

static int32_t tell(const struct explain *e, const struct values *before, const struct values *after,
                    const struct fields *delta, change_fn fn, void *ctx)
{
    struct text by = {0};
    int32_t count = 0;
    for (uint32_t i = 0; i < value_count(e); i++) {
        struct change change = {.name = name_at(e, i), .before = value_at(before, i), .after = value_at(after, i)};
        if (asks_at(e, i) && !same_value(change.before, change.after)) {
            change.by = grows_by(e, delta, i, &by);
            fn(ctx, &change);
            count++;
        }
    }
    count = by.failed || before->bytes.failed || after->bytes.failed ? -1 : count;
    text_free(&by);
    return count;
}

int32_t explain_change_apply(struct explain *e, struct profile *state, const struct explained *one, change_fn fn,
                             void *ctx)
{
    struct values before = {0}, after = {0};
    int32_t count = -1;
    take_values(e, &state->fields, &before);
    if (profile_merge(state, one->delta, e->registry, &e->worker->parts)) {
        take_values(e, &state->fields, &after);
        count = tell(e, &before, &after, one->delta, fn, ctx);
    }
    text_free(&before.bytes);
    text_free(&after.bytes);
    return count;
}

int32_t explain_change_would(struct explain *e, const struct explained *one, change_fn fn, void *ctx)
{
    struct values after = {0};
    struct text by = {0};
    int32_t count = 0;
    take_values(e, one->delta, &after);
    for (uint32_t i = 0; i < e->registry->field_count; i++) {
        struct change change = {.name = name_at(e, i), .after = value_at(&after, i)};
        if (change.after.ptr != NULL) {
            change.by = grows_by(e, one->delta, i, &by);
            fn(ctx, &change);
            count++;
        }
    }
    count = by.failed || after.bytes.failed ? -1 : count;
    text_free(&by);
    text_free(&after.bytes);
    return count;
}
