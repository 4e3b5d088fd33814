/* The HTTP listener of a run: a few routes, each answered by whoever added it, GET and HEAD alone. Nobody keeps it from
 * answering others: its clients have places of which each address has its share, and each has its time. */
#ifndef LISTENER_H
#define LISTENER_H

#include "base/address.h"
#include "base/json_text.h"
#include "base/tls.h"
#include <stdbool.h>
#include <stddef.h>

#define LISTENER_MAX_ROUTES 16
#define LISTENER_MAX_HEADERS 8

struct listener;
struct listener_wait;

struct listener_request {
    const char *path;      /* decoded, without what follows a `?` */
    const char *authority; /* of a target in absolute form: the host and port in it; else "" */
    const char *rest;      /* what follows the route's path; "" where that does not end in a slash */
    void *kept;            /* what the route gave to listener_wait_for, now that it was waited for; else NULL */
    void *connection;      /* the listener's own, as is what follows */
    struct listener_wait **wait;
};

/* What a route answers. The texts of the headers are constant, or live as long as the route. */
struct listener_answer {
    unsigned status;          /* 200 unless it is set */
    const char *content_type; /* text/plain unless it is set */
    struct text body;         /* the listener frees it; one that failed is answered with 500 */
    struct listener_header {
        const char *name, *value;
    } headers[LISTENER_MAX_HEADERS]; /* beside those that every answer has; up to the first without a name */
};

struct listener_route {
    const char *path; /* constant; one that ends in a slash, but "/" itself, is also of everything below it */
    /* Fills the answer, which is zeroed but for the defaults. On the listener's thread, one call at a time. */
    void (*answer)(void *ctx, const struct listener_request *request, struct listener_answer *answer);
    /* Of a route that waits: frees what it gave to listener_wait_for, once the request is over. */
    void (*forget)(void *kept);
    void *ctx;
};

/* NULL when memory ran out. [main] */
struct listener *listener_new(void);
/* Before it starts. There is room for LISTENER_MAX_ROUTES. [main] */
void listener_add(struct listener *listener, const struct listener_route *route);
/* Answers on `listen`, an address such as 127.0.0.1:8080, from a thread of its own; by HTTPS where `tls` has a
 * certificate. False with a message. [main] */
bool listener_start(struct listener *listener, const char *listen, const struct tls *tls, char *message, size_t size);
/* Ends it: no route is called after, and what waits need not go on. May be NULL. [main] */
void listener_free(struct listener *listener);

/* ---- for a route, while it is asked ---- */

/* What the request says of `name` behind its `?`, decoded; NULL: nothing. */
const char *listener_query(const struct listener_request *request, const char *name);
/* NULL: it has no such header. */
const char *listener_header(const struct listener_request *request, const char *name);
/* The host, with or without a port, that is asked; NULL: it is not said. */
const char *listener_host(const struct listener_request *request);
/* Whom the request comes from. */
struct address_owner listener_peer(const struct listener_request *request);
/* The same as a text: "10.0.0.7". */
#define LISTENER_ADDRESS_SIZE 64
void listener_address(const struct listener_request *request, char ret[LISTENER_ADDRESS_SIZE]);
/* The secret that the request shows: the password of HTTP Basic, or a Bearer token. The caller frees; NULL: none. */
char *listener_secret(const struct listener_request *request);

/* The answer comes later, and is not looked at now: `answer` is called for the same request again, with `kept`, once
 * somebody has called listener_go_on with the request's `connection`. False when memory ran out: nothing waits, and
 * `kept` is not forgotten either. */
bool listener_wait_for(const struct listener_request *request, void *kept);
/* [any] */
void listener_go_on(void *connection);

#endif
