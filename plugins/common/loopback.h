/* Whether what is sent to a host leaves this machine, where others could read on. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <string.h>
#include <strings.h>

/* Of a name or an address, without brackets. */
static inline int loopback_is_host(const char *host, size_t len)
{
    return (len == 9 && strncasecmp(host, "localhost", len) == 0) || (len == 3 && strncmp(host, "::1", len) == 0) ||
           (len >= 4 && strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") >= len);
}

/* Of SCHEME://[USER@]HOST…, or what begins with HOST. */
static inline int loopback_is_url(const char *url)
{
    const char *scheme = strstr(url, "://"), *host = scheme != NULL ? scheme + 3 : url;
    size_t len = strcspn(host, "/?#");
    for (size_t i = len; i > 0; i--) {
        if (host[i - 1] == '@') {
            host += i;
            break;
        }
    }
    if (host[0] == '[') {
        host++;
        return loopback_is_host(host, strcspn(host, "]"));
    }
    return loopback_is_host(host, strcspn(host, ":/?#"));
}

#endif
