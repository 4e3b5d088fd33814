#include "http_probe.h"

#include "http_failure.h"
#include "loopback.h"
#include <stdlib.h>
#include <strings.h>

static int is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Whether what is sent to the origin leaves this machine as it is written. */
static int is_exposed(const struct http_settings *s, const char *origin)
{
    return strncmp(origin, "http://", sizeof "http://" - 1) == 0 &&
           (!loopback_is_url(origin) || (is_given(s->proxy) && !loopback_is_url(s->proxy)));
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
    int exposed = is_exposed(s, origin);
    const char *user = is_given(s->proxy) ? strchr(s->proxy, '@') : NULL;
    if (exposed && is_given(s->bearer)) {
        tell_risk(s->options.bearer, origin, fn, ctx);
    }
    if (exposed && is_given(s->password)) {
        tell_risk(s->options.password, origin, fn, ctx);
    }
    if (exposed && s->headers != NULL && s->headers->count > 0) {
        tell_risk(s->options.headers, origin, fn, ctx);
    }
    if (user != NULL && !loopback_is_url(s->proxy) && strncasecmp(s->proxy, "https://", sizeof "https://" - 1) != 0) {
        tell_risk(s->options.proxy, user + 1, fn, ctx);
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
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK && /* a proxy's answer is none */
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, note_answer) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, &answered) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, said) == CURLE_OK && http_settings_connection(s, easy)) {
        code = curl_easy_perform(easy);
    }
    (void)snprintf(reason, CURL_ERROR_SIZE, "%s", http_failure(easy, code, said));
    curl_easy_cleanup(easy);
    return answered ? CURLE_OK : code;
}

/* What to do where the certificate that the other side shows is refused. */
static void advise_trust(const struct http_settings *s, const char *reason, char *ret, size_t size)
{
    if (strstr(reason, "expired") != NULL) {
        (void)snprintf(ret, size, "have that certificate renewed");
    } else if (strstr(reason, "not yet valid") != NULL) {
        (void)snprintf(ret, size, "is the clock of this machine right?");
    } else if (strstr(reason, "subject name") != NULL) {
        (void)snprintf(ret, size, "name it in `%s` as its certificate does", s->options.url);
    } else {
        (void)snprintf(ret, size, "set `%s` to the certificate of its authority", s->tls.ca_option);
    }
}

/* What to do about it. */
static void advise(const struct http_settings *s, CURLcode code, const char *reason, char *ret, size_t size)
{
    int https = strncasecmp(s->url, "https", 5) == 0;
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        advise_trust(s, reason, ret, size);
    } else if (code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_PROXY || strstr(reason, "CONNECT") != NULL) {
        (void)snprintf(ret, size, "correct `%s`", s->options.proxy);
    } else if (strstr(reason, "speak TLS") != NULL) {
        (void)snprintf(ret, size, "correct `%s`: http in place of https, or another port", s->options.url);
    } else if (strstr(reason, "client") != NULL) {
        (void)snprintf(ret, size, "set `%s` and `%s` to a certificate that it accepts, and its key", s->tls.cert_option,
                       s->tls.key_option);
    } else if (!https &&
               (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_UNSUPPORTED_PROTOCOL)) {
        (void)snprintf(ret, size, "it does not speak clear HTTP at this port: if it speaks TLS, write https in `%s`",
                       s->options.url);
    } else {
        (void)snprintf(ret, size, "start it, or correct `%s`", is_given(s->proxy) ? s->options.proxy : s->options.url);
    }
}

void http_probe(const struct http_settings *settings, uint32_t timeout_ms, churn_target_fn fn, void *ctx)
{
    char reason[CURL_ERROR_SIZE], advice[192], message[CURL_ERROR_SIZE + 224];
    char *origin = http_settings_origin(settings, NULL);
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_WRITES,
                           .kind = "http",
                           .name = origin,
                           .option = settings->options.url};
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
