/* churnd: the command line. */
#include "build-config.h"
#include "commands.h"
#include "config.h"
#include "decimal.h"
#include <churn/time.h>
#include <curl/curl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "churnd turns streams of customer events into exact profiles, churn predictions and alerts.\n"
    "\n"
    "  churnd [run] -c PIPELINE.yaml      run a pipeline until SIGTERM, SIGINT or the end of its input\n"
    "  churnd check -c PIPELINE.yaml      report every mistake that run would refuse\n"
    "  churnd profile -c PIPELINE.yaml CUSTOMER\n"
    "                                     show a customer's profile from the pipeline's store\n"
    "  churnd redrive -c PIPELINE.yaml    put the dead letters back through the pipeline, after a fix\n"
    "  churnd rebuild -c PIPELINE.yaml --into PREFIX\n"
    "                                     make the profiles anew, from the source's beginning, under another key "
    "prefix\n"
    "  churnd verify -c PIPELINE.yaml --against PREFIX\n"
    "                                     compare all profiles with those that were rebuilt\n"
    "  churnd plugins                     list the plugins that are installed\n"
    "  churnd describe PLUGIN             the manual of one plugin, from its own tables\n"
    "\n"
    "options\n"
    "  -c, --config FILE       the pipeline (also: environment variable CHURND_CONFIG)\n"
    "      --until-end         stop at the end of the input, or of the partitions as they stood at the start\n"
    "      --all               redrive: also dead letters that an earlier redrive has read\n"
    "      --replay-from WHERE read again from an earlier place: `beginning`, an offset, or a time "
    "(2026-01-01T00:00:00Z);\n"
    "                          nothing counts twice, and what was sent before is not sent again\n"
    "      --replay-outputs    … but send alerts, predictions and dead letters of it again\n"
    "      --log-level LEVEL   ERROR, WARN, INFO or DEBUG, whatever the pipeline says\n"
    "      --log-format FORMAT text or json\n"
    "      --env-file FILE     read NAME=VALUE lines first (default: .env, where it exists)\n"
    "      --plugin-path DIR   look for plugins in DIR first; may be repeated (also: CHURN_PLUGIN_PATH)\n"
    "      --json-schema       describe: the JSON Schema of an event type\n"
    "      --into PREFIX       rebuild: what the new keys begin with\n"
    "      --against PREFIX    verify: what the other keys begin with\n"
    "      --format json       plugins, describe, profile, verify: for programs\n"
    "  -V, --version           show the version\n"
    "  -h, --help              show this\n"
    "\n"
    "churnd(8), churnd-pipeline(5) and churnd-plugin(7) tell more.\n";

enum {
    OPTION_UNTIL_END = 256,
    OPTION_ALL,
    OPTION_REPLAY_FROM,
    OPTION_REPLAY_OUTPUTS,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
    OPTION_ENV_FILE,
    OPTION_PLUGIN_PATH,
    OPTION_JSON_SCHEMA,
    OPTION_FORMAT,
    OPTION_INTO,
    OPTION_AGAINST
};

