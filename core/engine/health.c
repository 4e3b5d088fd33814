#include "engine/health.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/json_build.h"
#include <churn/time.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MS 5000  /* from a connection's begin to its answer */
#define MAX_CLIENTS 32   /* the oldest has to go for another one */
#define SPARE_CLIENTS 32 /* that were told to go and have not yet */
#define MAX_REQUEST 4096 /* bytes of its line and headers; more is answered with an error */
#define TURN_MS 100      /* of the server's thread, at most */

/* A connection. Whoever sends a byte now and then holds a place for no longer than REQUEST_MS, and nobody holds the
 * places of others: an operator may come from the address of an attacker, so that a limit for each address is none. */
struct client {
    int fd; /* -1: the place is free */
    int64_t since_ms;
    bool told; /* to go */
};

/* Main publishes, the server's thread reads. */
struct health {
    struct MHD_Daemon *daemon;
    pthread_t thread;
    bool thread_started;
    atomic_bool stop;
    struct client clients[MAX_CLIENTS + SPARE_CLIENTS]; /* the server's thread's own */
    pthread_mutex_t lock;
    struct health_status status;
    int64_t unready_ms; /* since when it answers that it is not ready, by the wall clock; 0: it is, or nobody asked */
};

/* ---- what is said ---- */

#define FAILED "failed"
#define STUCK "stuck"
#define NO_STORE "the store is not connected"

/* Why a worker keeps the run from being `ready` (else only alive); NULL: it does not. */
static const char *trouble_of(const struct health_status *status, unsigned i, int64_t now_ms, bool ready)
{
    const struct health_worker *worker = &status->workers[i];
    if (worker->failed) {
        return FAILED;
    }
    if (worker->turned_ms != 0 && now_ms - worker->turned_ms > HEALTH_STUCK_MS) {
        return STUCK;
    }
    if (!ready) {
        return NULL;
    }
    if (status->store != NULL && !worker->store_open) {
        return NO_STORE;
    }
    return worker->assigned ? NULL : "the source has nothing to read from yet";
}

static struct json_object *worker_to_json(const struct health_worker *worker, const char *trouble)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "assigned", json_object_new_boolean(worker->assigned));
    json_add(object, "store_connected", json_object_new_boolean(worker->store_open));
    if (worker->lag_known) {
        json_add(object, "lag_messages", json_object_new_int64(worker->lag));
    }
    if (worker->damaged > 0) {
        json_add(object, "damaged_profiles", json_object_new_int64(worker->damaged));
    }
    if (trouble != NULL) {
        json_add_text(object, "trouble", trouble);
    }
    return object;
}

static struct json_object *store_to_json(const struct health_status *status)
{
    struct json_object *object = json_object_new_object();
    json_add_text(object, "plugin", status->store);
    if (status->durability != NULL) {
        json_add_text(object, "durability", status->durability);
    }
    return object;
}

/* What keeps a worker from being ready while no part of it is in a state of its own, as an entry like theirs. */
static struct stall_report report_of(const struct health_status *status, unsigned worker, const char *trouble,
                                     int64_t since_ms)
{
    bool own = strcmp(trouble, FAILED) == 0 || strcmp(trouble, STUCK) == 0, store = strcmp(trouble, NO_STORE) == 0;
    return (struct stall_report){.plugin = own     ? "churnd"
                                           : store ? status->store
                                                   : status->source,
                                 .what = own     ? "worker"
                                         : store ? "store"
                                                 : "source",
                                 .message = trouble,
                                 .worker = worker,
                                 .since_ms = since_ms};
}

static void add_trouble(void *ctx, const struct stall_report *report)
{
    struct json_object *troubles = ctx, *object = json_object_new_object();
    char since[CHURN_TIME_SIZE];
    churn_time_format(report->since_ms, since);
    json_add(object, "worker", json_object_new_int64(report->worker));
    json_add_text(object, "plugin", report->plugin);
    json_add_text(object, "what", report->what);
    json_add_text(object, "message", report->message);
    json_add_text(object, "since", since);
    (void)json_object_array_add(troubles, object);
}

