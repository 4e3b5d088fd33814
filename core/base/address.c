#include "base/address.h"

#include "base/decimal.h"
#include <netdb.h>
#include <netinet/in.h>
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

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *ip = (const void *)address;
        return ntohl(ip->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *ip = (const void *)address;
        return IN6_IS_ADDR_LOOPBACK(&ip->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&ip->sin6_addr) && ip->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
    }
    return false;
}

bool address_is_loopback(const char *listen)
{
    struct addrinfo *address = address_resolve(listen);
    bool loopback = address != NULL && is_loopback(address->ai_addr);
    if (address != NULL) {
        freeaddrinfo(address);
    }
    return loopback;
}

static bool is_number(const char *host)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    bool number = getaddrinfo(host, NULL, &hints, &found) == 0;
    if (number) {
        freeaddrinfo(found);
    }
    return number;
}

/* `:80`; browsers leave a port out, but not its colon alone. */
static bool is_port(const char *text)
{
    size_t digits = *text == ':' ? strspn(text + 1, "0123456789") : 0;
    return digits > 0 && text[1 + digits] == '\0';
}

bool address_is_local_name(const char *host)
{
    static const char own[] = "localhost";
    bool brackets = *host == '[';
    size_t len = strcspn(host + brackets, brackets ? "]" : ":");
    const char *rest = host + brackets + len + (brackets && host[brackets + len] == ']');
    char name[256];
    if (len == 0 || len >= sizeof name || (brackets && host[brackets + len] != ']') ||
        !(*rest == '\0' || is_port(rest))) {
        return false;
    }
    memcpy(name, host + brackets, len);
    name[len] = '\0';
    return is_number(name) || strcasecmp(name, own) == 0 ||
           (len > sizeof own && name[len - sizeof own] == '.' && strcasecmp(name + len - sizeof own + 1, own) == 0);
}

struct address_owner address_owner_of(const struct sockaddr *address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct address_owner owner = {.loopback = is_loopback(address)};
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *ip = (const void *)address;
        memcpy(owner.bytes, mapped, sizeof mapped);
        memcpy(owner.bytes + sizeof mapped, &ip->sin_addr, sizeof ip->sin_addr);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *ip = (const void *)address;
        bool whole = IN6_IS_ADDR_V4MAPPED(&ip->sin6_addr) || IN6_IS_ADDR_LOOPBACK(&ip->sin6_addr);
        memcpy(owner.bytes, &ip->sin6_addr, whole ? 16 : 8);
    }
    return owner;
}
