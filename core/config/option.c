#include "config/option.h"

#include "base/suggest.h"
#include "config/tree.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* What is being read, for messages. */
struct reading {
    struct config *config;
    const char *section;
};

static void *slot(const struct option_target *target, const churn_option *row)
{
    return (char *)target->base + row->offset;
}

const char *option_type_name(uint32_t type)
{
    static const char *const names[] = {"?",        "text", "whole number",   "number",        "true/false", "choice",
                                        "duration", "size", "list of values", "map of values", "list or map"};
    return names[type < sizeof names / sizeof names[0] ? type : 0];
}

struct unit {
    const char *name;
    int64_t factor;
};

/* A whole number and one of `units` (the first has the empty name or is required); false when it is none or overflows.
 */
static bool parse_scaled(const char *text, const struct unit *units, int64_t *ret)
{
    char *end;
    long long n;
    errno = 0;
    n = strtoll(text, &end, 10);
    if (end == text || errno != 0) {
        return false;
    }
    for (; units->name != NULL; units++) {
        int64_t value;
        if (strcmp(end, units->name) == 0) {
            if (__builtin_mul_overflow((int64_t)n, units->factor, &value)) {
                return false;
            }
            *ret = value;
            return true;
        }
    }
    return false;
}

static const struct unit plain_unit[] = {{"", 1}, {NULL, 0}};
static const struct unit duration_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit size_units[] = {{"", 1},
                                         {"B", 1},
                                         {"KiB", INT64_C(1) << 10},
                                         {"MiB", INT64_C(1) << 20},
                                         {"GiB", INT64_C(1) << 30},
                                         {"TiB", INT64_C(1) << 40},
                                         {"kB", 1000},
                                         {"MB", 1000000},
                                         {"GB", 1000000000},
                                         {NULL, 0}};

static const struct unit *units_of(uint32_t type)
{
    return type == CHURN_OPTION_DURATION ? duration_units : type == CHURN_OPTION_SIZE ? size_units : plain_unit;
}

static void describe_range(const churn_option *row, char *out, size_t size)
{
    const char *unit = row->type == CHURN_OPTION_DURATION ? " ms" : row->type == CHURN_OPTION_SIZE ? " bytes" : "";
    if (row->max == INT64_MAX) {
        (void)snprintf(out, size, "at least %" PRId64 "%s", row->min, unit);
    } else {
        (void)snprintf(out, size, "between %" PRId64 " and %" PRId64 "%s", row->min, row->max, unit);
    }
}

static const char *hint_of(uint32_t type)
{
    switch (type) {
    case CHURN_OPTION_DURATION:
        return "is not a duration; write a number with ms, s, m, h or d, such as 500ms or 30s";
    case CHURN_OPTION_SIZE:
        return "is not a size; write bytes, or a number with KiB, MiB or GiB, such as 64MiB";
    case CHURN_OPTION_INT:
        return "is not a whole number";
    case CHURN_OPTION_DOUBLE:
        return "is not a number";
    default:
        return "is neither true nor false";
    }
}

bool option_parse_duration(const char *text, int64_t *ret_ms)
{
    return parse_scaled(text, duration_units, ret_ms);
}

static bool in_range(const churn_option *row, double value)
{
    return row->min == row->max || (value >= (double)row->min && value <= (double)row->max);
}

static bool set_number(const churn_option *row, void *at, const char *text, bool *ret_in_range)
{
    if (row->type == CHURN_OPTION_DOUBLE) {
        char *end;
        double value = strtod(text, &end);
        *(double *)at = value;
        *ret_in_range = in_range(row, value);
        return end != text && *end == '\0' && isfinite(value);
    }
    int64_t value;
    if (!parse_scaled(text, units_of(row->type), &value)) {
        return false;
    }
    *(int64_t *)at = value;
    *ret_in_range = row->min == row->max || (value >= row->min && value <= row->max);
    return true;
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words != NULL && strcmp(*words, text) != 0) {
        words++;
    }
    return *words != NULL;
}

