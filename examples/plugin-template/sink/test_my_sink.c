/* The sink by itself: no churnd, no server. `make test` runs it. */
#include <churn/test.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void expect_content(const char *path, const char *expected)
{
    char content[256] = "";
    FILE *in = fopen(path, "r");
    size_t len = in != NULL ? fread(content, 1, sizeof content - 1, in) : 0;
    if (in == NULL || fclose(in) != 0 || len != strlen(expected) || strcmp(content, expected) != 0) {
        (void)fprintf(stderr, "%s holds '%s', not '%s'\n", path, content, expected);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    char path[] = "/tmp/my_sink-XXXXXX";
    churn_test *t = churn_test_new();
    int fd = mkstemp(path);
    CHURN_TEST_CHECK(t, fd >= 0 && close(fd) == 0);
    CHURN_TEST_CHECK(t, churn_test_load(t, argc > 1 ? argv[1] : "./my_sink.so") == CHURN_OK);

    CHURN_TEST_CHECK(t, churn_test_start(t, "{}") == CHURN_FATAL);
    CHURN_TEST_CHECK(t, strstr(churn_test_message(t), "option 'path' is required") != NULL);
    CHURN_TEST_CHECK(t, churn_test_start(t, "{path: /nowhere/file}") == CHURN_FATAL);

    CHURN_TEST_CHECK(t, churn_test_start(t, "{path: %s}", path) == CHURN_OK);
    CHURN_TEST_CHECK(t, strstr(churn_test_log(t), "INFO appends to ") != NULL);
    CHURN_TEST_CHECK(t, churn_test_write(t, CHURN_RECORD_ALERT, "anna", "{'severity': 'warning'}") == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_write(t, CHURN_RECORD_ALERT, "bob", "{\n}") == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_settle(t, 1000) == CHURN_OK);
    expect_content(path, "{\"severity\": \"warning\"}\n{ }\n");

    /* Full: nothing more is taken until poll has made room. */
    for (int i = 0; i < 1024; i++) {
        CHURN_TEST_CHECK(t, churn_test_write(t, CHURN_RECORD_EVENT, "anna", "{}") == CHURN_OK);
    }
    CHURN_TEST_CHECK(t, churn_test_write(t, CHURN_RECORD_EVENT, "anna", "{}") == CHURN_PENDING);
    CHURN_TEST_CHECK(t, churn_test_settle(t, 1000) == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_write(t, CHURN_RECORD_EVENT, "anna", "{}") == CHURN_OK);
    churn_test_free(t);
    return unlink(path) != 0;
}
