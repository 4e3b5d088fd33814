/* JSON POSTs to one URL, many at a time, on a curl multi handle. One thread owns it; only http_client_wake is for
 * others. Nothing is followed, no proxy or netrc of the environment is used, certificates and names are checked.
 *
 * Timeouts are of the time that the client is attended, in http_client_run and http_client_wait: while its thread is
 * held up elsewhere, nobody could have taken the answer, and nobody is to be blamed. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "http_settings.h"
#include <churn/host.h>
#include <poll.h>

#define HTTP_BODY_MAX 65536  /* an answer beyond this is refused */
#define HTTP_HEAD_MAX 65536  /* … or beyond this in status lines, headers and trailers */
#define HTTP_WIRE_MAX 262144 /* … or beyond this in bytes of any kind, the framing included */

/* What an answer says about the request. */
enum http_verdict {
    HTTP_DONE,  /* 2xx */
    HTTP_FAULT, /* 400, 413, 422: the request itself is at fault */
    HTTP_OUTAGE /* anything else, and no answer at all: worth another try */
};

struct http_result {
    enum http_verdict verdict;
    long status;        /* 0: no answer */
    int reached;        /* the server was reached: it may have had the request, whatever it said */
    const char *reason; /* not DONE: why, for a person, without secrets; valid during the callback, as is the body */
    churn_str body;
    int64_t retry_after_ms; /* what the server asked for, however long; 0: nothing */
};

typedef void (*http_done_fn)(void *arg, void *request, const struct http_result *result);

struct http_client;

/* The strings of `settings` outlive the client. NULL on error. */
struct http_client *http_client_new(const struct http_settings *settings, churn_error *err);

/* How many requests can be started now. */
uint32_t http_client_room(const struct http_client *client);

/* Starts a POST; `body` is copied. `request` is handed back to the callback. CHURN_OK, or CHURN_FATAL (memory). */
int32_t http_client_post(struct http_client *client, churn_str body, void *request, churn_error *err);

/* Moves the requests on and calls `done` once for each that ended. CHURN_OK or CHURN_FATAL. */
int32_t http_client_run(struct http_client *client, http_done_fn done, void *arg, churn_error *err);

#define HTTP_OTHERS_MAX 4 /* descriptors that http_client_wait takes beside its own */

/* Waits until something moves, of the client or of `others` (poll(2); what they have is for who owns them to see), for
 * up to `timeout_ms`, or until woken. */
void http_client_wait(struct http_client *client, const struct pollfd *others, uint32_t count, int timeout_ms);

/* Ends a wait. [any thread] */
void http_client_wake(struct http_client *client);

/* Scheme, host and port of the URL, for messages: paths and queries may hold secrets. */
const char *http_client_origin(const struct http_client *client);

/* Drops what is under way: calls `dropped` (may be NULL) once for each. */
void http_client_abort(struct http_client *client, void (*dropped)(void *request));

/* Drops what is under way, and frees. May be NULL. */
void http_client_free(struct http_client *client);

#endif
