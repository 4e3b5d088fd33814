/* Whether a partition is the one that was counted. */
#include "engine/proof.h"

#include "engine/checkpoint.h"
#include "engine/partitions.h"
#include "engine/rounds.h"
#include "engine/session.h"
#include "profile/store_keys.h"

#define REMEMBER_MS 3000

/* ---- what is found ---- */

/* `what` the partition shows, of which everything before `counted` was counted; always false. */
CHURN_PRINTF(4, 5)
static bool refuse(struct worker *worker, uint32_t part, int64_t counted, const char *what, ...)
{
    const struct part *s = &worker->parts.items[part];
    char shown[1024];
    va_list args;
    va_start(args, what);
    (void)vsnprintf(shown, sizeof shown, what, args);
    va_end(args);
    partition_at(worker, part)->doubted_below = counted;
    partition_at(worker, part)->doubter[0] = '\0';
    return worker_fail(worker,
                       "%s: %s/%d %s: the topic was made anew, an unclean election cut its log, or this is another "
                       "cluster. Its events would be taken for old ones. Set the source's option `epoch` to a number "
                       "not used before (epoch: 1) to begin anew, or point the pipeline at the topic it read before. "
                       "Where it still holds events that were counted, `epoch` counts them again: use `churnd rebuild`",
                       source_label(worker), s->topic, s->partition, shown);
}

bool proof_refuse_short(struct worker *worker, uint32_t part, const char *who, int64_t counted, int64_t end)
{
    return refuse(worker, part, counted, "ends at offset %lld, but %s counted everything before %lld", (long long)end,
                  who, (long long)counted);
}

bool proof_refuse_profile(struct worker *worker, uint32_t part, churn_str customer, const char *kind, int64_t below,
                          int64_t end)
{
    churn_str name = parts_name(&worker->parts.items[part]);
    struct partition *p = partition_at(worker, part);
    (void)refuse(worker, part, below,
                 "ends at offset %lld, but the profile of customer '%.*s' says in its field '%s%.*s' that events up to "
                 "%lld were counted. Either that is wrong, and everything else right: put the field right, or delete "
                 "the profile and start once with --replay-from beginning. Or",
                 (long long)end, (int)customer.len, customer.ptr, kind, (int)name.len, name.ptr, (long long)below);
    (void)snprintf(p->doubter, sizeof p->doubter, "%.*s", (int)customer.len, customer.ptr);
    return false;
}

static bool refuse_doubted(struct worker *worker, uint32_t part)
{
    int64_t below = partition_at(worker, part)->stored.doubted_below;
    return refuse(worker, part, below,
                  "was found before not to be what was counted up to offset %lld, and holds nothing that shows that it "
                  "is now",
                  (long long)below);
}

/* ---- the record that is read once more ---- */

/* The source can be asked for it, and still has it. */
static bool can_prove(const struct worker *worker, const struct partition *p, int64_t low)
{
    const churn_source_ops *ops = source_ops(&worker->pipeline->source);
    return ops->resume == NULL && ops->seek != NULL && ops->bounds != NULL && p->stored.last.offset >= low;
}

struct doubter {
    struct worker *worker;
    churn_str customer;
    struct profile *profile;
};

static int32_t on_doubter(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct doubter *doubter = ctx;
    struct worker *worker = doubter->worker;
    char message[256];
    int32_t result = profile_read(doubter->profile, &worker->pipeline->catalog.registry, &worker->parts,
                                  doubter->customer, fields, count, message, sizeof message);
    (void)key;
    return result == CHURN_FATAL ? CHURN_FATAL : CHURN_OK; /* whatever else is wrong with it, its marks are read */
}

