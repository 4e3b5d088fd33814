/* `churnd health`: what a running pipeline answers to /healthz or /readyz, for whoever watches over it without a client
 * of HTTP, such as a container. */
#include "cli/commands.h"

#include "base/printable.h"
#include "cli/listener_client.h"
#include "pipeline/load.h"

#define ANSWER_MS 5000L

static int ask(const struct health_settings *settings, bool ready)
{
    struct listener_client client;
    struct text answer = {0};
    long status;
    if (!listener_client_open(&client, settings)) {
        (void)fputs("churnd: out of memory\n", stderr);
        return 1;
    }
    status = listener_client_get(&client, ready ? "/readyz" : "/healthz", ANSWER_MS, &answer);
    if (status == 0) {
        printable_line(stderr, "churnd: %s/%s: %s", client.base, ready ? "readyz" : "healthz", client.why);
    } else {
        printable_line(stdout, "%.*s", (int)answer.len, answer.len > 0 ? answer.bytes : "");
    }
    listener_client_close(&client);
    text_free(&answer);
    return status == 200 ? 0 : 1;
}

int command_health(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
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
            status = ask(&pipeline.health_settings, arguments->ready);
        }
    }
    pipeline_free(&pipeline);
    return status;
}
