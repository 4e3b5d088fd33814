#include "pipeline/type_rules.h"

#include "event/condition.h"
#include <stdlib.h>

struct type_rules *type_rules_new(const struct catalog *catalog)
{
    struct type_rules *rules = calloc(catalog->type_count + 1, sizeof *rules);
    for (uint32_t i = 0; rules != NULL && i < catalog->type_count; i++) {
        const churn_event_type *table = &catalog->types[i].table;
        rules[i] = (struct type_rules){.severity = table->severity, .predicts = table->predicts != 0};
    }
    return rules;
}

void type_rules_free(struct type_rules *rules, const struct catalog *catalog)
{
    for (uint32_t i = 0; rules != NULL && i < catalog->type_count; i++) {
        condition_free(rules[i].predict_when);
        condition_free(rules[i].alert_when);
    }
    free(rules);
}
