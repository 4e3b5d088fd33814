/* The journal of crashes, as a run that ended left it, or somebody else. */
#include "fuzz.h"

#include "core/plugin/journal.h"
#include <fcntl.h>

#define DELTAS 64

static char folder[512], path[600];
static struct log *no_log;
static char *whole; /* a journal that a run has left, for inputs to change */
static size_t whole_size;

static const char *const topics[] = {"t", "orders"};

static struct journal *open_journal(void)
{
    struct journal *journal = journal_new(no_log, 4, 3);
    need(journal != NULL, "memory");
    (void)journal_add_plugin(journal, "processor probe", "/nonexistent");
    (void)journal_add_plugin(journal, "sink probe", "/nonexistent");
    journal_open(journal, folder, "fuzz");
    return journal;
}

static void read_whole(void)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    need(fd >= 0 && fstat(fd, &st) == 0, path);
    whole_size = (size_t)st.st_size;
    whole = malloc(whole_size);
    need(whole != NULL && pread(fd, whole, whole_size, 0) == st.st_size && close(fd) == 0, path);
}

static void write_file(const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(fd >= 0 && write(fd, bytes, len) == (ssize_t)len && close(fd) == 0, path);
}

static void remove_folder(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *tmp = getenv("TMPDIR");
    struct journal_seat seat;
    (void)argc;
    (void)argv;
    (void)snprintf(folder, sizeof folder, "%s/churn-fuzz-XXXXXX", tmp != NULL ? tmp : "/dev/shm");
    need(mkdtemp(folder) != NULL && atexit(remove_folder) == 0, folder);
    (void)snprintf(path, sizeof path, "%s/fuzz.0.journal", folder);
    no_log = log_new(open("/dev/null", O_WRONLY | O_CLOEXEC), CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    need(no_log != NULL, "memory");
    for (int64_t run = 0; run < 3; run++) { /* three events of which each ended a run, and one more */
        struct journal *journal = open_journal();
        for (unsigned worker = 0; worker < 3; worker++) {
            journal_sit(journal, worker, &seat);
            (void)journal_enter(&seat, worker % 2, topics[worker % 2], 0, 5 + run, 1 + worker);
        }
        journal_close(journal, false);
    }
    read_whole();
    return 0;
}

/* An input that is long is the file; a short one changes some of its bytes: where (4 bytes), and to what (4). */
static char *make_file(const uint8_t *data, size_t size, size_t *ret_len)
{
    char *bytes = malloc(size > whole_size ? size : whole_size);
    need(bytes != NULL, "malloc");
    if (size >= whole_size || size < 8) {
        memcpy(bytes, data, size);
        *ret_len = size;
        return bytes;
    }
    memcpy(bytes, whole, whole_size);
    for (size_t i = 0; i + 8 <= size && i < 8 * DELTAS; i += 8) {
        uint32_t at;
        memcpy(&at, data + i, 4);
        memcpy(bytes + at % (whole_size - 3), data + i + 4, 4);
    }
    *ret_len = whole_size;
    return bytes;
}

/* How often each of some events was deadly, as the journal says. */
static void ask(struct journal *journal, unsigned deaths[2][8])
{
    struct journal_seat seat;
    journal_sit(journal, 0, &seat);
    for (unsigned plugin = 0; plugin < 2; plugin++) {
        for (int64_t offset = 0; offset < 8; offset++) {
            deaths[plugin][offset] = journal_deaths(&seat, plugin, topics[plugin], 0, 3 + offset);
        }
    }
}

/* A run goes on with whatever was there: an event is given to a plugin, or held back. */
static void run(struct journal *journal)
{
    struct journal_seat seat;
    char message[512];
    journal_sit(journal, 1, &seat);
    for (int64_t offset = 0; offset < 16; offset++) {
        unsigned plugin = offset % 2;
        (void)journal_careful(&seat, plugin);
        (void)journal_suspects(&seat, plugin, topics[plugin], 0, offset);
        if (journal_enter(&seat, plugin, topics[plugin], 0, offset, 1)) {
            promise(journal_held(journal, 1, message, sizeof message), "a worker is where it was noted");
            journal_leave(&seat, true);
        }
        promise(!journal_held(journal, 1, message, sizeof message), "a worker that left is nowhere");
        journal_done(&seat, topics[plugin], 0, offset + 1);
    }
    (void)journal_hung(journal, 1000, 0, message, sizeof message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned first[2][8], second[2][8];
    size_t len;
    char *bytes = make_file(data, size, &len);
    write_file(bytes, len);
    free(bytes);
    struct journal *journal = open_journal();
    ask(journal, first);
    journal_close(journal, false);
    journal = open_journal();
    ask(journal, second);
    promise(memcmp(first, second, sizeof first) == 0, "a run in which nobody died changes nothing");
    run(journal);
    journal_close(journal, true);
    return 0;
}
