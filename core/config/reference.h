/* `${…}` in a value of the file, and what it stands for. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "base/env_file.h"
#include <stdbool.h>
#include <stddef.h>

enum reference_kind { REFERENCE_VARIABLE, REFERENCE_FILE, REFERENCE_CREDENTIAL };

struct reference {
    enum reference_kind kind;
    const char *name; /* of a variable, a file or a credential */
    size_t name_len;
    const char *word; /* what follows `:-` or `:?` */
    size_t word_len;
    char operator;   /* '-', '?' or 0 */
    const char *end; /* behind the brace */
};

/* What it stands for. */
struct resolved {
    char name[512]; /* as it stands between the braces */
    char *value;    /* owned */
    bool secret;
    bool absent;        /* the value is its default's */
    char message[1024]; /* what is wrong, or what is to be warned of; "": nothing */
};

/* Reads what follows `${`. False when it is no reference. */
bool reference_parse(const char *at, struct reference *ret);
/* A variable is looked up in the environment, among the credentials and in `env`, in this order. False, with the
 * message, when it stands for nothing. Free in either case. */
bool reference_resolve(const struct reference *reference, const struct env_file *env, struct resolved *ret);
void reference_free(struct resolved *resolved);

#endif
