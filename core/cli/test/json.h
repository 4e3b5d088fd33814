/* YAML as JSON. */
#ifndef TEST_JSON_H
#define TEST_JSON_H

#include "base/json_text.h"
#include "config/config.h"

/* A node as JSON: plain scalars that are JSON numbers, true, false or null as they are, with their exact text; others
 * as strings. */
void test_append_json(struct text *out, const struct node *node);
/* Whether a scalar is what JSON writes without quotes. */
bool test_is_literal(const struct node *scalar);

#endif
