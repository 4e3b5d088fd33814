/* How far long work is: what the line says at every width, how the rate is smoothed, and where nothing may be drawn. */
#include "core/base/progress_line.h"

#include "core/base/grouped.h"
#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

/* ---- the text ---- */

static unsigned columns_of(const char *text)
{
    unsigned columns = 0;
    for (; *text != '\0'; text++) {
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return columns;
}

static void test_texts(void)
{
    static const struct {
        struct progress_view view;
        unsigned columns;
        const char *text;
    } cases[] = {
        {{"verify", "profiles", 1234, 2741, 120, NULL}, 0, "verify 45 % · 1,234 of 2,741 profiles · 120/s · 13 s left"},
        {{"verify", "profiles", 1234, 2741, 120, NULL},
         80,
         "verify [=========>          ] 45 % · 1,234 of 2,741 profiles · 120/s · 13 s left"},
        {{"run", "events", 50, 100, 10, NULL},
         200,
         "run [====================>                   ] 50 % · 50 of 100 events · 10/s · 5 s left"},
        /* nothing was to be done, nothing is done, all is done */
        {{"run", "events", 0, 0, 0, NULL}, 0, "run 100 % · 0 of 0 events"},
        {{"run", "events", 0, 10, 0, NULL}, 0, "run 0 % · 0 of 10 events"},
        {{"run", "events", 10, 10, 5, NULL}, 0, "run 100 % · 10 of 10 events · 5/s"},
        {{"run", "events", 10, 10, 5, NULL}, 52, "run [================] 100 % · 10 of 10 events · 5/s"},
        /* more than was expected, less than nothing, and what no number is too large for */
        {{"run", "events", 11, 10, 5, NULL}, 0, "run 100 % · 10 of 10 events · 5/s"},
        {{"run", "events", -3, 10, 0, NULL}, 0, "run 0 % · 0 of 10 events"},
        {{"run", "events", INT64_MAX - 1, INT64_MAX, 1e300, NULL},
         0,
         "run 99 % · 9,223,372,036,854,775,806 of 9,223,372,036,854,775,807 events · 1,000,000,000,000,000/s · 1 s "
         "left"},
        {{"run", "events", 99999, 100000, 0.001, NULL},
         0,
         "run 99 % · 99,999 of 100,000 events · less than 1/s · 16 min 40 s left"},
        {{"run", "events", 0, INT64_MAX, 1, NULL}, 0, "run 0 % · 0 of 9,223,372,036,854,775,807 events · 1/s"},
        /* times */
        {{"x", "y", 0, 60, 1, NULL}, 0, "x 0 % · 0 of 60 y · 1/s · 1 min 00 s left"},
        {{"x", "y", 0, 59, 1, NULL}, 0, "x 0 % · 0 of 59 y · 1/s · 59 s left"},
        {{"x", "y", 0, 7500, 1, NULL}, 0, "x 0 % · 0 of 7,500 y · 1/s · 2 h 05 min left"},
        {{"x", "y", 0, 273600, 1, NULL}, 0, "x 0 % · 0 of 273,600 y · 1/s · 3 d 04 h left"},
        /* without end */
        {{"run", "events", 12345, -1, 4000, "lag 77"}, 80, "run 12,345 events · 4,000/s · lag 77"},
        {{"run", "events", 12345, -1, 0, NULL}, 80, "run 12,345 events"},
        /* time that passes */
        {{"load", NULL, 21000, 70000, 1000, "lag 5"},
         60,
         "load [========>                   ] 30 % · lag 5 · 49 s left"},
        /* narrower and narrower */
        {{"run", "events", 12345, -1, 4000, "lag 77"}, 30, "run 12,345 events · 4,000/s"},
        {{"run", "events", 12345, -1, 4000, "lag 77"}, 20, "run 12,345 events"},
        {{"verify", "profiles", 1234, 2741, 120, NULL},
         70,
         "verify [====>     ] 45 % · 1,234 of 2,741 profiles · 120/s · 13 s left"},
        {{"verify", "profiles", 1234, 2741, 120, NULL},
         69,
         "verify [========>         ] 45 % · 1,234 profiles · 120/s · 13 s left"},
        {{"verify", "profiles", 1234, 2741, 120, NULL},
         61,
         "verify [====>     ] 45 % · 1,234 profiles · 120/s · 13 s left"},
        {{"verify", "profiles", 1234, 2741, 120, NULL},
         60,
         "verify [===========>              ] 45 % · 120/s · 13 s left"},
        {{"verify", "profiles", 1234, 2741, 120, NULL}, 44, "verify [====>     ] 45 % · 120/s · 13 s left"},
        {{"verify", "profiles", 1234, 2741, 120, NULL}, 43, "verify 45 % · 120/s · 13 s left"},
        {{"verify", "profiles", 1234, 2741, 120, NULL}, 31, "verify 45 % · 120/s · 13 s left"},
        {{"verify", "profiles", 1234, 2741, 120, NULL}, 30, "verify 45 % · 13 s left"},
        {{"verify", "profiles", 1234, 2741, 120, NULL}, 13, "verify 45 % ·"},
        {{"verify", "profiles", 1234, 2741, 120, NULL}, 1, "v"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[PROGRESS_TEXT_SIZE], what[64];
        progress_line_text(&cases[i].view, cases[i].columns, text);
        (void)snprintf(what, sizeof what, "case %zu", i);
        check_text(text, cases[i].text, what);
    }
}

/* Whatever is to be shown, it never needs more columns than there are, and never half a character. */
static void test_it_never_wraps(void)
{
    uint64_t random = 1;
    for (unsigned i = 0; i < 20000; i++) {
        char text[PROGRESS_TEXT_SIZE];
        unsigned columns = 1 + (unsigned)(next_random(&random) % 240);
        struct progress_view view = {.what = i % 2 == 0 ? "rebuild" : "verify: comparing",
                                     .unit = "profiles",
                                     .done = (int64_t)(next_random(&random) >> (next_random(&random) % 64)),
                                     .total = (int64_t)(next_random(&random) >> (next_random(&random) % 64)),
                                     .per_second = (double)(next_random(&random) >> (next_random(&random) % 64)),
                                     .note = i % 3 == 0 ? "lag 77" : NULL};
        progress_line_text(&view, columns, text);
        check(columns_of(text) <= columns, "%u columns: \"%s\"", columns, text);
        size_t len = strlen(text);
        check(len == 0 || (unsigned char)text[len - 1] != 0xc2, "half a character at the end of \"%s\"", text);
    }
}

static void test_grouped(void)
{
    char out[GROUPED_SIZE];
    check_text(grouped(0, out), "0", "0");
    check_text(grouped(999, out), "999", "999");
    check_text(grouped(1000, out), "1,000", "1000");
    check_text(grouped(-5, out), "0", "-5");
    check_text(grouped(INT64_MAX, out), "9,223,372,036,854,775,807", "the largest");
}

/* ---- the rate ---- */

static void check_rate(const struct progress_rate *rate, double least, double most, const char *what)
{
    check(rate->per_second >= least && rate->per_second <= most, "%s: %f/s is not within %f and %f", what,
          rate->per_second, least, most);
}

/* A wait at the beginning does not make it slow for long after. */
static void test_rate_begins_with_the_first_thing_done(void)
{
    struct progress_rate rate = {0};
    for (int64_t now = 1000; now <= 60000; now += 250) {
        progress_rate_note(&rate, now, 0);
    }
    check_rate(&rate, 0, 0, "nothing is done");
    progress_rate_note(&rate, 60250, 1000); /* who knows since when */
    check_rate(&rate, 0, 0, "the first piece");
    progress_rate_note(&rate, 60500, 1025);
    check_rate(&rate, 99.9, 100.1, "25 in a quarter of a second");
}

/* Looked at every ten seconds, the first look tells already. */
static void test_rate_of_rare_looks(void)
{
    struct progress_rate rate = {0};
    progress_rate_note(&rate, 1000, 0);
    progress_rate_note(&rate, 11000, 1000);
    check_rate(&rate, 99.9, 100.1, "1,000 in ten seconds");
    progress_rate_note(&rate, 21000, 1500);
    check_rate(&rate, 49.9, 50.1, "500 in the next ten");
}

/* What comes once a second in one piece is a steady rate, although it is looked at four times a second. */
static void test_rate_of_pieces(void)
{
    struct progress_rate rate = {0};
    int64_t done = 0;
    for (int64_t now = 250; now <= 31000; now += 250) {
        done += now % 1000 == 0 ? 1000 : 0;
        progress_rate_note(&rate, now, done);
        if (now >= 3000) {
            check_rate(&rate, 990, 1010, "1,000 each second");
        }
    }
}

/* One outlier moves it a little; a lasting change is followed within some seconds; standing still makes it sink, and
 * going back counts as that. */
static void test_rate_is_smoothed(void)
{
    struct progress_rate rate = {0};
    int64_t now = 1000, done = 0;
    progress_rate_note(&rate, now, done);
    for (unsigned i = 0; i < 60; i++) {
        progress_rate_note(&rate, now += 500, done += 50);
    }
    check_rate(&rate, 99, 101, "100 a second");
    progress_rate_note(&rate, now += 500, done += 500);
    check_rate(&rate, 150, 250, "one moment ten times as fast");
    for (unsigned i = 0; i < 60; i++) {
        progress_rate_note(&rate, now += 500, done += 500);
    }
    check_rate(&rate, 950, 1001, "ten times as fast");
    for (unsigned i = 0; i < 30; i++) {
        progress_rate_note(&rate, now += 500, done);
    }
    check_rate(&rate, 0, 100, "15 s without anything");
    double before = rate.per_second;
    progress_rate_note(&rate, now += 2000, done - 1000);
    check_rate(&rate, 0, before, "what was read again");
    progress_rate_note(&rate, now, done);
    progress_rate_note(&rate, now - 5000, done + 10);
    check_rate(&rate, 0, before, "a clock that stands or goes back");
}

/* ---- where it is shown ---- */

/* All that the terminal got; it is not waited for. */
static size_t read_terminal(int master, char *out, size_t size)
{
    size_t used = 0;
    ssize_t n;
    while (used < size - 1 && (n = read(master, out + used, size - 1 - used)) > 0) {
        used += (size_t)n;
    }
    out[used] = '\0';
    return used;
}

/* Begins a line, lets its moment come, shows it and ends it, with standard error on a terminal of so many columns. */
static void show_on_terminal(unsigned short columns, bool quiet, char *out, size_t size)
{
    struct winsize window = {.ws_row = 24, .ws_col = columns};
    int master, slave, kept = dup(STDERR_FILENO);
    struct progress_line line;
    if (kept < 0 || openpty(&master, &slave, NULL, NULL, &window) != 0 || fcntl(master, F_SETFL, O_NONBLOCK) != 0 ||
        dup2(slave, STDERR_FILENO) < 0) {
        abort();
    }
    struct log *log = log_new(STDERR_FILENO, CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    progress_line_begin(&line, log, "verify", "profiles", quiet);
    progress_line_show(&line, 10, 100, NULL); /* too early */
    line.shown_ms -= 10000;
    line.rate.since_ms -= 10000;
    line.rate.last_ms -= 10000;
    progress_line_show(&line, 50, 100, NULL);
    progress_line_show(&line, 60, 100, NULL); /* too early again */
    log_line(log, CHURN_LOG_WARN, "part", "something else");
    progress_line_clear(&line);
    progress_line_end(&line);
    progress_line_show(&line, 100, 100, NULL); /* it is over */
    log_free(log);
    (void)dup2(kept, STDERR_FILENO);
    (void)read_terminal(master, out, size);
    (void)close(kept);
    (void)close(slave);
    (void)close(master);
}

static void test_drawn_in_its_place(void)
{
    char out[2048];
    (void)setenv("TERM", "xterm", 1);
    (void)unsetenv("NO_COLOR");
    show_on_terminal(80, false, out, sizeof out);
    check(strncmp(out, "\r\033[Kverify [", 11) == 0, "drawn: \"%s\"", out);
    check_contains(out, "50 % · 50 of 100 profiles", "drawn");
    check_contains(out, "\r\033[K20", "cleared before a line of the log");
    check_contains(out, "something else\r\nverify [", "drawn again after it");
    CU_ASSERT_PTR_NULL(strstr(out, "60 of"));
    CU_ASSERT_PTR_NULL(strstr(out, " 10 of"));
    check(strcmp(out + strlen(out) - 4, "\r\033[K") == 0, "cleared at the end: \"%s\"", out);
}

static void test_a_narrow_terminal(void)
{
    char out[2048], *end;
    show_on_terminal(12, false, out, sizeof out);
    check(strncmp(out, "\r\033[Kverify 50 %", 14) == 0, "drawn: \"%s\"", out);
    end = strstr(out + 4, "\r\033[K");
    check(end != NULL && end - (out + 4) <= 12 + 1, "the last column stays free: \"%s\"", out);
}

static void check_log_line(const char *out, const char *what)
{
    CU_ASSERT_PTR_NULL(strchr(out, '\033'));
    check_contains(out, "INFO  progress: verify 50 % · 50 of 100 profiles · 5/s · 10 s left", what);
}

static void test_no_control_sequences(void)
{
    char out[2048];
    (void)setenv("TERM", "dumb", 1);
    show_on_terminal(80, false, out, sizeof out);
    check_log_line(out, "TERM=dumb");
    (void)setenv("TERM", "xterm", 1);
    (void)setenv("NO_COLOR", "1", 1);
    show_on_terminal(80, false, out, sizeof out);
    check_log_line(out, "NO_COLOR");
    (void)setenv("NO_COLOR", "", 1); /* as if unset, says no-color.org */
    show_on_terminal(80, false, out, sizeof out);
    CU_ASSERT_PTR_NOT_NULL(strchr(out, '\033'));
    (void)unsetenv("NO_COLOR");
}

static void test_quiet(void)
{
    char out[2048];
    show_on_terminal(80, true, out, sizeof out);
    CU_ASSERT_PTR_NULL(strstr(out, "verify"));
    CU_ASSERT_PTR_NULL(strchr(out, '\033'));
    check_contains(out, "WARN  part: something else", "what else is said");
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_texts),
        TEST(test_it_never_wraps),
        TEST(test_grouped),
        TEST(test_rate_begins_with_the_first_thing_done),
        TEST(test_rate_of_rare_looks),
        TEST(test_rate_of_pieces),
        TEST(test_rate_is_smoothed),
        TEST(test_drawn_in_its_place),
        TEST(test_a_narrow_terminal),
        TEST(test_no_control_sequences),
        TEST(test_quiet),
        CU_TEST_INFO_NULL,
    };
    return run_tests("progress_line", tests);
}
