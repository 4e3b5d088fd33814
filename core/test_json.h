/* YAML as JSON, and JSON as a tree. */
#ifndef TEST_JSON_H
#define TEST_JSON_H

#include "config.h"
#include "json_text.h"

struct json_object;

/* A node as JSON: plain scalars that are JSON numbers, true, false or null as they are, with their exact text; others
 * as strings. */
void test_append_json(struct text *out, const struct node *node);
/* Whether a scalar is what JSON writes without quotes. */
bool test_is_literal(const struct node *scalar);

/* One JSON value; the caller's. NULL also for `null`: *ret_ok is false when the text is none, or memory ran out. */
struct json_object *test_json_parse(const char *bytes, size_t len, bool *ret_ok);

#endif
