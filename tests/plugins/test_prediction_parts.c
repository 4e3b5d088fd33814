/* The parts of the sink `prediction` by themselves: what waits and in which order, the breaker, answers, triggers. */
#include "../unit/no_leaks.h"

#include "answer.h"
#include "breaker.h"
#include "take_job.h"
#include "trigger.h"
#include "waiting.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static churn_str str(const char *text)
{
    return (churn_str){.ptr = text, .len = (uint32_t)strlen(text)};
}

/* --- What waits --- */

static struct trigger *make_trigger(const char *customer, const char *event, int day)
{
    char time[32];
    struct trigger *made, texts = {.request_id = str("t/0/1"),
                                   .customer_id = str(customer),
                                   .event_id = str(event),
                                   .event_type = str("order_placed")};
    (void)snprintf(time, sizeof time, "2026-01-%02dT00:00:00.000Z", day);
    texts.timestamp = str(time);
    made = trigger_new(&texts);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made);
    return made;
}

static enum added add(struct waiting *w, const char *customer, const char *event, int day, int64_t now)
{
    static uint64_t sequence;
    struct token token = {.partition = 1, .sequence = ++sequence};
    return waiting_add(w, make_trigger(customer, event, day), &token, now);
}

static int is_about(const struct job *job, const char *customer, const char *event)
{
    return job != NULL && job->trigger->customer_id.len == strlen(customer) &&
           memcmp(job->trigger->customer_id.ptr, customer, strlen(customer)) == 0 &&
           job->trigger->event_id.len == strlen(event) && memcmp(job->trigger->event_id.ptr, event, strlen(event)) == 0;
}

static void test_first_come_first_served(void)
{
    struct waiting w = {0};
    char customer[16];
    for (int i = 0; i < 100; i++) { /* more than the heap's first room */
        (void)snprintf(customer, sizeof customer, "C%d", i);
        CU_ASSERT_EQUAL(add(&w, customer, "e", 1, 500), ADDED_NEW);
    }
    for (int i = 0; i < 100; i++) {
        struct job *job = take_job(&w, 500, 0);
        (void)snprintf(customer, sizeof customer, "C%d", i);
        CU_ASSERT_TRUE_FATAL(is_about(job, customer, "e"));
        CU_ASSERT_EQUAL(job->step, JOB_ASKING);
        waiting_finish(&w, job, 500);
    }
    CU_ASSERT_PTR_NULL(take_job(&w, INT64_MAX, 1));
    CU_ASSERT_EQUAL(w.jobs, 0);
    CU_ASSERT_EQUAL(w.tokens, 0);
    waiting_free(&w);
}

/* Jobs come out by the time at which they are ready, whatever was put back and finished between. */
static void test_the_soonest_is_taken_first(void)
{
    struct waiting w = {0};
    uint64_t random = 88172645463325252u;
    char customer[16];
    int left = 300;
    for (int i = 0; i < left; i++) {
        (void)snprintf(customer, sizeof customer, "C%d", i);
        (void)add(&w, customer, "e", 1, 0);
    }
    for (int i = 0; i < 300; i++) { /* each to a time of its own */
        struct job *job = take_job(&w, 0, 0);
        random = random * 6364136223846793005u + 1442695040888963407u;
        CU_ASSERT_PTR_NOT_NULL_FATAL(job);
        waiting_put_back(&w, job, 1 + (int64_t)(random >> 33) % 1000, 0);
    }
    for (int64_t last = 0, next; (next = waiting_next_ms(&w)) != INT64_MAX; left--) {
        struct job *job;
        CU_ASSERT_TRUE(next >= last);
        CU_ASSERT_PTR_NULL(take_job(&w, next - 1, 0));
        job = take_job(&w, next, 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(job);
        CU_ASSERT_EQUAL(job->ready_ms, next);
        last = next;
        waiting_finish(&w, job, next);
    }
    CU_ASSERT_EQUAL(left, 0);
    waiting_free(&w);
}

static void test_what_comes_later_may_be_due_sooner(void)
{
    struct waiting w = {0};
    char customer[8];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(customer, sizeof customer, "C%d", i);
        (void)add(&w, customer, "e", 1, 100 - i);
        CU_ASSERT_EQUAL(waiting_next_ms(&w), 100 - i);
    }
    for (int i = 39; i >= 0; i--) {
        struct job *job = take_job(&w, 100, 0);
        (void)snprintf(customer, sizeof customer, "C%d", i);
        CU_ASSERT_TRUE_FATAL(is_about(job, customer, "e"));
        waiting_finish(&w, job, 100);
    }
    waiting_free(&w);
}

