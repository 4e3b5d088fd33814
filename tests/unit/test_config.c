/* YAML with places, variables in scalars, and .env files: what is read and what is said of mistakes. */
#include "core/base/json_text.h"

#include "loaded_fixture.h"

/* The node at a path such as "a.b.1", or NULL. */
static const struct node *at(const char *path)
{
    const struct node *node = &config.root;
    char part[64];
    while (*path != '\0' && node != NULL) {
        size_t len = strcspn(path, ".");
        (void)snprintf(part, sizeof part, "%.*s", (int)len, path);
        if (node->kind == NODE_LIST) {
            unsigned i = (unsigned)atoi(part);
            node = i < node->count ? &node->items[i] : NULL;
        } else {
            node = config_get(node, part);
        }
        path += len + (path[len] == '.');
    }
    return node;
}

static void check_scalar(const char *path, const char *expected)
{
    const struct node *node = at(path);
    check(node != NULL && node->kind == NODE_SCALAR && *said == '\0', "%s is no scalar, or something was said: %s",
          path, said);
    if (node != NULL && node->kind == NODE_SCALAR) {
        check_text(node->text, expected, path);
    }
}

static void check_place(const char *path, unsigned line, unsigned column)
{
    const struct node *node = at(path);
    check(node != NULL && node->line == line && node->column == column, "%s: expected %u:%u, got %u:%u", path, line,
          column, node != NULL ? node->line : 0, node != NULL ? node->column : 0);
}

static void test_a_tree_with_places(void)
{
    load("# a comment\n"
         "name: one   # another\n"
         "source:\n"
         "  plugin: kafka\n"
         "  topics: [a, \"b c\", 'd''e']\n"
         "sinks:\n"
         "- plugin: file\n"
         "  path: >-\n"
         "    folded\n"
         "    text\n"
         "-  plugin: \"kafka\\n\\u00e9\"\n"
         "empty:\n");
    CU_ASSERT(loaded);
    CU_ASSERT_EQUAL(config.root.kind, NODE_MAP);
    CU_ASSERT_EQUAL(config.root.count, 4);
    check_scalar("name", "one");
    check_scalar("source.topics.1", "b c");
    check_scalar("source.topics.2", "d'e");
    check_scalar("sinks.0.path", "folded text");
    check_scalar("sinks.1.plugin", "kafka\n\xc3\xa9");
    check_place("name", 2, 7);
    check_place("source", 4, 3);
    check_place("source.topics", 5, 11);
    check_place("source.topics.1", 5, 15);
    check_place("sinks.1", 11, 4);
    check_place("sinks.1.plugin", 11, 12);
    CU_ASSERT_PTR_NULL(at("nothing"));
    CU_ASSERT_PTR_NULL(at("source.plugi"));
    CU_ASSERT_PTR_NULL(config_get(NULL, "name"));
    CU_ASSERT_PTR_NULL(config_get(at("name"), "name"));
    CU_ASSERT_PTR_NULL(config_get(at("sinks"), "plugin"));
}

static void test_null(void)
{
    load("a:\nb: ~\nc: null\nd: ''\ne: \"null\"\nf: Null\ng: nul\nh: '~'\ni: ${NOT_SET:-}\nj: ${NOT_SET:-~}\n");
    CU_ASSERT(loaded);
    CU_ASSERT(at("a")->null && at("b")->null && at("c")->null);
    CU_ASSERT(!at("d")->null && !at("e")->null && !at("f")->null && !at("g")->null && !at("h")->null);
    CU_ASSERT(at("i")->null && at("j")->null);
    CU_ASSERT(!at("a")->quoted && !at("b")->quoted && !at("f")->quoted && !at("j")->quoted);
    CU_ASSERT(at("d")->quoted && at("e")->quoted && at("h")->quoted);
}

static void test_anchors(void)
{
    load("base: &base {x: 1, y: [2]}\none: *base\ntwo: *base\n");
    CU_ASSERT(loaded);
    check_scalar("one.x", "1");
    check_scalar("two.y.0", "2");
}

static void test_no_map_of_sections(void)
{
    static const char *const texts[] = {"",       "\n\n", "# only a comment\n", "---\n", "word", "- a\n- b\n", "[]",
                                        "'text'", "5\n"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        check_refused(texts[i],
                      "FILE: a pipeline is a map of sections (source, store, sinks …); see churnd-pipeline(5)\n");
    }
}

