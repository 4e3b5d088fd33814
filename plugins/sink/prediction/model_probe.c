#include "model_probe.h"

#include "model_metadata.h"
#include "text_buffer.h"
#include <stdlib.h>

#define METADATA_MAX 1048576 /* an answer beyond this is not read */
#define INFER "/infer"
#define MESSAGE_SIZE 1024

static size_t take(char *ptr, size_t size, size_t count, void *arg)
{
    struct text_buffer *body = arg;
    if (body->len + size * count > METADATA_MAX) {
        return 0;
    }
    text_add(body, ptr, size * count);
    return body->failed ? 0 : size * count;
}

/* The metadata's URL is that of requests without its last part; NULL: `path` names another one. The caller frees. */
static char *metadata_url(const struct http_settings *http)
{
    char *url = http_settings_url(http);
    size_t len = url != NULL ? strlen(url) : 0, last = sizeof INFER - 1;
    if (len <= last || strcmp(url + len - last, INFER) != 0) {
        free(url);
        return NULL;
    }
    url[len - last] = '\0';
    return url;
}

/* The status of the answer; 0: there is none. */
static long get(const struct http_settings *http, const char *url, uint32_t timeout_ms, struct text_buffer *body)
{
    CURL *easy = curl_easy_init();
    struct curl_slist *headers = NULL;
    long status = 0;
    if (easy != NULL && curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, body) == CURLE_OK && http_settings_connection(http, easy) &&
        http_settings_login(http, easy) && http_settings_headers(http, &headers) &&
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK && curl_easy_perform(easy) == CURLE_OK) {
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    return status;
}

static void judge(const struct model *model, long status, churn_str body, churn_target *target, char *message)
{
    if (status == 404) {
        (void)snprintf(message, MESSAGE_SIZE, "the server knows no such model; correct `model`, or load it there");
        target->result = CHURN_FATAL;
    } else if (status != 200) {
        (void)snprintf(message, MESSAGE_SIZE, "the server answers HTTP %ld when it is asked about the model", status);
        target->result = CHURN_RETRY;
    } else {
        int same = model_metadata_compare(model, body, message, MESSAGE_SIZE);
        target->result = same == 0 ? CHURN_FATAL : CHURN_OK;
        target->option = same == 0 ? model->tensor[0] != '\0' ? "tensor" : "features" : target->option;
    }
    target->message = message[0] != '\0' ? message : NULL;
}

void model_probe(const struct model *model, const struct http_settings *http, uint32_t timeout_ms, churn_target_fn fn,
                 void *ctx)
{
    char *url = model->format == FORMAT_KSERVE_V2 && timeout_ms > 0 ? metadata_url(http) : NULL;
    char *origin = url != NULL ? http_settings_origin(http, NULL) : NULL;
    char message[MESSAGE_SIZE] = "";
    churn_target target = {.size = sizeof target,
                           .flags = CHURN_TARGET_READS,
                           .kind = "model",
                           .name = model->name,
                           .at = origin,
                           .option = "model"};
    struct text_buffer body = {0};
    long status = origin != NULL ? get(http, url, timeout_ms, &body) : 0;
    if (status != 0) {
        judge(model, status, text_str(&body), &target, message);
        fn(ctx, &target);
    }
    text_free(&body);
    free(origin);
    free(url);
}