static void test_triggers_of_a_customer_join(void)
{
    struct waiting w = {0};
    struct job *job;
    CU_ASSERT_EQUAL(add(&w, "C", "old", 2, 0), ADDED_NEW);
    CU_ASSERT_EQUAL(add(&w, "C", "older", 1, 0), ADDED_JOINED);
    CU_ASSERT_EQUAL(add(&w, "C", "new", 3, 0), ADDED_JOINED);
    CU_ASSERT_EQUAL(add(&w, "C", "newest", 3, 0), ADDED_JOINED); /* of equal times the last */
    CU_ASSERT_EQUAL(add(&w, "D", "other", 9, 0), ADDED_NEW);
    CU_ASSERT_EQUAL(w.jobs, 2);
    CU_ASSERT_EQUAL(w.tokens, 5);
    job = take_job(&w, 0, 0);
    CU_ASSERT_TRUE(is_about(job, "C", "newest"));
    CU_ASSERT_EQUAL(job->token_count, 4);
    waiting_finish(&w, job, 0);
    CU_ASSERT_EQUAL(w.tokens, 1);
    waiting_free(&w);
}

/* What waits behind a request that is tried again joins it, and counts as one. */
static void test_put_back_takes_the_one_behind_it(void)
{
    struct waiting w = {0};
    struct job *job;
    (void)add(&w, "C", "first", 1, 0);
    job = take_job(&w, 0, 0);
    CU_ASSERT_EQUAL(add(&w, "C", "second", 3, 0), ADDED_NEW);
    CU_ASSERT_EQUAL(add(&w, "C", "third", 2, 0), ADDED_JOINED);
    CU_ASSERT_PTR_NULL(take_job(&w, INT64_MAX, 1)); /* one of a customer at a time */
    CU_ASSERT_EQUAL(w.jobs, 2);
    waiting_put_back(&w, job, 70, 0);
    CU_ASSERT_EQUAL(w.jobs, 1);
    CU_ASSERT_EQUAL(w.tokens, 3);
    CU_ASSERT_EQUAL(waiting_next_ms(&w), 70);
    CU_ASSERT_PTR_NULL(take_job(&w, 69, 0));
    job = take_job(&w, 70, 0);
    CU_ASSERT_TRUE(is_about(job, "C", "second"));
    CU_ASSERT_EQUAL(job->token_count, 3);
    waiting_finish(&w, job, 70);
    CU_ASSERT_EQUAL(w.jobs, 0);
    CU_ASSERT_EQUAL(w.tokens, 0);
    CU_ASSERT_PTR_NULL(w.customers);
    waiting_free(&w);
}

/* A request that was found at fault is judged by itself: the one behind it keeps its turn. */
static void test_a_fault_is_not_shared(void)
{
    struct waiting w = {0};
    struct job *job;
    (void)add(&w, "C", "bad", 1, 0);
    job = take_job(&w, 0, 0);
    (void)add(&w, "C", "good", 2, 0);
    job->faults = 1;
    waiting_put_back(&w, job, 5, 0);
    CU_ASSERT_EQUAL(w.jobs, 2);
    CU_ASSERT_EQUAL(add(&w, "C", "better", 3, 0), ADDED_JOINED); /* the one behind */
    job = take_job(&w, 5, 0);
    CU_ASSERT_TRUE(is_about(job, "C", "bad"));
    CU_ASSERT_EQUAL(job->token_count, 1);
    waiting_finish(&w, job, 6);
    CU_ASSERT_EQUAL(waiting_next_ms(&w), 6);
    job = take_job(&w, 6, 0);
    CU_ASSERT_TRUE(is_about(job, "C", "better"));
    CU_ASSERT_EQUAL(job->token_count, 2);
    waiting_finish(&w, job, 6);
    waiting_free(&w);
}

/* A probe takes what is not due yet, but nothing that the API asked to wait. */
static void test_what_the_api_asked_to_wait_waits(void)
{
    struct waiting w = {0};
    struct job *told, *later, *last;
    (void)add(&w, "A", "e", 1, 0);
    (void)add(&w, "B", "e", 1, 0);
    (void)add(&w, "C", "e", 1, 0);
    told = take_job(&w, 0, 0);
    later = take_job(&w, 0, 0);
    last = take_job(&w, 0, 0);
    waiting_put_back(&w, told, 100, 1);
    waiting_put_back(&w, later, 200, 0);
    waiting_put_back(&w, last, 300, 0);
    CU_ASSERT_PTR_NULL(take_job(&w, 50, 0));
    CU_ASSERT_PTR_EQUAL(take_job(&w, 50, 1), later);
    waiting_put_back(&w, later, 400, 0);
    waiting_hurry(&w, 50);
    CU_ASSERT_EQUAL(told->ready_ms, 100);
    CU_ASSERT_EQUAL(later->ready_ms, 50);
    CU_ASSERT_PTR_EQUAL(take_job(&w, 50, 0), last); /* put back before */
    CU_ASSERT_PTR_EQUAL(take_job(&w, 50, 0), later);
    CU_ASSERT_PTR_NULL(take_job(&w, 99, 1));
    CU_ASSERT_PTR_EQUAL(take_job(&w, 100, 0), told);
    waiting_finish(&w, told, 100);
    waiting_finish(&w, later, 100);
    waiting_finish(&w, last, 100);
    waiting_free(&w);
}

static int is_odd(const void *ctx, const struct token *token)
{
    (void)ctx;
    return token->partition % 2;
}

