/* The rows of `churnd top` as lines, where there is no terminal. */
#ifndef TOP_LINES_H
#define TOP_LINES_H

#include "cli/top/model.h"
#include <stdbool.h>

/* To standard output: a table for people; or one line, a JSON object. False when memory ran out. */
void top_lines_print(const struct top_model *model);
bool top_lines_print_json(const struct top_model *model);

#endif
