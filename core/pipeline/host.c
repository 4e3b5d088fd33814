#include "pipeline/host.h"

#include "base/clock.h"
#include "event/condition.h"
#include "pipeline/protect_section.h"
#include "pipeline/raised.h"
#include "pipeline/store_overlay.h"
#include "pipeline/taps.h"
#include "profile/profile_render.h"
#include "profile/profile_view.h"
#include "profile/store_keys.h"
#include <churn/ext/event_types.h>
#include <churn/ext/forgetting.h>
#include <churn/ext/health.h>
#include <churn/ext/metrics.h>
#include <churn/ext/storage.h>
#include <churn/ext/tap.h>
#include <churn/ext/when.h>
#include <stdlib.h>

static const struct instance *instance_of(const churn_host *host)
{
    return host->ctx;
}

static void on_log(const churn_host *host, int32_t level, const char *message)
{
    const struct instance *instance = instance_of(host);
    log_line(instance->pipeline->log, level, instance->section->label, message);
}

static int32_t on_log_enabled(const churn_host *host, int32_t level)
{
    return log_enabled(instance_of(host)->pipeline->log, level);
}

static int64_t on_now_ms(const churn_host *host)
{
    (void)host;
    return clock_wall_ms();
}

static int64_t on_monotonic_ms(const churn_host *host)
{
    (void)host;
    return clock_monotonic_ms();
}

static churn_counter *on_counter(const churn_host *host, const char *name)
{
    const struct instance *instance = instance_of(host);
    return metrics_of_plugin(instance->pipeline->metrics, host, name, NULL, instance->section->label);
}

static churn_counter *on_shown(const churn_host *host, const char *name, const churn_metric *as)
{
    const struct instance *instance = instance_of(host);
    return metrics_of_plugin(instance->pipeline->metrics, host, name, as, instance->section->label);
}

static churn_histogram *on_histogram(const churn_host *host, const churn_metric *as)
{
    return metrics_histogram_of_plugin(instance_of(host)->pipeline->metrics, host, as);
}

static uint32_t on_type_count(const churn_host *host)
{
    return instance_of(host)->pipeline->catalog.type_count;
}

static const churn_event_type *on_type_at(const churn_host *host, uint32_t index, const char **ret_name)
{
    const struct event_type *type = &instance_of(host)->pipeline->catalog.types[index];
    *ret_name = type->name.ptr;
    return &type->table;
}

static const churn_store_ops *on_store(const churn_host *host, void **ret_self)
{
    const struct pipeline *pipeline = instance_of(host)->pipeline;
    if (pipeline->store.loaded == NULL) {
        return NULL;
    }
    if (pipeline->overlay != NULL) {
        *ret_self = pipeline->overlay;
        return &store_overlay_ops;
    }
    /* A store whose own options are wrong has no instance; nobody shall say besides that there is no store. */
    *ret_self = pipeline->store_instance != NULL ? pipeline->store_instance->self : NULL;
    return store_ops(&pipeline->store);
}

static uint32_t on_profile_key(const churn_host *host, churn_str customer_id, char *key)
{
    return store_keys_profile(instance_of(host)->pipeline->store_settings.key_prefix, customer_id, key);
}

static char *on_customer_json(const churn_host *host, churn_str customer_id, const churn_pair *fields, uint32_t count)
{
    const struct instance *instance = instance_of(host);
    const struct registry *registry = &instance->pipeline->catalog.registry;
    struct profile_view view;
    struct text json = {0};
    json.failed =
        !profile_view_make(&view, registry, customer_id, fields, count, protect_section_place(instance->section));
    profile_append_json(&json, registry, view.pairs, count);
    profile_view_free(&view);
    text_append(&json, "", 1);
    if (json.failed) {
        text_free(&json);
    }
    return json.bytes;
}

/* No text is encrypted for a customer without id. */
static char *on_profile_json(const churn_host *host, const churn_pair *fields, uint32_t count)
{
    return on_customer_json(host, (churn_str){.ptr = ""}, fields, count);
}

static int64_t on_profile_ttl_ms(const churn_host *host)
{
    return instance_of(host)->pipeline->store_settings.ttl_ms;
}

static void on_free_text(char *text)
{
    free(text);
}

static int32_t on_field_at(const churn_host *host, uint32_t index, churn_profile_field *ret)
{
    const struct registry *registry = &instance_of(host)->pipeline->catalog.registry;
    if (index < registry->field_count) {
        *ret = (churn_profile_field){.name = registry->fields[index].name, .type = registry->fields[index].type};
        return 1;
    }
    index -= registry->field_count;
    if (index < registry->derived_count) {
        *ret = (churn_profile_field){.name = registry->derived[index].name, .type = CHURN_PROFILE_DECIMAL};
        return 1;
    }
    return 0;
}

/* What holds up every event is worse than what holds up that which follows from them. */
static int32_t stall_level(const struct instance *instance)
{
    const struct section *section = instance->section;
    bool sink = section->loaded->plugin.kind == CHURN_KIND_SINK;
    return sink && !pipeline_is_dead_letters(instance->pipeline, section) ? CHURN_LOG_WARN : CHURN_LOG_ERROR;
}

static void on_stalled(const churn_host *host, const char *what, const char *message)
{
    const struct instance *instance = instance_of(host);
    const struct stall_place place = {instance->section, instance->section->label, host->worker};
    if (message != NULL) {
        stalls_begin(instance->pipeline->stalls, &place, what, stall_level(instance), message);
    } else {
        stalls_end(instance->pipeline->stalls, &place, what, NULL);
    }
}