/* As YAML 1.1 and the core schema of 1.2 spell them. */
bool option_parse_bool(const char *text, bool *ret)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
    static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};
    *ret = is_one_of(text, yes);
    return *ret || is_one_of(text, no);
}

static bool set_bool(void *at, const char *text)
{
    bool yes;
    bool ok = option_parse_bool(text, &yes);
    *(int32_t *)at = yes;
    return ok;
}

/* A value for a message: `text` between quotes or none, and where a variable gave it, what the file says. A secret may
 * be written where it does not belong: it is not shown there either. */
static const char *shown(const struct node *node, const char *text, const char *quote, char *out, size_t size)
{
    bool replaced = node != NULL && strcmp(node->text, node->written) != 0;
    if (replaced && node->secret) {
        (void)snprintf(out, size, "%s", node->written);
    } else if (replaced) {
        (void)snprintf(out, size, "%s%s%s (from %s)", quote, text, quote, node->written);
    } else {
        (void)snprintf(out, size, "%s%s%s", quote, text, quote);
    }
    return out;
}

/* The index of `text` among the choices, or -1 after a message. */
static int32_t find_choice(const struct reading *r, const churn_option *row, const struct node *node, const char *text)
{
    struct suggest suggest = {.typed = text};
    char all[256] = "", hint[96], value[256];
    for (int32_t i = 0; row->choices[i] != NULL; i++) {
        size_t used = strlen(all);
        if (strcmp(row->choices[i], text) == 0) {
            return i;
        }
        suggest_offer(&suggest, row->choices[i]);
        (void)snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? ", " : "", row->choices[i]);
    }
    config_error(r->config, node, "%s: %s: %s is not one of %s%s", r->section, row->name,
                 shown(node, text, "'", value, sizeof value), all, suggest_text(&suggest, hint, sizeof hint));
    return -1;
}

/* A text that is a variable as a shell would write it. In others `$` may be meant, as in patterns. */
static void check_literal(const struct reading *r, const struct node *node, const churn_option *row)
{
    const char *text = node->written;
    size_t len = text[0] == '$' ? strspn(text + 1, VARIABLE_CHARACTERS) : 0;
    if (len > 0 && text[1 + len] == '\0' && !isdigit((unsigned char)text[1])) {
        config_warning(r->config, node, "%s: %s: `$` stands for itself here; a variable is written ${%s}", r->section,
                       row->name, (row->flags & CHURN_OPTION_SECRET) != 0 ? "NAME" : text + 1);
    }
}

static bool set_scalar(const struct reading *r, const churn_option *row, void *at, const struct node *node,
                       const char *text)
{
    bool ranged = true, ok = true;
    char range[128], value[256];
    switch (row->type) {
    case CHURN_OPTION_STRING:
        if (node != NULL) {
            check_literal(r, node, row);
        }
        free(*(char **)at);
        *(char **)at = strdup(text);
        return *(char **)at != NULL;
    case CHURN_OPTION_ENUM: {
        int32_t index = find_choice(r, row, node, text);
        *(int32_t *)at = index;
        return index >= 0;
    }
    case CHURN_OPTION_BOOL:
        ok = set_bool(at, text);
        break;
    default:
        ok = set_number(row, at, text, &ranged);
    }
    if (!ok) {
        const char *what =
            (row->flags & CHURN_OPTION_SECRET) != 0 ? "the value" : shown(node, text, "", value, sizeof value);
        config_error(r->config, node, "%s: %s: %s %s", r->section, row->name, what, hint_of(row->type));
    } else if (!ranged) {
        describe_range(row, range, sizeof range);
        config_error(r->config, node, "%s: %s: must be %s", r->section, row->name, range);
    }
    return ok && ranged;
}

static void free_list(churn_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        free((char *)(uintptr_t)list->items[i]);
    }
    free((void *)(uintptr_t)list->items);
    *list = (churn_list){0};
}

