/* The journal of crashes: what the next run knows of a process that died, and what it forgets again. */
#include "core/plugin/journal.h"

#include "core/plugin/journal_file.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define LIMIT 3

static char root[512], dir[600], plugin_file[600], log_file[600];
static int log_fd;
static struct log *logger;
static struct journal *journal;
static struct journal_seat seat;
static unsigned processor, sink;

/* ---- a folder for each test ---- */

static void begin(void)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(root, sizeof root, "%s/churn-journal-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(root) == NULL) {
        abort();
    }
    (void)snprintf(dir, sizeof dir, "%s/state", root);
    (void)snprintf(plugin_file, sizeof plugin_file, "%s/plugin.so", root);
    (void)snprintf(log_file, sizeof log_file, "%s/log", root);
    log_fd = open(log_file, O_RDWR | O_CREAT | O_TRUNC, 0600);
    int fd = open(plugin_file, O_RDWR | O_CREAT, 0600);
    if (log_fd < 0 || fd < 0 || write(fd, "code", 4) != 4 || close(fd) != 0) {
        abort();
    }
}

static void end(void)
{
    char command[600];
    (void)close(log_fd);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    CU_ASSERT_EQUAL(system(command), 0);
}

static void open_limited(unsigned limit)
{
    logger = log_new(log_fd, CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    journal = journal_new(logger, JOURNAL_WORKERS, limit);
    if (logger == NULL || journal == NULL) {
        abort();
    }
    processor = journal_add_plugin(journal, "processor probe", plugin_file);
    sink = journal_add_plugin(journal, "sink probe", plugin_file);
    journal_open(journal, dir, "pipe/line");
    journal_sit(journal, 0, &seat);
}

static void open_journal(void)
{
    open_limited(LIMIT);
}

static void close_journal(bool clean)
{
    journal_close(journal, clean);
    log_free(logger);
}

static void clear_log(void)
{
    if (ftruncate(log_fd, 0) != 0 || lseek(log_fd, 0, SEEK_SET) != 0) {
        abort();
    }
}

static const char *logged(void)
{
    static char text[65536];
    ssize_t got = pread(log_fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* A run that ends in the middle of what `fn` does. */
static void die_in(void (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        open_journal();
        fn();
        _exit(7);
    }
    CU_ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static bool enter(unsigned plugin, int64_t offset)
{
    return journal_enter(&seat, plugin, "topic", 3, offset, 1);
}

static bool passes(unsigned plugin, int64_t offset)
{
    bool admitted = enter(plugin, offset);
    if (admitted) {
        journal_leave(&seat, true);
    }
    return admitted;
}

static unsigned deaths(unsigned plugin, int64_t offset)
{
    return journal_deaths(&seat, plugin, "topic", 3, offset);
}

static void at_17(void)
{
    if (passes(processor, 16)) {
        (void)enter(processor, 17);
    }
}

/* ---- counting ---- */

static void test_a_death_is_counted_and_forgiven(void)
{
    begin();
    die_in(at_17);
    open_journal();
    check_contains(logged(),
                   "WARN  churnd: the last run ended while processor probe worked on topic/3 offset 17 (1 of 3 times)",
                   "warning");
    CU_ASSERT_EQUAL(deaths(processor, 17), 1);
    CU_ASSERT_EQUAL(deaths(processor, 16), 0);
    CU_ASSERT_EQUAL(deaths(sink, 17), 0);
    CU_ASSERT(enter(processor, 17));
    journal_leave(&seat, false); /* it will come again: nothing is known yet */
    CU_ASSERT_EQUAL(deaths(processor, 17), 1);
    CU_ASSERT(passes(processor, 17));
    CU_ASSERT_EQUAL(deaths(processor, 17), 0);
    close_journal(false);
    clear_log();
    open_journal();
    CU_ASSERT_EQUAL(deaths(processor, 17), 0);
    check_text(logged(), "", "log");
    close_journal(true);
    end();
}

static void test_poison(void)
{
    begin();
    for (unsigned i = 0; i < LIMIT; i++) {
        die_in(at_17);
    }
    clear_log();
    open_journal();
    CU_ASSERT_EQUAL(deaths(processor, 17), LIMIT);
    check_contains(logged(), "(3 of 3 times); the event goes to the dead letters", "warning");
    clear_log();
    for (unsigned i = 0; i < 3; i++) { /* however often it comes */
        CU_ASSERT_FALSE(enter(processor, 17));
    }
    check_contains(logged(), "ERROR churnd: topic/3 offset 17 ended the process 3 times while processor probe had it",
                   "error");
    CU_ASSERT_PTR_NULL(strstr(strstr(logged(), "ERROR") + 1, "ERROR")); /* told once */
    CU_ASSERT(passes(sink, 17) && passes(processor, 16) && passes(processor, 18));
    CU_ASSERT(journal_enter(&seat, processor, "topic", 4, 17, 1));
    journal_leave(&seat, true);
    CU_ASSERT(journal_enter(&seat, processor, "topi", 3, 17, 1));
    journal_leave(&seat, true);
    close_journal(false);
    open_limited(LIMIT + 1); /* the limit is the pipeline's, not the journal's */
    CU_ASSERT(passes(processor, 17));
    close_journal(true);
    end();
}

static void test_deaths_must_follow_each_other(void)
{
    begin();
    for (unsigned i = 0; i < 4 * LIMIT; i++) {
        die_in(at_17);
        if (i % (LIMIT - 1) == 0) { /* a run in which it passes */
            open_journal();
            CU_ASSERT(passes(processor, 17));
            close_journal(i % 4 == 0);
        }
    }
    open_journal();
    CU_ASSERT(deaths(processor, 17) < LIMIT);
    close_journal(true);
    end();
}

static void test_what_outlives_a_clean_end(void)
{
    begin();
    for (unsigned i = 0; i < LIMIT; i++) {
        die_in(at_17);
    }
    open_journal(); /* never met: kept */
    close_journal(true);
    open_journal();
    CU_ASSERT_FALSE(enter(processor, 17));
    close_journal(true); /* met, and its dead letter is under way: kept */
    open_journal();
    CU_ASSERT_FALSE(enter(processor, 17));
    journal_done(&seat, "topic", 3, 17);
    journal_done(&seat, "topic", 2, 18);
    journal_done(&seat, "topi", 3, 18);
    close_journal(true); /* others were answered: kept */
    open_journal();
    CU_ASSERT_FALSE(enter(processor, 17));
    journal_done(&seat, "topic", 3, 18);
    CU_ASSERT_FALSE(enter(processor, 17)); /* the source may send it again */
    close_journal(false);                  /* and not know of it: kept */
    open_journal();
    CU_ASSERT_FALSE(enter(processor, 17));
    close_journal(true);
    open_journal();
    CU_ASSERT(passes(processor, 17));
    close_journal(true);
    end();
}

static void test_suspicions_end_with_the_partition_behind_them(void)
{
    begin();
    die_in(at_17);
    open_journal();
    journal_done(&seat, "topic", 3, 17);
    CU_ASSERT_EQUAL(deaths(processor, 17), 1);
    journal_done(&seat, "topic", 3, 18); /* done by another machine, for instance */
    CU_ASSERT_EQUAL(deaths(processor, 17), 0);
    close_journal(true);
    end();
}

static void test_a_plugin_built_anew_is_tried_again(void)
{
    begin();
    for (unsigned i = 0; i < LIMIT; i++) {
        die_in(at_17);
    }
    FILE *file = fopen(plugin_file, "a");
    CU_ASSERT(file != NULL && fputs("better code", file) >= 0 && fclose(file) == 0);
    open_journal();
    CU_ASSERT_EQUAL(deaths(processor, 17), 0);
    CU_ASSERT(passes(processor, 17));
    close_journal(true);
    end();
}

static void at_long_topic(void)
{
    static char topic[3000];
    memset(topic, 'x', sizeof topic - 2);
    (void)journal_enter(&seat, processor, topic, 0, 5, 1);
}

static void test_long_topics_are_told_apart(void)
{
    static char topic[3000];
    begin();
    for (unsigned i = 0; i < LIMIT; i++) {
        die_in(at_long_topic);
    }
    open_journal();
    memset(topic, 'x', sizeof topic - 2);
    CU_ASSERT_FALSE(journal_enter(&seat, processor, topic, 0, 5, 1));
    CU_ASSERT_EQUAL(journal_deaths(&seat, processor, topic, 0, 5), LIMIT);
    topic[2000] = 'y';
    CU_ASSERT_EQUAL(journal_deaths(&seat, processor, topic, 0, 5), 0);
    close_journal(true);
    end();
}

static void test_names_of_plugins(void)
{
    begin();
    open_journal();
    unsigned second = journal_add_plugin(journal, "processor probe", plugin_file);
    unsigned third = journal_add_plugin(journal, "processor probe", plugin_file);
    check_text(journal_plugin(journal, processor), "processor probe", "first");
    check_text(journal_plugin(journal, second), "processor probe (2)", "second");
    check_text(journal_plugin(journal, third), "processor probe (3)", "third");
    for (unsigned i = 0; i < 2 * JOURNAL_PLUGINS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "event type t%u", i);
        CU_ASSERT(journal_add_plugin(journal, name, "/nowhere") < JOURNAL_PLUGINS);
    }
    close_journal(true);
    end();
}

/* ---- several workers ---- */

static int64_t round_first;

static void all_workers(void)
{
    for (unsigned i = 0; i < JOURNAL_WORKERS; i++) {
        journal_sit(journal, i, &seat);
        (void)enter(processor, round_first + i);
    }
}

static void test_every_worker_has_its_slot(void)
{
    begin();
    round_first = 0;
    die_in(all_workers);
    open_journal();
    for (unsigned i = 0; i < JOURNAL_WORKERS; i++) {
        CU_ASSERT_EQUAL(deaths(processor, i), 1);
    }
    CU_ASSERT_EQUAL(deaths(processor, JOURNAL_WORKERS), 0);
    close_journal(false);
    end();
}

static void test_the_oldest_are_forgotten(void)
{
    unsigned rounds = JOURNAL_ENTRIES / JOURNAL_WORKERS + 2;
    begin();
    for (unsigned i = 0; i < rounds; i++) {
        round_first = 1000 * i;
        die_in(all_workers);
    }
    open_journal();
    for (unsigned i = 0; i < rounds; i++) {
        CU_ASSERT_EQUAL(deaths(processor, 1000 * i + 5), i < 2 ? 0 : 1);
    }
    close_journal(false);
    end();
}

static _Atomic int entered;

static void *other_worker(void *unused)
{
    struct journal_seat other;
    (void)unused;
    journal_sit(journal, 1, &other);
    if (journal_enter(&other, sink, "topic", 9, 1, 1)) {
        entered = 1;
        journal_leave(&other, true);
    }
    return NULL;
}

static void test_a_suspect_is_alone(void)
{
    pthread_t thread;
    begin();
    die_in(at_17);
    open_journal();
    CU_ASSERT(enter(processor, 17));
    entered = 0;
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, other_worker, NULL), 0);
    (void)usleep(100000);
    CU_ASSERT_EQUAL(entered, 0);
    journal_leave(&seat, true);
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    CU_ASSERT_EQUAL(entered, 1);
    CU_ASSERT(enter(processor, 18)); /* no suspect is left: nobody waits for anybody */
    entered = 0;
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, other_worker, NULL), 0);
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    CU_ASSERT_EQUAL(entered, 1);
    journal_leave(&seat, true);
    close_journal(true);
    end();
}

