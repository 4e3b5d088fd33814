/* churnd: what happens once for the process. */
#include "base/bus_error.h"
#include "base/environment.h"
#include "base/printable.h"
#include "cli/command_line.h"
#include "cli/printed.h"
#include <curl/curl.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The environment may be meant for several machines; who names a folder here and now means that one. */
static bool check_plugin_path(const struct arguments *a, struct log *log)
{
    const char *path = getenv("CHURN_PLUGIN_PATH");
    char message[PATH_MAX + 256], dir[PATH_MAX];
    bool ok = true;
    for (unsigned i = 0; i < a->plugin_path_count; i++) {
        if (!loader_check_dir(a->plugin_path[i], message, sizeof message)) {
            printable_line(stderr, "churnd: --plugin-path: %s", message);
            ok = false;
        }
    }
    while (path != NULL && *path != '\0') {
        size_t len = strcspn(path, ":");
        (void)snprintf(dir, sizeof dir, "%.*s", (int)len, path);
        if (len > 0 && !loader_check_dir(dir, message, sizeof message)) {
            log_printf(log, CHURN_LOG_WARN, "plugins", "CHURN_PLUGIN_PATH: %s", message);
        }
        path += len + (path[len] == ':');
    }
    return ok;
}

static int run_command(const struct command *command, const struct arguments *a)
{
    struct log *log = log_new(STDERR_FILENO, CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    struct loader loader = {0};
    int status = 1;
    if (log == NULL || !loader_init(&loader, a->plugin_path, a->plugin_path_count) ||
        curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) { /* once, before any thread: plugins rely on it */
        (void)fputs("churnd: out of memory\n", stderr);
    } else {
        loader.log = log;
        status = check_plugin_path(a, log) ? command->run(a, &loader, log) : 1;
        curl_global_cleanup();
    }
    loader_free(&loader);
    log_free(log);
    return status;
}

/* A file that is named must be good, whether or not the command reads a pipeline. */
static bool check_env_file(const char *file)
{
    struct env_file env = {0};
    char message[512];
    bool ok = file == NULL || env_file_read(&env, file, message, sizeof message);
    if (!ok) {
        printable_line(stderr, "churnd: --env-file: %s", message);
    }
    env_file_free(&env);
    return ok;
}

/* Whoever started churnd may have closed them; then the next file that is opened, such as the store's, would get the
 * number, and what is printed would be written over it. What takes their place is opened the wrong way round, so that
 * using it stays an error. */
static bool open_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) {
            return false; /* and nowhere to say so */
        }
    }
    return true;
}

/* A disk that is full, and a file as large as it may get (`ulimit -f`), are errors of the write. */
static void ignore_file_size_signal(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGXFSZ, &ignore, NULL);
}

int main(int argc, char **argv)
{
    struct arguments a = {0};
    const struct command *command = NULL;
    enum parsed parsed = PARSED_WRONG;
    int status = 1;
    /* first of all: whoever looks in while there is no secret yet could go on to look */
    if (!environment_shield() || !open_standard_descriptors() || !printable_streams() || !environment_take()) {
        return 1;
    }
    ignore_file_size_signal();
    printed_begin();
    bus_error_explain();
    a.config = getenv("CHURND_CONFIG");
    a.plugin_path = calloc((size_t)argc + 1, sizeof(const char *));
    a.operands = calloc((size_t)argc + 1, sizeof(const char *));
    a.plugin_options = calloc((size_t)argc + 1, sizeof(const char *));
    if (a.plugin_path != NULL && a.operands != NULL && a.plugin_options != NULL) {
        parsed = command_line_parse(argc, argv, &a, &command);
    }
    if (parsed == PARSED_DONE) {
        status = 0;
    } else if (parsed == PARSED_RUN && check_env_file(a.env_file)) {
        status = run_command(command, &a);
    }
    free((void *)a.plugin_path);
    free((void *)a.operands);
    free((void *)a.plugin_options);
    return printed_end() ? status : 1;
}