struct json_object *health_troubles(struct stalls *stalls)
{
    struct json_object *troubles = json_object_new_array();
    stalls_each(stalls, add_trouble, troubles);
    return troubles;
}

/* Whoever is told that the run is not ready is told why. */
static struct json_object *explain(const struct health_status *status, int64_t since_ms)
{
    struct json_object *troubles = json_object_new_array();
    int64_t now_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < status->worker_count; i++) {
        const char *trouble = trouble_of(status, i, now_ms, true);
        if (trouble != NULL) {
            const struct stall_report report = report_of(status, i, trouble, since_ms);
            add_trouble(troubles, &report);
        }
    }
    if (json_object_array_length(troubles) == 0) {
        const struct stall_report report = {.plugin = "churnd",
                                            .what = "run",
                                            .message = status->stopping         ? "stopping"
                                                       : status->looked_ms == 0 ? "starting"
                                                                                : STUCK,
                                            .since_ms = since_ms};
        add_trouble(troubles, &report);
    }
    return troubles;
}

/* By the wall clock, since when answers are as this one. */
static int64_t since_when(int64_t *unready_ms, bool ready)
{
    if (ready) {
        *unready_ms = 0;
    } else if (*unready_ms == 0) {
        *unready_ms = clock_wall_ms();
    }
    return *unready_ms;
}

/* The answer's text, to be freed by json_object_put; *ret_good: all is well. */
static struct json_object *say(struct health *health, bool ready, bool *ret_good)
{
    const struct health_status *status = &health->status;
    struct json_object *object = json_object_new_object(), *workers = json_object_new_array();
    int64_t now_ms = clock_monotonic_ms(), since_ms = 0;
    bool troubled = status->troubles != NULL && json_object_array_length(status->troubles) > 0;
    bool good = status->looked_ms != 0 && now_ms - status->looked_ms <= HEALTH_STUCK_MS && !(ready && status->stopping);
    for (unsigned i = 0; i < status->worker_count; i++) {
        const char *trouble = trouble_of(status, i, now_ms, ready);
        good = good && trouble == NULL;
        (void)json_object_array_add(workers, worker_to_json(&status->workers[i], trouble));
    }
    good = good && !(ready && troubled);
    json_add_text(object, "status", status->stopping ? "stopping" : good ? ready ? "ready" : "alive" : "not ok");
    if (status->pipeline != NULL) {
        json_add_text(object, "pipeline", status->pipeline);
    }
    if (status->store != NULL) {
        json_add(object, "store", store_to_json(status));
    }
    json_add(object, "workers", workers);
    if (ready) {
        since_ms = since_when(&health->unready_ms, good);
    }
    if (troubled) {
        json_add(object, "troubles", json_object_get(status->troubles));
    } else if (ready && !good) {
        json_add(object, "troubles", explain(status, since_ms));
    }
    *ret_good = good;
    return object;
}

/* ---- the server ---- */

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned code, const char *type, const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_NO;
    if (response != NULL) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        result = MHD_queue_response(connection, code, response);
        MHD_destroy_response(response);
    }
    return result;
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **request)
{
    struct health *health = ctx;
    struct json_object *object;
    enum MHD_Result result;
    bool ready = strcmp(url, "/readyz") == 0, good;
    (void)version, (void)upload, (void)upload_size, (void)request;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "only GET\n");
    }
    if (!ready && strcmp(url, "/healthz") != 0) {
        return send_text(connection, MHD_HTTP_NOT_FOUND, "text/plain", "there are /healthz and /readyz\n");
    }
    (void)pthread_mutex_lock(&health->lock); /* the objects' counts of references are not atomic */
    object = say(health, ready, &good);
    result = send_text(connection, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "application/json",
                       json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(object);
    (void)pthread_mutex_unlock(&health->lock);
    return result;
}

static void tell_to_go(struct client *client)
{
    client->told = true;
    (void)shutdown(client->fd, SHUT_RDWR); /* the server notices, and closes it */
}

