/* The command line as two tables, of commands and of options. Reading it, `--help` and shell completions come from
 * them. */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include "cli/commands.h"
#include <stddef.h>

struct command {
    const char *name;
    const char *operands; /* what stands behind the name, for people; NULL: nothing */
    unsigned least_operands, most_operands;
    bool needs_config;
    const char *formats; /* what --format may be, parted by spaces, the default first; NULL: --format is not for it */
    const char *help;    /* lines that `\n` parts */
    int (*run)(const struct arguments *arguments, struct loader *loader, struct log *log);
};

struct command_option {
    const char *name;
    const char *value;    /* what it takes, for people; NULL: nothing */
    const char *choices;  /* what that may be, parted by spaces; NULL: anything */
    const char *commands; /* those that it belongs to, parted by spaces; NULL: all */
    const char *help;     /* lines that `\n` parts */
    bool (*take)(struct arguments *arguments, const char *value); /* false, with a message, when the value is wrong */
    char letter;                                                  /* 0: it has only its name */
    bool required;                                                /* by each of its commands */
};

const struct command *command_table(size_t *ret_count);
const struct command_option *command_option_table(size_t *ret_count);

enum parsed { PARSED_RUN, PARSED_DONE, PARSED_WRONG };

/* Fills the arguments, whose lists have room for `argc` items each, and finds the command. DONE: all was said (--help);
 * WRONG: a message went to standard error. */
enum parsed command_line_parse(int argc, char **argv, struct arguments *arguments, const struct command **ret_command);

#endif
