#include "event/condition_names.h"

#include "base/suggest.h"
#include "event/severity.h"
#include <stdlib.h>

/* ---- fields ---- */

static enum value_type field_type(const churn_field *field)
{
    switch (field->type) {
    case CHURN_FIELD_STRING:
        return VALUE_TEXT;
    case CHURN_FIELD_BOOL:
        return VALUE_BOOL;
    case CHURN_FIELD_TIME:
        return VALUE_TIME;
    default:
        return VALUE_NUMBER;
    }
}

static bool in_scope(const struct parser *p, const struct event_type *type)
{
    return p->scope->only == NULL || p->scope->only == type;
}

static int32_t find_row(const struct event_type *type, const char *name)
{
    for (uint32_t row = 0; row < type->table.field_count; row++) {
        if (strcmp(event_type_field(type, row)->name, name) == 0) {
            return (int32_t)row;
        }
    }
    return -1;
}

static void offer_fields(const struct parser *p, struct suggest *suggest)
{
    const struct catalog *catalog = p->scope->catalog;
    for (uint32_t t = 0; t < catalog->type_count; t++) {
        const struct event_type *type = &catalog->types[t];
        for (uint32_t row = 0; in_scope(p, type) && row < type->table.field_count; row++) {
            suggest_offer(suggest, event_type_field(type, row)->name);
        }
    }
}

static int unknown_field(struct parser *p, const char *at, const char *name)
{
    struct suggest suggest = {.typed = name};
    char room[96];
    const char *hint;
    const struct event_type *only = p->scope->only;
    offer_fields(p, &suggest);
    hint = suggest_text(&suggest, room, sizeof room);
    return only != NULL ? parser_fail(p, at, "%s has no field '%s'%s", only->name.ptr, name, hint)
                        : parser_fail(p, at, "no loaded event type has a field '%s'%s", name, hint);
}

/* Finds the field in each type that the condition may see. Types that share a name must agree on what it is. */
int parser_add_field(struct parser *p, const char *at, const char *name, enum operation operation)
{
    const struct catalog *catalog = p->scope->catalog;
    const struct event_type *first = NULL;
    struct term term = {.operation = operation};
    if (p->scope->dataless != NULL) {
        return parser_fail(p, at, "%s has no data, only event_type, event_id, customer_id and timestamp of its event",
                           p->scope->dataless);
    }
    term.rows = calloc(catalog->type_count + 1, sizeof *term.rows);
    if (term.rows == NULL) {
        return parser_out_of_memory(p);
    }
    for (uint32_t t = 0; t < catalog->type_count; t++) {
        const struct event_type *type = &catalog->types[t];
        int32_t row = term.rows[t] = in_scope(p, type) ? find_row(type, name) : -1;
        enum value_type here = row >= 0 ? field_type(event_type_field(type, (uint32_t)row)) : term.type;
        if (row >= 0 && first != NULL && here != term.type && operation != TERM_HAS) {
            free(term.rows);
            return parser_fail(p, at, "data.%s is %s in %s and %s in %s", name, value_type_name(term.type),
                               first->name.ptr, value_type_name(here), type->name.ptr);
        }
        first = row >= 0 && first == NULL ? type : first;
        term.type = here;
    }
    if (first == NULL) {
        free(term.rows);
        return unknown_field(p, at, name);
    }
    term.type = operation == TERM_HAS ? VALUE_BOOL : term.type;
    return parser_add_term(p, at, term);
}

/* ---- fields of the profile ---- */

static enum value_type profile_type(uint32_t type)
{
    switch (type) {
    case CHURN_PROFILE_INT:
    case CHURN_PROFILE_MONEY:
        return VALUE_NUMBER;
    case CHURN_PROFILE_TIME:
        return VALUE_TIME;
    default:
        return VALUE_TEXT;
    }
}

