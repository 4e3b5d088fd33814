/* Profiles to the store: exactly once, by versions and marks.
 *
 * A window's deltas are merged into the cached profiles and put with the version they are based on. A conflict means
 * that the store knows something else: a cold cache, another writer, an answer that was lost. Then the stored profile
 * becomes the base, what its marks have counted is left out of the delta, and the put is repeated. The next window is
 * written only once every put of this one is acknowledged, so that a mark never passes over an event that is still
 * under way. */
#include "engine/writer.h"

#include "base/clock.h"
#include "base/fault.h"
#include "engine/counters.h"
#include "engine/damage.h"
#include "engine/emitter.h"
#include "engine/forgetting.h"
#include "engine/merge.h"
#include "engine/own_headers.h"
#include "engine/plugin_call.h"
#include "engine/reach.h"
#include "engine/read_ahead.h"
#include "engine/stalled.h"
#include "engine/stored.h"
#include "engine/tapping.h"
#include "profile/profile_render.h"
#include "profile/store_keys.h"

#define FIRST_RETRY_MS 100
#define LAST_RETRY_MS 2000
#define PROFILE_LINES 6 /* of 64 bytes, that most profiles take */
#define CHANGE_LINES 2  /* … up to their marks and changes */

static const struct registry *registry_of(const struct worker *worker)
{
    return &worker->pipeline->catalog.registry;
}

static const churn_store_ops *ops_of(const struct worker *worker)
{
    return store_ops(&worker->pipeline->store);
}

static void set_stored(struct worker *worker, struct window *window, struct delta *delta)
{
    delta->state = DELTA_STORED;
    window->stored++;
    metrics_add_own(worker->counters.applied, delta->event_count - delta->skipped);
    metrics_add_own(worker->counters.already_counted, delta->skipped);
}

/* Fetches what the deltas to come will need, up to that many lines of their profiles: each is found only by the one
 * before. */
static void look_ahead(const struct window *window, uint32_t i, unsigned lines)
{
    static const uint32_t deltas_ahead = 12, customers_ahead = 8, profiles_ahead = 4;
    if (i + deltas_ahead < window->delta_count) {
        __builtin_prefetch(window->deltas[i + deltas_ahead]);
    }
    if (i + customers_ahead < window->delta_count) {
        __builtin_prefetch(window->deltas[i + customers_ahead]->customer);
    }
    if (i + profiles_ahead < window->delta_count) {
        const char *profile = (const char *)window->deltas[i + profiles_ahead]->customer->profile;
        for (unsigned line = 0; profile != NULL && line < lines; line++) {
            __builtin_prefetch(profile + (size_t)line * 64);
        }
    }
}

/* Settles a delta whose customer the store has no place for. */
static bool set_customer_aside(struct worker *worker, struct window *window, struct delta *delta,
                               const struct reject *reject)
{
    delta->state = DELTA_STORED;
    window->stored++;
    metrics_add_own(worker->counters.already_counted, delta->skipped);
    return damage_set_aside(worker, window, delta, reject);
}

/* Joins a delta to the profile that it is based on. */
static bool merge(struct worker *worker, struct window *window, struct delta *delta)
{
    struct reject reject;
    switch (merge_delta(worker, window, delta, &reject)) {
    case CHURN_OK:
        delta->state = DELTA_MERGED;
        return true;
    case CHURN_DROP:
        set_stored(worker, window, delta);
        return true;
    case CHURN_REJECT:
        return set_customer_aside(worker, window, delta, &reject);
    default:
        return false;
    }
}

static void lost(struct worker *worker)
{
    struct window *window = session_is_writing(worker) ? window_filled(worker) : NULL;
    for (uint32_t i = 0; window != NULL && i < window->delta_count; i++) {
        if (window->deltas[i]->state == DELTA_PUT) { /* written or not: a conflict will tell */
            window->deltas[i]->state = DELTA_MERGED;
        }
    }
}

/* Offers the delta's put again after a pause, which grows. */
static void put_later(struct worker *worker, struct delta *delta)
{
    delta->state = DELTA_MERGED;
    if (worker->writer.retry_ms == 0) {
        worker->writer.retry_pause_ms =
            worker->writer.retry_pause_ms == 0 ? FIRST_RETRY_MS : worker->writer.retry_pause_ms * 2;
        if (worker->writer.retry_pause_ms > LAST_RETRY_MS) {
            worker->writer.retry_pause_ms = LAST_RETRY_MS;
        }
        worker->writer.retry_ms = clock_monotonic_ms() + worker->writer.retry_pause_ms;
    }
}

