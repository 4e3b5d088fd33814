/* What a pipeline makes of an event type: its table's defaults, or what `events: override:` says. */
#ifndef TYPE_RULES_H
#define TYPE_RULES_H

#include "event/catalog.h"

struct condition;

struct type_rules {
    uint32_t severity; /* CHURN_SEVERITY_… of its alert */
    bool predicts;
    struct condition *predict_when, *alert_when; /* owned; NULL: always */
    unsigned journal_number;                     /* where it has a callback, once the pipeline runs */
};

/* The defaults of each type of the catalog, in its order; NULL: out of memory. */
struct type_rules *type_rules_new(const struct catalog *catalog);
/* `rules` may be NULL. */
void type_rules_free(struct type_rules *rules, const struct catalog *catalog);

#endif
