#include "settings.h"
#include "tls_context.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENTINEL_PORT 26379
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
        {"tls", given->tls.on != 0},
        {"sentinels", given->sentinel.sentinels.count > 0},
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

/* ---- Sentinel ---- */

static int32_t read_sentinels(struct redis_store *store, churn_error *err)
{
    const churn_list *list = &store->given.sentinel.sentinels;
    store->sentinels = calloc(list->count, sizeof *store->sentinels);
    if (store->sentinels == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    for (; store->sentinel_count < list->count; store->sentinel_count++) {
        const char *text = list->items[store->sentinel_count];
        if (!address_parse(text, SENTINEL_PORT, &store->sentinels[store->sentinel_count])) {
            return churn_fail_option(err, "sentinels", "'%.100s' is no HOST:PORT (an IPv6 address stands in brackets)",
                                     text);
        }
    }
    return CHURN_OK;
}

static int32_t resolve_sentinels(struct redis_store *store, churn_error *err)
{
    const struct given *given = &store->given;
    if (given->host != NULL || given->port != 0) {
        return churn_fail_option(err, given->host != NULL ? "host" : "port",
                                 "is what the sentinels tell; leave one of them out");
    }
    if (!is_given(given->sentinel.master)) {
        return churn_fail_option(err, "sentinels", "needs `master`, the name of what they watch");
    }
    return read_sentinels(store, err);
}

/* What would be ignored. */
static int32_t check_sentinel_options(const struct redis_store *store, churn_error *err)
{
    const struct given_sentinels *given = &store->given.sentinel;
    const char *lone = is_given(given->master)           ? "master"
                       : is_given(given->login.username) ? "sentinel_username"
                       : is_given(given->login.password) ? "sentinel_password"
                                                         : NULL;
    if (given->sentinels.count == 0 && lone != NULL) {
        return churn_fail_option(err, lone, "needs `sentinels`");
    }
    if (is_given(given->login.username) && !is_given(given->login.password)) {
        return churn_fail_option(err, "sentinel_username", "needs a `sentinel_password`");
    }
    return CHURN_OK;
}

/* ---- TLS ---- */

static int32_t resolve_tls(struct redis_store *store, churn_error *err)
{
    const struct given_tls *given = &store->given.tls;
    const char *lone = is_given(given->ca_file)       ? "ca_file"
                       : is_given(given->cert_file)   ? "cert_file"
                       : is_given(given->key_file)    ? "key_file"
                       : is_given(given->server_name) ? "server_name"
                       : !given->check_name           ? "check_name"
                                                      : NULL;
    if (!given->on && !store->url.tls) {
        return lone == NULL
                   ? CHURN_OK
                   : churn_fail_option(err, lone, "needs TLS: %s",
                                       is_given(store->given.url) ? "begin `url` with rediss://" : "set `tls: true`");
    }
    if (is_given(given->server_name) &&
        (!address_is_host(given->server_name) || strlen(given->server_name) >= HOST_SIZE)) {
        return churn_fail_option(err, "server_name", "is neither a host name nor an address");
    }
    store->files = (struct tls_files){.ca_file = given->ca_file,
                                      .cert_file = given->cert_file,
                                      .key_file = given->key_file,
                                      .ca_option = "ca_file",
                                      .cert_option = "cert_file",
                                      .key_option = "key_file"};
    return tls_context_new(&store->files, &store->tls, err);
}

/* ---- all of it ---- */

static int32_t resolve_place(struct redis_store *store, churn_error *err)
{
    if (is_given(store->given.url)) {
        return resolve_url(store, err);
    }
    return store->given.sentinel.sentinels.count > 0 ? resolve_sentinels(store, err) : resolve_host(store, err);
}

static int32_t resolve(struct redis_store *store, churn_error *err)
{
    int32_t result = resolve_place(store, err);
    result = result == CHURN_OK ? check_sentinel_options(store, err) : result;
    if (result == CHURN_OK && is_given(store->login.username) && !is_given(store->login.password)) {
        result = churn_fail_option(err, store->url.login.username != NULL ? "url" : "username", "needs a `password`");
    }
    return result == CHURN_OK ? resolve_tls(store, err) : result;
}

int32_t settings_resolve(struct redis_store *store, churn_error *err)
{
    int32_t result;
    store->login = store->given.login;
    store->database = store->given.database;
    result = resolve(store, err);
    if (result != CHURN_OK) {
        settings_free(store);
    } else if (store->sentinel_count > 0) {
        (void)snprintf(store->where, sizeof store->where, "%.200s", store->given.sentinel.master);
    } else {
        address_write(&store->address, store->where, sizeof store->where);
    }
    return result;
}

void settings_free(struct redis_store *store)
{
    url_free(&store->url);
    free(store->sentinels);
    tls_context_free(store->tls);
    store->sentinels = NULL;
    store->tls = NULL;
}
