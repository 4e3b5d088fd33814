/* Score crossings: one alert each time a customer's score rises above a threshold, and none again before it was below
 * another one. The state is the profile's: a field `_c:<sink>`, "above 3 17", of the side of the newest score, the
 * count of crossings, and the version of the profile that was scored. It is written only when the side changes, by a
 * versioned put, after the alert was answered; so a crash in between repeats the alert with its id. One thread. */
#ifndef CROSSING_H
#define CROSSING_H

#include "prediction_cache.h"
#include "store_session.h"
#include "trigger.h"
#include <churn/event.h>
#include <churn/ext/alerts.h>
#include <churn/option.h>

/* The options of a sink, and their rows; `at`: the offset of the rule in its instance. */
struct crossing_rule {
    double above, clear_below;
    int32_t severity; /* CHURN_SEVERITY_… - 1 */
};

extern const char *const crossing_severities[];

#define CROSSING_OPTIONS(at)                                                                                           \
    {"alert.above",                                                                                                    \
     .default_text = "1",                                                                                              \
     .type = CHURN_OPTION_DOUBLE,                                                                                      \
     .min = 0,                                                                                                         \
     .max = 1,                                                                                                         \
     .offset = (at) + offsetof(struct crossing_rule, above),                                                           \
     .help = "An alert is raised when a customer's score rises above this: once, until it was below clear_below. 1: "  \
             "none is."},                                                                                              \
        {"alert.clear_below",                                                                                          \
         .default_text = "1",                                                                                          \
         .type = CHURN_OPTION_DOUBLE,                                                                                  \
         .min = 0,                                                                                                     \
         .max = 1,                                                                                                     \
         .offset = (at) + offsetof(struct crossing_rule, clear_below),                                                 \
         .help = "Below this the score has to fall before it can cross `above` again; 1: below `above`."},             \
        {"alert.severity",                                                                                             \
         .default_text = "warning",                                                                                    \
         .type = CHURN_OPTION_ENUM,                                                                                    \
         .choices = crossing_severities,                                                                               \
         .offset = (at) + offsetof(struct crossing_rule, severity),                                                    \
         .help = "Severity of the alert."}

/* Whether alerts are asked for. */
static inline int crossing_is_on(const struct crossing_rule *rule)
{
    return rule->above < 1;
}

/* Checks the options against each other and the pipeline, and settles clear_below, for `create`. */
int32_t crossing_check(struct crossing_rule *rule, const churn_host *host, churn_error *err);

/* What a sink needs for all its crossings; the store's session is that of the thread. */
struct crossings {
    const churn_host *host;
    const struct crossing_rule *rule;
    struct store_session *store;
    const churn_alerts *alerts;
    char field[64]; /* of the state */
    const char *sink;
};

/* For `start`. */
void crossings_init(struct crossings *crossings, const churn_host *host, const struct crossing_rule *rule,
                    struct store_session *store);

/* The state of a customer's score. */
struct crossing_state {
    int is_above;
    uint64_t count;   /* of crossings so far */
    uint64_t version; /* of the profile by whose score the side changed last; 0: never */
};

/* Of one prediction: the profile that was scored, and how far its crossing is. Starts zeroed. */
struct crossing {
    struct crossing_state state; /* as it was read with the profile */
    uint64_t version;            /* of the profile; 0: there is none, and nothing can cross */
    uint64_t raised, answered;   /* number of the crossing whose alert was raised, and is answered; 0: none */
};

/* Notes the profile that is about to be scored. */
void crossing_note(const struct crossings *crossings, struct crossing *crossing, const churn_pair *fields,
                   uint32_t count);

/* Whether the prediction changes the side, as far as the profile told that was scored. */
int crossing_changes(const struct crossings *crossings, const struct crossing *crossing, churn_str score);

/* Takes a crossing on; `id` is what its alert is answered with. CHURN_OK: nothing is left to do. CHURN_PENDING: its
 * alert is on its way; go on once that is answered. CHURN_RETRY: the store is out of reach. CHURN_FATAL. */
int32_t crossing_step(const struct crossings *crossings, struct crossing *crossing, const struct trigger *trigger,
                      const struct cached_prediction *prediction, uint64_t id, churn_error *err);

/* Ids of alerts that are answered. */
uint32_t crossings_answers(const struct crossings *crossings, uint64_t *ids, uint32_t max);
static inline void crossing_answered(struct crossing *crossing)
{
    crossing->answered = crossing->raised;
}

#endif
