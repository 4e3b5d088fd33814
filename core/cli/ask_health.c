/* `churnd health`: what a running pipeline answers to /healthz or /readyz, for whoever watches over it without a client
 * of HTTP, such as a container. */
#include "cli/commands.h"

#include "base/json_text.h"
#include "base/printable.h"
#include "pipeline/health_section.h"
#include "pipeline/load.h"
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 5000L
#define MAX_ANSWER ((size_t)1 << 20) /* of whoever it is that listens there */

static size_t take_answer(char *bytes, size_t size, size_t count, void *ctx)
{
    struct text *answer = ctx;
    if (answer->len + size * count > MAX_ANSWER) {
        return 0;
    }
    text_append(answer, bytes, size * count);
    return answer->failed ? 0 : size * count;
}

/* Who listens on every address is asked on the machine's own. */
static void url_of(const struct health_settings *settings, bool ready, char *url, size_t size)
{
    const char *listen = settings->listen, *port = strrchr(listen, ':');
    size_t host = (size_t)(port - listen);
    const char *scheme = health_section_has_tls(settings) ? "https" : "http", *path = ready ? "readyz" : "healthz";
    if (strncmp(listen, "0.0.0.0:", host + 1) == 0) {
        (void)snprintf(url, size, "%s://127.0.0.1%s/%s", scheme, port, path);
    } else if (strncmp(listen, "[::]:", host + 1) == 0) {
        (void)snprintf(url, size, "%s://[::1]%s/%s", scheme, port, path);
    } else {
        (void)snprintf(url, size, "%s://%s/%s", scheme, listen, path);
    }
}

/* Whoever answers must have the certificate's key; what it says of names is not asked, for the address is our own. */
static bool set_certificate(CURL *curl, const struct health_settings *settings)
{
    return !health_section_has_tls(settings) ||
           (curl_easy_setopt(curl, CURLOPT_CAINFO, settings->cert_file) == CURLE_OK &&
            curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK);
}

static CURL *new_request(const struct health_settings *settings, const char *url, struct text *answer, char *why)
{
    CURL *curl = curl_easy_init();
    if (curl != NULL &&
        (curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK ||
         curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") != CURLE_OK ||
         curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
         curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ANSWER_MS) != CURLE_OK ||
         curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why) != CURLE_OK ||
         curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer) != CURLE_OK ||
         curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) != CURLE_OK || !set_certificate(curl, settings))) {
        curl_easy_cleanup(curl);
        curl = NULL;
    }
    return curl;
}

static int ask(const struct health_settings *settings, const char *url)
{
    struct text answer = {0};
    char why[CURL_ERROR_SIZE] = "";
    CURL *curl = new_request(settings, url, &answer, why);
    CURLcode code = curl != NULL ? curl_easy_perform(curl) : CURLE_OUT_OF_MEMORY;
    long status = 0;
    if (code != CURLE_OK) {
        printable_line(stderr, "churnd: %s: %s", url, *why != '\0' ? why : curl_easy_strerror(code));
    } else if (curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK) {
        printable_line(stdout, "%.*s", (int)answer.len, answer.len > 0 ? answer.bytes : "");
    }
    curl_easy_cleanup(curl);
    text_free(&answer);
    return status == 200 ? 0 : 1;
}

int command_health(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    char url[128];
    int status = 1;
    (void)loader, (void)log;
    if (pipeline_load_health(&pipeline, arguments_files(arguments), stderr)) {
        const char *listen = pipeline.health_settings.listen;
        if (listen == NULL) {
            printable_line(
                stderr,
                "churnd: %s listens nowhere: give it `health: {listen: 127.0.0.1:8080}`, or set the variable "
                "that it names there",
                arguments->config);
        } else {
            url_of(&pipeline.health_settings, arguments->ready, url, sizeof url);
            status = ask(&pipeline.health_settings, url);
        }
    }
    pipeline_free(&pipeline);
    return status;
}
