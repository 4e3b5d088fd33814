/* The processor `dedup`: who has an id, for how long, restarts, races, batches, and a store out of reach. */
#include "../unit/no_leaks.h"
#include "fake_host.h"
#include "memory_store.h"
#include "memory_use.h"

#include <churn/ext/storage.h>
#include <churn/processor.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const churn_plugin *plugin;
static const churn_processor_ops *ops;
static struct fake_host fake;
static struct memory_store store;
static churn_error err;

/* Time passes only while somebody waits. */
static _Atomic int64_t clock_now;
static char calls[8192]; /* what the scripted store, see below, was asked, and the pauses in between */
static bool scripted;

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *format, ...)
{
    size_t used = strlen(calls);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(calls + used, sizeof calls - used, format, args);
    va_end(args);
}

/* In place of the C library's, for the plugin too. */
__attribute__((visibility("default"))) int nanosleep(const struct timespec *time, struct timespec *left)
{
    int64_t ms = (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000;
    (void)left;
    atomic_fetch_add(&clock_now, ms);
    if (scripted) {
        note("sleep%" PRId64 " ", ms);
    }
    return 0;
}

static int64_t clock_ms(const churn_host *host)
{
    (void)host;
    return atomic_load(&clock_now);
}

/* The memory store, with what the tests need to see and to do. */
static churn_store_ops counting;
static unsigned polls, refusals;

static int32_t counting_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                             uint32_t *ret_count, churn_error *error)
{
    polls++;
    return memory_store_ops.poll(session, replies, max, timeout_ms, ret_count, error);
}

/* Answers every put with a refusal and writes nothing. */
static uint64_t refused_ids[8];
static unsigned refused_count;

static int32_t refusing_put(void *session, const churn_put *put, churn_error *error)
{
    if (refusals == 0) {
        return memory_store_ops.put(session, put, error);
    }
    refusals--;
    refused_ids[refused_count++] = put->id;
    return CHURN_OK;
}

static int32_t refusing_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                             uint32_t *ret_count, churn_error *error)
{
    if (refused_count == 0) {
        return memory_store_ops.poll(session, replies, max, timeout_ms, ret_count, error);
    }
    replies[0] = (churn_put_reply){.size = sizeof *replies,
                                   .id = refused_ids[--refused_count],
                                   .result = CHURN_RETRY,
                                   .message = "its memory is full"};
    *ret_count = 1;
    return CHURN_OK;
}

static void begin(void)
{
    memory_store_init(&store);
    fake_host_init(&fake);
    fake.host.monotonic_ms = clock_ms;
    scripted = false;
    counting = memory_store_ops;
    counting.poll = counting_poll;
    polls = 0;
    fake.store = &counting;
    fake.store_self = &store;
    err = (churn_error){.size = sizeof err};
}

static void end(void)
{
    CU_ASSERT_EQUAL(atomic_load(&store.sessions), 0);
    memory_store_free(&store);
}

static void *make(const char *key, const char *value)
{
    void *self = fake_instance_new(plugin, key, value, NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(self, &fake.host, &err), CHURN_OK);
    return self;
}

static void drop(void *self)
{
    ops->stop(self);
    ops->destroy(self);
    fake_instance_free(plugin, self);
}

static churn_event event_at(const char *customer, const char *id, int32_t partition, int64_t offset)
{
    return (churn_event){.size = sizeof(churn_event),
                         .topic = str("events"),
                         .partition = partition,
                         .offset = offset,
                         .event_id = str(id),
                         .event_type = str("login"),
                         .customer_id = str(customer)};
}

static int32_t verdict(void *self, const char *customer, const char *id, int32_t partition, int64_t offset)
{
    churn_event event = event_at(customer, id, partition, offset);
    return ops->process(self, &event, &err);
}

/* Asks again as a host does. */
static int32_t verdict_in_time(void *self, const char *customer, const char *id, int32_t partition, int64_t offset)
{
    int32_t rc = CHURN_RETRY;
    for (int i = 0; i < 200 && rc == CHURN_RETRY; i++) {
        atomic_fetch_add(&clock_now, 10);
        rc = verdict(self, customer, id, partition, offset);
    }
    return rc;
}

static void announce(void *self, const char *customer, const char *id, int32_t partition, int64_t offset)
{
    churn_event event = event_at(customer, id, partition, offset);
    ops->announce(self, &event);
}

/* --- A store that does what the test says, and notes what it is asked --- */

/* Each letter is for the next call; those that are not written succeed. */
static const char *opens;       /* R: out of reach; F: never */
static const char *put_results; /* R: the session breaks; F: never */
static const char *answers;     /* to the oldest put, see script_poll */
static struct {
    uint64_t id;
    char at[64];
} owed[2048];
static unsigned owed_count, put_calls;

static char letter(const char **script)
{
    return **script != '\0' ? *(*script)++ : 'o';
}

static int32_t result_of(char what, const char *text, churn_error *error)
{
    return what == 'R'   ? churn_fail(error, CHURN_RETRY, "%s for now", text)
           : what == 'F' ? churn_fail(error, CHURN_FATAL, "%s for ever", text)
                         : CHURN_OK;
}

