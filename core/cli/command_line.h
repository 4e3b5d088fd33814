/* Reading the command line by the table of commands. */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include "cli/commands.h"
#include <stddef.h>

enum parsed { PARSED_RUN, PARSED_DONE, PARSED_WRONG };

/* Fills the arguments, whose lists have room for `argc` items each, and finds the command. DONE: all was said (--help);
 * WRONG: a message went to standard error. */
enum parsed command_line_parse(int argc, char **argv, struct arguments *arguments, const struct command **ret_command);

#endif
