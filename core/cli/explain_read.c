/* The topics are read apart, by an instance of the source of its own: no group is joined, and no position moves. */
#include "cli/explain_read.h"

#include "base/progress_line.h"
#include "cli/commands.h"
#include "cli/explain_judge.h"
#include "cli/explain_profile.h"
#include <inttypes.h>
#include <stdlib.h>

#define POLL_MS 1000
#define PLACING_MS 20

/* ---- partitions ---- */

static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    struct explain *e = ctx;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = parts_find_text(&e->worker->parts, churn_text(positions[i].topic), positions[i].partition);
        struct explain_part *p = part != PART_NONE ? explain_state_part(e, part) : NULL;
        if (p == NULL) {
            (void)explain_state_fail(e, "out of memory");
            return;
        }
        if (!p->assigned) {
            p->assigned = p->unplaced = e->placing = true;
            p->begins = positions[i].offset;
        }
    }
}

static void on_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    (void)ctx; /* only as it ends: nobody else reads with it */
    (void)positions;
    (void)count;
    (void)lost;
}

static void on_passed(void *ctx, const churn_position *positions, uint32_t count)
{
    on_revoked(ctx, positions, count, 0);
}

/* Has the source read on from `offset`. CHURN_OK, CHURN_RETRY, or CHURN_FATAL with a failure. */
static int32_t seek(struct explain *e, uint32_t part, int64_t offset)
{
    const struct part *place = &e->worker->parts.items[part];
    churn_position to = {.topic = place->topic, .partition = place->partition, .offset = offset};
    churn_error err = {.size = sizeof err};
    int32_t result = source_of(e->worker)->seek(e->worker->source->self, &to, &err);
    if (result != CHURN_OK && result != CHURN_RETRY) {
        (void)explain_state_fail(e, "source %s: %s", source_label(e->worker), err.message);
        return CHURN_FATAL;
    }
    return result;
}

/* Whether the customer may have anything in it. Where the profile has no marks anything is possible. */
static bool is_wanted(const struct explain *e, uint32_t part)
{
    return e->stored.profile->mark_count + e->stored.profile->late_count == 0 ||
           profile_mark(e->stored.profile, part) > 0 || profile_has_late_from(e->stored.profile, part, 0);
}

/* What is not wanted is passed over where that can be done at once; else its records are left alone one by one. */
static bool pass_over(struct explain *e, uint32_t part, const struct explain_part *p, bool *ret_sought)
{
    int32_t result;
    if (e->seeks_late || !p->bounded || p->end <= p->low || source_of(e->worker)->seek == NULL) {
        return true;
    }
    result = seek(e, part, p->end);
    e->seeks_late = result == CHURN_RETRY;
    *ret_sought = result == CHURN_OK;
    return result != CHURN_FATAL;
}

/* What is wanted is read from its beginning, wherever the source would begin by itself. */
static bool begin(struct explain *e, uint32_t part, struct explain_part *p, bool *ret_sought)
{
    int32_t result;
    if (source_of(e->worker)->seek == NULL || p->begins <= p->low) {
        return true;
    }
    result = seek(e, part, p->low);
    p->unplaced = result == CHURN_RETRY; /* and is tried again */
    *ret_sought = true;
    return result != CHURN_FATAL;
}

static bool place(struct explain *e, uint32_t part, struct explain_part *p, bool *ret_sought)
{
    const churn_source_ops *ops = source_of(e->worker);
    const struct part *name = &e->worker->parts.items[part];
    churn_error err = {.size = sizeof err};
    p->unplaced = false;
    if (p->read == 0 && !explain_profile_checkpoint(e, part)) {
        return false;
    }
    p->wanted = is_wanted(e, part);
    p->mark = profile_mark(e->stored.profile, part);
    p->low = p->end = 0;
    p->bounded = ops->bounds != NULL &&
                 ops->bounds(e->worker->source->self, name->topic, name->partition, &p->low, &p->end, &err) == CHURN_OK;
    return p->wanted ? begin(e, part, p, ret_sought) : pass_over(e, part, p, ret_sought);
}

/* Records of partitions that were sought are handed out again, or are not wanted. */
static void drop_records(const struct explain *e, uint32_t part, uint32_t *count)
{
    const struct part *name = &e->worker->parts.items[part];
    churn_record *records = e->worker->reading.records;
    uint32_t left = 0;
    for (uint32_t i = 0; i < *count; i++) {
        if (records[i].partition != name->partition || strcmp(records[i].topic, name->topic) != 0) {
            records[left++] = records[i];
        }
    }
    *count = left;
}

