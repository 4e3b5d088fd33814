#include "engine/progress.h"

#include "base/fault.h"
#include "engine/handover.h"
#include "engine/progress_internal.h"
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define POLL_MS 20      /* for an answer that is waited for */
#define ASK_AGAIN_MS 50 /* between questions whether writes are durable */
#define WHY_SIZE 512
#define FLUSH_ID (PROGRESS_ID | UINT32_MAX)
#define ALL_KINDS (CHURN_RECORD_EVENT | CHURN_RECORD_TRIGGER | CHURN_RECORD_ALERT | CHURN_RECORD_DEAD_LETTER)

void progress_free(struct progress *progress)
{
    free(progress->partitions);
    *progress = (struct progress){0};
}

bool progress_make_room(struct worker *worker)
{
    struct progress *progress = &worker->progress;
    uint32_t room = worker->sources.count + 16;
    struct partition *grown;
    if (worker->sources.count <= progress->room) {
        return true;
    }
    grown = realloc(progress->partitions, room * sizeof *grown);
    if (grown == NULL) {
        return worker_fail(worker, "out of memory");
    }
    for (uint32_t i = progress->room; i < room; i++) {
        grown[i] = (struct partition){
            .place = PLACE_NONE, .reached = NOTHING, .doubted_below = NOTHING, .stored = CHECKPOINT_NONE};
    }
    progress->partitions = grown;
    progress->room = room;
    return true;
}

/* ---- where reading begins ---- */

/* What was in flight is void: `done` begins anew, and nothing is known of the store. A replay that was not through
 * begins anew. */
static void restart(struct partition *p)
{
    p->replayed = p->replayed && p->done >= p->muted_below;
    p->again = false;
    p->place = PLACE_LOOK_UP;
    p->done = p->putting = p->durable = p->doubted_below = NOTHING;
    p->last = p->putting_last = WITNESS_NONE;
    p->proving = p->proven = p->mended = false;
    p->stored = CHECKPOINT_NONE;
    p->replayed_below = p->lettered_below = p->announced = p->muted_below = 0;
    p->reach = p->written = p->began = p->owned = 0;
    p->reached = NOTHING;
    p->muted = 0;
}

/* The source keeps no positions. */
static bool is_forgetful(const struct worker *worker)
{
    return source_of(worker)->commit == NULL;
}

bool progress_assign(struct worker *worker, const churn_position *positions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t source = sources_find(&worker->sources, positions[i].topic, positions[i].partition);
        if (source == SOURCE_NONE || !progress_make_room(worker)) {
            return worker_fail(worker, "out of memory");
        }
        struct partition *p = at(worker, source);
        restart(p);
        p->flags = positions[i].flags;
        p->position = positions[i].offset;
        p->committed = (p->flags & CHURN_POSITION_RESUMED) != 0 ? p->position : NOTHING;
        p->end = NOTHING;
        p->handed = worker->pipeline->handover != NULL && is_forgetful(worker)
                        ? handover_get(worker->pipeline->handover, positions[i].topic, positions[i].partition)
                        : NOTHING;
        p->placed = false;
    }
    return true;
}

void progress_hand_over(const struct worker *worker)
{
    for (uint32_t i = 0; worker->pipeline->handover != NULL && is_forgetful(worker) && i < count_of(worker); i++) {
        const struct partition *p = at(worker, i);
        if (p->place != PLACE_NONE && p->done != NOTHING) {
            handover_set(worker->pipeline->handover, worker->sources.items[i].topic, worker->sources.items[i].partition,
                         p->done);
        }
    }
}

bool progress_is_ours(struct worker *worker, const char *topic, int32_t partition)
{
    uint32_t source = sources_find(&worker->sources, topic, partition);
    return source < worker->progress.room && at(worker, source)->place != PLACE_NONE;
}

static void end_round(struct progress *progress)
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

/* Whatever was not settled will be read again. */
static void forget_records(struct progress *progress)
{
    progress->done = progress->putting = progress->durable = 0;
}

void progress_revoke(struct worker *worker)
{
    if (progress_waits(worker)) {
        session_close(worker); /* its answers are of no use, and nothing else may be asked before they came */
    }
    for (uint32_t i = 0; i < worker->progress.room; i++) {
        at(worker, i)->place = PLACE_NONE;
        at(worker, i)->proving = false;
    }
    end_round(&worker->progress);
    forget_records(&worker->progress);
    worker->progress.unsure = false;
}

void progress_rewind(struct worker *worker)
{
    for (uint32_t i = 0; i < count_of(worker); i++) {
        if (at(worker, i)->place != PLACE_NONE) {
            restart(at(worker, i));
        }
    }
    end_round(&worker->progress);
    forget_records(&worker->progress);
}

void progress_seek_back(struct worker *worker, uint32_t source, int64_t offset)
{
    struct partition *p = source < worker->progress.room ? at(worker, source) : NULL;
    if (p == NULL || p->place == PLACE_NONE) {
        return; /* not ours any more */
    }
    if (p->place == PLACE_LOOK_UP) {
        p->placed = true; /* it goes back further, but the source does not stand where it was assigned any more */
        return;
    }
    if (p->place == PLACE_READY || offset < p->target) {
        p->target = offset;
    }
    p->place = PLACE_SEEK;
}

