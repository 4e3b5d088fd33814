#include "engine/rounds.h"

#include "base/clock.h"
#include "engine/checkpoint.h"
#include "engine/commit.h"
#include "engine/stalled.h"

#define POLL_MS 20      /* for an answer that is waited for */
#define ASK_AGAIN_MS 50 /* between questions whether writes are durable */
#define FLUSH_ID (CHECKPOINT_ID | UINT32_MAX)

void rounds_end(struct progress *progress)
{
    for (uint32_t i = 0; i < progress->room; i++) {
        progress->partitions[i].putting = NOTHING;
        progress->partitions[i].again = progress->partitions[i].asked = false;
        progress->partitions[i].putting_last = WITNESS_NONE;
    }
    progress->round = ROUND_NONE;
    progress->held = false;
    progress->unanswered = 0;
}

/* The newest checkpoints are durable: the source is told. */
static void finish_round(struct worker *worker)
{
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        struct partition *p = partition_at(worker, i);
        p->durable = p->putting != NOTHING ? p->putting : p->durable;
    }
    worker->progress.durable = worker->progress.putting;
    rounds_end(&worker->progress);
    worker->moved = true;
    if (!worker->progress.refused) {
        worker_goes_on(worker, &worker->pipeline->store, STALL_CHECKPOINT, NULL);
    }
    commit_tell(worker, false);
}

static void flush(struct worker *worker)
{
    churn_error err = {.size = sizeof err};
    int32_t result =
        store_of(worker)->flush != NULL ? store_of(worker)->flush(worker->session.handle, FLUSH_ID, &err) : CHURN_OK;
    if (result == CHURN_OK) {
        finish_round(worker);
    } else if (result == CHURN_PENDING) {
        worker->progress.round = ROUND_FLUSHING;
    } else {
        session_lose(worker, err.message);
    }
}

/* Puts the checkpoints of the round that are not with the store. */
static void put_checkpoints(struct worker *worker)
{
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        if (partition_at(worker, i)->again && !checkpoint_put(worker, i)) {
            return;
        }
    }
}

/* A checkpoint for whatever is done since the last one. It is put also when no profile was written, all events having
 * been counted before: only a write shows that the store still is the one that counted them. */
static void begin_round(struct worker *worker)
{
    bool asked = false;
    worker->progress.refused = false;
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        struct partition *p = partition_at(worker, i);
        if (commit_lacks_store(worker, p) && p->place != PLACE_LOOK_UP) {
            if (!asked && !commit_is_allowed(worker)) {
                return;
            }
            asked = true;
            p->putting = p->done;
            p->putting_last = p->last;
            p->again = true;
            worker->progress.round = ROUND_PUTTING;
        }
    }
    if (worker->progress.round == ROUND_PUTTING) {
        worker->progress.putting = worker->progress.done;
        worker->moved = true;
        put_checkpoints(worker);
    }
}

/* A checkpoint of another version is stored: another member's, or our own whose answer was lost; or it went back. */
static bool take_conflict(struct worker *worker, uint32_t part, const churn_put_reply *reply)
{
    struct partition *p = partition_at(worker, part);
    struct checkpoint found = CHECKPOINT_NONE;
    char why[WHY_SIZE];
    if (!checkpoint_parse(reply->fields, reply->count, &found, why)) {
        return checkpoint_fail(worker, part, worker->pipeline->store_settings.key_prefix, why);
    }
    found.version = reply->version;
    if (found.version < p->stored.version) {
        worker->session.went_back = true;
    }
    p->stored = found;
    p->again = (worker->pipeline->profiles_only ? found.offset : checkpoint_answered(&found)) < p->putting ||
               (p->doubted_below >= 0 && found.doubted_below != p->doubted_below);
    return true;
}

static void take_flushed(struct worker *worker, const churn_put_reply *reply)
{
    if (reply->result == CHURN_OK) {
        finish_round(worker);
    } else {
        worker->progress.round = ROUND_WAITING;
        worker->progress.ask_again_ms = clock_monotonic_ms() + ASK_AGAIN_MS;
    }
}

