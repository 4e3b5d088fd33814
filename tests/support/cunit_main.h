/* A CUnit program of one suite: name the tests with TEST(function), so that no name can differ from its function. */
#ifndef TESTS_CUNIT_MAIN_H
#define TESTS_CUNIT_MAIN_H

#include <CUnit/Basic.h>

#define TEST(function) {#function, function}

/* Runs all tests, each between `set_up` and `tear_down` (may be NULL); the exit status for main: 0 when each assertion
 * held and at least one ran. */
static inline int run_tests_with(const char *suite_name, CU_SetUpFunc set_up, CU_TearDownFunc tear_down,
                                 CU_TestInfo *tests)
{
    CU_SuiteInfo suites[] = {{suite_name, NULL, NULL, set_up, tear_down, tests}, CU_SUITE_INFO_NULL};
    unsigned failed, ran;
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 1;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    (void)CU_basic_run_tests();
    failed = CU_get_number_of_tests_failed();
    ran = CU_get_number_of_asserts();
    CU_cleanup_registry();
    return failed != 0 || ran == 0;
}

static inline int run_tests(const char *suite_name, CU_TestInfo *tests)
{
    return run_tests_with(suite_name, NULL, NULL, tests);
}

#endif