static int32_t script_open(void *self, void **ret_session, churn_error *error)
{
    int32_t result = result_of(letter(&opens), "closed", error);
    note("open ");
    *ret_session = result == CHURN_OK ? self : NULL;
    return result;
}

static int32_t script_put(void *session, const churn_put *put, churn_error *error)
{
    int32_t result = result_of(letter(&put_results), "full", error);
    const char *id = memchr(put->key.ptr, '\t', put->key.len);
    (void)session;
    CU_ASSERT_EQUAL(put->expected_version, 0);
    CU_ASSERT_EQUAL_FATAL(put->count, 1);
    CU_ASSERT_EQUAL(put->ttl_ms, 86400000);
    put_calls++;
    note("%.*s=%.*s ", (int)(put->key.ptr + put->key.len - id - 1), id + 1, (int)put->fields[0].value.len,
         put->fields[0].value.ptr);
    if (result == CHURN_OK) {
        owed[owed_count].id = put->id;
        (void)snprintf(owed[owed_count++].at, sizeof owed->at, "%.*s", (int)put->fields[0].value.len,
                       put->fields[0].value.ptr);
    }
    return result;
}

/* o: written. m: all of them. c: another position has it; s: its own; l: another one with a longer name. g: it is gone
 * again. x: a hash of something else. n: refused for now. f: for good. F, R: the whole session. p: nothing yet, for all
 * of the time; w: for 1950 ms. */
static int32_t script_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                           uint32_t *ret_count, churn_error *error)
{
    static churn_pair fields[2];
    static char at[64];
    char what = owed_count > 0 ? letter(&answers) : 'p';
    (void)session;
    CU_ASSERT_EQUAL(max, 256);
    note("poll%" PRIu32 " ", timeout_ms);
    *ret_count = 0;
    if (what == 'R' || what == 'F') {
        return result_of(what, "lost", error);
    }
    if (what == 'p' || what == 'w') {
        atomic_fetch_add(&clock_now, owed_count == 0 ? 0 : what == 'w' ? 1950 : timeout_ms);
        return CHURN_PENDING;
    }
    do {
        churn_put_reply *reply = &replies[(*ret_count)++];
        *reply = (churn_put_reply){.size = sizeof *reply, .id = owed[0].id};
        (void)snprintf(at, sizeof at, "%s", what == 's' ? owed[0].at : what == 'l' ? "events/0/10" : "events/7/9");
        fields[0] = (churn_pair){.name = str(what == 'x' ? "it" : "other"), .value = str(at)};
        fields[1] = (churn_pair){.name = str("at"), .value = str(at)};
        if (strchr("csglx", what) != NULL) {
            reply->result = CHURN_CONFLICT;
            reply->version = what != 'g';
            reply->count = what == 'g' ? 0 : what == 'x' ? 1 : 2;
            reply->fields = fields;
        } else if (what == 'n' || what == 'f') {
            reply->result = what == 'n' ? CHURN_RETRY : CHURN_REJECT;
            reply->message = what == 'n' ? "no room" : "no hash";
        }
        memmove(owed, owed + 1, --owed_count * sizeof owed[0]);
    } while (what == 'm' && owed_count > 0 && *ret_count < max);
    return CHURN_OK;
}

static void script_close(void *session)
{
    (void)session;
    note("close ");
    owed_count = 0;
}

static void *begin_script(const char *open_letters, const char *put_letters, const char *answer_letters)
{
    begin();
    counting = (churn_store_ops){
        .size = sizeof counting, .open = script_open, .put = script_put, .poll = script_poll, .close = script_close};
    opens = open_letters;
    put_results = put_letters;
    answers = answer_letters;
    calls[0] = '\0';
    owed_count = put_calls = 0;
    atomic_store(&clock_now, 0);
    scripted = true;
    return make(NULL, NULL);
}

/* What was asked since the last look. */
static void check_calls(const char *expected)
{
    CU_ASSERT_STRING_EQUAL(calls, expected);
    if (strcmp(calls, expected) != 0) {
        (void)fprintf(stderr, "%s\n", calls);
    }
    calls[0] = '\0';
}

static void check_failure(void *self, const char *id, int64_t offset, int32_t result, const char *message)
{
    err.message[0] = '\0';
    CU_ASSERT_EQUAL(verdict(self, "ann", id, 0, offset), result);
    CU_ASSERT_STRING_EQUAL(err.message, message);
}

#define TEN(x) x x x x x x x x x x
#define FIVE(x) x x x x x
#define CANNOT "cannot tell whether an event was seen before: "

