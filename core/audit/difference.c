#include "audit/difference.h"

#include "config/secret_name.h"
#include <stdio.h>

#define MAX_BYTES ((size_t)16 * 1024) /* of the array; what goes beyond is only said to be more */
#define MAX_VALUE 200                 /* bytes of a value */
#define MAX_PATH 512

struct difference {
    struct text *out;
    const struct pipeline *from, *to;
    size_t begin;
    bool any, more;
};

/* ---- what may be shown ---- */

static bool is_secret_row(const churn_option *row, const char *name)
{
    return (row->flags & CHURN_OPTION_SECRET) != 0 && strcmp(row->name, name) == 0;
}

static bool has_secret(const struct section *section, const char *name)
{
    for (uint32_t i = 0; section->loaded != NULL && i < section->loaded->plugin.option_count; i++) {
        if (is_secret_row(plugin_option(&section->loaded->plugin, i), name)) {
            return true;
        }
    }
    return false;
}

/* Whether any option of the pipeline that is called so is a secret: better one too many. */
static bool names_secret_option(const struct pipeline *pipeline, const char *name)
{
    size_t count;
    const struct option_table *tables = settings_tables(&count);
    bool secret = has_secret(&pipeline->source, name) || has_secret(&pipeline->store, name);
    for (size_t t = 0; t < count && !secret; t++) {
        for (uint32_t i = 0; i < tables[t].count && !secret; i++) {
            secret = is_secret_row(&tables[t].rows[i], name);
        }
    }
    for (unsigned i = 0; i < pipeline->processor_count && !secret; i++) {
        secret = has_secret(&pipeline->processors[i], name);
    }
    for (unsigned i = 0; i < pipeline->sink_count && !secret; i++) {
        secret = has_secret(&pipeline->sinks[i], name);
    }
    return secret;
}

/* A library's own properties are in no table. */
static bool is_hidden(const struct difference *d, const char *name)
{
    return names_secret_option(d->from, name) || names_secret_option(d->to, name) || secret_name(name);
}

/* What a variable gave is shown as the file has it. */
static const char *shown(const struct node *node)
{
    const char *text = node != NULL && node->kind == NODE_SCALAR && !node->secret && !node->null ? node->text : NULL;
    if (text == NULL || strlen(text) > MAX_VALUE || (strstr(text, "://") != NULL && strchr(text, '@') != NULL)) {
        return NULL;
    }
    return strcmp(text, node->written) == 0 ? text : node->written;
}

/* ---- the differences ---- */

static void append_value(struct difference *d, const char *name, const char *value)
{
    if (value != NULL) {
        text_printf(d->out, ",\"%s\":", name);
        text_append_json(d->out, value, strlen(value));
    }
}

static void tell(struct difference *d, const char *path, const struct node *from, const struct node *to, bool hidden)
{
    const char *was = hidden ? NULL : shown(from), *is = hidden ? NULL : shown(to);
    if (d->out->len - d->begin > MAX_BYTES) {
        d->more = true;
        return;
    }
    text_append_string(d->out, d->any ? ",{\"option\":" : "{\"option\":");
    text_append_json(d->out, path, strlen(path));
    text_printf(d->out, ",\"change\":\"%s\"", from == NULL ? "added" : to == NULL ? "removed" : "changed");
    if (was == NULL || is == NULL || strcmp(was, is) != 0) { /* else the variable's value is another */
        append_value(d, "from", was);
        append_value(d, "to", is);
    }
    text_append_string(d->out, "}");
    d->any = true;
}

static void compare(struct difference *d, const char *path, const struct node *from, const struct node *to,
                    bool hidden);

static void compare_key(struct difference *d, const char *path, const char *key, const struct node *from,
                        const struct node *to, bool hidden)
{
    char below[MAX_PATH];
    (void)snprintf(below, sizeof below, "%s%s%s", path, *path != '\0' ? "." : "", key);
    compare(d, below, from, to, hidden || is_hidden(d, key));
}

static void compare_maps(struct difference *d, const char *path, const struct node *from, const struct node *to,
                         bool hidden)
{
    for (unsigned i = 0; from != NULL && i < from->count; i++) {
        compare_key(d, path, from->keys[i].text, &from->items[i], config_get(to, from->keys[i].text), hidden);
    }
    for (unsigned i = 0; to != NULL && i < to->count; i++) {
        if (config_get(from, to->keys[i].text) == NULL) {
            compare_key(d, path, to->keys[i].text, NULL, &to->items[i], hidden);
        }
    }
}

static void compare_lists(struct difference *d, const char *path, const struct node *from, const struct node *to,
                          bool hidden)
{
    unsigned was = from != NULL ? from->count : 0, is = to != NULL ? to->count : 0;
    for (unsigned i = 0; i < was || i < is; i++) {
        char below[MAX_PATH];
        (void)snprintf(below, sizeof below, "%s[%u]", path, i);
        compare(d, below, i < was ? &from->items[i] : NULL, i < is ? &to->items[i] : NULL, hidden);
    }
}

static void compare(struct difference *d, const char *path, const struct node *from, const struct node *to, bool hidden)
{
    const struct node *one = from != NULL ? from : to;
    if (from != NULL && to != NULL && from->kind != to->kind) {
        tell(d, path, from, to, hidden);
    } else if (one->kind == NODE_MAP) {
        compare_maps(d, path, from, to, hidden);
    } else if (one->kind == NODE_LIST) {
        compare_lists(d, path, from, to, hidden);
    } else if (from == NULL || to == NULL || strcmp(from->text, to->text) != 0 || from->null != to->null) {
        tell(d, path, from, to, hidden);
    }
}

void difference_append(struct text *out, const struct pipeline *from, const struct pipeline *to)
{
    struct difference d = {.out = out, .from = from, .to = to, .begin = out->len};
    text_append_string(out, "[");
    d.begin = out->len;
    compare(&d, "", &from->config.root, &to->config.root, false);
    text_append_string(out, !d.more ? "]" : d.any ? ",{\"more\":true}]" : "{\"more\":true}]");
}