bool progress_ready(const struct worker *worker)
{
    for (uint32_t i = 0; i < count_of(worker); i++) {
        if (at(worker, i)->place == PLACE_LOOK_UP || at(worker, i)->place == PLACE_SEEK) {
            return false;
        }
    }
    return true;
}

/* One that does not fit was written by a later version, and is none of ours. */
static void read_text(churn_str text, char *ret, size_t size)
{
    if (text.len < size) {
        memcpy(ret, text.ptr, text.len);
        ret[text.len] = '\0';
    }
}

/* Where its value goes, of a field that is a number; NULL: it is none. */
static int64_t *number_of(churn_str name, struct checkpoint *checkpoint, int64_t *version)
{
    return str_equals(name, "offset")     ? &checkpoint->offset
           : str_equals(name, "_v")       ? version
           : str_equals(name, "doubted")  ? &checkpoint->doubted_below
           : str_equals(name, "answered") ? &checkpoint->answered
                                          : NULL;
}

/* False when a field is not what this program writes. */
static bool read_checkpoint_field(const churn_pair *field, struct checkpoint *ret, int64_t *ret_version)
{
    int64_t *into = number_of(field->name, ret, ret_version);
    if (str_equals(field->name, "last")) {
        ret->last = witness_parse(field->value);
    } else if (str_equals(field->name, "fingerprint")) {
        read_text(field->value, ret->fingerprint, sizeof ret->fingerprint);
    } else if (str_equals(field->name, "doubter")) {
        read_text(field->value, ret->doubter, sizeof ret->doubter);
    }
    if (into == NULL || (field->value.len == 0 && (into == &ret->doubted_below || into == &ret->answered))) {
        return true;
    }
    return decimal_parse_int64(field->value.ptr, field->value.len, into) && *into >= 0;
}

/* False when the fields are no checkpoint; `why` says then which of them is wrong. */
static bool read_checkpoint(const churn_pair *fields, uint32_t count, struct checkpoint *ret, char why[WHY_SIZE])
{
    int64_t version = 0;
    why[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        if (!read_checkpoint_field(&fields[i], ret, &version)) {
            (void)snprintf(why, WHY_SIZE, "its field '%.*s' holds what this program did not write",
                           (int)fields[i].name.len, fields[i].name.ptr);
        }
    }
    if (why[0] == '\0' && count > 0 && ret->offset < 0) {
        (void)snprintf(why, WHY_SIZE, "it has no field 'offset'");
    }
    if (ret->last.offset >= ret->offset) {
        ret->last = WITNESS_NONE; /* an older churnd has put the offset since, and gone back */
    }
    if (version > 0) {
        ret->version = (uint64_t)version;
    }
    return why[0] == '\0';
}

/* What to do about a checkpoint that is wrong; always false. */
static bool fail_checkpoint(struct worker *worker, uint32_t source, const char *prefix, const char *why)
{
    char key[HOST_KEY_SIZE];
    (void)host_own_key("checkpoint", prefix, sources_name(&worker->sources.items[source]), key);
    return worker_fail(worker,
                       "%s: the checkpoint %s cannot be used: %s. Delete that key, or `churnd rebuild` under another "
                       "key_prefix: what the source still has is then read again%s, and no event counts twice",
                       worker->pipeline->store.label, key, why,
                       is_forgetful(worker) ? ", alerts and dead letters are sent again" : "");
}

/* Everything before it was answered. */
static int64_t answered_by(const struct checkpoint *checkpoint)
{
    int64_t counted = checkpoint->offset > 0 ? checkpoint->offset : 0;
    return checkpoint->answered != NOTHING && checkpoint->answered < counted ? checkpoint->answered : counted;
}

struct checkpoint_read {
    struct checkpoint found;
    char why[WHY_SIZE]; /* it is none; "": it is */
};

static int32_t on_checkpoint(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct checkpoint_read *read = ctx;
    (void)key;
    (void)read_checkpoint(fields, count, &read->found, read->why);
    return CHURN_OK;
}

/* The one under a key prefix. CHURN_OK; CHURN_RETRY when the session was lost; CHURN_REJECT: it cannot be used, and
 * read->why says why. */
static int32_t read_stored(struct worker *worker, uint32_t source, const char *prefix, struct checkpoint_read *read)
{
    char buffer[HOST_KEY_SIZE];
    churn_str name = sources_name(&worker->sources.items[source]);
    churn_str key = {.ptr = buffer, .len = host_own_key("checkpoint", prefix, name, buffer)};
    churn_error err = {.size = sizeof err};
    int32_t result;
    *read = (struct checkpoint_read){.found = CHECKPOINT_NONE};
    result = store_of(worker)->get(worker->session, key, on_checkpoint, read, &err);
    if (result == CHURN_RETRY) {
        session_lose(worker, err.message);
        return CHURN_RETRY;
    }
    if (result != CHURN_OK) {
        (void)snprintf(read->why, sizeof read->why, "%s", err.message);
    }
    return read->why[0] == '\0' ? CHURN_OK : CHURN_REJECT;
}