/* Each event is put once, with its position, and its verdict is what the answer says. */
static void answers_are_verdicts(void)
{
    void *self = begin_script("", "", "ocslgcm");
    CU_ASSERT_EQUAL(verdict(self, "ann", "a", 0, 1), CHURN_OK);
    check_calls("open a=events/0/1 poll100 ");
    CU_ASSERT_EQUAL(verdict(self, "ann", "b", 3, 2), CHURN_DROP);
    check_calls("b=events/3/2 poll100 ");
    CU_ASSERT_EQUAL(verdict(self, "ann", "c", 0, INT64_MAX), CHURN_OK);
    check_calls("c=events/0/9223372036854775807 poll100 ");
    CU_ASSERT_EQUAL(verdict(self, "ann", "d", 0, 1), CHURN_DROP);
    check_calls("d=events/0/1 poll100 ");
    CU_ASSERT_EQUAL(verdict(self, "ann", "e", 0, 5), CHURN_DROP); /* it was gone, and is asked for again */
    check_calls("e=events/0/5 poll100 e=events/0/5 poll100 ");
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "events_duplicate"), 3);
    announce(self, "ann", "f", 0, 6);
    announce(self, "ann", "f", 0, 7);
    announce(self, "ann", "g", 0, 8);
    check_calls("f=events/0/6 g=events/0/8 ");
    CU_ASSERT_EQUAL(verdict(self, "ann", "f", 0, 6), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "ann", "f", 0, 7), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict(self, "ann", "g", 0, 8), CHURN_OK);
    check_calls("poll100 ");
    CU_ASSERT_EQUAL(verdict(self, "ann", "f", 0, 7), CHURN_OK); /* nothing was kept of it: the store is asked */
    check_calls("f=events/0/7 poll100 ");
    answers = "m";
    announce(self, "ann", "h", 0, 9);
    announce(self, "ann", "i", 0, 10);
    CU_ASSERT_EQUAL(verdict(self, "ann", "h", 0, 9), CHURN_OK);
    announce(self, "ann", "j", 0, 11); /* of the next batch: what was left of that one counts no more */
    CU_ASSERT_EQUAL(verdict(self, "ann", "i", 1, 10), CHURN_OK);
    check_calls("h=events/0/9 i=events/0/10 poll100 j=events/0/11 i=events/1/10 poll100 poll100 ");
    CU_ASSERT_EQUAL(clock_ms(NULL), 0);
    ops->destroy(self); /* also without a stop */
    check_calls("close ");
    fake_instance_free(plugin, self);
    end();
}

static void a_refusal_is_asked_again_after_a_while(void)
{
    void *self = begin_script("", "", "no");
    CU_ASSERT_EQUAL(verdict(self, "ann", "a", 0, 1), CHURN_OK);
    check_calls("open a=events/0/1 poll100 " FIVE("poll100 sleep20 ") "poll100 sleep20 a=events/0/1 poll100 ");
    answers = "nw";
    check_failure(self, "a", 1, CHURN_RETRY, CANNOT "no room");
    drop(self);
    end();
    self = begin_script("", "", "f");
    check_failure(self, "a", 1, CHURN_FATAL, "no hash");
    check_calls("open a=events/0/1 poll100 close ");
    answers = "x";
    check_failure(self, "b", 1, CHURN_FATAL,
                  "the store holds something else under the key churnd:dedup:profile:ann\tb; delete it");
    check_calls("open b=events/0/1 poll100 close ");
    drop(self);
    end();
}

/* An event waits for two seconds, a hundred milliseconds in each call. */
static void a_silent_store_is_given_up(void)
{
    void *self = begin_script("", "", TEN("p") TEN("p") "p");
    check_failure(self, "a", 1, CHURN_RETRY, CANNOT "the store does not answer");
    check_calls("open a=events/0/1 " TEN("poll100 poll100 ") "close ");
    CU_ASSERT_EQUAL(clock_ms(NULL), 2000);
    answers = "wpo";
    announce(self, "ann", "b", 0, 2); /* with no session: it is put when it matters */
    check_calls("");
    check_failure(self, "b", 2, CHURN_RETRY, CANNOT "the store does not answer");
    check_calls("open b=events/0/2 poll100 poll50 close ");
    CU_ASSERT_EQUAL(verdict(self, "ann", "b", 0, 2), CHURN_OK);
    check_calls("open b=events/0/2 poll100 ");
    announce(self, "ann", "c", 0, 3); /* asked, and no answer is waited for any more */
    ops->stop(self);
    check_calls("c=events/0/3 close ");
    ops->destroy(self);
    check_calls("");
    fake_instance_free(plugin, self);
    end();
}

