/* What names mean in conditions: those of the language, the fields of the event types, and the values they can have. */
#ifndef CONDITION_NAMES_H
#define CONDITION_NAMES_H

#include "event/condition_terms.h"

/* Each returns a term's index or PARSER_FAILED. */

/* FIELD or HAS. */
int parser_add_field(struct parser *p, const char *at, const char *name, enum operation operation);
/* PROFILE or HAS_PROFILE. */
int parser_add_profile(struct parser *p, const char *at, const char *name, enum operation operation);
/* A name that stands for a value by itself. */
int parser_add_name(struct parser *p, const char *at, const char *name);
/* Whether what one term names can ever equal the other, where that is a constant; false after a message. */
bool parser_can_equal(struct parser *p, int term, int constant);

#endif
