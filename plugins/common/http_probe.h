/* Whether somebody answers at a URL. */
#ifndef HTTP_PROBE_H
#define HTTP_PROBE_H

#include "http_settings.h"
#include <churn/target.h>

/* Names the URL's scheme, host and port as a target (for `probe`), and what travels unprotected; with a timeout, asks
 * for `/` there instead: any answer will do. */
void http_probe(const struct http_settings *settings, uint32_t timeout_ms, churn_target_fn fn, void *ctx);

#endif
