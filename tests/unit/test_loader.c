/* Which plugins are found, in which order, and which are refused with what words. The plugins of tests/abi are wrong in
 * one way each; the host must see that without calling anything in them. */
#include "core/plugin/judge.h"
#include "core/plugin/loader.h"

#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char message[1024];

static const char *env(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value != NULL ? value : otherwise;
}

/* A loader that looks in `dir` first. */
static void open_loader(struct loader *loader, const char *dir)
{
    message[0] = '\0';
    (void)unsetenv("CHURN_PLUGIN_PATH");
    if (!loader_init(loader, &dir, dir != NULL)) {
        abort();
    }
}

static const struct loaded *get(struct loader *loader, uint32_t kind, const char *name)
{
    message[0] = '\0';
    return loader_get(loader, kind, name, message, sizeof message);
}

/* --- Bad plugins as files --- */

static void check_file(const char *name, const char *const *words)
{
    struct loader loader;
    char file[128];
    open_loader(&loader, env("TEST_ABI_DIR", "tests/abi/.libs"));
    check(get(&loader, CHURN_KIND_EVENT, name) == NULL, "%s was loaded", name);
    (void)snprintf(file, sizeof file, "/%s.so", name);
    check_contains(message, file, "the file");
    for (; *words != NULL; words++) {
        check_contains(message, *words, name);
    }
    check(strchr(message, '\n') == NULL, "%s: more than a line", name);
    CU_ASSERT_EQUAL(loader.plugin_count, strcmp(name, "wrong_kind") == 0);
    loader_free(&loader);
}

static void test_bad_files(void)
{
    check_file("wrong_magic", (const char *const[]){"magic", "0x12345678", "0x4e525543", NULL});
    check_file("newer_major", (const char *const[]){"ABI 2.7", "this host has ABI 1.", NULL});
    check_file("short_struct", (const char *const[]){"24 bytes", "72", NULL});
    check_file("no_symbol", (const char *const[]){"churn_plugin_entry", NULL});
    check_file("wrong_name", (const char *const[]){"'another_name'", "'wrong_name'", NULL});
    check_file("wrong_kind", (const char *const[]){"is a sink plugin", "event plugin is needed", NULL});
}

static void test_a_file_of_another_kind_serves_its_own(void)
{
    struct loader loader;
    open_loader(&loader, env("TEST_ABI_DIR", "tests/abi/.libs"));
    const struct loaded *sink = get(&loader, CHURN_KIND_SINK, "wrong_kind");
    CU_ASSERT_PTR_NOT_NULL_FATAL(sink);
    CU_ASSERT_EQUAL(sink->plugin.kind, CHURN_KIND_SINK);
    CU_ASSERT_PTR_NULL(get(&loader, CHURN_KIND_EVENT, "wrong_kind"));
    CU_ASSERT_PTR_EQUAL(get(&loader, CHURN_KIND_SINK, "wrong_kind"), sink);
    CU_ASSERT_EQUAL(loader.plugin_count, 1);
    loader_free(&loader);
}

/* However many they are: those that are not named are counted. */
static void test_many_bad_files(void)
{
    char folder[] = "/tmp/churn-unit-XXXXXX", path[64], few[2048];
    struct loader loader;
    unsigned named = 0, left = 0;
    const char *last;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(path, sizeof path, "%s/bad%u.so", folder, i);
        FILE *file = fopen(path, "w");
        CU_ASSERT(file != NULL && fputs("text", file) >= 0 && fclose(file) == 0);
    }
    open_loader(&loader, folder);
    CU_ASSERT(!loader_load_all(&loader, CHURN_KIND_EVENT, few, sizeof few));
    for (const char *at = few; (at = strstr(at, ".so: ")) != NULL; at++) {
        named++;
    }
    last = strstr(few, "\n… and ");
    CU_ASSERT(last != NULL && sscanf(last, "\n… and %u more files that cannot be loaded", &left) == 1);
    check(named > 2 && named + left == 40, "%u named, %u left: %s", named, left, few);
    loader_free(&loader);
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(path, sizeof path, "%s/bad%u.so", folder, i);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static void test_loading_all_stops_at_a_bad_one(void)
{
    struct loader loader;
    open_loader(&loader, env("TEST_ABI_DIR", "tests/abi/.libs"));
    CU_ASSERT(!loader_load_all(&loader, CHURN_KIND_EVENT, message, sizeof message));
    CU_ASSERT(message[0] != '\0');
    loader_free(&loader);
}

/* --- Entries --- */

