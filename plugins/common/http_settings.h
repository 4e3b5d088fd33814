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
int32_t http_client_check(const struct http_settings *settings, churn_error *err);

struct curl_slist;

/* Scheme, host and port; NULL with a message when the URL is none of ours. */
char *read_origin(const struct http_settings *s, churn_error *err);

char *join_url(const struct http_settings *s);

int make_headers(struct curl_slist **list, const struct http_settings *s);

#endif
