#include "engine/placing.h"

#include "engine/checkpoint.h"
#include "engine/forgetting.h"
#include "engine/partitions.h"
#include "engine/passing_over.h"
#include "engine/proof.h"
#include "engine/reach.h"
#include "engine/redrive_scope.h"
#include "engine/stalled.h"

#define ALL_KINDS (CHURN_RECORD_EVENT | CHURN_RECORD_TRIGGER | CHURN_RECORD_ALERT | CHURN_RECORD_DEAD_LETTER)

/* The store lacks what the source does not have any more. */
static void say_gone(const struct worker *worker, uint32_t part, int64_t from, int64_t low)
{
    const struct part *s = &worker->parts.items[part];
    log_printf(worker->pipeline->log, CHURN_LOG_ERROR, source_label(worker),
               "%s/%d has lost its records from offset %lld to %lld (%lld offsets) to retention, and the store what it "
               "had of them: rebuild required from a backup of the store, for reading goes on without them",
               s->topic, s->partition, (long long)from, (long long)low, (long long)(low - from));
    metrics_add_own(worker->counters.gaps, 1);
}

static void say_letters_gone(const struct worker *worker, uint32_t part, int64_t from, int64_t low)
{
    const struct part *s = &worker->parts.items[part];
    log_printf(
        worker->pipeline->log, CHURN_LOG_WARN, source_label(worker),
        "%s/%d: the dead letters from offset %lld to %lld are gone (retention) and cannot be put back; a rebuild "
        "counts those of their events that the topics still hold",
        s->topic, s->partition, (long long)from, (long long)low - 1);
}

/* Of what the store lacks nothing can be read again, which was said: it is told to begin here, so that the next start
 * does not say it once more. */
static int64_t begin_at_committed(struct partition *p)
{
    p->done = p->committed;
    return p->committed;
}

static void say_rebuilds(const struct worker *worker, uint32_t part, int64_t low)
{
    const struct partition *p = partition_find(worker, part);
    const struct part *s = &worker->parts.items[part];
    bool has_profiles = p->reached != NOTHING || p->announced > 0; /* it lost only the checkpoint, or has begun anew */
    log_printf(worker->pipeline->log, CHURN_LOG_WARN, source_label(worker),
               "%s/%d was read up to offset %lld, but the store has no checkpoint of it: rebuild required, so profiles "
               "and predictions are rebuilt from offset %lld; alerts are not sent again, dead letters are%s",
               s->topic, s->partition, (long long)p->committed, (long long)low,
               has_profiles ? ""
                            : ". Those of before belong to the lost profiles: `churnd redrive --since` with the time "
                              "of this line leaves them out");
}

/* Of dead letters that an earlier redrive has put back: the store is older than that, or lost all. */
static void say_put_back_anew(const struct worker *worker, uint32_t part, int64_t low)
{
    const struct part *s = &worker->parts.items[part];
    log_printf(
        worker->pipeline->log, CHURN_LOG_WARN, source_label(worker),
        "%s/%d was put back up to offset %lld, but the store has no checkpoint of it: its dead letters are put "
        "back again from offset %lld, and none counts twice in profiles that came back%s",
        s->topic, s->partition, (long long)partition_find(worker, part)->committed, (long long)low,
        worker->pipeline->redrive->since_ms != INT64_MIN
            ? ""
            : ". Where all profiles were lost, stop this and give `--since` with the time of the first \"rebuild "
              "required\" in the pipeline's own log");
}

/* The store has nothing of a partition that was read before: it lost all, or is a new one. */
static int64_t begin_without_checkpoint(struct worker *worker, uint32_t part, int64_t low)
{
    struct partition *p = partition_at(worker, part);
    const struct part *s = &worker->parts.items[part];
    if (p->committed <= 0 || p->committed < low) {
        return p->committed; /* nothing was counted, or the source says itself that it lacks what is to be read */
    }
    if (p->committed == low) {
        log_printf(worker->pipeline->log, CHURN_LOG_ERROR, source_label(worker),
                   "%s/%d was read up to offset %lld, but the store has no checkpoint of it: it lost its profiles, or "
                   "is another one; and the %lld offsets before are lost to retention. Rebuild required from a backup "
                   "of the store, for reading goes on without them",
                   s->topic, s->partition, (long long)p->committed, (long long)low);
        metrics_add_own(worker->counters.gaps, 1);
        return begin_at_committed(p);
    }
    if ((p->flags & CHURN_POSITION_WHOLE) == 0) {
        log_printf(
            worker->pipeline->log, CHURN_LOG_ERROR, source_label(worker),
            "%s/%d was read up to offset %lld, but the store has no checkpoint of it: it lost its profiles, or is "
            "another one. Rebuild required: reading goes on, and the profiles lack what was before",
            s->topic, s->partition, (long long)p->committed);
        metrics_add_own(worker->counters.gaps, 1);
        return begin_at_committed(p);
    }
    (worker->pipeline->redrive != NULL ? say_put_back_anew : say_rebuilds)(worker, part, low);
    metrics_add_own(worker->counters.rewinds, 1);
    if (low > 0) {
        say_gone(worker, part, 0, low);
    }
    p->muted_below = p->committed;
    p->muted = ALL_KINDS & ~(uint32_t)(CHURN_RECORD_TRIGGER | CHURN_RECORD_DEAD_LETTER); /* judged anew */
    return low;
}

