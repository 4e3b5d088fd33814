#include "cli/listener_client.h"

#include "base/printable.h"
#include "pipeline/health_section.h"
#include "pipeline/load.h"
#include <stdio.h>
#include <stdlib.h>

#define MAX_ANSWER ((size_t)64 << 20) /* of whoever it is that listens there */

static size_t take_answer(char *bytes, size_t size, size_t count, void *ctx)
{
    struct text *answer = ctx;
    if (answer->len + size * count > MAX_ANSWER) {
        return 0;
    }
    text_append(answer, bytes, size * count);
    return answer->failed ? 0 : size * count;
}

/* That file's authorities alone: curl has a folder of the system's beside it, unless that is taken away. */
static bool trust_only(CURL *curl, const char *ca_file)
{
    return curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CAPATH, (char *)NULL) == CURLE_OK;
}

static bool open_url(struct listener_client *client, const char *url, const char *ca_file)
{
    size_t len = strlen(url);
    *client = (struct listener_client){.curl = curl_easy_init()};
    while (len > 0 && url[len - 1] == '/') {
        len--;
    }
    (void)snprintf(client->base, sizeof client->base, "%.*s", (int)len, url);
    if (client->curl != NULL && (curl_easy_setopt(client->curl, CURLOPT_NOPROXY, "*") != CURLE_OK ||
                                 curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
                                 curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
                                 curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, client->why) != CURLE_OK ||
                                 curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_answer) != CURLE_OK ||
                                 (ca_file != NULL && !trust_only(client->curl, ca_file)))) {
        listener_client_close(client);
    }
    return client->curl != NULL;
}

static bool open_own(struct listener_client *client, const struct health_settings *settings)
{
    const char *listen = settings->listen, *port = strrchr(listen, ':');
    size_t host = (size_t)(port - listen);
    bool tls = health_section_has_tls(settings);
    const char *scheme = tls ? "https" : "http";
    char url[sizeof client->base];
    if (strncmp(listen, "0.0.0.0:", host + 1) == 0) {
        (void)snprintf(url, sizeof url, "%s://127.0.0.1%s", scheme, port);
    } else if (strncmp(listen, "[::]:", host + 1) == 0) {
        (void)snprintf(url, sizeof url, "%s://[::1]%s", scheme, port);
    } else {
        (void)snprintf(url, sizeof url, "%s://%s", scheme, listen);
    }
    if (!open_url(client, url, tls ? settings->cert_file : NULL)) {
        return false;
    }
    if (tls && curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYHOST, 0L) != CURLE_OK) {
        listener_client_close(client);
    }
    return client->curl != NULL;
}

/* What the file names is read; nothing else of it. */
static bool open_named(struct listener_client *client, const struct arguments *arguments)
{
    struct pipeline pipeline;
    bool ok = pipeline_load_health(&pipeline, arguments_files(arguments), stderr);
    if (ok && pipeline.health_settings.listen == NULL) {
        printable_line(stderr,
                       "churnd: %s listens nowhere: give it `health: {listen: 127.0.0.1:8080}`, or set the variable "
                       "that it names there",
                       arguments->config);
        ok = false;
    } else if (ok && !open_own(client, &pipeline.health_settings)) {
        (void)fputs("churnd: out of memory\n", stderr);
        ok = false;
    }
    pipeline_free(&pipeline);
    return ok;
}

bool listener_client_open(struct listener_client *client, const struct arguments *arguments)
{
    if (arguments->url == NULL && arguments->config == NULL) {
        (void)fputs("churnd: `-c FILE` or `--url URL` is missing\n", stderr);
        return false;
    }
    if (arguments->url == NULL) {
        return open_named(client, arguments);
    }
    if (!open_url(client, arguments->url, arguments->cacert)) {
        (void)fputs("churnd: out of memory\n", stderr);
        return false;
    }
    return true;
}

long listener_client_get(struct listener_client *client, const char *path, long timeout_ms, struct text *answer)
{
    char url[sizeof client->base + 64];
    long status = 0;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    *client->why = '\0';
    (void)snprintf(url, sizeof url, "%s%s", client->base, path);
    if (curl_easy_setopt(client->curl, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
        curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, answer) == CURLE_OK) {
        code = curl_easy_perform(client->curl);
    }
    if (code == CURLE_OK) {
        (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    } else if (*client->why == '\0') {
        (void)snprintf(client->why, sizeof client->why, "%s", curl_easy_strerror(code));
    }
    return status;
}

void listener_client_close(struct listener_client *client)
{
    curl_easy_cleanup(client->curl);
    client->curl = NULL;
}