/* Reads the profile for which the checkpoint doubts. CHURN_OK, CHURN_RETRY, CHURN_FATAL. */
static int32_t read_doubter(struct worker *worker, churn_str customer, struct profile *profile)
{
    struct doubter doubter = {.worker = worker, .customer = customer, .profile = profile};
    char key[STORE_KEY_SIZE];
    churn_str name = {.ptr = key,
                      .len = store_keys_profile(worker->pipeline->store_settings.key_prefix, customer, key)};
    churn_error err = {.size = sizeof err};
    int32_t result = store_of(worker)->get(worker->session.handle, name, on_doubter, &doubter, &err);
    if (result == CHURN_RETRY) {
        session_lose(worker, err.message);
    } else if (result != CHURN_OK && result != CHURN_REJECT) {
        (void)worker_fail(worker, "%s: %s cannot be read: %s", worker->pipeline->store.label, key, err.message);
        return CHURN_FATAL;
    }
    return result == CHURN_RETRY ? CHURN_RETRY : CHURN_OK;
}

/* Does that profile still say what raised the doubt? If not, that is over, and is stored before anything is counted.
 * CHURN_OK, CHURN_RETRY, CHURN_FATAL. */
static int32_t ask_doubter(struct worker *worker, uint32_t part)
{
    struct partition *p = partition_at(worker, part);
    int64_t below = p->stored.doubted_below;
    churn_str customer = churn_text(p->stored.doubter);
    struct profile *profile = profile_new(&worker->pipeline->catalog.registry);
    const char *kind = NULL;
    int32_t result = CHURN_FATAL;
    if (profile == NULL) {
        (void)out_of_memory(worker);
        return CHURN_FATAL;
    }
    result = read_doubter(worker, customer, profile);
    if (result == CHURN_OK) {
        kind = profile_mark(profile, part) >= below              ? MARK_PREFIX
               : profile_has_late_from(profile, part, below - 1) ? LATE_PREFIX
                                                                 : NULL;
        p->mended = kind == NULL;
    }
    profile_free(profile, &worker->pipeline->catalog.registry);
    if (kind != NULL) {
        (void)proof_refuse_profile(worker, part, customer, kind, below, p->end);
        return CHURN_FATAL;
    }
    return result == CHURN_OK && !rounds_put_now(worker, part, REMEMBER_MS) ? CHURN_RETRY : result;
}

int32_t proof_begin(struct worker *worker, uint32_t part, int64_t low, int64_t *start)
{
    struct partition *p = partition_at(worker, part);
    int32_t result;
    if (p->stored.offset < 0 || worker->pipeline->redrive != NULL) {
        return CHURN_OK; /* nothing was counted, or nothing by these offsets */
    }
    if (p->stored.doubted_below >= 0 && p->stored.doubter[0] != '\0' &&
        (result = ask_doubter(worker, part)) != CHURN_OK) {
        return result;
    }
    if (p->stored.doubted_below >= 0 && (p->stored.offset < p->stored.doubted_below || !can_prove(worker, p, low))) {
        (void)refuse_doubted(worker, part);
        return CHURN_FATAL;
    }
    if (can_prove(worker, p, low)) {
        p->proving = worker->progress.proving = true;
        p->begin = *start < low ? low : *start;
        *start = p->stored.last.offset;
    }
    return CHURN_OK;
}

/* Reading stands behind the record that was wanted; on to where it begins. */
static void go_on(struct worker *worker, uint32_t part)
{
    struct partition *p = partition_at(worker, part);
    p->proving = false;
    if (p->begin <= p->stored.last.offset) {
        p->target = p->begin;
        p->place = PLACE_SEEK;
    }
    worker->moved = true;
}

/* The record is not there, but others behind it are: compaction, for instance. */
static bool go_on_without(struct worker *worker, uint32_t part)
{
    if (partition_at(worker, part)->stored.doubted_below >= 0) {
        return refuse_doubted(worker, part);
    }
    go_on(worker, part);
    return true;
}

/* False when the worker failed. */
static bool look_at(struct worker *worker, uint32_t part, const churn_record *record)
{
    struct partition *p = partition_at(worker, part);
    if (record->offset != p->stored.last.offset) {
        return record->offset < p->stored.last.offset || go_on_without(worker, part);
    }
    if (witness_of(record).hash != p->stored.last.hash) {
        return refuse(worker, part, p->stored.offset,
                      "holds another record at offset %lld than the one that was counted", (long long)record->offset);
    }
    p->proven = true;
    go_on(worker, part);
    return true;
}

