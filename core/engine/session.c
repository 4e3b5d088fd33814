/* A worker's session with the store: opened when there is something to do and again after an outage, and given up as
 * soon as something is wrong with it. */
#include "engine/worker_internal.h"

#include "base/fault.h"
#include "pipeline/host.h"
#include "pipeline/targets.h"

#define FIRST_OPEN_PAUSE_MS 100
#define LAST_OPEN_PAUSE_MS 5000

static const churn_store_ops *ops_of(const struct worker *worker)
{
    return store_ops(&worker->pipeline->store);
}

static const char *label_of(const struct worker *worker)
{
    return worker->pipeline->store.label;
}

void session_close(struct worker *worker)
{
    if (worker->session != NULL) {
        ops_of(worker)->close(worker->session);
        worker->session = NULL;
        atomic_store_explicit(&worker->session_open, false, memory_order_relaxed);
        progress_session_lost(worker);
    }
}

bool session_is_writing(struct worker *worker)
{
    const struct window *window = window_filled(worker);
    return window != NULL && window->state == WINDOW_WRITING;
}

static void tell_outage(struct worker *worker, const char *message)
{
    worker_stalled(worker, &worker->pipeline->store, STALL_STORE, CHURN_LOG_WARN, "%s; waiting, nothing is lost",
                   message);
}

void session_lose(struct worker *worker, const char *message)
{
    session_close(worker);
    tell_outage(worker, message);
    worker->next_open_ms = host_monotonic_ms() + FIRST_OPEN_PAUSE_MS;
    if (session_is_writing(worker)) {
        writer_session_lost(window_filled(worker));
    }
}

static void wait_to_open(struct worker *worker, const char *message)
{
    tell_outage(worker, message);
    worker->open_pause_ms = worker->open_pause_ms == 0 ? FIRST_OPEN_PAUSE_MS : worker->open_pause_ms * 2;
    if (worker->open_pause_ms > LAST_OPEN_PAUSE_MS) {
        worker->open_pause_ms = LAST_OPEN_PAUSE_MS;
    }
    worker->next_open_ms = host_monotonic_ms() + worker->open_pause_ms;
}

/* A store that is not the one of the last session may lack what that one acknowledged. Nothing may be written to it
 * before reading goes on from its own checkpoints: the next write of a profile would raise the mark over the hole. */
static int32_t check_identity(struct worker *worker, churn_error *err)
{
    char identity[CHURN_IDENTITY_SIZE] = "";
    int32_t result =
        ops_of(worker)->identity != NULL ? ops_of(worker)->identity(worker->session, identity, err) : CHURN_OK;
    if (result != CHURN_OK) {
        return result;
    }
    if (worker->identity[0] != '\0' && strcmp(worker->identity, identity) != 0 && !MUTANT("identity")) {
        log_printf(worker->pipeline->log, CHURN_LOG_WARN, label_of(worker),
                   "the store was emptied, restarted, replaced or failed over, and may have lost what it had "
                   "acknowledged: reading again from its checkpoints");
        worker->store_went_back = true;
    }
    memcpy(worker->identity, identity, sizeof identity);
    return CHURN_OK;
}

/* Whether the store lets its user do what is needed, before the first event of some type finds out. */
static int32_t check_allowed(struct worker *worker, churn_error *err)
{
    return ops_of(worker)->allowed != NULL ? targets_try_keys(worker->pipeline, worker->session, err) : CHURN_OK;
}

bool session_step(struct worker *worker)
{
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (worker->session != NULL || host_monotonic_ms() < worker->next_open_ms) {
        return true;
    }
    worker_enter(worker, &worker->pipeline->store);
    result = ops_of(worker)->open(worker->pipeline->store_instance->self, &worker->session, &err);
    if (result != CHURN_OK) {
        worker->session = NULL;
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
        return worker_fail(worker, "%s: %s", label_of(worker), err.message);
    }
    worker_goes_on(worker, &worker->pipeline->store, STALL_STORE, "reached again");
    worker->open_pause_ms = 0;
    worker->session_fresh = true;
    return true;
}

bool session_check(struct worker *worker)
{
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (worker->session == NULL || session_is_writing(worker) || progress_waits(worker)) {
        return true;
    }
    result = check_identity(worker, &err);
    if (result == CHURN_RETRY) {
        session_lose(worker, err.message);
    } else if (result != CHURN_OK) {
        return worker_fail(worker, "%s: %s", label_of(worker), err.message);
    }
    return true;
}

/* Whether a reply is to a put, or the flush, that the store has not answered since this session began. */
static bool is_owed(const struct worker *worker, const struct window *window, const churn_put_reply *reply)
{
    if ((reply->id & PROGRESS_ID) != 0) {
        return progress_owes(worker, reply->id);
    }
    return window != NULL && reply->id < window->delta_count && window->deltas[reply->id]->state == DELTA_PUT;
}

/* A reply that repeats another would stand for a write that never came. */
static bool judge_reply(struct worker *worker, const struct window *window, const churn_put_reply *reply)
{
    if (!is_owed(worker, window, reply)) {
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
        bool ok = judge_reply(worker, window, &replies[i]) &&
                  ((replies[i].id & PROGRESS_ID) != 0 ? progress_take_reply(worker, &replies[i])
                                                      : writer_take_reply(worker, window, &replies[i]));
        if (!ok) {
            return false;
        }
    }
    return worker->store_went_back || window == NULL || writer_put_again(worker, window, replies, count);
}

bool session_poll(struct worker *worker, struct window *window, uint32_t timeout_ms)
{
    churn_put_reply replies[POLL_REPLIES];
    while (worker->session != NULL && !worker->store_went_back &&
           (progress_waits(worker) || (window != NULL && window->stored < window->delta_count))) {
        churn_error err = {.size = sizeof err};
        uint32_t count = 0;
        worker_enter(worker, &worker->pipeline->store);
        int32_t result = ops_of(worker)->poll(worker->session, replies, POLL_REPLIES, timeout_ms, &count, &err);
        worker_enter(worker, NULL);
        if (result == CHURN_RETRY) {
            session_lose(worker, err.message);
        } else if (result == CHURN_FATAL) {
            return worker_fail(worker, "%s: %s", label_of(worker), err.message);
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