int32_t progress_load_checkpoint(struct worker *worker, uint32_t source)
{
    const char *prefix = worker->pipeline->store_settings.key_prefix;
    struct checkpoint_read read;
    int32_t result = read_stored(worker, source, prefix, &read);
    if (result == CHURN_OK) {
        at(worker, source)->stored = read.found;
    } else if (result == CHURN_REJECT) {
        (void)fail_checkpoint(worker, source, prefix, read.why);
        return CHURN_FATAL;
    }
    return result;
}

int32_t progress_ask_bounds(struct worker *worker, uint32_t source, int64_t *ret_low, int64_t *ret_end)
{
    const struct source_partition *s = &worker->sources.items[source];
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (source_of(worker)->bounds == NULL) {
        *ret_low = 0;
        *ret_end = INT64_MAX;
        return CHURN_OK;
    }
    result = source_of(worker)->bounds(worker->source->self, s->topic, s->partition, ret_low, ret_end, &err);
    if (result != CHURN_OK) {
        worker_stalled(worker, &worker->pipeline->source, STALL_PLACE, CHURN_LOG_WARN, "%s; waiting", err.message);
        return CHURN_RETRY;
    }
    return CHURN_OK;
}

/* The store lacks what the source does not have any more. */
static void say_gone(const struct worker *worker, uint32_t source, int64_t from, int64_t low)
{
    const struct source_partition *s = &worker->sources.items[source];
    log_printf(worker->pipeline->log, CHURN_LOG_ERROR, label_of(worker),
               "%s/%d has lost its records from offset %lld to %lld to retention, and the store what it had of them: "
               "rebuild required from a backup of the store, for reading goes on without them",
               s->topic, s->partition, (long long)from, (long long)low);
}

/* The store has nothing of a partition that was read before: it lost all, or is a new one. */
static int64_t begin_without_checkpoint(struct worker *worker, uint32_t source, int64_t low)
{
    struct partition *p = at(worker, source);
    const struct source_partition *s = &worker->sources.items[source];
    if (p->committed <= low) {
        return p->committed;
    }
    if ((p->flags & CHURN_POSITION_WHOLE) == 0) {
        log_printf(
            worker->pipeline->log, CHURN_LOG_ERROR, label_of(worker),
            "%s/%d was read up to offset %lld, but the store has no checkpoint of it: it lost its profiles, or is "
            "another one. Rebuild required: reading goes on, and the profiles lack what was before",
            s->topic, s->partition, (long long)p->committed);
        return p->committed;
    }
    log_printf(
        worker->pipeline->log, CHURN_LOG_WARN, label_of(worker),
        "%s/%d was read up to offset %lld, but the store has no checkpoint of it: rebuild required, so profiles and "
        "predictions are rebuilt from offset %lld; alerts and dead letters are not sent again",
        s->topic, s->partition, (long long)p->committed, (long long)low);
    if (low > 0) {
        say_gone(worker, source, 0, low);
    }
    p->muted_below = p->committed;
    p->muted = ALL_KINDS & ~(uint32_t)CHURN_RECORD_TRIGGER;
    return low;
}

/* Where --replay-from wants to begin. CHURN_OK or CHURN_RETRY. */
static int32_t replay_start(struct worker *worker, uint32_t source, int64_t low, int64_t *ret)
{
    const struct replay *replay = &worker->pipeline->replay;
    const struct source_partition *s = &worker->sources.items[source];
    churn_error err = {.size = sizeof err};
    int32_t result = CHURN_OK;
    if (replay->from == REPLAY_FROM_BEGINNING) {
        *ret = low;
    } else if (replay->from == REPLAY_FROM_OFFSET) {
        *ret = replay->value;
    } else if (source_of(worker)->offset_at != NULL) {
        result = source_of(worker)->offset_at(worker->source->self, s->topic, s->partition, replay->value, ret, &err);
    } else {
        (void)worker_fail(worker, "%s cannot tell which record was written when: use --replay-from with an offset",
                          label_of(worker));
        return CHURN_FATAL;
    }
    if (result != CHURN_OK) {
        worker_stalled(worker, &worker->pipeline->source, STALL_PLACE, CHURN_LOG_WARN, "%s; waiting", err.message);
        return CHURN_RETRY;
    }
    *ret = *ret < low ? low : *ret;
    return CHURN_OK;
}

static int32_t begin_replay(struct worker *worker, uint32_t source, int64_t low, int64_t *start)
{
    struct partition *p = at(worker, source);
    const struct source_partition *s = &worker->sources.items[source];
    int64_t from = 0, answered = answered_by(&p->stored);
    int64_t known = p->committed > answered ? p->committed : answered;
    int32_t result = replay_start(worker, source, low, &from);
    if (result != CHURN_OK) {
        return result;
    }
    p->replayed = true;
    if (*start >= 0 && from >= *start) {
        log_printf(worker->pipeline->log, CHURN_LOG_INFO, label_of(worker),
                   "%s/%d: nothing to replay, reading goes on from offset %lld", s->topic, s->partition,
                   (long long)*start);
        return CHURN_OK;
    }
    *start = from;
    if (!worker->pipeline->replay.outputs && known > from) {
        p->muted_below = known;
        p->muted = ALL_KINDS;
    }
    log_printf(worker->pipeline->log, CHURN_LOG_INFO, label_of(worker), "%s/%d is replayed from offset %lld%s",
               s->topic, s->partition, (long long)from,
               p->muted != 0 ? "; what was sent before is not sent again" : "");
    return CHURN_OK;
}

