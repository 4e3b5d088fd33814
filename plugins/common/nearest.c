#include "nearest.h"

#include <stdio.h>
#include <string.h>

#define LENGTH_MAX 64

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters to insert, remove or change. */
static size_t distance(const char *a, const char *b)
{
    size_t row[LENGTH_MAX + 1], length = strlen(b);
    for (size_t j = 0; j <= length; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t changed = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = least(changed, least(row[j], row[j + 1]) + 1);
        }
    }
    return row[length];
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
    size_t length = strlen(nearest->typed), far;
    if (length > LENGTH_MAX || strlen(candidate) > LENGTH_MAX) {
        return;
    }
    far = distance(nearest->typed, candidate);
    if (far <= 1 + length / 4 && (nearest->best == NULL || far < nearest->distance)) {
        nearest->best = candidate;
        nearest->distance = far;
    }
}

const char *nearest_text(const struct nearest *nearest, char *buffer, size_t size)
{
    *buffer = '\0';
    if (nearest->best != NULL) {
        (void)snprintf(buffer, size, " (did you mean '%s'?)", nearest->best);
    }
    return buffer;
}
