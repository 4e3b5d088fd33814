/* `churnd completion`: scripts for shells, from the tables of commands and options. */
#include "cli/commands.h"

#include "base/printable.h"
#include "base/words.h"
#include <stdio.h>
#include <string.h>

#define PLUGIN_NAMES "churnd completion plugins 2>/dev/null"

/* ---- what can stand where ---- */

enum value_kind { VALUE_NONE, VALUE_CHOICES, VALUE_FILE, VALUE_FOLDER, VALUE_PLUGIN, VALUE_OTHER };

static enum value_kind kind_of_word(const char *word)
{
    if (word == NULL) {
        return VALUE_NONE;
    }
    return strstr(word, "FILE") != NULL || strstr(word, ".so") != NULL ? VALUE_FILE
           : strstr(word, "DIR") != NULL                               ? VALUE_FOLDER
           : strstr(word, "PLUGIN") != NULL                            ? VALUE_PLUGIN
                                                                       : VALUE_OTHER;
}

static enum value_kind kind_of_option(const struct command_option *option)
{
    return option->choices != NULL ? VALUE_CHOICES : kind_of_word(option->value);
}

/* `a|b|c` is a choice. */
static enum value_kind kind_of_operands(const struct command *command)
{
    return command->operands != NULL && strchr(command->operands, '|') != NULL ? VALUE_CHOICES
                                                                               : kind_of_word(command->operands);
}

static bool belongs(const struct command_option *option, const struct command *command)
{
    return option->commands == NULL || words_have(option->commands, command->name);
}

/* --format has the choices of its command, and is only for commands that have any. */
static bool is_format(const struct command_option *option)
{
    return strcmp(option->name, "format") == 0;
}

static const char *choices_of(const struct command_option *option, const struct command *command)
{
    return is_format(option) ? command->formats : option->choices;
}

static bool is_offered(const struct command_option *option, const struct command *command)
{
    return belongs(option, command) && (!is_format(option) || command->formats != NULL);
}

/* `text`, with each byte of `from` replaced by `to`, and only its first line. */
static void put_line(const char *text, char from, const char *to)
{
    for (; *text != '\0' && *text != '\n'; text++) {
        if (*text == from) {
            (void)fputs(to, stdout);
        } else {
            (void)putchar(*text);
        }
    }
}

/* ---- bash ---- */

static void bash_words(enum value_kind kind, const char *words)
{
    switch (kind) {
    case VALUE_CHOICES:
        (void)printf("mapfile -t COMPREPLY < <(compgen -W '");
        put_line(words, '|', " ");
        (void)printf("' -- \"$cur\")");
        break;
    case VALUE_FILE:
        (void)printf("compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")");
        break;
    case VALUE_FOLDER:
        (void)printf("compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")");
        break;
    case VALUE_PLUGIN:
        (void)printf("mapfile -t COMPREPLY < <(compgen -W \"$(" PLUGIN_NAMES ")\" -- \"$cur\")");
        break;
    default:
        (void)printf(":");
    }
}

/* `-c|--config|…`: the options that take a value. */
static void bash_valued(const struct command_option *options, size_t count)
{
    const char *bar = "";
    for (size_t i = 0; i < count; i++) {
        if (options[i].value != NULL) {
            (void)printf("%s", bar);
            if (options[i].letter != 0) {
                (void)printf("-%c|", options[i].letter);
            }
            (void)printf("--%s", options[i].name);
            bar = "|";
        }
    }
}

static void bash_option_value(const struct command_option *option, const struct command *commands, size_t count)
{
    (void)printf("    ");
    if (option->letter != 0) {
        (void)printf("-%c|", option->letter);
    }
    (void)printf("--%s) ", option->name);
    if (is_format(option)) {
        (void)printf("case $command in\n");
        for (size_t i = 0; i < count; i++) {
            if (commands[i].formats != NULL) {
                (void)printf("        %s) ", commands[i].name);
                bash_words(VALUE_CHOICES, commands[i].formats);
                (void)printf(" ;;\n");
            }
        }
        (void)printf("        esac");
    } else {
        bash_words(kind_of_option(option), option->choices);
    }
    (void)printf("; return ;;\n");
}

static void bash_command(const struct command *command, const struct command_option *options, size_t count)
{
    (void)printf("    %s)\n        if [[ $cur == -* ]]; then\n            mapfile -t COMPREPLY < <(compgen -W '",
                 command->name);
    for (size_t i = 0; i < count; i++) {
        if (is_offered(&options[i], command)) {
            (void)printf("--%s ", options[i].name);
        }
    }
    (void)printf("' -- \"$cur\")\n        else\n            ");
    bash_words(kind_of_operands(command), command->operands);
    (void)printf("\n        fi ;;\n");
}