/* Where an earlier run, or the pipeline before a reload, has come in a source that keeps no positions itself. */
static int64_t left_off(const struct worker *worker, const struct partition *p)
{
    if (!is_forgetful(worker) || source_of(worker)->seek == NULL || worker->pipeline->redrive != NULL) {
        return NOTHING;
    }
    if (worker_has_store(worker)) {
        return p->stored.offset >= 0 ? answered_by(&p->stored) : NOTHING;
    }
    return p->handed;
}

static int32_t ask_resume(struct worker *worker, uint32_t source, struct checkpoint *checkpoint, churn_error *err)
{
    const struct source_partition *s = &worker->sources.items[source];
    if (source_of(worker)->resume == NULL || checkpoint->offset <= 0 || worker->pipeline->redrive != NULL) {
        return CHURN_OK;
    }
    return source_of(worker)->resume(worker->source->self, s->topic, s->partition, checkpoint->fingerprint,
                                     &checkpoint->offset, err);
}

/* How far the pipeline that is rebuilt has come: nowhere, where it was in another partition or its checkpoint is
 * damaged. CHURN_OK or CHURN_RETRY. */
static int32_t load_owned(struct worker *worker, uint32_t source)
{
    struct checkpoint_read own;
    churn_error err = {.size = sizeof err};
    int32_t result = read_stored(worker, source, worker->pipeline->rebuilt, &own);
    if (result == CHURN_OK) {
        result = ask_resume(worker, source, &own.found, &err);
    }
    if (result == CHURN_OK && own.found.doubted_below == NOTHING) {
        at(worker, source)->owned = answered_by(&own.found);
    }
    return result == CHURN_RETRY ? CHURN_RETRY : CHURN_OK;
}

/* Whether the partition still holds what was counted of it; where it was not whole then, the checkpoint is lowered.
 * CHURN_OK, CHURN_RETRY, CHURN_FATAL. */
static int32_t resume(struct worker *worker, uint32_t source)
{
    churn_error err = {.size = sizeof err};
    int32_t result = ask_resume(worker, source, &at(worker, source)->stored, &err);
    if (result == CHURN_RETRY) {
        log_printf(worker->pipeline->log, CHURN_LOG_DEBUG, label_of(worker), "%s", err.message);
    } else if (result == CHURN_REJECT) {
        (void)fail_checkpoint(worker, source, worker->pipeline->store_settings.key_prefix, err.message);
        return CHURN_FATAL;
    } else if (result != CHURN_OK) {
        (void)worker_fail(worker, "%s: %s", label_of(worker), err.message);
        return CHURN_FATAL;
    }
    return result;
}

static void say_goes_on(const struct worker *worker, uint32_t source, int64_t start)
{
    const struct source_partition *s = &worker->sources.items[source];
    log_printf(worker->pipeline->log, CHURN_LOG_INFO, label_of(worker), "%s/%d: reading goes on from offset %lld%s",
               s->topic, s->partition, (long long)start,
               at(worker, source)->handed == NOTHING
                   ? ", where an earlier run has come (--replay-from beginning reads all of it again)"
                   : "");
}

static void say_rebuilt(const struct worker *worker, uint32_t source, int64_t start)
{
    const struct source_partition *s = &worker->sources.items[source];
    log_printf(worker->pipeline->log, CHURN_LOG_INFO, label_of(worker),
               "%s/%d: a rebuild has counted everything before offset %lld, and sent nothing: what follows from events "
               "from offset %lld on is sent, and no event counts twice",
               s->topic, s->partition, (long long)at(worker, source)->stored.offset,
               (long long)(start > 0 ? start : 0));
}

/* Decides where to begin, with the checkpoint known: what the store may lack is read again. *ret_low is where the
 * partition begins, as far as it was asked. CHURN_OK, CHURN_RETRY, CHURN_FATAL. */