/* *ret_keep: whether the record is to be taken. False when the worker failed. */
static bool screen(struct worker *worker, const churn_record *record, bool *ret_keep)
{
    uint32_t part = parts_find(&worker->parts, record->topic, record->partition);
    struct partition *p = partition_find(worker, part);
    *ret_keep = true;
    if (p == NULL || p->place == PLACE_NONE) {
        return true;
    }
    if (p->proving && !look_at(worker, part, record)) {
        return false;
    }
    *ret_keep = p->place == PLACE_READY && !p->proving && record->offset >= p->begin;
    return true;
}

bool proof_screen(struct worker *worker, churn_record *records, uint32_t *count)
{
    uint32_t kept = 0;
    if (!worker->progress.proving) {
        return true;
    }
    for (uint32_t i = 0; i < *count; i++) {
        bool keep;
        if (!screen(worker, &records[i], &keep)) {
            return false;
        }
        records[kept] = records[i];
        kept += keep;
    }
    *count = kept;
    worker->progress.proving = false;
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        worker->progress.proving = worker->progress.proving || partition_at(worker, i)->proving;
    }
    return true;
}

bool proof_passed(struct worker *worker, uint32_t part, int64_t offset)
{
    const struct partition *p = partition_at(worker, part);
    if (p->proving && offset > p->stored.last.offset) {
        return !go_on_without(worker, part) || p->place != PLACE_READY;
    }
    return p->proving;
}

/* ---- while it runs ---- */

bool proof_has_shrunk(struct worker *worker)
{
    bool shrunk = false;
    for (uint32_t i = 0; source_of(worker)->resume == NULL && i < partition_count(worker); i++) {
        const struct partition *p = partition_at(worker, i);
        int64_t low, end;
        shrunk = shrunk || (p->place == PLACE_READY && p->end > 0 &&
                            partitions_ask_bounds(worker, i, &low, &end) == CHURN_OK && end < p->end);
    }
    return shrunk;
}

void proof_check_ends(struct worker *worker)
{
    for (uint32_t i = 0; i < partition_count(worker); i++) {
        const struct partition *p = partition_at(worker, i);
        int64_t counted = p->done > p->stored.offset ? p->done : p->stored.offset, low, end;
        if (p->place == PLACE_READY && counted > 0 && partitions_ask_bounds(worker, i, &low, &end) == CHURN_OK &&
            end < counted) {
            (void)proof_refuse_short(worker, i, "this run has", counted, end);
        }
    }
}

static bool remember(struct worker *worker, uint32_t part)
{
    session_close(worker); /* answers of the old one are of no use */
    worker->session.next_open_ms = 0;
    (void)session_step(worker);
    worker->session.went_back = false;
    return worker->session.handle != NULL && checkpoint_load(worker, part) == CHURN_OK &&
           rounds_put_now(worker, part, REMEMBER_MS);
}

/* It was read there, or is put there now. */
static bool is_remembered(struct worker *worker, uint32_t part)
{
    const struct partition *p = partition_at(worker, part);
    return (p->stored.doubted_below == p->doubted_below && strcmp(p->stored.doubter, p->doubter) == 0) ||
           remember(worker, part);
}

void proof_remember(struct worker *worker)
{
    for (uint32_t i = 0; worker_has_store(worker) && i < partition_count(worker); i++) {
        const struct part *s = &worker->parts.items[i];
        if (partition_at(worker, i)->doubted_below >= 0 && !is_remembered(worker, i)) {
            log_printf(worker->pipeline->log, CHURN_LOG_WARN, worker->pipeline->store.label,
                       "what was found out about %s/%d could not be stored within %d s, so the next start may not know "
                       "it, and take new events for old ones once the topic has grown: before you start again, do what "
                       "the error above says",
                       s->topic, s->partition, REMEMBER_MS / 1000);
        }
    }
}