static void add_of(struct waiting *w, const char *customer, const char *event, int32_t partition)
{
    struct token token = {.partition = partition};
    (void)waiting_add(w, make_trigger(customer, event, 1), &token, 0);
}

/* Partitions that went away take their triggers along, and nothing else. */
static void test_forget(void)
{
    struct waiting w = {0};
    struct job *asking, *done;
    add_of(&w, "A", "a1", 1); /* under way, with one behind it that stays */
    asking = take_job(&w, 0, 0);
    add_of(&w, "A", "a2", 2);
    add_of(&w, "B", "b1", 1); /* under way, with one behind it that goes */
    done = take_job(&w, 0, 0);
    add_of(&w, "B", "b2", 3);
    add_of(&w, "C", "c1", 1); /* goes */
    add_of(&w, "D", "d1", 1); /* one of two goes */
    add_of(&w, "D", "d2", 2);
    for (int i = 0; i < 5; i++) {
        char customer[8];
        (void)snprintf(customer, sizeof customer, "E%d", i);
        add_of(&w, customer, "e", i);
    }
    CU_ASSERT_EQUAL(w.jobs, 11);
    waiting_forget(&w, is_odd, NULL);
    CU_ASSERT_EQUAL(w.tokens, 1 + 1 + 3);
    CU_ASSERT_EQUAL(w.jobs, 3 + 1 + 3);
    CU_ASSERT_EQUAL(asking->token_count, 0);
    waiting_finish(&w, asking, 7);
    waiting_finish(&w, done, 7);
    CU_ASSERT_EQUAL(w.jobs, 5);
    for (int i = 0; i < 5; i++) {
        struct job *job = take_job(&w, 7, 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(job);
        CU_ASSERT_EQUAL(job->token_count, 1);
        CU_ASSERT_EQUAL(job->tokens[0].partition % 2, 0);
        waiting_finish(&w, job, 7);
    }
    CU_ASSERT_PTR_NULL(w.customers);
    waiting_free(&w);
}

/* What waits behind a request at fault that goes gets its turn at once. */
static void test_forget_what_is_waited_behind(void)
{
    struct waiting w = {0};
    struct job *bad;
    add_of(&w, "A", "bad", 1);
    bad = take_job(&w, 0, 0);
    bad->faults = 1;
    add_of(&w, "A", "good", 2);
    waiting_put_back(&w, bad, 500, 0);
    CU_ASSERT_EQUAL(w.jobs, 2);
    waiting_forget(&w, is_odd, NULL);
    CU_ASSERT_EQUAL(w.jobs, 1);
    CU_ASSERT_EQUAL(w.tokens, 1);
    CU_ASSERT_EQUAL(waiting_next_ms(&w), 0);
    add_of(&w, "A", "better", 4); /* joins it */
    CU_ASSERT_EQUAL(w.jobs, 1);
    bad = take_job(&w, 0, 0);
    CU_ASSERT_TRUE(is_about(bad, "A", "better"));
    CU_ASSERT_EQUAL(bad->token_count, 2);
    waiting_finish(&w, bad, 0);
    CU_ASSERT_PTR_NULL(w.customers);
    waiting_free(&w);
}

/* The order of what stays is as before. */
static void test_forget_keeps_the_order(void)
{
    struct waiting w = {0};
    char customer[8];
    int64_t last = 0;
    for (int i = 0; i < 40; i++) {
        struct token token = {.partition = i % 3 == 0 ? 1 : 2};
        (void)snprintf(customer, sizeof customer, "C%d", i);
        (void)waiting_add(&w, make_trigger(customer, "e", 1), &token, (i * 17) % 40 + 1);
    }
    waiting_forget(&w, is_odd, NULL);
    CU_ASSERT_EQUAL(w.jobs, 26);
    for (int i = 0; i < 26; i++) {
        struct job *job = take_job(&w, 100, 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(job);
        CU_ASSERT_TRUE(job->ready_ms > last);
        CU_ASSERT_EQUAL(job->tokens[0].partition, 2);
        last = job->ready_ms;
        waiting_finish(&w, job, 100);
    }
    CU_ASSERT_PTR_NULL(take_job(&w, 100, 0));
    waiting_free(&w);
}

static void test_a_revision_is_known_once(void)
{
    struct waiting w = {0};
    struct token first = {.revision = "0123456789abcdef"}, second = {.revision = "0123456789abcdee"};
    CU_ASSERT_EQUAL(waiting_add(&w, make_trigger("C", "e1", 1), &first, 0), ADDED_NEW);
    CU_ASSERT_EQUAL(waiting_add(&w, make_trigger("C", "e1", 1), &first, 0), ADDED_KNOWN);
    (void)take_job(&w, 0, 0);
    CU_ASSERT_EQUAL(waiting_add(&w, make_trigger("C", "e1", 1), &first, 0), ADDED_KNOWN); /* while it is asked */
    CU_ASSERT_EQUAL(waiting_add(&w, make_trigger("C", "e2", 1), &second, 0), ADDED_NEW);
    CU_ASSERT_EQUAL(waiting_add(&w, make_trigger("C", "e2", 1), &second, 0), ADDED_KNOWN); /* while it waits behind */
    CU_ASSERT_EQUAL(w.tokens, 2);
    first = (struct token){.revision = "x"}; /* of any length */
    CU_ASSERT_EQUAL(waiting_add(&w, make_trigger("D", "e1", 1), &first, 0), ADDED_NEW);
    CU_ASSERT_EQUAL(waiting_add(&w, make_trigger("D", "e1", 1), &first, 0), ADDED_KNOWN);
    waiting_free(&w);
}

/* Whatever its state, everything is freed; a sanitizer looks. */
static void test_free_with_jobs_left(void)
{
    struct waiting w = {0};
    struct job *job;
    (void)add(&w, "A", "asked", 1, 0);
    job = take_job(&w, 0, 0);
    (void)add(&w, "A", "behind", 2, 0);
    (void)add(&w, "A", "joined", 3, 0);
    job->answer = calloc(1, sizeof *job->answer);
    (void)add(&w, "B", "waits", 1, 0);
    (void)add(&w, "C", "put back", 1, 0);
    waiting_put_back(&w, take_job(&w, 0, 0), 99, 1);
    CU_ASSERT_EQUAL(w.jobs, 4);
    CU_ASSERT_EQUAL(w.tokens, 5);
    waiting_free(&w);
    CU_ASSERT_EQUAL(w.jobs, 0);
    CU_ASSERT_PTR_NULL(w.customers);
    CU_ASSERT_EQUAL(waiting_next_ms(&w), INT64_MAX);
}

#define ADDED 6

static struct waiting starved;
static struct trigger *offered[ADDED];

static void begin_to_starve(void)
{
    static const char *const customers[ADDED] = {"A", "A", "A", "B", "B", "C"};
    starved = (struct waiting){0};
    for (int i = 0; i < ADDED; i++) {
        offered[i] = make_trigger(customers[i], "e", i % 2 + 1); /* by turns the newer and the older of two */
    }
}

static bool add_all(void)
{
    bool ok = true;
    for (int i = 0; i < ADDED && ok; i++) {
        const struct token token = {.sequence = (uint64_t)i};
        ok = waiting_add(&starved, offered[i], &token, 0) != ADDED_FAILED;
        offered[i] = NULL;
        if (i == 3) {
            (void)take_job(&starved, 0, 0); /* what comes for it waits behind it */
        }
    }
    return ok;
}

static void end_to_starve(bool ok)
{
    (void)ok;
    for (int i = 0; i < ADDED; i++) {
        free(offered[i]);
    }
    waiting_free(&starved);
    CU_ASSERT_EQUAL(starved.jobs, 0);
    CU_ASSERT_EQUAL(starved.tokens, 0);
}

/* Whichever piece of memory is not there: it is said, and the trigger is taken over all the same. */
static void test_no_memory_to_add(void)
{
    check_allocations("adding", begin_to_starve, add_all, end_to_starve);
}

/* --- The breaker --- */

static void test_breaker_lets_one_probe_through(void)
{
    struct breaker b = {.limit = 3, .pause_ms = 100};
    uint64_t first, probe;
    first = breaker_started(&b);
    CU_ASSERT_EQUAL(breaker_failure(&b, first, 10), BREAKER_SAME);
    CU_ASSERT_EQUAL(breaker_failure(&b, first, 11), BREAKER_SAME);
    CU_ASSERT_TRUE(breaker_allows(&b, 11));
    CU_ASSERT_EQUAL(breaker_failure(&b, first, 12), BREAKER_OPENED);
    CU_ASSERT_FALSE(breaker_allows(&b, 111));
    /* What was started before it opened fails late: no news, the pause is not longer for it. */
    CU_ASSERT_EQUAL(breaker_failure(&b, first, 90), BREAKER_SAME);
    CU_ASSERT_TRUE(breaker_allows(&b, 112));
    probe = breaker_started(&b);
    CU_ASSERT_FALSE(breaker_allows(&b, 1000));
    CU_ASSERT_EQUAL(breaker_failure(&b, first, 120), BREAKER_SAME); /* nor does it end the probe */
    CU_ASSERT_FALSE(breaker_allows(&b, 1000));
    CU_ASSERT_EQUAL(breaker_failure(&b, probe, 200), BREAKER_SAME);
    CU_ASSERT_FALSE(breaker_allows(&b, 299));
    CU_ASSERT_TRUE(breaker_allows(&b, 300));
    CU_ASSERT_EQUAL(breaker_failure(&b, probe, 250), BREAKER_SAME); /* not twice */
    CU_ASSERT_TRUE(breaker_allows(&b, 300));
}

static void test_breaker_closes_with_an_answer(void)
{
    struct breaker b = {.limit = 1, .pause_ms = 100};
    uint64_t old = breaker_started(&b), probe;
    CU_ASSERT_EQUAL(breaker_success(&b), BREAKER_SAME);
    CU_ASSERT_EQUAL(breaker_failure(&b, old, 0), BREAKER_OPENED);
    probe = breaker_started(&b);
    CU_ASSERT_EQUAL(breaker_success(&b), BREAKER_CLOSED_AGAIN);
    CU_ASSERT_TRUE(breaker_allows(&b, 0));
    CU_ASSERT_EQUAL(breaker_failure(&b, probe, 1), BREAKER_SAME); /* of before */
    CU_ASSERT_TRUE(breaker_allows(&b, 1));
    CU_ASSERT_EQUAL(breaker_failure(&b, breaker_started(&b), 1), BREAKER_OPENED);
}

static void test_an_answer_forgives_failures(void)
{
    struct breaker b = {.limit = 2, .pause_ms = 100};
    uint64_t turn = breaker_started(&b);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(breaker_failure(&b, turn, i), BREAKER_SAME);
        CU_ASSERT_EQUAL(breaker_success(&b), BREAKER_SAME);
    }
}

/* --- Answers --- */

/* What is published; NULL: refused. */
static const struct {
    const char *written;
    const char *published;
} probabilities[] = {
    {"0", "0"},
    {"1", "1"},
    {"0.5", "0.5"},
    {"0.50", "0.50"},
    {"1.0", "1.0"},
    {"0.0", "0.0"},
    {"-0.0", "-0.0"},
    {"1e0", "1e0"},
    {"1E-2", "1E-2"},
    {"10e-1", "10e-1"},
    {"0.1e1", "0.1e1"},
    {"0.1E+1", "0.1E+1"},
    {"100.0e-2", "100.0e-2"},
    {"0.000001e6", "0.000001e6"},
    {"0e999", "0e999"},
    {"0.00e99999999999999999999", "0.00e99999999999999999999"},
    {"1e-400", "1e-400"},
    {"5e-99999999999999999999", "5e-99999999999999999999"},
    {"0.99999999999999999999", "0.99999999999999999999"},
    {"0.9999999999999999999999999999999999999999999999999", "1"}, /* longer than what is kept */
    {"0.0000000000000000000000000000000000000000000000005", "4.9999999999999999e-49"},
    {"1.0000000000000001", NULL},
    {"1.00000000000000000000000000000000000000000000000000000000001", NULL},
    {"1.0000000000000000000000000000000000000000000000000e1", NULL},
    {"-1e-400", NULL},
    {"-0.00000000000000000000000000000000001", NULL},
    {"-1e-99999999999999999999", NULL},
    {"1e-0", "1e-0"},
    {"1e1", NULL},
    {"2", NULL},
    {"-1", NULL},
    {"10", NULL},
    {"0.11e1", NULL},
    {"0.2e1", NULL},
    {"11e-1", NULL},
    {"1e999", NULL},
    {"1e99999999999999999999", NULL},
    {"0.00001e99999999999999999999", NULL},
    {"18446744073709551617", NULL}, /* 2^64 + 1 */
    {"NaN", NULL},
    {"Infinity", NULL},
    {"-Infinity", NULL},
    {"\"0.5\"", NULL},
    {"null", NULL},
    {"true", NULL},
    {"[0.5]", NULL},
    {"{}", NULL},
    {"01", NULL},
    {"00.5", NULL},
    {".5", NULL},
    {"1.", NULL},
    {"+1", NULL},
    {"0x1", NULL},
    {"1e", NULL},
    {"-", NULL},
    {"", NULL},
};

static void test_a_probability_is_judged_by_its_decimals(void)
{
    for (size_t i = 0; i < sizeof probabilities / sizeof probabilities[0]; i++) {
        const char *published = probabilities[i].published, *reason;
        char body[256];
        struct answer answer;
        int good;
        (void)snprintf(body, sizeof body, "{\"churn_probability\":%s}", probabilities[i].written);
        good = answer_parse(str(body), &answer, &reason);
        if (good != (published != NULL) || (good && strcmp(answer.churn_probability, published) != 0)) {
            (void)fprintf(stderr, "%s: %s\n", probabilities[i].written, good ? answer.churn_probability : reason);
            CU_FAIL("a probability was judged wrongly");
        }
    }
    CU_PASS("all judged");
}

/* As many digits as are kept, and one more, which only a double can say. */
static void test_how_many_digits_are_kept(void)
{
    for (int digits = 45; digits <= 46; digits++) {
        char body[128], number[64] = "0.";
        struct answer answer;
        const char *reason;
        memset(number + 2, '5', (size_t)digits);
        (void)snprintf(body, sizeof body, "{\"churn_probability\":%s}", number);
        CU_ASSERT_TRUE(answer_parse(str(body), &answer, &reason));
        CU_ASSERT_STRING_EQUAL(answer.churn_probability, digits == 45 ? number : "0.55555555555555558");
    }
}

#define HALF "{\"churn_probability\":0.5"

static const struct {
    const char *body;
    const char *risk_level, *model_version;
    const char *reason; /* NULL: none */
} answers[] = {
    {HALF "}", "", "", NULL},
    {HALF ",\"risk_level\":null,\"model_version\":null}", "", "", NULL},
    {HALF ",\"risk_level\":\"\",\"model_version\":\"\"}", "", "", NULL},
    {HALF ",\"risk_level\":\"h\",\"model_version\":\"v1\"}", "h", "v1", NULL},
    {HALF ",\"risk_level\":1}", NULL, NULL, "the risk_level of its answer is no string of at most 256 bytes"},
    {HALF ",\"risk_level\":\"\\u0000\"}", NULL, NULL, "the risk_level of its answer is no string of at most 256 bytes"},
    {HALF ",\"risk_level\":\"a\\u0000b\"}", NULL, NULL,
     "the risk_level of its answer is no string of at most 256 bytes"},
    {HALF ",\"risk_level\":\"\\u0001\"}", "\x01", "", NULL},
    {HALF ",\"model_version\":[]}", NULL, NULL, "the model_version of its answer is no string of at most 256 bytes"},
    {"{\"risk_level\":\"h\"}", NULL, NULL, "its answer has no churn_probability from 0 to 1"},
    {"[]", NULL, NULL, "its answer is not a JSON object"},
};

static void test_what_an_answer_says(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct answer answer;
        const char *reason = "?";
        int good = answer_parse(str(answers[i].body), &answer, &reason);
        CU_ASSERT_EQUAL(good, answers[i].reason == NULL);
        CU_ASSERT_STRING_EQUAL(reason != NULL ? reason : "", answers[i].reason != NULL ? answers[i].reason : "");
        if (good && answers[i].reason == NULL) {
            CU_ASSERT_STRING_EQUAL(answer.risk_level, answers[i].risk_level);
            CU_ASSERT_STRING_EQUAL(answer.model_version, answers[i].model_version);
            CU_ASSERT_STRING_EQUAL(answer.churn_probability, "0.5");
            CU_ASSERT_STRING_EQUAL(answer.predicted_at, "");
        }
    }
    for (int len = 256; len <= 257; len++) {
        char body[400], text[300];
        struct answer answer;
        const char *reason;
        memset(text, 'x', sizeof text);
        (void)snprintf(body, sizeof body, HALF ",\"risk_level\":\"%.*s\"}", len, text);
        CU_ASSERT_EQUAL(answer_parse(str(body), &answer, &reason), len == 256);
        CU_ASSERT(len != 256 || strlen(answer.risk_level) == 256);
    }
}

