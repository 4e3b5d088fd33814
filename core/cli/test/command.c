/* `churnd test`: runs the tests that YAML declares for a pipeline. */
#include "cli/commands.h"

#include "base/printable.h"
#include "cli/test/plugins.h"
#include "cli/test/report.h"
#include "pipeline/load.h"
#include <errno.h>
#include <stdlib.h>

/* The files that tests come from: the pipeline's own and the operands. */
struct sources_of_tests {
    struct config *configs;
    unsigned count;
    struct test_cases cases;
};

static bool read_file(struct sources_of_tests *from, const struct pipeline *pipeline, const char *file,
                      const char *env_file)
{
    static const char *const known[] = {"tests", NULL};
    struct config *config = &from->configs[from->count++];
    if (!config_load(config, file, env_file, stderr)) {
        return false;
    }
    if (config_get(&config->root, "tests") == NULL) {
        config_error(config, NULL, "there are no tests: a section 'tests:' belongs here");
    }
    (void)options_read(config, &config->root, &config->root, "tests", NULL, 0, known);
    (void)test_cases_read(&from->cases, pipeline, config);
    return config->error_count == 0;
}

/* Every mistake in every file is reported. */
static bool read_tests(struct sources_of_tests *from, const struct arguments *arguments, struct pipeline *pipeline)
{
    bool ok = test_cases_read(&from->cases, pipeline, &pipeline->config);
    from->configs = calloc(arguments->operand_count + 1u, sizeof *from->configs);
    if (from->configs == NULL) {
        (void)fputs("churnd: out of memory\n", stderr);
        return false;
    }
    for (unsigned i = 0; i < arguments->operand_count; i++) {
        ok = read_file(from, pipeline, arguments->operands[i], arguments->env_file) && ok;
    }
    if (ok && from->cases.count == 0) {
        printable_line(stderr,
                       "churnd: test: %s has no section 'tests:'; add one, or name a file of tests: churnd test -c "
                       "PIPELINE.yaml TESTS.yaml",
                       arguments->config);
        return false;
    }
    return ok;
}

static void free_tests(struct sources_of_tests *from)
{
    test_cases_free(&from->cases);
    for (unsigned i = 0; i < from->count; i++) {
        config_free(&from->configs[i]);
    }
    free(from->configs);
}

/* False when the test could not be run. */
static bool run_test(struct test_bench *bench, const struct test_case *test, struct test_result *result)
{
    *result = (struct test_result){.test = test};
    if (!test_bench_run(bench, test, &result->outcome)) {
        return false;
    }
    if (result->outcome.actual != NULL) {
        test_compare(&result->differences, test, result->outcome.actual);
    }
    result->passed = result->outcome.actual != NULL && result->differences.count == 0 && !result->differences.failed;
    return true;
}

/* Runs those whose name contains the filter. */
static bool run_tests(struct test_bench *bench, const struct test_cases *cases, const struct arguments *arguments,
                      struct test_report *report)
{
    for (unsigned i = 0; i < cases->count; i++) {
        const struct test_case *test = &cases->items[i];
        struct test_result *result = &report->results[report->count];
        if (arguments->filter != NULL && strstr(test->settings.name, arguments->filter) == NULL) {
            continue;
        }
        if (!run_test(bench, test, result)) {
            return false;
        }
        report->count++;
        report->failed += !result->passed;
        report->seconds += result->outcome.seconds;
        if (!arguments->json) {
            test_report_result(stdout, result);
        }
    }
    if (report->count == 0) {
        printable_line(stderr, "churnd: test: no test has '%s' in its name", arguments->filter);
    }
    return report->count > 0;
}

static bool write_junit(const char *file, const struct test_report *report)
{
    FILE *out = fopen(file, "w");
    bool ok = out != NULL && test_report_junit(out, report);
    ok = out != NULL && fclose(out) == 0 && ok;
    if (!ok) {
        printable_line(stderr, "churnd: --junit: %s cannot be written: %s", file, strerror(errno));
    }
    return ok;
}

static bool tell(const struct arguments *arguments, const struct test_report *report)
{
    bool ok = true;
    if (arguments->json) {
        ok = test_report_json(stdout, report);
    } else {
        test_report_summary(stdout, report);
    }
    return (arguments->junit == NULL || write_junit(arguments->junit, report)) && ok;
}

static void free_results(struct test_report *report)
{
    for (unsigned i = 0; report->results != NULL && i < report->count; i++) {
        test_outcome_free(&report->results[i].outcome);
        differences_free(&report->results[i].differences);
    }
    free(report->results);
}

static bool run_all(const struct arguments *arguments, struct pipeline *pipeline, const struct test_cases *cases)
{
    struct test_report report = {.pipeline = pipeline->settings.name,
                                 .results = calloc(cases->count, sizeof *report.results)};
    int32_t level = arguments->log_level != NULL ? log_level_parse(arguments->log_level) : CHURN_LOG_WARN;
    const struct test_plugins plugins = {.source = &test_source, .sink = &test_sink};
    struct test_bench bench;
    bool ok = test_bench_init(&bench, pipeline, &plugins, level) && report.results != NULL &&
              run_tests(&bench, cases, arguments, &report);
    if (report.count > 0) {
        ok = tell(arguments, &report) && ok && report.failed == 0;
    }
    free_results(&report);
    test_bench_free(&bench);
    return ok;
}

int command_test(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    struct sources_of_tests from = {0};
    bool ok = pipeline_load(&pipeline, arguments_files(arguments), loader, log, stderr) &&
              read_tests(&from, arguments, &pipeline) && run_all(arguments, &pipeline, &from.cases);
    free_tests(&from);
    pipeline_free(&pipeline);
    return ok ? 0 : 1;
}
