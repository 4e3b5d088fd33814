#include "http_settings.h"

#include "text_buffer.h"
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
    (void)snprintf(option, sizeof option, "%s.%s", s->headers_option, s->headers->keys[i]);
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
    if (s->token != NULL && has_control(s->token)) {
        return churn_fail_option(err, "token", "holds a control character, perhaps a line break at its end");
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
        (void)churn_fail_option(err, s->url_option, "must be a URL such as http://localhost:5000");
    } else if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        (void)churn_fail_option(err, s->url_option,
                                "must not hold a user or a password; use `%s` with an Authorization header",
                                s->headers_option);
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

/* Whether the file has certificates in it, as libcurl asks for only when it connects. */
static int32_t check_ca_file(const struct http_settings *s, churn_error *err)
{
    struct stat about;
    char line[256];
    int found = 0;
    FILE *file;
    int fd;
    if (s->ca_file == NULL || s->ca_file[0] == '\0') {
        return CHURN_OK;
    }
    fd = open(s->ca_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO would wait for a writer */
    if (fd >= 0 && fstat(fd, &about) == 0 && !S_ISREG(about.st_mode)) {
        (void)close(fd);
        return churn_fail_option(err, s->ca_option, "'%s' is no file of certificates", s->ca_file);
    }
    file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL) {
        (void)(fd >= 0 && close(fd));
        return churn_fail_option(err, s->ca_option, "'%s' cannot be read: %s", s->ca_file, strerror(errno));
    }
    while (!found && fgets(line, sizeof line, file) != NULL) {
        found = strstr(line, "-----BEGIN ") != NULL && strstr(line, "CERTIFICATE-----") != NULL;
    }
    (void)fclose(file);
    return found ? CHURN_OK : churn_fail_option(err, s->ca_option, "'%s' holds no certificate in PEM form", s->ca_file);
}

int32_t http_settings_check(const struct http_settings *settings, churn_error *err)
{
    char *origin = http_settings_origin(settings, err);
    if (origin == NULL) {
        return CHURN_FATAL;
    }
    free(origin);
    if (check_headers(settings, err) != CHURN_OK) {
        return CHURN_FATAL;
    }
    return check_ca_file(settings, err);
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

static int has_header(const struct http_settings *s, const char *name)
{
    for (uint32_t i = 0; s->headers != NULL && i < s->headers->count; i++) {
        if (curl_strequal(s->headers->keys[i], name)) {
            return 1;
        }
    }
    return 0;
}

int http_settings_headers(const struct http_settings *s, struct curl_slist **list)
{
    struct curl_slist *expect;
    int ok = has_header(s, "Content-Type") || add_header(list, "Content-Type", "application/json");
    ok = ok && (has_header(s, "Accept") || add_header(list, "Accept", "application/json"));
    ok = ok && (has_header(s, "User-Agent") || add_header(list, "User-Agent", "churnd"));
    if (ok && s->token != NULL && s->token[0] != '\0') {
        struct text_buffer value = {0};
        text_puts(&value, "Bearer ");
        text_puts(&value, s->token);
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
