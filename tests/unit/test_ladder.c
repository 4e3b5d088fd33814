/* A load test's steps: which rates are taken, what is made of what was measured, and the plot of it. */
#include "core/cli/load/ladder.h"
#include "core/cli/load/report.h"

#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static void test_rates(void)
{
    static const struct {
        const char *text;
        size_t count;
        int64_t last;
        const char *message;
    } cases[] = {
        {"1000", 1, 1000, ""},
        {"1,2,10000000", 3, 10000000, ""},
        {"", 0, 0, "'' is no rate from 1 to 10000000"},
        {"1,", 0, 0, "'' is no rate"},
        {",1", 0, 0, "'' is no rate"},
        {"0", 0, 0, "'0' is no rate"},
        {"-5", 0, 0, "'-5' is no rate"},
        {"1.5", 0, 0, "'1.5' is no rate"},
        {"10000001", 0, 0, "'10000001' is no rate"},
        {"1k", 0, 0, "'1k' is no rate"},
        {"5,5", 0, 0, "the rates must rise: 5 comes after 5"},
        {"5,4", 0, 0, "the rates must rise: 4 comes after 5"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t rates[LADDER_STEPS] = {0};
        char message[128] = "";
        size_t count = ladder_parse(cases[i].text, rates, message, sizeof message);
        check(count == cases[i].count, "'%s': %zu rates", cases[i].text, count);
        check(count == 0 || rates[count - 1] == cases[i].last, "'%s': the last rate", cases[i].text);
        check_contains(message, cases[i].message, cases[i].text);
    }
}

static void test_as_many_rates_as_there_is_room_for(void)
{
    int64_t rates[LADDER_STEPS];
    char text[LADDER_STEPS * 4 + 8] = "", message[128];
    for (int i = 1; i <= LADDER_STEPS; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i > 1 ? "," : "", i);
    }
    CU_ASSERT_EQUAL(ladder_parse(text, rates, message, sizeof message), LADDER_STEPS);
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), ",%d", LADDER_STEPS + 1);
    CU_ASSERT_EQUAL(ladder_parse(text, rates, message, sizeof message), 0);
    check_contains(message, "more than 64 rates", "one too many");
}

static void test_percentiles(void)
{
    struct step step = {.rate = 100, .seconds = 1, .produced = 100};
    CU_ASSERT_EQUAL(step_percentile(&step, 50), -1);
    for (int64_t ms = 1000; ms > 0; ms--) {
        step_add_latency(&step, ms);
    }
    step_end(&step);
    CU_ASSERT_EQUAL(step.verdict, VERDICT_KEEPS_UP);
    CU_ASSERT_EQUAL(step_percentile(&step, 0), 1);
    CU_ASSERT_EQUAL(step_percentile(&step, 50), 500);
    CU_ASSERT_EQUAL(step_percentile(&step, 90), 900);
    CU_ASSERT_EQUAL(step_percentile(&step, 99), 990);
    CU_ASSERT_EQUAL(step_percentile(&step, 100), 1000);
    step_free(&step);
    step = (struct step){.rate = 1};
    step_add_latency(&step, -3); /* a clock that is read by two threads */
    step_add_latency(&step, INT64_MAX);
    step_end(&step);
    CU_ASSERT_EQUAL(step_percentile(&step, 50), 0);
    CU_ASSERT_EQUAL(step_percentile(&step, 100), UINT32_MAX);
    step_free(&step);
}

/* A step of 9 s at 1,000 events a second whose lag is `begin` and grows by `growth` a second, up and down by `swing`
 * with each window. */
static struct step step_with_lag(double begin, double growth, double swing)
{
    struct step step = {.rate = 1000, .seconds = 9, .produced = 9000};
    for (int i = 0; i <= 180; i++) {
        double at = i / 20.0;
        double lag = begin + growth * at + swing * (i % 10) / 10.0;
        step_add_lag(&step, at / 9, (int64_t)lag);
    }
    step_end(&step);
    return step;
}

