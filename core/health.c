#include "health.h"

#include "decimal.h"
#include "host.h"
#include "json_build.h"
#include <churn/time.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STUCK_MS 30000 /* without a turn of a loop; what a store or source may be waited for is shorter */
#define CLIENT_TIMEOUT_S 5
#define MAX_CLIENTS 16

/* Main publishes, the server's thread reads. */
struct health {
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock;
    struct health_status status;
};

/* ---- the address ---- */

/* "HOST:PORT" or "[HOST]:PORT", both numeric; NULL when it is none. To be freed by freeaddrinfo. */
static struct addrinfo *resolve(const char *listen)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *colon = strrchr(listen, ':');
    size_t len = colon != NULL ? (size_t)(colon - listen) : 0;
    bool brackets = len > 2 && listen[0] == '[' && listen[len - 1] == ']';
    char host[64];
    int64_t port;
    if (len == 0 || len >= sizeof host || !decimal_parse_int64(colon + 1, strlen(colon + 1), &port) || port < 1 ||
        port > 65535) {
        return NULL;
    }
    (void)snprintf(host, sizeof host, "%.*s", (int)(len - 2u * brackets), listen + brackets);
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

bool health_check_address(const char *listen)
{
    struct addrinfo *address = resolve(listen);
    if (address != NULL) {
        freeaddrinfo(address);
    }
    return address != NULL;
}

/* ---- what is said ---- */

/* Why a worker keeps the run from being `ready` (else only alive); NULL: it does not. */
static const char *trouble_of(const struct health_status *status, unsigned i, int64_t now_ms, bool ready)
{
    const struct health_worker *worker = &status->workers[i];
    if (worker->failed) {
        return "failed";
    }
    if (worker->turned_ms != 0 && now_ms - worker->turned_ms > STUCK_MS) {
        return "stuck";
    }
    if (!ready) {
        return NULL;
    }
    if (status->store != NULL && !worker->store_open) {
        return "the store is not connected";
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

/* The states in which events do not move. */
static struct json_object *troubles_to_json(const struct health_status *status)
{
    struct json_object *troubles = json_object_new_array();
    if (status->stalls != NULL) {
        stalls_each(status->stalls, add_trouble, troubles);
    }
    return troubles;
}

/* The answer's text, to be freed by json_object_put; *ret_good: all is well. */
static struct json_object *say(const struct health_status *status, bool ready, bool *ret_good)
{
    struct json_object *object = json_object_new_object(), *workers = json_object_new_array();
    struct json_object *troubles = troubles_to_json(status);
    int64_t now_ms = host_monotonic_ms();
    bool good = status->looked_ms != 0 && now_ms - status->looked_ms <= STUCK_MS && !(ready && status->stopping);
    for (unsigned i = 0; i < status->worker_count; i++) {
        const char *trouble = trouble_of(status, i, now_ms, ready);
        good = good && trouble == NULL;
        (void)json_object_array_add(workers, worker_to_json(&status->workers[i], trouble));
    }
    good = good && !(ready && json_object_array_length(troubles) > 0);
    json_add_text(object, "status", status->stopping ? "stopping" : good ? ready ? "ready" : "alive" : "not ok");
    if (status->pipeline != NULL) {
        json_add_text(object, "pipeline", status->pipeline);
    }
    if (status->store != NULL) {
        json_add(object, "store", store_to_json(status));
    }
    json_add(object, "workers", workers);
    if (json_object_array_length(troubles) > 0) {
        json_add(object, "troubles", json_object_get(troubles));
    }
    (void)json_object_put(troubles);
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
    (void)pthread_mutex_lock(&health->lock);
    object = say(&health->status, ready, &good);
    (void)pthread_mutex_unlock(&health->lock);
    result = send_text(connection, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "application/json",
                       json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(object);
    return result;
}

struct health *health_start(const char *listen, char *message, size_t size)
{
    struct addrinfo *address = resolve(listen);
    struct health *health = calloc(1, sizeof *health);
    if (address == NULL || health == NULL || pthread_mutex_init(&health->lock, NULL) != 0) {
        (void)snprintf(message, size, "health: listen: %s cannot be used", listen);
        free(health);
        health = NULL;
    } else {
        unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | (address->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);
        health->daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer, health, MHD_OPTION_SOCK_ADDR, address->ai_addr,
                                          MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CLIENT_TIMEOUT_S,
                                          MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CLIENTS, MHD_OPTION_END);
        if (health->daemon == NULL) {
            (void)snprintf(message, size, "health: %s cannot be listened on: %s", listen, strerror(errno));
            health_stop(health);
            health = NULL;
        }
    }
    if (address != NULL) {
        freeaddrinfo(address);
    }
    return health;
}

void health_publish(struct health *health, const struct health_status *status)
{
    (void)pthread_mutex_lock(&health->lock);
    health->status = *status;
    (void)pthread_mutex_unlock(&health->lock);
}

void health_stop(struct health *health)
{
    if (health == NULL) {
        return;
    }
    if (health->daemon != NULL) {
        MHD_stop_daemon(health->daemon);
    }
    (void)pthread_mutex_destroy(&health->lock);
    free(health);
}