/* ---- batches ---- */

static void in_a_batch(void)
{
    (void)journal_enter(&seat, sink, "topic", 3, 20, 5);
}

static void test_a_batch(void)
{
    begin();
    for (unsigned i = 0; i < LIMIT + 1; i++) {
        die_in(in_a_batch);
    }
    open_journal();
    check_contains(logged(), "while sink probe was given 5 records, the last of them topic/3 offset 20", "warning");
    CU_ASSERT(journal_careful(&seat, sink));
    CU_ASSERT_FALSE(journal_careful(&seat, processor));
    CU_ASSERT_FALSE(journal_suspects(&seat, sink, "topic", 3, 20)); /* no single record is known to do harm */
    CU_ASSERT(passes(sink, 19));
    CU_ASSERT(passes(sink, 20));
    CU_ASSERT(passes(sink, 21));
    CU_ASSERT(journal_careful(&seat, sink)); /* for a while */
    close_journal(false);
    open_journal();
    CU_ASSERT(journal_careful(&seat, sink));
    close_journal(true);
    open_journal();
    CU_ASSERT_FALSE(journal_careful(&seat, sink));
    close_journal(true);
    end();
}

/* ---- files ---- */

static void path_of(unsigned n, char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s/pipe_line.%u.journal", dir, n);
}