/* --- Triggers --- */

static const struct {
    const char *request_id;
    const char *position; /* with blanks between; NULL: none */
} positions[] = {
    {"customer-events/3/17", "customer-events 3 17"},
    {"/var/lib/in.jsonl/0/9", "/var/lib/in.jsonl 0 9"},
    {"a/1/2/3/4", "a/1/2 3 4"},
    {"e/0/0", "e 0 0"},
    {"e/0/-1", NULL},
    {"e/0/", NULL},
    {"e//0", NULL},
    {"/0/0", NULL},
    {"0/0", NULL},
    {"e/x/0", NULL},
    {"e/0/1x", NULL},
    {"17", NULL},
    {"", NULL},
    {"inactivity:silent_14d:c:1767225600000", NULL},
};

static void test_position_of_a_trigger(void)
{
    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        const struct trigger trigger = {.request_id = str(positions[i].request_id)};
        churn_str topic, partition, offset;
        char text[64] = "";
        int has = trigger_position(&trigger, &topic, &partition, &offset);
        if (has) {
            (void)snprintf(text, sizeof text, "%.*s %.*s %.*s", (int)topic.len, topic.ptr, (int)partition.len,
                           partition.ptr, (int)offset.len, offset.ptr);
        }
        CU_ASSERT_EQUAL(has, positions[i].position != NULL);
        CU_ASSERT_STRING_EQUAL(text, positions[i].position != NULL ? positions[i].position : "");
    }
}

