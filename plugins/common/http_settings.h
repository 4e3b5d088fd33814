/* Where requests go and what goes with each: as an operator has set it, checked, and as libcurl takes it. */
#ifndef HTTP_SETTINGS_H
#define HTTP_SETTINGS_H

#include <churn/option.h>
#include <churn/result.h>

struct http_settings {
    const char *url;
    const char *path;       /* joined to the URL; NULL: none */
    const char *url_option; /* names of the options, for messages */
    const char *headers_option;
    const churn_map *headers; /* further request headers */
    const char *token;        /* Authorization: Bearer; NULL or empty: none */
    const char *token_option; /* its option; NULL: there is none */
    const char *ca_file;      /* NULL or empty: the system's */
    const char *ca_option;
    int64_t timeout_ms; /* of a whole request, its last trailer included */
    int64_t connect_timeout_ms;
    uint32_t concurrency; /* requests at a time */
};

/* Checks the settings only (for `create`). CHURN_OK, or CHURN_FATAL with err->option set. */
int32_t http_settings_check(const struct http_settings *settings, churn_error *err);

struct curl_slist;

/* Scheme, host and port of the URL, which the caller frees. NULL with a message: it is none of ours, or memory ran out.
 */
char *http_settings_origin(const struct http_settings *settings, churn_error *err);

/* The URL with its path, which the caller frees. NULL: memory ran out. */
char *http_settings_url(const struct http_settings *settings);

/* Adds all headers of a request to the list, which the caller frees also when memory ran out: 0. */
int http_settings_headers(const struct http_settings *settings, struct curl_slist **list);

#endif
