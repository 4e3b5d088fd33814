/* The source by itself: no churnd, no server. `make test` runs it. */
#include <churn/test.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char path[] = "/tmp/my_source-XXXXXX", position[64];
    churn_test *t = churn_test_new();
    int fd = mkstemp(path);
    CHURN_TEST_CHECK(t, fd >= 0 && write(fd, "{\"n\":0}\n{\"n\":1}\n{\"n\":2}", 23) == 23 && close(fd) == 0);
    CHURN_TEST_CHECK(t, churn_test_load(t, argc > 1 ? argv[1] : "./my_source.so") == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_start(t, "{path: /nowhere/file}") == CHURN_FATAL);

    CHURN_TEST_CHECK(t, churn_test_start(t, "{path: %s}", path) == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_read(t, 2, 100) == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_assigned(t, path, 0) == 0);
    CHURN_TEST_CHECK(t, churn_test_record_count(t) == 2);
    CHURN_TEST_CHECK(t, churn_test_record(t, 1)->offset == 1);
    CHURN_TEST_CHECK(t, strcmp(churn_test_value(t, 1), "{\"n\":1}") == 0);
    CHURN_TEST_CHECK(t, churn_test_commit(t, path, 0, 2) == CHURN_OK);

    /* Back to a position, and the end. */
    CHURN_TEST_CHECK(t, churn_test_seek(t, path, 0, 1) == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_read(t, 9, 100) == CHURN_OK && churn_test_record_count(t) == 2);
    CHURN_TEST_CHECK(t, strcmp(churn_test_value(t, 1), "{\"n\":2}") == 0); /* the last line has no line end */
    CHURN_TEST_CHECK(t, churn_test_read(t, 9, 100) == CHURN_END);
    CHURN_TEST_CHECK(t, churn_test_seek(t, path, 0, 4) == CHURN_FATAL);
    churn_test_stop(t);

    /* The next run goes on where the commit says. */
    CHURN_TEST_CHECK(t, churn_test_start(t, "{path: %s}", path) == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_read(t, 9, 100) == CHURN_OK && churn_test_record_count(t) == 1);
    CHURN_TEST_CHECK(t, churn_test_assigned(t, path, 0) == 2 && churn_test_record(t, 0)->offset == 2);
    churn_test_free(t);
    (void)snprintf(position, sizeof position, "%s.position", path);
    return unlink(path) != 0 || unlink(position) != 0;
}