static void test_syntax_errors_say_where(void)
{
    static const struct {
        const char *yaml, *part;
    } cases[] = {{"a: 1\n b: 2\n", "FILE:2:3: YAML: "}, {"a: [1, 2\nb: 3\n", "FILE:2:2: YAML: "},
                 {"a: 'open\n", "FILE:2:1: YAML: "},    {"a:\n\tb: 1\n", "FILE:2:1: YAML: "},
                 {"a: @b\n", "FILE:1:4: YAML: "},       {"a: *nothing\n", "FILE:1:4: YAML: "},
                 {"a: {b: 1\n", "FILE:2:1: YAML: "},    {"a: b: c\n", "FILE:1:5: YAML: "},
                 {"a: \"\\q\"\n", "FILE:1:5: YAML: "},  {"a: 1\n- b\n", "FILE:2:1: YAML: "}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_refused_with(cases[i].yaml, cases[i].part);
    }
    check_refused_with("a:\n\tb: 1\n", "not tabs");
    check_refused_with("a: @b\n", "quotes around");
    check_refused_with("a: [${X}, ${Y}]\n", "put ${…} between quotes");
    check_refused_with("a: 1\n b: 2\n", "indented");
}

static void test_a_second_document(void)
{
    check_refused("a: 1\n---\nb: 2\n", "FILE:3:1: a second YAML document begins here; a file holds one pipeline\n");
    check_refused("---\na: 1\n...\n---\nb\n",
                  "FILE:5:1: a second YAML document begins here; a file holds one pipeline\n");
    check_refused_with("a: 1\n---\nb: [\n", "YAML: ");
    load("---\na: 1\n...\n");
    check_scalar("a", "1");
}

static void test_text_that_is_no_utf8(void)
{
    check_refused_with("a: \xff\n", "FILE:1:4: not UTF-8 text: ");
    check_refused_with("a: b\nc: caf\xe9\n", "FILE:2:7: not UTF-8 text: ");
    check_refused_with("a: \xc0\x80\n", "FILE:1:4: not UTF-8 text: ");
    check_refused_with("# \xc3\xa9\n\na: \x01\n", "FILE:3:4: not UTF-8 text: ");
    load_bytes("a: b\0c\n", 7);
    CU_ASSERT(!loaded);
    check_refused("a: \"b\\0c\"\n", "FILE:1:4: a value must not hold a NUL character\n");
    load("\xef\xbb\xbf"
         "a: b\n"); /* editors write the mark before YAML, which allows it */
    check_scalar("a", "b");
}

static void test_files_that_cannot_be_read(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *errors = open_memstream(&text, &size);
    if (errors == NULL) {
        abort();
    }
    config_free(&config);
    CU_ASSERT(!config_load(&config, "/nonexistent/p.yaml", NULL, errors));
    CU_ASSERT_EQUAL(config.error_count, 1);
    (void)fflush(errors);
    check_text(text, "/nonexistent/p.yaml: No such file or directory\n", "no file");
    config_free(&config);
    CU_ASSERT(!config_load(&config, "/", NULL, errors));
    CU_ASSERT_EQUAL(config.error_count, 1);
    config_free(&config);
    (void)fclose(errors);
    check_contains(text, "\n/: is a folder, no pipeline file\n", "a folder");
    free(text);
}

static void test_repeated_keys(void)
{
    check_refused("a: 1\nb: 2\na: 3\n", "FILE:3:1: 'a' was given before, in line 1\n");
    check_refused("x:\n  a: 1\n  'a': 2\n", "FILE:3:3: 'a' was given before, in line 2\n");
    check_refused("x: [{a: 1, b: 2, a: 3}]\n", "FILE:1:18: 'a' was given before, in line 1\n");
    load("a: {b: 1}\nb: {b: 1, a: 2}\n");
    CU_ASSERT(loaded);
    check_refused("? [a]\n: 1\n", "FILE:1:3: a key must be a plain word\n");
    check_refused("? {a: b}\n: 1\n", "FILE:1:3: a key must be a plain word\n");
}

