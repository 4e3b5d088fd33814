/* The program that is made of a condition's text, term by term, and the first mistake in that text. */
#include "event/condition_terms.h"

#include <stdlib.h>

#define SHOWN_REST 20 /* bytes of the text in a message */

/* ---- messages ---- */

/* How much of the rest of a line to show, no character cut in two. */
static int rest_length(const char *rest)
{
    int len = (int)strcspn(rest, "\r\n");
    if (len > SHOWN_REST) {
        for (len = SHOWN_REST; len > 0 && ((unsigned char)rest[len] & 0xc0) == 0x80; len--) {
        }
    }
    return len;
}

int parser_fail(struct parser *p, const char *at, const char *format, ...)
{
    va_list args;
    size_t used;
    if (p->failed) {
        return PARSER_FAILED;
    }
    p->failed = true;
    va_start(args, format);
    (void)vsnprintf(p->message, p->size, format, args);
    va_end(args);
    used = strlen(p->message);
    if (*at == '\0') {
        (void)snprintf(p->message + used, p->size - used, ", at the end");
    } else {
        (void)snprintf(p->message + used, p->size - used, ", at '%.*s'", rest_length(at), at);
    }
    return PARSER_FAILED;
}

int parser_out_of_memory(struct parser *p)
{
    return parser_fail(p, p->at, "out of memory");
}

const char *parser_place(const struct parser *p, int term)
{
    return p->text + p->condition->terms[term].place;
}

/* ---- terms ---- */

int parser_add_term(struct parser *p, const char *at, struct term term)
{
    struct condition *c = p->condition;
    if (c->term_count == CONDITION_MAX_TERMS) {
        free(term.rows);
        return parser_fail(p, at, "it has more than %d parts", CONDITION_MAX_TERMS);
    }
    if (c->term_count == c->term_room) {
        uint16_t room = c->term_room == 0 ? 16 : (uint16_t)(c->term_room * 2);
        struct term *grown = realloc(c->terms, room * sizeof *grown);
        if (grown == NULL) {
            free(term.rows);
            return parser_out_of_memory(p);
        }
        c->terms = grown;
        c->term_room = room;
    }
    term.place = (uint16_t)(at - p->text);
    c->terms[c->term_count] = term;
    return c->term_count++;
}

const char *value_type_name(enum value_type type)
{
    static const char *const names[] = {"a truth value", "a number", "a text", "a time"};
    return names[type];
}

void condition_free(struct condition *condition)
{
    if (condition != NULL) {
        for (uint16_t i = 0; i < condition->term_count; i++) {
            free(condition->terms[i].rows);
        }
        free(condition->terms);
        free(condition->texts);
        free(condition);
    }
}
