/* `churnd top`: a run's figures, again and again. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/printable.h"
#include "cli/listener_client.h"
#include "cli/top/lines.h"
#include "cli/top/screen.h"
#include "cli/watching.h"
#include <poll.h>
#include <unistd.h>

#define INTERVAL_MS 1000
#define MIN_INTERVAL_MS 250
#define MAX_INTERVAL_MS 64000
#define ANSWER_MS 3000

struct top {
    struct listener_client client;
    int signals;                 /* a signalfd */
    struct top_screen *screen;   /* NULL: lines */
    struct top_look now, before; /* the newest two that were answered */
    struct top_model model;
    int64_t interval_ms;
    int64_t next_ms; /* when to look again */
    bool looked;     /* `now` is there */
    bool paused, done, failed;
    char problem[CURL_ERROR_SIZE + 640]; /* why there was no answer; "": there was */
};

/* ---- looking ---- */

/* False with `problem`. */
static bool ask(struct top *top, struct top_look *look)
{
    struct listener_client *client = &top->client;
    long status = listener_client_get(client, "/metrics", ANSWER_MS, &look->metrics);
    if (status == 200) {
        look->at_ms = clock_monotonic_ms();
        (void)listener_client_get(client, "/readyz", ANSWER_MS, &look->ready); /* 503 has an answer too */
    }
    if (status != 0 && status != 200) {
        (void)snprintf(top->problem, sizeof top->problem, "%s/metrics answers with %ld: is a churnd there?",
                       client->base, status);
    } else if (status == 0) {
        (void)snprintf(top->problem, sizeof top->problem, "%s: %s", client->base, client->why);
    } else if (!top_look_read(look)) {
        (void)snprintf(top->problem, sizeof top->problem, "out of memory");
        status = 0;
    } else {
        top->problem[0] = '\0';
    }
    return status == 200;
}

static void look(struct top *top)
{
    struct top_look newest = {0};
    top->next_ms = clock_monotonic_ms() + top->interval_ms;
    if (!ask(top, &newest)) {
        top_look_free(&newest);
        return;
    }
    if (top->looked) {
        top_look_free(&top->before);
        top->before = top->now;
    }
    top->now = newest;
    top_model_free(&top->model);
    top_model_make(&top->model, &top->now, top->looked ? &top->before : NULL);
    top->looked = true;
}

/* ---- lines ---- */

static void print(struct top *top, bool json)
{
    if (top->problem[0] != '\0') {
        printable_line(stderr, "churnd: %s", top->problem);
    } else if (!json) {
        top_lines_print(&top->model);
    } else if (!top_lines_print_json(&top->model)) {
        top->failed = true;
    }
    top->done = top->done || fflush(stdout) != 0 || top->failed;
}

/* Waits up to the next look, for a signal or the end of whoever reads. */
static void rest(struct top *top)
{
    struct pollfd fds[] = {{.fd = top->signals, .events = POLLIN}, {.fd = STDOUT_FILENO}};
    int64_t left = top->next_ms - clock_monotonic_ms();
    (void)poll(fds, sizeof fds / sizeof fds[0], left > 0 ? (int)left : 0);
    top->done = top->done || fds[0].revents != 0 || (fds[1].revents & POLLERR) != 0;
}

/* Rates need two looks: the first one is for itself. */
static void run_lines(struct top *top, bool json, bool once)
{
    look(top);
    if (top->problem[0] != '\0') {
        print(top, json);
        top->failed = top->done = true;
    }
    while (!top->done) {
        rest(top);
        if (!top->done && clock_monotonic_ms() >= top->next_ms) {
            look(top);
            print(top, json);
            top->failed = top->failed || (once && top->problem[0] != '\0');
            top->done = top->done || once;
        }
    }
}

/* ---- the screen ---- */

static void draw(struct top *top)
{
    const struct top_status status = {.url = top->client.base,
                                      .problem = top->problem[0] != '\0' ? top->problem : NULL,
                                      .interval_ms = top->interval_ms,
                                      .paused = top->paused};
    top_screen_draw(top->screen, &top->model, &status);
}

static void change_interval(struct top *top, int64_t interval_ms)
{
    if (interval_ms >= MIN_INTERVAL_MS && interval_ms <= MAX_INTERVAL_MS) {
        top->interval_ms = interval_ms;
        top->next_ms = clock_monotonic_ms() + interval_ms;
    }
}

static void take_keys(struct top *top)
{
    enum top_key key;
    while ((key = top_screen_key(top->screen)) != TOP_KEY_NONE) {
        top->done = top->done || key == TOP_KEY_QUIT;
        if (key == TOP_KEY_PAUSE) {
            top->paused = !top->paused;
        } else if (key == TOP_KEY_FASTER) {
            change_interval(top, top->interval_ms / 2);
        } else if (key == TOP_KEY_SLOWER) {
            change_interval(top, top->interval_ms * 2);
        }
    }
}

/* Until a key, a signal or the next look; a change of the size interrupts it and is a key. */
static void wait_for_key(struct top *top)
{
    struct pollfd fds[] = {{.fd = top->signals, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    int64_t left = top->next_ms - clock_monotonic_ms();
    int wait_ms = top->paused ? -1 : left > 0 ? (int)left : 0;
    (void)poll(fds, sizeof fds / sizeof fds[0], wait_ms);
    top->done = fds[0].revents != 0 || (fds[1].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static void run_screen(struct top *top)
{
    look(top);
    while (!top->done) {
        draw(top);
        wait_for_key(top);
        take_keys(top);
        if (!top->paused && !top->done && clock_monotonic_ms() >= top->next_ms) {
            look(top);
        }
    }
}

/* ---- the command ---- */

static bool wants_screen(const struct arguments *a)
{
    return !a->once && a->format == NULL && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
}

static int run(struct top *top, const struct arguments *a)
{
    char message[160];
    top->signals = watching_signals();
    top->interval_ms = INTERVAL_MS;
    if (wants_screen(a)) {
        top->screen = top_screen_open(message, sizeof message);
        if (top->screen == NULL) {
            printable_line(stderr, "churnd: %s", message);
            top->failed = true;
        } else {
            run_screen(top);
        }
    } else {
        run_lines(top, a->json, a->once);
    }
    top_screen_close(top->screen);
    top_model_free(&top->model);
    top_look_free(&top->now);
    top_look_free(&top->before);
    listener_client_close(&top->client);
    if (top->signals >= 0) {
        (void)close(top->signals);
    }
    return top->failed;
}

int command_top(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct top top = {0};
    (void)loader, (void)log;
    if (!listener_client_open(&top.client, arguments)) {
        return 1;
    }
    return run(&top, arguments);
}