static const churn_option good_rows[] = {
    {.name = "text", .type = CHURN_OPTION_STRING, .offset = 0},
    {.name = "flag", .type = CHURN_OPTION_BOOL, .offset = 8},
};

static const int anything = 1;

static churn_plugin good_entry(void)
{
    return (churn_plugin){.magic = CHURN_PLUGIN_MAGIC,
                          .size = sizeof(churn_plugin),
                          .abi_major = CHURN_ABI_MAJOR,
                          .abi_minor = CHURN_ABI_MINOR,
                          .kind = CHURN_KIND_SINK,
                          .name = "good",
                          .version = "1.0.0",
                          .summary = "a good one",
                          .options = good_rows,
                          .option_count = COUNT(good_rows),
                          .option_stride = sizeof(churn_option),
                          .instance_size = 16,
                          .ops = &anything};
}

/* Judges the first `size` bytes of an entry: a sanitizer sees each byte read behind them. */
static bool judge_bytes(const churn_plugin *entry, size_t size)
{
    char *copy = exact_copy((const char *)entry, size);
    churn_plugin judged;
    bool ok;
    message[0] = '\0';
    ok = judge_entry((const churn_plugin *)(void *)copy, "/dir/good.so", "good", &judged, message, sizeof message) ==
         NULL;
    if (ok) {
        CU_ASSERT(memcmp(&judged, entry, sizeof judged) == 0);
    } else {
        check_contains(message, "/dir/good.so: ", "the file");
    }
    free(copy);
    return ok;
}

static void check_judged(const churn_plugin *entry, const char *words)
{
    bool ok = judge_bytes(entry, sizeof *entry);
    check(ok == (words == NULL), "judged %d: %s", ok, message);
    if (words != NULL) {
        check_contains(message, words, "message");
    }
}

#define PREFIX offsetof(churn_plugin, kind)

static void test_the_frozen_prefix_is_judged_first(void)
{
    churn_plugin entry = good_entry();
    check_judged(&entry, NULL);
    CU_ASSERT_EQUAL(PREFIX, 12);
    entry.magic = 0;
    CU_ASSERT(!judge_bytes(&entry, PREFIX));
    check_contains(message, "0x00000000, a churn plugin has 0x4e525543", "magic");
    entry = good_entry();
    entry.magic = __builtin_bswap32(CHURN_PLUGIN_MAGIC);
    CU_ASSERT(!judge_bytes(&entry, PREFIX));
    for (unsigned major = 0; major <= 65535; major += major < 3 ? 1 : 65532) {
        char words[64];
        entry = good_entry();
        entry.abi_major = (uint16_t)major;
        entry.abi_minor = 65535;
        (void)snprintf(words, sizeof words, "ABI %u.65535, this host has ABI 1.", major);
        bool ok = judge_bytes(&entry, major == CHURN_ABI_MAJOR ? sizeof entry : PREFIX);
        check(ok == (major == CHURN_ABI_MAJOR) && (ok || strstr(message, words) != NULL), "major %u: %s", major,
              message);
    }
    for (uint32_t size = 0; size < offsetof(churn_plugin, needs); size++) {
        entry = good_entry();
        entry.size = size;
        CU_ASSERT(!judge_bytes(&entry, PREFIX));
    }
    check_contains(message, "has 71 bytes, ABI 1.0 has 72", "size");
    entry.size = UINT32_MAX; /* a later minor version: what follows is not read */
    check_judged(&entry, NULL);
}

/* Of an earlier minor version: what stands behind its end is not read, and is nothing here. */
static void test_an_entry_that_ends_early(void)
{
    static const churn_needs needs = {.size = sizeof needs};
    churn_plugin entry = good_entry(), judged;
    entry.needs = &needs;
    entry.size = offsetof(churn_plugin, needs);
    char *copy = exact_copy((const char *)&entry, entry.size);
    CU_ASSERT(judge_entry((const churn_plugin *)(void *)copy, "/dir/good.so", "good", &judged, message,
                          sizeof message) == NULL);
    CU_ASSERT(judged.needs == NULL && judged.ops == entry.ops);
    free(copy);
}

