#include "pipeline/grants.h"

#include "pipeline/forget_section.h"
#include <stdlib.h>

#define MOST_PREFIXES (PIPELINE_MAX_SINKS * 4)

struct asking {
    struct grants *grants;
    const char *command;
};

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whoever is given what a command needs was given what the first one does, and maybe nothing else. */
static bool is_given(const struct grants *grants, const struct grant *known, const char *command)
{
    return is_same(known->command, command) || is_same(known->command, grants->items[0].command);
}

/* What is needed always is not needed sometimes only. */
static bool is_known(struct grants *grants, const churn_grant *given, const char *command)
{
    for (unsigned i = 0; i < grants->count; i++) {
        struct grant *known = &grants->items[i];
        if (is_given(grants, known, command) && is_same(known->system, given->system) &&
            is_same(known->at, given->at) && is_same(known->user, given->user) &&
            is_same(known->resource, given->resource) && is_same(known->name, given->name) &&
            is_same(known->operation, given->operation) && ((known->flags ^ given->flags) & CHURN_GRANT_PREFIX) == 0 &&
            ((known->flags & CHURN_GRANT_SOMETIMES) == 0 || (given->flags & CHURN_GRANT_SOMETIMES) != 0)) {
            return true;
        }
    }
    return false;
}

static char *copy(const char *text, bool *failed)
{
    char *copied = text != NULL ? strdup(text) : NULL;
    *failed = *failed || (text != NULL && copied == NULL);
    return copied;
}

static void free_grant(struct grant *grant)
{
    free(grant->system);
    free(grant->at);
    free(grant->user);
    free(grant->resource);
    free(grant->name);
    free(grant->operation);
    free(grant->why);
}

static void on_grant(void *ctx, const churn_grant *given)
{
    const struct asking *asking = ctx;
    struct grants *grants = asking->grants;
    bool failed = false;
    struct grant grant, *items;
    if (is_known(grants, given, asking->command)) {
        return;
    }
    grant = (struct grant){.system = copy(given->system, &failed),
                           .at = copy(given->at, &failed),
                           .user = copy(given->user, &failed),
                           .resource = copy(given->resource, &failed),
                           .name = copy(given->name, &failed),
                           .operation = copy(given->operation, &failed),
                           .why = copy(given->why, &failed),
                           .flags = given->flags,
                           .command = asking->command};
    items = realloc(grants->items, (grants->count + 1) * sizeof *items);
    grants->items = items != NULL ? items : grants->items;
    if (items == NULL || failed) {
        grants->failed = true;
        free_grant(&grant);
        return;
    }
    items[grants->count++] = grant;
}

/* Of profiles, of what sections keep beside them, and of the engine's own records. */
static uint32_t find_prefixes(const struct pipeline *pipeline, churn_str prefixes[MOST_PREFIXES])
{
    const struct targets *targets = &pipeline->targets;
    uint32_t count = 0;
    prefixes[count++] = churn_text(pipeline->store_settings.key_prefix);
    prefixes[count++] = churn_text(STORE_KEYS_OWN);
    for (unsigned i = 0; i < targets->count && count < MOST_PREFIXES; i++) {
        if (strcmp(targets->items[i].kind, CHURN_TARGET_KEYS) == 0) {
            prefixes[count++] = churn_text(targets->items[i].name);
        }
    }
    return count;
}

void grants_ask(struct grants *grants, const struct instance *instance, uint32_t use, const char *command)
{
    const struct section *section = instance->section;
    struct asking asking = {.grants = grants, .command = command};
    churn_str prefixes[MOST_PREFIXES];
    switch (section->loaded->plugin.kind) {
    case CHURN_KIND_SOURCE:
        if (source_ops(section)->grants != NULL) {
            source_ops(section)->grants(instance->self, use, on_grant, &asking);
        }
        if (section == pipeline_ledger(instance->pipeline)) {
            source_ops(section)->ledger->grants(instance->self, instance->pipeline->forget_settings.topic, use,
                                                on_grant, &asking);
        }
        break;
    case CHURN_KIND_STORE:
        if (store_ops(section)->grants != NULL) {
            store_ops(section)->grants(instance->self, use, prefixes, find_prefixes(instance->pipeline, prefixes),
                                       on_grant, &asking);
        }
        break;
    case CHURN_KIND_SINK:
        if (sink_ops(section)->grants != NULL) {
            sink_ops(section)->grants(instance->self, use, on_grant, &asking);
        }
        break;
    default:
        break; /* a processor reaches nothing but the store */
    }
}

void grants_free(struct grants *grants)
{
    for (unsigned i = 0; i < grants->count; i++) {
        free_grant(&grants->items[i]);
    }
    free(grants->items);
    *grants = (struct grants){0};
}
