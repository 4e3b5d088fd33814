#include "cli/command_line.h"
#include "build-config.h"

#include "base/printable.h"
#include "base/suggest.h"
#include "base/words.h"
#include <churn/plugin.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- the tables ---- */

static bool take_config(struct arguments *a, const char *value)
{
    a->config = value;
    return true;
}

static bool take_until_end(struct arguments *a, const char *value)
{
    (void)value;
    a->until_end = true;
    return true;
}

static bool take_all(struct arguments *a, const char *value)
{
    (void)value;
    a->all = true;
    return true;
}

static bool take_unverified(struct arguments *a, const char *value)
{
    (void)value;
    a->unverified = true;
    return true;
}

static bool take_replay_from(struct arguments *a, const char *value)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (replay_parse(&a->replay, value, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000)) {
        return true;
    }
    printable_line(stderr,
                   "churnd: --replay-from: '%s' is neither `beginning` nor an offset nor a time such as "
                   "2026-01-01T00:00:00Z, 2026-01-01, today, yesterday or 24h (ago)",
                   value);
    return false;
}

static bool take_replay_outputs(struct arguments *a, const char *value)
{
    (void)value;
    a->replay.outputs = true;
    return true;
}

static bool take_log_level(struct arguments *a, const char *value)
{
    a->log_level = value;
    return true;
}

static bool take_log_format(struct arguments *a, const char *value)
{
    a->log_format = value;
    return true;
}

static bool take_env_file(struct arguments *a, const char *value)
{
    a->env_file = value;
    return true;
}

static bool take_plugin_path(struct arguments *a, const char *value)
{
    a->plugin_path[a->plugin_path_count++] = value;
    return true;
}

static bool take_option(struct arguments *a, const char *value)
{
    a->plugin_options[a->plugin_option_count++] = value;
    return true;
}

static bool take_json_schema(struct arguments *a, const char *value)
{
    (void)value;
    a->json_schema = true;
    return true;
}

static bool take_connect(struct arguments *a, const char *value)
{
    (void)value;
    a->connect = true;
    return true;
}

static bool take_deny_warnings(struct arguments *a, const char *value)
{
    (void)value;
    a->deny_warnings = true;
    return true;
}

static bool take_into(struct arguments *a, const char *value)
{
    a->into = value;
    return true;
}

static bool take_against(struct arguments *a, const char *value)
{
    a->against = value;
    return true;
}

static bool take_dir(struct arguments *a, const char *value)
{
    a->dir = value;
    return true;
}

static bool take_filter(struct arguments *a, const char *value)
{
    a->filter = value;
    return true;
}

static bool take_junit(struct arguments *a, const char *value)
{
    a->junit = value;
    return true;
}

static bool take_format(struct arguments *a, const char *value)
{
    a->format = value;
    a->json = strcmp(value, "json") == 0;
    return true;
}

static bool take_version(struct arguments *a, const char *value);
static bool take_help(struct arguments *a, const char *value);

static const struct command commands[] = {
    {.name = "run",
     .needs_config = true,
     .help = "run a pipeline until SIGTERM, SIGINT or the end of its input; `run` may be left out",
     .run = command_run},
    {.name = "check",
     .needs_config = true,
     .formats = "text json",
     .help = "report every mistake that run would refuse",
     .run = command_check},
    {.name = "graph",
     .needs_config = true,
     .formats = "mermaid dot",
     .help = "draw the pipeline, for Mermaid or Graphviz",
     .run = command_graph},
    {.name = "test",
     .operands = "[TESTS.yaml ...]",
     .most_operands = UINT_MAX,
     .needs_config = true,
     .formats = "text json",
     .help = "run the tests that the pipeline and these files declare; needs no server",
     .run = command_test},
    {.name = "profile",
     .operands = "CUSTOMER",
     .least_operands = 1,
     .most_operands = 1,
     .needs_config = true,
     .formats = "text json",
     .help = "show a customer's profile from the pipeline's store",
     .run = command_profile},
    {.name = "redrive",
     .needs_config = true,
     .help = "put the dead letters back through the pipeline, after a fix",
     .run = command_redrive},
    {.name = "rebuild",
     .needs_config = true,
     .help = "make the profiles anew, from the source's beginning, under another key prefix",
     .run = command_rebuild},
    {.name = "verify",
     .needs_config = true,
     .formats = "text json",
     .help = "compare all profiles with those that were rebuilt",
     .run = command_verify},
    {.name = "plugins", .formats = "text json", .help = "list the plugins that are installed", .run = command_plugins},
    {.name = "plugin-check",
     .operands = "FILE.so...",
     .least_operands = 1,
     .most_operands = UINT_MAX,
     .formats = "text json",
     .help = "judge plugin files as their author needs it: what is wrong, what to do",
     .run = command_plugin_check},
    {.name = "describe",
     .operands = "[PLUGIN]",
     .most_operands = 1,
     .formats = "text json markdown",
     .help = "the manual of a plugin or a section of the pipeline, or of all",
     .run = command_describe},
    {.name = "completion",
     .operands = "bash|zsh|fish",
     .least_operands = 1,
     .most_operands = 1,
     .help = "a script that completes churnd's command line in a shell",
     .run = command_completion},
    {.name = "schema", .help = "the JSON Schema of pipeline files, for editors", .run = command_schema},
    {.name = "new-plugin",
     .operands = "KIND NAME",
     .least_operands = 2,
     .most_operands = 2,
     .help = "write a plugin to begin with, its test and its Makefile; KIND is event-type, processor, sink or source",
     .run = command_new_plugin},
};

