#include "settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_HOST "localhost"
#define DEFAULT_PORT 6379

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* What could never be resolved would be waited for like a server that is down. */
static int32_t check_host(const char *name, churn_error *err)
{
    const char *colon = strchr(name, ':');
    if (name[0] == '\0') {
        return churn_fail_option(err, "host", "is empty");
    }
    if (strstr(name, "://") != NULL) {
        return churn_fail_option(err, "host", "is a URL; write it as `url`");
    }
    if (strchr(name, '/') != NULL) {
        return churn_fail_option(err, "host", "is a path; write a Unix socket as `url: unix:///PATH`");
    }
    if (colon != NULL && strchr(colon + 1, ':') == NULL) { /* an IPv6 address has more of them */
        return churn_fail_option(err, "host", "has a port in it; write that as `port`");
    }
    if (!address_is_host(name) || strlen(name) >= HOST_SIZE) {
        return churn_fail_option(err, "host",
                                 "is neither a host name nor an address (an IPv6 address stands without brackets)");
    }
    return CHURN_OK;
}

static int32_t resolve_host(struct redis_store *store, churn_error *err)
{
    const char *host = store->given.host != NULL ? store->given.host : DEFAULT_HOST;
    int32_t result = check_host(host, err);
    if (result == CHURN_OK) {
        (void)snprintf(store->address.host, sizeof store->address.host, "%s", host);
        store->address.port = (uint16_t)(store->given.port != 0 ? store->given.port : DEFAULT_PORT);
    }
    return result;
}

/* What the URL says must not be said by another option as well: one of them would be ignored. */
static int32_t check_once(const struct redis_store *store, churn_error *err)
{
    const struct given *given = &store->given;
    const struct url_login *in_url = &store->url.login;
    const struct {
        const char *option;
        bool twice;
    } rows[] = {
        {"host", given->host != NULL},
        {"port", given->port != 0},
        {"username", in_url->username != NULL && is_given(given->login.username)},
        {"password", in_url->password != NULL && is_given(given->login.password)},
        {"database", in_url->database >= 0 && given->database != 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].twice) {
            return churn_fail_option(err, rows[i].option, "says what `url` says already; leave one of them out");
        }
    }
    return CHURN_OK;
}

static int32_t resolve_url(struct redis_store *store, churn_error *err)
{
    struct url *url = &store->url;
    int32_t result = url_parse(store->given.url, url, err);
    result = result == CHURN_OK ? check_once(store, err) : result;
    if (result == CHURN_OK) {
        store->address = url->address;
        store->login.username = url->login.username != NULL ? url->login.username : store->login.username;
        store->login.password = url->login.password != NULL ? url->login.password : store->login.password;
        store->database = url->login.database >= 0 ? url->login.database : store->database;
    }
    return result;
}

int32_t settings_resolve(struct redis_store *store, churn_error *err)
{
    int32_t result;
    store->login = store->given.login;
    store->database = store->given.database;
    result = is_given(store->given.url) ? resolve_url(store, err) : resolve_host(store, err);
    if (result == CHURN_OK && is_given(store->login.username) && !is_given(store->login.password)) {
        result = churn_fail_option(err, store->url.login.username != NULL ? "url" : "username", "needs a `password`");
    }
    if (result != CHURN_OK) {
        url_free(&store->url);
        return result;
    }
    address_write(&store->address, store->where, sizeof store->where);
    return CHURN_OK;
}

void settings_free(struct redis_store *store)
{
    url_free(&store->url);
}
