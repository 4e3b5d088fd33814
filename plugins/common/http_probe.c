#include "http_probe.h"

#include "http_failure.h"
#include <stdlib.h>

/* Whether what is sent to the origin leaves this machine as it is written. */
static int is_exposed(const char *origin)
{
    static const char scheme[] = "http://";
    const char *host = origin + sizeof scheme - 1;
    size_t len;
    if (strncmp(origin, scheme, sizeof scheme - 1) != 0) {
        return 0;
    }
    len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    return !((len == 9 && strncmp(host, "localhost", len) == 0) || (len == 5 && strncmp(host, "[::1]", len) == 0) ||
             (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len));
}

static void tell_risk(const char *option, const char *origin, churn_target_fn fn, void *ctx)
{
    char message[512];
    const churn_target risk = {
        .size = sizeof risk, .kind = CHURN_TARGET_RISK, .name = option, .option = option, .message = message};
    (void)snprintf(message, sizeof message, "is sent unencrypted to %s; use https", origin);
    fn(ctx, &risk);
}

/* Secrets that anybody on the way can read. */
static void tell_risks(const struct http_settings *s, const char *origin, churn_target_fn fn, void *ctx)
{
    if (!is_exposed(origin)) {
        return;
    }
    if (s->token != NULL && s->token[0] != '\0') {
        tell_risk(s->token_option, origin, fn, ctx);
    }
    if (s->headers != NULL && s->headers->count > 0) {
        tell_risk(s->headers_option, origin, fn, ctx);
    }
}

/* The first line of an answer says all that a probe asks for; the rest is not read. */
static size_t note_answer(char *ptr, size_t size, size_t count, void *arg)
{
    int *answered = arg;
    (void)ptr;
    (void)size;
    (void)count;
    *answered = 1;
    return 0;
}

/* Whether anything answers at `url`, with any status: CURLE_OK; else why not. */
static CURLcode ask(const char *url, const struct http_settings *s, uint32_t timeout_ms, char reason[CURL_ERROR_SIZE])
{
    CURL *easy = curl_easy_init();
    CURLcode code = CURLE_OUT_OF_MEMORY;
    char said[CURL_ERROR_SIZE] = "";
    int answered = 0;
    if (easy != NULL && curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, note_answer) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, &answered) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, said) == CURLE_OK &&
        (s->ca_file == NULL || s->ca_file[0] == '\0' ||
         curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file) == CURLE_OK)) {
        code = curl_easy_perform(easy);
    }
    (void)snprintf(reason, CURL_ERROR_SIZE, "%s", http_failure(easy, code, said));
    curl_easy_cleanup(easy);
    return answered ? CURLE_OK : code;
}

/* What to do about it. */
static void advise(const struct http_settings *s, CURLcode code, const char *reason, char *ret, size_t size)
{
    if (code == CURLE_SSL_CACERT_BADFILE) {
        (void)snprintf(ret, size, "correct `%s`", s->ca_option);
    } else if (code != CURLE_PEER_FAILED_VERIFICATION) {
        (void)snprintf(ret, size, "start it, or correct `%s`", s->url_option);
    } else if (strstr(reason, "expired") != NULL) {
        (void)snprintf(ret, size, "have that certificate renewed");
    } else if (strstr(reason, "not yet valid") != NULL) {
        (void)snprintf(ret, size, "is the clock of this machine right?");
    } else if (strstr(reason, "subject name") != NULL) {
        (void)snprintf(ret, size, "name it in `%s` as its certificate does", s->url_option);
    } else {
        (void)snprintf(ret, size, "set `%s` to the certificate of its authority", s->ca_option);
    }
}

void http_probe(const struct http_settings *settings, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    char reason[CURL_ERROR_SIZE], advice[128], message[CURL_ERROR_SIZE + 160];
    char *origin = http_settings_origin(settings, NULL);
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_WRITES,
                           .kind = "http",
                           .name = origin,
                           .option = settings->url_option};
    if (origin == NULL) {
        return; /* create has refused it */
    }
    if (timeout_ms > 0) {
        CURLcode code = ask(origin, settings, timeout_ms, reason);
        advise(settings, code, reason, advice, sizeof advice);
        (void)snprintf(message, sizeof message, "cannot be reached: %s; %s", reason, advice);
        target.result = code == CURLE_OK ? CHURN_OK : CHURN_RETRY;
        target.message = code == CURLE_OK ? NULL : message;
    } else {
        tell_risks(settings, origin, fn, ctx);
    }
    fn(ctx, &target);
    free(origin);
}
