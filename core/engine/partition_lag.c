#include "engine/partition_lag.h"

#include "base/clock.h"
#include "engine/partitions.h"
#include "observe/health.h"

/* ---- since when ---- */

/* Every second one of them goes, and so will those to come. */
static void thin_out(struct partition_lag *lag)
{
    lag->time_count /= 2;
    for (uint32_t i = 1; i < lag->time_count; i++) {
        lag->times[i] = lag->times[(size_t)2 * i];
    }
    lag->stride *= 2;
}

void partition_lag_note(struct partition *p, int64_t offset, int64_t timestamp_ms, int64_t polled_ms)
{
    struct partition_lag *lag = &p->lag;
    int64_t ms = timestamp_ms > 0 && timestamp_ms < polled_ms ? timestamp_ms : polled_ms; /* the future says nothing */
    while (lag->time_count > 0 && lag->times[lag->time_count - 1].offset >= offset) {
        lag->time_count--; /* read again */
    }
    if (lag->time_count == 0) {
        lag->stride = 1;
    } else if (++lag->passed < lag->stride) {
        return;
    }
    if (lag->time_count == LAG_TIMES) {
        thin_out(lag);
    }
    lag->passed = 0;
    lag->times[lag->time_count].offset = offset;
    lag->times[lag->time_count++].ms = ms;
}

/* Lets go of the times of what is settled, but for the last one: what comes after it is no older. */
static void drop_times(struct partition_lag *lag)
{
    uint32_t gone = 0;
    while (gone + 1 < lag->time_count && lag->times[gone + 1].offset <= lag->settled) {
        gone++;
    }
    lag->time_count -= gone;
    lag->stride = lag->time_count > 1 ? lag->stride : 1;
    memmove(lag->times, lag->times + gone, lag->time_count * sizeof *lag->times);
}

/* Whether the times that are known reach back to what is not settled. */
static bool knows_times(const struct partition *p)
{
    return p->lag.time_count > 0 && (p->lag.times[0].offset <= p->lag.settled || p->read != NOTHING);
}

int64_t partition_lag_since(struct partition *p, bool told, int64_t now_ms)
{
    struct partition_lag *lag = &p->lag;
    int64_t ms;
    if (told && lag->waiting == 0) {
        lag->caught_up_ms = now_ms;
        return 0;
    }
    drop_times(lag);
    if (told && p->place == PLACE_READY && !knows_times(p) && lag->caught_up_ms == 0) {
        return BEHIND_UNKNOWN; /* it will be, at once */
    }
    ms = lag->time_count > 0 ? lag->times[0].ms : lag->caught_up_ms == 0 ? lag->taken_ms : 0;
    return ms > lag->caught_up_ms ? ms : lag->caught_up_ms;
}

/* ---- what is ours ---- */

void partition_lag_take(struct partition *p, const churn_position *from)
{
    struct partition_lag *lag = &p->lag;
    int64_t committed = (from->flags & CHURN_POSITION_RESUMED) != 0 ? from->offset : -1;
    if (!lag->left || (committed > p->read && committed > lag->settled)) { /* new to us, or others have read on */
        *lag = (struct partition_lag){.waiting = -1, .taken_ms = clock_wall_ms(), .gauge = lag->gauge};
    }
    lag->settled = committed >= 0 ? committed : lag->settled;
    lag->shown = true;
    lag->left = false;
}

void partition_lag_forget(struct worker *worker)
{
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        struct partition_lag *lag = &partition_at(worker, i)->lag;
        lag->shown = lag->shown && !lag->left;
        lag->left = false;
    }
}

void partition_lag_leave(struct partition *p)
{
    p->lag.left = p->lag.shown;
}