static int32_t choose_start(struct worker *worker, uint32_t source, int64_t *ret, int64_t *ret_low)
{
    struct partition *p = at(worker, source);
    int64_t low = 0, start = p->position, checkpoint = p->stored.offset;
    bool replays = worker->pipeline->replay.from != REPLAY_OFF && !p->replayed;
    int32_t result = worker_has_store(worker) || replays || p->placed
                         ? progress_ask_bounds(worker, source, &low, &p->end)
                         : CHURN_OK;
    if (result != CHURN_OK) {
        return result;
    }
    if (checkpoint > p->end && worker->pipeline->redrive != NULL) {
        checkpoint = NOTHING; /* what a new topic of dead letters holds is told by their own positions */
    } else if (checkpoint > p->end) {
        (void)proof_refuse_short(worker, source, "the store has", checkpoint, p->end);
        return CHURN_FATAL;
    } else if (worker_has_store(worker) && checkpoint == NOTHING && p->committed >= 0) {
        start = begin_without_checkpoint(worker, source, low);
    } else if (checkpoint >= 0 && p->committed > checkpoint) {
        start = checkpoint;
    } else if (checkpoint >= 0 && p->committed == NOTHING && start > checkpoint) {
        start = checkpoint; /* a new group that begins at the end: profiles go on where they are */
    } else if (p->committed > start) {
        start = p->committed; /* a rewind: on from where this run had come */
    } else if (left_off(worker, p) > start) {
        start = left_off(worker, p);
    }
    if (start >= 0 && start < low && p->committed > start) {
        say_gone(worker, source, start, low);
        start = low;
    }
    if (is_forgetful(worker) && start > 0 && !replays) {
        say_goes_on(worker, source, start);
    }
    if (checkpoint > answered_by(&p->stored) && !worker->pipeline->profiles_only && !replays) {
        say_rebuilt(worker, source, start);
    }
    p->replayed_below = checkpoint > 0 ? checkpoint : 0;
    p->lettered_below = p->announced < p->end ? p->announced : p->end; /* none of what did not exist yet */
    if (replays) {
        result = begin_replay(worker, source, low, &start);
    }
    *ret = start < 0 && p->placed ? low : start;
    *ret_low = low;
    return result;
}

static void say_rewound(const struct worker *worker, uint32_t source, int64_t from, int64_t to)
{
    const struct source_partition *s = &worker->sources.items[source];
    log_printf(worker->pipeline->log, CHURN_LOG_WARN, label_of(worker),
               "%s/%d: the store is sure of everything before offset %lld only, the source of %lld: going back there",
               s->topic, s->partition, (long long)to, (long long)from);
    metrics_add_own(worker->counters.rewinds, 1);
}

/* CHURN_OK, CHURN_RETRY, CHURN_FATAL. */
static int32_t look_up(struct worker *worker, uint32_t source)
{
    struct partition *p = at(worker, source);
    int64_t start = NOTHING, low = 0;
    int32_t result = worker_has_store(worker) ? progress_load_checkpoint(worker, source) : CHURN_OK;
    if (result == CHURN_OK && worker_has_store(worker) && worker->pipeline->redrive == NULL) {
        result = reach_load(worker, source);
    }
    if (result == CHURN_OK && worker->pipeline->profiles_only) {
        result = load_owned(worker, source);
    }
    if (result == CHURN_OK) {
        result = resume(worker, source);
    }
    if (result == CHURN_OK) {
        result = choose_start(worker, source, &start, &low);
    }
    if (result != CHURN_OK) {
        return result;
    }
    if (start >= 0 && p->committed > start && p->muted == 0) {
        say_rewound(worker, source, p->committed, start);
    }
    p->began = start > 0 ? start : 0;
    result = proof_begin(worker, source, low, &start);
    if (result != CHURN_OK) {
        return result;
    }
    p->target = start;
    p->place = !p->placed && start == p->position ? PLACE_READY : PLACE_SEEK;
    p->placed = true;
    return CHURN_OK;
}

static bool seek(struct worker *worker, uint32_t source)
{
    struct partition *p = at(worker, source);
    const struct source_partition *s = &worker->sources.items[source];
    churn_position to = {.topic = s->topic, .partition = s->partition, .offset = p->target};
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (source_of(worker)->seek == NULL) {
        return worker_fail(worker, "%s: %s/%d cannot be read again from offset %lld: the source has no way back",
                           label_of(worker), s->topic, s->partition, (long long)p->target);
    }
    result = source_of(worker)->seek(worker->source->self, &to, &err);
    if (result == CHURN_OK) {
        p->place = PLACE_READY;
        worker->at_end = false;
        worker->moved = true;
        return true;
    }
    if (result != CHURN_RETRY) {
        return worker_fail(worker, "source %s: %s", label_of(worker), err.message);
    }
    log_printf(worker->pipeline->log, CHURN_LOG_DEBUG, label_of(worker), "%s", err.message);
    return true;
}

bool progress_place(struct worker *worker)
{
    for (uint32_t i = 0; i < count_of(worker); i++) {
        if (at(worker, i)->place == PLACE_LOOK_UP) {
            bool busy = worker->progress.round != ROUND_NONE || session_is_writing(worker);
            if (worker_has_store(worker) && (worker->session == NULL || busy)) {
                continue;
            }
            if (look_up(worker, i) == CHURN_FATAL) {
                return false;
            }
        }
        if (at(worker, i)->place == PLACE_SEEK && !seek(worker, i)) {
            return false;
        }
    }
    if (progress_ready(worker)) {
        worker_goes_on(worker, &worker->pipeline->source, STALL_PLACE, NULL);
    }
    return true;
}

/* ---- commits ---- */