/* A session breaks while it is asked, in a put or in a poll; the next one is opened after half a second. */
static void a_broken_session_is_opened_again(void)
{
    static const char pause[] = TEN("sleep20 ") TEN("sleep20 ") FIVE("sleep20 ");
    char expected[1024], message[512];
    void *self = begin_script("", "R", "Ro");
    CU_ASSERT_EQUAL(verdict(self, "ann", "a", 0, 1), CHURN_OK);
    (void)snprintf(expected, sizeof expected,
                   "open a=events/0/1 close %sopen a=events/0/1 poll100 close %sopen a=events/0/1 poll100 ", pause,
                   pause);
    check_calls(expected);
    put_results = "R";
    announce(self, "ann", "b", 0, 2);
    CU_ASSERT(fake_host_stalled(&fake, "store", message));
    CU_ASSERT_STRING_EQUAL(message, "the store is out of reach (full for now); events wait for it");
    announce(self, "ann", "c", 0, 3);
    check_calls("b=events/0/2 close ");
    check_failure(self, "b", 2, CHURN_RETRY, CANNOT "the store does not answer"); /* at once: the outage is known */
    check_calls("");
    atomic_fetch_add(&clock_now, 500);
    CU_ASSERT_EQUAL(verdict(self, "ann", "b", 0, 2), CHURN_OK);
    CU_ASSERT(!fake_host_stalled(&fake, "store", NULL));
    check_calls("open b=events/0/2 poll100 ");
    answers = "R";
    opens = "RRRRR";
    check_failure(self, "d", 4, CHURN_RETRY, CANNOT "lost for now");
    CU_ASSERT(fake_host_stalled(&fake, "store", message));
    CU_ASSERT_STRING_EQUAL(message, "the store is out of reach (closed for now); events wait for it");
    (void)snprintf(expected, sizeof expected, "d=events/0/4 poll100 close %sopen %sopen %sopen %sopen ", pause, pause,
                   pause, pause);
    check_calls(expected);
    drop(self);
    end();
}

static void what_never_works_ends_it(void)
{
    void *self = begin_script("F", "", "");
    check_failure(self, "a", 1, CHURN_FATAL, "the store cannot be used: closed for ever");
    check_calls("open ");
    put_results = "F";
    check_failure(self, "a", 1, CHURN_FATAL, "full for ever");
    check_calls("open a=events/0/1 ");
    put_results = "Fo";
    announce(self, "ann", "b", 0, 2); /* said when it matters */
    answers = "F";
    check_failure(self, "b", 2, CHURN_FATAL, "lost for ever");
    check_calls("b=events/0/2 b=events/0/2 poll100 close ");
    drop(self);
    end();
}

/* Of a batch so many are asked ahead, and none is left behind, whatever place its key has in the table: those of e2228
 * and e4567 have the first and the last one. */
static void a_whole_batch_is_asked_and_forgotten(void)
{
    enum { MOST = 1024 };
    char room[32];
    void *self = begin_script("", "", "Rmmmm");
    for (unsigned i = 0; i < MOST + 2; i++) { /* with no session yet */
        (void)snprintf(room, sizeof room, "e%u", i == 1 ? 4567 : 2200 + i);
        announce(self, "ann", room, 0, i);
    }
    CU_ASSERT_EQUAL(put_calls, 0);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2200", 0, 0), CHURN_OK);
    CU_ASSERT_EQUAL(put_calls, 2 * MOST); /* all of them again on the second session */
    for (unsigned i = 1; i < MOST + 1; i++) {
        (void)snprintf(room, sizeof room, "e%u", i == 1 ? 4567 : 2200 + i);
        CU_ASSERT_EQUAL(verdict(self, "ann", room, 0, i), CHURN_OK);
    }
    CU_ASSERT_EQUAL(put_calls, 2 * MOST + 1); /* the one that was not asked ahead */
    ops->stop(self);
    for (unsigned i = 0; i < MOST; i++) {
        (void)snprintf(room, sizeof room, "e%u", i == 1 ? 4567 : 2200 + i);
        announce(self, "ann", room, 0, i);
    }
    opens = "RRRRR";
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2200", 0, 0), CHURN_RETRY);
    atomic_fetch_add(&clock_now, 500);
    put_calls = 0;
    for (unsigned i = 0; i < MOST; i++) {
        (void)snprintf(room, sizeof room, "e%u", i == 1 ? 4567 : 2200 + i);
        CU_ASSERT_EQUAL(verdict(self, "ann", room, 1, i), CHURN_OK);
        CU_ASSERT_EQUAL(put_calls, i + 1);
    }
    drop(self);
    end();
}

/* Nothing is kept of events that have their verdict, of batches that were left, and of instances that ended. */
static void nothing_is_kept(void)
{
    enum { ROUNDS = 200 };
    size_t before = 0;
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        void *self;
        before = i == ROUNDS ? memory_in_use() : before;
        self = begin_script("", "", "olmn");
        CU_ASSERT_EQUAL(verdict(self, "ann", "a", 0, 1), CHURN_OK);
        CU_ASSERT_EQUAL(verdict(self, "ann", "b", 0, 2), CHURN_DROP); /* of whom is kept with it */
        announce(self, "ann", "c", 0, 3);
        announce(self, "ann", "d", 0, 4);
        CU_ASSERT_EQUAL(verdict(self, "ann", "c", 0, 3), CHURN_OK);
        announce(self, "ann", "e", 0, 5);
        drop(self);
        end();
    }
    CU_ASSERT(memory_in_use() < before + MEMORY_LEAK(ROUNDS));
}

