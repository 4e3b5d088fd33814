#include "pipeline/stored_profile.h"

#include "profile/profile_view.h"
#include "profile/store_keys.h"
#include "profile/told.h"
#include <stdlib.h>

/* Context of take_profile. */
struct taking {
    struct stored_profile *stored;
    const struct registry *registry;
    churn_str customer;
    struct parts *parts;
    bool failed; /* memory ran out */
};

static bool keep_pairs(struct profile_text *out, const churn_pair *pairs, uint32_t count)
{
    const char *at;
    out->pairs = calloc(count + 1u, sizeof *out->pairs);
    (void)text_reserve(&out->bytes, 1);
    for (uint32_t i = 0; i < count; i++) {
        text_append(&out->bytes, pairs[i].name.ptr, pairs[i].name.len);
        text_append(&out->bytes, pairs[i].value.ptr, pairs[i].value.len);
    }
    at = out->bytes.bytes;
    for (uint32_t i = 0; out->pairs != NULL && i < count && !out->bytes.failed; i++) {
        out->pairs[i].name = (churn_str){.ptr = at, .len = pairs[i].name.len};
        out->pairs[i].value = (churn_str){.ptr = at + pairs[i].name.len, .len = pairs[i].value.len};
        at += pairs[i].name.len + pairs[i].value.len;
    }
    out->count = count;
    return out->pairs != NULL && !out->bytes.failed;
}

/* A store that cannot read the version takes nothing in the profile's place. One without a version has lost it where it
 * has marks; else it is of somebody else's fields, to which a run adds. */
static bool has_version(const struct stored_profile *stored)
{
    const struct profile_text *text = &stored->text;
    const churn_str *version = profile_find_pair(text->pairs, text->count, churn_text(CHURN_VERSION_FIELD));
    uint64_t number;
    return version != NULL ? churn_version_read(*version, &number) : stored->profile->mark_count == 0;
}

static int32_t take_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct taking *taking = ctx;
    struct stored_profile *stored = taking->stored;
    struct profile_view view;
    int32_t result = CHURN_FATAL;
    bool kept = profile_view_make(&view, taking->registry, taking->customer, fields, count, VIEW_CLEAR) &&
                keep_pairs(&stored->text, view.pairs, count);
    (void)key;
    profile_view_free(&view);
    if (kept) {
        result = profile_read(stored->profile, taking->registry, taking->parts, taking->customer, fields, count,
                              stored->damage, sizeof stored->damage);
    }
    taking->failed = result == CHURN_FATAL;
    if (!taking->failed && !has_version(stored)) {
        (void)snprintf(stored->damage, sizeof stored->damage,
                       "it has no version that can be read (" CHURN_VERSION_FIELD ")");
    }
    return taking->failed ? CHURN_FATAL : CHURN_OK;
}

/* ---- marks that nobody can have made ---- */

/* What the store has of a partition beside the profiles. */
struct beside {
    struct told told;
    int64_t checkpoint;
};

static int32_t take_told(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct beside *beside = ctx;
    (void)key;
    told_read(&beside->told, fields, count);
    return CHURN_OK;
}

static int32_t take_checkpoint(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct beside *beside = ctx;
    (void)key;
    beside->checkpoint = told_checkpoint(fields, count);
    return CHURN_OK;
}

static int32_t get_own(const struct pipeline *pipeline, void *session, const char *what, churn_str partition,
                       churn_fields_fn fn, void *ctx, churn_error *err)
{
    char key[STORE_KEY_SIZE];
    churn_str whole = {.ptr = key, .len = store_keys_own(what, pipeline->store_settings.key_prefix, partition, key)};
    return store_ops(&pipeline->store)->get(session, whole, fn, ctx, err);
}

/* Says so when the profile has counted below `next` what cannot have been. What is beside it is read after it, so that
 * a run that goes on meanwhile is not taken for damage; and where that cannot be read, nothing is said. */
static int32_t judge_position(struct stored_profile *stored, const struct pipeline *pipeline, void *session,
                              const struct part *place, const char *kind, int64_t next, churn_error *err)
{
    churn_str name = parts_name(place);
    struct beside beside = {.told = {.counted = TOLD_NOTHING}};
    int64_t reached;
    int32_t result = get_own(pipeline, session, "letters", name, take_told, &beside, err);
    if (result == CHURN_OK) {
        result = get_own(pipeline, session, "checkpoint", name, take_checkpoint, &beside, err);
    }
    reached = result == CHURN_OK ? told_reached(&beside.told, beside.checkpoint) : TOLD_NOTHING;
    if (reached != TOLD_NOTHING && next > reached && stored->damage[0] == '\0') {
        (void)snprintf(stored->damage, sizeof stored->damage, PROFILE_COUNTED_NEVER, kind, (int)name.len, name.ptr);
    }
    return result == CHURN_REJECT ? CHURN_OK : result;
}

static int32_t judge_positions(struct stored_profile *stored, const struct pipeline *pipeline, void *session,
                               const struct parts *parts, churn_error *err)
{
    const struct profile *profile = stored->profile;
    int32_t result = CHURN_OK;
    for (uint32_t i = 0; i < profile->mark_count && result == CHURN_OK; i++) {
        const struct mark *mark = &profile->marks[i];
        result = judge_position(stored, pipeline, session, &parts->items[mark->part], MARK_PREFIX, mark->next, err);
    }
    for (uint32_t i = 0; i < profile->late_count && result == CHURN_OK; i++) {
        const struct late *late = &profile->late[i];
        if (late->count > 0) {
            int64_t last = late->ranges[late->count - 1].last;
            result = judge_position(stored, pipeline, session, &parts->items[late->part], LATE_PREFIX,
                                    last < INT64_MAX ? last + 1 : last, err);
        }
    }
    return result;
}

/* ---- all of it ---- */

int32_t stored_profile_get(struct stored_profile *stored, const struct pipeline *pipeline, void *session,
                           churn_str customer, struct parts *parts, churn_error *err)
{
    const struct registry *registry = &pipeline->catalog.registry;
    struct taking taking = {.stored = stored, .registry = registry, .customer = customer, .parts = parts};
    char key[STORE_KEY_SIZE];
    churn_str whole = {.ptr = key, .len = store_keys_profile(pipeline->store_settings.key_prefix, customer, key)};
    int32_t result;
    *stored = (struct stored_profile){.profile = profile_new(registry)};
    if (stored->profile == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    result = store_ops(&pipeline->store)->get(session, whole, take_profile, &taking, err);
    if (taking.failed) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    if (result == CHURN_REJECT) {
        (void)snprintf(stored->damage, sizeof stored->damage, "%s", err->message);
        return CHURN_OK;
    }
    return result == CHURN_OK ? judge_positions(stored, pipeline, session, parts, err) : result;
}

void stored_profile_free(struct stored_profile *stored, const struct pipeline *pipeline)
{
    profile_free(stored->profile, &pipeline->catalog.registry);
    profile_text_free(&stored->text);
    *stored = (struct stored_profile){0};
}
