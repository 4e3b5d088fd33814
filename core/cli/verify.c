/*
 * `churnd verify`: every profile under the pipeline's key prefix against the one under another.
 *
 * All keys of both sides are listed first. A first pass reads every profile of either side, notes which customers
 * differ, and learns from the marks how far each side has read. Only then can a second look at those that differ tell a
 * profile that lacks an event from one whose side has not come to that event yet.
 */
#include "cli/verify_compare.h"
#include "cli/verify_report.h"

#include "base/printable.h"
#include "cli/audited.h"
#include "cli/commands.h"
#include "cli/sandboxed.h"
#include "pipeline/load.h"
#include "pipeline/pipeline.h"
#include "pipeline/store_requests.h"
#include "profile/profile_view.h"
#include "profile/store_keys.h"
#include "profile/told.h"
#include <stdlib.h>

#define BATCH 128 /* customers read at a time */

/* ---- the keys ---- */

static churn_str id_of(const char *packed)
{
    churn_str id = {.ptr = packed + sizeof id.len};
    memcpy(&id.len, packed, sizeof id.len);
    return id;
}

static churn_str id_at(const struct ids *ids, size_t i)
{
    return id_of(ids->bytes.bytes + ids->places[i]);
}

static int compare_ids(churn_str a, churn_str b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool grow_places(size_t **places, size_t *room, size_t count)
{
    size_t more = *room != 0 ? *room * 2 : 1024, *grown;
    if (count < *room) {
        return true;
    }
    grown = realloc(*places, more * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    *places = grown;
    *room = more;
    return true;
}

static int32_t take_key(void *ctx, churn_str key)
{
    struct ids *ids = ctx;
    uint32_t len = key.len - ids->prefix_len;
    if (!grow_places(&ids->places, &ids->room, ids->count)) {
        ids->failed = true;
        return CHURN_END;
    }
    ids->places[ids->count++] = ids->bytes.len;
    text_append(&ids->bytes, (const char *)&len, sizeof len);
    text_append(&ids->bytes, key.ptr + ids->prefix_len, len);
    ids->failed = ids->bytes.failed;
    progress_line_show(ids->line, (int64_t)ids->count, PROGRESS_TOTAL_UNKNOWN, NULL);
    return ids->failed ? CHURN_END : CHURN_OK;
}

static int by_id(const void *a, const void *b, void *ctx)
{
    const char *bytes = ctx;
    return compare_ids(id_of(bytes + *(const size_t *)a), id_of(bytes + *(const size_t *)b));
}

static void ids_free(struct ids *ids)
{
    text_free(&ids->bytes);
    free(ids->places);
}

/* ---- profiles ---- */

static bool copy_pairs(struct copy *copy, const churn_pair *pairs, uint32_t count)
{
    const char *at;
    if (count > copy->room) {
        churn_pair *grown = realloc(copy->pairs, count * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        copy->pairs = grown;
        copy->room = count;
    }
    copy->bytes.len = 0;
    (void)text_reserve(&copy->bytes, 1);
    for (uint32_t i = 0; i < count; i++) {
        text_append(&copy->bytes, pairs[i].name.ptr, pairs[i].name.len);
        text_append(&copy->bytes, pairs[i].value.ptr, pairs[i].value.len);
    }
    at = copy->bytes.bytes;
    for (uint32_t i = 0; i < count && !copy->bytes.failed; i++) {
        copy->pairs[i].name = (churn_str){.ptr = at, .len = pairs[i].name.len};
        copy->pairs[i].value = (churn_str){.ptr = at + pairs[i].name.len, .len = pairs[i].value.len};
        at += pairs[i].name.len + pairs[i].value.len;
    }
    copy->count = count;
    return !copy->bytes.failed;
}

static void copy_free(struct copy *copy)
{
    free(copy->pairs);
    text_free(&copy->bytes);
}

static int32_t take_checkpoint(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    (void)key;
    *(int64_t *)ctx = told_checkpoint(fields, count);
    return CHURN_OK;
}

/* A side may have read further than its profiles tell, for the events there may have been of no effect. Its checkpoints
 * know. */
static int32_t read_checkpoints(struct verify *v)
{
    int32_t result = CHURN_OK;
    for (uint32_t i = 0; i < v->reached_count * SIDES && result == CHURN_OK; i++) {
        struct reached *reached = &v->reached[i / SIDES];
        int64_t next = 0;
        char key[STORE_KEY_SIZE];
        churn_str source = {.ptr = reached->source, .len = reached->len}, whole = {.ptr = key};
        whole.len = store_keys_own("checkpoint", v->prefixes[i % SIDES].ptr, source, key);
        result = v->ops->get(v->session, whole, take_checkpoint, &next, &v->err);
        reached->next[i % SIDES] = next > reached->next[i % SIDES] ? next : reached->next[i % SIDES];
    }
    return result;
}

/* ---- reading both sides ---- */

/* What is done with the two profiles of a customer; either may have no fields. `number` counts the ids of both sides.
 */
typedef void (*pair_fn)(struct verify *v, void *ctx, churn_str id, size_t number, struct copy *here,
                        const churn_pair *there, uint32_t count);

/* A batch of customers, read in the order here, there, here, there, … */
struct batch {
    struct verify *v;
    pair_fn fn;
    void *ctx;
    churn_str ids[BATCH];
    size_t numbers[BATCH];
    uint32_t count;
    uint32_t answered; /* profiles, of twice as many */
    struct text keys;
    struct copy here;
};

static void take_clear(struct batch *batch, const churn_pair *fields, uint32_t count)
{
    uint32_t i = batch->answered++;
    if (batch->v->failed) {
        return;
    }
    if (i % SIDES == HERE) {
        batch->v->failed = !copy_pairs(&batch->here, fields, count);
    } else {
        batch->fn(batch->v, batch->ctx, batch->ids[i / SIDES], batch->numbers[i / SIDES], &batch->here, fields, count);
    }
}

/* Texts are compared in clear: after a change of keys the same one is encrypted otherwise. */
static int32_t take_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct batch *batch = ctx;
    struct profile_view view;
    bool stop = batch->v->failed;
    (void)key;
    batch->v->failed =
        !profile_view_make(&view, batch->v->registry, batch->ids[batch->answered / SIDES], fields, count, VIEW_CLEAR) ||
        stop;
    take_clear(batch, view.pairs, count);
    profile_view_free(&view);
    return stop ? CHURN_END : CHURN_OK;
}

/* Stands for a profile that the store cannot show: it is there, and equal to no other. */
static void take_unreadable(struct batch *batch, churn_str key)
{
    static const churn_pair pair = {.name = {.ptr = "(profile)", .len = 9}, .value = {.ptr = "unreadable", .len = 10}};
    (void)take_profile(batch, key, &pair, 1);
}

static int32_t get_all(struct verify *v, const churn_str *keys, uint32_t count, struct batch *batch)
{
    int32_t result = store_get_many(v->ops, v->session, keys, count, take_profile, batch, &v->err);
    while (result == CHURN_REJECT && batch->answered < count) { /* those before the one at fault were answered */
        take_unreadable(batch, keys[batch->answered]);
        result = store_get_many(v->ops, v->session, keys + batch->answered, count - batch->answered, take_profile,
                                batch, &v->err);
    }
    return result;
}

static int32_t read_batch(struct batch *batch)
{
    struct verify *v = batch->v;
    churn_str keys[BATCH * SIDES];
    const char *at;
    int32_t result;
    batch->keys.len = 0;
    for (uint32_t i = 0; i < batch->count * SIDES; i++) {
        text_append(&batch->keys, v->prefixes[i % SIDES].ptr, v->prefixes[i % SIDES].len);
        text_append(&batch->keys, batch->ids[i / SIDES].ptr, batch->ids[i / SIDES].len);
    }
    at = batch->keys.bytes;
    for (uint32_t i = 0; i < batch->count * SIDES && !batch->keys.failed; i++) {
        keys[i] = (churn_str){.ptr = at, .len = v->prefixes[i % SIDES].len + batch->ids[i / SIDES].len};
        at += keys[i].len;
    }
    v->failed = v->failed || batch->keys.failed;
    batch->answered = 0;
    result = v->failed || batch->count == 0 ? CHURN_OK : get_all(v, keys, batch->count * SIDES, batch);
    batch->count = 0;
    return result;
}

/* Reads both profiles of each customer that `only` numbers, in order; NULL: of each there is. */
static int32_t each_pair(struct verify *v, const size_t *only, size_t only_count, pair_fn fn, void *ctx)
{
    const struct ids *here = &v->ids[HERE], *there = &v->ids[THERE];
    struct batch batch = {.v = v, .fn = fn, .ctx = ctx};
    size_t i = 0, j = 0, at = 0;
    int32_t result = CHURN_OK;
    for (size_t number = 0; result == CHURN_OK && !v->failed && (i < here->count || j < there->count); number++) {
        int order = i == here->count ? 1 : j == there->count ? -1 : compare_ids(id_at(here, i), id_at(there, j));
        if (only == NULL || (at < only_count && only[at] == number)) {
            at++;
            batch.numbers[batch.count] = number;
            batch.ids[batch.count++] = order <= 0 ? id_at(here, i) : id_at(there, j);
        }
        i += order <= 0;
        j += order >= 0;
        if (batch.count == BATCH) {
            result = read_batch(&batch);
            progress_line_show(&v->line, (int64_t)(i + j), (int64_t)(here->count + there->count), NULL);
        }
    }
    if (result == CHURN_OK) {
        result = read_batch(&batch);
    }
    text_free(&batch.keys);
    copy_free(&batch.here);
    return result;
}

/* ---- the two passes ---- */

/* First: who differs, and how far either side has read. */
static void look(struct verify *v, void *ctx, churn_str id, size_t number, struct copy *here, const churn_pair *there,
                 uint32_t count)
{
    (void)ctx;
    (void)id;
    verify_note_marks(v, HERE, here->pairs, here->count);
    verify_note_marks(v, THERE, there, count);
    if (here->count > 0 && count > 0 && verify_same_in_order(here, there, count)) {
        v->compared++;
        v->equal++;
        return;
    }
    if (!grow_places(&v->differing, &v->differing_room, v->differing_count)) {
        v->failed = true;
        return;
    }
    v->differing[v->differing_count++] = number;
}

static void keep(struct verify *v, struct difference *difference, churn_str id, bool explained, const struct copy *here,
                 const struct copy *there)
{
    if (!difference->found) {
        difference->found = true;
        difference->explained = explained;
        difference->id = id;
        v->failed = !copy_pairs(&difference->profiles[HERE], here->pairs, here->count) ||
                    !copy_pairs(&difference->profiles[THERE], there->pairs, there->count) || v->failed;
    }
}

/* Second: how those that differ do so. */
static void judge(struct verify *v, void *ctx, churn_str id, size_t number, struct copy *here, const churn_pair *pairs,
                  uint32_t count)
{
    struct differences *differences = ctx;
    struct copy *there = &differences->there;
    bool explained;
    (void)number;
    if (!copy_pairs(there, pairs, count)) {
        v->failed = true;
        return;
    }
    if (here->count == 0 && there->count == 0) {
        return; /* expired or deleted since its key was listed */
    }
    v->compared++;
    if (here->count > 0 && there->count > 0 && verify_fields(here, there, NULL, NULL) == 0) {
        v->equal++;
        return;
    }
    v->missing[HERE] += here->count == 0;
    v->missing[THERE] += there->count == 0;
    v->different += here->count > 0 && there->count > 0;
    explained = verify_is_explained(v, here, there);
    v->explained += explained;
    if (v->named < v->limit) {
        struct difference difference = {.explained = explained, .id = id, .profiles = {*here, *there}};
        v->named++;
        verify_name(v, &difference);
    }
    keep(v, &differences->first, id, explained, here, there);
    if (!explained) {
        keep(v, &differences->unexplained, id, explained, here, there);
    }
}

static int32_t list_keys(struct verify *v, int side)
{
    struct ids *ids = &v->ids[side];
    size_t kept = 0;
    int32_t result;
    ids->prefix_len = v->prefixes[side].len;
    ids->line = &v->line;
    progress_line_begin(&v->line, v->log, side == HERE ? "verify: listing here" : "verify: listing there", "profiles",
                        v->quiet);
    result = v->ops->keys(v->session, v->prefixes[side], take_key, ids, &v->err);
    v->failed = v->failed || ids->failed;
    if (result != CHURN_OK || v->failed || ids->count == 0) {
        return result;
    }
    qsort_r(ids->places, ids->count, sizeof *ids->places, by_id, ids->bytes.bytes);
    for (size_t i = 0; i < ids->count; i++) {
        if (kept == 0 || compare_ids(id_at(ids, kept - 1), id_at(ids, i)) != 0) {
            ids->places[kept++] = ids->places[i];
        }
    }
    ids->count = kept;
    return CHURN_OK;
}

static int32_t compare_sides(struct verify *v, struct differences *differences)
{
    int32_t result = list_keys(v, HERE);
    if (result == CHURN_OK && !v->failed) {
        result = list_keys(v, THERE);
    }
    progress_line_begin(&v->line, v->log, "verify: comparing", "profiles", v->quiet);
    if (result == CHURN_OK && !v->failed) {
        result = each_pair(v, NULL, 0, look, NULL);
    }
    if (result == CHURN_OK && !v->failed && v->differing_count > 0) {
        result = read_checkpoints(v);
    }
    if (result == CHURN_OK && !v->failed && v->differing_count > 0) {
        progress_line_begin(&v->line, v->log, "verify: differing", "profiles", v->quiet);
        result = each_pair(v, v->differing, v->differing_count, judge, differences);
    }
    progress_line_end(&v->line);
    return result;
}

/* ---- the command ---- */

static int tell(const struct arguments *arguments, struct verify *v, struct differences *differences)
{
    if (v->ids[THERE].count == 0) {
        printable_line(stderr, "churnd: there is no profile under '%s'; `churnd rebuild -c %s --into %s` makes them",
                       arguments->against, arguments->config, arguments->against);
        return 1;
    }
    if (arguments->json) {
        v->failed = !verify_print_json(v, differences) || v->failed;
    } else {
        verify_print_text(v, differences);
    }
    return v->failed || v->equal != v->compared;
}

static void free_all(struct verify *v, struct differences *differences)
{
    for (int side = 0; side < SIDES; side++) {
        ids_free(&v->ids[side]);
        copy_free(&differences->first.profiles[side]);
        copy_free(&differences->unexplained.profiles[side]);
    }
    copy_free(&differences->there);
    for (uint32_t i = 0; i < v->reached_count; i++) {
        free(v->reached[i].source);
    }
    free(v->reached);
    free(v->differing);
    text_free(&v->list);
}

static int verify(const struct arguments *arguments, struct pipeline *pipeline, struct log *log)
{
    struct verify v = {.ops = store_ops(&pipeline->store),
                       .registry = &pipeline->catalog.registry,
                       .log = log,
                       .quiet = arguments->quiet,
                       .json = arguments->json,
                       .limit = (uint64_t)arguments->limit,
                       .err = {.size = sizeof v.err}};
    struct differences differences = {0};
    const char *prefixes[SIDES] = {pipeline->store_settings.key_prefix, arguments->against};
    int32_t result = v.ops->open(pipeline->store_instance->self, &v.session, &v.err);
    int status = 1;
    for (int side = 0; side < SIDES; side++) {
        v.prefixes[side] = churn_text(prefixes[side]);
    }
    if (result == CHURN_OK) {
        result = compare_sides(&v, &differences);
        v.ops->close(v.session);
    }
    if (result != CHURN_OK) {
        printable_line(stderr, "churnd: %s: %s", pipeline->store.label, v.err.message);
    } else if (!v.failed) {
        status = tell(arguments, &v, &differences);
    }
    if (v.failed) {
        (void)fprintf(stderr, "churnd: out of memory\n");
    }
    free_all(&v, &differences);
    return status;
}

int command_verify(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    int status = 1;
    if (pipeline_load_edited(&pipeline, arguments_files(arguments), loader, log, stderr, pipeline_only_look, NULL)) {
        if (pipeline.store.loaded == NULL) {
            printable_line(stderr, "churnd: %s has no store", arguments->config);
        } else if (store_ops(&pipeline.store)->keys == NULL) {
            printable_line(stderr, "churnd: the store %s cannot list its profiles; its plugin is older than ABI 1.1",
                           pipeline.store.label);
        } else if (check_other_prefix("--against", arguments->against, pipeline.store_settings.key_prefix) &&
                   sandboxed(&pipeline, arguments_files(arguments), NULL) &&
                   audited(&pipeline, "verify", "read", NULL, "\"what\":\"all profiles\"")) {
            status = verify(arguments, &pipeline, log);
        }
    }
    pipeline_free(&pipeline);
    return status;
}
