#include "base/address.h"

#include "base/decimal.h"
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct addrinfo *address_resolve(const char *listen)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *colon = strrchr(listen, ':');
    size_t len = colon != NULL ? (size_t)(colon - listen) : 0;
    bool brackets = len > 2 && listen[0] == '[' && listen[len - 1] == ']';
    char host[64];
    int64_t port;
    if (len == 0 || len >= sizeof host || !decimal_parse_int64(colon + 1, strlen(colon + 1), &port) || port < 1 ||
        port > 65535) {
        return NULL;
    }
    (void)snprintf(host, sizeof host, "%.*s", (int)(len - (brackets ? 2 : 0)), listen + brackets);
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

bool address_is_good(const char *listen)
{
    struct addrinfo *address = address_resolve(listen);
    if (address != NULL) {
        freeaddrinfo(address);
    }
    return address != NULL;
}