static void test_every_mistake_is_reported(void)
{
    check_refused(
        "a: 1\na: 2\nb:\n  c: ${UNIT_UNSET}\n  d: ${UNIT_UNSET:?say it}\n  e: ${x\n",
        "FILE:2:1: 'a' was given before, in line 1\n"
        "FILE:4:6: environment variable UNIT_UNSET is not set (set it, or give a default: ${UNIT_UNSET:-default})\n"
        "FILE:5:6: environment variable UNIT_UNSET is needed: say it\n"
        "FILE:6:6: the '${' at byte 1 of this value is not a reference to a variable; write ${NAME}, "
        "${NAME:-default} or ${NAME:?message}, "
        "or ${file:PATH} ($$ for a dollar sign)\n");
}

static void test_variables(void)
{
    static const struct {
        const char *written, *expected;
    } cases[] = {{"${UNIT_SET}", "value"},
                 {"'${UNIT_SET}'", "value"},
                 {"\"${UNIT_SET}\"", "value"},
                 {"a${UNIT_SET}b${UNIT_SET}c", "avaluebvaluec"},
                 {"${UNIT_SET:-other}", "value"},
                 {"${UNIT_SET:?needed}", "value"},
                 {"${UNIT_UNSET:-other}", "other"},
                 {"${UNIT_UNSET:-}", ""},
                 {"${UNIT_UNSET:-a:-b:?c}", "a:-b:?c"},
                 {"${UNIT_UNSET:-localhost:9092}", "localhost:9092"},
                 {"\"${UNIT_UNSET:-a \\\"quoted\\\" 'word'}\"", "a \"quoted\" 'word'"},
                 {"'${UNIT_UNSET:-it''s}'", "it's"},
                 {"\"${UNIT_UNSET:-a # b}\"", "a # b"},
                 {"${UNIT_EMPTY}", ""},
                 {"${UNIT_EMPTY:-other}", "other"},
                 {"x${UNIT_EMPTY}y", "xy"},
                 {"${UNIT_QUOTED}", "a \"b\" 'c' ${UNIT_SET} $$ # d: [e]"}, /* a value is never read again */
                 {"${_1}", "underscore"},
                 {"$$", "$"},
                 {"$$$$", "$$"},
                 {"$${UNIT_SET}", "${UNIT_SET}"},
                 {"$$${UNIT_SET}", "$value"},
                 {"$UNIT_SET", "$UNIT_SET"},
                 {"a$", "a$"},
                 {"$(x)", "$(x)"},
                 {"100$ {x}", "100$ {x}"},
                 {"}", NULL}};
    for (size_t i = 0; cases[i].expected != NULL; i++) {
        char yaml[256];
        (void)snprintf(yaml, sizeof yaml, "k: %s\n", cases[i].written);
        load(yaml);
        check(loaded, "%s: %s", yaml, said);
        if (loaded) {
            check_scalar("k", cases[i].expected);
        }
    }
    load("${UNIT_SET}: x\n'$$k': y\n");
    check_scalar("value", "x");
    check_scalar("$k", "y");
}

static void test_variables_do_not_change_the_structure(void)
{
    load("a: ${UNIT_YAML}\nb: 1\n");
    CU_ASSERT(loaded);
    check_scalar("a", "x\nc: [1, 2]");
    CU_ASSERT_EQUAL(config.root.count, 2);
}

static void test_references_that_are_none(void)
{
    static const char *const texts[] = {"${}",
                                        "${:-x}",
                                        "${UNIT_SET",
                                        "${UNIT-SET}",
                                        "${UNIT SET}",
                                        "${UNIT_SET:}",
                                        "${UNIT_SET:=x}",
                                        "${UNIT_SET:+x}",
                                        "${UNIT_SET-x}",
                                        "${ UNIT_SET}",
                                        "${UNIT_SET }",
                                        "x${UNIT_SET:-a",
                                        "${UNIT_UNSET:-${UNIT_SET}}",
                                        "${UNIT_UNSET:?${UNIT_SET}}",
                                        "${UNIT_SET:-${UNIT_UNSET:-x}}"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        char yaml[256];
        (void)snprintf(yaml, sizeof yaml, "k: \"%s\"\n", texts[i]);
        check_refused_with(yaml, "FILE:1:4: the '${' at byte ");
        check_contains(said, "is not a reference to a variable", texts[i]);
    }
}