static void test_each_process_has_its_file(void)
{
    char path[PATH_MAX];
    struct stat st;
    struct journal *first;
    struct log *first_logger;
    begin();
    die_in(at_17);
    open_journal(); /* takes file 0 over */
    first = journal;
    first_logger = logger;
    die_in(at_17); /* in file 1, knowing nothing of file 0 */
    path_of(0, path);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    path_of(1, path);
    CU_ASSERT(stat(path, &st) == 0 && st.st_size > 0);
    CU_ASSERT(stat(dir, &st) == 0 && (st.st_mode & 0777) == 0700);
    open_journal(); /* file 1 again: one death; file 0 is in use */
    CU_ASSERT_EQUAL(deaths(processor, 17), 1);
    close_journal(false);
    journal_close(first, false);
    log_free(first_logger);
    open_journal(); /* both: their deaths together */
    CU_ASSERT_EQUAL(deaths(processor, 17), 2);
    path_of(1, path);
    CU_ASSERT(stat(path, &st) == 0 && st.st_size == 0);
    close_journal(false);
    open_journal(); /* and once only */
    CU_ASSERT_EQUAL(deaths(processor, 17), 2);
    close_journal(true);
    path_of(2, path);
    CU_ASSERT(stat(path, &st) != 0);
    end();
}