/* The field of that name and what it is, or NULL. */
static const churn_str *find_profile_field(const struct registry *registry, churn_str name, enum value_type *ret_type)
{
    for (uint32_t i = 0; i < registry->field_count; i++) {
        if (churn_equal(registry->fields[i].name, name)) {
            *ret_type = profile_type(registry->fields[i].type);
            return &registry->fields[i].name;
        }
    }
    for (uint32_t i = 0; i < registry->derived_count; i++) {
        if (churn_equal(registry->derived[i].name, name)) {
            *ret_type = VALUE_NUMBER;
            return &registry->derived[i].name;
        }
    }
    return NULL;
}

static int unknown_profile_field(struct parser *p, const char *at, const char *name)
{
    const struct registry *registry = &p->scope->catalog->registry;
    struct suggest suggest = {.typed = name};
    char room[96];
    for (uint32_t i = 0; i < registry->field_count; i++) {
        suggest_offer(&suggest, registry->fields[i].name.ptr);
    }
    for (uint32_t i = 0; i < registry->derived_count; i++) {
        suggest_offer(&suggest, registry->derived[i].name.ptr);
    }
    return parser_fail(p, at, "no profile has a field '%s'%s", name, suggest_text(&suggest, room, sizeof room));
}

int parser_add_profile(struct parser *p, const char *at, const char *name, enum operation operation)
{
    struct term term = {.operation = operation};
    const churn_str *found = find_profile_field(&p->scope->catalog->registry, churn_text(name), &term.type);
    if (found == NULL) {
        return unknown_profile_field(p, at, name);
    }
    term.text = *found;
    term.type = operation == TERM_HAS_PROFILE ? VALUE_BOOL : term.type;
    return parser_add_term(p, at, term);
}

/* ---- other names ---- */

static const struct {
    const char *name;
    enum operation operation;
    enum value_type type;
} own_names[] = {{"event_type", TERM_EVENT_TYPE, VALUE_TEXT}, {"customer_id", TERM_CUSTOMER_ID, VALUE_TEXT},
                 {"event_id", TERM_EVENT_ID, VALUE_TEXT},     {"timestamp", TERM_TIMESTAMP, VALUE_TIME},
                 {"severity", TERM_SEVERITY, VALUE_TEXT},     {"score", TERM_SCORE, VALUE_NUMBER},
                 {"score_age", TERM_SCORE_AGE, VALUE_NUMBER}};

#define OWN_NAMES (sizeof own_names / sizeof own_names[0])

static int unknown_name(struct parser *p, const char *at, const char *name)
{
    static const char *const others[] = {"data", "true", "false", "has", "size"};
    struct suggest suggest = {.typed = name}, field = {.typed = name};
    char hint[96];
    offer_fields(p, &field);
    if (field.best != NULL && field.distance == 0) {
        return parser_fail(p, at, "unknown name '%s' (did you mean 'data.%s'?)", name, name);
    }
    if (strcmp(name, "severity") == 0) {
        return parser_fail(p, at, "only alerts have a severity");
    }
    if (!p->scope->has_profile &&
        (strcmp(name, "profile") == 0 || strcmp(name, "score") == 0 || strcmp(name, "score_age") == 0)) {
        return parser_fail(p, at, "only `when` of a sink that asks for predictions knows the %s",
                           strcmp(name, "profile") == 0 ? "profile" : "score");
    }
    if (strcmp(name, "not") == 0) {
        return parser_fail(p, at, "unknown name 'not' (did you mean '!'?)");
    }
    for (size_t i = 0; i < OWN_NAMES; i++) {
        suggest_offer(&suggest, own_names[i].name);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        suggest_offer(&suggest, others[i]);
    }
    return parser_fail(p, at, "unknown name '%s'%s", name,
                       suggest.best != NULL ? suggest_text(&suggest, hint, sizeof hint) : " (a text stands in quotes)");
}

static bool is_known(const struct parser *p, enum operation operation)
{
    switch (operation) {
    case TERM_SEVERITY:
        return p->scope->has_severity;
    case TERM_SCORE:
    case TERM_SCORE_AGE:
        return p->scope->has_profile;
    default:
        return true;
    }
}