/* The partitions that were assigned, once that poll is over. */
static bool place_all(struct explain *e, uint32_t *count)
{
    bool ok = true, left = false;
    for (uint32_t part = 0; part < e->part_room && ok; part++) {
        bool sought = false;
        if (e->parts[part].unplaced) {
            ok = place(e, part, &e->parts[part], &sought);
            left = left || e->parts[part].unplaced;
        }
        if (sought) {
            drop_records(e, part, count);
        }
    }
    e->placing = left;
    return ok;
}

/* ---- records ---- */

/* Whether the bytes may be an event of the customer: cheap, for nearly all are not. An id that is written with escapes
 * looks otherwise. */
static bool may_be_ours(const struct explain *e, const churn_record *record)
{
    const churn_str value = record->value;
    return churn_equal(record->key, e->customer) ||
           (value.ptr != NULL && (memmem(value.ptr, value.len, e->customer.ptr, e->customer.len) != NULL ||
                                  memchr(value.ptr, '\\', value.len) != NULL));
}

static bool take_record(struct explain *e, churn_record *record)
{
    uint32_t part = parts_find(&e->worker->parts, record->topic, record->partition);
    struct explain_part *p = part != PART_NONE ? explain_state_part(e, part) : NULL;
    if (p == NULL) {
        return explain_state_fail(e, "out of memory");
    }
    e->records++;
    p->records++;
    if (record->kind == CHURN_RECORD_UNREADABLE) {
        p->unreadable++;
        return true;
    }
    record->key.len = record->key.ptr != NULL ? record->key.len : 0;
    return !p->wanted || !may_be_ours(e, record) || explain_judge(e, record, part);
}

/* Partitions in which the customer has nothing are no part of what there is to read. */
static void show_progress(const struct explain *e, struct progress_line *line)
{
    churn_lag lag = {.size = sizeof lag};
    if (progress_line_due(line)) {
        if (source_of(e->worker)->lag != NULL) {
            source_of(e->worker)->lag(e->worker->source->self, &lag);
        }
        progress_line_show(line, (int64_t)e->records,
                           lag.known && lag.messages >= 0 ? (int64_t)e->records + lag.messages : PROGRESS_TOTAL_UNKNOWN,
                           NULL);
    }
}

/* While partitions are to be placed nothing is taken of any. */
static bool take_poll(struct explain *e, bool *ret_end)
{
    struct worker *worker = e->worker;
    churn_error err = {.size = sizeof err};
    uint32_t count = 0, max = e->placing ? 0 : POLL_RECORDS;
    int32_t result = source_of(worker)->poll(worker->source->self, worker->reading.records, max,
                                             e->placing ? PLACING_MS : POLL_MS, &count, &err);
    bool ok = !e->failed;
    if (ok && result < 0) {
        return explain_state_fail(e, "source %s: %s", source_label(worker), err.message);
    }
    *ret_end = result == CHURN_END && !e->placing;
    ok = ok && (!e->placing || place_all(e, &count));
    for (uint32_t i = 0; i < count && ok; i++) {
        ok = take_record(e, &worker->reading.records[i]);
    }
    return ok;
}

bool explain_read(struct explain *e)
{
    struct worker *worker = e->worker;
    const churn_source_ops *ops = source_of(worker);
    churn_source_listener listener = {.size = sizeof listener,
                                      .ctx = e,
                                      .assigned = on_assigned,
                                      .revoked = on_revoked,
                                      .passed = on_passed,
                                      .asks_headers = ops->headers != NULL && ops->reread != NULL};
    churn_error err = {.size = sizeof err};
    struct progress_line line;
    bool ended = false, ok = true;
    if (ops->start(worker->source->self, &listener, &err) != CHURN_OK) {
        return explain_state_fail(e, "source %s: %s", source_label(worker), err.message);
    }
    progress_line_begin(&line, e->pipeline->log, "explain", "records", e->arguments->quiet);
    while (ok && !ended) {
        ok = take_poll(e, &ended);
        show_progress(e, &line);
    }
    progress_line_end(&line);
    ops->stop(worker->source->self);
    return ok;
}
