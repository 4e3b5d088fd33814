/* The chain of an audit's lines, the file that they are appended to, and the judge of whether it is whole. */
#include "core/audit/trail.h"
#include "core/audit/verify.h"

#include "check.h"
#include <sys/stat.h>
#include <unistd.h>

static const struct key key = {.bytes = {1, 2, 3}}, other_key = {.bytes = {3, 2, 1}};
static char path[] = "/tmp/churn-audit-XXXXXX/audit.jsonl";

/* ---- helpers ---- */

static void append_lines(int count)
{
    for (int i = 0; i < count; i++) {
        struct chain_head head;
        enum trail_found found;
        char message[TRAIL_MESSAGE_SIZE] = "";
        check(trail_append(path, &key, "\"action\":\"read\"", &head, &found, message, sizeof message), "%s", message);
    }
}

static enum trail_found append_one(struct chain_head *ret_head)
{
    enum trail_found found = TRAIL_WHOLE;
    char message[TRAIL_MESSAGE_SIZE] = "";
    check(trail_append(path, &key, "\"action\":\"read\"", ret_head, &found, message, sizeof message), "%s", message);
    return found;
}

static char *head_name(void)
{
    static char name[sizeof path + 8];
    (void)snprintf(name, sizeof name, "%s.head", path);
    return name;
}

static void begin(void)
{
    (void)unlink(path);
    (void)unlink(head_name());
}

static struct text read_all(void)
{
    struct text text = {0};
    FILE *in = fopen(path, "re");
    char room[4096];
    size_t n;
    while (in != NULL && (n = fread(room, 1, sizeof room, in)) > 0) {
        text_append(&text, room, n);
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    return text;
}

static void write_all(const char *bytes, size_t len, const char *mode)
{
    FILE *out = fopen(path, mode);
    CU_ASSERT_FATAL(out != NULL);
    CU_ASSERT(fwrite(bytes, 1, len, out) == len);
    CU_ASSERT(fclose(out) == 0);
}

static void note_fault(void *ctx, const char *fault)
{
    struct text *told = ctx;
    text_append_string(told, fault);
    text_append_string(told, "\n");
}

/* How many faults there are; with what is said of them. */
static int64_t judge(const struct key *with, struct text *ret_told)
{
    const char *paths[] = {path};
    struct chain_head head, none = {0};
    struct verify_report report;
    char message[TRAIL_MESSAGE_SIZE] = "";
    *ret_told = (struct text){0};
    check(trail_head(path, &head, message, sizeof message) &&
              verify_files(paths, 1, with, &head, &none, note_fault, ret_told, &report, message, sizeof message),
          "%s", message);
    text_append(ret_told, "", 1);
    return report.faults;
}

static bool is_whole(void)
{
    struct text told;
    int64_t faults = judge(&key, &told);
    check(faults == 0, "%s", told.bytes);
    text_free(&told);
    return faults == 0;
}

/* ---- the chain ---- */

static void test_a_line_is_read_as_it_was_written(void)
{
    struct chain_head head = chain_begin(), first, read;
    struct text out = {0};
    char prev[CHAIN_MAC_LEN + 1];
    size_t end;
    chain_append(&key, &head, "\"a\":1", &out);
    first = head;
    end = out.len;
    chain_append(&key, &head, "\"a\":2", &out);
    CU_ASSERT(chain_read(&key, (churn_str){.ptr = out.bytes, .len = (uint32_t)(end - 1)}, &read, prev));
    CU_ASSERT(read.number == 1 && strcmp(read.mac, first.mac) == 0 && strspn(prev, "0") == CHAIN_MAC_LEN);
    CU_ASSERT(chain_read(&key, (churn_str){.ptr = out.bytes + end, .len = (uint32_t)(out.len - end - 1)}, &read, prev));
    CU_ASSERT(read.number == 2 && strcmp(read.mac, head.mac) == 0 && strcmp(prev, first.mac) == 0);
    CU_ASSERT(!chain_read(&other_key, (churn_str){.ptr = out.bytes, .len = (uint32_t)(end - 1)}, &read, prev));
    text_free(&out);
}

/* Each byte counts, and so does the length. */
static void test_no_byte_of_a_line_can_be_changed(void)
{
    struct chain_head head = chain_begin(), read;
    struct text out = {0};
    char prev[CHAIN_MAC_LEN + 1];
    uint32_t len;
    chain_append(&key, &head, "\"a\":\"b\"", &out);
    len = (uint32_t)out.len - 1;
    for (uint32_t i = 0; i < len; i++) {
        char *copy = exact_copy(out.bytes, len);
        copy[i] ^= 1;
        check(!chain_read(&key, (churn_str){.ptr = copy, .len = len}, &read, prev), "byte %u", i);
        free(copy);
        copy = exact_copy(out.bytes, i);
        check(!chain_read(&key, (churn_str){.ptr = copy, .len = i}, &read, prev), "cut at %u", i);
        free(copy);
    }
    text_free(&out);
}

static void test_heads(void)
{
    static const char *const bad[] = {"",
                                      ":",
                                      "x",
                                      "-1",
                                      "1:g",
                                      "1;a",
                                      ":ab",
                                      "99999999999999999999:a",
                                      "1:00000000000000000000000000000000000000000000000000000000000000000"};
    struct chain_head head = chain_begin(), read;
    char text[CHAIN_HEAD_SIZE];
    head.number = INT64_MAX;
    chain_head_format(&head, text);
    CU_ASSERT(chain_head_parse(text, &read) && read.number == INT64_MAX && strcmp(read.mac, head.mac) == 0);
    CU_ASSERT(chain_head_parse("7", &read) && read.number == 7 && read.mac[0] == '\0');
    CU_ASSERT(chain_head_parse("7:0a", &read) && strcmp(read.mac, "0a") == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check(!chain_head_parse(bad[i], &read), "\"%s\"", bad[i]);
    }
}

/* ---- the file ---- */

static void test_files_are_not_everybodys(void)
{
    struct stat st;
    begin();
    append_lines(1);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 07777) == (0640 & ~022));
    CU_ASSERT(stat(head_name(), &st) == 0 && (st.st_mode & 07777) == 0600);
}