static void test_the_body_of_an_entry(void)
{
    churn_plugin entry;
#define WITH(member, value, words)                                                                                     \
    do {                                                                                                               \
        entry = good_entry();                                                                                          \
        entry.member = (value);                                                                                        \
        check_judged(&entry, (words));                                                                                 \
    } while (0)
    WITH(kind, 0, "kind 0 is unknown");
    WITH(kind, 6, "kind 6 is unknown");
    WITH(kind, UINT32_MAX, "is unknown");
    WITH(kind, CHURN_KIND_EVENT, NULL);
    WITH(name, NULL, "must all be set");
    WITH(version, NULL, "must all be set");
    WITH(summary, NULL, "must all be set");
    WITH(ops, NULL, "must all be set");
    WITH(name, "Good", "calls itself 'Good', its file 'good'");
    WITH(name, "", "calls itself ''");
    WITH(options, NULL, "option_stride");
    WITH(option_stride, sizeof(churn_option) - 1, "this host needs at least");
    WITH(option_stride, 0, "option_stride is 0");
    WITH(option_count, 0, NULL);
    entry = good_entry();
    entry.options = NULL;
    entry.option_count = entry.option_stride = entry.instance_size = 0;
    check_judged(&entry, NULL);
}

static void check_row(churn_option row, uint32_t instance_size, const char *words)
{
    churn_plugin entry = good_entry();
    entry.options = &row;
    entry.option_count = 1;
    entry.instance_size = instance_size;
    check_judged(&entry, words);
}

static void test_rows_of_options(void)
{
    static const char *const choices[] = {"a", NULL};
    static const char short_of[] = "set instance_size to the size of the struct";
    static const uint32_t sizes[] = {0,
                                     sizeof(char *),
                                     sizeof(int64_t),
                                     sizeof(double),
                                     sizeof(int32_t),
                                     sizeof(int32_t),
                                     sizeof(int64_t),
                                     sizeof(int64_t),
                                     sizeof(churn_list),
                                     sizeof(churn_map)};
    check_row((churn_option){.name = NULL, .type = CHURN_OPTION_INT}, 64, "row 0 of its option table has no name");
    check_row((churn_option){.name = "x", .type = 0}, 64, "option 'x': type 0 is unknown");
    check_row((churn_option){.name = "x", .type = CHURN_OPTION_TREE + 1}, 64, "type 11 is unknown");
    check_row((churn_option){.name = "x", .type = CHURN_OPTION_ENUM}, 64, "an ENUM needs choices");
    for (uint32_t type = CHURN_OPTION_STRING; type <= CHURN_OPTION_MAP;
         type++) { /* a value must lie in the instance whole */
        churn_option row = {.name = "x", .type = type, .choices = choices, .offset = 8};
        check_row(row, 8 + sizes[type], NULL);
        check_row(row, 8 + sizes[type] - 1, short_of);
        check_row(row, 8 + sizes[type] - 4, short_of);
        row.offset = 6;
        check_row(row, 64, "offset 6 is not aligned");
        row.offset = UINT32_MAX;
        check_row(row, 64, short_of);
        row.offset = UINT32_MAX - 3;
        check_row(row, UINT32_MAX, short_of);
    }
}

/* Stands for every call; nothing calls it. */
static void a_call(void)
{
    abort();
}

static const char *judge_store(const churn_store_ops *ops)
{
    churn_plugin entry = good_entry();
    entry.kind = CHURN_KIND_STORE;
    entry.ops = ops;
    message[0] = '\0';
    return judge_ops(&entry, "/dir/good.so", message, sizeof message);
}

static void test_calls_that_a_kind_must_have(void)
{
    churn_store_ops ops = {.size = sizeof ops};
    void (*call)(void) = a_call;
    size_t last = offsetof(churn_store_ops, destroy);
    for (size_t at = offsetof(churn_store_ops, create); at <= last; at += sizeof call) {
        memcpy((char *)&ops + at, &call, sizeof call);
    }
    CU_ASSERT_PTR_NULL(judge_store(&ops));
    ops.remove = NULL; /* only embedded stores need it */
    CU_ASSERT_PTR_NULL(judge_store(&ops));
    ops.embedded = 1;
    CU_ASSERT_STRING_EQUAL(judge_store(&ops), "missing_call");
    check_contains(message, "/dir/good.so: its ops have no `remove`, which a store must have; set .remove", "remove");
    ops.embedded = 0;
    ops.put = NULL;
    CU_ASSERT_STRING_EQUAL(judge_store(&ops), "missing_call");
    check_contains(message, "no `put`", "put");
    memcpy(&ops.put, &call, sizeof call);
    ops.size = offsetof(churn_store_ops, identity); /* as in ABI 1.0 */
    CU_ASSERT_PTR_NULL(judge_store(&ops));
    ops.size--;
    CU_ASSERT_STRING_EQUAL(judge_store(&ops), "ops_size");
    check_contains(message, "the size in its ops is 87, ABI 1.0 has 88", "size");
}

