/* Where requests go and what goes with each: as an operator has set it, checked, and as libcurl takes it. */
#ifndef HTTP_SETTINGS_H
#define HTTP_SETTINGS_H

#include "tls_files.h"
#include <churn/option.h>
#include <curl/curl.h>

/* Names of the options, for messages. */
struct http_options {
    const char *url, *headers, *bearer, *user, *password, *proxy;
};

/* Of texts NULL or empty: none. */
struct http_settings {
    struct http_options options;
    const char *url;
    const char *path;            /* joined to the URL */
    const churn_map *headers;    /* further request headers */
    const char *bearer;          /* Authorization: Bearer */
    const char *user, *password; /* Authorization: Basic */
    const char *proxy;           /* a URL, perhaps with a user and a password */
    struct tls_files tls;        /* without a `ca_file`: the system's authorities */
    int64_t timeout_ms;          /* of a whole request, its last trailer included */
    int64_t connect_timeout_ms;
    uint32_t concurrency; /* requests at a time */
};

/* Checks the settings only (for `create`). CHURN_OK, or CHURN_FATAL with err->option set. */
int32_t http_settings_check(const struct http_settings *settings, churn_error *err);

/* Scheme, host and port of the URL, which the caller frees. NULL with a message: it is none of ours, or memory ran out.
 */
char *http_settings_origin(const struct http_settings *settings, churn_error *err);

/* The URL with its path, which the caller frees. NULL: memory ran out. */
char *http_settings_url(const struct http_settings *settings);

/* Sets the proxy, what is trusted, and the client's certificate: all that a connection needs. What no setting names is
 * not taken from the environment. 0: libcurl lacks memory or a feature. */
int http_settings_connection(const struct http_settings *settings, CURL *easy);

/* Sets the login by user and password. 0: likewise. */
int http_settings_login(const struct http_settings *settings, CURL *easy);

/* Adds all headers of a request to the list, which the caller frees also when memory ran out: 0. */
int http_settings_headers(const struct http_settings *settings, struct curl_slist **list);

#endif
