#include "http_settings.h"

#include "text_buffer.h"
#include <stdlib.h>
#include <strings.h>

static int is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static int has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return 1;
        }
    }
    return 0;
}

static int is_header_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
    return name[0] != '\0' && name[strspn(name, allowed)] == '\0';
}

/* Names one of the headers as the option at fault. The message does not: somebody may have written a secret there. */
static int32_t fail_header(churn_error *err, const struct http_settings *s, uint32_t i, const char *fault)
{
    char option[CHURN_ERROR_OPTION_SIZE];
    (void)snprintf(option, sizeof option, "%s.%s", s->options.headers, s->headers->keys[i]);
    return churn_fail_option(err, option, "entry %u %s", i + 1, fault);
}

static int32_t check_headers(const struct http_settings *s, churn_error *err)
{
    for (uint32_t i = 0; s->headers != NULL && i < s->headers->count; i++) {
        if (!is_header_name(s->headers->keys[i])) {
            return fail_header(err, s, i, "is not named as an HTTP header can be");
        }
        if (has_control(s->headers->values[i])) {
            return fail_header(err, s, i, "holds a control character in its value");
        }
    }
    return CHURN_OK;
}

static int has_header(const struct http_settings *s, const char *name)
{
    for (uint32_t i = 0; s->headers != NULL && i < s->headers->count; i++) {
        if (curl_strequal(s->headers->keys[i], name)) {
            return 1;
        }
    }
    return 0;
}

/* A request says once who sends it. */
static int32_t check_login(const struct http_settings *s, churn_error *err)
{
    const struct {
        const char *option, *value;
    } logins[] = {{s->options.bearer, s->bearer}, {s->options.user, s->user}, {s->options.password, s->password}};
    for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++) {
        if (is_given(logins[i].value) && has_control(logins[i].value)) {
            return churn_fail_option(err, logins[i].option,
                                     "holds a control character, perhaps a line break at its end");
        }
    }
    if (is_given(s->password) && !is_given(s->user)) {
        return churn_fail_option(err, s->options.password, "needs `%s` beside it", s->options.user);
    }
    if (is_given(s->user) && strchr(s->user, ':') != NULL) {
        return churn_fail_option(err, s->options.user,
                                 "must not hold a colon, which HTTP Basic puts before the password");
    }
    if (is_given(s->user) && is_given(s->bearer)) {
        return churn_fail_option(err, s->options.user, "and `%s` exclude each other: a request has one Authorization",
                                 s->options.bearer);
    }
    if ((is_given(s->user) || is_given(s->bearer)) && has_header(s, "Authorization")) {
        return churn_fail_option(err, is_given(s->user) ? s->options.user : s->options.bearer,
                                 "and an Authorization among `%s` exclude each other", s->options.headers);
    }
    return CHURN_OK;
}

char *http_settings_origin(const struct http_settings *s, churn_error *err)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *origin = NULL;
    if (url == NULL || curl_url_set(url, CURLUPART_URL, s->url, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        (void)churn_fail_option(err, s->options.url, "must be a URL such as http://localhost:5000");
    } else if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        (void)churn_fail_option(err, s->options.url, "must not hold a user or a password; use `%s` and `%s`",
                                s->options.user, s->options.password);
    } else {
        struct text_buffer text = {0};
        text_puts(&text, scheme);
        text_puts(&text, "://");
        text_puts(&text, host);
        if (curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK) {
            text_puts(&text, ":");
            text_puts(&text, port);
        }
        origin = text.ptr;
        if (text.failed) {
            text_free(&text);
            origin = NULL;
            (void)churn_fail(err, CHURN_FATAL, "out of memory");
        }
    }
    curl_free(user);
    curl_free(port);
    curl_free(host);
    curl_free(scheme);
    curl_url_cleanup(url);
    return origin;
}

/* A certificate that nobody would ever see or check. */
static int32_t check_tls(const struct http_settings *s, churn_error *err)
{
    const char *option = is_given(s->tls.cert_file)  ? s->tls.cert_option
                         : is_given(s->tls.key_file) ? s->tls.key_option
                         : is_given(s->tls.ca_file)  ? s->tls.ca_option
                                                     : NULL;
    if (option != NULL && strncasecmp(s->url, "https://", sizeof "https://" - 1) != 0) {
        return churn_fail_option(err, option, "is for https, which `%s` does not begin with", s->options.url);
    }
    return tls_files_check(&s->tls, err);
}