/* Where --replay-from wants to begin. CHURN_OK or CHURN_RETRY. */
static int32_t replay_start(struct worker *worker, uint32_t part, int64_t low, int64_t *ret)
{
    const struct replay *replay = &worker->pipeline->replay;
    const struct part *s = &worker->parts.items[part];
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
                          source_label(worker));
        return CHURN_FATAL;
    }
    if (result != CHURN_OK) {
        worker_stalled(worker, &worker->pipeline->source, STALL_PLACE, CHURN_LOG_WARN, "%s; waiting", err.message);
        return CHURN_RETRY;
    }
    *ret = *ret < low ? low : *ret;
    return CHURN_OK;
}

static int32_t begin_replay(struct worker *worker, uint32_t part, int64_t low, int64_t *start)
{
    struct partition *p = partition_at(worker, part);
    const struct part *s = &worker->parts.items[part];
    int64_t from = 0, answered = checkpoint_answered(&p->stored);
    int64_t known = p->committed > answered ? p->committed : answered;
    int32_t result = replay_start(worker, part, low, &from);
    if (result != CHURN_OK) {
        return result;
    }
    p->replayed = true;
    if (*start >= 0 && from >= *start) {
        log_printf(worker->pipeline->log, CHURN_LOG_INFO, source_label(worker),
                   "%s/%d: nothing to replay, reading goes on from offset %lld", s->topic, s->partition,
                   (long long)*start);
        return CHURN_OK;
    }
    *start = from;
    p->replay_to = known > from ? known : 0;
    if (!worker->pipeline->replay.outputs && known > from) {
        p->muted_below = known;
        p->muted = ALL_KINDS;
    }
    log_printf(worker->pipeline->log, CHURN_LOG_INFO, source_label(worker), "%s/%d is replayed from offset %lld%s",
               s->topic, s->partition, (long long)from,
               p->muted != 0 ? "; what was sent before is not sent again" : "");
    return CHURN_OK;
}

/* A rebuild reads all that there is, whatever its group or an earlier one under the same prefix has read: what was
 * counted is not counted again. What is there no more, and was not counted before, its profiles lack. */
static void begin_rebuild(struct worker *worker, uint32_t part, int64_t low, int64_t *start)
{
    struct partition *p = partition_at(worker, part);
    const struct part *s = &worker->parts.items[part];
    int64_t counted = p->stored.offset > 0 ? p->stored.offset : 0;
    if (low > counted) {
        log_printf(worker->pipeline->log, CHURN_LOG_WARN, source_label(worker),
                   "%s/%d: offsets %lld to %lld are gone (retention), so the profiles under %s lack their events",
                   s->topic, s->partition, (long long)counted, (long long)low - 1,
                   worker->pipeline->store_settings.key_prefix);
    }
    p->replayed = true;
    *start = low;
}

/* Where an earlier run, or the pipeline before a reload, has come in a source that keeps no positions itself. */
static int64_t left_off(const struct worker *worker, const struct partition *p)
{
    if (!is_forgetful(worker) || source_of(worker)->seek == NULL || worker->pipeline->redrive != NULL) {
        return NOTHING;
    }
    if (worker_has_store(worker)) {
        return p->stored.offset >= 0 ? checkpoint_answered(&p->stored) : NOTHING;
    }
    return p->handed;
}

static int32_t ask_resume(struct worker *worker, uint32_t part, struct checkpoint *checkpoint, churn_error *err)
{
    const struct part *s = &worker->parts.items[part];
    if (source_of(worker)->resume == NULL || checkpoint->offset <= 0 || worker->pipeline->redrive != NULL) {
        return CHURN_OK;
    }
    return source_of(worker)->resume(worker->source->self, s->topic, s->partition, checkpoint->fingerprint,
                                     &checkpoint->offset, err);
}

/* How far the pipeline that is rebuilt has come: nowhere, where it was in another partition or its checkpoint is
 * damaged. CHURN_OK or CHURN_RETRY. */
static int32_t load_owned(struct worker *worker, uint32_t part)
{
    struct checkpoint_read own;
    churn_error err = {.size = sizeof err};
    int32_t result = checkpoint_read_under(worker, part, worker->pipeline->rebuilt, &own);
    if (result == CHURN_OK) {
        result = ask_resume(worker, part, &own.found, &err);
    }
    if (result == CHURN_OK && own.found.doubted_below == NOTHING) {
        partition_at(worker, part)->owned = checkpoint_answered(&own.found);
    }
    return result == CHURN_RETRY ? CHURN_RETRY : CHURN_OK;
}