/* A profile that begins after its customer was forgotten says so. False when the worker failed. */
static bool mark_begun(struct worker *worker, struct window *window, const char *id, churn_put *put)
{
    churn_pair *pairs = arena_alloc(&window->arena, (put->count + 1) * sizeof *pairs);
    const char *copy = arena_copy(&window->arena, id, (uint32_t)strlen(id));
    if (pairs == NULL || copy == NULL) {
        return out_of_memory(worker);
    }
    memcpy(pairs, put->fields, put->count * sizeof *pairs);
    pairs[put->count++] = (churn_pair){churn_text(TOMBSTONE_FIELD), {.ptr = copy, .len = (uint32_t)strlen(id)}};
    put->fields = pairs;
    return true;
}

/* Puts one merged delta's profile. False when the session is lost or the worker failed. */
static bool put(struct worker *worker, struct window *window, uint32_t index)
{
    struct delta *delta = window->deltas[index];
    const struct customer *customer = delta->customer;
    const churn_str id = {.ptr = customer->id, .len = customer->id_len};
    char key[STORE_KEY_SIZE];
    churn_error err = {.size = sizeof err};
    int32_t result;
    char tombstone[TOMBSTONE_ID_SIZE];
    struct forgetting *forgetting = worker->pipeline->forgetting;
    bool settled = true, begun = forgetting_find(forgetting, id, tombstone, &settled);
    churn_put put = {.size = sizeof put, .id = index, .ttl_ms = worker->pipeline->store_settings.ttl_ms};
    /* A tombstone that the worker has not adopted may cover what it has merged, however long ago it was seen. */
    if (!settled || forgetting_lapsed(forgetting) || forgetting_known(forgetting) != worker->forgetting.known) {
        put_later(worker, delta);
        return true;
    }
    profile_render(customer->profile, registry_of(worker), &worker->parts, id, &worker->writer.rendered);
    if (worker->writer.rendered.failed) {
        return out_of_memory(worker);
    }
    put.key = (churn_str){.ptr = key};
    put.key.len = store_keys_profile(worker->pipeline->store_settings.key_prefix, id, key);
    put.expected_version = customer->profile->version;
    put.fields = worker->writer.rendered.pairs;
    put.count = worker->writer.rendered.count;
    put.flags = customer->read ? CHURN_PUT_READ : 0;
    if (begun && customer->profile->version == 0 && !mark_begun(worker, window, tombstone, &put)) {
        return false;
    }
    worker_enter(worker, &worker->pipeline->store);
    result = ops_of(worker)->put(worker->session.handle, &put, &err);
    worker_enter(worker, NULL);
    if (result != CHURN_OK) {
        session_lose(worker, err.message);
        return false;
    }
    delta->state = DELTA_PUT;
    return true;
}

/* Puts whatever is merged and not with the store. */
static bool put_merged(struct worker *worker, struct window *window)
{
    for (uint32_t i = 0; i < window->delta_count; i++) {
        if (window->deltas[i]->state == DELTA_MERGED && !put(worker, window, i)) {
            return !worker->failed;
        }
    }
    return true;
}

/* Everything that the window refused is safe in the dead letters. */
static bool begin_to_write(struct worker *worker, struct window *window)
{
    if (!read_ahead(worker, window)) {
        return false;
    }
    window->state = WINDOW_WRITING;
    window->put_us = clock_monotonic_us();
    for (uint32_t i = 0; i < window->delta_count; i++) {
        struct delta *delta = window->deltas[i];
        look_ahead(window, i, PROFILE_LINES);
        if (delta->event_count == 0) { /* its only event was refused */
            set_stored(worker, window, delta);
        } else if (!merge(worker, window, delta)) {
            return false;
        }
        if (delta->state == DELTA_MERGED && worker->session.handle != NULL && !put(worker, window, i) &&
            worker->failed) {
            return false;
        }
    }
    return true;
}

static void say_gone(struct worker *worker, const struct customer *customer)
{
    struct naming *naming = &worker->writer.gone;
    (void)naming_turns(naming);
    if (naming_takes(naming)) {
        log_printf(
            worker->pipeline->log, CHURN_LOG_WARN, worker->pipeline->store.label,
            "the profile of customer '%.*s' is gone from the store (deleted, expired, evicted or lost); it begins "
            "anew with what is read from here on. To have all of it again: stop churnd, delete the profile, and start "
            "once with --replay-from beginning%s",
            (int)customer->id_len, customer->id,
            naming_is_full(naming) ? "; others in the next minute are not named" : "");
    }
}