static void write_at(off_t at, const void *bytes, size_t len)
{
    char path[PATH_MAX];
    path_of(0, path);
    int fd = open(path, O_WRONLY);
    CU_ASSERT(fd >= 0 && pwrite(fd, bytes, len, at) == (ssize_t)len && close(fd) == 0);
}

static void check_begins_anew(const char *what)
{
    clear_log();
    open_journal();
    check_contains(logged(), "is damaged or of another version", what);
    CU_ASSERT_EQUAL(deaths(processor, 17), 0);
    close_journal(false);
    clear_log();
    open_journal();
    check_text(logged(), "", what);
    close_journal(false);
}

static void test_damaged_files(void)
{
    static const char garbage[400000] = "churnjnl but nothing like it";
    static char noise[200000];
    uint64_t state = 1;
    char path[PATH_MAX];
    begin();
    die_in(at_17);
    path_of(0, path);
    CU_ASSERT_EQUAL(truncate(path, 1000), 0);
    check_begins_anew("cut");
    die_in(at_17);
    write_at(0, "X", 1);
    check_begins_anew("magic");
    die_in(at_17);
    write_at(8, "\xff", 1);
    check_begins_anew("version");
    write_at(0, garbage, sizeof garbage);
    check_begins_anew("too long");
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (char)next_random(&state);
    }
    for (unsigned i = 0; i < 300; i++) { /* whatever the file holds, nothing breaks */
        size_t at = 16 + next_random(&state) % 90000, len = 1 + next_random(&state) % 600;
        write_at((off_t)at, noise + at, len);
        open_journal();
        (void)enter(processor, 17);
        (void)journal_careful(&seat, sink);
        close_journal(false);
    }
    end();
}

static void test_no_file(void)
{
    begin();
    int fd = open(dir, O_WRONLY | O_CREAT, 0600); /* a file where the folder should be */
    CU_ASSERT(fd >= 0 && close(fd) == 0);
    open_journal();
    check_contains(logged(), "WARN  churnd:", "warning");
    check_contains(logged(), dir, "warning");
    check_contains(logged(), "set state_dir", "warning");
    CU_ASSERT(passes(processor, 17) && passes(sink, 17));
    close_journal(true);
    end();
}

static void test_a_fifo_in_the_place_of_the_file(void)
{
    char path[PATH_MAX];
    begin();
    CU_ASSERT_EQUAL(mkdir(dir, 0700), 0);
    path_of(0, path);
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
    open_journal();
    check_contains(logged(), "what has the name of the journal is no regular file", "warning");
    CU_ASSERT(passes(processor, 17) && passes(sink, 17));
    close_journal(true);
    end();
}

static void test_where_the_folder_is(void)
{
    char folder[PATH_MAX], expected[PATH_MAX], message[PATH_MAX + 128] = "";
    begin();
    CU_ASSERT(setenv("HOME", root, 1) == 0 && unsetenv("XDG_STATE_HOME") == 0 && unsetenv("STATE_DIRECTORY") == 0);
    CU_ASSERT(journal_folder(NULL, folder, message, sizeof message));
    (void)snprintf(expected, sizeof expected, "%s/.local/state/churnd", root);
    check_text(folder, expected, message);
    (void)snprintf(expected, sizeof expected, "%s/xdg/churnd", root);
    *strrchr(expected, '/') = '\0';
    CU_ASSERT_EQUAL(setenv("XDG_STATE_HOME", expected, 1), 0);
    CU_ASSERT(journal_folder("", folder, message, sizeof message));
    (void)snprintf(expected, sizeof expected, "%s/xdg/churnd", root);
    check_text(folder, expected, message);
    (void)snprintf(expected, sizeof expected, "%s/systemd:/elsewhere", root);
    CU_ASSERT_EQUAL(setenv("STATE_DIRECTORY", expected, 1), 0);
    CU_ASSERT(journal_folder(NULL, folder, message, sizeof message));
    *strchr(expected, ':') = '\0';
    check_text(folder, expected, message);
    (void)snprintf(expected, sizeof expected, "%s/a/b/c", root);
    CU_ASSERT(journal_folder(expected, folder, message, sizeof message));
    check_text(folder, expected, message);
    CU_ASSERT_EQUAL(access(expected, R_OK | W_OK | X_OK), 0);
    check_text(message, "", "a folder of one's own needs no word");
    CU_ASSERT(unsetenv("HOME") == 0 && unsetenv("XDG_STATE_HOME") == 0 && unsetenv("STATE_DIRECTORY") == 0);
    CU_ASSERT(journal_folder(NULL, folder, message, sizeof message));
    (void)snprintf(expected, sizeof expected, "/tmp/churnd-%u", (unsigned)geteuid());
    check_text(folder, expected, message);
    check_contains(message, expected, "a place of last resort is said");
    end();
}

