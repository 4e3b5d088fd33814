/* Where a server is, and what its URL says besides. */
#ifndef REDIS_ADDRESS_H
#define REDIS_ADDRESS_H

#include <churn/result.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_SIZE 256
#define WHERE_SIZE 320       /* of what messages call a server */
#define SOCKET_PATH_SIZE 108 /* of struct sockaddr_un, with its NUL */

struct address {
    char host[HOST_SIZE];        /* "": `path` is a Unix socket's */
    char path[SOCKET_PATH_SIZE]; /* … or "" */
    uint16_t port;
};

/* Who logs in, and into which database. */
struct url_login {
    char *username, *password; /* NULL: the URL has none; freed by url_free */
    int64_t database;          /* -1: the URL has none */
};

struct url {
    struct address address;
    struct url_login login;
    bool tls;
};

/* redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], rediss:// likewise for TLS, or unix:///PATH. CHURN_FATAL at the
 * option `url`, with a message that repeats nothing of the text; nothing is to be freed then. */
int32_t url_parse(const char *text, struct url *ret, churn_error *err);

void url_free(struct url *url);

/* HOST[:PORT], also [IPV6]:PORT; with `port` where it has none. False when it is none of these. */
bool address_parse(const char *text, uint16_t port, struct address *ret);

/* Letters, digits and what else a name or an address has. */
bool address_is_host(const char *text);

/* HOST:PORT, or the path, for people. */
void address_write(const struct address *address, char *text, size_t size);

#endif
