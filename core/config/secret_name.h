/* What is called like a secret, where nobody has said whether it is one: variables, and properties of libraries. */
#ifndef SECRET_NAME_H
#define SECRET_NAME_H

#include <stdbool.h>

/* As DB_PASSWORD, `sasl.password` or `X-Api-Key` are; rather one too many. */
bool secret_name(const char *name);

#endif
