/* A store that plugins may only look at: what they write is theirs to read, and nobody else's. */
#include "core/base/json_text.h"
#include "core/pipeline/store_overlay.h"

#include "check.h"
#include "memory_store.h"

static struct memory_store below;
static struct store_overlay *overlay;
static void *session;
static churn_error err;

static bool begin(void)
{
    err = (churn_error){.size = sizeof err};
    memory_store_init(&below);
    memory_store_set(&below, "stored", "a", "1", "b", "2", NULL);
    overlay = store_overlay_new(&memory_store_ops, &below);
    return overlay != NULL && store_overlay_ops.open(overlay, &session, &err) == CHURN_OK;
}

/* Nothing came through. */
static void end(void)
{
    store_overlay_ops.close(session);
    store_overlay_free(overlay);
    CU_ASSERT(below.count == 1);
    CU_ASSERT(atomic_load(&below.sessions) == 0);
    memory_store_free(&below);
}

/* "a=1 b=2 ", with the version last. */
static int32_t take(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct text *text = ctx;
    (void)key;
    for (uint32_t i = 0; i < count; i++) {
        text_append(text, fields[i].name.ptr, fields[i].name.len);
        text_append(text, "=", 1);
        text_append(text, fields[i].value.ptr, fields[i].value.len);
        text_append(text, " ", 1);
    }
    return CHURN_OK;
}

static const char *got(const char *key)
{
    static char shown[256];
    struct text text = {0};
    CU_ASSERT(store_overlay_ops.get(session, churn_text(key), take, &text, &err) == CHURN_OK);
    (void)snprintf(shown, sizeof shown, "%.*s", (int)text.len, text.len > 0 ? text.bytes : "");
    text_free(&text);
    return shown;
}

static int32_t put(const char *key, uint64_t version, const char *name, const char *value, int64_t ttl_ms, uint64_t id)
{
    const churn_pair pair = {.name = churn_text(name), .value = churn_text(value)};
    const churn_put asked = {.size = sizeof asked,
                             .count = 1,
                             .key = churn_text(key),
                             .expected_version = version,
                             .fields = &pair,
                             .id = id,
                             .ttl_ms = ttl_ms};
    return store_overlay_ops.put(session, &asked, &err);
}

/* The answer of the only put that is asked. */
static int32_t answered(uint64_t id, churn_put_reply *reply)
{
    uint32_t count = 0;
    CU_ASSERT(store_overlay_ops.poll(session, reply, 1, 0, &count, &err) == CHURN_OK && count == 1);
    CU_ASSERT(reply->id == id);
    return reply->result;
}

static void test_what_is_written_stays_above(void)
{
    churn_put_reply reply;
    uint32_t count = 7;
    CU_ASSERT_FATAL(begin());
    CU_ASSERT_STRING_EQUAL(got("new"), "");
    CU_ASSERT(store_overlay_ops.poll(session, &reply, 1, 0, &count, &err) == CHURN_PENDING && count == 0);
    CU_ASSERT(put("new", 0, "at", "t/0/5", 0, 41) == CHURN_OK);
    CU_ASSERT(answered(41, &reply) == CHURN_OK);
    CU_ASSERT_STRING_EQUAL(got("new"), "at=t/0/5 _v=1 ");

    CU_ASSERT(put("new", 0, "at", "t/0/9", 0, 42) == CHURN_OK);
    CU_ASSERT(answered(42, &reply) == CHURN_CONFLICT);
    CU_ASSERT(reply.version == 1 && reply.count == 1 && churn_equal(reply.fields[0].value, churn_text("t/0/5")));
    CU_ASSERT(put("new", 1, "more", "x", 0, 43) == CHURN_OK);
    CU_ASSERT(answered(43, &reply) == CHURN_OK);
    CU_ASSERT_STRING_EQUAL(got("new"), "more=x at=t/0/5 _v=2 ");
    end();
}

static void test_what_is_stored_is_seen(void)
{
    churn_put_reply reply;
    char before[256];
    CU_ASSERT_FATAL(begin());
    (void)snprintf(before, sizeof before, "%s", got("stored"));
    CU_ASSERT(strstr(before, "a=1 ") != NULL && strstr(before, "b=2 ") != NULL);
    CU_ASSERT(put("stored", 17, "a", "other", 0, 1) == CHURN_OK);
    CU_ASSERT(answered(1, &reply) == CHURN_CONFLICT);
    CU_ASSERT_STRING_EQUAL(got("stored"), before);
    CU_ASSERT(put("stored", reply.version, "a", "other", 0, 2) == CHURN_OK);
    CU_ASSERT(answered(2, &reply) == CHURN_OK);
    CU_ASSERT(strstr(got("stored"), "a=other b=2 ") == got("stored"));

    const churn_pair pair = {.name = churn_text("whole"), .value = churn_text("new")};
    const churn_hash hash = {.key = churn_text("stored"), .fields = &pair, .count = 1};
    CU_ASSERT(store_overlay_ops.write(session, &hash, 1, &err) == CHURN_OK);
    CU_ASSERT_STRING_EQUAL(got("stored"), "whole=new ");
    end();
}