bool progress_note_done(struct worker *worker, const struct window *window)
{
    for (uint32_t i = 0; i < window->position_count; i++) {
        uint32_t source = window->positions[i].source;
        struct partition *p = source < worker->progress.room ? at(worker, source) : NULL;
        if (p != NULL && p->place != PLACE_NONE && p->place != PLACE_LOOK_UP) {
            p->done = window->positions[i].next;
            p->last = window->positions[i].last.offset >= 0 ? window->positions[i].last : p->last;
        }
    }
    worker->progress.done += window->record_count;
    if (!worker_has_store(worker)) {
        worker->progress.durable = worker->progress.done;
    }
    return true;
}

bool progress_note_passed(struct worker *worker, uint32_t source, int64_t offset)
{
    struct window *window = window_filling(worker);
    const struct partition *p = source < worker->progress.room ? at(worker, source) : NULL;
    if (p == NULL || p->place != PLACE_READY || proof_passed(worker, source, offset)) {
        return true; /* read again, or not ours any more */
    }
    if (window_is_empty(window)) {
        window->opened_ms = host_monotonic_ms();
    }
    if (!window_note_passed(window, source, offset)) {
        return worker_fail(worker, "out of memory");
    }
    progress_note_read(worker, source, offset - 1);
    return true;
}

/* What can be committed. */
static int64_t committable(const struct worker *worker, const struct partition *p)
{
    return worker_has_store(worker) ? p->durable : p->done;
}

static bool is_due(const struct worker *worker, const struct partition *p)
{
    return p->place != PLACE_NONE && committable(worker, p) > p->committed;
}

static bool is_unstored(const struct worker *worker, const struct partition *p)
{
    return worker_has_store(worker) && p->place != PLACE_NONE && p->done > p->durable;
}

bool progress_settled(const struct worker *worker)
{
    bool settled = worker->progress.round == ROUND_NONE && !worker->progress.held;
    for (uint32_t i = 0; i < count_of(worker); i++) {
        settled = settled && !is_unstored(worker, at(worker, i));
    }
    return settled;
}

int64_t progress_unsettled(const struct worker *worker)
{
    const struct progress *progress = &worker->progress;
    return progress_settled(worker) ? 0 : (int64_t)(progress->done - progress->durable);
}

/* Asks the processors, before anything of their events is let go of. */
static bool may_let_go(struct worker *worker)
{
    worker->progress.held = !processors_checkpoint(worker);
    return !worker->progress.held;
}

/* What the source is to be told: all that it does not know and, with `all`, what it may have missed. The caller frees.
 */
static churn_position *positions_to_tell(const struct worker *worker, bool all, uint32_t *ret_count)
{
    churn_position *positions = calloc(count_of(worker) + 1u, sizeof *positions);
    *ret_count = 0;
    for (uint32_t i = 0; positions != NULL && i < count_of(worker); i++) {
        const struct partition *p = at(worker, i);
        if (is_due(worker, p) ||
            (all && p->place != PLACE_NONE && p->committed > 0 && p->committed == committable(worker, p))) {
            positions[(*ret_count)++] = (churn_position){.topic = worker->sources.items[i].topic,
                                                         .partition = worker->sources.items[i].partition,
                                                         .offset = committable(worker, p)};
        }
    }
    return positions;
}

/* Tells the source what is done for good. A commit that fails costs a repeat and nothing else: the marks know better.
 * One that is not waited for may fail unseen, so the next one that is tells everything again. Never tells less than the
 * source knows, so that a replay that is cut off leaves the group where it was. */
static void tell_source(struct worker *worker, bool wait)
{
    struct progress *progress = &worker->progress;
    churn_error err = {.size = sizeof err};
    uint32_t count;
    churn_position *positions;
    if (source_of(worker)->commit == NULL) {
        return;
    }
    positions = positions_to_tell(worker, wait && progress->unsure, &count);
    if (count > 0 && (worker_has_store(worker) || may_let_go(worker))) {
        FAILPOINT("before_commit");
        worker_enter(worker, &worker->pipeline->source);
        int32_t result = source_of(worker)->commit(worker->source->self, positions, count, wait, &err);
        worker_enter(worker, NULL);
        if (result == CHURN_OK) {
            for (uint32_t i = 0; i < count_of(worker); i++) {
                struct partition *p = at(worker, i);
                p->committed = is_due(worker, p) ? committable(worker, p) : p->committed;
            }
            progress->unsure = !wait;
        }
        FAILPOINT("after_commit");
    }
    free(positions);
}

/* The newest checkpoints are durable. */
static void finish_round(struct worker *worker)
{
    for (uint32_t i = 0; i < count_of(worker); i++) {
        struct partition *p = at(worker, i);
        p->durable = p->putting != NOTHING ? p->putting : p->durable;
    }
    worker->progress.durable = worker->progress.putting;
    end_round(&worker->progress);
    worker->moved = true;
    if (!worker->progress.refused) {
        worker_goes_on(worker, &worker->pipeline->store, STALL_CHECKPOINT, NULL);
    }
}

static void flush(struct worker *worker)
{
    churn_error err = {.size = sizeof err};
    int32_t result =
        store_of(worker)->flush != NULL ? store_of(worker)->flush(worker->session, FLUSH_ID, &err) : CHURN_OK;
    if (result == CHURN_OK) {
        finish_round(worker);
    } else if (result == CHURN_PENDING) {
        worker->progress.round = ROUND_FLUSHING;
    } else {
        session_lose(worker, err.message);
    }
}