/* What a pipeline may write, in the words of the table. */
static void options_have_their_bounds(void)
{
    const churn_option *by = &plugin->options[0], *window = &plugin->options[1];
    CU_ASSERT_EQUAL_FATAL(plugin->option_count, 2);
    CU_ASSERT_STRING_EQUAL(by->name, "by");
    CU_ASSERT_STRING_EQUAL(by->default_text, "customer_id+event_id");
    CU_ASSERT_STRING_EQUAL(window->name, "window");
    CU_ASSERT_STRING_EQUAL(window->default_text, "1d");
    CU_ASSERT_EQUAL(window->min, 0);
    CU_ASSERT_EQUAL(window->max, INT64_C(3650) * 86400000);
}

/* --- Against a store in memory --- */

static void the_first_position_has_the_id(void)
{
    void *self;
    char room[256];
    begin();
    self = make("window", "2h");
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 10), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 11), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 1, 10), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 12), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 10), CHURN_OK); /* delivered again */
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "events_duplicate"), 2);
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "churnd:dedup:profile:ann\te1", "at", room), "events/0/10");
    CU_ASSERT_EQUAL(memory_store_ttl(&store, "churnd:dedup:profile:ann\te1"), 7200000);
    CU_ASSERT_EQUAL(store.count, 2);
    drop(self);
    end();
}

static void verdicts_outlive_the_process(void)
{
    void *self;
    begin();
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 1, 5), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 3), CHURN_DROP);
    CU_ASSERT_EQUAL(memory_store_ttl(&store, "churnd:dedup:profile:ann\te1"), 86400000);
    drop(self);
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 3), CHURN_DROP); /* now the copy is read first */
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 1, 5), CHURN_OK);
    drop(self);
    end();
}

static void positions_are_compared_whole(void)
{
    void *self;
    churn_event other;
    begin();
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 1, 1), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 1, 11), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 11, 1), CHURN_DROP);
    other = event_at("ann", "e1", 1, 1);
    other.topic = str("events2");
    CU_ASSERT_EQUAL(ops->process(self, &other, &err), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 1, 1), CHURN_OK);
    drop(self);
    end();
}

static void an_id_belongs_to_its_customer(void)
{
    void *self;
    begin();
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "bob", "e1", 0, 2), CHURN_OK);
    /* No two pairs of ids share a key, whatever they hold. */
    CU_ASSERT_EQUAL(verdict(self, "a", "bc", 0, 3), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "ab", "c", 0, 4), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "a", "b\tc", 0, 5), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "a", "\tb\tc", 0, 6), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "a:b", "c", 0, 7), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "a", "b:c", 0, 8), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "a:b", "c", 0, 9), CHURN_DROP);
    drop(self);
    end();
}

static void by_event_id_alone(void)
{
    void *self, *other;
    begin();
    self = make("by", "event_id");
    other = make("by", "customer_id+event_id");
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "bob", "e1", 0, 2), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict(other, "bob", "e1", 0, 2), CHURN_OK); /* a set of its own */
    drop(self);
    drop(other);
    end();
}

static void without_a_store_it_says_what_to_do(void)
{
    void *self;
    begin();
    fake.store = NULL;
    self = fake_instance_new(plugin, NULL);
    CU_ASSERT_EQUAL(ops->create(self, &fake.host, &err), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "add a `store:`"));
    fake_instance_free(plugin, self);
    end();
}

static uint32_t prefix_len;

static uint32_t long_profile_key(const churn_host *host, churn_str customer_id, char *key)
{
    (void)host;
    memset(key, 'p', prefix_len);
    if (customer_id.len > 0) {
        memcpy(key + prefix_len, customer_id.ptr, customer_id.len);
    }
    return prefix_len + customer_id.len;
}

static const void *(*plain_extension)(const churn_host *host, const char *id);

static const void *long_extension(const churn_host *host, const char *id)
{
    static churn_storage storage;
    const void *found = plain_extension(host, id);
    if (strcmp(id, CHURN_STORAGE_ID) != 0) {
        return found;
    }
    memcpy(&storage, found, sizeof storage);
    storage.profile_key = long_profile_key;
    return &storage;
}

static char folder[] = "/tmp/test_dedup_XXXXXX";

static void remove_folder(void)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/lock.mdb", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

/* The real store with the shortest keys, in a folder of its own. */
static const churn_plugin *lmdb;

static void *begin_lmdb(void)
{
    void *self;
    begin();
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    lmdb = fake_plugin_load("store", "lmdb");
    self = fake_instance_new(lmdb, "path", folder, NULL);
    CU_ASSERT_EQUAL_FATAL(((const churn_store_ops *)lmdb->ops)->create(self, &fake.host, &err), CHURN_OK);
    fake.store = lmdb->ops;
    fake.store_self = self;
    return self;
}

static void end_lmdb(void *self)
{
    ((const churn_store_ops *)lmdb->ops)->destroy(self);
    fake_instance_free(lmdb, self);
    remove_folder();
    end();
}

