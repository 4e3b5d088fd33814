#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

#define LONGEST 63

static size_t min3(size_t a, size_t b, size_t c)
{
    a = a < b ? a : b;
    return a < c ? a : c;
}

/* Levenshtein's distance, one row at a time. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[LONGEST + 1], len_a = strlen(a), len_b = strlen(b);
    if (len_a > LONGEST || len_b > LONGEST) {
        return LONGEST;
    }
    for (size_t j = 0; j <= len_b; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= len_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[len_b];
}

/* Whether it is the first or last of the words that `_` joins. */
static bool is_part(const char *typed, const char *candidate)
{
    size_t len = strlen(typed), whole = strlen(candidate);
    if (len < 3 || whole <= len) {
        return false;
    }
    return (strncmp(candidate, typed, len) == 0 && candidate[len] == '_') ||
           (strcmp(candidate + whole - len, typed) == 0 && candidate[whole - len - 1] == '_');
}

void suggest_offer(struct suggest *suggest, const char *candidate)
{
    size_t distance = edit_distance(suggest->typed, candidate);
    size_t near_enough = strlen(suggest->typed) / 3 + 1;
    bool alike = distance <= near_enough && distance * 2 <= strlen(suggest->typed); /* `tls` is no mistyped `ttl` */
    if ((alike || (suggest->by_part && is_part(suggest->typed, candidate))) &&
        (suggest->best == NULL || distance < suggest->distance)) {
        suggest->best = candidate;
        suggest->distance = distance;
    }
}

const char *suggest_text(const struct suggest *suggest, char *buffer, size_t size)
{
    if (suggest->best == NULL) {
        return "";
    }
    (void)snprintf(buffer, size, " (did you mean '%s'?)", suggest->best);
    return buffer;
}
