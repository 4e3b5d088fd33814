/* Conditions on events: a subset of CEL, the Common Expression Language, compiled once and evaluated for each event
 * without a call of malloc. docs/routing.md has the language. */
#ifndef CONDITION_H
#define CONDITION_H

#include <churn/event.h>
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

#endif
