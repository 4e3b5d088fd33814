/* A worker's session with the store: opened when there is something to do and again after an outage, and given up as
 * soon as something is wrong with it. */
#include "engine/session.h"

#include "base/clock.h"
#include "engine/plugin_call.h"
#include "engine/stalled.h"
#include "pipeline/targets.h"

#define FIRST_OPEN_PAUSE_MS 100
#define LAST_OPEN_PAUSE_MS 5000

static const char *store_label(const struct worker *worker)
{
    return worker->pipeline->store.label;
}

void session_close(struct worker *worker)
{
    if (worker->session.handle != NULL) {
        store_of(worker)->close(worker->session.handle);
        worker->session.handle = NULL;
        atomic_store_explicit(&worker->signs.session_open, false, memory_order_relaxed);
        worker->session.checkpoints->lost(worker);
    }
}

static void tell_outage(struct worker *worker, const char *message)
{
    worker_stalled(worker, &worker->pipeline->store, STALL_STORE, CHURN_LOG_WARN, "%s; waiting, nothing is lost",
                   message);
}

static void renew(struct worker *worker)
{
    session_close(worker);
    worker->session.next_open_ms = clock_monotonic_ms() + FIRST_OPEN_PAUSE_MS;
    worker->session.profiles->lost(worker);
}

void session_lose(struct worker *worker, const char *message)
{
    renew(worker);
    tell_outage(worker, message);
}

void session_say_refused(struct worker *worker, const char *message)
{
    worker_stalled(worker, &worker->pipeline->store, STALL_WRITE, CHURN_LOG_WARN,
                   "a write was refused: %s; trying again", message);
}

void session_refuse(struct worker *worker, const char *message)
{
    renew(worker);
    session_say_refused(worker, message);
}

static void wait_to_open(struct worker *worker, const char *message)
{
    tell_outage(worker, message);
    worker->session.open_pause_ms =
        worker->session.open_pause_ms == 0 ? FIRST_OPEN_PAUSE_MS : worker->session.open_pause_ms * 2;
    if (worker->session.open_pause_ms > LAST_OPEN_PAUSE_MS) {
        worker->session.open_pause_ms = LAST_OPEN_PAUSE_MS;
    }
    worker->session.next_open_ms = clock_monotonic_ms() + worker->session.open_pause_ms;
}

/* A store that is not the one of the last session may lack what that one acknowledged. Nothing may be written to it
 * before reading goes on from its own checkpoints: the next write of a profile would raise the mark over the hole. */
static int32_t check_identity(struct worker *worker, churn_error *err)
{
    char identity[CHURN_IDENTITY_SIZE] = "";
    int32_t result = store_of(worker)->identity != NULL
                         ? store_of(worker)->identity(worker->session.handle, identity, err)
                         : CHURN_OK;
    if (result != CHURN_OK) {
        return result;
    }
    if (worker->session.identity[0] != '\0' && strcmp(worker->session.identity, identity) != 0) {
        log_printf(worker->pipeline->log, CHURN_LOG_WARN, store_label(worker),
                   "the store was emptied, restarted, replaced or failed over, and may have lost what it had "
                   "acknowledged: reading again from its checkpoints");
        worker->session.went_back = true;
    }
    memcpy(worker->session.identity, identity, sizeof identity);
    return CHURN_OK;
}

/* Whether the store lets its user do what is needed, before the first event of some type finds out. */
static int32_t check_allowed(struct worker *worker, churn_error *err)
{
    return store_of(worker)->allowed != NULL ? targets_try_keys(worker->pipeline, worker->session.handle, err)
                                             : CHURN_OK;
}

bool session_step(struct worker *worker)
{
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (worker->session.handle != NULL || clock_monotonic_ms() < worker->session.next_open_ms) {
        return true;
    }
    worker_enter(worker, &worker->pipeline->store);
    result = store_of(worker)->open(worker->pipeline->store_instance->self, &worker->session.handle, &err);
    if (result != CHURN_OK) {
        worker->session.handle = NULL;
    } else if ((result = check_allowed(worker, &err)) != CHURN_OK ||
               (result = check_identity(worker, &err)) != CHURN_OK) {
        session_close(worker);
    }
    worker_enter(worker, NULL);
    if (result == CHURN_RETRY) {
        wait_to_open(worker, err.message);
        return true;
    }
    if (result != CHURN_OK) {
        return worker_fail(worker, "%s: %s", store_label(worker), err.message);
    }
    worker_goes_on(worker, &worker->pipeline->store, STALL_STORE, "reached again");
    worker->session.open_pause_ms = 0;
    worker->session.fresh = true;
    return true;
}

bool session_check(struct worker *worker)
{
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (worker->session.handle == NULL || session_is_writing(worker) ||
        worker->session.checkpoints->waits(worker, NULL)) {
        return true;
    }
    result = check_identity(worker, &err);
    if (result == CHURN_RETRY) {
        session_lose(worker, err.message);
    } else if (result != CHURN_OK) {
        return worker_fail(worker, "%s: %s", store_label(worker), err.message);
    }
    return true;
}

static const struct session_user *user_of(const struct worker *worker, uint64_t id)
{
    return (id & CHECKPOINT_ID) != 0 ? worker->session.checkpoints : worker->session.profiles;
}

/* A reply that repeats another would stand for a write that never came. */
static bool judge_reply(struct worker *worker, const struct window *window, const churn_put_reply *reply)
{
    if (!user_of(worker, reply->id)->owes(worker, window, reply->id)) {
        return worker_blame(worker, &worker->pipeline->store,
                            "poll answers a put that it was not given, or has answered before; each put must be "
                            "answered exactly once, with its own id");
    }
    if (reply->result == CHURN_CONFLICT && reply->fields == NULL && reply->count > 0) {
        return worker_blame(worker, &worker->pipeline->store,
                            "poll answers CHURN_CONFLICT with %u fields that are NULL", reply->count);
    }
    return true;
}

/* Nothing is put before every reply of the batch was taken: a put ends the life of the replies' fields. */
static bool take_replies(struct worker *worker, struct window *window, const churn_put_reply *replies, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!judge_reply(worker, window, &replies[i]) ||
            !user_of(worker, replies[i].id)->take_reply(worker, window, &replies[i])) {
            return false;
        }
    }
    return worker->session.went_back || window == NULL ||
           worker->session.profiles->put_again(worker, window, replies, count);
}

bool session_poll(struct worker *worker, struct window *window, uint32_t timeout_ms)
{
    churn_put_reply replies[POLL_REPLIES];
    while (worker->session.handle != NULL && !worker->session.went_back &&
           (worker->session.checkpoints->waits(worker, window) || worker->session.profiles->waits(worker, window))) {
        churn_error err = {.size = sizeof err};
        uint32_t count = 0;
        worker_enter(worker, &worker->pipeline->store);
        int32_t result =
            store_of(worker)->poll(worker->session.handle, replies, POLL_REPLIES, timeout_ms, &count, &err);
        worker_enter(worker, NULL);
        if (result == CHURN_RETRY) {
            session_lose(worker, err.message);
        } else if (result == CHURN_FATAL) {
            return worker_fail(worker, "%s: %s", store_label(worker), err.message);
        } else if (result != CHURN_OK || count == 0) {
            break;
        } else if (count > POLL_REPLIES) {
            return worker_blame(worker, &worker->pipeline->store, "poll gives %u replies, of %d at most", count,
                                POLL_REPLIES);
        } else if (!take_replies(worker, window, replies, count)) {
            return false;
        }
        worker->moved = true;
        timeout_ms = 0;
    }
    return true;
}
