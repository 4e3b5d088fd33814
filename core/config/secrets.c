#include "config/secrets.h"

#include "base/json_text.h"
#include "base/secret_file.h"
#include <stdlib.h>

#define MIN_SECRET 6 /* bytes */

bool secrets_note(struct secrets *secrets, const char *shown, const char *value)
{
    struct secret *grown, secret;
    if (strlen(value) < MIN_SECRET) {
        return true;
    }
    for (unsigned i = 0; i < secrets->count; i++) {
        if (strcmp(secrets->items[i].value, value) == 0) {
            return true;
        }
    }
    grown = realloc(secrets->items, (secrets->count + 1) * sizeof *grown);
    secrets->items = grown != NULL ? grown : secrets->items;
    secret = (struct secret){.shown = strdup(shown), .value = strdup(value)};
    if (grown == NULL || secret.shown == NULL || secret.value == NULL) {
        free(secret.shown);
        secret_free(secret.value);
        return false;
    }
    grown[secrets->count++] = secret;
    return true;
}

/* How much of a secret stands here: all of it, or as much as a message had room for. */
static size_t secret_length(const char *at, const char *value)
{
    size_t len = 0;
    while (at[len] != '\0' && at[len] == value[len]) {
        len++;
    }
    return value[len] == '\0' || (at[len] == '\0' && len >= MIN_SECRET) ? len : 0;
}

/* The longest secret that stands here, or NULL. */
static const struct secret *secret_at(const struct secrets *secrets, const char *at, size_t *ret_len)
{
    const struct secret *found = NULL;
    *ret_len = 0;
    for (unsigned i = 0; i < secrets->count; i++) {
        size_t len = secret_length(at, secrets->items[i].value);
        if (len > *ret_len) {
            found = &secrets->items[i];
            *ret_len = len;
        }
    }
    return found;
}

char *secrets_hide(const struct secrets *secrets, char *message)
{
    struct text out = {0};
    if (secrets->count == 0 || message == NULL) {
        return message;
    }
    for (const char *at = message; *at != '\0';) {
        size_t len;
        const struct secret *secret = secret_at(secrets, at, &len);
        if (secret != NULL) {
            text_append_string(&out, secret->shown);
            at += len;
        } else {
            text_append(&out, at++, 1);
        }
    }
    text_append(&out, "", 1);
    secret_free(message);
    if (out.failed) {
        text_free(&out);
    }
    return out.bytes;
}

void secrets_free(struct secrets *secrets)
{
    for (unsigned i = 0; i < secrets->count; i++) {
        free(secrets->items[i].shown);
        secret_free(secrets->items[i].value);
    }
    free(secrets->items);
    *secrets = (struct secrets){0};
}
