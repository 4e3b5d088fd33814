/* What a terminal is shown of bytes that others chose, and what it is not. */
#include "core/base/printable.h"

#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const struct {
    const char *bytes, *shown;
} cases[] = {
    {"", ""},
    {"plain, with\ttabs\nand lines\n", "plain, with\ttabs\nand lines\n"},
    {"\x1b[31mred\x1b]0;title\x07", "\\u001b[31mred\\u001b]0;title\\u0007"},
    {"a\rb\x08\x7f\x01", "a\\u000db\\u0008\\u007f\\u0001"},
    {"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
    {"\xc2\x9b[31m \xc2\x80\xc2\x9f\xc2\xa0", "\\u009b[31m \\u0080\\u009f\xc2\xa0"}, /* one-character CSI */
    {"a\xe2\x80\xaelive\xe2\x80\xac \xe2\x81\xa6\xe2\x81\xa9",
     "a\\u202elive\\u202c \\u2066\\u2069"}, /* other directions */
    {"\xe2\x80\xa8 \xe2\x80\xa7\xe2\x80\xaf \xf0\x9f\x98\x80", "\\u2028 \xe2\x80\xa7\xe2\x80\xaf \xf0\x9f\x98\x80"},
    {"\x9b[31m \xff\xc0\x80", "\\x9b[31m \\xff\\xc0\\x80"}, /* of terminals with 8 bits */
    {"\xe0\x9f\xbf \xed\xa0\x80 \xf4\x90\x80\x80", "\\xe0\\x9f\\xbf \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80"},
    {"cut \xe2\x82", "cut \\xe2\\x82"},
    {"\xc2", "\\xc2"},
    {"\xe2\x82\x1b", "\\xe2\\x82\\u001b"},
};

static void test_whole_texts(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].bytes);
        char *bytes = exact_copy(cases[i].bytes, len);
        struct text out = {0};
        CU_ASSERT_EQUAL(printable_append(&out, bytes, len, true), len);
        text_append(&out, "", 1);
        check_text(out.bytes, cases[i].shown, "shown");
        text_free(&out);
        free(bytes);
    }
}

/* Within a line there are no others. */
static void test_lines(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text out = {0};
        bool plain = strpbrk(cases[i].bytes, "\n\t") == NULL && strcmp(cases[i].bytes, cases[i].shown) == 0;
        printable_append_line(&out, cases[i].bytes, strlen(cases[i].bytes));
        text_append(&out, "", 1);
        if (strpbrk(cases[i].bytes, "\n\t") == NULL) {
            check_text(out.bytes, cases[i].shown, "in a line");
        } else {
            check_text(out.bytes, "plain, with\\u0009tabs\\u000aand lines\\u000a", "in a line");
        }
        CU_ASSERT_EQUAL(printable_is_plain(cases[i].bytes), plain);
        text_free(&out);
    }
}

static void test_printed_lines(void)
{
    char *got = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&got, &size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    printable_line(out, "%s: %d%s", "a\nchurnd: all is good\r", 7, "\t\x1b[0m");
    printable_print(out, "%s", "");
    printable_print(out, "%*s", 3, "\n");
    CU_ASSERT_EQUAL_FATAL(fclose(out), 0);
    check_text(got, "a\\u000achurnd: all is good\\u000d: 7\\u0009\\u001b[0m\n  \\u000a", "printed");
    free(got);
}

/* However the bytes are cut into pieces, the same comes out. */
static void test_pieces(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].bytes);
        for (size_t piece = 1; piece <= len; piece++) {
            struct text out = {0}, in = {0};
            for (size_t at = 0; at < len; at += piece) {
                size_t part = len - at < piece ? len - at : piece, taken;
                text_append(&in, cases[i].bytes + at, part);
                taken = printable_append(&out, in.bytes, in.len, at + part == len);
                CU_ASSERT_FATAL(taken <= in.len && in.len - taken < 4);
                memmove(in.bytes, in.bytes + taken, in.len - taken);
                in.len -= taken;
            }
            CU_ASSERT_EQUAL(in.len, 0);
            text_append(&out, "", 1);
            check_text(out.bytes, cases[i].shown, "in pieces");
            text_free(&in);
            text_free(&out);
        }
    }
}

/* What stdio writes, in a process of its own. */
static void test_streams(void)
{
    char got[256] = "";
    int ends[2], wait = 0;
    CU_ASSERT_FATAL(pipe(ends) == 0);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = dup2(ends[1], STDOUT_FILENO) >= 0 && dup2(ends[1], STDERR_FILENO) >= 0 && printable_streams();
        ok = ok && fprintf(stderr, "err \x1b[0m\n") > 0 && printf("out \xe2") > 0 && fflush(stdout) == 0;
        ok = ok && puts("\x82\xac \x1b[0m") >= 0 && putchar(0x7f) >= 0 && fflush(stdout) == 0;
        ok = ok && close(STDOUT_FILENO) == 0 && puts("x") >= 0 && fflush(stdout) != 0 && ferror(stdout) != 0;
        _exit(ok ? 0 : 1);
    }
    (void)close(ends[1]);
    size_t len = 0;
    for (ssize_t n = 1; n > 0 && len < sizeof got - 1; len += (size_t)n) {
        n = read(ends[0], got + len, sizeof got - 1 - len);
        n = n < 0 ? 0 : n;
    }
    (void)close(ends[0]);
    CU_ASSERT(waitpid(pid, &wait, 0) == pid && WIFEXITED(wait) && WEXITSTATUS(wait) == 0);
    check_text(got, "err \\u001b[0m\nout \xe2\x82\xac \\u001b[0m\n\\u007f", "written");
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_whole_texts), TEST(test_lines),   TEST(test_printed_lines),
                           TEST(test_pieces),      TEST(test_streams), CU_TEST_INFO_NULL};
    return run_tests("printable", tests);
}
