#include "config/secret_name.h"

#include <string.h>

/* How long a name of what is no secret, though it sounds like one, is at this place; 0: there is none. */
static size_t harmless_at(const char *at)
{
    static const char *const names[] = {"key_prefix", "key_file", "key.location"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncasecmp(at, names[i], strlen(names[i])) == 0) {
            return strlen(names[i]);
        }
    }
    return 0;
}

/* `api_key`, `private.key`, `pwd` and the like have one of them in them. */
static bool secret_at(const char *at)
{
    static const char *const words[] = {"pass",
                                        "pw",
                                        "secret",
                                        "token",
                                        "key",
                                        "credential",
                                        "auth",
                                        "jaas",
                                        "hmac",
                                        "private",
                                        "bearer",
                                        "cookie",
                                        "dsn",
                                        "connection_string",
                                        "connection.string",
                                        "connectionstring"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strncasecmp(at, words[i], strlen(words[i])) == 0) {
            return true;
        }
    }
    return false;
}

bool secret_name(const char *name)
{
    while (*name != '\0') {
        size_t harmless = harmless_at(name);
        if (harmless == 0 && secret_at(name)) {
            return true;
        }
        name += harmless > 0 ? harmless : 1;
    }
    return false;
}
