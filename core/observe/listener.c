#include "observe/listener.h"

#include "base/address.h"
#include "base/clock.h"
#include "observe/places.h"
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MS 5000   /* from a connection's begin to its answer: whoever sends a byte now and then has no longer */
#define MAX_HEAD 16384    /* bytes of a request's line and headers; more is answered with an error */
#define MAX_MEMORY 32768  /* of a connection, so that there is room for that error */
#define MAX_AUTHORITY 300 /* of a target in absolute form, with its end */
#define TURN_MS 100       /* of the server's thread, at most */

struct listener {
    struct listener_route routes[LISTENER_MAX_ROUTES]; /* constant once the thread runs */
    unsigned route_count;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    bool thread_started;
    atomic_bool stop;
    struct places *places; /* the thread's own */
};

/* A request whose answer comes later, as its connection keeps it. */
struct listener_wait {
    const struct listener_route *route;
    void *kept;
};

/* ---- for routes ---- */

const char *listener_query(const struct listener_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *listener_header(const struct listener_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static char *basic_password(struct MHD_Connection *connection)
{
    char *password = NULL, *copy;
    char *user = MHD_basic_auth_get_username_password(connection, &password);
    copy = password != NULL ? strdup(password) : NULL;
    MHD_free(user);
    MHD_free(password);
    return copy;
}

char *listener_secret(const struct listener_request *request)
{
    static const char bearer[] = "Bearer ";
    const char *shown = listener_header(request, MHD_HTTP_HEADER_AUTHORIZATION);
    if (shown != NULL && strncasecmp(shown, bearer, sizeof bearer - 1) == 0) {
        shown += sizeof bearer - 1;
        return strdup(shown + strspn(shown, " "));
    }
    return shown != NULL ? basic_password(request->connection) : NULL;
}

bool listener_wait_for(const struct listener_request *request, void *kept)
{
    struct listener_wait *wait = malloc(sizeof *wait);
    if (wait != NULL) {
        wait->kept = kept;
        *request->wait = wait;
        MHD_suspend_connection(request->connection);
    }
    return wait != NULL;
}

void listener_go_on(void *connection)
{
    MHD_resume_connection(connection);
}

const char *listener_host(const struct listener_request *request)
{
    return *request->authority != '\0' ? request->authority : listener_header(request, MHD_HTTP_HEADER_HOST);
}

static const struct sockaddr *address_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
}

struct address_owner listener_peer(const struct listener_request *request)
{
    return address_owner_of(address_of(request->connection));
}

void listener_address(const struct listener_request *request, char ret[LISTENER_ADDRESS_SIZE])
{
    const struct sockaddr *address = address_of(request->connection);
    socklen_t len = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (getnameinfo(address, len, ret, LISTENER_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) != 0) {
        (void)snprintf(ret, LISTENER_ADDRESS_SIZE, "?");
    }
}

/* A path with a NUL in it stays as it was written: decoded, it would end there and be another one. */
static size_t decode(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx;
    (void)connection;
    return strstr(text, "%00") != NULL ? strlen(text) : MHD_http_unescape(text);
}

static struct place *place_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* ---- an answer ---- */

static void add_headers(struct MHD_Response *response, const struct listener_answer *answer)
{
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    for (unsigned i = 0; i < LISTENER_MAX_HEADERS && answer->headers[i].name != NULL; i++) {
        (void)MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    }
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct listener_answer *answer)
{
    struct MHD_Response *response;
    enum MHD_Result result = MHD_NO;
    if (answer->body.failed) {
        text_free(&answer->body);
        *answer = (struct listener_answer){.status = MHD_HTTP_INTERNAL_SERVER_ERROR, .content_type = "text/plain"};
        text_append_string(&answer->body, "out of memory\n");
    }
    response = MHD_create_response_from_buffer(answer->body.len, answer->body.bytes, MHD_RESPMEM_MUST_COPY);
    if (response != NULL) {
        add_headers(response, answer);
        result = MHD_queue_response(connection, answer->status, response);
        MHD_destroy_response(response);
    }
    text_free(&answer->body);
    return result;
}

/* The route's, or of what lies below it. `*ret_rest` is what follows its path. */
static const struct listener_route *find_route(const struct listener *listener, const char *path, const char **ret_rest)
{
    for (unsigned i = 0; i < listener->route_count; i++) {
        const struct listener_route *route = &listener->routes[i];
        size_t len = strlen(route->path);
        bool below = len > 1 && route->path[len - 1] == '/';
        if (strncmp(path, route->path, len) == 0 && (below || path[len] == '\0')) {
            *ret_rest = path + len;
            return route;
        }
    }
    return NULL;
}

static void answer_not_found(const struct listener *listener, struct listener_answer *answer)
{
    answer->status = MHD_HTTP_NOT_FOUND;
    text_append_string(&answer->body, "there are ");
    for (unsigned i = 0; i < listener->route_count; i++) {
        text_printf(&answer->body, "%s%s",
                    i == 0                           ? ""
                    : i + 1 == listener->route_count ? " and "
                                                     : ", ",
                    listener->routes[i].path);
    }
    text_append_string(&answer->body, "\n");
}

static void answer_bad_method(struct listener_answer *answer)
{
    answer->status = MHD_HTTP_METHOD_NOT_ALLOWED;
    answer->headers[0] = (struct listener_header){MHD_HTTP_HEADER_ALLOW, "GET, HEAD"};
    text_append_string(&answer->body, "only GET\n");
}

static void answer_too_large(struct listener_answer *answer)
{
    answer->status = MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    text_printf(&answer->body, "a request's line and headers may have %d bytes\n", MAX_HEAD);
}

/* A target in absolute form: what stands before its path, which `*url` then is. False: it is too long. */
static bool split_target(const char **url, char *ret_authority, size_t size)
{
    static const char *const schemes[] = {"http://", "https://"};
    *ret_authority = '\0';
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t skip = strlen(schemes[i]);
        if (strncasecmp(*url, schemes[i], skip) == 0) {
            size_t len = strcspn(*url + skip, "/");
            (void)snprintf(ret_authority, size, "%.*s", (int)len, *url + skip);
            *url = (*url)[skip + len] != '\0' ? *url + skip + len : "/";
            return len < size;
        }
    }
    return true;
}