static const struct command_option options[] = {
    {.name = "config",
     .letter = 'c',
     .value = "FILE",
     .help = "the pipeline (also: environment variable CHURND_CONFIG)",
     .take = take_config},
    {.name = "until-end",
     .commands = "run",
     .help = "stop at the end of the input, or of the partitions as they stood at the start",
     .take = take_until_end},
    {.name = "replay-from",
     .value = "WHERE",
     .commands = "run",
     .help = "read again from an earlier place: `beginning`, an offset, or a time\n"
             "(2026-01-01T00:00:00Z, 2026-01-01, today, yesterday, 24h ago: 24h);\n"
             "nothing counts twice, and what was sent before is not sent again",
     .take = take_replay_from},
    {.name = "replay-outputs",
     .commands = "run",
     .help = "… but send alerts, predictions and dead letters of it again",
     .take = take_replay_outputs},
    {.name = "all",
     .commands = "redrive",
     .help = "also dead letters that an earlier redrive has read",
     .take = take_all},
    {.name = "unverified",
     .commands = "redrive",
     .help = "also dead letters whose records cannot be read again, to be compared with them",
     .take = take_unverified},
    {.name = "into",
     .value = "PREFIX",
     .commands = "rebuild",
     .required = true,
     .help = "what the new keys begin with",
     .take = take_into},
    {.name = "against",
     .value = "PREFIX",
     .commands = "verify",
     .required = true,
     .help = "what the other keys begin with",
     .take = take_against},
    {.name = "option",
     .value = "NAME=VALUE",
     .commands = "plugin-check",
     .help = "an option of the plugin, for the instance that is made; may be repeated",
     .take = take_option},
    {.name = "connect",
     .commands = "check",
     .help = "also try what the pipeline names: brokers, topics, Redis, URLs; changes nothing there",
     .take = take_connect},
    {.name = "deny-warnings", .commands = "check", .help = "warnings are mistakes too", .take = take_deny_warnings},
    {.name = "json-schema",
     .commands = "describe",
     .help = "the JSON Schema of an event type's events, or of a plugin's options",
     .take = take_json_schema},
    {.name = "dir",
     .value = "DIR",
     .commands = "new-plugin",
     .help = "make its folder in DIR instead of here",
     .take = take_dir},
    {.name = "filter",
     .value = "TEXT",
     .commands = "test",
     .help = "only the tests whose names contain TEXT",
     .take = take_filter},
    {.name = "junit",
     .value = "FILE",
     .commands = "test",
     .help = "write a report in JUnit's XML too",
     .take = take_junit},
    {.name = "format",
     .value = "FORMAT",
     .help = "how it is printed; the first of the command's formats by itself",
     .take = take_format},
    {.name = "log-level",
     .value = "LEVEL",
     .choices = "ERROR WARN INFO DEBUG",
     .help = "whatever the pipeline says",
     .take = take_log_level},
    {.name = "log-format", .value = "FORMAT", .choices = "text json", .help = "likewise", .take = take_log_format},
    {.name = "env-file",
     .value = "FILE",
     .help = "read NAME=VALUE lines first (default: .env, where it exists)",
     .take = take_env_file},
    {.name = "plugin-path",
     .value = "DIR",
     .help = "look for plugins in DIR first; may be repeated (also: CHURN_PLUGIN_PATH)",
     .take = take_plugin_path},
    {.name = "version", .letter = 'V', .help = "show the version", .take = take_version},
    {.name = "help", .letter = 'h', .help = "show this", .take = take_help},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])
