#include "pipeline/section.h"

#include <stdlib.h>

/* `NAME.PART` means an entry of a map, whose own name may hold dots, or an item of a list, counted from 0. */
const struct node *section_place(const struct section *section, const char *option)
{
    const struct node *value = config_get(section->node, option), *key;
    const char *dot = strchr(option, '.');
    char name[CHURN_ERROR_OPTION_SIZE];
    if (value != NULL || dot == NULL) {
        return value != NULL ? value : section->node;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(dot - option), option);
    value = config_get(section->node, name);
    key = config_get_key(value, dot + 1);
    if (key != NULL) {
        return key;
    }
    if (value != NULL && value->kind == NODE_LIST) {
        unsigned long item = strtoul(dot + 1, NULL, 10);
        return item < value->count ? &value->items[item] : value;
    }
    return value != NULL ? value : section->node;
}
