/* What must be shown to nobody, with the words that stand for it. */
#ifndef SECRETS_H
#define SECRETS_H

#include <stdbool.h>

/* A secret's value, and what is shown in its place: `${REDIS_PASSWORD}`, `${file:/run/secrets/redis}`. */
struct secret {
    char *shown, *value;
};

struct secrets {
    struct secret *items;
    unsigned count;
};

/* Keeps one, unless it is known, or so short that it would be found in words that have nothing to do with it. False
 * when memory ran out. */
bool secrets_note(struct secrets *secrets, const char *shown, const char *value);
/* The message without each secret's value, whole or cut at the message's end. NULL when memory ran out. Takes
 * `message`, which may be NULL. */
char *secrets_hide(const struct secrets *secrets, char *message);
void secrets_free(struct secrets *secrets);

#endif
