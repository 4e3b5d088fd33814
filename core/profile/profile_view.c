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

/* What is made of a view. */
struct making {
    struct profile_view *view;
    const struct registry *registry;
    churn_str customer;
    const churn_pair *pairs;
    uint32_t count;
    unsigned place;
};

/* A stored text in clear; SEAL_NONE: it is, or is to be left encrypted. */
static enum seal_result open_text(const struct making *m, uint32_t index, enum protect_action action, churn_str tag,
                                  churn_str value, struct text *clear)
{
    struct seal_place place;
    if (action == PROTECT_ENCRYPT || !protect_cut_mark(&tag)) {
        return SEAL_NONE;
    }
    place = protect_profile_place(&m->registry->fields[index], m->customer, tag);
    return seal_open(clear, &m->registry->protect->ring, &place, value);
}

/* The number of the pair that tags a field's text; -1: there is none. */
static int64_t find_tag(const struct making *m, uint32_t index)
{
    bool is_text = index < m->registry->field_count && m->registry->fields[index].merge == CHURN_MERGE_LATEST;
    for (uint32_t i = 0; is_text && i < m->count; i++) {
        if (churn_equal(m->pairs[i].name, m->registry->fields[index].tag)) {
            return i;
        }
    }
    return -1;
}

/* Where a text stands that a view encrypts; a number, nowhere else than its profile. */
static struct seal_place place_of(const struct making *m, uint32_t index, churn_str tag)
{
    const struct registry_field none = {.name = {.ptr = ""}};
    (void)protect_cut_mark(&tag);
    return protect_profile_place(index < m->registry->field_count ? &m->registry->fields[index] : &none, m->customer,
                                 tag);
}

/* Writes what is shown of a field's value behind the bytes of the view. */
static void change(const struct making *m, uint32_t pair, uint32_t index)
{
    const struct protect *protect = m->registry->protect;
    enum protect_action action = protect->profile[m->place][index];
    int64_t tag_at = find_tag(m, index);
    churn_str tag = tag_at >= 0 ? m->pairs[tag_at].value : (churn_str){.ptr = ""}, value = m->pairs[pair].value;
    struct text clear = {0}, *out = &m->view->bytes;
    enum seal_result opened = open_text(m, index, action, tag, value, &clear);
    size_t start = out->len;
    value = opened == SEAL_OPENED ? text_str(&clear) : value;
    if (action != PROTECT_CLEAR && !protect_is_done(value)) {
        struct seal_place place = place_of(m, index, tag);
        protect_append(out, protect, action, &place, value);
    } else if (opened == SEAL_OPENED) {
        text_append(out, value.ptr, value.len);
    }
    if (out->len > start || opened == SEAL_OPENED) {
        m->view->changed[pair].value = (churn_str){.ptr = NULL, .len = (uint32_t)(out->len - start)};
    }
    if (opened == SEAL_OPENED) {
        (void)protect_cut_mark(&m->view->changed[tag_at].value);
    }
    out->failed = out->failed || opened == SEAL_NO_MEMORY;
    text_free(&clear);
}

/* The texts get their places once all are there, for they may move until then. */
static void exchange(const struct making *m)
{
    struct profile_view *view = m->view;
    size_t at = 0;
    if (m->count > 0) {
        memcpy(view->changed, m->pairs, m->count * sizeof *view->changed);
    }
    for (uint32_t i = 0; i < m->count; i++) {
        int32_t index = find_field(m->registry, m->pairs[i].name);
        if (index >= 0) {
            change(m, i, (uint32_t)index);
        }
    }
    for (uint32_t i = 0; i < m->count; i++) {
        if (view->changed[i].value.ptr == NULL) {
            view->changed[i].value.ptr = view->bytes.bytes != NULL ? view->bytes.bytes + at : "";
            at += view->changed[i].value.len;
        }
    }
}

bool profile_view_make(struct profile_view *view, const struct registry *registry, churn_str customer,
                       const churn_pair *pairs, uint32_t count, unsigned place)
{
    const struct making making = {
        .view = view, .registry = registry, .customer = customer, .pairs = pairs, .count = count, .place = place};
    *view = (struct profile_view){.pairs = pairs};
    if (registry->protect == NULL) {
        return true;
    }
    view->changed = calloc(count + 1, sizeof *view->changed);
    if (view->changed == NULL) {
        return false;
    }
    exchange(&making);
    view->pairs = view->changed;
    return !view->bytes.failed;
}

void profile_view_free(struct profile_view *view)
{
    text_free(&view->bytes);
    free(view->changed);
    *view = (struct profile_view){0};
}
