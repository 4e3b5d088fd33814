#include "pipeline/section.h"

#include <stdlib.h>

/* What `path` names in a list or map, as far as it is there: an entry by its key, whose own name may hold dots, or an
 * item counted from 0. */
static const struct node *place_in(const struct node *value, const char *path)
{
    const char *dot = strchr(path, '.');
    const struct node *key = config_get_key(value, path), *next = NULL;
    char name[CHURN_ERROR_OPTION_SIZE];
    if (key != NULL) {
        return key;
    }
    (void)snprintf(name, sizeof name, "%.*s", dot != NULL ? (int)(dot - path) : (int)strlen(path), path);
    if (value->kind == NODE_LIST) {
        unsigned long item = strtoul(name, NULL, 10);
        next = item < value->count ? &value->items[item] : NULL;
    } else if (dot != NULL) {
        next = config_get(value, name);
    }
    return next == NULL ? value : dot != NULL ? place_in(next, dot + 1) : next;
}

const struct node *section_place(const struct section *section, const char *option)
{
    const struct node *value = config_get(section->node, option);
    const char *dot = strchr(option, '.');
    char name[CHURN_ERROR_OPTION_SIZE];
    if (value != NULL || dot == NULL) {
        return value != NULL ? value : section->node;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(dot - option), option);
    value = config_get(section->node, name);
    return value != NULL ? place_in(value, dot + 1) : section->node;
}
