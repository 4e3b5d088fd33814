#include "crossing.h"

#include "text_buffer.h"
#include <inttypes.h>
#include <stdlib.h>

#define FIELD_PREFIX "_c:"
#define EVENT_TYPE "score"
#define STATE_SIZE 64
#define KEY_SIZE 512
#define POLL_MS 100

const char *const crossing_severities[] = {"info", "warning", "critical", NULL};

static const churn_alerts *alerts_of(const churn_host *host)
{
    return host->get_extension(host, CHURN_ALERTS_ID);
}

int32_t crossing_check(struct crossing_rule *rule, const churn_host *host, churn_error *err)
{
    const churn_alerts *alerts = alerts_of(host);
    int is_said = rule->clear_below < 1 || rule->severity + 1 != CHURN_SEVERITY_WARNING;
    if (!crossing_is_on(rule)) {
        return is_said ? churn_fail_option(err, "alert.above",
                                           "`above` must be given, and below 1: the score above which an "
                                           "alert is raised")
                       : CHURN_OK;
    }
    if (rule->clear_below < 1 && rule->clear_below > rule->above) {
        return churn_fail_option(err, "alert.clear_below", "`clear_below` must not be above `above` (%g)", rule->above);
    }
    if (alerts == NULL || !alerts->heard(host)) {
        return churn_fail_option(
            err, "alert", "needs a sink that takes alerts, such as `- plugin: alert`, and the pipeline has none");
    }
    if (rule->clear_below >= 1) {
        rule->clear_below = rule->above;
    }
    return CHURN_OK;
}

void crossings_init(struct crossings *c, const churn_host *host, const struct crossing_rule *rule,
                    struct store_session *store)
{
    int named = host->size >= offsetof(churn_host, name) + sizeof host->name && host->name != NULL;
    *c = (struct crossings){.host = host,
                            .rule = rule,
                            .store = store,
                            .alerts = alerts_of(host),
                            .sink = named ? host->name : "prediction"};
    (void)snprintf(c->field, sizeof c->field, FIELD_PREFIX "%s", c->sink);
}

/* --- The state in the profile --- */

static int read_number(const char **at, const char *end, uint64_t *ret)
{
    const char *begin = *at;
    uint64_t number = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
        uint64_t digit = (uint64_t)(**at - '0');
        if (number > (UINT64_MAX - digit) / 10) {
            return 0;
        }
        number = number * 10 + digit;
    }
    *ret = number;
    return *at > begin;
}

/* What nobody of us wrote is no state. */
static void read_state(churn_str text, struct crossing_state *ret)
{
    const char *at = text.ptr, *end = at + text.len;
    struct crossing_state state = {.is_above = text.len > 6 && memcmp(at, "above ", 6) == 0};
    if (text.len > 6 && (state.is_above || memcmp(at, "below ", 6) == 0)) {
        at += 6;
        if (read_number(&at, end, &state.count) && at < end && *at++ == ' ' && read_number(&at, end, &state.version) &&
            at == end) {
            *ret = state;
        }
    }
}

/* A profile with its state. */
struct stored {
    const struct crossings *crossings;
    struct crossing_state state;
    uint64_t version; /* 0: there is none */
};

static void read_stored(struct stored *stored, const churn_pair *fields, uint32_t count)
{
    stored->state = (struct crossing_state){0};
    for (uint32_t i = 0; i < count; i++) {
        if (churn_equal(fields[i].name, churn_text(CHURN_VERSION_FIELD))) {
            (void)churn_version_read(fields[i].value, &stored->version);
        } else if (churn_equal(fields[i].name, churn_text(stored->crossings->field))) {
            read_state(fields[i].value, &stored->state);
        }
    }
}

void crossing_note(const struct crossings *c, struct crossing *crossing, const churn_pair *fields, uint32_t count)
{
    struct stored stored = {.crossings = c};
    *crossing = (struct crossing){0};
    if (crossing_is_on(c->rule)) {
        read_stored(&stored, fields, count);
        crossing->state = stored.state;
        crossing->version = stored.version;
    }
}

/* --- Judging --- */

static double number_of(churn_str score)
{
    char copy[64];
    (void)snprintf(copy, sizeof copy, "%.*s", (int)score.len, score.ptr);
    return strtod(copy, NULL);
}

/* The side on which a score is that was on this one. Between the thresholds it stays. */
static int side_of(const struct crossing_rule *rule, int is_above, double score)
{
    return is_above ? score >= rule->clear_below : score > rule->above;
}

int crossing_changes(const struct crossings *c, const struct crossing *crossing, churn_str score)
{
    int is_above = crossing->state.is_above;
    return crossing->version != 0 && side_of(c->rule, is_above, number_of(score)) != is_above;
}

/* --- The alert --- */

static void append_member(struct text_buffer *text, const char *name, churn_str value)
{
    if (value.len > 0) {
        text_puts(text, ",\"");
        text_puts(text, name);
        text_puts(text, "\":");
        text_json_string(text, value);
    }
}

static void write_data(const struct crossings *c, const struct trigger *trigger, const struct cached_prediction *p,
                       struct text_buffer *text)
{
    char above[32];
    (void)snprintf(above, sizeof above, "%.9g", c->rule->above);
    text_puts(text, "{\"sink\":");
    text_json_string(text, churn_text(c->sink));
    text_puts(text, ",\"churn_probability\":");
    text_add(text, p->churn_probability.ptr, p->churn_probability.len);
    text_puts(text, ",\"above\":");
    text_puts(text, above);
    append_member(text, "risk_level", p->risk_level);
    append_member(text, "model", p->model);
    append_member(text, "model_version", p->model_version);
    append_member(text, "predicted_at", p->predicted_at);
    text_puts(text, ",\"trigger\":{\"event_id\":");
    text_json_string(text, trigger->event_id);
    append_member(text, "event_type", trigger->event_type);
    text_puts(text, "}}");
}