/* The store holds an older profile than it acknowledged, or none. True when reading must go back for it. */
static bool went_back(struct worker *worker, const struct customer *customer, uint64_t stored_version)
{
    uint64_t version = customer->profile->version;
    if (stored_version >= version) {
        return false;
    }
    if (stored_version == 0) {
        say_gone(worker, customer);
    } else {
        log_printf(worker->pipeline->log, CHURN_LOG_ERROR, worker->pipeline->store.label,
                   "the profile of customer '%.*s' went back from version %llu to %llu: the store lost acknowledged "
                   "writes; reading again from its checkpoints",
                   (int)customer->id_len, customer->id, (unsigned long long)version,
                   (unsigned long long)stored_version);
    }
    return true;
}

/* What the store has is damaged, or it takes nothing in its place. `stored` has what could be read of it: its marks may
 * still say what it has counted. NULL: nothing. */
static bool refuse_profile(struct worker *worker, struct window *window, struct delta *delta,
                           const struct profile *stored, const struct reject *reject)
{
    if (stored != NULL) {
        merge_note_counted(window, delta, stored);
    }
    return set_customer_aside(worker, window, delta, reject);
}

/* Whether what the store has instead of what was expected comes, or may come, of an erasure: then the put waits, until
 * it is told which tombstones there are, and until a profile of before is erased. */
static bool waits_for_erasure(struct worker *worker, struct delta *delta, const churn_put_reply *reply, bool *ret_ok)
{
    const struct customer *customer = delta->customer;
    struct forgetting *forgetting = worker->pipeline->forgetting;
    const churn_str id = {.ptr = customer->id, .len = customer->id_len};
    enum forgetting_base base = forgetting_judge(forgetting, id, reply->fields, reply->count);
    bool doubtful = forgetting != NULL && (base != FORGETTING_BASE_GOOD || reply->version < customer->profile->version);
    if (doubtful && delta->doubt_ms == 0) {
        delta->doubt_ms = clock_monotonic_ms();
    }
    if (doubtful && !forgetting_looked_since(forgetting, delta->doubt_ms)) {
        return true;
    }
    delta->doubt_ms = 0;
    if (base == FORGETTING_BASE_OLD) {
        *ret_ok = forgetting_erase(forgetting, id) || out_of_memory(worker);
        return true;
    }
    return false;
}

/* Takes the stored profile as the new base and merges the delta into it. */
static bool resolve_conflict(struct worker *worker, struct window *window, struct delta *delta,
                             const churn_put_reply *reply)
{
    struct customer *customer = delta->customer;
    struct profile *stored;
    struct reject reject;
    bool ok = true;
    if (reply->result == CHURN_CONFLICT && waits_for_erasure(worker, delta, reply, &ok)) {
        put_later(worker, delta);
        return ok;
    }
    if (reply->result == CHURN_CONFLICT && went_back(worker, customer, reply->version)) {
        metrics_add_own(worker->counters.conflicts, 1);
        worker->session.went_back = true;
        return true;
    }
    stored = profile_new(registry_of(worker));
    if (stored == NULL) {
        return out_of_memory(worker);
    }
    switch (stored_judge(worker, customer, reply, stored, &reject)) {
    case CHURN_OK:
        metrics_add_own(worker->counters.conflicts, 1);
        stored->version = reply->version;
        cache_set_profile(&worker->cache, customer, stored);
        return merge(worker, window, delta);
    case CHURN_REJECT:
        ok = refuse_profile(worker, window, delta, reply->count > 0 ? stored : NULL, &reject);
        break;
    case CHURN_RETRY:
        put_later(worker, delta);
        break;
    default:
        ok = false;
        break;
    }
    profile_free(stored, registry_of(worker));
    return ok;
}

static bool take_reply(struct worker *worker, struct window *window, const churn_put_reply *reply)
{
    struct delta *delta = window->deltas[reply->id];
    struct profile *profile = delta->customer->profile;
    look_ahead(window, (uint32_t)reply->id, CHANGE_LINES);
    FAILPOINT("mid_pipeline");
    switch (reply->result) {
    case CHURN_OK:
        metrics_add_own(worker->counters.puts, 1);
        if (profile->version == 0) {
            metrics_add_own(worker->counters.created, 1);
        }
        profile_saved(profile);
        delta->customer->read = false;
        damage_mended(worker, delta->customer);
        worker->writer.retry_pause_ms = 0;
        set_stored(worker, window, delta);
        return true;
    case CHURN_CONFLICT:
    case CHURN_REJECT:
        return resolve_conflict(worker, window, delta, reply);
    case CHURN_RETRY:
        if (worker->writer.retry_ms == 0) {
            session_say_refused(worker, reply->message);
        }
        put_later(worker, delta);
        return true;
    default:
        return worker_fail(worker, "%s: %s", worker->pipeline->store.label, reply->message);
    }
}