static void the_longest_ids_fit(void)
{
    char customer[129], id[129];
    void *self, *data = begin_lmdb();
    memset(customer, 'c', 128);
    memset(id, 'e', 128);
    customer[128] = id[128] = '\0';
    plain_extension = fake.host.get_extension;
    fake.host.get_extension = long_extension;
    prefix_len = 242;
    self = fake_instance_new(plugin, NULL);
    CU_ASSERT_EQUAL(ops->create(self, &fake.host, &err), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "at most 241 bytes"));
    fake_instance_free(plugin, self);
    prefix_len = 241;
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(verdict(self, customer, id, 0, 1), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, customer, id, 0, 2), CHURN_DROP);
    id[127] = 'f';
    CU_ASSERT_EQUAL(verdict(self, customer, id, 0, 3), CHURN_OK);
    customer[127] = 'd';
    CU_ASSERT_EQUAL(verdict(self, customer, id, 0, 4), CHURN_OK);
    drop(self);
    end_lmdb(data);
}

static void the_window_ends(void)
{
    void *self, *data = begin_lmdb();
    fake.clock_ms = 1767225600000;
    self = make("window", "10s");
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK);
    fake.clock_ms += 9999;
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 2), CHURN_DROP); /* which does not begin it again */
    fake.clock_ms += 1;
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 3), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_DROP);
    drop(self);
    self = make("window", "0s");
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 4), CHURN_OK);
    fake.clock_ms += INT64_C(20) * 365 * 86400000;
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 5), CHURN_DROP);
    drop(self);
    end_lmdb(data);
}

static void a_store_out_of_reach_is_waited_for(void)
{
    void *self;
    int64_t start;
    begin();
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK);
    atomic_store(&store.out, 1);
    start = clock_ms(NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 2), CHURN_RETRY);
    CU_ASSERT(err.message[0] != '\0');
    CU_ASSERT_EQUAL(clock_ms(NULL) - start, 2000);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "events wait for it"));
    CU_ASSERT_EQUAL(atomic_load(&store.sessions), 0);
    start = clock_ms(NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 2),
                    CHURN_RETRY); /* now that it is known, the host does the waiting */
    CU_ASSERT_EQUAL(clock_ms(NULL) - start, 0);
    atomic_store(&store.out, 0);
    CU_ASSERT_EQUAL(verdict_in_time(self, "ann", "e2", 0, 2), CHURN_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.last_log, "events go on"));
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 3), CHURN_DROP);
    drop(self);
    end();
}

static void an_unknown_answer_is_asked_for_again(void)
{
    void *self;
    begin();
    self = make(NULL, NULL);
    atomic_store(&store.lose_reply, 1);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK); /* written, and answered on the second session */
    CU_ASSERT_EQUAL(atomic_load(&store.opened), 2);
    atomic_store(&store.lose_reply, 1);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 2), CHURN_DROP);
    drop(self);
    end();
}

static void a_refusal_is_not_an_answer(void)
{
    void *self;
    begin();
    counting.put = refusing_put;
    counting.poll = refusing_poll;
    self = make(NULL, NULL);
    refusals = 2;
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK);
    CU_ASSERT_EQUAL(refusals, 0);
    CU_ASSERT_EQUAL(atomic_load(&store.opened), 1);
    refusals = UINT32_MAX;
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 2), CHURN_RETRY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "its memory is full"));
    refusals = refused_count = 0;
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 2), CHURN_OK);
    drop(self);
    end();
}

static void a_store_that_cannot_work_ends_it(void)
{
    void *self;
    begin();
    self = make(NULL, NULL);
    atomic_store(&store.broken, 1);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "broken for good"));
    atomic_store(&store.broken, 0);
    memory_store_set(&store, "churnd:dedup:profile:ann\te2", "other", "x", NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 2), CHURN_FATAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "churnd:dedup:profile:ann\te2"));
    drop(self);
    end();
}

static void a_claim_that_the_store_lost_is_made_again(void)
{
    void *self;
    begin();
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK);
    memory_store_clear(&store); /* a failover; the events are read again */
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK);
    CU_ASSERT_EQUAL(store.count, 1);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 2), CHURN_DROP);
    announce(self, "ann", "e1", 0, 1);
    announce(self, "ann", "e3", 0, 3);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e3", 0, 3), CHURN_OK);
    memory_store_clear(&store);
    announce(self, "ann", "e1", 0, 1);
    announce(self, "ann", "e3", 0, 3);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e3", 0, 3), CHURN_OK);
    CU_ASSERT_EQUAL(store.count, 2);
    drop(self);
    end();
}

enum { BATCH = 1500 }; /* more than is asked ahead */

/* Every fifth event is a copy of the one before it, and the last 500 are copies of others far before. */
static const char *id_of(unsigned i, char room[32])
{
    (void)snprintf(room, 32, "e%u", i >= 1000 ? (i - 1000) * 2 : i % 5 == 4 ? i - 1 : i);
    return room;
}

