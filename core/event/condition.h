/* Conditions on events: a subset of CEL, the Common Expression Language, compiled once and evaluated for each event
 * without a call of malloc. docs/routing.md has the language. */
#ifndef CONDITION_H
#define CONDITION_H

#include <churn/event.h>
#include <churn/store.h>
#include <stdbool.h>
#include <stddef.h>

struct catalog;
struct condition;
struct event_type;

/* What a condition can speak of. */
struct condition_scope {
    const struct catalog *catalog; /* outlives the condition; its types stay where they are */
    const struct event_type *only; /* the one type whose events it will see; NULL: any of the catalog's */
    bool has_severity;             /* it is about alerts */
    bool has_profile;              /* it may ask for the profile, too, and for the newest prediction */
    const char *dataless;          /* what it is about where that has no data, as "a prediction"; NULL: it has */
};

/* Compiles and checks a text; NULL with a message for a person that says where in the text the mistake is. Free. */
struct condition *condition_compile(const char *text, const struct condition_scope *scope, char *message, size_t size);
/* May be NULL. */
void condition_free(struct condition *condition);

/* True only when it is true: not when it cannot be told, for want of a field. `severity` is the alert's, or anything
 * where the scope has none. */
bool condition_matches(const struct condition *condition, const struct event_type *type, const churn_event *event,
                       uint32_t severity);

/* Whether it asks for the profile or the newest prediction, so that condition_holds judges it; and for the latter. */
bool condition_asks_profile(const struct condition *condition);
bool condition_asks_score(const struct condition *condition);

/* A prediction that is about to be asked for, or an alert that no event raised. */
struct condition_moment {
    churn_str customer_id, event_id, event_type; /* of its trigger */
    int64_t timestamp_ms;
    uint32_t severity;        /* the alert's */
    const churn_pair *fields; /* of the profile, as they are shown */
    uint32_t count;
    churn_str score;      /* of the newest prediction, as a decimal number; len 0: there is none */
    int64_t score_age_ms; /* since then */
};

/* As condition_matches, where there is no event: what asks for a field of one is unknown, and `has` says no. */
bool condition_holds(const struct condition *condition, const struct condition_moment *moment);

#endif
