/* Why libcurl gave up on a request, for a person. */
#ifndef HTTP_FAILURE_H
#define HTTP_FAILURE_H

#include <curl/curl.h>

/* `said`: what it wrote to its error buffer. */
const char *http_failure(CURL *easy, CURLcode code, const char *said);

#endif