/* Whatever of the newest write a crash leaves, the next line mends it, and nothing that was acknowledged is missing. */
static void test_a_crash_at_any_byte(void)
{
    struct text before, after;
    struct chain_head head;
    begin();
    append_lines(2);
    before = read_all();
    for (size_t left = 0;; left++) {
        write_all(before.bytes, before.len, "we");
        (void)unlink(head_name());
        append_lines(1);
        after = read_all();
        if (left > after.len - before.len) {
            break;
        }
        write_all(after.bytes, before.len + left, "we");
        (void)unlink(head_name()); /* it is written after the line */
        enum trail_found found = append_one(&head);
        check(found == (left == 0 || left == after.len - before.len ? TRAIL_WHOLE : TRAIL_TORN), "%zu bytes", left);
        check(is_whole(), "%zu bytes", left);
        text_free(&after);
    }
    text_free(&before);
    text_free(&after);
}

static void test_what_is_no_line_of_ours(void)
{
    size_t size = 3 * (size_t)CHAIN_MAX_LINE;
    char *garbage = calloc(size, 1);
    struct chain_head head;
    struct text told;
    CU_ASSERT_FATAL(garbage != NULL);
    memset(garbage, 'x', size);
    for (size_t len = 100; len <= size; len = len < 1000 ? size : size + 1) {
        begin();
        append_lines(2);
        write_all(garbage, len, "ae");
        CU_ASSERT(append_one(&head) == (len == size ? TRAIL_CUT : TRAIL_TORN));
        append_lines(1);
        CU_ASSERT(judge(&key, &told) == (len == size ? 1 : 0)); /* it stays where it is too long to be ours */
        text_free(&told);
        CU_ASSERT(head.number == 4);
    }
    garbage[size - 1] = '\n';
    write_all(garbage, size, "ae");
    CU_ASSERT(append_one(&head) == TRAIL_CUT);
    CU_ASSERT(append_one(&head) == TRAIL_WHOLE);
    free(garbage);
}

/* Each line that is taken out, alone, is missed. */
static void test_each_line_is_missed(void)
{
    struct text all, told;
    begin();
    append_lines(5);
    all = read_all();
    CU_ASSERT(is_whole());
    for (const char *line = all.bytes, *end = all.bytes + all.len, *next; line < end; line = next) {
        next = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
        write_all(all.bytes, (size_t)(line - all.bytes), "we");
        write_all(next, (size_t)(end - next), "ae");
        check(judge(&key, &told) == 1, "without a line: %s", told.bytes);
        check_contains(told.bytes, "missing", "what is said");
        text_free(&told);
    }
    text_free(&all);
}

static void test_the_key_of_another(void)
{
    struct text told;
    begin();
    append_lines(2);
    CU_ASSERT(judge(&other_key, &told) > 2);
    check_contains(told.bytes, "no line of it fits the key", "what is said");
    text_free(&told);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_a_line_is_read_as_it_was_written),
                           TEST(test_no_byte_of_a_line_can_be_changed),
                           TEST(test_heads),
                           TEST(test_files_are_not_everybodys),
                           TEST(test_a_crash_at_any_byte),
                           TEST(test_what_is_no_line_of_ours),
                           TEST(test_each_line_is_missed),
                           TEST(test_the_key_of_another),
                           CU_TEST_INFO_NULL};
    char *slash = strrchr(path, '/');
    int failed;
    (void)umask(022);
    *slash = '\0';
    if (mkdtemp(path) == NULL) {
        perror(path);
        return 1;
    }
    *slash = '/';
    failed = run_tests("audit", tests);
    begin();
    *slash = '\0';
    (void)rmdir(path);
    return failed;
}
