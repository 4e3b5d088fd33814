/* What `churnd verify` says. */
#ifndef VERIFY_REPORT_H
#define VERIFY_REPORT_H

#include "cli/verify_compare.h"

/* Names a customer that differs at once, or in v->list for JSON. */
void verify_name(struct verify *v, struct difference *difference);
/* Say how the sides compare. False when memory ran out. */
void verify_print_text(const struct verify *v, struct differences *differences);
bool verify_print_json(const struct verify *v, struct differences *differences);

#endif
