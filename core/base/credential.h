/* Secrets that a service manager hands over, such as systemd by LoadCredential: each in a file of its own in the folder
 * that CREDENTIALS_DIRECTORY names. */
#ifndef CREDENTIAL_H
#define CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>

/* The text of the credential of that name, to be given to secret_free; NULL: there is none. False with a message of one
 * line, which shows nothing of it, when it is there and cannot be read. */
bool credential_read(const char *name, char **ret_value, char *message, size_t size);

#endif