/* --- Profiles that are read ahead --- */

static struct job *read_job(struct waiting *w)
{
    struct job *job = waiting_read(w, 0, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(job);
    CU_ASSERT_EQUAL(job->step, JOB_READING);
    return job;
}

static void hold(struct waiting *w, struct job *job, int64_t now_ms)
{
    waiting_hold(w, job, strdup("row"), 3, now_ms);
}

/* A profile that may lack the event of a trigger is never carried: that was read before the trigger came is let go. */
static void test_a_trigger_outdates_what_was_read(void)
{
    struct waiting w = {0};
    struct job *job;
    (void)add(&w, "A", "a1", 2, 0);
    (void)add(&w, "B", "b1", 1, 0);
    job = read_job(&w);
    CU_ASSERT_EQUAL(add(&w, "A", "a2", 3, 5), ADDED_JOINED); /* while it is read */
    hold(&w, job, 5);
    CU_ASSERT_EQUAL(job->step, JOB_WAITING);
    CU_ASSERT_PTR_NULL(waiting_take(&w));
    CU_ASSERT_PTR_EQUAL(read_job(&w), job); /* keeps its turn */
    hold(&w, job, 6);
    CU_ASSERT_EQUAL(job->step, JOB_READY);
    CU_ASSERT_EQUAL(add(&w, "A", "a0", 1, 7), ADDED_JOINED); /* an older event, and the request stands for it too */
    CU_ASSERT_EQUAL(job->step, JOB_WAITING);
    CU_ASSERT_EQUAL(w.ready_count, 0);
    CU_ASSERT_PTR_EQUAL(read_job(&w), job);
    hold(&w, job, 8);
    CU_ASSERT_PTR_EQUAL(waiting_take(&w), job);
    CU_ASSERT_TRUE(is_about(job, "A", "a2"));
    CU_ASSERT_STRING_EQUAL(job->row, "row");
    CU_ASSERT_EQUAL(job->token_count, 3);
    CU_ASSERT_EQUAL(add(&w, "A", "a3", 4, 9), ADDED_NEW); /* too late for this one */
    waiting_free(&w);
}

static void test_what_was_read_long_ago_is_read_again(void)
{
    struct waiting w = {0};
    struct job *a, *b;
    (void)add(&w, "A", "a", 1, 0);
    (void)add(&w, "B", "b", 1, 0);
    a = waiting_read(&w, 10, 0);
    hold(&w, a, 10);
    b = waiting_read(&w, 20, 0);
    hold(&w, b, 25);
    waiting_outdate(&w, 10);
    CU_ASSERT_EQUAL(w.ready_count, 2);
    waiting_outdate(&w, 20);
    CU_ASSERT_EQUAL(a->step, JOB_WAITING);
    CU_ASSERT_PTR_NULL(a->row);
    CU_ASSERT_EQUAL(w.ready_count, 1);
    CU_ASSERT_PTR_EQUAL(waiting_take(&w), b);
    CU_ASSERT_PTR_EQUAL(waiting_read(&w, 20, 0), a);
    waiting_unread(&w, a, 20); /* the store is away */
    CU_ASSERT_EQUAL(a->step, JOB_WAITING);
    waiting_free(&w);
}

/* A partition that goes away takes along what is being read, what was, and what is asked about. */
static void test_forget_while_it_is_read(void)
{
    struct waiting w = {0};
    struct job *reading, *away, *damaged, *asking;
    add_of(&w, "A", "a", 1);
    add_of(&w, "B", "b", 1);
    add_of(&w, "C", "c", 1);
    add_of(&w, "D", "d", 1);
    add_of(&w, "E", "e", 1);
    add_of(&w, "F", "f", 2);
    reading = read_job(&w);
    away = read_job(&w);
    damaged = read_job(&w);
    asking = read_job(&w);
    hold(&w, asking, 0);
    CU_ASSERT_PTR_EQUAL(waiting_take(&w), asking);
    hold(&w, read_job(&w), 0); /* E */
    hold(&w, read_job(&w), 0); /* F, which stays */
    add_of(&w, "D", "d2", 2);
    waiting_forget(&w, is_odd, NULL);
    CU_ASSERT_EQUAL(w.ready_count, 1);
    CU_ASSERT_EQUAL(w.jobs, 6);
    hold(&w, reading, 0);
    waiting_unread(&w, away, 0);
    CU_ASSERT_FALSE(waiting_skip(&w, damaged, 0));
    CU_ASSERT_TRUE(job_is_forgotten(asking));
    waiting_put_back(&w, asking, 0, 0); /* and what waited behind it has its turn */
    CU_ASSERT_EQUAL(w.jobs, 2);
    CU_ASSERT_TRUE(is_about(waiting_take(&w), "F", "f"));
    CU_ASSERT_TRUE(is_about(take_job(&w, 0, 0), "D", "d2"));
    CU_ASSERT_PTR_NULL(waiting_read(&w, INT64_MAX, 1));
    waiting_free(&w);
}

static void test_who_goes_into_a_request(void)
{
    static const uint32_t limits[] = {0, 0, 2, 2, 2, 1, 0};
    struct waiting w = {0};
    char customer[8];
    int full;
    CU_ASSERT_EQUAL(waiting_batch(&w, 3, &full), 0);
    for (int i = 0; i < 7; i++) {
        (void)snprintf(customer, sizeof customer, "C%d", i);
        (void)add(&w, customer, "e", 1, 0);
    }
    for (int i = 0; i < 7; i++) {
        struct job *job = read_job(&w);
        job->batch_max = limits[i];
        hold(&w, job, 0);
    }
    static const struct {
        uint32_t count;
        int full;
    } batches[] = {{2, 1}, {2, 1}, {1, 1}, {1, 1}, {1, 0}};
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        uint32_t count = waiting_batch(&w, 3, &full);
        CU_ASSERT_EQUAL(count, batches[i].count);
        CU_ASSERT_EQUAL(full, batches[i].full);
        for (; count > 0; count--) {
            CU_ASSERT_PTR_NOT_NULL(waiting_take(&w));
        }
    }
    waiting_free(&w);
}

