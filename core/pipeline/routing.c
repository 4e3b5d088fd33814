#include "pipeline/routing.h"

#include "base/json_text.h"
#include "event/condition.h"
#include "event/severity.h"

/* ---- conditions ---- */

/* Compiles the expression `node`, if there is one. False when a mistake was reported. */
static bool compile(struct pipeline *pipeline, const struct node *node, const char *key, const char *what,
                    const struct condition_scope *scope, struct condition **ret)
{
    char message[1024];
    if (node == NULL || node->kind != NODE_SCALAR) {
        return true; /* none, or reported before */
    }
    if (node->null) { /* to YAML, what begins with `!` is a tag */
        config_error(&pipeline->config, node, "%s: %s: an expression belongs here, in quotes if it begins with '!'",
                     what, key);
        return false;
    }
    *ret = condition_compile(node->text, scope, message, sizeof message);
    if (*ret != NULL) {
        return true;
    }
    if (strcmp(node->text, node->written) == 0) {
        config_error(&pipeline->config, node, "%s: %s: %s", what, key, message);
    } else { /* the message shows what the variables hold, which may be a secret */
        config_error(&pipeline->config, node, "%s: %s: with its variables replaced, this is no expression", what, key);
    }
    return false;
}

static bool compile_when(struct pipeline *pipeline, struct section *section, bool alerts)
{
    const struct node *node = config_get(section->node, "when");
    struct condition_scope scope = {.catalog = &pipeline->catalog, .has_severity = alerts};
    if (section->loaded == NULL || !pipeline->has_types) {
        return true;
    }
    scope.has_profile = section->input == CHURN_RECORD_TRIGGER && (sink_ops(section)->judges & CHURN_JUDGES_PROFILES);
    if (!compile(pipeline, node, "when", section->label, &scope, &section->when)) {
        return false;
    }
    if (section->when == NULL || !condition_asks_profile(section->when)) {
        return true;
    }
    condition_free(section->when); /* it is known when a request is made, which has nothing of the event's data */
    section->when = NULL;
    scope.dataless = "a condition on the profile";
    return compile(pipeline, node, "when", section->label, &scope, &section->when_asked);
}

/* ---- names ---- */

static unsigned section_count(const struct pipeline *pipeline)
{
    return pipeline->processor_count + pipeline->sink_count;
}

/* The processors, then the sinks. */
static struct section *section_at(const struct pipeline *pipeline, unsigned i)
{
    return i < pipeline->processor_count ? &pipeline->processors[i] : &pipeline->sinks[i - pipeline->processor_count];
}