int parser_add_name(struct parser *p, const char *at, const char *name)
{
    for (size_t i = 0; i < OWN_NAMES; i++) {
        if (is_known(p, own_names[i].operation) && strcmp(name, own_names[i].name) == 0) {
            return parser_add_term(p, at,
                                   (struct term){.operation = own_names[i].operation, .type = own_names[i].type});
        }
    }
    return unknown_name(p, at, name);
}

/* ---- what a text can be ---- */

struct choices {
    struct suggest suggest;
    char all[256]; /* those offered */
    bool found;
};

static void offer_choice(struct choices *choices, const char *choice)
{
    size_t used = strlen(choices->all);
    choices->found = choices->found || strcmp(choice, choices->suggest.typed) == 0;
    suggest_offer(&choices->suggest, choice);
    (void)snprintf(choices->all + used, sizeof choices->all - used, "%s%s", used > 0 ? ", " : "", choice);
}

/* Of a field: what its types allow. False when one of them allows anything. */
static bool offer_field_choices(const struct parser *p, const struct term *term, struct choices *choices)
{
    const struct catalog *catalog = p->scope->catalog;
    for (uint32_t t = 0; t < catalog->type_count; t++) {
        const churn_field *field =
            term->rows[t] >= 0 ? event_type_field(&catalog->types[t], (uint32_t)term->rows[t]) : NULL;
        if (field != NULL && field->choices == NULL) {
            return false;
        }
        for (uint32_t i = 0; field != NULL && field->choices[i] != NULL; i++) {
            offer_choice(choices, field->choices[i]);
        }
    }
    return true;
}

static bool offer_states(const struct parser *p, const struct term *term, struct choices *choices)
{
    const struct registry *registry = &p->scope->catalog->registry;
    for (uint32_t i = 0; i < registry->field_count; i++) {
        const struct registry_field *field = &registry->fields[i];
        if (field->type == CHURN_PROFILE_STATE && churn_equal(field->name, term->text)) {
            for (uint32_t state = 0; state < field->state_count; state++) {
                offer_choice(choices, field->states[state]);
            }
            return true;
        }
    }
    return false;
}

static bool offer_choices(const struct parser *p, const struct term *term, struct choices *choices)
{
    const struct catalog *catalog = p->scope->catalog;
    switch (term->operation) {
    case TERM_EVENT_TYPE:
        for (uint32_t t = 0; t < catalog->type_count; t++) {
            if (in_scope(p, &catalog->types[t])) {
                offer_choice(choices, catalog->types[t].name.ptr);
            }
        }
        if (p->scope->has_severity && p->scope->only == NULL) {
            offer_choice(choices, "score"); /* alerts of prediction sinks, which no event raises */
        }
        return true;
    case TERM_SEVERITY:
        for (uint32_t severity = CHURN_SEVERITY_INFO; severity <= CHURN_SEVERITY_CRITICAL; severity++) {
            offer_choice(choices, severity_name(severity));
        }
        return true;
    case TERM_PROFILE:
        return offer_states(p, term, choices);
    case TERM_FIELD:
        return term->type == VALUE_TEXT && offer_field_choices(p, term, choices);
    default:
        return false;
    }
}

bool parser_can_equal(struct parser *p, int term, int constant)
{
    const struct term *named = &p->condition->terms[term], *value = &p->condition->terms[constant];
    char typed[128], hint[96];
    struct choices choices = {.suggest = {.typed = typed}};
    if (value->operation != TERM_CONSTANT || value->type != VALUE_TEXT) {
        return true;
    }
    (void)snprintf(typed, sizeof typed, "%.*s", (int)(value->text.len < 100 ? value->text.len : 100), value->text.ptr);
    if (!offer_choices(p, named, &choices) || choices.found) {
        return true;
    }
    if (named->operation == TERM_EVENT_TYPE && p->scope->only == NULL) {
        (void)parser_fail(p, parser_place(p, constant), "no event type '%s' is loaded%s", typed,
                          suggest_text(&choices.suggest, hint, sizeof hint));
        return false;
    }
    (void)parser_fail(p, parser_place(p, constant), "it is never '%s', only one of %s%s", typed, choices.all,
                      suggest_text(&choices.suggest, hint, sizeof hint));
    return false;
}
