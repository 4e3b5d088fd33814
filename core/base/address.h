/* The address that somebody names for this program to listen at, and those of whoever connects to it. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>
#include <string.h>

struct addrinfo;
struct sockaddr;

/* "HOST:PORT" or "[HOST]:PORT", both numeric; NULL when it is none. To be freed by freeaddrinfo. */
struct addrinfo *address_resolve(const char *listen);

/* Whether `listen` is a numeric address with a port. */
bool address_is_good(const char *listen);

/* Whether only this machine can reach an address that is good. */
bool address_is_loopback(const char *listen);

/* Whether `host`, a URL's with or without a port, is a number or this machine's own name, so that no other name was
 * asked for. */
bool address_is_local_name(const char *host);

/* Whom an address is likely to belong to as a whole: an IPv4 address, or the 64 bits of one of IPv6 that a network is
 * given. */
struct address_owner {
    unsigned char bytes[16]; /* as an address of IPv6 */
    bool loopback;
};

struct address_owner address_owner_of(const struct sockaddr *address);

static inline bool address_owner_is(const struct address_owner *owner, const struct address_owner *other)
{
    return memcmp(owner->bytes, other->bytes, sizeof owner->bytes) == 0;
}

#endif
