/* What a condition is made of: terms, each an operation. The grammar (condition_parse.c) and the meaning of names
 * (condition_names.c) add them, condition_eval.c runs them. */
#ifndef CONDITION_TERMS_H
#define CONDITION_TERMS_H

#include "base/decimal.h"
#include "event/catalog.h"
#include "event/condition.h"

#define CONDITION_MAX_TEXT 4096 /* bytes */
#define CONDITION_MAX_TERMS 256 /* also bounds how deep an evaluation can go */
#define CONDITION_MAX_DEPTH 32  /* parentheses and `!` within each other */

enum value_type { VALUE_BOOL, VALUE_NUMBER, VALUE_TEXT, VALUE_TIME };

enum operation {
    TERM_CONSTANT,
    TERM_EVENT_TYPE,
    TERM_CUSTOMER_ID,
    TERM_EVENT_ID,
    TERM_TIMESTAMP,
    TERM_SEVERITY,
    TERM_FIELD,
    TERM_HAS,
    TERM_PROFILE,
    TERM_HAS_PROFILE,
    TERM_SCORE,
    TERM_SCORE_AGE,
    TERM_NOT,
    TERM_AND,
    TERM_OR,
    TERM_EQUAL,
    TERM_NOT_EQUAL,
    TERM_LESS,
    TERM_LESS_EQUAL,
    TERM_GREATER,
    TERM_GREATER_EQUAL,
    TERM_IN,
    TERM_STARTS_WITH,
    TERM_ENDS_WITH,
    TERM_CONTAINS,
    TERM_SIZE
};

/* One operation. Its operands stand before it, so that there can be no cycle. */
struct term {
    enum operation operation;
    enum value_type type;
    uint16_t left, right; /* operands; IN: `right` is the first of `count` constants */
    uint16_t count;
    uint16_t place; /* in the text */
    int32_t *rows;  /* FIELD, HAS: for each event type, the row of its field table, or -1; owned */
    churn_str text; /* CONSTANT; PROFILE, HAS_PROFILE: the field, as the registry names it */
    int128 number;  /* CONSTANT: units of 1/10,000, ms, or 0 and 1 */
};

struct condition {
    const struct event_type *types; /* the catalog's */
    struct term *terms;
    uint16_t term_count; /* the last one is the whole */
    uint16_t term_room;
    char *texts; /* the text constants, one behind the other */
};

/* A place in the text, what was made of the text before it, and whether something was wrong there. */
struct parser {
    struct condition *condition;
    const struct condition_scope *scope;
    const char *text, *at;
    uint32_t texts_used;
    unsigned depth;
    bool failed;
    char *message;
    size_t size;
};

#define PARSER_MAX_NAME 63
#define PARSER_FAILED (-1) /* in place of a term's index: a message was written */

/* Tells the first mistake, at its place; what follows from it is not told. Always PARSER_FAILED. */
CHURN_PRINTF(3, 4) int parser_fail(struct parser *p, const char *at, const char *format, ...);
int parser_out_of_memory(struct parser *p);
/* Takes `term`, also when it fails. Its index, or PARSER_FAILED. */
int parser_add_term(struct parser *p, const char *at, struct term term);
/* Where it stands in the text. */
const char *parser_place(const struct parser *p, int term);

/* "a number" */
const char *value_type_name(enum value_type type);

#endif