/* MHD's memory of a connection is larger than what a request may take of it. */
static bool is_too_large(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size > MAX_HEAD;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **own)
{
    const struct listener *listener = ctx;
    struct listener_wait *waited = *own, *waits = NULL;
    char authority[MAX_AUTHORITY];
    bool fits = split_target(&url, authority, sizeof authority) && !is_too_large(connection);
    struct listener_request request = {.path = url,
                                       .authority = authority,
                                       .kept = waited != NULL ? waited->kept : NULL,
                                       .connection = connection,
                                       .wait = &waits};
    struct listener_answer answer = {.status = MHD_HTTP_OK, .content_type = "text/plain"};
    const struct listener_route *route = find_route(listener, url, &request.rest);
    (void)version, (void)upload;
    place_reach(place_of(connection), PLACE_ASKED);
    if (*upload_size > 0) { /* of a request that waits: nobody wants it */
        *upload_size = 0;
        return MHD_YES;
    }
    if (!fits) {
        answer_too_large(&answer);
    } else if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        answer_bad_method(&answer);
    } else if (route == NULL) {
        answer_not_found(listener, &answer);
    } else {
        route->answer(route->ctx, &request, &answer);
    }
    if (waits != NULL) {
        waits->route = route;
        *own = waits;
        return MHD_YES;
    }
    return send_answer(connection, &answer);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **own, enum MHD_RequestTerminationCode code)
{
    struct listener_wait *wait = *own;
    (void)ctx, (void)connection, (void)code;
    if (wait != NULL) {
        wait->route->forget(wait->kept);
        free(wait);
        *own = NULL;
    }
}

/* ---- the clients ---- */