/* The source's fingerprint of what lies before `offset`; empty where it has none. */
static churn_str fingerprint_of(struct worker *worker, uint32_t source, int64_t offset,
                                char text[CHURN_FINGERPRINT_SIZE])
{
    const struct source_partition *s = &worker->sources.items[source];
    churn_error err = {.size = sizeof err};
    bool known =
        source_of(worker)->fingerprint != NULL && worker->pipeline->redrive == NULL &&
        source_of(worker)->fingerprint(worker->source->self, s->topic, s->partition, offset, text, &err) == CHURN_OK;
    return (churn_str){.ptr = text, .len = known ? (uint32_t)strnlen(text, CHURN_FINGERPRINT_SIZE) : 0};
}

/* What is put is never behind what is stored, which another member may have put. */
static struct checkpoint next_checkpoint(const struct worker *worker, const struct partition *p)
{
    struct checkpoint next = p->stored;
    int64_t answered = answered_by(&p->stored);
    int64_t come = worker->pipeline->profiles_only ? p->owned : p->putting;
    next.version++;
    if (p->putting > next.offset) {
        next.offset = p->putting;
        next.last = p->putting_last.offset >= 0 ? p->putting_last : next.last;
    }
    answered = come > answered ? come : answered;
    next.answered = answered < next.offset ? answered : NOTHING;
    if (p->doubted_below >= 0) {
        next.doubted_below = p->doubted_below;
        memcpy(next.doubter, p->doubter, sizeof next.doubter);
    } else if (p->proven || p->mended) {
        next.doubted_below = NOTHING;
        next.doubter[0] = '\0';
    }
    return next;
}

/* False when the session is lost. */
static bool put_checkpoint(struct worker *worker, uint32_t source)
{
    struct partition *p = at(worker, source);
    struct checkpoint next = next_checkpoint(worker, p);
    int64_t offset = next.offset > 0 ? next.offset : 0;
    char key[HOST_KEY_SIZE], number[24], last[WITNESS_SIZE], doubted[24], answered[24];
    char fingerprint[CHURN_FINGERPRINT_SIZE];
    churn_error err = {.size = sizeof err};
    churn_pair fields[6] = {{.name = {.ptr = "offset", .len = 6}, .value = {.ptr = number}},
                            {.name = {.ptr = "last", .len = 4}, .value = {.ptr = last}}};
    churn_put put = {.size = sizeof put,
                     .key = own_key(worker, source, "checkpoint", key),
                     .fields = fields,
                     .count = 2,
                     .id = PROGRESS_ID | source,
                     .expected_version = p->stored.version};
    churn_str print = fingerprint_of(worker, source, offset, fingerprint);
    fields[0].value.len = (uint32_t)snprintf(number, sizeof number, "%" PRId64, offset);
    fields[1].value.len = witness_format(next.last, last);
    if (print.len > 0) {
        fields[put.count++] = (churn_pair){.name = {.ptr = "fingerprint", .len = 11}, .value = print};
    }
    if (next.answered != p->stored.answered) {
        int len = next.answered >= 0 ? snprintf(answered, sizeof answered, "%" PRId64, next.answered) : 0;
        fields[put.count++] =
            (churn_pair){.name = {.ptr = "answered", .len = 8}, .value = {.ptr = answered, .len = (uint32_t)len}};
    }
    if (next.doubted_below != p->stored.doubted_below || strcmp(next.doubter, p->stored.doubter) != 0) {
        int len = next.doubted_below >= 0 ? snprintf(doubted, sizeof doubted, "%" PRId64, next.doubted_below) : 0;
        fields[put.count++] =
            (churn_pair){.name = {.ptr = "doubted", .len = 7}, .value = {.ptr = doubted, .len = (uint32_t)len}};
        fields[put.count++] = (churn_pair){.name = {.ptr = "doubter", .len = 7},
                                           .value = {.ptr = next.doubter, .len = (uint32_t)strlen(next.doubter)}};
    }
    if (store_of(worker)->put(worker->session, &put, &err) != CHURN_OK) {
        session_lose(worker, err.message);
        return false;
    }
    p->again = false;
    p->asked = true;
    worker->progress.unanswered++;
    return true;
}

