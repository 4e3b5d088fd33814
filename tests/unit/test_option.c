/* Typed options from YAML: each type's good and bad values, and messages that name place, option and remedy. */
#include "core/config/option.h"

#include <float.h>
#include <stddef.h>

#include "config_fixture.h"

static const char *const colours[] = {"red", "green", "blue", NULL};

struct values {
    const char *text;
    const char *with_default;
    const char *needed;
    const char *password;
    int64_t number;
    int64_t ranged;
    int64_t at_least;
    int64_t secret_number;
    double ratio;
    double any_ratio;
    int32_t flag;
    int32_t colour;
    int64_t wait;
    int64_t bounded_wait;
    int64_t room;
    int64_t bounded_room;
    churn_list words;
    churn_list defaults;
    churn_list chosen;
    churn_list needed_words;
    churn_map map;
    const char *old;
    const char *own_text;
    int64_t own_number;
    const churn_node *tree;
    int64_t batch_max;
    int64_t batch_wait;
};

#define PART(group_, name_, type_, ...)                                                                                \
    {.name = #group_ "." #name_,                                                                                       \
     .type = CHURN_OPTION_##type_,                                                                                     \
     .offset = offsetof(struct values, group_##_##name_),                                                              \
     .help = "help for " #name_,                                                                                       \
     __VA_ARGS__}
#define ROW(name_, type_, ...)                                                                                         \
    {.name = #name_,                                                                                                   \
     .type = CHURN_OPTION_##type_,                                                                                     \
     .offset = offsetof(struct values, name_),                                                                         \
     .help = "help for " #name_,                                                                                       \
     __VA_ARGS__}

static const churn_option rows[] = {
    ROW(text, STRING, .default_text = NULL),
    ROW(with_default, STRING, .default_text = "as it was"),
    ROW(password, STRING, .flags = CHURN_OPTION_SECRET),
    ROW(number, INT, .default_text = "7"),
    ROW(ranged, INT, .min = 1, .max = 64, .default_text = "1"),
    ROW(at_least, INT, .min = -5, .max = INT64_MAX, .default_text = "0"),
    ROW(secret_number, INT, .min = 1, .max = 9, .default_text = "1", .flags = CHURN_OPTION_SECRET),
    ROW(ratio, DOUBLE, .min = 0, .max = 1, .default_text = "0.5"),
    ROW(any_ratio, DOUBLE, .default_text = "0"),
    ROW(flag, BOOL, .default_text = "true"),
    ROW(colour, ENUM, .default_text = "green", .choices = colours),
    ROW(wait, DURATION, .default_text = "5s"),
    ROW(bounded_wait, DURATION, .default_text = "1s", .min = 100, .max = 60000),
    ROW(room, SIZE, .default_text = "64KiB"),
    ROW(bounded_room, SIZE, .default_text = "4096", .min = 4096, .max = INT64_MAX),
    ROW(words, LIST, .default_text = NULL),
    ROW(defaults, LIST, .default_text = "a, b,c"),
    ROW(chosen, LIST, .choices = colours),
    ROW(map, MAP, .default_text = NULL),
    ROW(old, STRING, .flags = CHURN_OPTION_DEPRECATED),
    ROW(own_text, STRING, .default_text = "x", .flags = CHURN_OPTION_OWN_DEFAULT),
    ROW(own_number, INT, .min = 1, .max = 9, .default_text = "7", .flags = CHURN_OPTION_OWN_DEFAULT),
    ROW(tree, TREE, .default_text = NULL),
    PART(batch, max, INT, .min = 1, .max = 99, .default_text = "1"),
    PART(batch, wait, DURATION, .default_text = "5ms"),
};

static const churn_option needed_rows[] = {
    ROW(needed, STRING, .flags = CHURN_OPTION_REQUIRED),
    ROW(needed_words, LIST, .flags = CHURN_OPTION_REQUIRED),
};

static struct values values;
static bool ok;
static unsigned errors;
static char *said;

static void free_values(void)
{
    const struct option_target targets[] = {OPTION_TARGET(rows, &values), OPTION_TARGET(needed_rows, &values)};
    options_free(targets, 2);
}

static void read_with(const char *yaml, const struct option_target *targets, unsigned count, const char *const *ignored)
{
    char *file = write_file(yaml, strlen(yaml)), *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct config config;
    if (out == NULL) {
        abort();
    }
    free_values();
    memset(&values, 0, sizeof values);
    if (config_load(&config, file, NULL, out)) {
        ok = options_read(&config, &config.root, &config.root, "part", targets, count, ignored);
    } else {
        ok = false;
    }
    errors = config.error_count;
    config_free(&config);
    (void)fclose(out);
    free(said);
    said = without_name(text, file);
    free(text);
    remove_file(file);
    check(ok == (errors == 0), "%u errors, said: %s", errors, said);
}

static void read_yaml(const char *yaml)
{
    const struct option_target target = OPTION_TARGET(rows, &values);
    read_with(yaml, &target, 1, NULL);
}

/* One option alone; the message, without its place. */
static bool read_one(const char *name, const char *value)
{
    char yaml[4096];
    (void)snprintf(yaml, sizeof yaml, "%s: %s\n", name, value);
    read_yaml(yaml);
    return ok;
}

static void check_refused(const char *name, const char *value, const char *part)
{
    check(!read_one(name, value), "%s: %s was taken", name, value);
    check_contains(said, part, value);
    check_contains(said, name, value);
    check(errors == 1, "%s: %s: %u errors", name, value, errors);
}

static void test_defaults(void)
{
    read_yaml("x: 1\n");
    CU_ASSERT(!ok);
    read_yaml("text:\n");
    CU_ASSERT(ok);
    CU_ASSERT_PTR_NULL(values.text);
    CU_ASSERT_STRING_EQUAL(values.with_default, "as it was");
    CU_ASSERT_PTR_NULL(values.password);
    CU_ASSERT(values.number == 7 && values.ranged == 1 && values.at_least == 0);
    CU_ASSERT(values.ratio == 0.5 && values.flag == 1 && values.colour == 1);
    CU_ASSERT(values.wait == 5000 && values.bounded_wait == 1000 && values.room == 65536 &&
              values.bounded_room == 4096);
    CU_ASSERT(values.words.count == 0 && values.map.count == 0);
    CU_ASSERT_EQUAL_FATAL(values.defaults.count, 3);
    CU_ASSERT_STRING_EQUAL(values.defaults.items[1], "b");
}

/* The plugin can tell a value that was given from none. */
static void test_a_default_of_the_plugins_own(void)
{
    read_yaml("text:\n");
    CU_ASSERT(ok && values.own_text == NULL && values.own_number == 0);
    read_yaml("own_text: x\nown_number: 7\n");
    CU_ASSERT(ok && values.own_number == 7);
    CU_ASSERT_STRING_EQUAL(values.own_text, "x");
    read_yaml("own_text: ''\nown_number: 0\n");
    CU_ASSERT(!ok && values.own_number == 0);
    CU_ASSERT_STRING_EQUAL(values.own_text, "");
}

static void test_a_key_without_value_keeps_the_default(void)
{
    read_yaml("text: ~\nwith_default:\nnumber:\nflag: null\ncolour:\nwait: ~\ndefaults:\nmap:\nratio: ${UNIT_EMPTY}\n");
    check(ok, "%s", said);
    CU_ASSERT_STRING_EQUAL(values.with_default, "as it was");
    CU_ASSERT(values.number == 7 && values.flag == 1 && values.colour == 1 && values.wait == 5000 &&
              values.ratio == 0.5);
    CU_ASSERT_EQUAL(values.defaults.count, 3);
    read_yaml("with_default: ${UNIT_EMPTY}\n"); /* a text may be made empty by its variable */
    CU_ASSERT(ok && values.with_default != NULL && *values.with_default == '\0');
    read_yaml("with_default: ''\n");
    CU_ASSERT(ok && values.with_default != NULL && *values.with_default == '\0');
}

/* Lists and maps as they stand; what a scalar looked like is kept. */
static void test_trees(void)
{
    const churn_node *map, *item;
    read_yaml("tree: [{field: a, missing: 0}, 'null', ~, '${UNIT_WORD}', []]\n");
    CU_ASSERT_FATAL(ok && values.tree != NULL && values.tree->kind == CHURN_NODE_LIST && values.tree->count == 5);
    map = &values.tree->items[0];
    CU_ASSERT_FATAL(map->kind == CHURN_NODE_MAP && map->count == 2);
    CU_ASSERT_STRING_EQUAL(map->keys[0], "field");
    CU_ASSERT_STRING_EQUAL(map->keys[1], "missing");
    CU_ASSERT_STRING_EQUAL(map->items[0].text, "a");
    CU_ASSERT(map->items[1].kind == CHURN_NODE_SCALAR && map->items[1].flags == 0);
    item = &values.tree->items[1];
    CU_ASSERT(item->flags == CHURN_NODE_QUOTED && strcmp(item->text, "null") == 0);
    CU_ASSERT(values.tree->items[2].flags == CHURN_NODE_NULL);
    CU_ASSERT_STRING_EQUAL(values.tree->items[3].text, "word");
    CU_ASSERT(values.tree->items[4].kind == CHURN_NODE_LIST && values.tree->items[4].count == 0);
    read_yaml("tree:\n");
    CU_ASSERT(ok && values.tree == NULL);
    check_refused("tree", "word", "FILE:1:7: part: tree: a list or map belongs here");
    read_yaml("tree: {a: [{b: '${UNIT_NO_SUCH}'}]}\n");
    CU_ASSERT(!ok && values.tree == NULL);
}

/* `batch.max` is written as the entry `max` of the map `batch`. */
static void test_options_of_two_parts(void)
{
    CU_ASSERT(read_one("batch", "{max: 50}") && values.batch_max == 50 && values.batch_wait == 5);
    CU_ASSERT(read_one("batch", "") && values.batch_max == 1);
    check_refused("batch", "{max: 100}", "FILE:1:14: part: batch.max: must be between 1 and 99");
    check_refused("batch", "{maxx: 1}", "FILE:1:9: part: batch: unknown option 'maxx' (did you mean 'max'?)");
    check_refused("batch", "5", "FILE:1:8: part: batch: a map of values belongs here");
    read_yaml("batch.max: 5\n");
    CU_ASSERT(ok && values.batch_max == 5);
}

static void test_texts(void)
{
    static const char *const cases[][2] = {{"plain", "plain"},      {"'a: b'", "a: b"},          {"12", "12"},
                                           {"true", "true"},        {"\"\\u00e9\"", "\xc3\xa9"}, {"'null'", "null"},
                                           {"${UNIT_WORD}", "word"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        check(read_one("text", cases[i][0]), "%s: %s", cases[i][0], said);
        check_text(values.text, cases[i][1], "text");
    }
    check_refused("text", "[a]", "FILE:1:7: part: text: a text belongs here");
    check_refused("text", "{a: b}", "a text belongs here");
}

static void test_whole_numbers(void)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"42", 42},
                {"-42", -42},
                {"'8'", 8},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"007", 7},
                {"+5", 5}};
    static const char *const bad[] = {"x",
                                      "1.0",
                                      "1.5",
                                      "1e3",
                                      "0x10",
                                      "1_000",
                                      "1,000",
                                      "1 000",
                                      "--1",
                                      "''",
                                      "1s",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999",
                                      "true",
                                      "1 # not a comment'"};
    for (size_t i = 0; i < COUNT(good); i++) {
        check(read_one("number", good[i].text) && values.number == good[i].value, "%s gave %lld; %s", good[i].text,
              (long long)values.number, said);
    }
    for (size_t i = 0; i + 1 < COUNT(bad); i++) {
        check_refused("number", bad[i], "is not a whole number");
    }
    check_refused("number", "[1]", "a whole number belongs here");
    check_refused("number", "{a: 1}", "a whole number belongs here");
}