/* Whether a section before number `i` has the name already, or another one was given it by the file. */
static bool is_taken(const struct pipeline *pipeline, unsigned i, const char *name)
{
    for (unsigned k = 0; k < section_count(pipeline); k++) {
        const struct section *other = section_at(pipeline, k);
        bool named = other->loaded != NULL && (k < i || (k > i && other->settings.name != NULL));
        if (named && strcmp(other->label, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The plugin's name, with a number where that is taken; the dead letters' sink rather says what it is. */
static void choose_name(const struct pipeline *pipeline, unsigned i)
{
    struct section *section = section_at(pipeline, i);
    const char *base = section->loaded->plugin.name;
    if (pipeline_is_dead_letters(pipeline, section) && is_taken(pipeline, i, base)) {
        base = "dead_letters";
    }
    section->label = base;
    for (unsigned n = 2; is_taken(pipeline, i, section->label); n++) {
        (void)snprintf(section->numbered, sizeof section->numbered, "%.*s-%u", SECTION_MAX_NAME - 11, base, n);
        section->label = section->numbered;
    }
}

static bool is_name(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return len > 0 && len <= SECTION_MAX_NAME && text[len] == '\0';
}

static bool take_name(struct pipeline *pipeline, unsigned i)
{
    struct section *section = section_at(pipeline, i);
    const struct node *node = config_get(section->node, "name");
    if (!is_name(section->settings.name)) {
        config_error(&pipeline->config, node, "%s: name: must be 1 to %d letters, digits, '_' or '-'", section->label,
                     SECTION_MAX_NAME);
        return false;
    }
    for (unsigned k = 0; k < i; k++) {
        const struct section *other = section_at(pipeline, k);
        if (other->settings.name != NULL && strcmp(other->settings.name, section->settings.name) == 0) {
            config_error(&pipeline->config, node, "%s: name: '%s' is the name of the section in line %u already",
                         section->label, section->settings.name, other->node->line);
            return false;
        }
    }
    section->label = section->settings.name;
    return true;
}

static bool name_sections(struct pipeline *pipeline)
{
    bool ok = true;
    for (unsigned i = 0; i < section_count(pipeline); i++) {
        const struct section *section = section_at(pipeline, i);
        ok = (section->loaded == NULL || section->settings.name == NULL || take_name(pipeline, i)) && ok;
    }
    for (unsigned i = 0; i < section_count(pipeline); i++) {
        const struct section *section = section_at(pipeline, i);
        if (section->loaded != NULL && section->settings.name == NULL) {
            choose_name(pipeline, i);
        }
    }
    return ok;
}

/* ---- sections ---- */

/* Dead letters are the last resort: they all go there, and wait until they are taken. */
static bool check_dead_letters_sink(struct pipeline *pipeline, const struct section *section)
{
    static const char *const refused[] = {"when", "on_reject", "give_up_after"};
    bool ok = true;
    for (unsigned i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const struct node *node = config_get(section->node, refused[i]);
        if (node != NULL) {
            config_error(&pipeline->config, node, "%s: %s: not for dead letters: each of them must be kept",
                         section->label, refused[i]);
            ok = false;
        }
    }
    return ok;
}

static bool load_sink(struct pipeline *pipeline, struct section *section, unsigned i)
{
    if (section->loaded == NULL) {
        return true; /* reported before */
    }
    if (section->input == CHURN_RECORD_DEAD_LETTER) {
        return check_dead_letters_sink(pipeline, section);
    }
    section->bit = i < PIPELINE_MAX_SINKS ? UINT32_C(1) << i : 0;
    return compile_when(pipeline, section, section->input == CHURN_RECORD_ALERT);
}

bool routing_load(struct pipeline *pipeline)
{
    bool ok = name_sections(pipeline);
    for (unsigned i = 0; i < pipeline->processor_count; i++) {
        ok = compile_when(pipeline, &pipeline->processors[i], false) && ok;
    }
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        ok = load_sink(pipeline, &pipeline->sinks[i], i) && ok;
        pipeline->routed = pipeline->routed || pipeline->sinks[i].when != NULL;
    }
    if (pipeline->sink_count > PIPELINE_MAX_SINKS + (unsigned)pipeline->has_dead_letters) {
        config_error(&pipeline->config, config_get(&pipeline->config.root, "sinks"), "sinks: at most %d are possible",
                     PIPELINE_MAX_SINKS);
        ok = false;
    }
    return ok;
}

/* ---- overrides ---- */

/* A condition on what the type never says is a mistake: `missing` says what there would have to be. */
static bool override_when(struct pipeline *pipeline, const struct node *value, const char *key, const char *section,
                          const struct condition_scope *scope, const char *missing, struct condition **ret)
{
    const struct node *node = config_get(value, key);
    if (node != NULL && missing != NULL) {
        config_error(&pipeline->config, node, "%s: %s: %s", section, key, missing);
        return false;
    }
    return compile(pipeline, node, key, section, scope, ret);
}

bool routing_override(struct pipeline *pipeline, const struct node *value, const char *section, struct event_type *type)
{
    struct type_rules *rules = pipeline_rules(pipeline, type);
    struct condition_scope trigger = {.catalog = &pipeline->catalog, .only = type};
    struct condition_scope alert = {.catalog = &pipeline->catalog, .only = type, .has_severity = true};
    const char *no_trigger = "this type asks for no prediction; add 'predict: true'";
    const char *no_alert = "this type raises no alert; add 'alert: info', 'warning' or 'critical'";
    bool ok = override_when(pipeline, value, "predict_when", section, &trigger, rules->predicts ? NULL : no_trigger,
                            &rules->predict_when);
    return override_when(pipeline, value, "alert_when", section, &alert,
                         rules->severity != CHURN_SEVERITY_NONE ? NULL : no_alert, &rules->alert_when) &&
           ok;
}

/* ---- events ---- */

static bool allows(const struct condition *condition, const struct event_type *type, const churn_event *event,
                   uint32_t severity)
{
    return condition == NULL || condition_matches(condition, type, event, severity);
}

struct saying routing_saying(const struct pipeline *pipeline, const struct event_type *type, const churn_event *event,
                             uint32_t kinds)
{
    const struct type_rules *rules = pipeline_rules(pipeline, type);
    struct saying saying = {.kinds = kinds};
    if ((kinds & CHURN_RECORD_ALERT) != 0) {
        saying.severity = severity_of_event(type, event, rules->severity);
    }
    if (saying.severity == CHURN_SEVERITY_NONE || !allows(rules->alert_when, type, event, saying.severity)) {
        saying.kinds &= ~(uint32_t)CHURN_RECORD_ALERT;
    }
    if (!rules->predicts || !allows(rules->predict_when, type, event, saying.severity)) {
        saying.kinds &= ~(uint32_t)CHURN_RECORD_TRIGGER;
    }
    return saying;
}

bool routing_wanted(const struct pipeline *pipeline, const struct event_type *type, const churn_event *event,
                    uint32_t kind, uint32_t severity, uint32_t *ret_withheld)
{
    bool wanted = false;
    *ret_withheld = 0;
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        const struct section *sink = &pipeline->sinks[i];
        if (sink->input != kind) {
            continue;
        }
        if (allows(sink->when, type, event, severity)) {
            wanted = true;
        } else {
            *ret_withheld |= sink->bit;
        }
    }
    return wanted;
}

bool routing_raised(const struct pipeline *pipeline, const churn_alert *alert, uint32_t *ret_withheld)
{
    const struct condition_moment moment = {.customer_id = alert->customer_id,
                                            .event_id = alert->event_id,
                                            .event_type = alert->event_type,
                                            .timestamp_ms = alert->timestamp_ms,
                                            .severity = alert->severity};
    bool wanted = false;
    *ret_withheld = 0;
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        const struct section *sink = &pipeline->sinks[i];
        if (sink->input != CHURN_RECORD_ALERT) {
            continue;
        }
        if (sink->when == NULL || condition_holds(sink->when, &moment)) {
            wanted = true;
        } else {
            *ret_withheld |= sink->bit;
        }
    }
    return wanted;
}

uint32_t routing_all_but(const struct pipeline *pipeline, uint32_t kind, churn_str name, bool *ret_found)
{
    uint32_t others = 0;
    *ret_found = false;
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        const struct section *sink = &pipeline->sinks[i];
        if (sink->input == kind && str_equals(name, sink->label)) {
            *ret_found = true;
        } else {
            others |= sink->bit;
        }
    }
    return others;
}