#define OPTION_COUNT (sizeof options / sizeof options[0])

const struct command *command_table(size_t *ret_count)
{
    *ret_count = COMMAND_COUNT;
    return commands;
}

const struct command_option *command_option_table(size_t *ret_count)
{
    *ret_count = OPTION_COUNT;
    return options;
}

/* ---- help ---- */

#define LEFT_WIDTH 36

/* One row: what is typed, and beside it what it does. */
static void print_row(const char *left, const char *note, const char *help)
{
    bool wide = strlen(left) + 2 > LEFT_WIDTH;
    (void)printf("  %-*s%s", LEFT_WIDTH, left, wide ? "\n" : "");
    for (bool first = true; help != NULL; first = false) {
        const char *end = strchr(help, '\n');
        (void)printf("%*s%s%.*s\n", first && !wide ? 0 : LEFT_WIDTH + 2, "", first ? note : "",
                     end != NULL ? (int)(end - help) : (int)strlen(help), help);
        help = end != NULL ? end + 1 : NULL;
    }
}

static void print_command(const struct command *command)
{
    char left[160];
    size_t used = (size_t)snprintf(left, sizeof left, strcmp(command->name, "run") == 0 ? "churnd [%s]" : "churnd %s",
                                   command->name);
    if (command->needs_config) {
        used += (size_t)snprintf(left + used, sizeof left - used, " -c PIPELINE.yaml");
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options[i].required && words_have(options[i].commands, command->name)) {
            used += (size_t)snprintf(left + used, sizeof left - used, " --%s %s", options[i].name, options[i].value);
        }
    }
    if (command->operands != NULL) {
        (void)snprintf(left + used, sizeof left - used, " %s", command->operands);
    }
    print_row(left, "", command->help);
}

static void print_option(const struct command_option *option)
{
    char left[96], note[96] = "", letter[8] = "    ";
    if (option->letter != 0) {
        (void)snprintf(letter, sizeof letter, "-%c, ", option->letter);
    }
    (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name, option->value != NULL ? " " : "",
                   option->value != NULL ? option->value : "");
    if (option->commands != NULL) {
        (void)snprintf(note, sizeof note, "%s: ", option->commands);
    } else if (option->choices != NULL) {
        (void)snprintf(note, sizeof note, "%s: ", option->choices);
    }
    print_row(left, note, option->help);
}

static bool take_help(struct arguments *a, const char *value)
{
    (void)a;
    (void)value;
    (void)puts("churnd turns streams of customer events into exact profiles, churn predictions and alerts.\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        print_command(&commands[i]);
    }
    (void)puts("\noptions");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        print_option(&options[i]);
    }
    (void)puts("\nchurnd(8), churnd-pipeline(5) and churnd-plugin(7) tell more.");
    return true;
}

static bool take_version(struct arguments *a, const char *value)
{
    (void)a;
    (void)value;
    (void)printf("churnd %s, plugin ABI %d.%d\n", PACKAGE_VERSION, CHURN_ABI_MAJOR, CHURN_ABI_MINOR);
    return true;
}

/* ---- reading ---- */

static bool check_choice(const char *option, const char *choices, const char *value)
{
    if (choices == NULL || words_have(choices, value)) {
        return true;
    }
    printable_line(stderr, "churnd: --%s: '%s' is not one of: %s", option, value, choices);
    return false;
}

/* Options in the form that getopt_long wants; `val` is the row's number, after all letters. */
static void fill_getopt(struct option *longs, char *letters)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        longs[i] = (struct option){.name = options[i].name,
                                   .has_arg = options[i].value != NULL ? required_argument : no_argument,
                                   .val = 256 + (int)i};
        if (options[i].letter != 0) {
            *letters++ = options[i].letter;
            *letters = ':';
            letters += options[i].value != NULL;
        }
    }
    *letters = '\0';
}