static void test_ranges(void)
{
    CU_ASSERT(read_one("ranged", "1") && values.ranged == 1);
    CU_ASSERT(read_one("ranged", "64") && values.ranged == 64);
    check_refused("ranged", "0", "FILE:1:9: part: ranged: must be between 1 and 64");
    check_refused("ranged", "65", "must be between 1 and 64");
    check_refused("ranged", "-1", "must be between 1 and 64");
    check_refused("ranged", "9223372036854775807", "must be between 1 and 64");
    CU_ASSERT(read_one("at_least", "-5") && values.at_least == -5);
    CU_ASSERT(read_one("at_least", "9223372036854775807"));
    check_refused("at_least", "-6", "must be at least -5");
    CU_ASSERT(read_one("ratio", "1") && values.ratio == 1);
    CU_ASSERT(read_one("ratio", "0") && values.ratio == 0);
    check_refused("ratio", "1.0000001", "must be between 0 and 1");
    check_refused("ratio", "-0.0000001", "must be between 0 and 1");
    check_refused("bounded_wait", "99ms", "must be between 100 and 60000 ms");
    check_refused("bounded_wait", "61s", "must be between 100 and 60000 ms");
    CU_ASSERT(read_one("bounded_wait", "1m") && values.bounded_wait == 60000);
    check_refused("bounded_room", "4095", "must be at least 4096 bytes");
    CU_ASSERT(read_one("bounded_room", "4KiB"));
}

