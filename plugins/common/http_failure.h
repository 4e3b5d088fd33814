/* Why libcurl gave up, for a person. */
#ifndef HTTP_FAILURE_H
#define HTTP_FAILURE_H

#include <curl/curl.h>

/* Why libcurl gave up. */
const char *why(CURL *easy, CURLcode code, const char *said);

#endif
