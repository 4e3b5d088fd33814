/* States in which events do not move: said when they begin, once a minute while they last, and when they are over. */
#include "core/pipeline/stalls.h"

#include "check.h"
#include <stdlib.h>
#include <unistd.h>

static int64_t now;
static FILE *file;
static struct log *the_log;
static struct stalls *stalls;
static int owner, other_owner;
static const struct stall_place first = {&owner, "kafka", 0}, second = {&owner, "kafka", 1},
                                another = {&other_owner, "kafka", 0}; /* a source and a sink may have one name */

static int64_t tell_now(void)
{
    return now;
}

static void begin_test(void)
{
    now = 1;
    file = tmpfile();
    the_log = file != NULL ? log_new(fileno(file), CHURN_LOG_INFO, LOG_FORMAT_TEXT) : NULL;
    stalls = stalls_new(the_log, tell_now);
    CU_ASSERT_FATAL(the_log != NULL && stalls != NULL);
}

/* The lines since the last call, without their times, and the time since which a state lasts. */
static const char *new_lines(void)
{
    static char text[8192];
    static char raw[8192];
    ssize_t len = pread(fileno(file), raw, sizeof raw - 1, 0);
    char *to = text;
    CU_ASSERT_FATAL(len >= 0 && ftruncate(fileno(file), 0) == 0 && lseek(fileno(file), 0, SEEK_SET) == 0);
    raw[len] = '\0';
    for (char *line = raw; *line != '\0';) {
        char *end = strchr(line, '\n'), *since;
        *end = '\0';
        line += 25;
        since = strstr(line, " since ");
        if (since != NULL) {
            memmove(since + 7, since + 7 + 24, strlen(since + 7 + 24) + 1);
        }
        to += sprintf(to, "%s\n", line);
        line = end + 1;
    }
    *to = '\0';
    return text;
}

static void end_test(void)
{
    stalls_free(stalls);
    log_free(the_log);
    (void)fclose(file);
}

static void remind_at(int64_t at, int64_t waiting)
{
    now = at;
    stalls_remind(stalls, waiting);
}

static void see(void *ctx, const struct stall_report *report)
{
    char *text = ctx;
    CU_ASSERT(report->since_ms > INT64_C(1700000000000));
    (void)sprintf(text + strlen(text), "%s/%u %s: %s; ", report->plugin, report->worker, report->what, report->message);
}

static void check_all(const char *expected, const char *what)
{
    char text[2048] = "";
    stalls_each(stalls, see, text);
    check_text(text, expected, what);
}

static void test_a_run_that_ends_in_a_state(void)
{
    begin_test();
    stalls_begin(stalls, &first, "write", CHURN_LOG_WARN, "it is full");
    (void)new_lines();
    now = 8000;
    stalls_leave(stalls, first.worker + 7);
    check_text(new_lines(), "", "another worker's end");
    check_all("kafka/0 write: it is full; ", "it lasts");
    stalls_leave(stalls, first.worker);
    check_text(new_lines(), "WARN  kafka: still stalled (write) as the run ends, for 7 s: it is full\n", "once");
    check_all("", "over");
    stalls_end(stalls, &first, "write", NULL);
    stalls_leave(stalls, first.worker);
    check_text(new_lines(), "", "nothing went on");
    end_test();
}

static void test_a_state_is_said_while_it_lasts(void)
{
    begin_test();
    stalls_begin(stalls, &first, "group", CHURN_LOG_WARN, "no coordinator");
    check_text(new_lines(), "WARN  kafka: no coordinator (stalled: group)\n", "at once");
    check_all("kafka/0 group: no coordinator; ", "it lasts");
    now = 30000;
    stalls_begin(stalls, &first, "group", CHURN_LOG_WARN, "the coordinator does not answer");
    remind_at(60000, 5);
    check_text(new_lines(), "", "not within the minute, whatever is reported");
    check_all("kafka/0 group: the coordinator does not answer; ", "the newest message");
    remind_at(60001, 1234);
    check_text(new_lines(),
               "ERROR kafka: still stalled (group) since , for 1 min 0 s, 1234 records wait: the "
               "coordinator does not answer\n",
               "after a minute");
    remind_at(120000, -1);
    check_text(new_lines(), "", "the next minute is not over");
    remind_at(3720000, -1);
    check_text(new_lines(),
               "ERROR kafka: still stalled (group) since , for 1 h 1 min: the coordinator does not "
               "answer\n",
               "later");
    now = 3725001;
    stalls_end(stalls, &first, "group", NULL);
    check_text(new_lines(), "INFO  kafka: goes on after 1 h 2 min (was stalled: group)\n", "over");
    check_all("", "nothing lasts");
    stalls_end(stalls, &first, "group", NULL);
    stalls_end(stalls, &first, "never", NULL);
    remind_at(9000000, -1);
    check_text(new_lines(), "", "nothing more");
    end_test();
}

static void test_what_comes_and_goes_does_not_fill_the_log(void)
{
    begin_test();
    for (int i = 0; i < 50; i++) {
        stalls_begin(stalls, &first, "store", CHURN_LOG_WARN, "refused");
        stalls_end(stalls, &first, "store", "reached again");
        now += 100;
    }
    check_text(new_lines(),
               "WARN  kafka: refused (stalled: store)\nINFO  kafka: reached again after 0 s (was stalled: store)\n",
               "once within ten seconds");
    stalls_begin(stalls, &first, "store", CHURN_LOG_WARN, "refused");
    check_all("kafka/0 store: refused; ", "it lasts all the same");
    remind_at(9000, -1);
    check_text(new_lines(), "", "too early");
    remind_at(10001, -1);
    check_text(new_lines(), "WARN  kafka: refused (stalled: store)\n", "it has lasted");
    stalls_end(stalls, &first, "store", "reached again");
    check_text(new_lines(), "INFO  kafka: reached again after 5 s (was stalled: store)\n", "and its end");
    end_test();
}

static void test_workers_share_the_lines(void)
{
    begin_test();
    stalls_begin(stalls, &first, "store", CHURN_LOG_WARN, "refused");
    stalls_begin(stalls, &second, "store", CHURN_LOG_WARN, "refused too");
    stalls_begin(stalls, &another, "store", CHURN_LOG_ERROR, "mine");
    check_text(new_lines(), "WARN  kafka: refused (stalled: store)\nERROR kafka: mine (stalled: store)\n",
               "one for both workers, one for the other plugin");
    check_all("kafka/0 store: refused; kafka/1 store: refused too; kafka/0 store: mine; ",
              "in the order in which they began, as the log has them");
    remind_at(60001, -1);
    check_text(new_lines(),
               "ERROR kafka: still stalled (store) in 2 workers since , for 1 min 0 s: refused\n"
               "ERROR kafka: still stalled (store) since , for 1 min 0 s: mine\n",
               "one each");
    stalls_end(stalls, &first, "store", NULL);
    check_text(new_lines(), "", "the other worker's lasts");
    stalls_end(stalls, &second, "store", NULL);
    check_text(new_lines(), "INFO  kafka: goes on after 1 min 0 s (was stalled: store)\n", "over in both");
    stalls_forget(stalls, &other_owner, 0);
    check_all("", "forgotten");
    remind_at(600000, -1);
    check_text(new_lines(), "", "without a word");
    end_test();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_a_state_is_said_while_it_lasts), TEST(test_a_run_that_ends_in_a_state),
                           TEST(test_what_comes_and_goes_does_not_fill_the_log), TEST(test_workers_share_the_lines),
                           CU_TEST_INFO_NULL};
    return run_tests("stalls", tests);
}
