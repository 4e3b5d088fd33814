#include "cli/explain_profile.h"

#include "engine/forgetting.h"
#include "engine/salts.h"
#include "profile/store_keys.h"
#include "profile/told.h"

/* The marks name the partitions that have anything of the customer, also where the source does not read them now. */
static bool note_partitions(struct explain *e)
{
    return e->worker->parts.count == 0 || explain_state_part(e, e->worker->parts.count - 1) != NULL;
}

bool explain_profile_read(struct explain *e)
{
    churn_error err = {.size = sizeof err};
    int32_t result = CHURN_OK;
    stored_profile_free(&e->stored, e->pipeline);
    if (e->session != NULL) {
        result = stored_profile_get(&e->stored, e->pipeline, e->session, e->customer, &e->worker->parts, &err);
    } else if ((e->stored.profile = profile_new(e->registry)) == NULL) {
        result = churn_fail(&err, CHURN_FATAL, "out of memory");
    }
    return result == CHURN_OK ? note_partitions(e)
                              : explain_state_fail(e, "%s: %s", e->pipeline->store.label, err.message);
}

static int32_t take_checkpoint(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct explain_part *p = ctx;
    (void)key;
    p->read = told_checkpoint(fields, count);
    return CHURN_OK;
}

bool explain_profile_checkpoint(struct explain *e, uint32_t part)
{
    char key[STORE_KEY_SIZE];
    churn_error err = {.size = sizeof err};
    churn_str whole = {.ptr = key};
    if (e->session == NULL) {
        return true;
    }
    whole.len = store_keys_own("checkpoint", e->pipeline->store_settings.key_prefix,
                               parts_name(&e->worker->parts.items[part]), key);
    return store_of(e->worker)->get(e->session, whole, take_checkpoint, &e->parts[part], &err) == CHURN_OK ||
           explain_state_fail(e, "%s: %s", e->pipeline->store.label, err.message);
}

/* How far the pipeline has come in the partitions that the profile names, and then the profile: in that order, and
 * before the source learns where the partitions end, so that what a pipeline counts meanwhile is neither taken for
 * passed over nor for gone. */
static bool look_again(struct explain *e)
{
    bool ok = true;
    for (uint32_t part = 0; part < e->worker->parts.count && ok; part++) {
        ok = explain_profile_checkpoint(e, part);
    }
    return ok && explain_profile_read(e);
}

/* The child does the work, so all that it is told of is its own. */
static bool read_forgotten(struct explain *e)
{
    churn_error err = {.size = sizeof err};
    if (e->session != NULL && forgetting_read(e->pipeline, e->session, &e->pipeline->forgetting, &err) != CHURN_OK) {
        return explain_state_fail(e, "who is forgotten cannot be read: %s", err.message);
    }
    e->worker->forgetting.known = forgetting_known(e->pipeline->forgetting);
    return salts_start(e->pipeline, &e->pipeline->salts) || explain_state_fail(e, "out of memory");
}

bool explain_profile_open(struct explain *e)
{
    churn_error err = {.size = sizeof err};
    if (e->pipeline->store.loaded != NULL &&
        store_of(e->worker)->open(e->pipeline->store_instance->self, &e->session, &err) != CHURN_OK) {
        e->session = NULL;
        return explain_state_fail(e, "%s: %s", e->pipeline->store.label, err.message);
    }
    return read_forgotten(e) && explain_profile_read(e) && look_again(e);
}

void explain_profile_close(struct explain *e)
{
    stored_profile_free(&e->stored, e->pipeline);
    salts_stop(e->pipeline->salts);
    e->pipeline->salts = NULL;
    forgetting_stop(e->pipeline->forgetting);
    e->pipeline->forgetting = NULL;
    if (e->session != NULL) {
        store_of(e->worker)->close(e->session);
        e->session = NULL;
    }
}
