#include "cli/explain_profile.h"

#include "base/decimal.h"
#include "profile/store_keys.h"
#include <stdlib.h>

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

static int32_t take_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct explain *e = ctx;
    int32_t result;
    (void)key;
    if (!keep_pairs(&e->stored, fields, count)) {
        return CHURN_FATAL;
    }
    result = profile_read(e->profile, e->registry, &e->worker->parts, fields, count, e->damage, sizeof e->damage);
    e->damaged = result == CHURN_REJECT;
    return result == CHURN_FATAL ? CHURN_FATAL : CHURN_OK;
}

static void forget(struct explain *e)
{
    profile_free(e->profile, e->registry);
    profile_text_free(&e->stored);
    e->profile = NULL;
    e->damaged = false;
    e->damage[0] = '\0';
}

/* The marks name the partitions that have anything of the customer, also where the source does not read them now. */
static bool note_partitions(struct explain *e)
{
    return e->worker->parts.count == 0 || explain_state_part(e, e->worker->parts.count - 1) != NULL;
}

bool explain_profile_read(struct explain *e)
{
    const churn_store_ops *ops = store_of(e->worker);
    char key[STORE_KEY_SIZE];
    churn_str whole = {.ptr = key, .len = store_keys_profile(e->pipeline->store_settings.key_prefix, e->customer, key)};
    churn_error err = {.size = sizeof err, .message = "out of memory"};
    int32_t result = CHURN_FATAL;
    forget(e);
    e->profile = profile_new(e->registry);
    if (e->profile != NULL) {
        result = e->session != NULL ? ops->get(e->session, whole, take_profile, e, &err) : CHURN_OK;
    }
    return result == CHURN_OK ? note_partitions(e)
                              : explain_state_fail(e, "%s: %s", e->pipeline->store.label, err.message);
}

static int32_t take_checkpoint(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct explain_part *p = ctx;
    (void)key;
    for (uint32_t i = 0; i < count; i++) {
        if (str_equals(fields[i].name, "offset") &&
            !decimal_parse_int64(fields[i].value.ptr, fields[i].value.len, &p->read)) {
            p->read = 0;
        }
    }
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

bool explain_profile_open(struct explain *e)
{
    churn_error err = {.size = sizeof err};
    if (e->pipeline->store.loaded != NULL &&
        store_of(e->worker)->open(e->pipeline->store_instance->self, &e->session, &err) != CHURN_OK) {
        e->session = NULL;
        return explain_state_fail(e, "%s: %s", e->pipeline->store.label, err.message);
    }
    return explain_profile_read(e) && look_again(e);
}

void explain_profile_close(struct explain *e)
{
    forget(e);
    if (e->session != NULL) {
        store_of(e->worker)->close(e->session);
        e->session = NULL;
    }
}