static void on_connection(void *ctx, struct MHD_Connection *connection, void **own,
                          enum MHD_ConnectionNotificationCode code)
{
    struct listener *listener = ctx;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        struct address_owner owner = address_owner_of(address_of(connection));
        *own = places_take(listener->places, fd, &owner, clock_monotonic_ms());
    } else if (*own != NULL) {
        places_give_back(listener->places, *own);
    }
}

/* Its request's line has come. */
static void *on_line(void *ctx, const char *line, struct MHD_Connection *connection)
{
    (void)ctx, (void)line;
    place_reach(place_of(connection), PLACE_ASKING);
    return NULL;
}

static void *serve(void *argument)
{
    struct listener *listener = argument;
    while (!atomic_load(&listener->stop)) {
        if (MHD_run_wait(listener->daemon, TURN_MS) != MHD_YES) {
            (void)poll(NULL, 0, TURN_MS); /* out of memory or the like: it may pass */
        }
        places_end_before(listener->places, clock_monotonic_ms() - REQUEST_MS);
    }
    return NULL;
}

/* ---- the server ---- */

/* Ours, since libmicrohttpd 1.0 leaves no errno behind that says why it has none. -1 with errno. */
static int listen_on(const struct addrinfo *address)
{
    const int on = 1;
    int error, fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0) {
        return fd;
    }
    error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = error;
    return -1;
}

static bool start_server(struct listener *listener, int fd, const struct tls *tls)
{
    struct MHD_OptionItem secure[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, tls->certificate},
                                      {MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key},
                                      {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
                                      {MHD_OPTION_END, 0, NULL}};
    bool secured = tls->certificate != NULL;
    listener->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (secured ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request, listener,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)PLACES_ALL,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MAX_MEMORY, MHD_OPTION_URI_LOG_CALLBACK, on_line, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener, MHD_OPTION_NOTIFY_COMPLETED, on_completed, listener,
        MHD_OPTION_UNESCAPE_CALLBACK, decode, NULL, MHD_OPTION_ARRAY, secured ? secure : secure + 3, MHD_OPTION_END);
    if (listener->daemon == NULL) {
        (void)close(fd);
    }
    return listener->daemon != NULL;
}

static bool start(struct listener *listener, const struct addrinfo *address, const struct tls *tls, char *message,
                  size_t size)
{
    int fd = listen_on(address);
    if (fd < 0) {
        int e = errno;
        (void)snprintf(message, size, "cannot be listened on: %s%s", strerror(e),
                       e == EADDRINUSE ? "; another run or program listens there: stop it, or give one of them another"
                                       : "");
        return false;
    }
    if (!start_server(listener, fd, tls)) {
        (void)snprintf(message, size, "cannot be served");
        return false;
    }
    listener->thread_started = pthread_create(&listener->thread, NULL, serve, listener) == 0;
    if (!listener->thread_started) {
        (void)snprintf(message, size, "a thread could not be started");
    }
    return listener->thread_started;
}

struct listener *listener_new(void)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener != NULL && (listener->places = places_new()) == NULL) {
        free(listener);
        return NULL;
    }
    return listener;
}

void listener_add(struct listener *listener, const struct listener_route *route)
{
    listener->routes[listener->route_count++] = *route;
}

bool listener_start(struct listener *listener, const char *listen, const struct tls *tls, char *message, size_t size)
{
    struct addrinfo *address = address_resolve(listen);
    char why[128] = "cannot be used";
    bool ok = address != NULL && start(listener, address, tls, why, sizeof why);
    if (!ok) {
        (void)snprintf(message, size, "health: %s %s", listen, why);
    }
    if (address != NULL) {
        freeaddrinfo(address);
    }
    return ok;
}

void listener_free(struct listener *listener)
{
    if (listener == NULL) {
        return;
    }
    atomic_store(&listener->stop, true);
    if (listener->thread_started) {
        (void)pthread_join(listener->thread, NULL);
    }
    if (listener->daemon != NULL) {
        MHD_stop_daemon(listener->daemon);
    }
    places_free(listener->places);
    free(listener);
}