/* Whether the partition still holds what was counted of it; where it was not whole then, the checkpoint is lowered.
 * CHURN_OK, CHURN_RETRY, CHURN_FATAL. */
static int32_t resume(struct worker *worker, uint32_t part)
{
    churn_error err = {.size = sizeof err};
    int32_t result = ask_resume(worker, part, &partition_at(worker, part)->stored, &err);
    if (result == CHURN_RETRY) {
        log_printf(worker->pipeline->log, CHURN_LOG_DEBUG, source_label(worker), "%s", err.message);
    } else if (result == CHURN_REJECT) {
        (void)checkpoint_fail(worker, part, worker->pipeline->store_settings.key_prefix, err.message);
        return CHURN_FATAL;
    } else if (result != CHURN_OK) {
        (void)worker_fail(worker, "%s: %s", source_label(worker), err.message);
        return CHURN_FATAL;
    }
    return result;
}

static void say_goes_on(const struct worker *worker, uint32_t part, int64_t start)
{
    const struct part *s = &worker->parts.items[part];
    log_printf(worker->pipeline->log, CHURN_LOG_INFO, source_label(worker), "%s/%d: reading goes on from offset %lld%s",
               s->topic, s->partition, (long long)start,
               partition_at(worker, part)->handed == NOTHING
                   ? ", where an earlier run has come (--replay-from beginning reads all of it again)"
                   : "");
}

static void say_rebuilt(const struct worker *worker, uint32_t part, int64_t start)
{
    const struct part *s = &worker->parts.items[part];
    log_printf(worker->pipeline->log, CHURN_LOG_INFO, source_label(worker),
               "%s/%d: a rebuild has counted everything before offset %lld, and sent nothing: what follows from events "
               "from offset %lld on is sent, and no event counts twice",
               s->topic, s->partition, (long long)partition_at(worker, part)->stored.offset,
               (long long)(start > 0 ? start : 0));
}

/* --replay-from was given, and is yet to be followed here. */
static bool is_to_replay(const struct worker *worker, const struct partition *p)
{
    return worker->pipeline->replay.from != REPLAY_OFF && !p->replayed;
}

/* Below which offset dead letters may be there already: as far as the store was told, and, where it came back older, as
 * far as was read before; none of what did not exist yet. */
static int64_t letters_reach(const struct partition *p, int64_t checkpoint)
{
    int64_t reach = p->announced > p->lettered ? p->announced : p->lettered;
    if (checkpoint >= 0 && p->committed > checkpoint && p->committed > reach) {
        reach = p->committed;
    }
    return reach < p->end ? reach : p->end;
}

/* Decides where to begin, with the checkpoint known: what the store may lack is read again. *ret_low is where the
 * partition begins, as far as it was asked. CHURN_OK, CHURN_RETRY, CHURN_FATAL. */
static int32_t choose_start(struct worker *worker, uint32_t part, int64_t *ret, int64_t *ret_low)
{
    struct partition *p = partition_at(worker, part);
    int64_t low = 0, start = p->position, checkpoint = p->stored.offset;
    bool replays = is_to_replay(worker, p), rebuilds = replays && worker->pipeline->profiles_only;
    int32_t result = worker_has_store(worker) || replays || p->placed
                         ? partitions_ask_bounds(worker, part, &low, &p->end)
                         : CHURN_OK;
    if (result != CHURN_OK) {
        return result;
    }
    if (checkpoint > p->end && worker->pipeline->redrive != NULL) {
        checkpoint = NOTHING; /* what a new topic of dead letters holds is told by their own positions */
    } else if (checkpoint > p->end) {
        (void)proof_refuse_short(worker, part, "the store has", checkpoint, p->end);
        return CHURN_FATAL;
    } else if (rebuilds) {
        begin_rebuild(worker, part, low, &start);
    } else if (worker_has_store(worker) && checkpoint == NOTHING && p->committed >= 0) {
        start = begin_without_checkpoint(worker, part, low);
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
        say_gone(worker, part, start, low);
        start = low;
    } else if (start >= 0 && start < low && worker->pipeline->redrive != NULL) {
        say_letters_gone(worker, part, start, low);
        start = low;
    }
    if (is_forgetful(worker) && start > 0 && !replays) {
        say_goes_on(worker, part, start);
    }
    if (checkpoint > checkpoint_answered(&p->stored) && !worker->pipeline->profiles_only && !replays) {
        say_rebuilt(worker, part, start);
    }
    p->replayed_below = checkpoint > 0 ? checkpoint : 0;
    p->lettered_below = letters_reach(p, checkpoint);
    if (replays && !rebuilds) {
        result = begin_replay(worker, part, low, &start);
    }
    *ret = start < 0 && p->placed ? low : start;
    *ret_low = low;
    return result;
}