static void a_batch_is_asked_at_once(void)
{
    char room[32];
    unsigned char seen[BATCH] = {0};
    void *self;
    begin();
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "first", 0, 0), CHURN_OK); /* opens the session */
    for (int round = 0; round < 2; round++) {                       /* the second: all of them delivered again */
        unsigned passed = 0;
        memset(seen, 0, sizeof seen);
        polls = 0;
        for (unsigned i = 0; i < BATCH; i++) {
            announce(self, "ann", id_of(i, room), 0, 1 + i);
        }
        for (unsigned i = 0; i < BATCH; i++) {
            unsigned number = (unsigned)strtoul(id_of(i, room) + 1, NULL, 10);
            int32_t expected = seen[number] ? CHURN_DROP : CHURN_OK;
            CU_ASSERT_EQUAL(verdict(self, "ann", room, 0, 1 + i), expected);
            passed += expected == CHURN_OK;
            seen[number] = 1;
        }
        CU_ASSERT_EQUAL(store.count, passed + 1);
        CU_ASSERT(polls < BATCH / 2); /* the memory store answers 64 at a time, and what is not announced by itself */
    }
    drop(self);
    end();
}

static void a_batch_survives_a_broken_session(void)
{
    char room[32];
    void *self;
    begin();
    self = make(NULL, NULL);
    for (unsigned i = 0; i < 200; i++) { /* with no session yet */
        announce(self, "ann", id_of(i * 5, room), 0, i);
    }
    atomic_store(&store.lose_reply, 2);
    for (unsigned i = 0; i < 200; i++) {
        CU_ASSERT_EQUAL(verdict(self, "ann", id_of(i * 5, room), 0, i), CHURN_OK);
    }
    CU_ASSERT_EQUAL(atomic_load(&store.opened), 3);
    CU_ASSERT_EQUAL(store.count, 200);
    drop(self);
    end();
}

static void an_abandoned_batch_harms_nobody(void)
{
    void *self;
    begin();
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK);
    for (int i = 0; i < 3; i++) { /* the source goes back each time, in the end to other records */
        announce(self, "ann", "e1", 0, 1);
        announce(self, "ann", "e2", 0, 2);
        announce(self, "ann", "e3", 0, 3);
        CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK);
    }
    announce(self, "ann", "e1", 1, 7);
    announce(self, "ann", "e2", 1, 8);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 1, 7), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 1, 8), CHURN_DROP); /* claimed by the announcement */
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 2), CHURN_OK);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e4", 0, 4), CHURN_OK); /* nobody announced it */
    announce(self, "ann", "e5", 0, 5);
    drop(self);
    end();
}

static void an_outage_in_a_batch(void)
{
    void *self;
    begin();
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e0", 0, 0), CHURN_OK);
    announce(self, "ann", "e1", 0, 1);
    announce(self, "ann", "e1", 0, 2);
    atomic_store(&store.out, 1);
    announce(self, "ann", "e2", 0, 3);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_RETRY);
    atomic_store(&store.out, 0);
    CU_ASSERT_EQUAL(verdict_in_time(self, "ann", "e1", 0, 1), CHURN_OK); /* the same event comes again */
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 2), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 3), CHURN_OK);
    drop(self);
    end();
}

/* The poll of a store that is busy elsewhere. */
static int32_t silent_poll(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                           uint32_t *ret_count, churn_error *error)
{
    (void)session;
    (void)replies;
    (void)max;
    atomic_fetch_add(&clock_now, timeout_ms);
    (void)ret_count;
    (void)error;
    return CHURN_PENDING;
}

/* An event that is asked for again later may not come back here, and its batch neither: its partition may go to another
 * worker. A claim in its name that is made after that would take the id from whoever has it then. */
static void what_waited_is_forgotten_when_it_cannot_tell(void)
{
    enum { CLAIMS = 100 };
    char room[32], key[64], at[256];
    void *self;
    begin();
    counting.put = refusing_put;
    counting.poll = refusing_poll;
    self = make(NULL, NULL);
    for (unsigned i = 0; i < CLAIMS; i++) { /* with no session yet: nothing of it is asked */
        (void)snprintf(room, sizeof room, "e%u", i);
        announce(self, "ann", room, 0, i);
    }
    atomic_store(&store.out, 1);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e0", 0, 0), CHURN_RETRY);
    atomic_store(&store.out, 0);
    CU_ASSERT_EQUAL(verdict_in_time(self, "ann", "e0", 1, 1000), CHURN_OK);
    for (unsigned i = 1; i < CLAIMS; i++) {
        (void)snprintf(room, sizeof room, "e%u", i);
        CU_ASSERT_EQUAL(verdict(self, "ann", room, 1, 1000 + i), CHURN_OK);
    }
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, "churnd:dedup:profile:ann\te99", "at", at), "events/1/1099");
    refusals = UINT32_MAX;
    CU_ASSERT_EQUAL(verdict(self, "ann", "f", 0, 200), CHURN_RETRY);
    refusals = refused_count = 0;
    CU_ASSERT_EQUAL(verdict(self, "ann", "f", 1, 2000), CHURN_OK);
    (void)snprintf(key, sizeof key, "churnd:dedup:profile:ann\tf");
    CU_ASSERT_STRING_EQUAL(memory_store_get(&store, key, "at", at), "events/1/2000");
    CU_ASSERT_EQUAL(atomic_load(&store.sessions), 1);
    drop(self);
    end();
}

