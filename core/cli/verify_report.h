/* What `churnd verify` says. */
#ifndef VERIFY_REPORT_H
#define VERIFY_REPORT_H

#include "cli/verify_compare.h"

/* Say how the sides compare. False when memory ran out. */
void verify_print_text(const struct verify *v, struct differences *differences);
bool verify_print_json(const struct verify *v, struct differences *differences);

#endif