static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                             {"until-end", no_argument, NULL, OPTION_UNTIL_END},
                                             {"all", no_argument, NULL, OPTION_ALL},
                                             {"replay-from", required_argument, NULL, OPTION_REPLAY_FROM},
                                             {"replay-outputs", no_argument, NULL, OPTION_REPLAY_OUTPUTS},
                                             {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
                                             {"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
                                             {"env-file", required_argument, NULL, OPTION_ENV_FILE},
                                             {"plugin-path", required_argument, NULL, OPTION_PLUGIN_PATH},
                                             {"json-schema", no_argument, NULL, OPTION_JSON_SCHEMA},
                                             {"format", required_argument, NULL, OPTION_FORMAT},
                                             {"into", required_argument, NULL, OPTION_INTO},
                                             {"against", required_argument, NULL, OPTION_AGAINST},
                                             {"version", no_argument, NULL, 'V'},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

enum parsed { PARSED_RUN, PARSED_DONE, PARSED_WRONG };

static bool take_log_option(int option, struct arguments *a)
{
    if (option == OPTION_LOG_LEVEL) {
        a->log_level = optarg;
        if (log_level_parse(optarg) == 0) {
            (void)fprintf(stderr, "churnd: --log-level: '%s' is not one of ERROR, WARN, INFO, DEBUG\n", optarg);
            return false;
        }
        return true;
    }
    a->log_format = optarg;
    if (strcmp(optarg, "text") != 0 && strcmp(optarg, "json") != 0) {
        (void)fprintf(stderr, "churnd: --log-format: '%s' is neither text nor json\n", optarg);
        return false;
    }
    return true;
}

static bool take_replay_from(const char *text, struct replay *replay)
{
    if (strcmp(text, "beginning") == 0) {
        replay->from = REPLAY_FROM_BEGINNING;
    } else if (decimal_parse_int64(text, strlen(text), &replay->value) && replay->value >= 0) {
        replay->from = REPLAY_FROM_OFFSET;
    } else if (churn_time_parse(text, strlen(text), &replay->value)) {
        replay->from = REPLAY_FROM_TIME;
    } else {
        (void)fprintf(stderr,
                      "churnd: --replay-from: '%s' is neither `beginning` nor an offset nor a time such as "
                      "2026-01-01T00:00:00Z\n",
                      text);
        return false;
    }
    return true;
}

static enum parsed take_option(int option, struct arguments *a)
{
    switch (option) {
    case 'c':
        a->config = optarg;
        return PARSED_RUN;
    case OPTION_UNTIL_END:
        a->until_end = true;
        return PARSED_RUN;
    case OPTION_ALL:
        a->all = true;
        return PARSED_RUN;
    case OPTION_REPLAY_FROM:
        return take_replay_from(optarg, &a->replay) ? PARSED_RUN : PARSED_WRONG;
    case OPTION_REPLAY_OUTPUTS:
        a->replay.outputs = true;
        return PARSED_RUN;
    case OPTION_LOG_LEVEL:
    case OPTION_LOG_FORMAT:
        return take_log_option(option, a) ? PARSED_RUN : PARSED_WRONG;
    case OPTION_ENV_FILE:
        a->env_file = optarg;
        return PARSED_RUN;
    case OPTION_PLUGIN_PATH:
        a->plugin_path[a->plugin_path_count++] = optarg;
        return PARSED_RUN;
    case OPTION_INTO:
        a->into = optarg;
        return PARSED_RUN;
    case OPTION_AGAINST:
        a->against = optarg;
        return PARSED_RUN;
    case OPTION_JSON_SCHEMA:
        a->json_schema = true;
        return PARSED_RUN;
    case OPTION_FORMAT:
        a->json = strcmp(optarg, "json") == 0;
        if (!a->json && strcmp(optarg, "text") != 0) {
            (void)fprintf(stderr, "churnd: --format: '%s' is neither text nor json\n", optarg);
            return PARSED_WRONG;
        }
        return PARSED_RUN;
    case 'V':
        (void)printf("churnd %s, plugin ABI %d.%d\n", PACKAGE_VERSION, CHURN_ABI_MAJOR, CHURN_ABI_MINOR);
        return PARSED_DONE;
    case 'h':
        (void)fputs(usage, stdout);
        return PARSED_DONE;
    default:
        (void)fputs("churnd: see `churnd --help`\n", stderr);
        return PARSED_WRONG;
    }
}

/* Options may stand before and behind the command, which may be left out. */
static enum parsed parse(int argc, char **argv, struct arguments *a)
{
    int option, operands;
    while ((option = getopt_long(argc, argv, "c:Vh", long_options, NULL)) != -1) {
        enum parsed parsed = take_option(option, a);
        if (parsed != PARSED_RUN) {
            return parsed;
        }
    }
    operands = argc - optind;
    a->command = operands > 0 ? argv[optind] : "run";
    a->operand = operands > 1 ? argv[optind + 1] : NULL;
    if (operands > 2) {
        (void)fprintf(stderr, "churnd: too many arguments: %s\n", argv[optind + 2]);
        return PARSED_WRONG;
    }
    return PARSED_RUN;
}

/* An option that one command needs and no other takes. */
static bool check_own_option(const struct arguments *a, const char *command, const char *option, const char *value)
{
    bool needed = strcmp(a->command, command) == 0;
    if (needed && value == NULL) {
        (void)fprintf(stderr, "churnd: %s: name a key prefix: %s PREFIX\n", command, option);
    } else if (!needed && value != NULL) {
        (void)fprintf(stderr, "churnd: %s belongs to `churnd %s`\n", option, command);
    }
    return needed == (value != NULL);
}

/* What each command must be given. */
static bool check_arguments(const struct arguments *a)
{
    bool needs_config = strcmp(a->command, "plugins") != 0 && strcmp(a->command, "describe") != 0;
    bool needs_operand = strcmp(a->command, "describe") == 0 || strcmp(a->command, "profile") == 0;
    if (needs_config && a->config == NULL) {
        (void)fprintf(stderr, "churnd: name a pipeline: churnd %s -c PIPELINE.yaml (see `churnd --help`)\n",
                      a->command);
        return false;
    }
    if (needs_operand && a->operand == NULL) {
        (void)fprintf(stderr, "churnd: %s: name a %s\n", a->command, needs_config ? "customer" : "plugin");
        return false;
    }
    if (!needs_operand && a->operand != NULL) {
        (void)fprintf(stderr, "churnd: %s takes no argument '%s'\n", a->command, a->operand);
        return false;
    }
    return check_own_option(a, "rebuild", "--into", a->into) && check_own_option(a, "verify", "--against", a->against);
}

static int dispatch(const struct arguments *a, struct loader *loader, struct log *log)
{
    if (strcmp(a->command, "run") == 0) {
        return command_run(a, loader, log);
    }
    if (strcmp(a->command, "check") == 0) {
        return command_check(a, loader, log);
    }
    if (strcmp(a->command, "redrive") == 0) {
        return command_redrive(a, loader, log);
    }
    if (strcmp(a->command, "plugins") == 0) {
        return command_plugins(a, loader);
    }
    if (strcmp(a->command, "describe") == 0) {
        return command_describe(a, loader);
    }
    if (strcmp(a->command, "rebuild") == 0) {
        return command_rebuild(a, loader, log);
    }
    if (strcmp(a->command, "verify") == 0) {
        return command_verify(a, loader, log);
    }
    return command_profile(a, loader, log);
}

static bool is_command(const char *name)
{
    static const char *const names[] = {"run",      "check",   "redrive", "plugins",
                                        "describe", "profile", "rebuild", "verify"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    (void)fprintf(stderr, "churnd: there is no command '%s'; see `churnd --help`\n", name);
    return false;
}

static int run_command(const struct arguments *a)
{
    struct log *log = log_new(STDERR_FILENO, CHURN_LOG_INFO, LOG_FORMAT_TEXT);
    struct loader loader = {0};
    int status = 1;
    if (log == NULL || !loader_init(&loader, a->plugin_path, a->plugin_path_count) ||
        curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) { /* once, before any thread: plugins rely on it */
        (void)fputs("churnd: out of memory\n", stderr);
    } else {
        status = dispatch(a, &loader, log);
        curl_global_cleanup();
    }
    loader_free(&loader);
    log_free(log);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments a = {.config = getenv("CHURND_CONFIG")};
    enum parsed parsed;
    int status = 1;
    a.plugin_path = calloc((size_t)argc + 1, sizeof(const char *));
    if (a.plugin_path == NULL) {
        return 1;
    }
    parsed = parse(argc, argv, &a);
    if (parsed == PARSED_DONE) {
        status = 0;
    } else if (parsed == PARSED_RUN && is_command(a.command) && check_arguments(&a) &&
               (a.env_file == NULL || access(a.env_file, R_OK) == 0 ||
                (fprintf(stderr, "churnd: --env-file: %s cannot be read\n", a.env_file), false)) &&
               config_read_env_file(a.env_file != NULL ? a.env_file : ".env", stderr)) {
        status = run_command(&a);
    }
    free((void *)a.plugin_path);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fputs("churnd: standard output cannot be written\n", stderr);
        return 1;
    }
    return status;
}
