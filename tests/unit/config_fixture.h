/* YAML texts as files, and what is said about them. */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include <unistd.h>

#include "check.h"

/* Writes a new file below the folder for temporary files; free the name with remove_file. */
static inline char *write_file(const char *bytes, size_t len)
{
    const char *dir = getenv("TMPDIR");
    char name[512];
    int fd;
    FILE *out;
    (void)snprintf(name, sizeof name, "%s/churn-unit-XXXXXX", dir != NULL ? dir : "/tmp");
    fd = mkstemp(name);
    out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL || fwrite(bytes, 1, len, out) != len || fclose(out) != 0) {
        perror(name);
        exit(1);
    }
    return strdup(name);
}

static inline void remove_file(char *name)
{
    (void)unlink(name);
    free(name);
}

/* The text of messages in which the file is called "FILE", so that a test can write down what it expects. */
static inline char *without_name(const char *text, const char *name)
{
    char *out = malloc(strlen(text) * 4 + 1), *at = out;
    if (out == NULL) {
        abort();
    }
    while (*text != '\0') {
        if (strncmp(text, name, strlen(name)) == 0) {
            at += sprintf(at, "FILE");
            text += strlen(name);
        } else {
            *at++ = *text++;
        }
    }
    *at = '\0';
    return out;
}

#endif