/* Ends the connections that have had their time, and the oldest ones where there are too many. */
static void end_clients(struct health *health, int64_t now_ms)
{
    struct client *oldest;
    unsigned count;
    do {
        oldest = NULL;
        count = 0;
        for (unsigned i = 0; i < MAX_CLIENTS + SPARE_CLIENTS; i++) {
            struct client *client = &health->clients[i];
            if (client->fd < 0 || client->told) {
                continue;
            }
            count++;
            if (oldest == NULL || client->since_ms < oldest->since_ms) {
                oldest = client;
            }
        }
        if (oldest != NULL && (count > MAX_CLIENTS || now_ms - oldest->since_ms >= REQUEST_MS)) {
            tell_to_go(oldest);
        } else {
            oldest = NULL;
        }
    } while (oldest != NULL);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **own,
                          enum MHD_ConnectionNotificationCode code)
{
    struct health *health = ctx;
    struct client *client = *own;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (client != NULL) {
            client->fd = -1;
        }
        return;
    }
    for (client = health->clients; client->fd >= 0; client++) { /* there are places for all that the server takes */
    }
    *client = (struct client){.fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
                              .since_ms = clock_monotonic_ms()};
    *own = client;
    end_clients(health, client->since_ms);
}

static void *serve(void *argument)
{
    struct health *health = argument;
    while (!atomic_load(&health->stop)) {
        if (MHD_run_wait(health->daemon, TURN_MS) != MHD_YES) {
            (void)poll(NULL, 0, TURN_MS); /* out of memory or the like: it may pass */
        }
        end_clients(health, clock_monotonic_ms());
    }
    return NULL;
}

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

static bool start_server(struct health *health, int fd)
{
    health->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, health, MHD_OPTION_LISTEN_SOCKET, fd,
                                      MHD_OPTION_CONNECTION_LIMIT, (unsigned)(MAX_CLIENTS + SPARE_CLIENTS),
                                      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MAX_REQUEST,
                                      MHD_OPTION_NOTIFY_CONNECTION, on_connection, health, MHD_OPTION_END);
    if (health->daemon == NULL) {
        (void)close(fd);
    }
    return health->daemon != NULL;
}

static bool start(struct health *health, const struct addrinfo *address, char *message, size_t size)
{
    int fd = listen_on(address);
    if (fd < 0) {
        (void)snprintf(message, size, "cannot be listened on: %s", strerror(errno));
        return false;
    }
    for (unsigned i = 0; i < MAX_CLIENTS + SPARE_CLIENTS; i++) {
        health->clients[i].fd = -1;
    }
    if (!start_server(health, fd)) {
        (void)snprintf(message, size, "cannot be served");
        return false;
    }
    health->thread_started = pthread_create(&health->thread, NULL, serve, health) == 0;
    if (!health->thread_started) {
        (void)snprintf(message, size, "a thread could not be started");
    }
    return health->thread_started;
}

struct health *health_start(const char *listen, char *message, size_t size)
{
    struct addrinfo *address = address_resolve(listen);
    struct health *health = calloc(1, sizeof *health);
    char why[128];
    if (address == NULL || health == NULL || pthread_mutex_init(&health->lock, NULL) != 0) {
        (void)snprintf(message, size, "health: listen: %s cannot be used", listen);
        free(health);
        health = NULL;
    } else if (!start(health, address, why, sizeof why)) {
        (void)snprintf(message, size, "health: %s %s", listen, why);
        health_stop(health);
        health = NULL;
    }
    if (address != NULL) {
        freeaddrinfo(address);
    }
    return health;
}

void health_publish(struct health *health, const struct health_status *status)
{
    (void)pthread_mutex_lock(&health->lock);
    (void)json_object_put(health->status.troubles);
    health->status = *status;
    (void)pthread_mutex_unlock(&health->lock);
}

void health_stop(struct health *health)
{
    if (health == NULL) {
        return;
    }
    atomic_store(&health->stop, true);
    if (health->thread_started) {
        (void)pthread_join(health->thread, NULL);
    }
    if (health->daemon != NULL) {
        MHD_stop_daemon(health->daemon);
    }
    (void)json_object_put(health->status.troubles);
    (void)pthread_mutex_destroy(&health->lock);
    free(health);
}
