/* The command line as two tables, of commands and of options. Reading it, `--help` and shell completions come from
 * them. */
#ifndef COMMAND_TABLE_H
#define COMMAND_TABLE_H

#include "cli/commands.h"

#define COMMAND_MAX_OPTIONS 64

const struct command_table *command_table(void);

#endif