static size_t option_number(int found)
{
    size_t i = 0;
    if (found >= 256) {
        return (size_t)found - 256;
    }
    while (i < OPTION_COUNT && options[i].letter != found) {
        i++;
    }
    return i;
}

static enum parsed take_options(int argc, char **argv, struct arguments *a, bool given[OPTION_COUNT])
{
    struct option longs[OPTION_COUNT + 1] = {{0}};
    char letters[2 * OPTION_COUNT + 1];
    int found;
    fill_getopt(longs, letters);
    while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        size_t i = option_number(found);
        if (i == OPTION_COUNT) {
            (void)fputs("churnd: see `churnd --help`\n", stderr);
            return PARSED_WRONG;
        }
        given[i] = true;
        if (!check_choice(options[i].name, options[i].choices, optarg) || !options[i].take(a, optarg)) {
            return PARSED_WRONG;
        }
        if (options[i].take == take_help || options[i].take == take_version) {
            return PARSED_DONE;
        }
    }
    return PARSED_RUN;
}

static bool is_pipeline_file(const char *name)
{
    const char *suffix = strrchr(name, '.');
    return suffix != NULL && (strcmp(suffix, ".yaml") == 0 || strcmp(suffix, ".yml") == 0);
}

static const struct command *find_command(const char *name)
{
    struct suggest suggest = {.typed = name};
    char hint[96];
    if (is_pipeline_file(name)) {
        printable_line(stderr, "churnd: a pipeline is named with -c: churnd -c %s", name);
        return NULL;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
        suggest_offer(&suggest, commands[i].name);
    }
    printable_line(stderr, "churnd: there is no command '%s'%s; see `churnd --help`", name,
                   suggest_text(&suggest, hint, sizeof hint));
    return NULL;
}

static bool check_operands(const struct command *command, const struct arguments *a)
{
    if (command->needs_config && a->config == NULL && a->operand_count > 0 && is_pipeline_file(a->operands[0])) {
        printable_line(stderr, "churnd: a pipeline is named with -c: churnd %s -c %s", command->name, a->operands[0]);
        return false;
    }
    if (command->needs_config && a->config == NULL) {
        printable_line(stderr, "churnd: name a pipeline: churnd %s -c PIPELINE.yaml (see `churnd --help`)",
                       command->name);
        return false;
    }
    if (a->operand_count < command->least_operands) {
        printable_line(stderr, "churnd: %s: an argument is missing: churnd %s %s", command->name, command->name,
                       command->operands);
        return false;
    }
    if (a->operand_count > command->most_operands) {
        printable_line(stderr, "churnd: %s takes no argument '%s'", command->name, a->operands[command->most_operands]);
        return false;
    }
    return true;
}

/* Options that the command does not take, or needs. */
static bool check_options(const struct command *command, const struct arguments *a, const bool given[OPTION_COUNT])
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        bool belongs = options[i].commands == NULL || words_have(options[i].commands, command->name);
        if (given[i] && !belongs) {
            printable_line(stderr, "churnd: --%s belongs to `churnd %s`", options[i].name, options[i].commands);
            return false;
        }
        if (options[i].required && belongs && !given[i]) {
            printable_line(stderr, "churnd: %s: --%s %s is missing: %s", command->name, options[i].name,
                           options[i].value, options[i].help);
            return false;
        }
    }
    if (a->format != NULL && command->formats == NULL) {
        printable_line(stderr, "churnd: %s has one format only", command->name);
        return false;
    }
    return a->format == NULL || check_choice("format", command->formats, a->format);
}

enum parsed command_line_parse(int argc, char **argv, struct arguments *a, const struct command **ret_command)
{
    bool given[OPTION_COUNT] = {false};
    enum parsed parsed = take_options(argc, argv, a, given);
    if (parsed != PARSED_RUN) {
        return parsed;
    }
    if (optind < argc && strcmp(argv[optind], "help") == 0) { /* as with many programs */
        (void)take_help(a, NULL);
        return PARSED_DONE;
    }
    *ret_command = find_command(optind < argc ? argv[optind] : "run");
    for (int i = optind + 1; i < argc; i++) {
        a->operands[a->operand_count++] = argv[i];
    }
    bool good = *ret_command != NULL && check_operands(*ret_command, a) && check_options(*ret_command, a, given);
    return good ? PARSED_RUN : PARSED_WRONG;
}