static void test_numbers(void)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},      {"1", 1},       {"0.25", 0.25}, {"-1.5", -1.5},
                {"1e3", 1000}, {"1E-2", 0.01}, {".5", 0.5},    {"5.", 5}};
    static const char *const bad[] = {"x",    "''",       "1,5",   "0.5x",   "nan",     "NaN", "inf",
                                      "-inf", "infinity", "1e999", "-1e999", "0.5 0.5", "true"};
    for (size_t i = 0; i < COUNT(good); i++) {
        check(read_one("any_ratio", good[i].text) && values.any_ratio == good[i].value, "%s gave %g; %s", good[i].text,
              values.any_ratio, said);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        check_refused("any_ratio", bad[i], "is not a number");
    }
}

static void test_true_and_false(void)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "'true'"},
                             *const no[] = {"false", "False", "FALSE", "no",  "No",
                                            "NO",    "off",   "Off",   "OFF", "\"off\""},
                             *const bad[] = {"1", "0", "y", "n", "truee", "tRue", "yEs", "''", "enabled", "tru e"};
    for (size_t i = 0; i < COUNT(yes); i++) {
        check(read_one("flag", yes[i]) && values.flag == 1, "%s: %s", yes[i], said);
    }
    for (size_t i = 0; i < COUNT(no); i++) {
        check(read_one("flag", no[i]) && values.flag == 0, "%s: %s", no[i], said);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        check_refused("flag", bad[i], "is neither true nor false");
    }
}

