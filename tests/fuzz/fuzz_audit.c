/* The file of an audit that somebody had their hands on. The key is 32 zeros, so that seeds can have good lines. */
#include "fuzz.h"

#include "core/audit/trail.h"
#include "core/audit/verify.h"

static const struct key key;
static char folder[] = "/dev/shm/churn-fuzz-XXXXXX";
static char path[sizeof folder + 16], head_path[sizeof path + 8];

static void clean_up(void)
{
    (void)unlink(path);
    (void)unlink(head_path);
    (void)rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    need(mkdtemp(folder) != NULL, folder);
    (void)snprintf(path, sizeof path, "%s/audit", folder);
    (void)snprintf(head_path, sizeof head_path, "%s.head", path);
    need(atexit(clean_up) == 0, "atexit");
    return 0;
}

static void write_file(const uint8_t *data, size_t size)
{
    FILE *out = fopen(path, "we");
    need(out != NULL && fwrite(data, 1, size, out) == size && fclose(out) == 0, path);
}

static void note_fault(void *ctx, const char *fault)
{
    int64_t *told = ctx;
    promise(strncmp(fault, path, strlen(path)) == 0, "a fault names the file: %s", fault);
    ++*told;
}

static struct verify_report judge(const struct chain_head *head)
{
    const char *const paths[] = {path};
    const struct verify_ends ends = {.head = *head};
    struct verify_report report;
    char message[TRAIL_MESSAGE_SIZE];
    int64_t told = 0;
    promise(verify_files(paths, 1, &key, &ends, note_fault, &told, &report, message, sizeof message),
            "a file is read: %s", message);
    promise(told == report.faults, "each fault is told");
    return report;
}

/* What is called whole is: each line good, and the number after that of the one before. */
static void check_whole(churn_str rest, const struct verify_report *report)
{
    struct chain_head before = {0}, read;
    char prev[CHAIN_MAC_LEN + 1];
    while (rest.len > 0) {
        churn_str line = fuzz_take(&rest, '\n');
        promise(chain_read(&key, line, &read, prev), "a line of a whole file is good");
        promise(before.number == 0 || (read.number == before.number + 1 && strcmp(prev, before.mac) == 0),
                "a line goes on from the one before it");
        before = read;
    }
    promise(before.number == report->last.number, "the last line is the one that is named");
}

/* The last line of the file, as it was read. */
static struct chain_head read_last(void)
{
    struct chain_head last = chain_begin();
    char prev[CHAIN_MAC_LEN + 1], *line = NULL;
    size_t room = 0;
    ssize_t len;
    bool good = false;
    FILE *in = fopen(path, "re");
    need(in != NULL, path);
    while ((len = getline(&line, &room, in)) > 0) {
        good = line[len - 1] == '\n' &&
               chain_read(&key, (churn_str){.ptr = line, .len = (uint32_t)(len - 1)}, &last, prev);
    }
    promise(good, "the last line is good");
    free(line);
    (void)fclose(in);
    return last;
}

/* Whatever is there, the next line is written behind it, and is good; a whole file stays whole. */
static void check_next(bool whole)
{
    struct chain_head head, last;
    enum trail_found found;
    char message[TRAIL_MESSAGE_SIZE];
    (void)unlink(head_path);
    promise(trail_append(path, &key, "\"action\":\"read\"", &head, &found, message, sizeof message),
            "a line is appended: %s", message);
    last = read_last();
    promise(last.number == head.number && strcmp(last.mac, head.mac) == 0,
            "the last line is the one that was appended");
    promise(!whole || judge(&head).faults == 0, "a file that was whole is whole");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct chain_head none = chain_begin();
    struct chain_head head;
    char *text = fuzz_text(data, size), again[CHAIN_HEAD_SIZE];
    struct verify_report report;
    write_file(data, size);
    report = judge(&none);
    if (report.faults == 0) {
        check_whole((churn_str){.ptr = (const char *)data, .len = (uint32_t)size}, &report);
    }
    check_next(report.faults == 0);
    if (chain_head_parse(text, &head)) {
        struct chain_head twice;
        chain_head_format(&head, again);
        promise(chain_head_parse(again, &twice) && twice.number == head.number && strcmp(twice.mac, head.mac) == 0,
                "a head that is written again reads the same");
    }
    free(text);
    return 0;
}
