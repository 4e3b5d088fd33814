/* Who shows the token, and what the log is told of those who show another one. */
#include "core/observe/access.h"

#include "check.h"
#include "log_fixture.h"

/* In the place of the listener's: what the request shows, and who shows it. */
static struct {
    const char *secret;
    struct address_owner owner;
    int64_t now_ms;
} at;

char *listener_secret(const struct listener_request *request)
{
    (void)request;
    return at.secret != NULL ? strdup(at.secret) : NULL;
}

struct address_owner listener_peer(const struct listener_request *request)
{
    (void)request;
    return at.owner;
}

static int64_t now_ms(void)
{
    return at.now_ms;
}

static struct access *open_access(struct log *log)
{
    struct access *access;
    at.now_ms = 5000; /* the machine has just started */
    at.owner = (struct address_owner){.bytes = {1}};
    access = access_new(log, now_ms);
    CU_ASSERT_PTR_NOT_NULL_FATAL(access);
    access_set(access, "word");
    return access;
}

static enum access_result show(struct access *access, const char *secret)
{
    at.secret = secret;
    return access_judge(access, NULL);
}

static void test_wrong_tokens_are_told_once_a_minute(void)
{
    struct log *log = log_open();
    struct access *access = open_access(log);
    CU_ASSERT(show(access, "word") == ACCESS_GRANTED && show(access, NULL) == ACCESS_MISSING);
    check_logged("", "nobody guessed");
    CU_ASSERT_EQUAL(show(access, "guess"), ACCESS_WRONG);
    check_logged("WARN  churnd: 1 request showed the listener a wrong token\n", "the first, at once");
    for (int i = 0; i < 3; i++) {
        at.now_ms += 10000;
        CU_ASSERT_EQUAL(show(access, "guess"), ACCESS_WRONG);
    }
    at.now_ms += 29999;
    access_tick(access);
    check_logged("", "within the minute");
    at.now_ms += 1;
    access_tick(access);
    check_logged("WARN  churnd: 3 requests showed the listener a wrong token\n", "after it, without another guess");
    at.now_ms += 600000;
    access_tick(access);
    check_logged("", "nobody guessed since");
    access_free(access);
    log_free(log);
    log_closed();
}

/* Who guesses too often is not even compared; but on loopback, where the operator is too. */
static void test_many_guesses(void)
{
    struct log *log = log_open();
    struct access *access = open_access(log);
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(show(access, "guess"), ACCESS_WRONG);
    }
    CU_ASSERT_EQUAL(show(access, "word"), ACCESS_LATER);
    at.owner.bytes[0] = 2;
    CU_ASSERT_EQUAL(show(access, "word"), ACCESS_GRANTED);
    at.owner = (struct address_owner){.loopback = true};
    for (int i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(show(access, "guess"), i < 10 ? ACCESS_WRONG : ACCESS_LATER);
    }
    CU_ASSERT_EQUAL(show(access, "word"), ACCESS_GRANTED);
    at.owner = (struct address_owner){.bytes = {1}};
    at.now_ms += 1000;
    CU_ASSERT_EQUAL(show(access, "word"), ACCESS_GRANTED);
    access_set(access, "");
    CU_ASSERT_EQUAL(show(access, "word"), ACCESS_OFF);
    access_free(access);
    log_free(log);
    log_closed();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_wrong_tokens_are_told_once_a_minute), TEST(test_many_guesses), CU_TEST_INFO_NULL};
    return run_tests("access", tests);
}