static void test_choices(void)
{
    CU_ASSERT(read_one("colour", "red") && values.colour == 0);
    CU_ASSERT(read_one("colour", "blue") && values.colour == 2);
    check_refused("colour", "grean",
                  "FILE:1:9: part: colour: 'grean' is not one of red, green, blue (did you mean 'green'?)");
    check_refused("colour", "Red", "is not one of red, green, blue");
    check_refused("colour", "1", "is not one of");
    check_refused("colour", "''", "is not one of");
    check_refused("colour", "ultraviolet", "'ultraviolet' is not one of red, green, blue\n");
    check_refused("colour", "[red]", "a choice belongs here");
}

static void test_durations(void)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0ms", 0},
                {"0s", 0},
                {"250ms", 250},
                {"5s", 5000},
                {"10m", 600000},
                {"2h", 7200000},
                {"7d", 604800000},
                {"9223372036854775807ms", INT64_MAX},
                {"9223372036854775s", INT64_C(9223372036854775000)},
                {"106751991167d", INT64_C(9223372036828800000)},
                {"-5s", -5000}};
    static const char *const bad[] = {"5",
                                      "0",
                                      "s",
                                      "''",
                                      "5 s",
                                      "5sec",
                                      "5S",
                                      "1.5s",
                                      "1h30m",
                                      "5us",
                                      "x5s",
                                      "5ss",
                                      "9223372036854775808ms",
                                      "9223372036854776s",
                                      "106751991168d",
                                      "9223372036854775807d"};
    for (size_t i = 0; i < COUNT(good); i++) {
        check(read_one("wait", good[i].text) && values.wait == good[i].ms, "%s gave %lld; %s", good[i].text,
              (long long)values.wait, said);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        check_refused("wait", bad[i], "is not a duration; write a number with ms, s, m, h or d");
    }
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"0", 0},
                {"512", 512},
                {"512B", 512},
                {"64KiB", 65536},
                {"1MiB", 1048576},
                {"2GiB", INT64_C(2147483648)},
                {"1TiB", INT64_C(1099511627776)},
                {"3kB", 3000},
                {"3MB", 3000000},
                {"3GB", INT64_C(3000000000)},
                {"9223372036854775807", INT64_MAX},
                {"8388607TiB", INT64_C(9223370937343148032)}};
    static const char *const bad[] = {"x",
                                      "''",
                                      "1.5MiB",
                                      "1K",
                                      "1k",
                                      "1M",
                                      "1KB",
                                      "1kib",
                                      "1 KiB",
                                      "1KiBB",
                                      "KiB",
                                      "8388608TiB",
                                      "9223372036854775808",
                                      "9007199254740992KiB"};
    for (size_t i = 0; i < COUNT(good); i++) {
        check(read_one("room", good[i].text) && values.room == good[i].bytes, "%s gave %lld; %s", good[i].text,
              (long long)values.room, said);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        check_refused("room", bad[i], "is not a size; write bytes, or a number with KiB, MiB or GiB");
    }
}