/* By the time of the record at hand, which is that of the run that is looked at. */
static void test_what_expires(void)
{
    churn_put_reply reply;
    CU_ASSERT_FATAL(begin());
    store_overlay_set_time(overlay, 1000);
    CU_ASSERT(put("id", 0, "at", "first", 500, 1) == CHURN_OK && answered(1, &reply) == CHURN_OK);
    CU_ASSERT(put("stays", 0, "at", "first", 0, 2) == CHURN_OK && answered(2, &reply) == CHURN_OK);
    store_overlay_set_time(overlay, 1499);
    CU_ASSERT_STRING_EQUAL(got("id"), "at=first _v=1 ");
    store_overlay_set_time(overlay, 1500);
    CU_ASSERT_STRING_EQUAL(got("id"), "");
    CU_ASSERT_STRING_EQUAL(got("stays"), "at=first _v=1 ");
    CU_ASSERT(put("id", 0, "at", "second", 500, 3) == CHURN_OK && answered(3, &reply) == CHURN_OK);
    CU_ASSERT_STRING_EQUAL(got("id"), "at=second _v=1 ");
    store_overlay_set_time(overlay, 0); /* a record without a time: nothing is over */
    CU_ASSERT_STRING_EQUAL(got("id"), "at=second _v=1 ");
    end();
}

static void test_many(void)
{
    churn_put_reply replies[64];
    char key[32];
    uint32_t count = 0, answers = 0;
    CU_ASSERT_FATAL(begin());
    for (uint64_t i = 0; i < 5000; i++) {
        (void)snprintf(key, sizeof key, "key:%d", (int)i);
        CU_ASSERT_FATAL(put(key, 0, "n", key, 0, i) == CHURN_OK);
    }
    while (store_overlay_ops.poll(session, replies, 64, 0, &count, &err) == CHURN_OK) {
        for (uint32_t i = 0; i < count; i++) {
            CU_ASSERT(replies[i].id == answers && replies[i].result == CHURN_OK);
            answers++;
        }
    }
    CU_ASSERT(answers == 5000);
    CU_ASSERT_STRING_EQUAL(got("key:4711"), "n=key:4711 _v=1 ");
    CU_ASSERT(put("key:1", 0, "n", "x", 0, 1) == CHURN_OK); /* left unanswered */
    end();
}

static void test_what_is_not_kept(void)
{
    churn_put_reply reply;
    CU_ASSERT_FATAL(begin());
    CU_ASSERT(put("id", 0, "at", "first", 0, 1) == CHURN_OK && answered(1, &reply) == CHURN_OK);
    store_overlay_set_keeping(overlay, false);
    CU_ASSERT(put("id", 1, "at", "second", 0, 2) == CHURN_OK && answered(2, &reply) == CHURN_OK);
    CU_ASSERT(put("other", 0, "at", "first", 0, 3) == CHURN_OK && answered(3, &reply) == CHURN_OK);
    CU_ASSERT(put("id", 0, "at", "third", 0, 4) == CHURN_OK && answered(4, &reply) == CHURN_CONFLICT);
    CU_ASSERT_STRING_EQUAL(got("id"), "at=first _v=1 ");
    CU_ASSERT_STRING_EQUAL(got("other"), "");
    store_overlay_set_keeping(overlay, true);
    CU_ASSERT(put("other", 0, "at", "second", 0, 5) == CHURN_OK && answered(5, &reply) == CHURN_OK);
    CU_ASSERT_STRING_EQUAL(got("other"), "at=second _v=1 ");
    end();
}

/* What goes wrong below is told. */
static void test_outage(void)
{
    CU_ASSERT_FATAL(begin());
    atomic_store(&below.out, 1);
    CU_ASSERT(put("new", 0, "at", "x", 0, 1) == CHURN_RETRY);
    atomic_store(&below.out, 0);
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_what_is_written_stays_above),
                           TEST(test_what_is_stored_is_seen),
                           TEST(test_what_expires),
                           TEST(test_what_is_not_kept),
                           TEST(test_many),
                           TEST(test_outage),
                           CU_TEST_INFO_NULL};
    return run_tests("store_overlay", tests);
}