/* Late answers would be to claims that are gone; a session that owes none goes on. */
static void a_session_that_owes_answers_ends_with_the_claims(void)
{
    void *self;
    begin();
    self = make(NULL, NULL);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e0", 0, 0), CHURN_OK);
    announce(self, "ann", "e1", 0, 1);
    announce(self, "ann", "e2", 0, 2);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e1", 0, 1), CHURN_OK); /* both are answered */
    announce(self, "ann", "e3", 0, 3);                           /* e2 is forgotten */
    CU_ASSERT_EQUAL(atomic_load(&store.sessions), 1);
    CU_ASSERT_EQUAL(atomic_load(&store.opened), 1);
    counting.poll = silent_poll;
    CU_ASSERT_EQUAL(verdict(self, "ann", "e3", 0, 3), CHURN_RETRY);
    CU_ASSERT_EQUAL(atomic_load(&store.sessions), 0);
    counting.poll = counting_poll;
    CU_ASSERT_EQUAL(verdict_in_time(self, "ann", "e3", 0, 3), CHURN_OK); /* written the first time, by itself */
    CU_ASSERT_EQUAL(atomic_load(&store.opened), 2);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e3", 0, 4), CHURN_DROP);
    CU_ASSERT_EQUAL(verdict(self, "ann", "e2", 0, 2), CHURN_OK);
    drop(self);
    end();
}

struct racer {
    void *self;
    int32_t partition;
    int32_t verdicts[400];
};

static void *race(void *arg)
{
    struct racer *r = arg;
    char id[32];
    for (int batch = 0; batch < 400; batch += 20) {
        for (int i = batch; i < batch + 20; i++) {
            churn_event event;
            (void)snprintf(id, sizeof id, "e%d", i);
            event = event_at("ann", id, r->partition, i);
            ops->announce(r->self, &event);
        }
        for (int i = batch; i < batch + 20; i++) {
            churn_error error = {.size = sizeof error};
            churn_event event;
            (void)snprintf(id, sizeof id, "e%d", i);
            event = event_at("ann", id, r->partition, i);
            r->verdicts[i] = ops->process(r->self, &event, &error);
        }
    }
    return NULL;
}

static void of_two_workers_one_wins(void)
{
    struct racer racers[2] = {{.partition = 0}, {.partition = 1}}, first[2];
    pthread_t threads[2];
    void *data = begin_lmdb();
    for (int turn = 0; turn < 2; turn++) { /* the second turn: both start again, and read everything again */
        for (int i = 0; i < 2; i++) {
            racers[i].self = make(NULL, NULL);
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < 2; i++) {
            (void)pthread_join(threads[i], NULL);
            drop(racers[i].self);
        }
        for (int i = 0; i < 400; i++) {
            CU_ASSERT_EQUAL(racers[0].verdicts[i] + racers[1].verdicts[i], CHURN_OK + CHURN_DROP);
            CU_ASSERT(turn == 0 || racers[0].verdicts[i] == first[0].verdicts[i]);
        }
        memcpy(first, racers, sizeof first);
    }
    CU_ASSERT_EQUAL(fake_host_counter(&fake, "events_duplicate"), 800);
    end_lmdb(data);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(answers_are_verdicts),
                           TEST(a_refusal_is_asked_again_after_a_while),
                           TEST(a_silent_store_is_given_up),
                           TEST(a_broken_session_is_opened_again),
                           TEST(what_never_works_ends_it),
                           TEST(a_whole_batch_is_asked_and_forgotten),
                           TEST(nothing_is_kept),
                           TEST(options_have_their_bounds),
                           TEST(the_first_position_has_the_id),
                           TEST(verdicts_outlive_the_process),
                           TEST(positions_are_compared_whole),
                           TEST(an_id_belongs_to_its_customer),
                           TEST(by_event_id_alone),
                           TEST(without_a_store_it_says_what_to_do),
                           TEST(the_longest_ids_fit),
                           TEST(the_window_ends),
                           TEST(a_store_out_of_reach_is_waited_for),
                           TEST(an_unknown_answer_is_asked_for_again),
                           TEST(a_refusal_is_not_an_answer),
                           TEST(a_store_that_cannot_work_ends_it),
                           TEST(a_claim_that_the_store_lost_is_made_again),
                           TEST(a_batch_is_asked_at_once),
                           TEST(a_batch_survives_a_broken_session),
                           TEST(an_abandoned_batch_harms_nobody),
                           TEST(an_outage_in_a_batch),
                           TEST(what_waited_is_forgotten_when_it_cannot_tell),
                           TEST(a_session_that_owes_answers_ends_with_the_claims),
                           TEST(of_two_workers_one_wins),
                           CU_TEST_INFO_NULL};
    (void)alarm(120); /* a wait that the clock does not end */
    plugin = fake_plugin_load("processor", "dedup");
    ops = plugin->ops;
    return run_tests_without_leaks("processor/dedup", tests);
}