static void check_list(const char *value, const char *expected)
{
    char joined[4096] = "";
    check(read_one("words", value), "%s: %s", value, said);
    for (uint32_t i = 0; i < values.words.count; i++) {
        (void)snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "<%s>", values.words.items[i]);
    }
    check_text(joined, expected, value);
}

static void test_lists(void)
{
    check_list("[a, b]", "<a><b>");
    check_list("[]", "");
    check_list("[' a ', 'b,c', '']", "< a ><b,c><>");
    check_list("\n  - a\n  - b\n", "<a><b>");
    check_list("a", "<a>");
    check_list("a,b", "<a><b>");
    check_list("' a , b c ,,, d, '", "<a><b c><d>");
    check_list("','", "");
    check_list("' , '", "");
    check_list("''", "");
    check_list("${UNIT_LIST}", "<x><y z>");
    check_list("['${UNIT_LIST}', w]", "<x, y z><w>");
    CU_ASSERT(read_one("defaults", "[z]"));
    CU_ASSERT(values.defaults.count == 1 && strcmp(values.defaults.items[0], "z") == 0);
    CU_ASSERT(read_one("defaults", "[]") && values.defaults.count == 0);
    check_refused("words", "{a: b}", "a list of values belongs here");
    check_refused("words", "[a, [b]]", "FILE:1:12: part: words: each item must be a single value");
    check_refused("words", "[{a: b}]", "each item must be a single value");
}

/* A text between commas is taken whole, however long it is. */
static void test_long_items_of_lists(void)
{
    char value[3200];
    memset(value, 'x', sizeof value);
    value[1500] = ',';
    value[3100] = '\0';
    CU_ASSERT(read_one("words", value));
    CU_ASSERT_EQUAL_FATAL(values.words.count, 2);
    CU_ASSERT_EQUAL(strlen(values.words.items[0]), 1500);
    CU_ASSERT_EQUAL(strlen(values.words.items[1]), 1599);
}

static void test_lists_of_choices(void)
{
    CU_ASSERT(read_one("chosen", "[red, blue]") && values.chosen.count == 2);
    CU_ASSERT(read_one("chosen", "red,blue") && values.chosen.count == 2);
    check_refused("chosen", "[red, grean, blue]", "'grean' is not one of red, green, blue (did you mean 'green'?)");
    CU_ASSERT(!read_one("chosen", "[x, y]"));
    CU_ASSERT_EQUAL(errors, 2);
}

static void test_maps(void)
{
    CU_ASSERT(read_one("map", "{a: 1, 'b c': '', '${UNIT_WORD}': \"${UNIT_WORD}\"}"));
    CU_ASSERT_EQUAL_FATAL(values.map.count, 3);
    check_text(values.map.keys[0], "a", "key");
    check_text(values.map.values[0], "1", "value");
    check_text(values.map.keys[1], "b c", "key");
    check_text(values.map.values[1], "", "value");
    check_text(values.map.keys[2], "word", "key");
    check_text(values.map.values[2], "word", "value");
    CU_ASSERT(read_one("map", "{}") && values.map.count == 0);
    check_refused("map", "[a]", "a map of values belongs here");
    check_refused("map", "a=b", "a map of values belongs here");
    check_refused("map", "{a: 1, b: [2]}", "FILE:1:16: part: map: b must have a single value");
    check_refused("map", "{a: {b: 1}}", "a must have a single value");
}

static void test_unknown_options(void)
{
    check_refused("nummer", "1", "FILE:1:1: part: unknown option 'nummer' (did you mean 'number'?)\n");
    check_refused("Number", "1", "unknown option 'Number' (did you mean 'number'?)");
    check_refused("passwort", "x", "(did you mean 'password'?)");
    check_refused("completely_different", "x", "unknown option 'completely_different'\n");
    check_refused("_", "x", "unknown option '_'");
}

