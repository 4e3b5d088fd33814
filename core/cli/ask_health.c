/* `churnd health`: what a running pipeline answers to /healthz or /readyz, for whoever watches over it without a client
 * of HTTP, such as a container; and whether it has caught up. */
#include "cli/commands.h"

#include "base/printable.h"
#include "cli/listener_client.h"
#include "observe/figures.h"

#define ANSWER_MS 5000L
#define LAG "churnd_source_lag_seconds"

/* Prints the answer. Whether all is well. */
static bool ask(struct listener_client *client, const char *path)
{
    struct text answer = {0};
    long status = listener_client_get(client, path, ANSWER_MS, &answer);
    if (status == 0) {
        printable_line(stderr, "churnd: %s%s: %s", client->base, path, client->why);
    } else {
        printable_line(stdout, "%.*s", (int)answer.len, answer.len > 0 ? answer.bytes : "");
    }
    text_free(&answer);
    return status == 200;
}

/* False with a message, unless nothing that waits is older than `max_ms`. */
static bool judge_lag(const struct listener_client *client, const struct figures *figures, int64_t max_ms)
{
    const struct figure *lag = figures_find(figures, LAG, NULL, NULL);
    bool good = lag != NULL && figure_number(lag) * 1000 <= (double)max_ms;
    if (lag == NULL) {
        printable_line(stderr, "churnd: %s: it is not known yet for how long events wait", client->base);
    } else if (!good) {
        printable_line(stderr, "churnd: %s: events have waited for %.1f s", client->base, figure_number(lag));
    }
    return good;
}

static bool has_caught_up(struct listener_client *client, int64_t max_ms)
{
    struct text answer = {0};
    struct figures figures = {0};
    long status = listener_client_get(client, "/metrics", ANSWER_MS, &answer);
    bool good = false;
    if (status != 200) {
        printable_line(stderr, "churnd: %s/metrics: %s", client->base, status == 0 ? client->why : "no figures there");
    } else if (!figures_read(&figures, (churn_str){.ptr = answer.bytes, .len = answer.len})) {
        (void)fputs("churnd: out of memory\n", stderr);
    } else {
        good = judge_lag(client, &figures, max_ms);
    }
    figures_free(&figures);
    text_free(&answer);
    return good;
}

int command_health(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct listener_client client;
    bool good;
    (void)loader, (void)log;
    if (!listener_client_open(&client, arguments)) {
        return 1;
    }
    good = ask(&client, arguments->ready || arguments->has_max_lag ? "/readyz" : "/healthz") &&
           (!arguments->has_max_lag || has_caught_up(&client, arguments->max_lag_ms));
    listener_client_close(&client);
    return good ? 0 : 1;
}