static void print_bash(const struct command *commands, size_t command_count, const struct command_option *options,
                       size_t option_count)
{
    (void)printf("# bash completion of churnd\n"
                 "_churnd() {\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= i\n"
                 "    COMPREPLY=()\n"
                 "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                 "        case ${COMP_WORDS[i]} in\n        ");
    bash_valued(options, option_count);
    (void)printf(") ((i++)) ;;\n        -*) ;;\n        *) command=${COMP_WORDS[i]}; break ;;\n        esac\n    done\n"
                 "    case $prev in\n");
    for (size_t i = 0; i < option_count; i++) {
        if (options[i].value != NULL) {
            bash_option_value(&options[i], commands, command_count);
        }
    }
    (void)printf("    esac\n    case $command in\n    '')\n"
                 "        if [[ $cur == -* ]]; then\n            mapfile -t COMPREPLY < <(compgen -W '");
    for (size_t i = 0; i < option_count; i++) {
        (void)printf("--%s ", options[i].name);
    }
    (void)printf("' -- \"$cur\")\n        else\n            mapfile -t COMPREPLY < <(compgen -W '");
    for (size_t i = 0; i < command_count; i++) {
        (void)printf("%s ", commands[i].name);
    }
    (void)printf("' -- \"$cur\")\n        fi ;;\n");
    for (size_t i = 0; i < command_count; i++) {
        bash_command(&commands[i], options, option_count);
    }
    (void)printf("    esac\n}\ncomplete -F _churnd churnd\n");
}

/* ---- zsh ---- */

static void zsh_text(const char *text)
{
    for (; *text != '\0' && *text != '\n'; text++) {
        if (*text == '\'') {
            (void)fputs("'\\''", stdout);
        } else {
            (void)fputs(strchr("[]:\\", *text) != NULL ? "\\" : "", stdout);
            (void)putchar(*text);
        }
    }
}

static void zsh_value(enum value_kind kind, const char *words)
{
    switch (kind) {
    case VALUE_CHOICES:
        (void)fputs("(", stdout);
        put_line(words, '|', " ");
        (void)fputs(")", stdout);
        break;
    case VALUE_FILE:
        (void)fputs("_files", stdout);
        break;
    case VALUE_FOLDER:
        (void)fputs("_files -/", stdout);
        break;
    case VALUE_PLUGIN:
        (void)fputs("_churnd_plugins", stdout);
        break;
    default:
        (void)fputs(" ", stdout);
    }
}

static void zsh_option(const struct command_option *option, const struct command *command)
{
    const char *choices = choices_of(option, command);
    char letter[8] = "";
    for (int form = option->letter != 0 ? 0 : 1; form < 2; form++) {
        (void)snprintf(letter, sizeof letter, "-%c", option->letter);
        (void)printf(" \\\n            '*%s%s[", form == 0 ? letter : "--", form == 0 ? "" : option->name);
        zsh_text(option->help);
        (void)printf("]");
        if (option->value != NULL) {
            (void)printf(":%s:", option->value);
            zsh_value(choices != NULL ? VALUE_CHOICES : kind_of_option(option), choices);
        }
        (void)printf("'");
    }
}

static void zsh_command(const struct command *command, const struct command_option *options, size_t count)
{
    (void)printf("        %s) _arguments -s", command->name);
    for (size_t i = 0; i < count; i++) {
        if (is_offered(&options[i], command)) {
            zsh_option(&options[i], command);
        }
    }
    (void)printf(" \\\n            '1:command:(%s)'", command->name);
    if (command->operands != NULL) {
        (void)printf(" \\\n            '*:operand:");
        zsh_value(kind_of_operands(command), command->operands);
        (void)printf("'");
    }
    (void)printf(" ;;\n");
}

static void print_zsh(const struct command *commands, size_t command_count, const struct command_option *options,
                      size_t option_count)
{
    (void)printf("#compdef churnd\n"
                 "_churnd_plugins() {\n    compadd -- $(" PLUGIN_NAMES ")\n}\n"
                 "_churnd() {\n    local -a commands\n    local word command\n    commands=(\n");
    for (size_t i = 0; i < command_count; i++) {
        (void)printf("        '%s:", commands[i].name);
        zsh_text(commands[i].help);
        (void)printf("'\n");
    }
    (void)printf("    )\n    for word in ${words[2,CURRENT-1]}; do\n"
                 "        if (( ${commands[(I)${word}:*]} )); then command=$word; break; fi\n    done\n"
                 "    case $command in\n");
    for (size_t i = 0; i < command_count; i++) {
        zsh_command(&commands[i], options, option_count);
    }
    (void)printf(
        "        *)\n            if [[ $words[CURRENT-1] == (-c|--config|--env-file) ]]; then\n"
        "                _files\n            else\n                _describe command commands\n            fi ;;\n"
        "    esac\n}\n_churnd \"$@\"\n");
}

/* ---- fish ---- */

static void fish_text(const char *text)
{
    (void)putchar('\'');
    for (; *text != '\0' && *text != '\n'; text++) {
        (void)fputs(*text == '\'' || *text == '\\' ? "\\" : "", stdout);
        (void)putchar(*text);
    }
    (void)putchar('\'');
}

static void fish_value(enum value_kind kind, const char *words)
{
    switch (kind) {
    case VALUE_CHOICES:
        (void)fputs(" -x -a '", stdout);
        put_line(words, '|', " ");
        (void)putchar('\'');
        break;
    case VALUE_FILE:
        (void)fputs(" -r -F", stdout);
        break;
    case VALUE_FOLDER:
        (void)fputs(" -x -a '(__fish_complete_directories)'", stdout);
        break;
    case VALUE_PLUGIN:
        (void)fputs(" -x -a \"(" PLUGIN_NAMES ")\"", stdout);
        break;
    case VALUE_OTHER:
        (void)fputs(" -x", stdout);
        break;
    default:
        break;
    }
}

static void fish_option(const struct command_option *option, const char *condition, const char *choices)
{
    (void)printf("complete -c churnd%s -l %s", condition, option->name);
    if (option->letter != 0) {
        (void)printf(" -s %c", option->letter);
    }
    fish_value(choices != NULL ? VALUE_CHOICES : kind_of_option(option), choices);
    (void)printf(" -d ");
    fish_text(option->help);
    (void)putchar('\n');
}

static void fish_command(const struct command *command, const struct command_option *options, size_t count)
{
    char condition[128];
    (void)snprintf(condition, sizeof condition, " -n '__fish_seen_subcommand_from %s'", command->name);
    (void)printf("complete -c churnd -n __fish_use_subcommand -a %s -d ", command->name);
    fish_text(command->help);
    (void)putchar('\n');
    for (size_t i = 0; i < count; i++) {
        if (is_offered(&options[i], command) && (options[i].commands != NULL || is_format(&options[i]))) {
            fish_option(&options[i], condition, choices_of(&options[i], command));
        }
    }
    if (command->operands != NULL && kind_of_operands(command) != VALUE_OTHER) {
        (void)printf("complete -c churnd%s", condition);
        fish_value(kind_of_operands(command), command->operands);
        (void)putchar('\n');
    }
}

static void print_fish(const struct command *commands, size_t command_count, const struct command_option *options,
                       size_t option_count)
{
    (void)printf("# fish completion of churnd\ncomplete -c churnd -f\n");
    for (size_t i = 0; i < option_count; i++) {
        if (options[i].commands == NULL && !is_format(&options[i])) {
            fish_option(&options[i], "", options[i].choices);
        }
    }
    for (size_t i = 0; i < command_count; i++) {
        fish_command(&commands[i], options, option_count);
    }
}

/* ---- the command ---- */

static void print_name(void *ctx, const char *name)
{
    (void)ctx;
    (void)puts(name);
}

/* For the scripts: whoever presses a key in a folder wants nothing of it to run, so that no file is opened. */
static int print_plugins(const struct loader *loader)
{
    for (uint32_t kind = CHURN_KIND_EVENT; kind <= CHURN_KIND_SINK; kind++) {
        loader_each_name(loader, kind, print_name, NULL);
    }
    return 0;
}

int command_completion(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    static const struct {
        const char *shell;
        void (*print)(const struct command *, size_t, const struct command_option *, size_t);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    const struct command_table *table = arguments->table;
    (void)log;
    if (strcmp(arguments->operands[0], "plugins") == 0) {
        return print_plugins(loader);
    }
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(shells[i].shell, arguments->operands[0]) == 0) {
            shells[i].print(table->commands, table->command_count, table->options, table->option_count);
            return 0;
        }
    }
    printable_line(stderr, "churnd: completion: '%s' is not one of bash, zsh, fish", arguments->operands[0]);
    return 1;
}
