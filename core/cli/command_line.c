#include "cli/command_line.h"

#include "build-config.h"

#include "base/printable.h"
#include "base/suggest.h"
#include "base/words.h"
#include "cli/command_table.h"
#include <churn/plugin.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

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

static void print_command(const struct command_table *table, const struct command *command)
{
    char left[160];
    size_t used = (size_t)snprintf(left, sizeof left, strcmp(command->name, "run") == 0 ? "churnd [%s]" : "churnd %s",
                                   command->name);
    if (command->needs_config) {
        used += (size_t)snprintf(left + used, sizeof left - used, " -c PIPELINE.yaml");
    }
    for (size_t i = 0; i < table->option_count; i++) {
        if (table->options[i].required && words_have(table->options[i].commands, command->name)) {
            used += (size_t)snprintf(left + used, sizeof left - used, " --%s %s", table->options[i].name,
                                     table->options[i].value);
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

static void print_help(const struct command_table *table)
{
    (void)puts("churnd turns streams of customer events into exact profiles, churn predictions and alerts.\n");
    for (size_t i = 0; i < table->command_count; i++) {
        print_command(table, &table->commands[i]);
    }
    (void)puts("\noptions");
    for (size_t i = 0; i < table->option_count; i++) {
        print_option(&table->options[i]);
    }
    (void)puts("\nchurnd(8), churnd-pipeline(5) and churnd-plugin(7) tell more.");
}

static void print_version(void)
{
    (void)printf("churnd %s, plugin ABI %d.%d\n", PACKAGE_VERSION, CHURN_ABI_MAJOR, CHURN_ABI_MINOR);
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
static void fill_getopt(const struct command_table *table, struct option *longs, char *letters)
{
    for (size_t i = 0; i < table->option_count; i++) {
        longs[i] = (struct option){.name = table->options[i].name,
                                   .has_arg = table->options[i].value != NULL ? required_argument : no_argument,
                                   .val = 256 + (int)i};
        if (table->options[i].letter != 0) {
            *letters++ = table->options[i].letter;
            *letters = ':';
            letters += table->options[i].value != NULL;
        }
    }
    *letters = '\0';
}

static size_t option_number(const struct command_table *table, int found)
{
    size_t i = 0;
    if (found >= 256) {
        return (size_t)found - 256;
    }
    while (i < table->option_count && table->options[i].letter != found) {
        i++;
    }
    return i;
}

static bool belongs(const struct command_option *option, const struct command *command)
{
    return option->commands == NULL || words_have(option->commands, command->name);
}

/* The option of that name which belongs to the command: two commands may have one name for two things. The number of
 * options where there is none. */
static size_t option_of(const struct command_table *table, const char *name, const struct command *command)
{
    size_t i = 0;
    while (i < table->option_count &&
           (strcmp(table->options[i].name, name) != 0 || !belongs(&table->options[i], command))) {
        i++;
    }
    return i;
}

static bool has_namesake(const struct command_table *table, size_t number)
{
    for (size_t i = 0; i < table->option_count; i++) {
        if (i != number && strcmp(table->options[i].name, table->options[number].name) == 0) {
            return true;
        }
    }
    return false;
}

/* What was given for each option, by its number. */
struct given {
    bool is[COMMAND_MAX_OPTIONS];
    const char *later[COMMAND_MAX_OPTIONS]; /* its value, which only the command can tell the meaning of */
};

static bool take_value(struct arguments *a, size_t number, const char *value)
{
    const struct command_option *option = &a->table->options[number];
    return check_choice(option->name, option->choices, value) && option->take(a, value);
}

/* Options whose meaning the command tells; one that it does not take stays with the first that has its name. */
static bool take_later(struct arguments *a, const struct command *command, struct given *given)
{
    bool ok = true;
    for (size_t i = 0; i < a->table->option_count && ok; i++) {
        size_t number =
            given->later[i] != NULL ? option_of(a->table, a->table->options[i].name, command) : a->table->option_count;
        if (number < a->table->option_count) {
            given->is[i] = false;
            given->is[number] = true;
            ok = take_value(a, number, given->later[i]);
        }
    }
    return ok;
}

static enum parsed take_options(int argc, char **argv, struct arguments *a, struct given *given)
{
    const struct command_table *table = a->table;
    struct option longs[COMMAND_MAX_OPTIONS + 1] = {{0}};
    char letters[2 * COMMAND_MAX_OPTIONS + 1];
    int found;
    fill_getopt(table, longs, letters);
    while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        size_t i = option_number(table, found);
        if (i == table->option_count) {
            (void)fputs("churnd: see `churnd --help`\n", stderr);
            return PARSED_WRONG;
        }
        given->is[i] = true;
        if (has_namesake(table, i)) {
            given->later[i] = optarg;
        } else if (!take_value(a, i, optarg)) {
            return PARSED_WRONG;
        }
        if (a->show_help || a->show_version) {
            if (a->show_help) {
                print_help(table);
            } else {
                print_version();
            }
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

static const struct command *find_command(const struct command_table *table, const char *name)
{
    struct suggest suggest = {.typed = name};
    char hint[96];
    if (is_pipeline_file(name)) {
        printable_line(stderr, "churnd: a pipeline is named with -c: churnd -c %s", name);
        return NULL;
    }
    for (size_t i = 0; i < table->command_count; i++) {
        if (strcmp(table->commands[i].name, name) == 0) {
            return &table->commands[i];
        }
        suggest_offer(&suggest, table->commands[i].name);
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
static bool check_options(const struct command *command, const struct arguments *a, const bool *given)
{
    const struct command_table *table = a->table;
    for (size_t i = 0; i < table->option_count; i++) {
        bool own = belongs(&table->options[i], command);
        if (given[i] && !own) {
            printable_line(stderr, "churnd: --%s belongs to `churnd %s`", table->options[i].name,
                           table->options[i].commands);
            return false;
        }
        if (table->options[i].required && own && !given[i]) {
            printable_line(stderr, "churnd: %s: --%s %s is missing: %s", command->name, table->options[i].name,
                           table->options[i].value, table->options[i].help);
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
    struct given given = {0};
    enum parsed parsed;
    a->table = command_table();
    parsed = take_options(argc, argv, a, &given);
    if (parsed != PARSED_RUN) {
        return parsed;
    }
    if (optind < argc && strcmp(argv[optind], "help") == 0) { /* as with many programs */
        print_help(a->table);
        return PARSED_DONE;
    }
    *ret_command = find_command(a->table, optind < argc ? argv[optind] : "run");
    for (int i = optind + 1; i < argc; i++) {
        a->operands[a->operand_count++] = argv[i];
    }
    bool good = *ret_command != NULL && check_operands(*ret_command, a) && take_later(a, *ret_command, &given) &&
                check_options(*ret_command, a, given.is);
    return good ? PARSED_RUN : PARSED_WRONG;
}