static void test_lag_that_grows(void)
{
    static const struct {
        double begin, growth, swing;
        enum verdict verdict;
    } cases[] = {{0, 0, 0, VERDICT_KEEPS_UP},         {500, 0, 400, VERDICT_KEEPS_UP},
                 {5000, -200, 400, VERDICT_KEEPS_UP}, {100, 20, 0, VERDICT_KEEPS_UP}, /* 2 % of the rate */
                 {100, 100, 0, VERDICT_LAG_GROWS},    {100, 1000, 500, VERDICT_LAG_GROWS}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct step step = step_with_lag(cases[i].begin, cases[i].growth, cases[i].swing);
        check(step.verdict == cases[i].verdict, "case %zu: verdict %d, growth %f", i, step.verdict,
              step_lag_growth(&step));
        check(step_lag_growth(&step) > cases[i].growth - 5 && step_lag_growth(&step) < cases[i].growth + 5,
              "case %zu: growth %f", i, step_lag_growth(&step));
    }
}

/* At a low rate a few events more or less are within a window. */
static void test_few_events_are_noise(void)
{
    struct step step = {.rate = 10, .seconds = 3, .produced = 30};
    step_add_lag(&step, 0.5, 1);
    step_add_lag(&step, 0.9, 8);
    step_end(&step);
    CU_ASSERT_EQUAL(step.verdict, VERDICT_KEEPS_UP);
}

static void test_other_verdicts(void)
{
    struct step unseen = {.rate = 100, .seconds = 1, .produced = 100, .unseen = 1};
    struct step slow = {.rate = 1000, .seconds = 1, .produced = 900};
    step_end(&unseen);
    CU_ASSERT_EQUAL(unseen.verdict, VERDICT_LAG_GROWS);
    step_end(&slow);
    CU_ASSERT_EQUAL(slow.verdict, VERDICT_NOT_REACHED);
}

/* ---- the plot ---- */

static char *plot_of(const struct load_result *result)
{
    char path[] = "/tmp/churn-plot-XXXXXX";
    int fd = mkstemp(path);
    char *text = calloc(1, 65536);
    if (fd < 0 || text == NULL) {
        abort();
    }
    CU_ASSERT(plot_write(result, path));
    CU_ASSERT(read(fd, text, 65535) > 0);
    (void)close(fd);
    (void)unlink(path);
    return text;
}

static void test_plot(void)
{
    struct step steps[2] = {{.rate = 100, .seconds = 1, .produced = 100}, {.rate = 1000, .seconds = 1, .unseen = 1}};
    const struct load_result result = {.pipeline = "<a&b>", .topic = "t", .customers = "c", .steps = steps, .count = 2};
    step_add_latency(&steps[0], 0); /* has no logarithm */
    step_add_latency(&steps[1], 9000);
    step_end(&steps[0]);
    step_end(&steps[1]);
    char *text = plot_of(&result);
    check_contains(text, "&lt;a&amp;b&gt;", "the name");
    check_contains(text, ">lag grows<", "where");
    check_contains(text, ">10,000<", "the axis");
    check_contains(text, "points=\"90.0,390.0 630.0,", "the least at the bottom, on the left and on the right");
    CU_ASSERT_PTR_NULL(strstr(text, "nan"));
    CU_ASSERT_PTR_NULL(strstr(text, "inf"));
    free(text);
    step_free(&steps[0]);
    step_free(&steps[1]);
}

static void test_plot_of_little(void)
{
    struct step step = {.rate = 100, .seconds = 1, .produced = 100};
    struct load_result result = {.pipeline = "p", .topic = "t", .customers = "c", .steps = &step, .count = 0};
    char *text = plot_of(&result);
    check_contains(text, "</svg>", "nothing");
    free(text);
    step_end(&step); /* without a single latency */
    result.count = 1;
    text = plot_of(&result);
    CU_ASSERT_PTR_NULL(strstr(text, "nan"));
    CU_ASSERT_PTR_NULL(strstr(text, "inf"));
    free(text);
    CU_ASSERT_FALSE(plot_write(&result, "/no/such/folder/plot.svg"));
    step_free(&step);
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_rates),
        TEST(test_as_many_rates_as_there_is_room_for),
        TEST(test_percentiles),
        TEST(test_lag_that_grows),
        TEST(test_few_events_are_noise),
        TEST(test_other_verdicts),
        TEST(test_plot),
        TEST(test_plot_of_little),
        CU_TEST_INFO_NULL,
    };
    return run_tests("ladder", tests);
}
