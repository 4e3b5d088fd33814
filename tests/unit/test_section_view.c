/* What plugins see of a section before it is read, and what they write into another. */
#include "core/pipeline/section_view.h"

#include "config_fixture.h"

static const char text[] = "own:\n"
                           "  plain: a b\n"
                           "  quoted: ''\n"
                           "  nothing:\n"
                           "  listed: [a, 'b, c']\n"
                           "  words: ' a b ,,c,'\n"
                           "  map: {x.y: 1, z: [1], w: '${VIEW_PASSWORD}'}\n"
                           "  deep: {map: {x: 1}}\n";

static char *name;
static struct config config;
static struct section_view own;
static char seen[256];

static void open_text(void)
{
    CU_ASSERT_FATAL(setenv("VIEW_PASSWORD", "hidden", 1) == 0);
    name = write_file(text, sizeof text - 1);
    CU_ASSERT_FATAL(config_load(&config, name, NULL, stderr));
    section_view_read(&own, config_get(&config.root, "own"));
}

static void close_text(void)
{
    config_free(&config);
    remove_file(name);
}

static void note(void *ctx, const char *part, const char *value)
{
    size_t len = strlen(seen);
    CU_ASSERT(ctx == &own);
    (void)snprintf(seen + len, sizeof seen - len, "[%s=%s]", part, value);
}

static void check_each(const churn_section *section, const char *option, const char *wanted)
{
    *seen = '\0';
    section->each(section, option, note, &own);
    check_text(seen, wanted, option);
}

static void test_single_values(void)
{
    const churn_section *section = &own.face;
    open_text();
    check_text(section->get(section, "plain"), "a b", "plain");
    check_text(section->get(section, "quoted"), "", "quoted");
    check_text(section->get(section, "map.x.y"), "1", "a part whose name has a dot");
    check_text(section->get(section, "map.w"), "hidden", "a variable");
    for (const char *const *none = (const char *const[]){"nothing", "listed", "map", "map.z", "plain.x", "gone",
                                                         "gone.x", "deep.map.x", "", NULL};
         *none != NULL; none++) {
        CU_ASSERT_PTR_NULL(section->get(section, *none));
    }
    CU_ASSERT(section->put == NULL && section->copy == NULL);
    close_text();
}

static void test_several_values(void)
{
    open_text();
    check_each(&own.face, "listed", "[=a][=b, c]");
    check_each(&own.face, "words", "[=a b][=c]");
    check_each(&own.face, "plain", "[=a b]");
    check_each(&own.face, "map", "[x.y=1][w=hidden]");
    check_each(&own.face, "nothing", "");
    check_each(&own.face, "gone", "");
    close_text();
}

/* A section that is not there, or is no map, says nothing. */
static void test_no_section(void)
{
    open_text();
    const struct node *scalar = config_get(own.node, "plain");
    section_view_read(&own, scalar);
    CU_ASSERT_PTR_NULL(own.face.get(&own.face, "plain"));
    section_view_read(&own, NULL);
    CU_ASSERT_PTR_NULL(own.face.get(&own.face, "plain"));
    check_each(&own.face, "plain", "");
    close_text();
}

static void test_a_section_that_is_made(void)
{
    struct section_view made;
    churn_section *section = &made.face;
    open_text();
    struct node map = config_map(own.node);
    section_view_make(&made, &map);
    section->put(section, "plugin", "file");
    section->put(section, "plugin", "kafka");
    section->put(section, "map.a.b", "2");
    section->copy(section, "map.secret", &own.face, "map.w");
    section->copy(section, "copied", &own.face, "plain");
    section->copy(section, "none", &own.face, "gone");
    section->copy(section, "none", &own.face, "listed");
    check_text(section->get(section, "plugin"), "kafka", "put twice");
    check_text(section->get(section, "map.secret"), "hidden", "copied");
    check_each(section, "map", "[a.b=2][secret=hidden]");
    CU_ASSERT(map.count == 3 && !made.failed);
    const struct node *secret = config_get(config_get(&map, "map"), "secret");
    check_text(secret->written, "${VIEW_PASSWORD}", "as the file has it");
    CU_ASSERT_EQUAL(secret->line, 7);
    config_free_node(&map);
    close_text();
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_single_values),          TEST(test_several_values), TEST(test_no_section),
        TEST(test_a_section_that_is_made), CU_TEST_INFO_NULL,
    };
    return run_tests("section_view", tests);
}