#define TRIGGER(customer, end)                                                                                         \
    "{\"request_id\":\"e/0/1\",\"customer_id\":\"" customer                                                            \
    "\",\"trigger\":{\"event_id\":\"v\",\"event_type\":\"login\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}" end
#define NEEDS "a trigger needs the strings"
#define OBJECT "a trigger must be a JSON object"

/* As the engine writes it, and in any other form of JSON: the same is taken, and the same refused. */
static const struct {
    const char *text;
    const char *customer; /* NULL: refused */
    const char *said;
} trigger_texts[] = {
    {TRIGGER("C", "}"), "C", NULL},
    {TRIGGER("\xc3\xa9", "}"), "\xc3\xa9", NULL},
    {TRIGGER("a\\u0041\\\"b", "}"), "aA\"b", NULL},
    {TRIGGER("C", ",\"more\":[1]}"), "C", NULL},
    {TRIGGER("C", "} "), "C", NULL},
    {TRIGGER("C", "}x"), NULL, OBJECT},
    {TRIGGER("C", ""), NULL, OBJECT},
    {TRIGGER("\xff", "}"), NULL, OBJECT},
    {TRIGGER("\xed\xa0\x80", "}"), NULL, OBJECT},
    {TRIGGER("a\\q", "}"), NULL, OBJECT},
    {TRIGGER("", "}"), NULL, NEEDS},
    {TRIGGER("C", ",\"customer_id\":\"D\"}"), "D", NULL}, /* of a repeated name the last counts */
    {TRIGGER("C", ",\"customer_id\":1}"), NULL, NEEDS},
    {"", NULL, OBJECT},
    {"[]", NULL, OBJECT},
    {"{}", NULL, NEEDS},
    {"{\"request_id\":\"", NULL, OBJECT},
    {"{\"request_id\":\"e/0/1\",\"customer_id\":\"C\",\"trigger\":{\"event_id\":\"v\",\"event_type\":\"login\","
     "\"timestamp\":\"yesterday\"}}",
     NULL, "a trigger's timestamp must be written"},
};

