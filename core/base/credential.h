/* Secrets that a service manager hands over as files (systemd's LoadCredential): each in a file of its own, called like
 * the variable, in the folder that CREDENTIALS_DIRECTORY names. */
#ifndef CREDENTIAL_H
#define CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>

/* The variable's value, to be freed; NULL: there is no such credential. An end of line behind it is left out. False
 * with a message of one line, which shows nothing of it, when it is there and cannot be read. */
bool credential_read(const char *name, char **ret_value, char *message, size_t size);

#endif
