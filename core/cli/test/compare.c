#include "cli/test/compare.h"

#include "base/decimal.h"
#include "cli/test/cases.h"
#include "cli/test/json.h"
#include <churn/time.h>
#include <json-c/json.h>
#include <stdlib.h>

/* Where in the expectation a value stands, from the inside out. */
struct path {
    const struct path *up;
    const char *name; /* NULL: an item of a list */
    unsigned index;
};

/* What is compared, and how. */
struct comparison {
    struct differences *differences; /* NULL: only whether there is one */
    bool exactly;                    /* what is not named must not be there */
    bool texts;                      /* all values are stored as texts: `5` and `'5'` are the same */
    bool differs;
};

/* ---- differences ---- */

void differences_free(struct differences *differences)
{
    for (unsigned i = 0; i < differences->count; i++) {
        free(differences->items[i].where);
        free(differences->items[i].expected);
        free(differences->items[i].actual);
    }
    free(differences->items);
    *differences = (struct differences){0};
}

static void append_path(struct text *out, const struct path *path)
{
    if (path->up != NULL) {
        append_path(out, path->up);
    }
    if (path->name == NULL) {
        text_printf(out, "[%u]", path->index);
    } else {
        text_append_string(out, path->up != NULL ? ": " : "");
        text_append_string(out, path->name);
    }
}

/* The text as a string of its own; NULL when memory ran out. */
static char *finish(struct text *text)
{
    text_append(text, "", 1);
    if (text->failed) {
        text_free(text);
    }
    return text->bytes;
}

static bool is_number(const char *text)
{
    return decimal_is_number(text, strlen(text));
}

/* A stored number shows as one, for its quotes say nothing. */
static void append_expected(const struct comparison *c, struct text *out, const struct node *expected)
{
    if (c->texts && expected->kind == NODE_SCALAR && is_number(expected->text)) {
        text_append_string(out, expected->text);
    } else {
        test_append_json(out, expected);
    }
}