/* --- Finding --- */

static const char *plugin_dir(void)
{
    return env("TEST_PLUGIN_DIR", "plugins");
}

static void test_names_that_are_not_found(void)
{
    struct loader loader;
    open_loader(&loader, plugin_dir());
    CU_ASSERT_PTR_NULL(get(&loader, CHURN_KIND_EVENT, "order_plcaed"));
    check_contains(message, "there is no event plugin 'order_plcaed' (did you mean 'order_placed'?); looked in ",
                   "message");
    check_contains(message, plugin_dir(), "the folder");
    CU_ASSERT_PTR_NULL(get(&loader, CHURN_KIND_SOURCE, "order_placed"));
    check_contains(message, "there is no source plugin 'order_placed'; looked in", "another role's");
    CU_ASSERT_PTR_NULL(get(&loader, CHURN_KIND_EVENT, ""));
    CU_ASSERT_PTR_NULL(get(&loader, CHURN_KIND_EVENT, "../event/login"));
    check_contains(message, "'../event/login' is not a plugin's name", "a path");
    CU_ASSERT_PTR_NULL(get(&loader, CHURN_KIND_EVENT, "login.so"));
    check_contains(message, "(did you mean 'login'?)", "with .so");
    CU_ASSERT_EQUAL(loader.plugin_count, 0);
    loader_free(&loader);
}

static void test_a_plugin_is_loaded_once(void)
{
    struct loader loader;
    open_loader(&loader, plugin_dir());
    const struct loaded *login = get(&loader, CHURN_KIND_EVENT, "login");
    CU_ASSERT_PTR_NOT_NULL_FATAL(login);
    CU_ASSERT_STRING_EQUAL(login->plugin.name, "login");
    CU_ASSERT_PTR_EQUAL(get(&loader, CHURN_KIND_EVENT, "login"), login);
    CU_ASSERT(loader_load_all(&loader, CHURN_KIND_EVENT, message, sizeof message));
    CU_ASSERT_PTR_EQUAL(get(&loader, CHURN_KIND_EVENT, "login"), login);
    CU_ASSERT_EQUAL(loader.plugin_count, 12);
    for (unsigned i = 1; i < loader.plugin_count; i++) {
        check(strcmp(loader.plugins[i - 1]->plugin.name, loader.plugins[i]->plugin.name) < 0, "%s is not in order",
              loader.plugins[i]->plugin.name);
    }
    CU_ASSERT(loader_load_all(&loader, CHURN_KIND_EVENT, message, sizeof message));
    CU_ASSERT_EQUAL(loader.plugin_count, 12);
    loader_free(&loader);
}

static void test_order_of_folders(void)
{
    struct loader loader;
    const char *extra[] = {"/first", "/second"};
    CU_ASSERT(setenv("CHURN_PLUGIN_PATH", ":/third::/fourth:", 1) == 0);
    CU_ASSERT(loader_init(&loader, extra, 2));
    CU_ASSERT(loader_add_dir(&loader, "/zeroth"));
    CU_ASSERT_EQUAL_FATAL(loader.dir_count, 6);
    CU_ASSERT_STRING_EQUAL(loader.dirs[0], "/zeroth");
    CU_ASSERT_STRING_EQUAL(loader.dirs[1], "/first");
    CU_ASSERT_STRING_EQUAL(loader.dirs[2], "/second");
    CU_ASSERT_STRING_EQUAL(loader.dirs[3], "/third");
    CU_ASSERT_STRING_EQUAL(loader.dirs[4], "/fourth");
    CU_ASSERT(loader_add_dir(&loader, "/second")); /* known already: it comes to the front */
    CU_ASSERT_EQUAL_FATAL(loader.dir_count, 6);
    CU_ASSERT_STRING_EQUAL(loader.dirs[0], "/second");
    CU_ASSERT_STRING_EQUAL(loader.dirs[1], "/zeroth");
    CU_ASSERT_STRING_EQUAL(loader.dirs[2], "/first");
    CU_ASSERT_STRING_EQUAL(loader.dirs[3], "/third");
    loader_free(&loader);
    CU_ASSERT(setenv("CHURN_PLUGIN_PATH", "", 1) == 0);
    CU_ASSERT(loader_init(&loader, NULL, 0));
    CU_ASSERT_EQUAL(loader.dir_count, 1);
    loader_free(&loader);
    (void)unsetenv("CHURN_PLUGIN_PATH");
}

