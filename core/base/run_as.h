/* Root is left for a user. */
#ifndef RUN_AS_H
#define RUN_AS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether there is a user of that name, or number. */
bool run_as_knows(const char *user);
/* The process, which is root's and has one thread, is the user's from here on, with the groups that it has. False with
 * a message. */
bool run_as(const char *user, char *message, size_t size);

#endif