static void test_variables_that_are_not_set(void)
{
    check_refused(
        "k: x\nl:   ${UNIT_UNSET}\n",
        "FILE:2:6: environment variable UNIT_UNSET is not set (set it, or give a default: ${UNIT_UNSET:-default})\n");
    check_refused("k: ${UNIT_UNSET:?get it from the console}\n",
                  "FILE:1:4: environment variable UNIT_UNSET is needed: get it from the console\n");
    check_refused("k: ${UNIT_EMPTY:?must not be empty}\n",
                  "FILE:1:4: environment variable UNIT_EMPTY is needed: must not be empty\n");
    check_refused_with("k: ${UNIT_UNSET:?}\n", "UNIT_UNSET is needed");
}

/* A secret may be written into the file itself, and have what looks like the begin of a reference. */
static void test_messages_show_no_literals(void)
{
    check_refused_with("password: \"hunter2${Sup3r!Secret-tail\"\n",
                       "FILE:1:11: the '${' at byte 8 of this value is not");
    CU_ASSERT(strstr(said, "hunter2") == NULL && strstr(said, "Sup3r") == NULL && strstr(said, "tail") == NULL);
}

/* What a variable holds may be a secret: messages show what the file says. */
static void test_messages_show_no_values(void)
{
    static const char *const texts[] = {"k: ${UNIT_SECRET}${\n", "k: ${UNIT_SECRET} ${UNIT_UNSET}\n",
                                        "k: ${UNIT_SECRET:?x}${UNIT_UNSET:?y}\n"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        load(texts[i]);
        check(!loaded && strstr(said, "hunter2") == NULL, "said: %s", said);
    }
    load("k: ${UNIT_SECRET}\n");
    check_scalar("k", "hunter2");
    check_text(at("k")->written, "${UNIT_SECRET}", "as written");
}

/* Of all that a message says, whoever said it, a secret's value is hidden: whole, or as far as there was room for it.
 */
static void test_secrets_in_what_others_say(void)
{
    load("a: ${UNIT_SECRET}\nb: ${UNIT_TOKEN}\nc: ${UNIT_PASS}\nd: ${UNIT_SET}\n");
    CU_ASSERT(loaded && *said == '\0');
    config_error(&config, NULL, "%s, %s2 and hunt", at("a")->text, at("a")->text);
    config_error(&config, at("d"), "'%s' is value", at("b")->text);
    config_error(&config, at("d"), "cut is %.9s", at("b")->text);
    config_warning(&config, at("d"), "a short one is shown: %s", at("c")->text);
    CU_ASSERT_EQUAL_FATAL(config.finding_count, 4);
    check_text(config.findings[0].message, "${UNIT_SECRET}, ${UNIT_SECRET}2 and hunt", "with others around it");
    check_text(config.findings[1].message, "'${UNIT_TOKEN}' is value", "the longer one");
    check_text(config.findings[2].message, "cut is ${UNIT_TOKEN}", "cut");
    check_text(config.findings[3].message, "a short one is shown: file", "short");
}

static void nested(char *yaml, unsigned levels)
{
    char *to = yaml + sprintf(yaml, "a: ");
    for (unsigned i = 0; i < levels; i++) {
        *to++ = '[';
    }
    for (unsigned i = 0; i < levels; i++) {
        *to++ = ']';
    }
    *to = '\0';
}

static void test_depth(void)
{
    char yaml[2048];
    nested(yaml, 32);
    load(yaml);
    CU_ASSERT(loaded);
    nested(yaml, 33);
    check_refused(yaml, "FILE:1:36: nested more than 32 levels deep\n");
    nested(yaml, 500);
    check_refused_with(yaml, "nested more than 32 levels deep");
}