static void say_rewound(const struct worker *worker, uint32_t part, int64_t from, int64_t to)
{
    const struct part *s = &worker->parts.items[part];
    log_printf(worker->pipeline->log, CHURN_LOG_WARN, source_label(worker),
               "%s/%d: the store is sure of everything before offset %lld only, the source of %lld: going back there",
               s->topic, s->partition, (long long)to, (long long)from);
    metrics_add_own(worker->counters.rewinds, 1);
}

/* Profiles that were erased had counted events of after, too, those between a tombstone's end and the moment at which
 * their worker learned of it: these are read again, and begin the new profile. */
static int64_t read_again_forgotten(const struct worker *worker, uint32_t part, int64_t low, int64_t start)
{
    const struct part *s = &worker->parts.items[part];
    int64_t end =
        forgetting_end_since(worker->pipeline->forgetting, partition_at(worker, part)->stored.forgotten, parts_name(s));
    if (start <= end || partition_at(worker, part)->stored.offset < 0) {
        return start;
    }
    end = end < low ? low : end;
    log_printf(worker->pipeline->log, CHURN_LOG_INFO, source_label(worker),
               "%s/%d is read again from offset %lld, where customers were forgotten", s->topic, s->partition,
               (long long)end);
    return end;
}

/* CHURN_OK, CHURN_RETRY, CHURN_FATAL. */
static int32_t look_up(struct worker *worker, uint32_t part)
{
    struct partition *p = partition_at(worker, part);
    int64_t start = NOTHING, low = 0;
    bool replays = is_to_replay(worker, p);
    int32_t result = worker_has_store(worker) ? passing_over_begin(worker) : CHURN_OK;
    if (result == CHURN_OK && worker_has_store(worker)) {
        result = checkpoint_load(worker, part);
    }
    if (result == CHURN_OK && worker_has_store(worker) && worker->pipeline->redrive == NULL) {
        result = reach_load(worker, part);
    }
    if (result == CHURN_OK && worker->pipeline->profiles_only) {
        result = load_owned(worker, part);
    }
    if (result == CHURN_OK) {
        result = resume(worker, part);
    }
    if (result == CHURN_OK) {
        result = choose_start(worker, part, &start, &low);
    }
    if (result != CHURN_OK) {
        return result;
    }
    if (start >= 0 && p->committed > start && p->muted == 0 && !replays) {
        say_rewound(worker, part, p->committed, start);
    }
    start = read_again_forgotten(worker, part, low, start);
    p->began = start > 0 ? start : 0;
    result = proof_begin(worker, part, low, &start);
    if (result != CHURN_OK) {
        return result;
    }
    p->target = start;
    p->place = !p->placed && start == p->position ? PLACE_READY : PLACE_SEEK;
    p->placed = true;
    return CHURN_OK;
}

static bool seek(struct worker *worker, uint32_t part)
{
    struct partition *p = partition_at(worker, part);
    const struct part *s = &worker->parts.items[part];
    churn_position to = {.topic = s->topic, .partition = s->partition, .offset = p->target};
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (source_of(worker)->seek == NULL) {
        return worker_fail(worker, "%s: %s/%d cannot be read again from offset %lld: the source has no way back",
                           source_label(worker), s->topic, s->partition, (long long)p->target);
    }
    result = source_of(worker)->seek(worker->source->self, &to, &err);
    if (result == CHURN_OK) {
        p->place = PLACE_READY;
        worker->reading.at_end = false;
        worker->moved = true;
        return true;
    }
    if (result != CHURN_RETRY) {
        return worker_fail(worker, "source %s: %s", source_label(worker), err.message);
    }
    log_printf(worker->pipeline->log, CHURN_LOG_DEBUG, source_label(worker), "%s", err.message);
    return true;
}

bool placing_step(struct worker *worker)
{
    if (worker->pipeline->forgetting != NULL && worker->forgetting.known < 0) {
        return true; /* whom to pass over is not known yet */
    }
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        if (partition_at(worker, i)->place == PLACE_LOOK_UP) {
            bool busy = worker->progress.round != ROUND_NONE || session_is_writing(worker);
            if (worker_has_store(worker) && (worker->session.handle == NULL || busy)) {
                continue;
            }
            if (look_up(worker, i) == CHURN_FATAL) {
                return false;
            }
        }
        if (partition_at(worker, i)->place == PLACE_SEEK && !seek(worker, i)) {
            return false;
        }
    }
    if (partitions_ready(worker)) {
        worker_goes_on(worker, &worker->pipeline->source, STALL_PLACE, NULL);
    }
    return true;
}
