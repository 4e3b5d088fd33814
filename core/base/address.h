/* The address that somebody names for this program to listen at. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>

struct addrinfo;

/* "HOST:PORT" or "[HOST]:PORT", both numeric; NULL when it is none. To be freed by freeaddrinfo. */
struct addrinfo *address_resolve(const char *listen);

/* Whether `listen` is a numeric address with a port. */
bool address_is_good(const char *listen);

/* Whether only this machine can reach an address that is good. */
bool address_is_loopback(const char *listen);

/* Whether `host`, a URL's with or without a port, is a number or this machine's own name, so that no other name was
 * asked for. */
bool address_is_local_name(const char *host);

#endif
