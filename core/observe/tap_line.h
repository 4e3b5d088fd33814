/* A record that passed a tap as a line. */
#ifndef TAP_LINE_H
#define TAP_LINE_H

#include "base/json_text.h"
#include "pipeline/taps.h"

/* Append the line, with its end: a JSON object, or a text for people. `json`: the record's value is a JSON object, and
 * stands in the line as such. */
void tap_line_append_json(struct text *out, const struct tapped *tapped, bool json);
void tap_line_append_text(struct text *out, const struct tapped *tapped, bool json);

#endif
