#include "address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REDIS_PORT 6379
#define MAX_DATABASE 1000000
#define HOST_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:%"

/* ---- texts ---- */

static int hex_value(char c)
{
    int low = c | 0x20;
    return c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* A copy of `len` bytes without a NUL in which %XX is the byte that it stands for, which the caller frees; NULL with
 * *ret_bad where that is not whole, or a NUL, else where memory ran out. */
static char *percent_decoded(const char *text, size_t len, bool *ret_bad)
{
    char *copy = strndup(text, len), *out = copy;
    if (copy == NULL) {
        return NULL;
    }
    for (const char *at = copy; *at != '\0'; at++) {
        int byte = (unsigned char)*at;
        if (byte == '%') {
            int high = hex_value(at[1]), low = high >= 0 ? hex_value(at[2]) : -1;
            byte = low >= 0 ? high * 16 + low : 0;
            at += 2;
        }
        if (byte == 0) {
            free(copy);
            *ret_bad = true;
            return NULL;
        }
        *out++ = (char)byte;
    }
    *out = '\0';
    return copy;
}

/* Digits alone, up to `max`; -1 when they are none. */
static int64_t read_number(const char *text, size_t len, int64_t max)
{
    int64_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || n > max) {
            return -1;
        }
        n = n * 10 + (text[i] - '0');
    }
    return len > 0 && n <= max ? n : -1;
}

bool address_is_host(const char *text)
{
    return text[0] != '\0' && text[strspn(text, HOST_LETTERS)] == '\0';
}

/* HOST, HOST:PORT, [IPV6] or [IPV6]:PORT; without a port it keeps the one that it has. */
static bool read_host(const char *text, size_t len, struct address *ret)
{
    const char *end = text + len, *host = text, *behind, *colon;
    if (len > 0 && text[0] == '[') {
        behind = memchr(text, ']', len);
        host = text + 1;
        colon = behind != NULL && behind + 1 < end ? behind + 1 : NULL;
    } else {
        colon = memchr(text, ':', len);
        behind = colon != NULL ? colon : end;
    }
    if (behind == NULL || behind - host >= HOST_SIZE || (colon != NULL && *colon != ':')) {
        return false;
    }
    if (colon != NULL) {
        int64_t port = read_number(colon + 1, (size_t)(end - colon - 1), UINT16_MAX);
        if (port < 1) {
            return false;
        }
        ret->port = (uint16_t)port;
    }
    (void)snprintf(ret->host, sizeof ret->host, "%.*s", (int)(behind - host), host);
    return address_is_host(ret->host) && strlen(ret->host) == (size_t)(behind - host);
}

bool address_parse(const char *text, uint16_t port, struct address *ret)
{
    *ret = (struct address){.port = port};
    return read_host(text, strlen(text), ret);
}

void address_write(const struct address *address, char *text, size_t size)
{
    bool bare_ipv6 = strchr(address->host, ':') != NULL;
    if (address->host[0] == '\0') {
        (void)snprintf(text, size, "%s", address->path);
    } else {
        (void)snprintf(text, size, bare_ipv6 ? "[%s]:%u" : "%s:%u", address->host, address->port);
    }
}

/* ---- URLs ---- */

static int32_t fail_url(churn_error *err, const char *fault)
{
    return churn_fail_option(err, "url", "%s", fault);
}

static int32_t read_path(const char *path, struct url *ret, churn_error *err)
{
    bool bad = false;
    char *decoded;
    if (path[0] != '/') {
        return fail_url(err, "must name the socket by its whole path: unix:///PATH");
    }
    if (strchr(path, '?') != NULL) {
        return fail_url(err, "has something behind a `?`; write user, password and database as options of their own");
    }
    decoded = percent_decoded(path, strlen(path), &bad);
    if (decoded == NULL || strlen(decoded) >= sizeof ret->address.path) {
        free(decoded);
        return bad               ? fail_url(err, "has a `%` that two hexadecimal digits do not follow; write it as %25")
               : decoded == NULL ? churn_fail(err, CHURN_FATAL, "out of memory")
                                 : fail_url(err, "has a path that is too long for a Unix socket: 107 bytes at most");
    }
    (void)snprintf(ret->address.path, sizeof ret->address.path, "%s", decoded);
    free(decoded);
    return CHURN_OK;
}

/* USER, USER:PASSWORD or :PASSWORD, of `len` bytes. */
static int32_t read_login(const char *text, size_t len, struct url *ret, churn_error *err)
{
    const char *colon = memchr(text, ':', len);
    size_t user_len = colon != NULL ? (size_t)(colon - text) : len;
    bool bad = false;
    if (user_len > 0) {
        ret->login.username = percent_decoded(text, user_len, &bad);
        if (ret->login.username == NULL) {
            goto failed;
        }
    }
    if (colon != NULL) {
        ret->login.password = percent_decoded(colon + 1, len - user_len - 1, &bad);
        if (ret->login.password == NULL) {
            goto failed;
        }
    }
    return CHURN_OK;
failed:
    return bad ? fail_url(err, "has a `%` in its user or password that two hexadecimal digits do not follow; write it "
                               "as %25")
               : churn_fail(err, CHURN_FATAL, "out of memory");
}

/* What stands behind the slashes: [LOGIN@]HOST[:PORT][/DATABASE]. */
static int32_t read_server(const char *text, struct url *ret, churn_error *err)
{
    size_t len = strcspn(text, "/?#");
    const char *rest = text + len, *at = NULL;
    int32_t result = CHURN_OK;
    for (size_t i = 0; i < len; i++) {
        at = text[i] == '@' ? text + i : at; /* the last one: a password may well have one itself */
    }
    if (strchr(rest, '@') != NULL) {
        return fail_url(err,
                        "has an `@` behind a `/`, `?` or `#`; in a user or a password write these as %2F, %3F, %23");
    }
    if (at != NULL) {
        result = read_login(text, (size_t)(at - text), ret, err);
        len -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    if (result != CHURN_OK) {
        return result;
    }
    ret->address.port = REDIS_PORT;
    if (!read_host(text, len, &ret->address)) {
        return fail_url(err,
                        "names no host and port that can be: HOST:PORT, an IPv6 address in brackets, the port from "
                        "1 to 65535");
    }
    if (rest[0] == '?' || rest[0] == '#') {
        return fail_url(err, "has something behind a `?` or `#`; write it as options of their own");
    }
    if (rest[0] == '/' && rest[1] != '\0') {
        ret->login.database = read_number(rest + 1, strlen(rest + 1), MAX_DATABASE);
        if (ret->login.database < 0) {
            return fail_url(err, "has no number of a database behind its `/`");
        }
    }
    return CHURN_OK;
}

int32_t url_parse(const char *text, struct url *ret, churn_error *err)
{
    int32_t result;
    *ret = (struct url){.login = {.database = -1}};
    if (strncmp(text, "unix://", 7) == 0) {
        result = read_path(text + 7, ret, err);
    } else if (strncmp(text, "redis://", 8) == 0) {
        result = read_server(text + 8, ret, err);
    } else if (strncmp(text, "rediss://", 9) == 0) {
        ret->tls = true;
        result = read_server(text + 9, ret, err);
    } else {
        result = fail_url(err, "must begin with redis://, rediss:// (TLS) or unix://");
    }
    if (result != CHURN_OK) {
        url_free(ret);
    }
    return result;
}

void url_free(struct url *url)
{
    free(url->login.username);
    free(url->login.password);
    url->login.username = url->login.password = NULL;
}
