/* A file of NAME=VALUE lines, such as `.env`. Nothing of it reaches the environment: a pipeline takes from it the names
 * that it refers to. */
#ifndef ENV_FILE_H
#define ENV_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct env_variable {
    char *name, *value;
};

struct env_file {
    struct env_variable *items;
    unsigned count;
};

/* Reads `file`; NULL: `.env` of the working directory, which need not exist. False with a message of one line, which
 * names the file, when it cannot be trusted or read. Free in either case. */
bool env_file_read(struct env_file *env, const char *file, char *message, size_t size);
void env_file_free(struct env_file *env);
/* The value of the first line of that name, or NULL. None for names by which a program finds code to run. */
const char *env_file_get(const struct env_file *env, const char *name);

#endif