static void test_ignored_keys_and_two_targets(void)
{
    static const char *const ignored[] = {"plugin", NULL};
    const struct option_target targets[] = {OPTION_TARGET(rows, &values), OPTION_TARGET(needed_rows, &values)};
    read_with("plugin: x\nnumber: 3\nneeded: y\nneeded_words: z\n", targets, 2, ignored);
    check(ok, "%s", said);
    CU_ASSERT(values.number == 3 && strcmp(values.needed, "y") == 0 && values.needed_words.count == 1);
    read_with("plugin: x\nneeded: y\nneeded_words: z\n", targets, 2, NULL);
    CU_ASSERT(!ok);
    read_with("plugni: x\nneeded: y\nneeded_words: z\n", targets, 2, ignored);
    check_contains(said, "unknown option 'plugni' (did you mean 'plugin'?)", "said");
    read_with("neded: y\nneeded: y\nneeded_words: z\n", targets, 2, ignored);
    check_contains(said, "(did you mean 'needed'?)", "said");
}

static void test_required_options(void)
{
    static const char *const empty[] = {"needed: ''\nneeded_words: []\n", "needed:\nneeded_words:\n",
                                        "needed: ${UNIT_EMPTY}\nneeded_words: ','\n", "needed: ~\nneeded_words: ''\n"};
    const struct option_target target = OPTION_TARGET(needed_rows, &values);
    for (size_t i = 0; i < COUNT(empty); i++) {
        read_with(empty[i], &target, 1, NULL);
        check(!ok && errors == 2, "%s: %u errors: %s", empty[i], errors, said);
        check_contains(said, "FILE:1:", "needed");
        check_contains(said, "FILE:2:", "needed_words");
        check_contains(said, "part: option 'needed' is required (help for needed)", empty[i]);
        check_contains(said, "part: option 'needed_words' is required (help for needed_words)", empty[i]);
    }
    read_with("{}\n", &target, 1, NULL);
    CU_ASSERT(!ok && errors == 2);
    check_contains(said, "FILE:1:1: part: option 'needed' is required", "missing");
}

static void test_every_mistake_is_reported(void)
{
    read_yaml("number: x\nranged: 0\nflag: 2\nnothing: 1\ncolour: grey\nwait: 5\nroom: y\nwords: {}\nmap: 1\ntext: "
              "[]\nratio: 2\n");
    CU_ASSERT(!ok);
    CU_ASSERT_EQUAL(errors, 11);
}

static void test_secrets_are_never_shown(void)
{
    static const char *const yaml[] = {
        "password: [hunter2]\n",       "password: {hunter2: hunter2}\n",  "secret_number: hunter2\n",
        "secret_number: 'hunter2 '\n", "secret_number: ${UNIT_SECRET}\n", "number: ${UNIT_SECRET}\n",
        "colour: ${UNIT_SECRET}\n",    "flag: ${UNIT_SECRET}\n",          "wait: ${UNIT_SECRET}\n",
        "chosen: '${UNIT_SECRET}'\n",  "any_ratio: ${UNIT_SECRET}\n",     "${UNIT_SECRET}: x\n",
        "chosen: ['${UNIT_SECRET}']\n"};
    for (size_t i = 0; i < COUNT(yaml); i++) {
        read_yaml(yaml[i]);
        check(!ok && strstr(said, "hunter2") == NULL, "%s: said: %s", yaml[i], said);
    }
    (void)setenv("UNIT_COUNT", "5x", 1);
    check_refused("number", "${UNIT_COUNT}", "number: 5x (from ${UNIT_COUNT}) is not a whole number");
    check_refused("wait", "'${UNIT_COUNT}'", "wait: 5x (from ${UNIT_COUNT}) is not a duration");
    check_refused("colour", "${UNIT_COUNT}", "colour: '5x' (from ${UNIT_COUNT}) is not one of red, green, blue");
    check_refused("chosen", "[red, '${UNIT_COUNT}']", "chosen: '5x' (from ${UNIT_COUNT}) is not one of");
    check_refused("secret_number", "${UNIT_COUNT}", "secret_number: the value is not a whole number");
    check_refused("secret_number", "hunter2", "secret_number: the value is not a whole number");
    check_refused("number", "${UNIT_SECRET}", "number: ${UNIT_SECRET} is not a whole number");
    read_yaml("password: hunter2\n");
    CU_ASSERT(ok && strcmp(values.password, "hunter2") == 0 && *said == '\0');
}

