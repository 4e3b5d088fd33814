#include "pipeline/section_view.h"

#include <stdlib.h>

/* The name of an option, and behind its dot that of a part of it; NULL: none. */
struct option_name {
    char name[CHURN_ERROR_OPTION_SIZE];
    const char *part;
};

static struct option_name split(const char *option)
{
    struct option_name split;
    size_t len = strcspn(option, ".");
    (void)snprintf(split.name, sizeof split.name, "%.*s", (int)len, option);
    split.part = option[len] == '.' ? option + len + 1 : NULL;
    return split;
}

static const struct node *value_of(const churn_section *section, const char *option)
{
    const struct section_view *view = section->ctx;
    struct option_name name = split(option);
    const struct node *value = config_get(view->node, name.name);
    return name.part != NULL ? config_get(value, name.part) : value;
}

static bool is_single(const struct node *value)
{
    return value != NULL && value->kind == NODE_SCALAR && !value->null;
}

static const char *view_get(const churn_section *section, const char *option)
{
    const struct node *value = value_of(section, option);
    return is_single(value) ? value->text : NULL;
}

/* Items between commas, as the options of a plugin have them. */
static void each_part(struct section_view *view, const struct node *value, churn_section_fn fn, void *ctx)
{
    char *copy = strdup(value->text), *rest = NULL;
    view->failed = copy == NULL || view->failed;
    for (char *part = copy != NULL ? strtok_r(copy, ",", &rest) : NULL; part != NULL;
         part = strtok_r(NULL, ",", &rest)) {
        size_t len;
        part += strspn(part, " ");
        for (len = strlen(part); len > 0 && part[len - 1] == ' '; len--) {
        }
        part[len] = '\0';
        if (len > 0) {
            fn(ctx, "", part);
        }
    }
    free(copy);
}

static void view_each(const churn_section *section, const char *option, churn_section_fn fn, void *ctx)
{
    const struct node *value = value_of(section, option);
    if (is_single(value)) {
        each_part(section->ctx, value, fn, ctx);
        return;
    }
    for (unsigned i = 0; value != NULL && i < value->count; i++) {
        if (value->items[i].kind == NODE_SCALAR) {
            fn(ctx, value->kind == NODE_MAP ? value->keys[i].text : "", value->items[i].text);
        }
    }
}

/* Takes `value`. */
static void put(churn_section *section, const char *option, struct node value)
{
    struct section_view *view = section->ctx;
    struct option_name name = split(option);
    struct node *map = view->made;
    if (name.part != NULL) {
        const struct node *parts = config_get(map, name.name);
        if (parts == NULL || parts->kind != NODE_MAP) {
            view->failed = !config_put(map, name.name, config_map(map)) || view->failed;
        }
        map = (struct node *)(uintptr_t)config_get(map, name.name);
    }
    if (map == NULL) { /* no memory for it */
        config_free_node(&value);
        return;
    }
    view->failed = !config_put(map, name.part != NULL ? name.part : name.name, value) || view->failed;
}

static void view_put(churn_section *section, const char *option, const char *text)
{
    struct section_view *view = section->ctx;
    put(section, option, config_scalar(view->made, text));
}

static void view_copy(churn_section *section, const char *option, const churn_section *from, const char *from_option)
{
    const struct node *value = value_of(from, from_option);
    if (is_single(value)) {
        put(section, option, config_copy(value));
    }
}

void section_view_read(struct section_view *view, const struct node *node)
{
    *view = (struct section_view){.face = {.size = sizeof view->face, .ctx = view, .get = view_get, .each = view_each},
                                  .node = node};
}

void section_view_make(struct section_view *view, struct node *map)
{
    section_view_read(view, map);
    view->face.put = view_put;
    view->face.copy = view_copy;
    view->made = map;
}

int32_t section_view_again(const churn_source_ops *source, const struct node *node, churn_error *err)
{
    struct section_view view;
    int32_t result;
    section_view_read(&view, node);
    result = source->again != NULL ? source->again(&view.face, err) : CHURN_OK;
    if (result != CHURN_OK && result != CHURN_REJECT && result != CHURN_FATAL) {
        return churn_fail(err, CHURN_FATAL, "its plugin answers %d, which is no answer to that", result);
    }
    err->message[sizeof err->message - 1] = '\0';
    if (result != CHURN_OK && err->message[0] == '\0') {
        (void)snprintf(err->message, sizeof err->message, "its plugin says that it cannot be, and not why");
    }
    return result;
}