static int32_t check_proxy(const struct http_settings *s, churn_error *err)
{
    CURLU *url = is_given(s->proxy) ? curl_url() : NULL;
    char *scheme = NULL, *path = NULL;
    int32_t rc = CHURN_OK;
    if (is_given(s->proxy) &&
        (url == NULL || curl_url_set(url, CURLUPART_URL, s->proxy, 0) != CURLUE_OK ||
         curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
         curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK || strcmp(path, "/") != 0 ||
         (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0 && strcmp(scheme, "socks5h") != 0))) {
        rc = churn_fail_option(err, s->options.proxy,
                               "must be a URL such as http://proxy:3128, of http, https or socks5h and without a path");
    }
    curl_free(path);
    curl_free(scheme);
    curl_url_cleanup(url);
    return rc;
}

int32_t http_settings_check(const struct http_settings *settings, churn_error *err)
{
    char *origin = http_settings_origin(settings, err);
    int32_t rc = origin != NULL ? check_headers(settings, err) : CHURN_FATAL;
    free(origin);
    rc = rc == CHURN_OK ? check_login(settings, err) : rc;
    rc = rc == CHURN_OK ? check_proxy(settings, err) : rc;
    return rc == CHURN_OK ? check_tls(settings, err) : rc;
}

/* The file's authorities alone: curl has a folder of the system's beside it, unless that is taken away. */
static int trust_only(CURL *easy, const char *ca_file)
{
    return curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CAPATH, (char *)NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, ca_file) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, (char *)NULL) == CURLE_OK;
}

int http_settings_connection(const struct http_settings *s, CURL *easy)
{
    return curl_easy_setopt(easy, CURLOPT_PROXY, s->proxy != NULL ? s->proxy : "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOPROXY, "") == CURLE_OK &&
           /* What is for the other side is not shown to a proxy that only passes TLS on. */
           curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE) == CURLE_OK &&
           (!is_given(s->tls.ca_file) || trust_only(easy, s->tls.ca_file)) &&
           (!is_given(s->tls.cert_file) || (curl_easy_setopt(easy, CURLOPT_SSLCERT, s->tls.cert_file) == CURLE_OK &&
                                            curl_easy_setopt(easy, CURLOPT_SSLKEY, s->tls.key_file) == CURLE_OK));
}

int http_settings_login(const struct http_settings *s, CURL *easy)
{
    return !is_given(s->user) ||
           (curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_USERNAME, s->user) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_PASSWORD, s->password != NULL ? s->password : "") == CURLE_OK);
}

char *http_settings_url(const struct http_settings *s)
{
    const char *path = s->path != NULL ? s->path : "";
    size_t url_len = strlen(s->url), path_len = strlen(path);
    char *joined;
    while (path_len > 0 && url_len > 0 && s->url[url_len - 1] == '/') {
        url_len--;
    }
    joined = malloc(url_len + path_len + 2);
    if (joined != NULL) {
        (void)sprintf(joined, "%.*s%s%s", (int)url_len, s->url, path_len > 0 && path[0] != '/' ? "/" : "", path);
    }
    return joined;
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
    struct text_buffer line = {0};
    struct curl_slist *longer = NULL;
    text_puts(&line, name);
    text_puts(&line, value[0] != '\0' ? ": " : ";"); /* curl's way to send a header without a value */
    text_puts(&line, value);
    if (!line.failed) {
        longer = curl_slist_append(*list, line.ptr);
    }
    text_free(&line);
    if (longer == NULL) {
        return 0;
    }
    *list = longer;
    return 1;
}

int http_settings_headers(const struct http_settings *s, struct curl_slist **list)
{
    struct curl_slist *expect;
    int ok = has_header(s, "Content-Type") || add_header(list, "Content-Type", "application/json");
    ok = ok && (has_header(s, "Accept") || add_header(list, "Accept", "application/json"));
    ok = ok && (has_header(s, "User-Agent") || add_header(list, "User-Agent", "churnd"));
    if (ok && is_given(s->bearer)) {
        struct text_buffer value = {0};
        text_puts(&value, "Bearer ");
        text_puts(&value, s->bearer);
        ok = !value.failed && add_header(list, "Authorization", value.ptr);
        text_free(&value);
    }
    for (uint32_t i = 0; ok && s->headers != NULL && i < s->headers->count; i++) {
        ok = add_header(list, s->headers->keys[i], s->headers->values[i]);
    }
    /* No `Expect: 100-continue` for large bodies: servers that do not answer it cost a second each. */
    expect = ok ? curl_slist_append(*list, "Expect:") : NULL;
    *list = expect != NULL ? expect : *list;
    return expect != NULL;
}