static void test_deprecated_options_warn(void)
{
    char *before;
    CU_ASSERT(read_one("number", "1"));
    CU_ASSERT_STRING_EQUAL(said, "");
    read_yaml("number: 1\nold: x\n");
    CU_ASSERT_STRING_EQUAL(values.old, "x");
    before = strdup(said);
    CU_ASSERT_EQUAL(errors, 0);
    check_text(before, "FILE:2:6: warning: part: old is deprecated: help for old\n", "said");
    free(before);
}

/* Rows of a later minor version are longer; the stride says by how much. */
static void test_longer_rows(void)
{
    struct longer {
        churn_option row;
        uint64_t later[3];
    };
    static const struct longer longer[] = {{ROW(number, INT, .default_text = "3"), {~UINT64_C(0)}},
                                           {ROW(text, STRING, .default_text = "later"), {~UINT64_C(0)}}};
    const struct option_target target = {
        .rows = &longer[0].row, .count = 2, .stride = sizeof(struct longer), .base = &values};
    read_with("number: 4\n", &target, 1, NULL);
    CU_ASSERT(ok && values.number == 4 && strcmp(values.text, "later") == 0);
    read_with("flag: true\n", &target, 1, NULL);
    CU_ASSERT(!ok);
}

static void test_sections_that_are_no_map(void)
{
    const struct option_target target = OPTION_TARGET(rows, &values);
    struct node nothing = {.kind = NODE_SCALAR, .null = true, .text = "", .written = "", .line = 3, .column = 4};
    struct node word = {.kind = NODE_SCALAR, .text = "word", .written = "word", .line = 5, .column = 6};
    struct node list = {.kind = NODE_LIST, .line = 7, .column = 8};
    char *text = NULL;
    size_t size = 0;
    struct config config = {.file = "FILE", .errors = open_memstream(&text, &size)};
    if (config.errors == NULL) {
        abort();
    }
    options_free(&target, 1);
    CU_ASSERT(options_read(&config, NULL, NULL, "part", &target, 1, NULL));
    CU_ASSERT_EQUAL(values.number, 7);
    CU_ASSERT(options_read(&config, &nothing, &nothing, "part", &target, 1, NULL));
    CU_ASSERT(!options_read(&config, &word, &word, "part", &target, 1, NULL));
    CU_ASSERT(!options_read(&config, &list, &list, "part", &target, 1, NULL));
    (void)fclose(config.errors);
    check_text(text,
               "FILE:5:6: part: options belong here, as 'name: value' lines\n"
               "FILE:7:8: part: options belong here, as 'name: value' lines\n",
               "said");
    free(text);
    config_free(&config);
    options_free(&target, 1);
}

static void test_type_names(void)
{
    static const char *const names[] = {"?",        "text", "whole number",   "number",        "true/false",  "choice",
                                        "duration", "size", "list of values", "map of values", "list or map", "?"};
    for (uint32_t i = 0; i < COUNT(names); i++) {
        check_text(option_type_name(i), names[i], "type");
    }
    check_text(option_type_name(UINT32_MAX), "?", "type");
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_defaults),
        TEST(test_a_default_of_the_plugins_own),
        TEST(test_a_key_without_value_keeps_the_default),
        TEST(test_trees),
        TEST(test_options_of_two_parts),
        TEST(test_texts),
        TEST(test_whole_numbers),
        TEST(test_ranges),
        TEST(test_numbers),
        TEST(test_true_and_false),
        TEST(test_choices),
        TEST(test_durations),
        TEST(test_sizes),
        TEST(test_lists),
        TEST(test_long_items_of_lists),
        TEST(test_lists_of_choices),
        TEST(test_maps),
        TEST(test_unknown_options),
        TEST(test_ignored_keys_and_two_targets),
        TEST(test_required_options),
        TEST(test_every_mistake_is_reported),
        TEST(test_secrets_are_never_shown),
        TEST(test_deprecated_options_warn),
        TEST(test_longer_rows),
        TEST(test_sections_that_are_no_map),
        TEST(test_type_names),
        CU_TEST_INFO_NULL,
    };
    static const char *const set[][2] = {
        {"UNIT_WORD", "word"}, {"UNIT_EMPTY", ""}, {"UNIT_SECRET", "hunter2"}, {"UNIT_LIST", "x, y z"}};
    int status;
    for (size_t i = 0; i < COUNT(set); i++) {
        if (setenv(set[i][0], set[i][1], 1) != 0) {
            return 1;
        }
    }
    status = run_tests("option", tests);
    free_values();
    free(said);
    return status;
}