/* ---- plugins that do not return ---- */

static void test_a_plugin_that_hangs(void)
{
    char message[256];
    int64_t now = 1000;
    struct journal_seat other;
    begin();
    open_journal();
    journal_sit(journal, 1, &other);
    CU_ASSERT_FALSE(journal_hung(journal, now, 500, message, sizeof message));
    for (unsigned i = 0; i < 100; i++) { /* busy, but never long in one call */
        CU_ASSERT(enter(processor, i));
        CU_ASSERT_FALSE(journal_hung(journal, now += 400, 500, message, sizeof message));
        journal_leave(&seat, true);
    }
    CU_ASSERT(enter(processor, 17));
    CU_ASSERT(journal_enter(&other, sink, "topic", 8, 80, 1));
    journal_leave(&other, true);
    CU_ASSERT_FALSE(journal_hung(journal, now += 100, 5000, message, sizeof message));
    CU_ASSERT_FALSE(journal_hung(journal, now += 3600000, 5000, message, sizeof message)); /* the process was stopped */
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT_FALSE(journal_hung(journal, now += 1000, 5000, message, sizeof message));
    }
    CU_ASSERT(journal_enter(&other, sink, "topic", 8, 81, 1)); /* which is beside the point */
    CU_ASSERT(journal_hung(journal, now += 1000, 5000, message, sizeof message));
    check_text(message, "processor probe has not returned from topic/3 offset 17 for 6 s", "message");
    close_journal(false); /* as the end of the process would */
    clear_log();
    open_journal();
    check_contains(logged(), "while processor probe did not return from topic/3 offset 17 (1 of 3 times)", "warning");
    CU_ASSERT_EQUAL(deaths(processor, 17), 1);
    CU_ASSERT_EQUAL(journal_deaths(&seat, sink, "topic", 8, 81), 0);
    close_journal(true);
    end();
}

static void test_what_a_child_held(void)
{
    char message[256] = "";
    begin();
    open_limited(LIMIT);
    journal_close(journal, true);
    journal = journal_new(logger, 1, LIMIT); /* in memory */
    (void)journal_add_plugin(journal, "processor probe", plugin_file);
    journal_sit(journal, 0, &seat);
    for (int crashes = 0; crashes < 2; crashes++) {
        pid_t child = fork();
        if (child == 0) {
            (void)journal_enter(&seat, 0, "topic", 3, 17, 1);
            if (!crashes) {
                journal_leave(&seat, true);
            }
            _exit(0);
        }
        CU_ASSERT(child > 0 && waitpid(child, NULL, 0) == child);
        CU_ASSERT_EQUAL(journal_held(journal, 0, message, sizeof message), crashes);
    }
    CU_ASSERT_STRING_EQUAL(message, "processor probe worked on topic/3 offset 17");
    close_journal(true);
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_a_death_is_counted_and_forgiven),
        TEST(test_poison),
        TEST(test_deaths_must_follow_each_other),
        TEST(test_what_outlives_a_clean_end),
        TEST(test_suspicions_end_with_the_partition_behind_them),
        TEST(test_a_plugin_built_anew_is_tried_again),
        TEST(test_long_topics_are_told_apart),
        TEST(test_names_of_plugins),
        TEST(test_every_worker_has_its_slot),
        TEST(test_the_oldest_are_forgotten),
        TEST(test_a_suspect_is_alone),
        TEST(test_a_batch),
        TEST(test_each_process_has_its_file),
        TEST(test_damaged_files),
        TEST(test_no_file),
        TEST(test_a_fifo_in_the_place_of_the_file),
        TEST(test_where_the_folder_is),
        TEST(test_a_plugin_that_hangs),
        TEST(test_what_a_child_held),
        CU_TEST_INFO_NULL,
    };
    return run_tests("journal", tests);
}