/* TAP_POINTS, where nobody ever looks, for one that only later hosts know. */
static enum tap_point tap_point(uint32_t point)
{
    return point == CHURN_TAP_PREDICTIONS    ? TAP_PREDICTIONS
           : point == CHURN_TAP_DEAD_LETTERS ? TAP_DEAD_LETTERS
                                             : TAP_POINTS;
}

static int32_t on_watched(const churn_host *host, uint32_t point)
{
    return taps_watched(instance_of(host)->pipeline->taps, tap_point(point));
}

static void on_offer(const churn_host *host, uint32_t point, const churn_record *record)
{
    struct taps *taps = instance_of(host)->pipeline->taps;
    if (taps_watched(taps, tap_point(point))) {
        taps_offer_shared(taps, tap_point(point), record->key, record);
    }
}

static uint32_t on_asks(const churn_host *host)
{
    const struct condition *when = instance_of(host)->section->when_asked;
    return when == NULL ? 0 : CHURN_WHEN_PROFILE | (condition_asks_score(when) ? CHURN_WHEN_SCORE : 0);
}

static int32_t on_holds(const churn_host *host, const churn_when_subject *subject)
{
    const struct instance *instance = instance_of(host);
    const struct condition *when = instance->section->when_asked;
    struct condition_moment moment = {.customer_id = subject->customer_id,
                                      .event_id = subject->event_id,
                                      .event_type = subject->event_type,
                                      .timestamp_ms = subject->timestamp_ms,
                                      .count = subject->count,
                                      .score = subject->score,
                                      .score_age_ms = subject->score_age_ms};
    struct profile_view view;
    int32_t holds = 1;
    if (when == NULL) {
        return 1;
    }
    if (profile_view_make(&view, &instance->pipeline->catalog.registry, subject->customer_id, subject->fields,
                          subject->count, VIEW_CLEAR)) {
        moment.fields = view.pairs;
        holds = condition_holds(when, &moment);
    } else {
        holds = CHURN_FATAL;
    }
    profile_view_free(&view);
    return holds;
}

static int32_t on_heard(const churn_host *host)
{
    return (instance_of(host)->pipeline->outputs & CHURN_RECORD_ALERT) != 0;
}

static int32_t on_raise(const churn_host *host, const churn_alert *alert, uint64_t id)
{
    const struct instance *instance = instance_of(host);
    return raised_add(instance->pipeline->raised, host->worker, instance, alert, id) ? CHURN_OK : CHURN_FATAL;
}

static uint32_t on_answers(const churn_host *host, uint64_t *ids, uint32_t max)
{
    const struct instance *instance = instance_of(host);
    return raised_answers(instance->pipeline->raised, host->worker, instance, ids, max);
}

static const void *on_extension(const churn_host *host, const char *id)
{
    static const churn_metrics metrics = {.size = sizeof metrics,
                                          .counter = on_counter,
                                          .add = metrics_add,
                                          .shown = on_shown,
                                          .set = metrics_set,
                                          .histogram = on_histogram,
                                          .observe = histogram_observe};
    static const churn_health health = {.size = sizeof health, .stalled = on_stalled};
    static const churn_event_types types = {.size = sizeof types, .count = on_type_count, .at = on_type_at};
    static const churn_tap tap = {.size = sizeof tap, .watched = on_watched, .offer = on_offer};
    static const churn_storage storage = {.size = sizeof storage,
                                          .store = on_store,
                                          .profile_key = on_profile_key,
                                          .profile_json = on_profile_json,
                                          .free_text = on_free_text,
                                          .customer_json = on_customer_json,
                                          .field_at = on_field_at,
                                          .profile_ttl_ms = on_profile_ttl_ms};
    static const churn_when when = {.size = sizeof when, .asks = on_asks, .holds = on_holds};
    static const churn_alerts alerts = {
        .size = sizeof alerts, .heard = on_heard, .raise = on_raise, .answers = on_answers};
    if (strcmp(id, CHURN_FORGETTING_ID) == 0) {
        return instance_of(host)->pipeline->forgetting_calls;
    }
    if (strcmp(id, CHURN_ALERTS_ID) == 0) {
        return &alerts;
    }
    if (strcmp(id, CHURN_WHEN_ID) == 0) {
        return &when;
    }
    if (strcmp(id, CHURN_METRICS_ID) == 0) {
        return &metrics;
    }
    if (strcmp(id, CHURN_EVENT_TYPES_ID) == 0) {
        return &types;
    }
    if (strcmp(id, CHURN_HEALTH_ID) == 0) {
        return &health;
    }
    if (strcmp(id, CHURN_TAP_ID) == 0) {
        return &tap;
    }
    return strcmp(id, CHURN_STORAGE_ID) == 0 ? &storage : NULL;
}

void host_init(struct instance *instance, unsigned worker)
{
    const struct pipeline *pipeline = instance->pipeline;
    instance->host = (churn_host){.size = sizeof instance->host,
                                  .worker = worker,
                                  .worker_count = (uint32_t)pipeline->settings.workers,
                                  .until_end = pipeline->until_end,
                                  .ctx = instance,
                                  .pipeline = pipeline->settings.name,
                                  .log = on_log,
                                  .log_enabled = on_log_enabled,
                                  .now_ms = on_now_ms,
                                  .monotonic_ms = on_monotonic_ms,
                                  .get_extension = on_extension,
                                  .name = instance->section->label,
                                  .read_only = pipeline->read_only,
                                  .beside = pipeline->redrive != NULL || pipeline->profiles_only};
    if (pipeline->adapt_host != NULL) {
        pipeline->adapt_host(&instance->host);
    }
}
