/* Text for an HTML page. */
#include "core/observe/html.h"

#include "check.h"

static bool becomes(const char *bytes, size_t len, const char *html)
{
    struct text out = {0};
    text_append_html(&out, bytes, len);
    bool same = str_equals((churn_str){.ptr = out.bytes, .len = (uint32_t)out.len}, html);
    text_free(&out);
    return same;
}

static void test_what_would_be_more_than_text(void)
{
    CU_ASSERT(becomes("plain", 5, "plain"));
    CU_ASSERT(becomes("<b a=\"x\" c='y'>&", 16, "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;"));
    CU_ASSERT(becomes("\xc3\xbc\xe2\x82\xac\n\t", 7, "\xc3\xbc\xe2\x82\xac\n\t"));
    CU_ASSERT(becomes("a\0b\x1b\x7f", 5,
                      "a\xef\xbf\xbd"
                      "b\xef\xbf\xbd\xef\xbf\xbd"));
    CU_ASSERT(becomes("\xc3<\xff", 3, "\xef\xbf\xbd&lt;\xef\xbf\xbd")); /* no half of a character swallows a bracket */
    CU_ASSERT(becomes("", 0, ""));
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_what_would_be_more_than_text), CU_TEST_INFO_NULL};
    return run_tests("html", tests);
}
