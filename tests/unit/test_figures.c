/* Figures as /metrics has them, and what they were a while ago. */
#include "core/observe/figures.h"
#include "core/observe/history.h"

#include "check.h"

static const char text[] = "# HELP churnd_events_total Records.\n"
                           "# TYPE churnd_events_total counter\n"
                           "churnd_events_total 1234567\n"
                           "churnd_lag{topic=\"a,b\",partition=\"0\"} 12 1700000000000\n"
                           "churnd_lag{topic=\"say \\\"}\\\" \\\\ \\n\",partition=\"1\"} 30.5\n"
                           "\n"
                           "churnd_broken{topic=\"no end\n"
                           "churnd_without_value\n"
                           "churnd_empty{} +Inf\n"
                           "churnd_last 7";

static void test_reading(void)
{
    struct figures figures;
    char label[64], small[4];
    CU_ASSERT_FATAL(figures_read(&figures, churn_text(text)));
    CU_ASSERT(figures.count == 5);
    CU_ASSERT(figure_number(figures_find(&figures, "churnd_events_total", NULL, NULL)) == 1234567);
    const struct figure *second = figures_find(&figures, "churnd_lag", "partition", "1");
    CU_ASSERT_FATAL(second != NULL);
    CU_ASSERT_STRING_EQUAL(figure_label(second, "topic", label, sizeof label), "say \"}\" \\ \n");
    CU_ASSERT_STRING_EQUAL(figure_label(second, "topic", small, sizeof small), "say");
    CU_ASSERT_STRING_EQUAL(figure_label(second, "part", label, sizeof label), "");
    CU_ASSERT(figure_number(second) == 30.5 && figures_sum(&figures, "churnd_lag") == 42.5);
    CU_ASSERT(figures_find(&figures, "churnd_lag", "topic", "a,b") == second - 1);
    CU_ASSERT(figures_next(&figures, "churnd_lag", second) == NULL);
    CU_ASSERT(figures_find(&figures, "churnd_lag", "partition", "2") == NULL);
    CU_ASSERT(figures_find(&figures, "churnd_broken", NULL, NULL) == NULL);
    CU_ASSERT(figures_find(&figures, "churnd_without_value", NULL, NULL) == NULL);
    CU_ASSERT(figure_number(figures_find(&figures, "churnd_last", NULL, NULL)) == 7);
    CU_ASSERT(figures_sum(&figures, "nothing") == 0);
    figures_free(&figures);
    CU_ASSERT(figures_read(&figures, (churn_str){.ptr = ""}) && figures.count == 0);
}

static void add(struct history *history, const char *what, int64_t at_ms)
{
    struct text copy = {0};
    text_append_string(&copy, what);
    history_add(history, &copy, at_ms);
    text_free(&copy);
}

static bool is_before(const struct history *history, int64_t now_ms, const char *what)
{
    const struct history_entry *entry = history_before(history, now_ms);
    return entry != NULL && str_equals((churn_str){.ptr = entry->text.bytes, .len = (uint32_t)entry->text.len}, what);
}

static void test_history(void)
{
    struct history history = {0};
    CU_ASSERT(history_before(&history, 100000) == NULL);
    add(&history, "first", 100000);
    CU_ASSERT(history_before(&history, 100999) == NULL);
    add(&history, "too soon", 100999);
    CU_ASSERT(is_before(&history, 101000, "first"));
    add(&history, "second", 108000);
    CU_ASSERT(is_before(&history, 115000, "first"));
    CU_ASSERT(is_before(&history, 115001, "second"));
    CU_ASSERT(history_before(&history, 123001) == NULL);
    for (int i = 0; i < 3 * HISTORY_ROOM; i++) {
        add(&history, i == 2 * HISTORY_ROOM ? "oldest" : "newer", 200000 + i * 1000);
    }
    CU_ASSERT(is_before(&history, 200000 + (3 * HISTORY_ROOM - 1) * 1000, "oldest"));
    history_free(&history);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_reading), TEST(test_history), CU_TEST_INFO_NULL};
    return run_tests("figures", tests);
}
