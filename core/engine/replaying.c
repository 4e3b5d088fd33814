#include "engine/replaying.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 1000
#define SETTLE_MS 5000 /* for a group to hand over what is to be ours */
#define NAMES_SIZE 512

/* A partition of the input. */
struct extent {
    char *topic;
    int32_t partition;
    bool replayed;   /* by a worker of ours, to its end or to where the group was */
    int64_t held_ms; /* when a worker of ours was last known to hold it */
};

struct replaying {
    int64_t (*now_ms)(void);
    pthread_mutex_t lock;
    struct extent *extents;
    unsigned count;
    bool failed; /* memory ran out: something is missing */
    /* main's */
    int64_t began_ms; /* since when all workers are assigned; 0: they are not */
    int64_t left_ms;  /* since when all are at their end, with something left; 0: they are not */
    unsigned said;    /* how many partitions of others the log was told of */
};

struct replaying *replaying_new(const struct pipeline *pipeline, int64_t (*now_ms)(void), bool *ret_ok)
{
    struct replaying *replaying;
    *ret_ok = true;
    if (pipeline->replay.from == REPLAY_OFF || !pipeline->until_end || pipeline->profiles_only) {
        return NULL;
    }
    replaying = calloc(1, sizeof *replaying);
    *ret_ok = replaying != NULL && pthread_mutex_init(&replaying->lock, NULL) == 0;
    if (!*ret_ok) {
        free(replaying);
        return NULL;
    }
    replaying->now_ms = now_ms;
    return replaying;
}

void replaying_free(struct replaying *replaying)
{
    if (replaying == NULL) {
        return;
    }
    for (unsigned i = 0; i < replaying->count; i++) {
        free(replaying->extents[i].topic);
    }
    free(replaying->extents);
    (void)pthread_mutex_destroy(&replaying->lock);
    free(replaying);
}

/* ---- a worker tells ---- */

/* NULL when memory ran out. */
static struct extent *find_or_add(struct replaying *replaying, const char *topic, int32_t partition)
{
    struct extent *grown;
    char *copy;
    for (unsigned i = 0; i < replaying->count; i++) {
        struct extent *extent = &replaying->extents[i];
        if (extent->partition == partition && strcmp(extent->topic, topic) == 0) {
            return extent;
        }
    }
    grown = realloc(replaying->extents, (replaying->count + 1) * sizeof *grown);
    copy = strdup(topic);
    replaying->extents = grown != NULL ? grown : replaying->extents;
    if (grown == NULL || copy == NULL) {
        free(copy);
        return NULL;
    }
    replaying->extents[replaying->count] = (struct extent){.topic = copy, .partition = partition};
    return &replaying->extents[replaying->count++];
}

static bool is_replayed(const struct partition *p, int64_t end)
{
    int64_t to = p->replay_to < end ? p->replay_to : end;
    return p->replayed && (to <= 0 || p->done >= to);
}

static void take_extent(void *ctx, const char *topic, int32_t partition, int64_t low, int64_t end)
{
    struct worker *worker = ctx;
    struct replaying *replaying = worker->pipeline->replaying;
    struct extent *extent = low < end ? find_or_add(replaying, topic, partition) : NULL;
    uint32_t part = extent != NULL ? parts_find(&worker->parts, topic, partition) : PART_NONE;
    const struct partition *p = part != PART_NONE ? partition_find(worker, part) : NULL;
    replaying->failed = replaying->failed || (extent == NULL && low < end);
    if (p != NULL) {
        extent->replayed = extent->replayed || is_replayed(p, end);
        extent->held_ms = p->place != PLACE_NONE ? replaying->now_ms() : extent->held_ms;
    }
}

void replaying_look(struct worker *worker)
{
    struct replaying *replaying = worker->pipeline->replaying;
    int64_t now;
    if (replaying == NULL || source_of(worker)->extents == NULL) {
        return;
    }
    now = replaying->now_ms();
    if (now - worker->replay_told_ms < LOOK_MS && !worker->reading.at_end) {
        return;
    }
    worker->replay_told_ms = now;
    (void)pthread_mutex_lock(&replaying->lock);
    source_of(worker)->extents(worker->source->self, take_extent, worker);
    (void)pthread_mutex_unlock(&replaying->lock);
}

/* ---- main asks ---- */

/* How many partitions are left, and their names; `held`: only those that none of our workers holds. */
static unsigned list(const struct replaying *replaying, bool held, char names[NAMES_SIZE])
{
    int64_t now = replaying->now_ms();
    unsigned left = 0;
    size_t at = 0;
    names[0] = '\0';
    for (unsigned i = 0; i < replaying->count; i++) {
        const struct extent *extent = &replaying->extents[i];
        if (extent->replayed || (held && now - extent->held_ms < SETTLE_MS)) {
            continue;
        }
        if (at < NAMES_SIZE) {
            int n = snprintf(names + at, NAMES_SIZE - at, "%s%s/%d", left > 0 ? ", " : "", extent->topic,
                             (int)extent->partition);
            at += n > 0 ? (size_t)n : 0;
        }
        left++;
    }
    return left;
}

void replaying_watch(struct replaying *replaying, struct log *log, bool assigned)
{
    char names[NAMES_SIZE];
    int64_t now;
    if (replaying == NULL) {
        return;
    }
    now = replaying->now_ms();
    replaying->began_ms = !assigned ? 0 : replaying->began_ms == 0 ? now : replaying->began_ms;
    if (replaying->began_ms == 0 || now - replaying->began_ms < SETTLE_MS) {
        return;
    }
    (void)pthread_mutex_lock(&replaying->lock);
    unsigned left = list(replaying, true, names), count = replaying->count;
    (void)pthread_mutex_unlock(&replaying->lock);
    if (left != replaying->said && left > 0) {
        log_printf(log, CHURN_LOG_WARN, "churnd",
                   "%u of %u partitions are held by other members of the consumer group and are not replayed while "
                   "those run: %s; stop them, and this run has their partitions too",
                   left, count, names);
    }
    replaying->said = left;
}

bool replaying_may_end(struct replaying *replaying, struct log *log, bool at_end, bool *ret_whole)
{
    char names[NAMES_SIZE];
    int64_t now;
    *ret_whole = true;
    if (replaying == NULL) {
        return at_end;
    }
    if (!at_end) { /* what came to us meanwhile is replayed; what is still to come has its time after that */
        replaying->left_ms = 0;
        return false;
    }
    (void)pthread_mutex_lock(&replaying->lock);
    unsigned left = list(replaying, false, names), count = replaying->count;
    bool failed = replaying->failed;
    (void)pthread_mutex_unlock(&replaying->lock);
    if (left == 0 && !failed) {
        return true;
    }
    now = replaying->now_ms();
    replaying->left_ms = replaying->left_ms == 0 ? now : replaying->left_ms;
    if (now - replaying->left_ms < SETTLE_MS) {
        return false;
    }
    *ret_whole = false;
    log_printf(
        log, CHURN_LOG_ERROR, "churnd",
        "the replay is not whole: %u of %u partitions were held by other members of the consumer group, and were "
        "not replayed: %s; stop every other instance of the group and give it again",
        left, count, names);
    return true;
}
