#include "http_failure.h"

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

const char *http_failure(CURL *easy, CURLcode code, const char *said)
{
    if (is_too_long(easy, code)) {
        return "the answer has a header that is too long, or memory ran out";
    }
    return said[0] != '\0' ? said : curl_easy_strerror(code);
}