static void append_actual(const struct comparison *c, struct text *out, struct json_object *actual)
{
    if (c->texts && json_object_is_type(actual, json_type_string) && is_number(json_object_get_string(actual))) {
        text_append_string(out, json_object_get_string(actual));
    } else {
        text_append_string(
            out, json_object_to_json_string_ext(actual, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    }
}

/* `expected` NULL: there should be nothing; `missing`: there is nothing. */
static void add(struct comparison *c, const struct node *at, const struct path *path, const struct node *expected,
                struct json_object *actual, bool missing)
{
    struct differences *d = c->differences;
    struct text where = {0}, expected_text = {0}, actual_text = {0};
    c->differs = true;
    if (d == NULL) {
        return;
    }
    if (d->count == d->room) {
        unsigned room = d->room != 0 ? d->room * 2 : 8;
        struct difference *items = realloc(d->items, room * sizeof *items);
        if (items == NULL) {
            d->failed = true;
            return;
        }
        d->items = items;
        d->room = room;
    }
    append_path(&where, path);
    if (expected != NULL) {
        append_expected(c, &expected_text, expected);
    }
    if (!missing) {
        append_actual(c, &actual_text, actual);
    }
    d->items[d->count] = (struct difference){.line = at->line,
                                             .column = at->column,
                                             .where = finish(&where),
                                             .expected = expected != NULL ? finish(&expected_text) : NULL,
                                             .actual = !missing ? finish(&actual_text) : NULL};
    d->failed = d->failed || where.failed || expected_text.failed || actual_text.failed;
    d->count++;
}

/* ---- scalars ---- */

static bool same_number(const char *a, const char *b)
{
    return is_number(a) && is_number(b) && decimal_equal(a, strlen(a), b, strlen(b));
}

static bool same_time(const char *a, const char *b)
{
    int64_t x, y;
    return churn_time_parse(a, strlen(a), &x) && churn_time_parse(b, strlen(b), &y) && x == y;
}

/* A number in a JSON text; json-c keeps how a fraction was written. */
static bool matches_number(const struct node *expected, struct json_object *actual)
{
    return !expected->quoted &&
           same_number(expected->text, json_object_to_json_string_ext(actual, JSON_C_TO_STRING_PLAIN));
}

static bool matches_text(const struct comparison *c, const struct node *expected, const char *actual)
{
    if (!c->texts && test_is_literal(expected)) {
        return false;
    }
    return strcmp(expected->text, actual) == 0 || same_time(expected->text, actual) ||
           (c->texts && same_number(expected->text, actual));
}

static bool matches_scalar(const struct comparison *c, const struct node *expected, struct json_object *actual)
{
    switch (json_object_get_type(actual)) {
    case json_type_null:
        return expected->null;
    case json_type_boolean:
        return !expected->quoted && strcmp(expected->text, json_object_get_boolean(actual) ? "true" : "false") == 0;
    case json_type_int:
    case json_type_double:
        return matches_number(expected, actual);
    case json_type_string:
        return !expected->null && matches_text(c, expected, json_object_get_string(actual));
    default:
        return false;
    }
}

/* ---- maps and lists ---- */

static void compare(struct comparison *c, const struct path *path, const struct node *expected,
                    struct json_object *actual);

static void compare_member(struct comparison *c, const struct path *up, const struct node *map, unsigned i,
                           struct json_object *actual)
{
    const struct node *expected = &map->items[i];
    struct path path = {.up = up, .name = map->keys[i].text};
    struct json_object *member;
    if (json_object_object_get_ex(actual, path.name, &member)) {
        compare(c, &path, expected, member);
    } else if (expected->kind != NODE_SCALAR || !expected->null) {
        add(c, expected, &path, expected, NULL, true);
    }
}

/* What is there and not named. */
static void add_others(struct comparison *c, const struct path *up, const struct node *map, struct json_object *actual)
{
    json_object_object_foreach(actual, name, member)
    {
        struct path path = {.up = up, .name = name};
        if (config_get(map, name) == NULL) {
            add(c, map, &path, NULL, member, false);
        }
    }
}

static void compare_map(struct comparison *c, const struct path *path, const struct node *expected,
                        struct json_object *actual)
{
    for (unsigned i = 0; i < expected->count; i++) {
        compare_member(c, path, expected, i, actual);
    }
    if (c->exactly) {
        add_others(c, path, expected, actual);
    }
}

static bool matches(const struct comparison *c, const struct node *expected, struct json_object *actual)
{
    struct comparison quiet = {.exactly = c->exactly, .texts = c->texts};
    compare(&quiet, NULL, expected, actual);
    return !quiet.differs;
}

/* The first item of the actual list from `from` on that matches; its length when none does. */
static size_t find_match(const struct comparison *c, const struct node *expected, struct json_object *actual,
                         size_t from)
{
    size_t count = json_object_array_length(actual);
    while (from < count && !matches(c, expected, json_object_array_get_idx(actual, from))) {
        from++;
    }
    return from;
}

/* Of lists of different lengths: which items are missing and which are too many. */
static void compare_lengths(struct comparison *c, const struct path *path, const struct node *expected,
                            struct json_object *actual)
{
    size_t count = json_object_array_length(actual), next = 0;
    for (unsigned i = 0; i < expected->count; i++) {
        struct path item = {.up = path, .index = i};
        size_t found = find_match(c, &expected->items[i], actual, next);
        if (found == count) {
            add(c, &expected->items[i], &item, &expected->items[i], NULL, true);
            continue;
        }
        for (; next < found; next++) {
            item.index = (unsigned)next;
            add(c, &expected->items[i], &item, NULL, json_object_array_get_idx(actual, next), false);
        }
        next++;
    }
    for (; next < count; next++) {
        struct path item = {.up = path, .index = (unsigned)next};
        add(c, expected, &item, NULL, json_object_array_get_idx(actual, next), false);
    }
}

static void compare_list(struct comparison *c, const struct path *path, const struct node *expected,
                         struct json_object *actual)
{
    if (expected->count != json_object_array_length(actual)) {
        compare_lengths(c, path, expected, actual);
        return;
    }
    for (unsigned i = 0; i < expected->count; i++) {
        struct path item = {.up = path, .index = i};
        compare(c, &item, &expected->items[i], json_object_array_get_idx(actual, i));
    }
}

static void compare(struct comparison *c, const struct path *path, const struct node *expected,
                    struct json_object *actual)
{
    if (expected->kind == NODE_MAP && json_object_is_type(actual, json_type_object)) {
        compare_map(c, path, expected, actual);
    } else if (expected->kind == NODE_LIST && json_object_is_type(actual, json_type_array)) {
        compare_list(c, path, expected, actual);
    } else if (expected->kind != NODE_SCALAR || !matches_scalar(c, expected, actual)) {
        add(c, expected, path, expected, actual, false);
    }
}

/* ---- answers ---- */

/* Those that nobody asked for. */
static void add_left(struct comparison *c, const struct test_answers *answers, struct json_object *left)
{
    for (size_t i = 0; i < json_object_array_length(left); i++) {
        int number = json_object_get_int(json_object_array_get_idx(left, i));
        const struct node *node = answers->items[number].node;
        char where[128];
        (void)snprintf(where, sizeof where, "answers[%d]: it is left over: no sink asks about this customer any more",
                       number);
        add(c, node, &(struct path){.name = where}, node, NULL, true);
    }
}

static const char *text_of(struct json_object *object, const char *name)
{
    return json_object_get_string(json_object_object_get(object, name));
}

/* Triggers that had none. */
static void add_lacking(struct comparison *c, const struct test_answers *answers, struct json_object *lacking)
{
    for (size_t i = 0; i < json_object_array_length(lacking); i++) {
        struct json_object *trigger = json_object_array_get_idx(lacking, i);
        char where[512];
        (void)snprintf(where, sizeof where,
                       "answers: the sink %s asks about %s, and no answer is left; add {customer_id: %s, "
                       "churn_probability: 0.5}",
                       text_of(trigger, "sink"), text_of(trigger, "customer_id"), text_of(trigger, "customer_id"));
        add(c, answers->node, &(struct path){.name = where}, NULL, trigger, false);
    }
}

static void compare_answers(struct differences *differences, const struct test_case *test, struct json_object *actual)
{
    struct comparison c = {.differences = differences};
    struct json_object *asked;
    if (json_object_object_get_ex(actual, "answers", &asked)) {
        add_left(&c, &test->answers, json_object_object_get(asked, "left"));
        add_lacking(&c, &test->answers, json_object_object_get(asked, "lacking"));
    }
}

/* ---- a test ---- */

static const struct node *absent_as_nothing(const struct node *node)
{
    return node != NULL && node->kind == NODE_SCALAR && node->null ? NULL : node;
}

void test_compare(struct differences *differences, const struct test_case *test, struct json_object *actual)
{
    const struct node *expect = test->expect;
    compare_answers(differences, test, actual);
    json_object_object_foreach(actual, name, part)
    {
        /* A dead letter that nobody expects is a mistake in the test more often than not. */
        bool strict = test->exactly || strcmp(name, "dead_letters") == 0;
        const struct node *expected = absent_as_nothing(config_get(expect, name));
        struct comparison c = {
            .differences = differences, .exactly = test->exactly, .texts = strcmp(name, "profiles") == 0};
        struct path path = {.name = name};
        struct node none = {.line = expect->line, .column = expect->column};
        if (expected == NULL && strict && strcmp(name, "sinks") != 0 && strcmp(name, "answers") != 0) {
            none.kind = json_object_is_type(part, json_type_array) ? NODE_LIST : NODE_MAP;
            expected = &none;
        }
        if (expected != NULL) {
            compare(&c, &path, expected, part);
        }
    }
}