static void test_reading_a_trigger(void)
{
    char long_id[160] = "", text[512];
    struct trigger *trigger;
    churn_error err = {.size = sizeof err};
    for (size_t i = 0; i < sizeof trigger_texts / sizeof trigger_texts[0]; i++) {
        trigger = trigger_parse(str(trigger_texts[i].text), &err);
        CU_ASSERT_EQUAL_FATAL(trigger != NULL, trigger_texts[i].customer != NULL);
        if (trigger != NULL) {
            CU_ASSERT_TRUE(churn_equal(trigger->customer_id, str(trigger_texts[i].customer)));
            CU_ASSERT_TRUE(churn_equal(trigger->request_id, str("e/0/1")));
            CU_ASSERT_TRUE(churn_equal(trigger->event_id, str("v")));
            CU_ASSERT_TRUE(churn_equal(trigger->event_type, str("login")));
            CU_ASSERT_TRUE(churn_equal(trigger->timestamp, str("2026-01-01T00:00:00.000Z")));
            CU_ASSERT_EQUAL(trigger->timestamp_ms, INT64_C(1767225600000));
        } else {
            CU_ASSERT_PTR_EQUAL(strstr(err.message, trigger_texts[i].said), err.message);
        }
        free(trigger);
    }
    CU_ASSERT_PTR_NULL(trigger_parse((churn_str){0}, &err));
    memset(long_id, 'c', 129);
    (void)snprintf(text, sizeof text, TRIGGER("%s", "}"), long_id);
    CU_ASSERT_PTR_NULL(trigger_parse(str(text), &err));
    (void)snprintf(text, sizeof text, TRIGGER("%s", "}"), long_id + 1);
    trigger = trigger_parse(str(text), &err);
    CU_ASSERT_PTR_NOT_NULL(trigger);
    free(trigger);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_first_come_first_served),
                           TEST(test_the_soonest_is_taken_first),
                           TEST(test_what_comes_later_may_be_due_sooner),
                           TEST(test_triggers_of_a_customer_join),
                           TEST(test_put_back_takes_the_one_behind_it),
                           TEST(test_a_fault_is_not_shared),
                           TEST(test_what_the_api_asked_to_wait_waits),
                           TEST(test_forget),
                           TEST(test_forget_what_is_waited_behind),
                           TEST(test_forget_keeps_the_order),
                           TEST(test_a_trigger_outdates_what_was_read),
                           TEST(test_what_was_read_long_ago_is_read_again),
                           TEST(test_forget_while_it_is_read),
                           TEST(test_who_goes_into_a_request),
                           TEST(test_a_revision_is_known_once),
                           TEST(test_free_with_jobs_left),
                           TEST(test_no_memory_to_add),
                           TEST(test_breaker_lets_one_probe_through),
                           TEST(test_breaker_closes_with_an_answer),
                           TEST(test_an_answer_forgives_failures),
                           TEST(test_a_probability_is_judged_by_its_decimals),
                           TEST(test_how_many_digits_are_kept),
                           TEST(test_what_an_answer_says),
                           TEST(test_position_of_a_trigger),
                           TEST(test_reading_a_trigger),
                           CU_TEST_INFO_NULL};
    return run_tests_without_leaks("parts of the sink prediction", tests);
}