static void link_file(const char *from_dir, const char *from, const char *dir, const char *name)
{
    char target[1024], path[1024];
    (void)snprintf(target, sizeof target, "%s/%s", from_dir, from);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    if (symlink(target, path) != 0) {
        perror(path);
        abort();
    }
}

static void remove_entry(const char *dir, const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)remove(path);
}

static void test_flat_and_role_folders(void)
{
    struct loader loader;
    char dir[] = "/tmp/churn-unit-XXXXXX", event_dir[64], real_dir[1024], path[128];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(event_dir, sizeof event_dir, "%s/event", dir);
    (void)snprintf(real_dir, sizeof real_dir, "%s/event/.libs", plugin_dir());
    CU_ASSERT(mkdir(event_dir, 0700) == 0);
    link_file(real_dir, "login.so", event_dir, "login.so");
    link_file(real_dir, "login.so", dir, "login.so");
    link_file(real_dir, "email_opened.so", dir, "email_opened.so");
    link_file(real_dir, "email_opened.so", dir, "email_opened.so.1"); /* no plugin's file name */
    link_file(real_dir, "email_opened.so", dir, ".so");
    open_loader(&loader, dir);
    const struct loaded *login = get(&loader, CHURN_KIND_EVENT, "login");
    CU_ASSERT_PTR_NOT_NULL_FATAL(login);
    (void)snprintf(path, sizeof path, "%s/event/login.so", dir);
    check_text(login->path, path, "the role's folder comes first");
    CU_ASSERT(loader_load_all(&loader, 0, message, sizeof message));
    check(message[0] == '\0', "%s", message);
    CU_ASSERT_EQUAL(loader.plugin_count, 2);
    CU_ASSERT_PTR_NOT_NULL(get(&loader, CHURN_KIND_EVENT, "email_opened"));
    loader_free(&loader);
    link_file(env("TEST_ABI_DIR", "tests/abi/.libs"), "wrong_kind.so", event_dir, "wrong_kind.so");
    open_loader(&loader, dir);
    CU_ASSERT(!loader_load_all(&loader, CHURN_KIND_EVENT, message, sizeof message));
    check_contains(message, "wrong_kind.so is a sink plugin in the folder of the event plugins", "message");
    loader_free(&loader);
    remove_entry(event_dir, "wrong_kind.so");
    remove_entry(event_dir, "login.so");
    remove_entry(dir, "login.so");
    remove_entry(dir, "email_opened.so");
    remove_entry(dir, "email_opened.so.1");
    remove_entry(dir, ".so");
    remove_entry(dir, "event");
    CU_ASSERT(rmdir(dir) == 0);
}

static void test_files_that_are_no_libraries(void)
{
    struct loader loader;
    char dir[] = "/tmp/churn-unit-XXXXXX", path[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/text.so", dir);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fputs("not a library\n", file);
    (void)fclose(file);
    open_loader(&loader, dir);
    CU_ASSERT_PTR_NULL(get(&loader, CHURN_KIND_SINK, "text"));
    check_contains(message, "is not a shared object (ELF); build it with", "message");
    check_contains(message, path, "the file");
    CU_ASSERT(!loader_load_all(&loader, CHURN_KIND_SINK, message, sizeof message));
    loader_free(&loader);
    remove_entry(dir, "text.so");
    CU_ASSERT(rmdir(dir) == 0);
    open_loader(&loader, dir); /* a folder that does not exist holds nothing */
    CU_ASSERT(loader_load_all(&loader, 0, message, sizeof message));
    loader_free(&loader);
}

static void test_roles(void)
{
    static const char *const roles[] = {"plugin", "event", "source", "processor", "store", "sink", "plugin"};
    for (uint32_t kind = 0; kind < COUNT(roles); kind++) {
        check_text(role_name(kind), roles[kind], "role");
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_bad_files),
        TEST(test_a_file_of_another_kind_serves_its_own),
        TEST(test_loading_all_stops_at_a_bad_one),
        TEST(test_many_bad_files),
        TEST(test_the_frozen_prefix_is_judged_first),
        TEST(test_an_entry_that_ends_early),
        TEST(test_the_body_of_an_entry),
        TEST(test_rows_of_options),
        TEST(test_calls_that_a_kind_must_have),
        TEST(test_names_that_are_not_found),
        TEST(test_a_plugin_is_loaded_once),
        TEST(test_order_of_folders),
        TEST(test_flat_and_role_folders),
        TEST(test_files_that_are_no_libraries),
        TEST(test_roles),
        CU_TEST_INFO_NULL,
    };
    return run_tests("loader", tests);
}
