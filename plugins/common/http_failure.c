#include "http_failure.h"

#include <string.h>

/* Whether libcurl met a line of a header beyond its own limit. Before 8.6 it says that memory ran out. */
static int is_too_long(CURL *easy, CURLcode code)
{
#if LIBCURL_VERSION_NUM >= 0x080600
    (void)easy;
    return code == CURLE_TOO_LARGE;
#else
    curl_off_t answering = 0;
    return code == CURLE_OUT_OF_MEMORY &&
           curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &answering) == CURLE_OK && answering > 0;
#endif
}

/* What OpenSSL says of the two sides' talk, told to people. */
static const char *const tls_words[][2] = {
    {"wrong version number", "the other side does not speak TLS at this port"},
    {"packet length too long", "the other side does not speak TLS at this port"},
    {"alert certificate required", "the other side wants a certificate of its clients"},
    {"alert handshake failure", "the other side ended the TLS handshake; it may want a certificate of its clients"},
    {"alert unknown ca", "the other side does not trust the authority of this client's certificate"},
    {"alert bad certificate", "the other side refuses this client's certificate, or wants one"},
    {"alert certificate expired", "the other side says that this client's certificate has expired"},
    {"alert certificate revoked", "the other side says that this client's certificate is revoked"},
    {"alert unsupported certificate", "the other side refuses this client's certificate: it is not for clients"},
};

static const char *in_words(const char *said)
{
    for (size_t i = 0; i < sizeof tls_words / sizeof tls_words[0]; i++) {
        if (strstr(said, tls_words[i][0]) != NULL) {
            return tls_words[i][1];
        }
    }
    return said;
}

const char *http_failure(CURL *easy, CURLcode code, const char *said)
{
    if (is_too_long(easy, code)) {
        return "the answer has a header that is too long, or memory ran out";
    }
    return said[0] != '\0' ? in_words(said) : curl_easy_strerror(code);
}
