#include "profile/profile_view.h"

#include <stdlib.h>

/* The number of a field, derived ones being behind the registry's own; -1: it is none of them. */
static int32_t find_field(const struct registry *registry, churn_str name)
{
    int32_t index = name_index_find(&registry->names, name.ptr, name.len);
    for (uint32_t i = 0; index < 0 && i < registry->derived_count; i++) {
        if (churn_equal(registry->derived[i].name, name)) {
            index = (int32_t)(registry->field_count + i);
        }
    }
    return index;
}

static churn_str text_str(const struct text *text)
{
    return (churn_str){.ptr = text->len > 0 ? text->bytes : "", .len = (uint32_t)text->len};
}

/* Where the text of a field stands; of a number, nowhere else than its name. */
static struct seal_place place_of(const struct registry *registry, uint32_t index, const churn_pair *pairs,
                                  uint32_t count)
{
    const struct registry_field none = {.name = {.ptr = ""}};
    const struct registry_field *field = index < registry->field_count ? &registry->fields[index] : &none;
    const churn_str *tag = field->merge == CHURN_MERGE_LATEST ? profile_find_pair(pairs, count, field->tag) : NULL;
    return protect_profile_place(field, tag != NULL ? *tag : (churn_str){.ptr = ""});
}

/* Writes what is shown of a value into `out`; false: it is shown as it is. */
static bool change(const struct protect *protect, const struct seal_place *place, enum protect_action action,
                   churn_str value, struct text *out)
{
    struct text clear = {0};
    enum seal_result opened = action != PROTECT_ENCRYPT ? seal_open(&clear, &protect->ring, place, value) : SEAL_NONE;
    bool hides, changes;
    value = opened == SEAL_OPENED ? text_str(&clear) : value;
    hides = action != PROTECT_CLEAR && !protect_is_done(value);
    changes = hides || opened == SEAL_OPENED;
    if (hides) {
        protect_append(out, protect, action, place, value);
    } else if (changes) {
        text_append(out, value.ptr, value.len);
    }
    out->failed = out->failed || opened == SEAL_NO_MEMORY;
    text_free(&clear);
    return changes;
}

/* The texts get their places once all are there, for they may move until then. */
static void exchange(struct profile_view *view, const struct registry *registry, const churn_pair *pairs,
                     uint32_t count, unsigned place)
{
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        int32_t index = find_field(registry, pairs[i].name);
        size_t start = view->bytes.len;
        struct seal_place where;
        view->changed[i] = pairs[i];
        if (index < 0) {
            continue;
        }
        where = place_of(registry, (uint32_t)index, pairs, count);
        if (change(registry->protect, &where, registry->protect->profile[place][index], pairs[i].value, &view->bytes)) {
            view->changed[i].value = (churn_str){.ptr = NULL, .len = (uint32_t)(view->bytes.len - start)};
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (view->changed[i].value.ptr == NULL) {
            view->changed[i].value.ptr = view->bytes.bytes != NULL ? view->bytes.bytes + at : "";
            at += view->changed[i].value.len;
        }
    }
}

bool profile_view_make(struct profile_view *view, const struct registry *registry, const churn_pair *pairs,
                       uint32_t count, unsigned place)
{
    *view = (struct profile_view){.pairs = pairs};
    if (registry->protect == NULL) {
        return true;
    }
    view->changed = calloc(count + 1, sizeof *view->changed);
    if (view->changed == NULL) {
        return false;
    }
    exchange(view, registry, pairs, count, place);
    view->pairs = view->changed;
    return !view->bytes.failed;
}

void profile_view_free(struct profile_view *view)
{
    text_free(&view->bytes);
    free(view->changed);
    *view = (struct profile_view){0};
}