/* The parser's time grows with the square of the depth: it must end at the first level too many. */
static void test_a_hundred_thousand_levels(void)
{
    static const struct {
        const char *level, *said;
    } cases[] = {{"[", "FILE:1:36: nested more than 32 levels deep\n"},
                 {"{", "FILE:1:36: nested more than 32 levels deep\n"},
                 {"[{", "FILE:1:36: nested more than 32 levels deep\n"},
                 {"{a: ", "nested more than 32 levels deep"},
                 {"\n- ", "YAML: "},
                 {"- ", "nested more than 32 levels deep"},
                 {"? ", "nested more than 32 levels deep"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = strlen(cases[i].level), levels = 100000;
        char *yaml = malloc(3 + levels * len + 1);
        if (yaml == NULL) {
            abort();
        }
        memcpy(yaml, i < 4 ? "a: " : "a:\n", 3);
        for (size_t level = 0; level < levels; level++) {
            memcpy(yaml + 3 + level * len, cases[i].level, len);
        }
        load_bytes(yaml, 3 + levels * len);
        CU_ASSERT(!loaded);
        check_contains(said, i == 4 ? "more than" : cases[i].said, cases[i].level);
        check(strlen(said) < 200, "%zu bytes were said", strlen(said));
        free(yaml);
    }
}

static void test_tags(void)
{
    check_refused("a: !include other.yaml\n",
                  "FILE:1:4: YAML tags are not supported ('!include'); a text that begins with '!' wants quotes\n");
    check_refused_with("a:\n  b: !vault x\n", "FILE:2:6: YAML tags are not supported ('!vault')");
    check_refused_with("a: !!str 5\n", "YAML tags are not supported ('tag:yaml.org,2002:str')");
    check_refused_with("a: !!binary aGk=\n", "YAML tags are not supported");
    check_refused_with("a: ! x\n", "YAML tags are not supported ('!')");
    check_refused_with("a: !list [1]\n", "YAML tags are not supported ('!list')");
    check_refused_with("a: !map {b: 1}\n", "YAML tags are not supported ('!map')");
    check_refused_with("!key a: b\n", "YAML tags are not supported ('!key')");
    check_refused_with("--- !root\na: b\n", "YAML tags are not supported ('!root')");
    load("a: '!include x'\nb: \"!x\"\n");
    CU_ASSERT(loaded);
    check_scalar("a", "!include x");
}

static void test_merge_keys(void)
{
    check_refused("base: &base {plugin: file}\na:\n  <<: *base\n  b: 1\n",
                  "FILE:3:3: merge keys ('<<') are not supported; write the values out, or use an alias for each\n");
    check_refused_with("a: {<<: {b: 1}}\n", "FILE:1:5: merge keys ('<<') are not supported");
    check_refused_with("<<: [{a: 1}]\n", "FILE:1:1: merge keys");
    load("base: &base {b: 1}\na: *base\n'<<': text\n");
    CU_ASSERT(loaded);
    check_scalar("a.b", "1");
    check_scalar("<<", "text");
}

/* A file of keys, each of which is compared with those before it, and with as many mistakes as lines. */
static void test_a_large_file(void)
{
    struct text yaml = {0};
    for (int i = 0; i < 40000; i++) {
        text_printf(&yaml, "k%d: ${UNIT_NOT_SET}\n", i);
    }
    load_bytes(yaml.bytes, yaml.len);
    CU_ASSERT_EQUAL(config.error_count, 40000);
    check(config.finding_count == 1000, "%u findings", config.finding_count);
    yaml.len = 0;
    while (yaml.len <= 4 << 20) {
        text_append_string(&yaml, "# not a pipeline\n");
    }
    load_bytes(yaml.bytes, yaml.len);
    check_text(said, "FILE: more than 4 MiB; this is no pipeline file\n", "a large file");
    text_free(&yaml);
}

/* An alias may refer to what it lies in; the tree then has no end. */
static void test_aliases_without_end(void)
{
    check_refused_with("a: &a {b: *a}\n", "nested more than 32 levels deep");
    check_refused_with("a: &a [*a]\n", "nested more than 32 levels deep");
    check_refused_with("a: &a [*a, *a, *a, *a, *a, *a, *a, *a]\n", "nested more than 32 levels deep");
    check(strlen(said) < 10000, "%zu bytes were said", strlen(said));
}

/* Each line takes the one before it ten times: 10^9 nodes. */
static void test_aliases_that_explode(void)
{
    char yaml[1024], *to = yaml;
    to += sprintf(to, "l0: &l0 x\n");
    for (int i = 1; i <= 9; i++) {
        to += sprintf(to, "l%d: &l%d [", i, i);
        for (int k = 0; k < 10; k++) {
            to += sprintf(to, "%s*l%d", k > 0 ? ", " : "", i - 1);
        }
        to += sprintf(to, "]\n");
    }
    load(yaml);
    CU_ASSERT(!loaded);
    check_contains(said, "more than 100000 values", "said");
    check(strlen(said) < 10000, "%zu bytes were said", strlen(said));
}

/* What the environment does not have is looked up in the file; nothing of it gets into the environment. */
static void test_references_to_an_env_file(void)
{
    static const char yaml[] = "a: ${UNIT_ENV_A}\nb: ${UNIT_SET}\nc: ${UNIT_EMPTY:-none}\nd: ${UNIT_ENV_D:-none}\n"
                               "e: ${LD_UNIT:-none}\n",
                      lines[] = "UNIT_ENV_A=one\nUNIT_SET=not this\nUNIT_EMPTY=not this\nLD_UNIT=not this\n";
    char *file = write_file(yaml, sizeof yaml - 1), *env_file = write_file(lines, sizeof lines - 1), *text = NULL;
    size_t size = 0;
    FILE *errors = open_memstream(&text, &size);
    if (errors == NULL) {
        abort();
    }
    config_free(&config);
    CU_ASSERT(config_load(&config, file, env_file, errors));
    check_text(config_get(&config.root, "a")->text, "one", "a");
    check_text(config_get(&config.root, "b")->text, "value", "b");
    check_text(config_get(&config.root, "c")->text, "none", "c");
    check_text(config_get(&config.root, "d")->text, "none", "d");
    check_text(config_get(&config.root, "e")->text, "none", "e");
    CU_ASSERT(getenv("UNIT_ENV_A") == NULL);
    config_free(&config);
    CU_ASSERT(!config_load(&config, file, "/nonexistent/.env", errors) && config.error_count == 1);
    (void)fflush(errors);
    check_contains(text, "/nonexistent/.env: No such file or directory", "said");
    config_free(&config);
    (void)fclose(errors);
    free(text);
    remove_file(env_file);
    remove_file(file);
}

static void test_options_set_from_outside(void)
{
    load("a: {x: 1, y: [1, 2]}\nb: text\nc:\n");
    CU_ASSERT(loaded);
    CU_ASSERT(config_set(&config, "a", "x", "${NOT_REPLACED}") && config_set(&config, "a", "y", "was a list"));
    CU_ASSERT(config_set(&config, "a", "z", "") && config_set(&config, "a", "z", "new"));
    CU_ASSERT(config_set(&config, "b", "x", "1") && config_set(&config, "none", "x", "1"));
    check_scalar("a.x", "${NOT_REPLACED}");
    check_scalar("a.y", "was a list");
    check_scalar("a.z", "new");
    check_scalar("b", "text");
    CU_ASSERT_EQUAL(at("a")->count, 3);
    CU_ASSERT(at("a.x")->line == 1 && at("a.x")->column == 8);
    CU_ASSERT(at("a.z")->line == 1 && at("a.z")->column == 4);
    CU_ASSERT_PTR_NULL(at("none"));
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_a_tree_with_places),
        TEST(test_null),
        TEST(test_anchors),
        TEST(test_no_map_of_sections),
        TEST(test_syntax_errors_say_where),
        TEST(test_a_second_document),
        TEST(test_text_that_is_no_utf8),
        TEST(test_files_that_cannot_be_read),
        TEST(test_repeated_keys),
        TEST(test_every_mistake_is_reported),
        TEST(test_variables),
        TEST(test_variables_do_not_change_the_structure),
        TEST(test_references_that_are_none),
        TEST(test_variables_that_are_not_set),
        TEST(test_messages_show_no_values),
        TEST(test_depth),
        TEST(test_aliases_without_end),
        TEST(test_a_hundred_thousand_levels),
        TEST(test_tags),
        TEST(test_merge_keys),
        TEST(test_a_large_file),
        TEST(test_aliases_that_explode),
        TEST(test_references_to_an_env_file),
        TEST(test_options_set_from_outside),
        TEST(test_messages_show_no_literals),
        TEST(test_secrets_in_what_others_say),
        CU_TEST_INFO_NULL,
    };
    static const char *const set[][2] = {
        {"UNIT_SET", "value"},         {"UNIT_EMPTY", ""},
        {"UNIT_SECRET", "hunter2"},    {"UNIT_TOKEN", "hunter2-and-more"},
        {"UNIT_PASS", "file"},         {"UNIT_QUOTED", "a \"b\" 'c' ${UNIT_SET} $$ # d: [e]"},
        {"UNIT_YAML", "x\nc: [1, 2]"}, {"_1", "underscore"}};
    int status;
    for (size_t i = 0; i < COUNT(set); i++) {
        if (setenv(set[i][0], set[i][1], 1) != 0) {
            return 1;
        }
    }
    (void)unsetenv("UNIT_UNSET");
    status = run_tests("config", tests);
    free_loaded();
    return status;
}