static int32_t raise_alert(const struct crossings *c, struct crossing *crossing, uint64_t number,
                           const struct trigger *trigger, const struct cached_prediction *p, uint64_t id,
                           churn_error *err)
{
    churn_str customer = trigger->customer_id;
    struct text_buffer data = {0};
    char event_id[320], message[320];
    churn_alert alert = {.size = sizeof alert,
                         .severity = (uint32_t)c->rule->severity + 1,
                         .event_type = churn_text(EVENT_TYPE),
                         .customer_id = customer,
                         .timestamp_ms = trigger->timestamp_ms};
    int32_t rc;
    (void)snprintf(event_id, sizeof event_id, "crossing:%s:%.*s:%" PRIu64, c->sink, (int)customer.len, customer.ptr,
                   number);
    (void)snprintf(message, sizeof message, "churn score of %.*s rose above %.9g to %.*s", (int)customer.len,
                   customer.ptr, c->rule->above, (int)p->churn_probability.len, p->churn_probability.ptr);
    write_data(c, trigger, p, &data);
    alert.event_id = churn_text(event_id);
    alert.message = churn_text(message);
    alert.data = text_str(&data);
    rc = data.failed ? CHURN_FATAL : c->alerts->raise(c->host, &alert, id);
    text_free(&data);
    if (rc != CHURN_OK) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    crossing->raised = number;
    return CHURN_PENDING;
}

uint32_t crossings_answers(const struct crossings *c, uint64_t *ids, uint32_t max)
{
    return crossing_is_on(c->rule) ? c->alerts->answers(c->host, ids, max) : 0;
}

/* --- The profile --- */

static int32_t on_profile(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    (void)key;
    read_stored(ctx, fields, count);
    return CHURN_OK;
}

static int32_t read_profile(const struct crossings *c, churn_str key, struct stored *stored, churn_error *err)
{
    int32_t rc = store_session_ready(c->store, err);
    *stored = (struct stored){.crossings = c};
    return rc == CHURN_OK ? store_session_result(
                                c->store, c->store->ops->get(c->store->session, key, on_profile, stored, err), err)
                          : rc;
}

static int64_t ttl_of(const struct crossings *c)
{
    const churn_storage *storage = c->store->storage;
    return storage->size > offsetof(churn_storage, profile_ttl_ms) && storage->profile_ttl_ms != NULL
               ? storage->profile_ttl_ms(c->host)
               : 0;
}

/* Puts the state on the version that was read. CHURN_CONFLICT: somebody else has written the profile since. */
static int32_t put_state(const struct crossings *c, churn_str key, uint64_t version, const struct crossing_state *state,
                         churn_error *err)
{
    const churn_store_ops *ops = c->store->ops;
    void *session = c->store->session;
    char text[STATE_SIZE];
    const churn_pair field = {.name = churn_text(c->field), .value = {.ptr = text}};
    churn_pair fields[] = {field};
    const churn_put put = {
        .size = sizeof put, .count = 1, .key = key, .expected_version = version, .fields = fields, .ttl_ms = ttl_of(c)};
    churn_put_reply reply = {.size = sizeof reply};
    uint32_t count = 0;
    int32_t rc;
    (void)snprintf(text, sizeof text, "%s %" PRIu64 " %" PRIu64, state->is_above ? "above" : "below", state->count,
                   state->version);
    fields[0].value.len = (uint32_t)strlen(text);
    rc = ops->put(session, &put, err);
    while ((rc == CHURN_OK || rc == CHURN_PENDING) && count == 0) {
        rc = ops->poll(session, &reply, 1, POLL_MS, &count, err);
    }
    if (rc == CHURN_OK && reply.result < 0 && reply.message != NULL) {
        (void)churn_fail(err, reply.result, "%s", reply.message);
    }
    return store_session_result(c->store, rc, err) == CHURN_OK ? reply.result : rc;
}

int32_t crossing_step(const struct crossings *c, struct crossing *crossing, const struct trigger *trigger,
                      const struct cached_prediction *prediction, uint64_t id, churn_error *err)
{
    double score = number_of(prediction->churn_probability);
    char room[KEY_SIZE];
    churn_str key = {.ptr = room, .len = c->store->storage->profile_key(c->host, trigger->customer_id, room)};
    int32_t rc;
    do {
        struct stored stored;
        struct crossing_state state;
        rc = read_profile(c, key, &stored, err);
        if (rc != CHURN_OK || stored.version == 0 || crossing->version < stored.state.version) {
            break; /* its profile is gone, or a newer one was scored */
        }
        state = stored.state;
        state.is_above = side_of(c->rule, state.is_above, score);
        if (state.is_above == stored.state.is_above) {
            break;
        }
        state.count += (uint64_t)state.is_above;
        state.version = crossing->version;
        if (state.is_above && crossing->answered != state.count) {
            return raise_alert(c, crossing, state.count, trigger, prediction, id, err);
        }
        rc = put_state(c, key, stored.version, &state, err);
    } while (rc == CHURN_CONFLICT);
    return rc == CHURN_REJECT ? CHURN_OK : rc; /* a damaged profile keeps no state; it is told elsewhere */
}