static bool put_again(struct worker *worker, struct window *window, const churn_put_reply *replies, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bool again = worker->writer.retry_ms == 0 && (replies[i].id & CHECKPOINT_ID) == 0 &&
                     replies[i].result == CHURN_CONFLICT && window->deltas[replies[i].id]->state == DELTA_MERGED;
        if (again && !put(worker, window, (uint32_t)replies[i].id)) {
            return !worker->failed;
        }
    }
    return true;
}

static bool waits(const struct worker *worker, const struct window *window)
{
    (void)worker;
    return window != NULL && window->stored < window->delta_count;
}

static bool owes(const struct worker *worker, const struct window *window, uint64_t id)
{
    (void)worker;
    return window != NULL && id < window->delta_count && window->deltas[id]->state == DELTA_PUT;
}

const struct session_user writer_session_user = {
    .waits = waits, .owes = owes, .take_reply = take_reply, .put_again = put_again, .lost = lost};

static void finish(struct worker *worker, struct window *window)
{
    worker_goes_on(worker, &worker->pipeline->store, STALL_WRITE, NULL);
    counters_note_window(worker, window);
    for (uint32_t i = 0; i < window->delta_count; i++) {
        window->deltas[i]->customer->writing = NULL;
    }
    window->delta_count = window->stored = 0; /* from here on the cache may forget these customers */
    window->state = WINDOW_EMITTING;
    if (tapping_wanted(worker, TAP_ALERTS)) {
        tapping_alerts(worker, window);
    }
}

bool writer_begin(struct worker *worker, struct window *window)
{
    for (uint32_t i = 0; i < window->delta_count; i++) {
        struct delta *delta = window->deltas[i];
        delta->customer->filling = NULL;
        delta->customer->writing = delta;
    }
    if (!window->has_letters && reach_announce(worker, window)) {
        return begin_to_write(worker, window);
    }
    window->state = WINDOW_SETTING_ASIDE;
    return !worker->failed;
}

/* A mark must not pass over a refused event before its dead letter is safe: after a crash, and with other rules, it
 * would be taken for one that was counted. So letters go out before the window is written; and where its writing made
 * some, for customers whose marks stood still, before the next window is. */
static bool set_aside(struct worker *worker, struct window *window)
{
    if (!session_poll(worker, NULL, 0)) {
        return false;
    }
    window->announced = window->announced || reach_announce(worker, window);
    if (window->announced && emitter_set_aside(worker, window)) {
        FAILPOINT("after_dead_letters");
        if (!window->written) {
            return begin_to_write(worker, window);
        }
        finish(worker, window);
    }
    return !worker->failed;
}

bool writer_step(struct worker *worker, struct window *window, uint32_t timeout_ms)
{
    if (window->state == WINDOW_SETTING_ASIDE) {
        return set_aside(worker, window);
    }
    bool again = worker->writer.retry_ms != 0 && clock_monotonic_ms() >= worker->writer.retry_ms;
    if (worker->session.handle != NULL && (worker->session.fresh || again)) {
        worker->session.fresh = false;
        worker->writer.retry_ms = 0;
        if (!put_merged(worker, window)) {
            return false;
        }
    }
    if (!session_poll(worker, window, timeout_ms)) {
        return false;
    }
    if (window->stored == window->delta_count && !worker->session.went_back && own_headers_complete(worker, window)) {
        FAILPOINT("after_store_ack");
        window->written = true;
        if (window->set_aside) {
            window->announced = false; /* the letters that were added */
            window->state = WINDOW_SETTING_ASIDE;
        } else {
            finish(worker, window);
        }
    }
    return !worker->failed;
}

void writer_discard(struct worker *worker, struct window *window)
{
    static const char over[] = "given up, to be read again,"; /* which is no going on */
    worker_goes_on(worker, &worker->pipeline->store, STALL_WRITE, over);
    worker_goes_on(worker, &worker->pipeline->source, STALL_DEAD_LETTERS, over);
    for (uint32_t i = 0; i < window->delta_count; i++) {
        struct delta *delta = window->deltas[i];
        struct customer *customer = delta->customer;
        if (customer->writing == delta) {
            customer->writing = NULL;
            if (delta->state != DELTA_STORED) { /* merged, and perhaps never written */
                cache_set_profile(&worker->cache, customer, NULL);
            }
        }
        if (customer->filling == delta) {
            customer->filling = NULL;
        }
    }
}