static bool append(const char *const **items, uint32_t count, const char *text)
{
    const char **grown = realloc((void *)(uintptr_t)*items, (count + 1) * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    grown[count] = strdup(text);
    return grown[count] != NULL;
}

static bool append_checked(const struct reading *r, const churn_option *row, churn_list *list, const struct node *node,
                           const char *text)
{
    if (node != NULL) {
        check_literal(r, node, row);
    }
    if (row->choices != NULL && find_choice(r, row, node, text) < 0) {
        return false;
    }
    if (!append(&list->items, list->count, text)) {
        return false;
    }
    list->count++;
    return true;
}

/* `a, b` in one scalar is a list too, so that one environment variable can hold several values. */
static bool split_list(const struct reading *r, const churn_option *row, churn_list *list, const struct node *node,
                       const char *text)
{
    bool ok = true;
    while (*text != '\0') {
        char *part;
        size_t len = strcspn(text, ",");
        const char *next = text + len + (text[len] == ',');
        for (; len > 0 && *text == ' '; text++, len--) {
        }
        for (; len > 0 && text[len - 1] == ' '; len--) {
        }
        part = strndup(text, len);
        ok = part != NULL && (len == 0 || append_checked(r, row, list, node, part)) && ok;
        free(part);
        text = next;
    }
    return ok;
}

static bool set_list(const struct reading *r, const churn_option *row, churn_list *list, const struct node *node)
{
    bool ok = true;
    free_list(list);
    if (node->kind == NODE_SCALAR) {
        return split_list(r, row, list, node, node->text);
    }
    for (unsigned i = 0; i < node->count; i++) {
        const struct node *item = &node->items[i];
        if (item->bad) { /* reported before */
            ok = false;
        } else if (item->kind != NODE_SCALAR) {
            config_error(r->config, item, "%s: %s: each item must be a single value", r->section, row->name);
            ok = false;
        } else {
            ok = append_checked(r, row, list, item, item->text) && ok;
        }
    }
    return ok;
}

static void free_map(churn_map *map)
{
    churn_list keys = {.items = map->keys, .count = map->count}, values = {.items = map->values, .count = map->count};
    free_list(&keys);
    free_list(&values);
    *map = (churn_map){0};
}

static bool set_map(const struct reading *r, const churn_option *row, churn_map *map, const struct node *node)
{
    bool ok = true;
    free_map(map);
    for (unsigned i = 0; i < node->count; i++) {
        if (node->items[i].kind != NODE_SCALAR) {
            config_error(r->config, &node->items[i], "%s: %s: %s must have a single value", r->section, row->name,
                         node->keys[i].text);
            ok = false;
            continue;
        }
        ok = ok && !node->items[i].bad;
        check_literal(r, &node->items[i], row);
        if (!append(&map->keys, map->count, node->keys[i].text) ||
            !append(&map->values, map->count, node->items[i].text)) {
            return false;
        }
        map->count++;
    }
    return ok;
}

/* Below it nothing is known but that each value is whole. */
static bool is_whole(const struct reading *r, const churn_option *row, const struct node *node)
{
    bool ok = !node->bad; /* reported before */
    if (node->kind == NODE_SCALAR) {
        check_literal(r, node, row);
    }
    for (unsigned i = 0; i < node->count; i++) {
        ok = is_whole(r, row, &node->items[i]) && ok;
    }
    return ok;
}

static bool set_tree(const struct reading *r, const churn_option *row, const churn_node **at, const struct node *node)
{
    tree_free(*at);
    *at = is_whole(r, row, node) ? tree_new(node) : NULL;
    return *at != NULL;
}

static bool set_from_node(const struct reading *r, const churn_option *row, void *at, const struct node *node)
{
    bool is_scalar = node->kind == NODE_SCALAR;
    if (is_scalar && node->null && (row->type != CHURN_OPTION_STRING || node->written[0] != '$')) {
        return true; /* `key:` alone keeps the default */
    }
    switch (row->type) {
    case CHURN_OPTION_STRING:
        if (node->kind == NODE_LIST && row->help != NULL && strstr(row->help, "separated by commas") != NULL) {
            config_error(r->config, node, "%s: %s: a text belongs here; join the items with commas, without brackets",
                         r->section, row->name);
            return false;
        }
        break;
    case CHURN_OPTION_LIST:
        if (node->kind != NODE_MAP) {
            return set_list(r, row, at, node);
        }
        break;
    case CHURN_OPTION_MAP:
        if (node->kind == NODE_MAP) {
            return set_map(r, row, at, node);
        }
        break;
    case CHURN_OPTION_TREE:
        if (!is_scalar) {
            return set_tree(r, row, at, node);
        }
        break;
    default:
        break;
    }
    if (is_scalar && row->type != CHURN_OPTION_LIST && row->type != CHURN_OPTION_MAP &&
        row->type != CHURN_OPTION_TREE) {
        return set_scalar(r, row, at, node, node->text);
    }
    config_error(r->config, node, "%s: %s: a %s belongs here", r->section, row->name, option_type_name(row->type));
    return false;
}

static bool set_default(const struct reading *r, const churn_option *row, void *at)
{
    if (row->default_text == NULL || (row->flags & CHURN_OPTION_OWN_DEFAULT) != 0) {
        return true;
    }
    if (row->type == CHURN_OPTION_LIST) {
        return split_list(r, row, at, NULL, row->default_text);
    }
    return row->type == CHURN_OPTION_MAP || row->type == CHURN_OPTION_TREE ||
           set_scalar(r, row, at, NULL, row->default_text);
}

static bool is_empty(const churn_option *row, const void *at)
{
    switch (row->type) {
    case CHURN_OPTION_STRING:
        return *(const char *const *)at == NULL || **(const char *const *)at == '\0';
    case CHURN_OPTION_LIST:
        return ((const churn_list *)at)->count == 0;
    case CHURN_OPTION_MAP:
        return ((const churn_map *)at)->count == 0;
    case CHURN_OPTION_TREE:
        return *(const churn_node *const *)at == NULL || (*(const churn_node *const *)at)->count == 0;
    default:
        return false;
    }
}

/* A number or choice that was refused must not reach anybody; texts, lists and maps are whole whatever they hold. */
static void reset(const struct reading *r, const churn_option *row, void *at)
{
    switch (row->type) {
    case CHURN_OPTION_STRING:
    case CHURN_OPTION_LIST:
    case CHURN_OPTION_MAP:
    case CHURN_OPTION_TREE:
        break;
    case CHURN_OPTION_DOUBLE:
        *(double *)at = 0;
        (void)set_default(r, row, at);
        break;
    case CHURN_OPTION_BOOL:
    case CHURN_OPTION_ENUM:
        *(int32_t *)at = 0;
        (void)set_default(r, row, at);
        break;
    default:
        *(int64_t *)at = 0;
        (void)set_default(r, row, at);
    }
}

/* A URL of a scheme, a host and a port alone holds nothing that people must not see, and messages name it. */
static bool is_bare_origin(const char *text)
{
    const char *host = strstr(text, "://");
    return host != NULL && strpbrk(host + 3, "@?#") == NULL && strcspn(host + 3, "/") + 1 >= strlen(host + 3);
}

/* PART of a row that is called `NAME.PART`; NULL: it is called otherwise. */
static const char *part_of(const char *row, const char *name)
{
    size_t len = strlen(name);
    return strncmp(row, name, len) == 0 && row[len] == '.' ? row + len + 1 : NULL;
}

static const struct node *value_of(const struct node *map, const char *row)
{
    for (unsigned i = 0; strchr(row, '.') != NULL && map != NULL && i < map->count; i++) {
        const char *part = part_of(row, map->keys[i].text);
        if (part != NULL) {
            return config_get(&map->items[i], part);
        }
    }
    return config_get(map, row);
}

/* Whatever it was made of, no message shows the text of a secret option, and the process is told that it has one.
 * Values of maps are their plugin's to hide: some are paths, or words that any message has. */
static bool note_secret(const struct reading *r, const churn_option *row, const struct node *node)
{
    if ((row->flags & CHURN_OPTION_SECRET) == 0 || config_is_absent(node) ||
        (node->kind == NODE_SCALAR && *node->text == '\0')) {
        return true;
    }
    r->config->has_secrets = true;
    return node->kind != NODE_SCALAR || is_bare_origin(node->text) ||
           secrets_note(&r->config->secrets, "(not shown)", node->text);
}

static bool read_row(const struct reading *r, const struct node *map, const struct node *where,
                     const struct option_target *target, const churn_option *row)
{
    const struct node *node = value_of(map, row->name);
    void *at = slot(target, row);
    bool ok = set_default(r, row, at);
    if (node != NULL && node->bad) {
        return false; /* reported before */
    }
    if (node != NULL) {
        ok = note_secret(r, row, node) && set_from_node(r, row, at, node) && ok;
        if (!ok) {
            reset(r, row, at);
        }
        if ((row->flags & CHURN_OPTION_DEPRECATED) != 0) {
            config_warning(r->config, node, "%s: %s is deprecated: %s", r->section, row->name, row->help);
        }
    }
    if (ok && (row->flags & CHURN_OPTION_REQUIRED) != 0 && is_empty(row, at)) {
        config_error(r->config, node != NULL ? node : where, "%s: option '%s' is required (%s)", r->section, row->name,
                     row->help);
        ok = false;
    }
    return ok;
}

static bool is_in(const char *name, const char *const *names)
{
    for (; names != NULL && *names != NULL; names++) {
        if (strcmp(name, *names) == 0) {
            return true;
        }
    }
    return false;
}

/* What Kafka's clients and other programs call it. */
static const struct {
    const char *name, *ours;
} other_names[] = {{"bootstrap_servers", "brokers"},
                   {"bootstrap.servers", "brokers"},
                   {"bootstrap-servers", "brokers"},
                   {"bootstrap_server", "brokers"},
                   {"servers", "brokers"},
                   {"group.id", "group_id"},
                   {"group", "group_id"},
                   {"consumer_group", "group_id"},
                   {"topic", "topics"},
                   {"topics", "topic"},
                   {"file", "path"},
                   {"filename", "path"},
                   {"endpoint", "url"},
                   {"api_url", "url"},
                   {"hostname", "host"}};

static bool has_row(const struct option_target *targets, unsigned count, const char *name)
{
    for (unsigned t = 0; t < count; t++) {
        for (uint32_t i = 0; i < targets[t].count; i++) {
            if (strcmp(option_row(&targets[t], i)->name, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Whether rows are called `NAME.PART`. */
static bool is_group(const struct option_target *targets, unsigned count, const char *name)
{
    for (unsigned t = 0; t < count; t++) {
        for (uint32_t i = 0; i < targets[t].count; i++) {
            if (part_of(option_row(&targets[t], i)->name, name) != NULL) {
                return true;
            }
        }
    }
    return false;
}

static bool check_part(const struct reading *r, const struct node *group, const struct node *key,
                       const struct option_target *targets, unsigned target_count)
{
    struct suggest suggest = {.typed = key->text};
    char hint[128];
    for (unsigned t = 0; t < target_count; t++) {
        for (uint32_t i = 0; i < targets[t].count; i++) {
            const char *part = part_of(option_row(&targets[t], i)->name, group->text);
            if (part != NULL && strcmp(part, key->text) == 0) {
                return true;
            }
            suggest_offer(&suggest, part != NULL ? part : "");
        }
    }
    if (!key->bad) { /* else reported before */
        config_error(r->config, key, "%s: %s: unknown option '%s'%s", r->section, group->text, key->written,
                     suggest_text(&suggest, hint, sizeof hint));
    }
    return false;
}

/* A map whose entries are rows of their own. */
static bool check_group(const struct reading *r, const struct node *name, const struct node *map,
                        const struct option_target *targets, unsigned target_count)
{
    bool ok = true;
    if (map->kind != NODE_MAP && !config_is_absent(map)) {
        config_error(r->config, map, "%s: %s: a map of values belongs here", r->section, name->text);
        return false;
    }
    for (unsigned i = 0; i < map->count; i++) {
        ok = check_part(r, name, &map->keys[i], targets, target_count) && ok;
    }
    return ok;
}

static bool check_key(const struct reading *r, const struct node *key, const struct option_target *targets,
                      unsigned target_count, const char *const *ignored)
{
    struct suggest suggest = {.typed = key->text, .by_part = true};
    char hint[128];
    if (is_in(key->text, ignored)) {
        return true;
    }
    if (key->bad) {
        return false; /* reported before */
    }
    for (unsigned t = 0; t < target_count; t++) {
        for (uint32_t i = 0; i < targets[t].count; i++) {
            const char *name = option_row(&targets[t], i)->name;
            if (strcmp(name, key->text) == 0) {
                return true;
            }
            suggest_offer(&suggest, name);
        }
    }
    for (; ignored != NULL && *ignored != NULL; ignored++) {
        suggest_offer(&suggest, *ignored);
    }
    for (size_t i = 0; suggest.best == NULL && i < sizeof other_names / sizeof other_names[0]; i++) {
        if (strcmp(other_names[i].name, key->text) == 0 && has_row(targets, target_count, other_names[i].ours)) {
            suggest.best = other_names[i].ours;
        }
    }
    config_error(r->config, key, "%s: unknown option '%s'%s", r->section, key->written,
                 suggest_text(&suggest, hint, sizeof hint));
    return false;
}

bool options_read(struct config *config, const struct node *map, const struct node *where, const char *section,
                  const struct option_target *targets, unsigned target_count, const char *const *ignored)
{
    struct reading r = {.config = config, .section = section};
    bool ok = true;
    if (map != NULL && map->kind != NODE_MAP) {
        if (map->kind != NODE_SCALAR || !map->null) {
            config_error(config, map, "%s: options belong here, as 'name: value' lines", section);
            ok = false;
        }
        map = NULL;
    }
    for (unsigned i = 0; map != NULL && i < map->count; i++) {
        ok = (is_group(targets, target_count, map->keys[i].text)
                  ? check_group(&r, &map->keys[i], &map->items[i], targets, target_count)
                  : check_key(&r, &map->keys[i], targets, target_count, ignored)) &&
             ok;
    }
    for (unsigned t = 0; t < target_count; t++) {
        for (uint32_t i = 0; i < targets[t].count; i++) {
            ok = read_row(&r, map, where, &targets[t], option_row(&targets[t], i)) && ok;
        }
    }
    return ok;
}

bool options_complete(const struct option_target *target)
{
    for (uint32_t i = 0; i < target->count; i++) {
        const churn_option *row = option_row(target, i);
        bool may_be_empty = row->type == CHURN_OPTION_STRING || row->type == CHURN_OPTION_LIST ||
                            row->type == CHURN_OPTION_MAP || row->type == CHURN_OPTION_TREE;
        if ((row->flags & CHURN_OPTION_REQUIRED) != 0 && (!may_be_empty || is_empty(row, slot(target, row)))) {
            return false;
        }
    }
    return true;
}

void options_free(const struct option_target *targets, unsigned target_count)
{
    for (unsigned t = 0; t < target_count; t++) {
        for (uint32_t i = 0; i < targets[t].count; i++) {
            const churn_option *row = option_row(&targets[t], i);
            void *at = slot(&targets[t], row);
            if (row->type == CHURN_OPTION_STRING) {
                free(*(char **)at);
                *(char **)at = NULL;
            } else if (row->type == CHURN_OPTION_LIST) {
                free_list(at);
            } else if (row->type == CHURN_OPTION_MAP) {
                free_map(at);
            } else if (row->type == CHURN_OPTION_TREE) {
                tree_free(*(const churn_node **)at);
                *(const churn_node **)at = NULL;
            }
        }
    }
}