static bool owes_answer(const struct worker *worker, uint64_t id)
{
    return id == FLUSH_ID
               ? worker->progress.round == ROUND_FLUSHING
               : (id & ~CHECKPOINT_ID) < partition_count(worker) && partition_at(worker, (uint32_t)id)->asked;
}

static bool progress_take_reply(struct worker *worker, const churn_put_reply *reply)
{
    struct partition *p;
    uint32_t part = (uint32_t)reply->id;
    if (reply->result == CHURN_FATAL || reply->result == CHURN_REJECT) {
        return worker_fail(worker, "%s: %s", worker->pipeline->store.label, reply->message);
    }
    if (reply->result == CHURN_RETRY) {
        worker_stalled(worker, &worker->pipeline->store, STALL_CHECKPOINT, CHURN_LOG_WARN,
                       "%s; offsets are not committed until then", reply->message);
    }
    if (reply->id == FLUSH_ID) {
        take_flushed(worker, reply);
        return true;
    }
    p = partition_at(worker, part);
    p->asked = false;
    worker->progress.unanswered--;
    if (reply->result == CHURN_OK) {
        p->stored = checkpoint_next(worker, p);
    } else if (reply->result == CHURN_RETRY) {
        p->putting = NOTHING; /* not in this round */
        worker->progress.refused = true;
    } else {
        return take_conflict(worker, part, reply);
    }
    return true;
}

static void progress_session_lost(struct worker *worker)
{
    rounds_end(&worker->progress);
}

bool rounds_wait(const struct worker *worker)
{
    return worker->progress.unanswered > 0 || worker->progress.round == ROUND_FLUSHING;
}

/* Once every checkpoint of the round is answered: is all of it durable? */
static void continue_round(struct worker *worker)
{
    put_checkpoints(worker);
    if (worker->progress.round == ROUND_PUTTING && worker->progress.unanswered == 0) {
        flush(worker);
    }
}

void rounds_step(struct worker *worker, bool due)
{
    if (!worker_has_store(worker)) {
        if (due) {
            commit_tell(worker, false);
        }
        return;
    }
    if (worker->session.handle == NULL || worker->session.went_back) {
        return;
    }
    switch (worker->progress.round) {
    case ROUND_PUTTING:
        continue_round(worker);
        break;
    case ROUND_WAITING:
        if (clock_monotonic_ms() >= worker->progress.ask_again_ms) {
            flush(worker);
        }
        break;
    case ROUND_NONE:
        if (due) {
            begin_round(worker);
        }
        break;
    default:
        break;
    }
}

bool rounds_put_now(struct worker *worker, uint32_t part, int64_t limit_ms)
{
    int64_t deadline = clock_monotonic_ms() + limit_ms;
    rounds_end(&worker->progress);
    partition_at(worker, part)->again = true;
    partition_at(worker, part)->putting = checkpoint_answered(&partition_at(worker, part)->stored);
    while ((partition_at(worker, part)->again || rounds_wait(worker)) && clock_monotonic_ms() < deadline) {
        put_checkpoints(worker);
        if (worker->session.handle == NULL || !session_poll(worker, NULL, POLL_MS)) {
            return false;
        }
    }
    return partition_at(worker, part)->stored.doubted_below == partition_at(worker, part)->doubted_below;
}

static bool waits(const struct worker *worker, const struct window *window)
{
    (void)window;
    return rounds_wait(worker);
}

static bool owes(const struct worker *worker, const struct window *window, uint64_t id)
{
    (void)window;
    return owes_answer(worker, id);
}

static bool take(struct worker *worker, struct window *window, const churn_put_reply *reply)
{
    (void)window;
    return progress_take_reply(worker, reply);
}

const struct session_user rounds_session_user = {
    .waits = waits, .owes = owes, .take_reply = take, .lost = progress_session_lost};