/* Puts the checkpoints of the round that are not with the store. */
static void put_checkpoints(struct worker *worker)
{
    for (uint32_t i = 0; i < count_of(worker); i++) {
        if (at(worker, i)->again && !put_checkpoint(worker, i)) {
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
    for (uint32_t i = 0; i < count_of(worker); i++) {
        struct partition *p = at(worker, i);
        if (is_unstored(worker, p) && p->place != PLACE_LOOK_UP) {
            if (!asked && !may_let_go(worker)) {
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
static bool take_conflict(struct worker *worker, uint32_t source, const churn_put_reply *reply)
{
    struct partition *p = at(worker, source);
    struct checkpoint found = CHECKPOINT_NONE;
    char why[WHY_SIZE];
    if (!read_checkpoint(reply->fields, reply->count, &found, why)) {
        return fail_checkpoint(worker, source, worker->pipeline->store_settings.key_prefix, why);
    }
    found.version = reply->version;
    if (found.version < p->stored.version && !MUTANT("identity")) {
        worker->store_went_back = true;
    }
    p->stored = found;
    p->again = (worker->pipeline->profiles_only ? found.offset : answered_by(&found)) < p->putting ||
               (p->doubted_below >= 0 && found.doubted_below != p->doubted_below);
    return true;
}

static void take_flushed(struct worker *worker, const churn_put_reply *reply)
{
    if (reply->result == CHURN_OK) {
        finish_round(worker);
        tell_source(worker, false);
    } else {
        worker->progress.round = ROUND_WAITING;
        worker->progress.ask_again_ms = host_monotonic_ms() + ASK_AGAIN_MS;
    }
}

bool progress_owes(const struct worker *worker, uint64_t id)
{
    return id == FLUSH_ID ? worker->progress.round == ROUND_FLUSHING
                          : (id & ~PROGRESS_ID) < count_of(worker) && at(worker, (uint32_t)id)->asked;
}

bool progress_take_reply(struct worker *worker, const churn_put_reply *reply)
{
    struct partition *p;
    uint32_t source = (uint32_t)reply->id;
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
    p = at(worker, source);
    p->asked = false;
    worker->progress.unanswered--;
    if (reply->result == CHURN_OK) {
        p->stored = next_checkpoint(worker, p);
    } else if (reply->result == CHURN_RETRY) {
        p->putting = NOTHING; /* not in this round */
        worker->progress.refused = true;
    } else {
        return take_conflict(worker, source, reply);
    }
    return true;
}

void progress_session_lost(struct worker *worker)
{
    end_round(&worker->progress);
}

bool progress_waits(const struct worker *worker)
{
    return worker->progress.unanswered > 0 || worker->progress.round == ROUND_FLUSHING;
}

/* Once every checkpoint of the round is answered: is all of it durable? */
static void continue_round(struct worker *worker)
{
    put_checkpoints(worker);
    if (worker->progress.round == ROUND_PUTTING && worker->progress.unanswered == 0) {
        flush(worker);
        if (worker->progress.round == ROUND_NONE && worker->session != NULL) {
            tell_source(worker, false);
        }
    }
}

void progress_step(struct worker *worker, bool due)
{
    if (!worker_has_store(worker)) {
        if (due) {
            tell_source(worker, false);
        }
        return;
    }
    if (worker->session == NULL || worker->store_went_back) {
        return;
    }
    switch (worker->progress.round) {
    case ROUND_PUTTING:
        continue_round(worker);
        break;
    case ROUND_WAITING:
        if (host_monotonic_ms() >= worker->progress.ask_again_ms) {
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

bool progress_put_now(struct worker *worker, uint32_t source, int64_t limit_ms)
{
    int64_t deadline = host_monotonic_ms() + limit_ms;
    end_round(&worker->progress);
    at(worker, source)->again = true;
    at(worker, source)->putting = answered_by(&at(worker, source)->stored);
    while ((at(worker, source)->again || progress_waits(worker)) && host_monotonic_ms() < deadline) {
        put_checkpoints(worker);
        if (worker->session == NULL || !session_poll(worker, NULL, POLL_MS)) {
            return false;
        }
    }
    return at(worker, source)->stored.doubted_below == at(worker, source)->doubted_below;
}

bool progress_commit(struct worker *worker, int64_t limit_ms)
{
    static const struct timespec nap = {.tv_nsec = 1000000};
    int64_t deadline = host_monotonic_ms() + limit_ms;
    /* A window that could not be finished in time still waits for answers: only what was durable before it counts. */
    while (worker->session != NULL && !session_is_writing(worker) && !worker->store_went_back &&
           !progress_settled(worker) && host_monotonic_ms() < deadline) {
        worker->moved = false;
        progress_step(worker, true);
        if (worker->failed || !session_poll(worker, NULL, 1)) {
            return false;
        }
        if (!worker->moved) {
            (void)nanosleep(&nap, NULL);
        }
    }
    reach_settle(worker);
    tell_source(worker, true);
    while (!worker_has_store(worker) && worker->progress.held && !worker->failed && host_monotonic_ms() < deadline) {
        (void)nanosleep(&nap, NULL);
        tell_source(worker, true);
    }
    return !worker->failed;
}

/* ---- what the intake asks ---- */

uint32_t progress_muted(const struct worker *worker, uint32_t source, int64_t offset)
{
    const struct partition *p = source < worker->progress.room ? at(worker, source) : NULL;
    return p != NULL && offset < p->muted_below ? p->muted : 0;
}

bool progress_is_replayed(const struct worker *worker, uint32_t source, int64_t offset)
{
    return source < worker->progress.room && offset < at(worker, source)->replayed_below;
}

bool progress_is_lettered(const struct worker *worker, uint32_t source, int64_t offset)
{
    return source < worker->progress.room && offset < at(worker, source)->lettered_below;
}

void progress_note_read(struct worker *worker, uint32_t source, int64_t offset)
{
    if (source < worker->progress.room && offset >= at(worker, source)->end) {
        at(worker, source)->end = offset + 1;
    }
}
